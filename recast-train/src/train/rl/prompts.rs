//! The prompts of reinforcement learning, in the order that every signal sees.

use rand::seq::SliceRandom;

use crate::catalogue::SidTable;
use crate::data::Histories;
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};

/// A prompt of reinforcement learning: the items of a user before `position`, and the next as
/// targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RlPrompt {
    /// The user.
    pub user: u32,
    /// The number of items before the first target.
    pub position: u32,
    /// The user and the place of the first target: the prompt's own, unless targets are shuffled.
    pub target: (u32, u32),
}

impl RlPrompt {
    /// All prompts: each item with a predecessor gives one prompt, for any number of targets.
    #[must_use]
    pub fn all(train: &Histories) -> Vec<Self> {
        (0u32..).zip(train.iter()).flat_map(|(user, items)| Self::of_user(user, 1, items)).collect()
    }

    /// The fresh prompts: each item behind the user's `older` items, if any item is before it.
    ///
    /// # Panics
    ///
    /// If a user of `train` has no entry in `older`.
    #[must_use]
    pub fn fresh(train: &Histories, older: &Histories) -> Vec<Self> {
        let of_user = |(user, items)| Self::of_user(user, older.sequence(user).len().max(1), items);
        (0u32..).zip(train.iter()).flat_map(of_user).collect()
    }

    /// The prompts of a user whose first targets stand at `first` or later.
    fn of_user(user: u32, first: usize, items: &[u32]) -> impl Iterator<Item = Self> + use<> {
        (first..items.len()).map(move |position| {
            let position = position as u32;
            Self { user, position, target: (user, position) }
        })
    }

    /// The items before the first target.
    #[must_use]
    pub fn history(self, train: &Histories) -> &[u32] {
        &train.sequence(self.user)[..self.position as usize]
    }

    /// The next `count` items of the training part, or fewer at its end; at least one for a nonzero
    /// `count`.
    #[must_use]
    pub fn targets(self, train: &Histories, count: usize) -> &[u32] {
        let (user, position) = self.target;
        let later = &train.sequence(user)[position as usize..];
        &later[..count.min(later.len())]
    }
}

/// Deals the targets of the prompts anew, among prompts whose first targets share the first code.
fn shuffle_targets(prompts: &mut [RlPrompt], train: &Histories, sids: &SidTable, seed: u64) {
    let first_code = |prompt: &RlPrompt| sids.sid(prompt.targets(train, 1)[0])[0];
    let mut places: Vec<usize> = (0..prompts.len()).collect();
    places.sort_by_key(|&i| first_code(&prompts[i]));
    let mut dealt: Vec<(u32, u32)> = places.iter().map(|&i| prompts[i].target).collect();
    let mut rng = stream(seed, Purpose::Targets, 0);
    let mut start = 0;
    for class in places.chunk_by(|&a, &b| first_code(&prompts[a]) == first_code(&prompts[b])) {
        dealt[start..start + class.len()].shuffle(&mut rng);
        start += class.len();
    }
    for (i, target) in places.into_iter().zip(dealt) {
        prompts[i].target = target;
    }
}

/// All prompts, shuffled anew for each pass over them: an endless order.
pub(super) struct PromptOrder {
    prompts: Vec<RlPrompt>,
    shuffled: Vec<RlPrompt>,
    pass: Option<usize>,
    seed: u64,
}

impl PromptOrder {
    /// The order of all prompts of the training part, or of those behind its `older` part. With
    /// `shuffled_by`, targets are shuffled among those of one first code.
    ///
    /// # Errors
    ///
    /// If the training part has no prompt.
    pub(super) fn new(
        train: &Histories,
        older: Option<&Histories>,
        shuffled_by: Option<&SidTable>,
        seed: u64,
    ) -> Result<Self> {
        let mut prompts = match older {
            Some(older) => RlPrompt::fresh(train, older),
            None => RlPrompt::all(train),
        };
        if prompts.is_empty() {
            let problem = "no user has two items in the training part, so there is no prompt to \
                           complete by reinforcement learning";
            let hint = "give users more interactions, or set rl.signals to []";
            return Err(Error::data(problem, hint));
        }
        if let Some(sids) = shuffled_by {
            shuffle_targets(&mut prompts, train, sids, seed);
        }
        Ok(Self { prompts, shuffled: Vec::new(), pass: None, seed })
    }

    /// The number of prompts of a pass, at least 1.
    pub(super) fn len(&self) -> usize {
        self.prompts.len()
    }

