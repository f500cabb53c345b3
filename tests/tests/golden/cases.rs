//! The tables of `golden.toml`, as written by `make_golden.py`.

use std::collections::BTreeMap;

use recast_core::objective::{Clip, KlEstimator, Objective};
use serde::Deserialize;

use crate::objective::Estimator;

/// The clamp of log-ratios in verl, and core's default. The cases of TRL keep within the clamp.
const LOG_RATIO_LIMIT: f64 = 20.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Golden {
    /// The version of each library that computed.
    pub libraries: BTreeMap<String, String>,
    pub grpo: Vec<AdvantageCase>,
    pub dr_grpo: Vec<AdvantageCase>,
    pub rloo: Vec<AdvantageCase>,
    pub pass_at_k: Vec<AdvantageCase>,
    pub opo: Vec<LengthCase>,
    pub reinforce_plus_plus_baseline: Vec<BatchCase>,
    pub batch_scaling: Vec<BatchCase>,
    pub surrogate: Vec<SurrogateCase>,
    pub cispo: Vec<SurrogateCase>,
    pub sapo: Vec<SapoCase>,
    pub kl_penalty: Vec<KlCase>,
    pub token_loss: Vec<TokenLossCase>,
    pub token_loss_with_corrected_kl: Vec<TokenLossCase>,
    pub gspo: Vec<SequenceCase>,
    pub gspo_with_kl: Vec<SequenceKlCase>,
    pub gmpo: Vec<SequenceCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvantageCase {
    pub name: String,
    pub library: String,
    /// The epsilon added to the deviation; absent where a method does not divide.
    pub epsilon: Option<f64>,
    pub rewards: Vec<f64>,
    pub advantages: Vec<f64>,
}

/// A group whose completions have lengths.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LengthCase {
    pub name: String,
    pub library: String,
    pub rewards: Vec<f64>,
    pub lengths: Vec<usize>,
    pub advantages: Vec<f64>,
}

/// Groups that share a deviation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchCase {
    pub name: String,
    pub library: String,
    /// The epsilon added to the deviation, where the library has none inside the root.
    pub epsilon: Option<f64>,
    pub groups: Vec<Vec<f64>>,
    /// The tokens of each completion, where the method counts them.
    pub lengths: Option<Vec<Vec<usize>>>,
    pub advantages: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClipCase {
    pub low: f64,
    pub high: f64,
    pub dual: Option<f64>,
}

/// A table of tokens, each a batch of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SurrogateCase {
    pub library: String,
    pub clip: ClipCase,
    pub policy_log_probs: Vec<f64>,
    pub old_log_probs: Vec<f64>,
    pub token_advantages: Vec<f64>,
    pub values: Vec<f64>,
    pub gradients: Vec<f64>,
    /// The marks of tokens whose ratio PPO's clip or the dual clip holds, where the library has the
    /// same rule.
    pub clipped: Option<Vec<bool>>,
    pub dual_clipped: Option<Vec<bool>>,
}

/// A table of tokens, each a batch of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SapoCase {
    pub library: String,
    pub tau_pos: f64,
    pub tau_neg: f64,
    pub policy_log_probs: Vec<f64>,
    pub old_log_probs: Vec<f64>,
    pub token_advantages: Vec<f64>,
    pub values: Vec<f64>,
    pub gradients: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KlCase {
    pub library: String,
    pub estimator: Estimator,
    /// The cap of the penalty, where a case reaches it.
    pub value_limit: Option<f64>,
    pub policy_log_probs: Vec<f64>,
    pub ref_log_probs: Vec<f64>,
    pub values: Vec<f64>,
    pub gradients: Vec<f64>,
}

/// A table of tokens, each a batch of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenLossCase {
    pub library: String,
    pub clip: ClipCase,
    pub estimator: Estimator,
    pub kl_coef: f64,
    pub policy_log_probs: Vec<f64>,
    pub old_log_probs: Vec<f64>,
    pub ref_log_probs: Vec<f64>,
    pub token_advantages: Vec<f64>,
    pub values: Vec<f64>,
    pub gradients: Vec<f64>,
}

/// One sequence, whose loss is the mean over its tokens; each token has a gradient.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SequenceCase {
    pub name: String,
    pub library: String,
    pub clip: ClipCase,
    pub advantage: f64,
    pub policy_log_probs: Vec<f64>,
    pub old_log_probs: Vec<f64>,
    pub value: f64,
    pub gradients: Vec<f64>,
}

/// One sequence with a penalty, which the ratio may multiply.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SequenceKlCase {
    pub name: String,
    pub library: String,
    pub clip: ClipCase,
    pub advantage: f64,
    pub estimator: Estimator,
    pub kl_coef: f64,
    pub kl_times_ratio: bool,
    pub policy_log_probs: Vec<f64>,
    pub old_log_probs: Vec<f64>,
    pub ref_log_probs: Vec<f64>,
    pub value: f64,
    pub gradients: Vec<f64>,
}

