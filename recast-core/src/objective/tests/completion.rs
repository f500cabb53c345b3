//! Whole completions: shared ratios, anchors, the penalty.

use super::*;

fn objective(kl_coef: f64) -> Objective<f64> {
    Objective::new(Clip::default(), 20.0, KlEstimator::K3, kl_coef).unwrap()
}

/// A completion under the sequence ratio.
fn sequence_loss(
    policy: &[f64],
    old: &[f64],
    reference: &[f64],
    advantage: f64,
    objective: &Objective<f64>,
    gradients: &mut [f64],
) -> f64 {
    let tokens = CompletionTokens {
        policy_log_probs: policy,
        old_log_probs: old,
        ref_log_probs: reference,
        advantages: &std::vec![advantage; policy.len()],
        is_anchor: false,
    };
    completion_loss(&of(Surrogate::Sequence), tokens, objective, gradients)
}

#[test]
fn the_ratio_is_the_geometric_mean_of_the_token_ratios() {
    let (policy, old) = ([-1.0, -1.9, -3.0], [-1.2, -2.0, -2.9]);
    let mut gradients = [f64::NAN; 3];
    let loss = sequence_loss(&policy, &old, &[], 2.0, &objective(0.0), &mut gradients);
    let ratio = f64::exp(0.2 / 3.0);
    assert_abs_diff_eq!(loss, -2.0 * ratio, epsilon = ROUNDING);
    for gradient in gradients {
        assert_abs_diff_eq!(gradient, -2.0 * ratio / 3.0, epsilon = ROUNDING);
    }
}

#[test]
fn one_clip_is_in_force_for_the_whole_completion() {
    let mut gradients = [f64::NAN; 2];
    let loss =
        sequence_loss(&[-0.1, -2.0], &[-3.0, -2.0], &[], 1.0, &objective(0.0), &mut gradients);
    assert_abs_diff_eq!(loss, -1.28, epsilon = ROUNDING);
    assert_abs_diff_eq!(gradients[0].abs() + gradients[1].abs(), 0.0);
}

#[test]
fn a_completion_of_one_token_is_that_token() {
    for clip in [Clip::default(), Clip::ecpo(0.2, 0.28, 0.1).unwrap(), Clip::gbpo()] {
        let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.5).unwrap();
        for advantage in [1.5, -1.5] {
            for (policy, old, reference) in [(-1.0, -1.1, -1.4), (-0.2, -3.0, -0.1)] {
                let expected = token(policy, old, reference, advantage, &objective);
                let mut gradient = [f64::NAN];
                let loss = sequence_loss(
                    &[policy],
                    &[old],
                    &[reference],
                    advantage,
                    &objective,
                    &mut gradient,
                );
                assert_abs_diff_eq!(loss, expected.value, epsilon = ROUNDING);
                assert_abs_diff_eq!(gradient[0], expected.gradient, epsilon = ROUNDING);
            }
        }
    }
}

#[test]
fn the_penalty_is_averaged_over_tokens() {
    let (policy, reference) = ([-1.0, -2.0], [-1.5, -1.0]);
    let objective = objective(0.5);
    let mut gradients = [f64::NAN; 2];
    let loss = sequence_loss(&policy, &policy, &reference, 0.0, &objective, &mut gradients);
    let [a, b] = [0, 1].map(|t| kl_penalty(policy[t], reference[t], &objective));
    assert_abs_diff_eq!(loss, 0.25 * (a.value + b.value), epsilon = ROUNDING);
    assert_abs_diff_eq!(gradients[0], 0.25 * a.gradient, epsilon = ROUNDING);
    assert_abs_diff_eq!(gradients[1], 0.25 * b.gradient, epsilon = ROUNDING);
}

#[test]
fn no_tokens_give_zero() {
    assert_abs_diff_eq!(sequence_loss(&[], &[], &[], 1.0, &objective(1.0), &mut []), 0.0);
}

/// One token of an anchor.
fn anchor_loss(
    policy: f64,
    old: f64,
    reference: f64,
    advantage: f64,
    anchor_ratio: AnchorRatio<f64>,
    objective: &Objective<f64>,
) -> TokenTerm<f64> {
    let tokens = CompletionTokens {
        policy_log_probs: &[policy],
        old_log_probs: &[old],
        ref_log_probs: &[reference],
        advantages: &[advantage],
        is_anchor: true,
    };
    let mut gradient = [f64::NAN];
    let loss = PolicyLoss { anchor_ratio, ..PolicyLoss::default() };
    let value = completion_loss(&loss, tokens, objective, &mut gradient);
    TokenTerm { value, gradient: gradient[0] }
}

