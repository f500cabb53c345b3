//! Signs that a training learns nothing, or unlearns: each a warning with what to do.
//!
//! A sign must last for [`PATIENCE`] steps, and is told once. The counts are part of the
//! checkpoint, so that a resumed training warns where an uninterrupted one does.

use serde::{Deserialize, Serialize};

use crate::event::Metrics;

/// Steps in a row for which a sign must last.
const PATIENCE: usize = 20;

/// The share of groups without a gradient above which a step has no signal.
const MOST_SILENT: f64 = 0.9;

/// The share of different completions, among those that could differ, below which beams collapse.
const FEWEST_DIFFERENT: f64 = 0.1;

/// The mean KL penalty of a token, in nats, above which the policy has left its reference.
const MOST_KL: f64 = 1.0;

/// The fall of the positives' mean log-prob, in nats, since the first steps.
const MOST_FALL: f64 = 1.0;

/// The weight of a new step in the moving average of the positives' log-prob.
const NEW: f64 = 1.0 / PATIENCE as f64;

/// Validations in a row below the start.
const VALIDATIONS: usize = 2;

/// The health of a training, as its checkpoint holds it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The validation Pass@1 and NDCG@10 of the supervised decoder.
    start: Option<[f64; 2]>,
    /// Steps in a row with each sign.
    without_signal: usize,
    without_gradient: usize,
    collapsed: usize,
    far: usize,
    /// Validations in a row below the start, and the step of the last one that counts.
    below: usize,
    judged: usize,
    /// Steps with positives, and the mean log-prob of the first ones.
    positive_steps: usize,
    first_positives: f64,
    /// The moving average of the positives' log-prob.
    positives: f64,
    warnings: Vec<HealthWarning>,
}

/// A warning that was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HealthWarning {
    sign: Sign,
    text: String,
}

/// A sign that training learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sign {
    WithoutSignal,
    WithoutGradient,
    Collapsed,
    Far,
    FallingPositives,
    BelowStart,
}

/// The facts of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepFacts {
    /// All groups, and those with a gradient.
    pub(super) groups: u64,
    pub(super) with_signal: u64,
    /// Optimiser steps, and the sum of their gradient norms.
    pub(super) optimiser_steps: usize,
    pub(super) gradient_norm: f64,
    /// The mean KL penalty of a token.
    pub(super) kl: f64,
    /// The mean log-prob of the positives; `None` without one.
    pub(super) positive_log_prob: Option<f64>,
    /// Different completions of all groups, and how many could differ.
    pub(super) different: usize,
    pub(super) possible: usize,
}

