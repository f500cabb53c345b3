//! Core's closed forms equal what verl and TRL compute, value and gradient.
//!
//! The values were made by the libraries themselves: `golden/README.md` says how, and where they
//! depart from core. These tests only read them.

use std::collections::BTreeMap;

use recast_core::advantage;
use recast_core::objective::{Clip, KlEstimator, Objective, ObjectiveError, TokenTerm, kl_penalty};
use serde::Deserialize;

use crate::core_loss::{is_clipped, sequence_loss, token_loss};
use crate::numbers::assert_each_close;
use crate::objective::Estimator;
use crate::tolerance::{GOLDEN, GOLDEN_STANDARDISED};

tests![
    every_case_is_whole_and_names_a_library_with_its_version,
    grpo_gives_the_advantages_of_verl_and_trl,
    dr_grpo_and_rloo_give_the_advantages_of_verl_and_trl,
    pass_at_k_gives_the_advantages_of_verl_without_its_division,
    a_sequence_has_the_loss_and_gradients_of_verl_and_trl,
    the_surrogate_gives_the_loss_and_gradient_of_verl_and_trl,
    the_estimators_give_the_penalty_and_gradient_of_verl_and_trl,
    the_loss_of_a_token_is_that_of_trl,
];

/// What verl clamps log-ratios to, and core by default. The cases of TRL keep within it.
const LOG_RATIO_LIMIT: f64 = 20.0;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    /// The version of each library that computed.
    libraries: BTreeMap<String, String>,
    grpo: Vec<AdvantageCase>,
    dr_grpo: Vec<AdvantageCase>,
    rloo: Vec<AdvantageCase>,
    pass_at_k: Vec<AdvantageCase>,
    surrogate: Vec<SurrogateCase>,
    kl_penalty: Vec<KlCase>,
    token_loss: Vec<TokenLossCase>,
    gspo: Vec<SequenceCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvantageCase {
    name: String,
    library: String,
    /// Added to the deviation; absent where a method does not divide by it.
    epsilon: Option<f64>,
    rewards: Vec<f64>,
    advantages: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipCase {
    low: f64,
    high: f64,
    dual: Option<f64>,
}

/// Tokens, each a batch of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SurrogateCase {
    library: String,
    clip: ClipCase,
    policy_log_probs: Vec<f64>,
    old_log_probs: Vec<f64>,
    token_advantages: Vec<f64>,
    values: Vec<f64>,
    gradients: Vec<f64>,
    /// Whether PPO's clip and the dual clip bind, where the library says so for the same rule.
    clipped: Option<Vec<bool>>,
    dual_clipped: Option<Vec<bool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KlCase {
    library: String,
    estimator: Estimator,
    policy_log_probs: Vec<f64>,
    ref_log_probs: Vec<f64>,
    values: Vec<f64>,
    gradients: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenLossCase {
    library: String,
    clip: ClipCase,
    estimator: Estimator,
    kl_coef: f64,
    policy_log_probs: Vec<f64>,
    old_log_probs: Vec<f64>,
    ref_log_probs: Vec<f64>,
    token_advantages: Vec<f64>,
    values: Vec<f64>,
    gradients: Vec<f64>,
}

/// One sequence; its loss is the mean over its tokens, each of which has a gradient.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SequenceCase {
    name: String,
    library: String,
    clip: ClipCase,
    advantage: f64,
    policy_log_probs: Vec<f64>,
    old_log_probs: Vec<f64>,
    value: f64,
    gradients: Vec<f64>,
}

impl Golden {
    fn read() -> Self {
        toml::from_str(include_str!("../cases/golden.toml")).expect("golden values")
    }

    fn advantages(&self) -> impl Iterator<Item = &AdvantageCase> {
        [&self.grpo, &self.dr_grpo, &self.rloo, &self.pass_at_k].into_iter().flatten()
    }
}

impl ClipCase {
    fn objective(
        &self,
        estimator: KlEstimator,
        kl_coef: f64,
    ) -> Result<Objective<f64>, ObjectiveError> {
        let clip = Clip::new(self.low, self.high, self.dual)?;
        Objective::new(clip, LOG_RATIO_LIMIT, estimator, kl_coef)
    }
}

/// Asserts that a method gives the advantages of every case.
fn assert_advantages(
    cases: &[AdvantageCase],
    tolerance: f64,
    method: impl Fn(&AdvantageCase, &mut [f64]),
) {
    for case in cases {
        let mut found = vec![f64::NAN; case.rewards.len()];
        method(case, &mut found);
        let name = |i: usize| format!("{}, {}, completion {i}", case.library, case.name);
        assert_each_close(&found, &case.advantages, tolerance, name);
    }
}

/// Asserts the values and the gradients of tokens.
fn assert_terms(terms: &[TokenTerm<f64>], values: &[f64], gradients: &[f64], name: &str) {
    let found: Vec<f64> = terms.iter().map(|term| term.value).collect();
    assert_each_close(&found, values, GOLDEN, |i| format!("{name}, value of token {i}"));
    let found: Vec<f64> = terms.iter().map(|term| term.gradient).collect();
    assert_each_close(&found, gradients, GOLDEN, |i| format!("{name}, gradient of token {i}"));
}

/// Asserts that no column is shorter than another.
fn assert_lengths(lengths: &[usize], name: &str) {
    assert!(
        lengths[0] > 0 && lengths.iter().all(|length| length == &lengths[0]),
        "{name}: {lengths:?}"
    );
}

fn every_case_is_whole_and_names_a_library_with_its_version() {
    let golden = Golden::read();
    let mut libraries = Vec::new();
    for case in golden.advantages() {
        assert_lengths(&[case.rewards.len(), case.advantages.len()], &case.name);
        libraries.push(&case.library);
    }
    for case in &golden.surrogate {
        let columns =
            [&case.policy_log_probs, &case.old_log_probs, &case.token_advantages, &case.values];
        assert_lengths(&columns.map(Vec::len), "surrogate");
        assert_lengths(&[case.values.len(), case.gradients.len()], "surrogate");
        libraries.push(&case.library);
    }
    for case in &golden.kl_penalty {
        let columns = [&case.policy_log_probs, &case.ref_log_probs, &case.values, &case.gradients];
        assert_lengths(&columns.map(Vec::len), "kl_penalty");
        libraries.push(&case.library);
    }
    for case in &golden.token_loss {
        let inputs = [&case.policy_log_probs, &case.old_log_probs, &case.ref_log_probs];
        let columns = [inputs[0], inputs[1], inputs[2], &case.token_advantages, &case.values];
        assert_lengths(&columns.map(Vec::len), "token_loss");
        assert_lengths(&[case.values.len(), case.gradients.len()], "token_loss");
        libraries.push(&case.library);
    }
    for case in &golden.gspo {
        let columns = [&case.policy_log_probs, &case.old_log_probs, &case.gradients];
        assert_lengths(&columns.map(Vec::len), &case.name);
        assert!(case.value.is_finite() && case.advantage.is_finite(), "{}", case.name);
        assert!(case.clip.objective(KlEstimator::K3, 0.0).is_ok(), "{}", case.name);
        libraries.push(&case.library);
    }
    for library in libraries {
        assert!(golden.libraries.contains_key(library), "no version of {library}");
    }
}

fn grpo_gives_the_advantages_of_verl_and_trl() {
    assert_advantages(&Golden::read().grpo, GOLDEN_STANDARDISED, |case, out| {
        advantage::grpo(&case.rewards, case.epsilon.expect("an epsilon"), out);
    });
}

fn dr_grpo_and_rloo_give_the_advantages_of_verl_and_trl() {
    let golden = Golden::read();
    assert_advantages(&golden.dr_grpo, GOLDEN, |case, out| advantage::dr_grpo(&case.rewards, out));
    assert_advantages(&golden.rloo, GOLDEN, |case, out| advantage::rloo(&case.rewards, out));
}

/// verl divides by the deviation too, if asked: those cases have an epsilon, and core does not.
fn pass_at_k_gives_the_advantages_of_verl_without_its_division() {
    let mut cases = Golden::read().pass_at_k;
    cases.retain(|case| case.epsilon.is_none());
    assert!(!cases.is_empty());
    assert_advantages(&cases, GOLDEN, |case, out| advantage::pass_at_k(&case.rewards, out));
}

fn a_sequence_has_the_loss_and_gradients_of_verl_and_trl() {
    for case in &Golden::read().gspo {
        let objective = case.clip.objective(KlEstimator::K3, 0.0).expect("an objective");
        let (policy, old) = (&case.policy_log_probs, &case.old_log_probs);
        let mut gradients = vec![f64::NAN; policy.len()];
        let value = sequence_loss(policy, old, case.advantage, &objective, &mut gradients);
        let name = |i: usize| format!("{}, {}, gradient of token {i}", case.library, case.name);
        assert_each_close(&gradients, &case.gradients, GOLDEN, name);
        let name = |_| format!("{}, {}, value", case.library, case.name);
        assert_each_close(&[value], &[case.value], GOLDEN, name);
    }
}

fn the_surrogate_gives_the_loss_and_gradient_of_verl_and_trl() {
    for case in &Golden::read().surrogate {
        let objective = case.clip.objective(KlEstimator::K3, 0.0).expect("an objective");
        let tokens = case.policy_log_probs.iter().zip(&case.old_log_probs);
        let tokens: Vec<_> = tokens.zip(&case.token_advantages).collect();
        let name = format!("{}, dual clip {:?}", case.library, case.clip.dual);

        let terms: Vec<_> = tokens
            .iter()
            .map(|&((&policy, &old), &advantage)| {
                token_loss(policy, old, f64::NAN, advantage, &objective)
            })
            .collect();
        assert_terms(&terms, &case.values, &case.gradients, &name);

        let (Some(clipped), Some(dual_clipped)) = (&case.clipped, &case.dual_clipped) else {
            continue;
        };
        assert_lengths(&[clipped.len(), dual_clipped.len(), tokens.len()], &name);
        for (i, &((&policy, &old), &advantage)) in tokens.iter().enumerate() {
            let found = is_clipped(policy, old, advantage, &objective);
            assert_eq!(found, clipped[i] || dual_clipped[i], "{name}, is token {i} clipped");
        }
    }
}

fn the_estimators_give_the_penalty_and_gradient_of_verl_and_trl() {
    for case in &Golden::read().kl_penalty {
        let estimator = KlEstimator::from(case.estimator);
        let objective =
            Objective::new(Clip::default(), LOG_RATIO_LIMIT, estimator, 1.0).expect("an objective");
        let terms: Vec<_> = case
            .policy_log_probs
            .iter()
            .zip(&case.ref_log_probs)
            .map(|(&policy, &reference)| kl_penalty(policy, reference, &objective))
            .collect();
        let name = format!("{}, {estimator:?}", case.library);
        assert_terms(&terms, &case.values, &case.gradients, &name);
    }
}

fn the_loss_of_a_token_is_that_of_trl() {
    for case in &Golden::read().token_loss {
        let objective =
            case.clip.objective(case.estimator.into(), case.kl_coef).expect("an objective");
        let log_probs = case.policy_log_probs.iter().zip(&case.old_log_probs);
        let terms: Vec<_> = log_probs
            .zip(case.ref_log_probs.iter().zip(&case.token_advantages))
            .map(|((&policy, &old), (&reference, &advantage))| {
                token_loss(policy, old, reference, advantage, &objective)
            })
            .collect();
        let name = format!("{}, coefficient {}", case.library, case.kl_coef);
        assert_terms(&terms, &case.values, &case.gradients, &name);
    }
}
