//! The scalars of each event.

use std::collections::BTreeMap;

use crate::event::{Epoch, Event, GroupCounts, RlStep, Validation};

/// A step and its scalars by their tags.
pub(super) type Found = (u64, Vec<(String, f64)>);

/// The memory of earlier events that the scalars of an event need.
#[derive(Debug, Default)]
pub(super) struct Scalars {
    /// The last optimiser step of each supervised stage, at which its validations stand.
    steps: BTreeMap<String, u64>,
    /// The groups of each signal until its last step.
    groups: BTreeMap<String, GroupCounts>,
}

impl Scalars {
    /// The scalars of an event; none of an event that is no curve.
    pub(super) fn of(&mut self, event: &Event<'_>) -> Option<Found> {
        match event {
            Event::Epoch(epoch) => Some(self.of_epoch(epoch)),
            Event::Validation(validation) => Some(self.of_validation(validation)),
            Event::RlStep(step) => Some(self.of_step(step)),
            Event::RqVaeEpoch(epoch) => {
                let values = [
                    ("loss", epoch.loss),
                    ("gradient_norm", epoch.gradient_norm),
                    ("learning_rate", epoch.learning_rate),
                ];
                Some((epoch.epoch as u64, tagged("rq_vae", values)))
            }
            Event::Session(_)
            | Event::Prepare(_)
            | Event::Tokenize(_)
            | Event::MemoryEstimate { .. }
            | Event::Warning { .. }
            | Event::Phase { .. }
            | Event::Test(_)
            | Event::Diagnosis(_)
            | Event::SearchCheck(_) => None,
        }
    }

    fn of_epoch(&mut self, epoch: &Epoch<'_>) -> Found {
        let step = epoch.step as u64;
        self.steps.insert(epoch.stage.to_owned(), step);
        let values = [
            ("loss", epoch.loss),
            ("gradient_norm", epoch.gradient_norm),
            ("learning_rate", epoch.learning_rate),
            ("seconds", epoch.seconds),
        ];
        (step, tagged(epoch.stage, values))
    }

    fn of_validation(&self, found: &Validation<'_>) -> Found {
        let (step, section) = match found.step {
            Some(step) => (step as u64, format!("rl/{}", found.phase)),
            None => {
                let epoch = found.epoch.unwrap_or_default() as u64;
                (self.steps.get(found.phase).copied().unwrap_or(epoch), found.phase.to_owned())
            }
        };
        let values = [
            ("pass_at_1", found.pass_at_1),
            ("recall_at_10", found.recall_at_10),
            ("ndcg_at_10", found.ndcg_at_10),
        ];
        let generated = found.generated.map(|generated| ("generated", generated as f64));
        (step, tagged(&section, values.into_iter().chain(generated)))
    }

    fn of_step(&mut self, step: &RlStep<'_>) -> Found {
        let section = format!("rl/{}", step.signal);
        let values = [
            ("loss", step.loss),
            ("gradient_norm", step.gradient_norm),
            ("clip_fraction", step.clip_fraction),
            ("kl", step.kl),
            ("mean_reward", step.mean_reward),
            ("learning_rate", step.learning_rate),
        ];
        let log_probs = [
            ("positive_log_prob", step.positive_log_prob),
            ("negative_log_prob", step.negative_log_prob),
        ];
        let log_probs = log_probs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let mut found = tagged(&section, values.into_iter().chain(log_probs));
        let rewards = step.rewards.iter();
        found.extend(rewards.map(|(name, &value)| (format!("{section}/reward/{name}"), value)));
        let before = self.groups.insert(step.signal.to_owned(), step.groups);
        // a resumed run does not know the groups before its first step
        let before = if step.step == 1 { Some(GroupCounts::default()) } else { before };
        if let Some(before) = before {
            let new = |count: fn(&GroupCounts) -> u64| {
                count(&step.groups).saturating_sub(count(&before)) as f64
            };
            let groups = new(GroupCounts::groups).max(1.0);
            let shares = [
                ("regime/all_zero", new(|counts| counts.all_zero) / groups),
                ("regime/single_hit", new(|counts| counts.single_hit) / groups),
                ("regime/multi_hit", new(|counts| counts.multi_hit) / groups),
                ("regime/all_hit", new(|counts| counts.all_hit) / groups),
                ("generated_a_step", new(|counts| counts.generated)),
                ("trained_a_step", new(|counts| counts.trained)),
            ];
            found.extend(tagged(&section, shares));
        }
        (step.step as u64, found)
    }
}

fn tagged<'a>(
    section: &str,
    values: impl IntoIterator<Item = (&'a str, f64)>,
) -> Vec<(String, f64)> {
    values.into_iter().map(|(name, value)| (format!("{section}/{name}"), value)).collect()
}