impl Health {
    /// The warnings so far.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(|warning| &warning.text[..])
    }

    /// Counts a step; returns the warnings that it gives for the first time.
    pub(super) fn observe(&mut self, step: usize, facts: &StepFacts) -> Vec<String> {
        let known = self.warnings.len();
        let silent = facts.with_signal as f64 <= (1.0 - MOST_SILENT) * facts.groups as f64;
        count(&mut self.without_signal, facts.groups > 0 && silent);
        if facts.optimiser_steps > 0 {
            count(&mut self.without_gradient, facts.gradient_norm <= 0.0);
        }
        let least = FEWEST_DIFFERENT * facts.possible as f64;
        count(&mut self.collapsed, facts.possible > 0 && (facts.different as f64) < least);
        count(&mut self.far, facts.kl > MOST_KL);
        if let Some(log_prob) = facts.positive_log_prob {
            self.positive(log_prob);
        }

        let of_groups = format!(
            "more than {:.0}% of the groups had no gradient in each of {PATIENCE} steps (to step {step}): completions \
             are all hits or all misses; take a larger rl.group_size, a reward with more steps (rl.rewards), or repair",
            100.0 * MOST_SILENT
        );
        self.tell(Sign::WithoutSignal, self.without_signal >= PATIENCE, of_groups);
        let of_gradients = format!(
            "the gradient was zero in each of {PATIENCE} steps (to step {step}): no weight moves; look at rl.clip_low, \
             rl.clip_high and the weights of rl.rewards"
        );
        self.tell(Sign::WithoutGradient, self.without_gradient >= PATIENCE, of_gradients);
        let of_beams = format!(
            "the beams collapse: {} different completions of {} possible in step {step}, below {:.0}% for {PATIENCE} \
             steps; lower rl.learning_rate, raise rl.kl_coef, or sample (rl.rollout) at a higher rl.temperature",
            facts.different,
            facts.possible,
            100.0 * FEWEST_DIFFERENT
        );
        self.tell(Sign::Collapsed, self.collapsed >= PATIENCE, of_beams);
        let of_kl = format!(
            "the KL penalty of a token was above {MOST_KL} in each of {PATIENCE} steps, {:.2} in step {step}: the policy \
             has left its reference; raise rl.kl_coef or lower rl.learning_rate",
            facts.kl
        );
        self.tell(Sign::Far, self.far >= PATIENCE, of_kl);
        let fall = self.first_positives - self.positives;
        let of_positives = format!(
            "the log-prob of positives fell by {fall:.2} nats since the first {PATIENCE} steps (to step {step}): training \
             makes its own targets less probable; lower rl.learning_rate, or bound negatives \
             (rl.recast.negative_margin, rl.recast.negative_weight)"
        );
        let is_falling = self.positive_steps >= 2 * PATIENCE && fall > MOST_FALL;
        self.tell(Sign::FallingPositives, is_falling, of_positives);
        self.warnings[known..].iter().map(|warning| warning.text.clone()).collect()
    }

    /// Compares a validation with that of the supervised decoder, which is the one after step 0;
    /// returns the warning, if it gives one for the first time.
    pub(super) fn judge(&mut self, step: usize, found: &Metrics) -> Vec<String> {
        let known = self.warnings.len();
        let now = [found.pass_at_1, found.ndcg_at_10];
        if step == 0 {
            self.start = Some(now);
        }
        let Some(start) = self.start else { return Vec::new() };
        // a resumed training judges its first step again
        if step > 0 && step <= self.judged {
            return Vec::new();
        }
        self.judged = step;
        count(&mut self.below, now[0] < start[0] && now[1] < start[1]);
        let text = format!(
            "validation is below the supervised start {VALIDATIONS} times in a row: after step {step} Pass@1 {:.4} where \
             the start has {:.4}, NDCG@10 {:.4} where it has {:.4}; lower rl.learning_rate or raise rl.kl_coef",
            now[0], start[0], now[1], start[1]
        );
        self.tell(Sign::BelowStart, self.below >= VALIDATIONS, text);
        self.warnings[known..].iter().map(|warning| warning.text.clone()).collect()
    }

    /// Counts the mean log-prob of a step's positives.
    fn positive(&mut self, log_prob: f64) {
        self.positive_steps += 1;
        if self.positive_steps <= PATIENCE {
            // the mean so far
            self.first_positives += (log_prob - self.first_positives) / self.positive_steps as f64;
            self.positives = self.first_positives;
        } else {
            self.positives += NEW * (log_prob - self.positives);
        }
    }

    fn tell(&mut self, sign: Sign, is_there: bool, text: String) {
        if is_there && self.warnings.iter().all(|warning| warning.sign != sign) {
            self.warnings.push(HealthWarning { sign, text });
        }
    }
}