#[test]
fn a_recomputed_anchor_is_a_token_like_any_other() {
    let objective = objective(0.1);
    let expected = token(-1.0, -1.2, -1.1, 2.0, &objective);
    let term = anchor_loss(-1.0, -1.2, -1.1, 2.0, AnchorRatio::Recompute, &objective);
    assert_eq!(term, expected);
}

#[test]
fn a_detached_anchor_is_never_clipped() {
    let nan = f64::NAN;
    let term = anchor_loss(-0.1, nan, nan, 2.0, AnchorRatio::Detached, &objective(0.0));
    assert_term(term, -2.0, -2.0);
}

#[test]
fn a_shaped_anchor_weighs_by_its_own_probability() {
    let shaped = AnchorRatio::Shaped { gamma: 0.1 };
    let at = |p: f64| anchor_loss(p.ln(), f64::NAN, f64::NAN, 3.0, shaped, &objective(0.0));
    assert_term(at(0.4), -3.0 * 0.8, -3.0 * 0.4 * 0.1 / 0.25);
    assert_term(at(0.0), 0.0, 0.0);
}

#[test]
fn a_weight_scales_the_surrogate_and_not_the_penalty() {
    let objective = objective(0.1);
    let weighted = AnchorRatio::Weighted { weight: 0.5 };
    let term = anchor_loss(-1.0, -1.2, -1.4, 2.0, weighted, &objective);
    let surrogate = token(-1.0, -1.2, -1.4, 2.0, &without_penalty(Clip::default()));
    let penalty = kl_penalty(-1.0, -1.4, &objective);
    assert_term(
        term,
        0.5 * surrogate.value + 0.1 * penalty.value,
        0.5 * surrogate.gradient + 0.1 * penalty.gradient,
    );
}

#[test]
fn the_tokens_of_a_completion_are_averaged() {
    let (policy, old, advantages) = ([-1.0, -2.0, -0.5], [-1.1, -1.0, -0.5], [1.0, -1.0, 0.5]);
    let objective = objective(0.1);
    let sapo = Surrogate::Sapo { positive: 1.0, negative: 1.05 };
    for surrogate in [Surrogate::Clipped, Surrogate::Cispo, sapo] {
        let mut gradients = [f64::NAN; 3];
        let loss = of(surrogate);
        let tokens = completion(&policy, &old, &advantages);
        let value = completion_loss(&loss, tokens, &objective, &mut gradients);
        let terms = [0, 1, 2]
            .map(|t| token_under(&loss, [policy[t], old[t], policy[t]], advantages[t], &objective));
        let mean = terms.iter().map(|term| term.value).sum::<f64>() / 3.0;
        assert_abs_diff_eq!(value, mean, epsilon = ROUNDING);
        for (gradient, term) in gradients.into_iter().zip(terms) {
            assert_abs_diff_eq!(gradient, term.gradient / 3.0, epsilon = ROUNDING);
        }
    }
}

#[test]
fn gmpo_bounds_each_log_ratio_on_the_side_of_its_advantage() {
    let (policy, old) = ([-1.0, -1.0, -1.0], [-1.1, -2.0, -0.1]);
    let objective = without_penalty(Clip::new(0.4, 0.3, None).unwrap());
    // log-ratios 0.1, 1, -0.9
    for (advantage, log_ratios, slopes) in
        [(2.0, [0.1, 0.3, -0.9], [1.0, 0.0, 1.0]), (-2.0, [0.1, 1.0, -0.4], [1.0, 1.0, 0.0])]
    {
        let mut gradients = [f64::NAN; 3];
        let advantages = [advantage; 3];
        let tokens = completion(&policy, &old, &advantages);
        let loss = of(Surrogate::GeometricMean);
        let value = completion_loss(&loss, tokens, &objective, &mut gradients);
        let expected = -advantage * f64::exp(log_ratios.iter().sum::<f64>() / 3.0);
        assert_abs_diff_eq!(value, expected, epsilon = ROUNDING);
        for (gradient, slope) in gradients.into_iter().zip(slopes) {
            assert_abs_diff_eq!(gradient, slope * expected / 3.0, epsilon = ROUNDING);
        }
        assert_eq!(clipped_tokens(&loss, tokens, &objective), 1);
    }
}

