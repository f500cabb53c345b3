//! Training, validation and test.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Histories, Sequences};
use crate::error::{Error, Result};

/// A question to a recommender, with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The user of the history.
    pub user: u32,
    /// The items before the targets, in time order; never empty. A given split may keep only the
    /// last of them.
    pub history: Vec<u32>,
    /// The next items; never empty.
    pub targets: Vec<u32>,
}

/// A rule that shares out interactions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SplitKind {
    /// Each user's last item is for test, the last but one for validation, the others for training.
    ///
    /// Users with fewer than three items are trained on whole and not evaluated. The test history
    /// holds the validation item.
    LeaveOneOut,
    /// The latest interactions of the log are for test, those before for validation, the others for
    /// training.
    ///
    /// The two cuts are timestamps: quantiles of all interactions. An interaction at a cut is after
    /// it, so ties can make the parts larger than asked. Each interaction after the first cut whose
    /// user has earlier ones is an example of one target.
    GlobalTime {
        /// Share of the interactions for validation, in (0, 1).
        valid: f64,
        /// Share of the interactions for test, in (0, 1).
        test: f64,
    },
    /// The split that came with the log, as a folder of MiniOneRec or files of one's own have one.
    Given,
}

/// A split that came with the data: the last interactions of each user are held out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenSplit {
    /// Items of an example's longest history; a longer history keeps its last ones. At least 1.
    pub max_history: usize,
    /// The held-out interactions of each user; at least one interaction is left to train on.
    pub held_out: Vec<HeldOut>,
}

/// The numbers of a user's last interactions that are not for training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// Interactions for validation: those before the test's.
    pub valid: usize,
    /// Interactions for test: the very last.
    pub test: usize,
}

/// Interactions, shared out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The part to learn from: one history a user, some of them empty.
    pub train: Histories,
    /// The examples to choose by.
    pub valid: Vec<Example>,
    /// The examples to report on.
    pub test: Vec<Example>,
}

impl Split {
    /// Shares out `sequences`.
    ///
    /// # Errors
    ///
    /// If the shares are out of range, or one of the three parts would be empty. If `kind` asks for
    /// a given split and none came with the data.
    pub fn new(sequences: &Sequences, kind: SplitKind) -> Result<Self> {
        match kind {
            SplitKind::LeaveOneOut => leave_one_out(sequences),
            SplitKind::GlobalTime { valid, test } => global_time(sequences, valid, test),
            SplitKind::Given => given(sequences),
        }
    }

    /// The split itself, unless one of its parts is empty.
    fn checked(self, made: &str, hint: &str) -> Result<Self> {
        for (part, empty) in [
            ("training", self.train.flat.is_empty()),
            ("validation", self.valid.is_empty()),
            ("test", self.test.is_empty()),
        ] {
            if empty {
                return Err(Error::data(format!("{made} leaves nothing for {part}"), hint));
            }
        }
        Ok(self)
    }
}

/// The sizes of a split, and its traits that bear on figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitReport {
    /// Interactions to learn from.
    pub train_interactions: usize,
    /// Validation examples.
    pub valid: usize,
    /// Test examples.
    pub test: usize,
    /// Test targets that no training history holds: nothing can be learnt about them from
    /// interactions.
    pub cold_targets: usize,
    /// Test targets that stand in their own history: masking the history makes them impossible.
    pub repeated_targets: usize,
    /// Users with one item to learn from, which neither follows nor precedes another: only
    /// popularity learns from it.
    #[serde(default)]
    pub lone_items: usize,
}

impl fmt::Display for SplitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "training: {} interactions; validation: {} examples; test: {} examples, of whose targets {} are never \
             trained on and {} are in their own history",
            self.train_interactions,
            self.valid,
            self.test,
            self.cold_targets,
            self.repeated_targets
        )?;
        match self.lone_items {
            0 => Ok(()),
            lone => write!(f, "; {lone} users have one item for training, which predicts nothing"),
        }
    }
}