impl Golden {
    pub(super) fn read() -> Self {
        toml::from_str(include_str!("../../cases/golden.toml")).expect("golden values")
    }

    /// The library of every case. Each case has columns of one length.
    pub(super) fn checked_libraries(&self) -> Vec<&String> {
        let mut libraries = Vec::new();
        for case in [&self.grpo, &self.dr_grpo, &self.rloo, &self.pass_at_k].into_iter().flatten() {
            assert_lengths(&[case.rewards.len(), case.advantages.len()], &case.name);
            libraries.push(&case.library);
        }
        for case in &self.opo {
            let columns = [case.rewards.len(), case.lengths.len(), case.advantages.len()];
            assert_lengths(&columns, &case.name);
            libraries.push(&case.library);
        }
        for case in self.reinforce_plus_plus_baseline.iter().chain(&self.batch_scaling) {
            assert_lengths(&[case.groups.len(), case.advantages.len()], &case.name);
            for (rewards, advantages) in case.groups.iter().zip(&case.advantages) {
                assert_lengths(&[rewards.len(), advantages.len()], &case.name);
            }
            if let Some(lengths) = &case.lengths {
                let sizes = lengths.iter().map(Vec::len);
                assert!(sizes.eq(case.groups.iter().map(Vec::len)), "{}", case.name);
            }
            libraries.push(&case.library);
        }
        for case in self.surrogate.iter().chain(&self.cispo) {
            let columns =
                [&case.policy_log_probs, &case.old_log_probs, &case.token_advantages, &case.values];
            assert_lengths(&columns.map(Vec::len), "surrogate");
            assert_lengths(&[case.values.len(), case.gradients.len()], "surrogate");
            libraries.push(&case.library);
        }
        for case in &self.sapo {
            let columns =
                [&case.policy_log_probs, &case.old_log_probs, &case.token_advantages, &case.values];
            assert_lengths(&columns.map(Vec::len), "sapo");
            assert_lengths(&[case.values.len(), case.gradients.len()], "sapo");
            libraries.push(&case.library);
        }
        for case in &self.kl_penalty {
            let columns =
                [&case.policy_log_probs, &case.ref_log_probs, &case.values, &case.gradients];
            assert_lengths(&columns.map(Vec::len), "kl_penalty");
            libraries.push(&case.library);
        }
        for case in self.token_loss.iter().chain(&self.token_loss_with_corrected_kl) {
            let inputs = [&case.policy_log_probs, &case.old_log_probs, &case.ref_log_probs];
            let columns = [inputs[0], inputs[1], inputs[2], &case.token_advantages, &case.values];
            assert_lengths(&columns.map(Vec::len), "token_loss");
            assert_lengths(&[case.values.len(), case.gradients.len()], "token_loss");
            libraries.push(&case.library);
        }
        for case in self.gspo.iter().chain(&self.gmpo) {
            let columns = [&case.policy_log_probs, &case.old_log_probs, &case.gradients];
            assert_lengths(&columns.map(Vec::len), &case.name);
            assert!(case.value.is_finite() && case.advantage.is_finite(), "{}", case.name);
            libraries.push(&case.library);
        }
        for case in &self.gspo_with_kl {
            let columns = [&case.policy_log_probs, &case.old_log_probs, &case.ref_log_probs];
            assert_lengths(&columns.map(Vec::len), &case.name);
            assert_lengths(&[case.old_log_probs.len(), case.gradients.len()], &case.name);
            assert!(case.value.is_finite() && case.advantage.is_finite(), "{}", case.name);
            libraries.push(&case.library);
        }
        libraries
    }
}

impl ClipCase {
    pub(super) fn objective(&self, estimator: KlEstimator, kl_coef: f64) -> Objective<f64> {
        let clip = Clip::new(self.low, self.high, self.dual).expect("a clip");
        Objective::new(clip, LOG_RATIO_LIMIT, estimator, kl_coef).expect("an objective")
    }
}

/// An objective whose clip no case reads.
pub(super) fn without_clip(estimator: KlEstimator, kl_coef: f64) -> Objective<f64> {
    Objective::new(Clip::default(), LOG_RATIO_LIMIT, estimator, kl_coef).expect("an objective")
}

/// Asserts that no column is shorter than another.
pub(super) fn assert_lengths(lengths: &[usize], name: &str) {
    assert!(
        lengths[0] > 0 && lengths.iter().all(|length| length == &lengths[0]),
        "{name}: {lengths:?}"
    );
}
