//! Core's closed forms equal the numbers of verl and TRL, value and gradient.
//!
//! The libraries themselves made the values: `golden/README.md` says how, and where the libraries
//! depart from core. The tests only read the values.

mod cases;

use recast_core::batch::{Batch, BatchOutcome};
use recast_core::objective::{
    CompletionTokens, KlEstimator, Objective, PolicyLoss, Surrogate, TokenTerm, completion_loss,
    kl_penalty,
};
use recast_core::signal::RewardScale;
use recast_core::{Signal, advantage};

use self::cases::{
    AdvantageCase, BatchCase, Golden, SequenceCase, SurrogateCase, TokenLossCase, assert_lengths,
    without_clip,
};
use crate::core_loss::is_clipped;
use crate::numbers::assert_each_close;
use crate::tolerance::{GOLDEN, GOLDEN_MASKED_MEAN, GOLDEN_STANDARDISED};

tests![
    every_case_is_whole_and_names_a_library_with_its_version,
    grpo_gives_the_advantages_of_verl_and_trl,
    dr_grpo_and_rloo_give_the_advantages_of_verl_and_trl,
    pass_at_k_gives_the_advantages_of_verl_without_its_division,
    opo_gives_the_advantages_of_verl,
    grpo_scaled_by_the_batch_gives_the_advantages_of_trl,
    reinforce_plus_plus_gives_the_advantages_of_verl,
    a_sequence_has_the_loss_and_gradients_of_verl_and_trl,
    a_sequence_with_a_penalty_has_the_loss_and_gradients_of_trl,
    a_geometric_mean_has_the_loss_and_gradients_of_verl,
    the_surrogate_gives_the_loss_and_gradient_of_verl_and_trl,
    cispo_gives_the_loss_and_gradient_of_verl_and_trl,
    sapo_gives_the_loss_and_gradient_of_verl_and_trl,
    the_estimators_give_the_penalty_and_gradient_of_verl_and_trl,
    the_loss_of_a_token_is_that_of_trl,
    the_loss_of_a_token_whose_ratio_multiplies_the_penalty_is_that_of_trl,
];