/// Counts a sign in a row of steps.
fn count(steps: &mut usize, is_there: bool) {
    *steps = if is_there { *steps + 1 } else { 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that learns.
    const WELL: StepFacts = StepFacts {
        groups: 32,
        with_signal: 20,
        optimiser_steps: 4,
        gradient_norm: 2.0,
        kl: 0.01,
        positive_log_prob: Some(-3.0),
        different: 300,
        possible: 512,
    };

    /// The steps at which a training of equal steps warns, and the warnings.
    fn warned(facts: impl Fn(usize) -> StepFacts) -> Vec<(usize, String)> {
        let mut health = Health::default();
        let mut all = Vec::new();
        for step in 1..=100 {
            all.extend(health.observe(step, &facts(step)).into_iter().map(|text| (step, text)));
        }
        assert!(health.warnings().eq(all.iter().map(|(_, text)| &text[..])));
        all
    }

    #[test]
    fn a_training_that_learns_gives_no_warning() {
        assert!(warned(|_| WELL).is_empty());
        // one good step in twenty is enough
        let sometimes = |step: usize| match step % 20 {
            0 => WELL,
            _ => StepFacts { with_signal: 0, optimiser_steps: 0, kl: 9.0, different: 8, ..WELL },
        };
        assert!(warned(sometimes).is_empty());
        // without positives and without a rollout nothing is judged
        let supervised = StepFacts { positive_log_prob: None, possible: 0, different: 0, ..WELL };
        assert!(warned(|_| supervised).is_empty());
    }

    #[test]
    fn each_sign_is_told_once_after_its_patience() {
        for (facts, said) in [
            (StepFacts { with_signal: 3, ..WELL }, "more than 90% of the groups had no gradient"),
            (StepFacts { gradient_norm: 0.0, ..WELL }, "the gradient was zero"),
            (StepFacts { different: 51, ..WELL }, "51 different completions of 512 possible"),
            (StepFacts { kl: 1.5, ..WELL }, "the KL penalty of a token was above 1"),
        ] {
            let all = warned(|_| facts);
            assert_eq!(all.len(), 1, "{all:?}");
            assert!(all[0].0 == PATIENCE && all[0].1.contains(said), "{all:?}");
        }
        for facts in [
            StepFacts { with_signal: 4, ..WELL },
            StepFacts { different: 52, ..WELL },
            StepFacts { kl: 1.0, ..WELL },
        ] {
            assert!(warned(|_| facts).is_empty(), "{facts:?}");
        }
    }

    #[test]
    fn falling_positives_are_told_and_rising_ones_are_not() {
        let at = |log_prob: f64| StepFacts { positive_log_prob: Some(log_prob), ..WELL };
        let all = warned(|step| at(-3.0 - 0.05 * step as f64));
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].0 >= 2 * PATIENCE, "{all:?}");
        assert!(all[0].1.contains("the log-prob of positives fell by "), "{all:?}");
        assert!(warned(|step| at(-3.0 + 0.05 * step as f64)).is_empty());
        // half a nat up and down is noise
        assert!(warned(|step| at(if step % 2 == 0 { -3.5 } else { -2.5 })).is_empty());
    }

    #[test]
    fn two_validations_in_a_row_below_the_start_are_told() {
        let of = |pass_at_1, ndcg_at_10| Metrics { pass_at_1, ndcg_at_10, ..Metrics::default() };
        let mut health = Health::default();
        let mut judge = |step, found| health.judge(step, &found).pop();
        for (step, found) in
            [(0, of(0.2, 0.3)), (20, of(0.1, 0.2)), (40, of(0.2, 0.2)), (60, of(0.1, 0.2))]
        {
            assert_eq!(judge(step, found), None, "{step}");
        }
        let text = judge(80, of(0.15, 0.25)).unwrap();
        assert!(text.contains("after step 80 Pass@1 0.1500 where the start has 0.2000"), "{text}");
        assert_eq!(judge(100, of(0.1, 0.1)), None);
        let mut health = Health::default();
        for (step, found) in [(0, of(0.2, 0.3)), (20, of(0.1, 0.2)), (20, of(0.1, 0.2))] {
            assert!(health.judge(step, &found).is_empty(), "a step counts once");
        }
    }

    #[test]
    fn a_resumed_training_warns_where_an_uninterrupted_one_does() {
        let facts = StepFacts { kl: 2.0, ..WELL };
        let mut health = Health::default();
        for step in 1..=PATIENCE {
            let table = toml::Table::try_from(&health).unwrap();
            health = Health::deserialize(toml::Value::Table(table)).unwrap();
            assert_eq!(health.observe(step, &facts).len(), usize::from(step == PATIENCE));
        }
    }
}