impl Split {
    /// Counts the traits that bear on figures.
    #[must_use]
    pub fn report(&self) -> SplitReport {
        let trained: HashSet<u32> = self.train.iter().flatten().copied().collect();
        let targets =
            || self.test.iter().flat_map(|it| it.targets.iter().map(move |target| (it, target)));
        SplitReport {
            train_interactions: self.train.iter().map(<[u32]>::len).sum(),
            valid: self.valid.len(),
            test: self.test.len(),
            cold_targets: targets().filter(|(_, target)| !trained.contains(target)).count(),
            repeated_targets: targets().filter(|(it, target)| it.history.contains(target)).count(),
            lone_items: self.train.iter().filter(|items| items.len() == 1).count(),
        }
    }
}

fn leave_one_out(sequences: &Sequences) -> Result<Split> {
    let mut split = Split { train: Histories::default(), valid: Vec::new(), test: Vec::new() };
    for (user, items) in (0u32..).zip(sequences.iter()) {
        let [train @ .., valid, test] = items else {
            split.train.push(items);
            continue;
        };
        if train.is_empty() {
            split.train.push(items);
            continue;
        }
        split.train.push(train);
        split.valid.push(Example { user, history: train.to_vec(), targets: vec![*valid] });
        let history = items[..items.len() - 1].to_vec();
        split.test.push(Example { user, history, targets: vec![*test] });
    }
    if split.test.is_empty() {
        return Err(Error::data(
            format!("none of {} users has the 3 items that leave-one-out needs", sequences.len()),
            "give longer histories or split by global time",
        ));
    }
    Ok(split)
}

fn global_time(sequences: &Sequences, valid: f64, test: f64) -> Result<Split> {
    for (key, share) in
        [("data.split.global_time.valid", valid), ("data.split.global_time.test", test)]
    {
        if !(share > 0.0 && share < 1.0) {
            let problem = format!("a share must be above 0 and below 1, not {share}");
            return Err(Error::setting(key, problem, "try 0.1"));
        }
    }
    if valid + test >= 1.0 {
        return Err(Error::setting(
            "data.split.global_time",
            format!("valid {valid} and test {test} leave nothing for training"),
            "try 0.1 each",
        ));
    }
    let mut times = sequences.timestamps.clone();
    times.sort_unstable();
    let quantile = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a length"
        )]
        let index = (share * times.len() as f64).round() as usize;
        times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or(0)
    };
    let (valid_from, test_from) = (quantile(1.0 - valid - test), quantile(1.0 - test));
    let mut split = Split { train: Histories::default(), valid: Vec::new(), test: Vec::new() };
    for (user, range) in (0u32..).zip(sequences.offsets.windows(2)) {
        let items = &sequences.flat[range[0]..range[1]];
        let times = &sequences.timestamps[range[0]..range[1]];
        let n_train = times.partition_point(|it| *it < valid_from);
        split.train.push(&items[..n_train]);
        for at in n_train.max(1)..items.len() {
            let example = Example { user, history: items[..at].to_vec(), targets: vec![items[at]] };
            if times[at] < test_from { &mut split.valid } else { &mut split.test }.push(example);
        }
    }
    split.checked(
        &format!("a split by global time at {valid_from} and {test_from}"),
        "change the shares or use leave-one-out",
    )
}

fn given(sequences: &Sequences) -> Result<Split> {
    let Some(given) = &sequences.given else {
        return Err(Error::setting(
            "data.split",
            "is \"given\", but the log came without a split",
            "name a folder of MiniOneRec, or the files data.valid and data.test, or set it to \"leave_one_out\"",
        ));
    };
    let mut split = Split { train: Histories::default(), valid: Vec::new(), test: Vec::new() };
    for (user, (items, held_out)) in (0u32..).zip(sequences.iter().zip(&given.held_out)) {
        let test_from = items.len() - held_out.test;
        let n_train = test_from - held_out.valid;
        split.train.push(&items[..n_train]);
        for at in n_train..items.len() {
            let history = items[at.saturating_sub(given.max_history)..at].to_vec();
            let example = Example { user, history, targets: vec![items[at]] };
            if at < test_from { &mut split.valid } else { &mut split.test }.push(example);
        }
    }
    split.checked("the split that came with the log", "complete its files or use leave-one-out")
}

#[cfg(test)]
mod tests;