/// A completion that was sampled, under one surrogate.
fn sampled(surrogate: Surrogate<f64>) -> PolicyLoss<f64> {
    PolicyLoss { surrogate, ..PolicyLoss::default() }
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

/// Asserts that a signal keeps every completion of a batch and gives each its advantage.
fn assert_batch(case: &BatchCase, signal: &Signal<f64>, tolerance: f64) {
    let rewards = case.groups.concat();
    let mut offsets = vec![0];
    offsets.extend(case.groups.iter().scan(0, |end, group| {
        *end += group.len();
        Some(*end)
    }));
    // no signal of this test reads structural scores
    let scores = vec![0.0; rewards.len()];
    let batch = Batch::new(&offsets, &rewards, &scores, None).expect("a batch");
    let lengths = case.lengths.as_ref().map_or_else(|| vec![1; rewards.len()], |all| all.concat());
    let batch = batch.with_lengths(&lengths).expect("a length for each completion");

    let (mut kept, mut advantages) = (vec![0; rewards.len()], vec![f64::NAN; rewards.len()]);
    let mut outcomes = vec![BatchOutcome::default(); case.groups.len()];
    signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
    for (outcome, group) in outcomes.iter().zip(&case.groups) {
        let whole = BatchOutcome::Trained { kept: group.len(), divisor: group.len() };
        assert_eq!(outcome, &whole, "{}, {}", case.library, case.name);
    }
    let name = |i: usize| {
        format!("{}, {}, lengths {:?}, completion {i}", case.library, case.name, case.lengths)
    };
    assert_each_close(&advantages, &case.advantages.concat(), tolerance, name);
}

/// The loss of completions of one token.
fn terms<'a>(
    surrogate: Surrogate<f64>,
    objective: &'a Objective<f64>,
    [policy, old, reference, advantages]: [&'a [f64]; 4],
) -> Vec<TokenTerm<f64>> {
    let term = |i: usize| {
        let mut gradient = [f64::NAN];
        let tokens = CompletionTokens {
            policy_log_probs: &policy[i..=i],
            old_log_probs: &old[i..=i],
            ref_log_probs: reference.get(i..=i).unwrap_or(&[]),
            advantages: &advantages[i..=i],
            is_anchor: false,
        };
        let value = completion_loss(&sampled(surrogate), tokens, objective, &mut gradient);
        TokenTerm { value, gradient: gradient[0] }
    };
    (0..policy.len()).map(term).collect()
}

/// Asserts the values and the gradients of tokens.
fn assert_terms(
    terms: &[TokenTerm<f64>],
    values: &[f64],
    gradients: &[f64],
    tolerance: f64,
    name: &str,
) {
    let found: Vec<f64> = terms.iter().map(|term| term.value).collect();
    assert_each_close(&found, values, tolerance, |i| format!("{name}, value of token {i}"));
    let found: Vec<f64> = terms.iter().map(|term| term.gradient).collect();
    assert_each_close(&found, gradients, tolerance, |i| format!("{name}, gradient of token {i}"));
}

/// Asserts the loss of tokens without a penalty.
fn assert_surrogates(cases: &[SurrogateCase], surrogate: Surrogate<f64>) {
    for case in cases {
        let objective = case.clip.objective(KlEstimator::K3, 0.0);
        let columns = [&*case.policy_log_probs, &*case.old_log_probs, &[], &*case.token_advantages];
        let name = format!("{}, from {} to {}", case.library, case.clip.low, case.clip.high);
        let found = terms(surrogate, &objective, columns);
        assert_terms(&found, &case.values, &case.gradients, GOLDEN, &name);
    }
}

/// Asserts the loss of tokens with a penalty.
fn assert_token_losses(cases: &[TokenLossCase], kl_times_ratio: bool) {
    for case in cases {
        let objective = case.clip.objective(case.estimator.into(), case.kl_coef);
        let objective = objective.with_kl_times_ratio(kl_times_ratio);
        let columns = [
            &*case.policy_log_probs,
            &*case.old_log_probs,
            &*case.ref_log_probs,
            &*case.token_advantages,
        ];
        let name = format!("{}, coefficient {}", case.library, case.kl_coef);
        let found = terms(Surrogate::Clipped, &objective, columns);
        assert_terms(&found, &case.values, &case.gradients, GOLDEN, &name);
    }
}

/// Asserts the loss of sequences without a penalty.
fn assert_sequences(cases: &[SequenceCase], surrogate: Surrogate<f64>, tolerance: f64) {
    for case in cases {
        let objective = case.clip.objective(KlEstimator::K3, 0.0);
        let tokens = CompletionTokens {
            policy_log_probs: &case.policy_log_probs,
            old_log_probs: &case.old_log_probs,
            ref_log_probs: &[],
            advantages: &vec![case.advantage; case.policy_log_probs.len()],
            is_anchor: false,
        };
        let name = format!("{}, {}, from {}", case.library, case.name, case.clip.low);
        let expected = (case.value, &*case.gradients);
        assert_sequence(surrogate, tokens, &objective, expected, tolerance, &name);
    }
}

/// Asserts the value and the gradients of one sequence.
fn assert_sequence(
    surrogate: Surrogate<f64>,
    tokens: CompletionTokens<'_, f64>,
    objective: &Objective<f64>,
    (value, gradients): (f64, &[f64]),
    tolerance: f64,
    name: &str,
) {
    let mut found = vec![f64::NAN; gradients.len()];
    let loss = completion_loss(&sampled(surrogate), tokens, objective, &mut found);
    assert_each_close(&found, gradients, tolerance, |i| format!("{name}, gradient of token {i}"));
    assert_each_close(&[loss], &[value], tolerance, |_| format!("{name}, value"));
}

fn every_case_is_whole_and_names_a_library_with_its_version() {
    let golden = Golden::read();
    for library in golden.checked_libraries() {
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

/// On request verl divides by the deviation too: such cases have an epsilon, and core does not
/// divide.
fn pass_at_k_gives_the_advantages_of_verl_without_its_division() {
    let mut cases = Golden::read().pass_at_k;
    cases.retain(|case| case.epsilon.is_none());
    assert!(!cases.is_empty());
    assert_advantages(&cases, GOLDEN, |case, out| advantage::pass_at_k(&case.rewards, out));
}

fn opo_gives_the_advantages_of_verl() {
    for case in &Golden::read().opo {
        let mut found = vec![f64::NAN; case.rewards.len()];
        advantage::opo(&case.rewards, &case.lengths, &mut found);
        let name = |i: usize| format!("{}, lengths {:?}, completion {i}", case.name, case.lengths);
        assert_each_close(&found, &case.advantages, GOLDEN, name);
    }
}

fn grpo_scaled_by_the_batch_gives_the_advantages_of_trl() {
    for case in &Golden::read().batch_scaling {
        let epsilon = case.epsilon.expect("an epsilon");
        let signal = Signal::Grpo { epsilon, scale: RewardScale::Batch, add_gt: false };
        assert_batch(case, &signal, GOLDEN_STANDARDISED);
    }
}

/// verl's epsilon is a literal in its code, equal to core's default.
fn reinforce_plus_plus_gives_the_advantages_of_verl() {
    for case in &Golden::read().reinforce_plus_plus_baseline {
        assert_batch(case, &Signal::reinforce_plus_plus(), GOLDEN_MASKED_MEAN);
    }
}

fn a_sequence_has_the_loss_and_gradients_of_verl_and_trl() {
    assert_sequences(&Golden::read().gspo, Surrogate::Sequence, GOLDEN);
}

fn a_sequence_with_a_penalty_has_the_loss_and_gradients_of_trl() {
    for case in &Golden::read().gspo_with_kl {
        let objective = case.clip.objective(case.estimator.into(), case.kl_coef);
        let objective = objective.with_kl_times_ratio(case.kl_times_ratio);
        let tokens = CompletionTokens {
            policy_log_probs: &case.policy_log_probs,
            old_log_probs: &case.old_log_probs,
            ref_log_probs: &case.ref_log_probs,
            advantages: &vec![case.advantage; case.policy_log_probs.len()],
            is_anchor: false,
        };
        let name = format!(
            "{}, {}, coefficient {}, times the ratio: {}",
            case.library, case.name, case.kl_coef, case.kl_times_ratio
        );
        let expected = (case.value, &*case.gradients);
        assert_sequence(Surrogate::Sequence, tokens, &objective, expected, GOLDEN, &name);
    }
}

fn a_geometric_mean_has_the_loss_and_gradients_of_verl() {
    assert_sequences(&Golden::read().gmpo, Surrogate::GeometricMean, GOLDEN_MASKED_MEAN);
}

fn the_surrogate_gives_the_loss_and_gradient_of_verl_and_trl() {
    let cases = Golden::read().surrogate;
    assert_surrogates(&cases, Surrogate::Clipped);
    for case in &cases {
        let (Some(clipped), Some(dual_clipped)) = (&case.clipped, &case.dual_clipped) else {
            continue;
        };
        let name = format!("{}, dual clip {:?}", case.library, case.clip.dual);
        let count = case.policy_log_probs.len();
        assert_lengths(&[clipped.len(), dual_clipped.len(), count], &name);
        let objective = case.clip.objective(KlEstimator::K3, 0.0);
        for i in 0..count {
            let (policy, old) = (case.policy_log_probs[i], case.old_log_probs[i]);
            let found = is_clipped(policy, old, case.token_advantages[i], &objective);
            assert_eq!(found, clipped[i] || dual_clipped[i], "{name}, is token {i} clipped");
        }
    }
}

fn cispo_gives_the_loss_and_gradient_of_verl_and_trl() {
    assert_surrogates(&Golden::read().cispo, Surrogate::Cispo);
}

fn sapo_gives_the_loss_and_gradient_of_verl_and_trl() {
    let objective = without_clip(KlEstimator::K3, 0.0);
    for case in &Golden::read().sapo {
        let surrogate = Surrogate::Sapo { positive: case.tau_pos, negative: case.tau_neg };
        let columns = [&*case.policy_log_probs, &*case.old_log_probs, &[], &*case.token_advantages];
        let tolerance = if case.library == "verl" { GOLDEN_MASKED_MEAN } else { GOLDEN };
        let name = format!("{}, {surrogate:?}", case.library);
        let found = terms(surrogate, &objective, columns);
        assert_terms(&found, &case.values, &case.gradients, tolerance, &name);
    }
}

fn the_estimators_give_the_penalty_and_gradient_of_verl_and_trl() {
    for case in &Golden::read().kl_penalty {
        let estimator = KlEstimator::from(case.estimator);
        let objective =
            without_clip(estimator, 1.0).with_kl_value_limit(case.value_limit).expect("a cap");
        let terms: Vec<_> = case
            .policy_log_probs
            .iter()
            .zip(&case.ref_log_probs)
            .map(|(&policy, &reference)| kl_penalty(policy, reference, &objective))
            .collect();
        let name = format!("{}, {estimator:?}, capped at {:?}", case.library, case.value_limit);
        assert_terms(&terms, &case.values, &case.gradients, GOLDEN, &name);
    }
}

fn the_loss_of_a_token_is_that_of_trl() {
    assert_token_losses(&Golden::read().token_loss, false);
}

fn the_loss_of_a_token_whose_ratio_multiplies_the_penalty_is_that_of_trl() {
    assert_token_losses(&Golden::read().token_loss_with_corrected_kl, true);
}