#[test]
fn token_advantages_that_differ_are_one_mean_to_a_shared_ratio() {
    let (policy, old) = ([-1.0, -2.0], [-1.1, -1.9]);
    for surrogate in [Surrogate::Sequence, Surrogate::GeometricMean] {
        let [differing, equal] = [[1.0, 2.0], [1.5, 1.5]].map(|advantages| {
            let mut gradients = [f64::NAN; 2];
            let tokens = completion(&policy, &old, &advantages);
            let value = completion_loss(&of(surrogate), tokens, &objective(0.0), &mut gradients);
            (value, gradients[0])
        });
        assert_abs_diff_eq!(differing.0, equal.0, epsilon = ROUNDING);
        assert_abs_diff_eq!(differing.1, equal.1, epsilon = ROUNDING);
    }
}

// With d = ref - policy and k3 the gradient is ratio (policy - ref), an unbiased gradient of the
// reverse divergence: TRL's derivation.
#[test]
fn k3_times_the_ratio_has_the_gradient_of_the_divergence() {
    let objective = objective(1.0).with_kl_times_ratio(true);
    let (policy, old, reference) = (-1.0, -1.3, -1.6);
    let ratio = f64::exp(0.3);
    for surrogate in [Surrogate::Clipped, Surrogate::Cispo, Surrogate::GeometricMean] {
        let term = token_under(&of(surrogate), [policy, old, reference], 0.0, &objective);
        assert_term(term, ratio * (f64::exp(-0.6) + 0.6 - 1.0), ratio * 0.6);
    }
}

#[test]
fn under_a_sequence_ratio_penalties_are_multiplied_by_that_of_the_sequence() {
    let (policy, old, reference) = ([-1.0, -2.0], [-1.2, -2.2], [-1.5, -1.0]);
    let objective = objective(0.5).with_kl_times_ratio(true);
    let mut gradients = [f64::NAN; 2];
    let loss = sequence_loss(&policy, &old, &reference, 0.0, &objective, &mut gradients);
    let [a, b] = [0, 1].map(|t| kl_penalty(policy[t], reference[t], &objective));
    let ratio = f64::exp(0.2);
    assert_abs_diff_eq!(loss, 0.25 * ratio * (a.value + b.value), epsilon = ROUNDING);
    let shared = 0.125 * ratio * (a.value + b.value);
    assert_abs_diff_eq!(gradients[0], 0.25 * ratio * a.gradient + shared, epsilon = ROUNDING);
    assert_abs_diff_eq!(gradients[1], 0.25 * ratio * b.gradient + shared, epsilon = ROUNDING);
}

#[test]
fn the_penalty_of_an_anchor_without_a_ratio_is_multiplied_by_none() {
    let (plain, times) = (objective(0.5), objective(0.5).with_kl_times_ratio(true));
    for ratio in [AnchorRatio::Detached, AnchorRatio::Shaped { gamma: 0.1 }] {
        let term = anchor_loss(-1.0, f64::NAN, -1.4, 2.0, ratio, &times);
        assert_eq!(term, anchor_loss(-1.0, f64::NAN, -1.4, 2.0, ratio, &plain));
    }
}

#[test]
fn an_anchor_that_has_no_ratio_needs_no_old_log_probs_and_is_never_clipped() {
    for surrogate in [Surrogate::Clipped, Surrogate::Sequence, Surrogate::GeometricMean] {
        for anchor_ratio in [AnchorRatio::Detached, AnchorRatio::Shaped { gamma: 0.1 }] {
            let loss = PolicyLoss { surrogate, anchor_ratio, negative_margin: None };
            let anchor = CompletionTokens {
                policy_log_probs: &[-0.1, -3.0],
                old_log_probs: &[],
                ref_log_probs: &[],
                advantages: &[2.0; 2],
                is_anchor: true,
            };
            let mut gradients = [f64::NAN; 2];
            let value = completion_loss(&loss, anchor, &objective(0.0), &mut gradients);
            assert!(value < 0.0 && gradients.iter().all(|&gradient| gradient < 0.0));
            assert_eq!(clipped_tokens(&loss, anchor, &objective(0.0)), 0);
        }
    }
}

