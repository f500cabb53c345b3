//! Fresh prompts: the newer part of the training interactions, which supervised training leaves to
//! reinforcement learning.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Histories, Sequences};
use crate::error::{Error, Result};

/// The rule that tells fresh training interactions from older ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FreshRule {
    /// The newest so many training interactions of each user are fresh.
    Items(usize),
    /// The newest share of all training interactions is fresh, in (0, 1).
    ///
    /// The cut is a timestamp: a quantile of the training interactions. An interaction at the cut
    /// is fresh, so ties can make the fresh part larger than asked.
    Share(f64),
}

impl FreshRule {
    /// The key of the rule.
    const fn key(self) -> &'static str {
        match self {
            Self::Items(_) => "rl.fresh_items",
            Self::Share(_) => "rl.fresh_share",
        }
    }
}

impl fmt::Display for FreshRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items(items) => write!(f, "{items}"),
            Self::Share(share) => write!(f, "{share}"),
        }
    }
}

/// The training interactions, parted by age: each user's older ones, and the sizes of both parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The older part: for each user the first of the training interactions, perhaps none. The
    /// others are fresh.
    pub older: Histories,
    /// The sizes of both parts.
    pub report: FreshReport,
}

/// The sizes of the older and the fresh part of the training interactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshReport {
    /// Training interactions that supervised training sees.
    pub older: usize,
    /// Training interactions that supervised training does not see.
    pub fresh: usize,
    /// Fresh interactions with an item before them: the prompts of reinforcement learning.
    pub prompts: usize,
    /// Users with training interactions and fewer than two older ones: supervised training predicts
    /// none of their items.
    pub too_short: usize,
    /// Users without an item before their first fresh one, which is no prompt.
    pub without_history: usize,
}

impl fmt::Display for FreshReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { older, fresh, prompts, too_short, without_history } = self;
        write!(
            f,
            "reinforcement learning: {prompts} fresh prompts; supervised training sees the {older} older of {} \
             training interactions",
            older + fresh
        )?;
        if *too_short > 0 {
            write!(f, "; {too_short} users have fewer than two older ones, which predict nothing")?;
        }
        if *without_history > 0 {
            write!(
                f,
                "; {without_history} users have no item before their first fresh one, which is no prompt"
            )?;
        }
        Ok(())
    }
}

impl Fresh {
    /// Parts the training interactions `train`, each user's first interactions in `sequences`.
    ///
    /// # Errors
    ///
    /// If supervised training would have nothing to predict, or reinforcement learning no prompt.
    pub fn new(sequences: &Sequences, train: &Histories, rule: FreshRule) -> Result<Self> {
        let times_of = |range: &[usize], length: usize| &sequences.timestamps[range[0]..][..length];
        let cut = match rule {
            FreshRule::Items(_) => None,
            FreshRule::Share(share) => {
                let ranges = sequences.offsets.windows(2).zip(train.iter());
                let mut times: Vec<i64> = ranges
                    .flat_map(|(range, items)| times_of(range, items.len()))
                    .copied()
                    .collect();
                times.sort_unstable();
                times.get(newest_from(times.len(), share)).copied()
            }
        };
        let mut older = Histories::default();
        let mut report = FreshReport::default();
        for (range, items) in sequences.offsets.windows(2).zip(train.iter()) {
            let length = match (rule, cut) {
                (FreshRule::Items(fresh), _) => items.len().saturating_sub(fresh),
                (FreshRule::Share(_), Some(cut)) => {
                    times_of(range, items.len()).partition_point(|time| *time < cut)
                }
                (FreshRule::Share(_), None) => items.len(),
            };
            let fresh = items.len() - length;
            let is_cold = length == 0 && fresh > 0;
            older.push(&items[..length]);
            report.older += length;
            report.fresh += fresh;
            report.prompts += fresh - usize::from(is_cold);
            report.too_short += usize::from(length < 2 && !items.is_empty());
            report.without_history += usize::from(is_cold);
        }
        let fault = |problem: &str, hint: &str| {
            Err(Error::setting(rule.key(), format!("is {rule}, which leaves {problem}"), hint))
        };
        if older.iter().all(|items| items.len() < 2) {
            let problem = "supervised training without a user of two older training interactions";
            return fault(problem, "give less, or set rl.prompts to \"seen\"");
        }
        if report.prompts == 0 {
            let problem = "reinforcement learning without a prompt";
            return fault(problem, "give more, or set rl.prompts to \"seen\"");
        }
        Ok(Self { older, report })
    }
}

/// The number of the first interaction of the newest share of `count`, in time order.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
fn newest_from(count: usize, share: f64) -> usize {
    ((1.0 - share) * count as f64).round() as usize
}

#[cfg(test)]
mod tests;