    /// `count` prompts of the endless order from number `start`.
    pub(super) fn take(&mut self, start: usize, count: usize) -> Vec<RlPrompt> {
        (start..start + count).map(|i| self.at(i)).collect()
    }

    fn at(&mut self, i: usize) -> RlPrompt {
        let pass = i / self.prompts.len();
        if self.pass != Some(pass) {
            self.shuffled.clone_from(&self.prompts);
            self.shuffled.shuffle(&mut stream(self.seed, Purpose::Prompts, pass as u64));
            self.pass = Some(pass);
        }
        self.shuffled[i % self.prompts.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_with_items_before_it_is_a_prompt() {
        let mut train = Histories::default();
        train.push(&[3, 1, 2]);
        train.push(&[4]);
        let prompts = RlPrompt::all(&train);
        assert_eq!(prompts.len(), 2);
        assert_eq!(
            (prompts[1].history(&train), prompts[1].targets(&train, 1)),
            (&[3, 1][..], &[2][..])
        );
    }

    #[test]
    fn fresh_prompts_stand_behind_the_older_part_and_have_a_history() {
        let (mut train, mut older) = (Histories::default(), Histories::default());
        for (items, first) in [(&[3, 1, 2, 5][..], 2), (&[4, 6], 0), (&[7], 0), (&[8, 9], 2)] {
            train.push(items);
            older.push(&items[..first]);
        }
        let prompts: Vec<(u32, u32)> = RlPrompt::fresh(&train, &older)
            .iter()
            .map(|prompt| (prompt.user, prompt.position))
            .collect();
        assert_eq!(prompts, [(0, 2), (0, 3), (1, 1)]);
        assert_eq!(PromptOrder::new(&train, Some(&older), None, 5).unwrap().len(), 3);
    }

    #[test]
    fn targets_end_with_the_training_part() {
        let mut train = Histories::default();
        train.push(&[3, 1, 2]);
        let prompts = RlPrompt::all(&train);
        assert_eq!(prompts[0].targets(&train, 5), [1, 2]);
        assert_eq!(prompts[1].targets(&train, 5), [2]);
    }

    #[test]
    fn a_training_part_without_a_prompt_is_refused() {
        let mut train = Histories::default();
        train.push(&[3]);
        train.push(&[4]);
        let message = PromptOrder::new(&train, None, None, 5).err().unwrap().to_string();
        assert!(message.contains("there is no prompt"), "{message}");
    }

    #[test]
    fn each_pass_holds_every_prompt_once_in_an_order_of_its_own() {
        let mut train = Histories::default();
        train.push(&(0..20).collect::<Vec<u32>>());
        let mut order = PromptOrder::new(&train, None, None, 5).unwrap();
        let passes = [order.take(0, 19), order.take(19, 19)];
        for pass in &passes {
            let mut positions: Vec<u32> = pass.iter().map(|prompt| prompt.position).collect();
            positions.sort_unstable();
            assert_eq!(positions, (1..20).collect::<Vec<u32>>());
        }
        assert_ne!(passes[0], passes[1]);
        assert_eq!(order.take(0, 19), passes[0]);
    }

    #[test]
    fn shuffled_targets_keep_their_first_code_and_leave_histories() {
        let codes = (0..60).flat_map(|item| [item % 3, item / 3]).collect();
        let sids = SidTable::new(vec![3, 20], codes).unwrap();
        let mut train = Histories::default();
        train.push(&(0..60).collect::<Vec<u32>>());
        let mut own = PromptOrder::new(&train, None, None, 5).unwrap();
        let mut dealt = PromptOrder::new(&train, None, Some(&sids), 5).unwrap();
        let pairs: Vec<_> = own.take(0, 59).into_iter().zip(dealt.take(0, 59)).collect();
        let target = |prompt: RlPrompt| prompt.targets(&train, 1)[0];
        for &(own, dealt) in &pairs {
            assert_eq!(own.history(&train), dealt.history(&train));
            assert_eq!(target(own) % 3, target(dealt) % 3);
        }
        let moved = pairs.iter().filter(|&&(own, dealt)| target(own) != target(dealt)).count();
        assert!(moved > 40, "{moved} of 59 targets moved");
        let mut all: Vec<u32> = pairs.iter().map(|&(_, dealt)| target(dealt)).collect();
        all.sort_unstable();
        assert_eq!(all, (1..60).collect::<Vec<u32>>());
    }
}