#[test]
fn only_the_anchor_has_the_anchors_ratio() {
    let loss = PolicyLoss { anchor_ratio: AnchorRatio::Detached, ..PolicyLoss::default() };
    let term = token_under(&loss, [-1.0, -1.2, -1.1], 2.0, &objective(0.1));
    assert_eq!(term, token(-1.0, -1.2, -1.1, 2.0, &objective(0.1)));
}

#[test]
fn clipped_tokens_are_counted_by_the_rule_of_their_surrogate() {
    // ratios e, 1, 1/e; a positive and a negative
    let (policy, old) = ([-1.0, -1.0, -2.0], [-2.0, -1.0, -1.0]);
    let sapo = Surrogate::Sapo { positive: 1.0, negative: 1.05 };
    for (surrogate, positive, negative) in [
        (Surrogate::Clipped, 1, 1),
        (Surrogate::Cispo, 2, 2),
        (sapo, 0, 0),
        (Surrogate::Sequence, 0, 0),
        (Surrogate::GeometricMean, 1, 1),
    ] {
        for (advantage, expected) in [(1.0, positive), (-1.0, negative), (0.0, 0)] {
            let advantages = [advantage; 3];
            let tokens = completion(&policy, &old, &advantages);
            let found = clipped_tokens(&of(surrogate), tokens, &objective(0.0));
            assert_eq!(found, expected, "{surrogate:?} {advantage}");
        }
    }
    let all = completion(&[-0.1, -2.0], &[-3.0, -2.0], &[1.0; 2]);
    assert_eq!(clipped_tokens(&of(Surrogate::Sequence), all, &objective(0.0)), 2);
}

#[test]
#[should_panic(expected = "2 tokens, 2 old and 0 reference log-probs, 2 advantages")]
fn a_missing_reference_panics_with_the_lengths() {
    let _ = sequence_loss(&[-1.0; 2], &[-1.0; 2], &[], 1.0, &objective(1.0), &mut [0.0; 2]);
}

#[test]
fn a_negative_below_its_margin_keeps_the_penalty_alone() {
    let loss = PolicyLoss { negative_margin: Some(1.0), ..PolicyLoss::default() };
    let of = |policy: [f64; 2], advantage: f64, kl_coef: f64| {
        let advantages = [advantage; 2];
        let tokens = CompletionTokens {
            ref_log_probs: &[-1.0; 2],
            ..completion(&policy, &policy, &advantages)
        };
        let mut gradients = [f64::NAN; 2];
        (completion_loss(&loss, tokens, &objective(kl_coef), &mut gradients), gradients)
    };
    assert_eq!(of([-1.5, -2.0], -1.0, 0.0), (0.0, [0.0; 2]));
    // at the margin, above it and as a positive the completion trains
    assert_eq!(of([-1.0, -2.0], -1.0, 0.0), (1.0, [0.5; 2]));
    assert_eq!(of([-1.0, -1.5], -1.0, 0.0), (1.0, [0.5; 2]));
    assert_eq!(of([-1.5, -2.0], 1.0, 0.0), (-1.0, [-0.5; 2]));
    let (value, gradients) = of([-1.5, -2.0], -1.0, 0.1);
    assert!(value > 0.0 && gradients.iter().all(|&gradient| gradient < 0.0));
}

#[test]
#[should_panic(expected = "2 tokens, 2 old and 0 reference log-probs, 2 advantages")]
fn a_margin_reads_the_references() {
    let loss = PolicyLoss { negative_margin: Some(1.0), ..PolicyLoss::default() };
    let tokens =
        CompletionTokens { ref_log_probs: &[], ..completion(&[-1.0; 2], &[-1.0; 2], &[1.0; 2]) };
    let _ = completion_loss(&loss, tokens, &objective(0.0), &mut [0.0; 2]);
}

#[test]
#[should_panic(expected = "2 tokens need as many gradients, got 1")]
fn a_short_gradient_panics_with_both_lengths() {
    let _ = sequence_loss(&[-1.0; 2], &[-1.0; 2], &[], 1.0, &objective(0.0), &mut [0.0; 1]);
}
