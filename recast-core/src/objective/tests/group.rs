//! Groups and batches, flat.

use super::*;

const POLICY: [f64; 3] = [-1.0, -2.0, -0.5];
const OLD: [f64; 3] = [-1.1, -1.0, -0.5];
const REFERENCE: [f64; 3] = [-1.0, -2.5, -0.7];
const ADVANTAGES: [f64; 3] = [1.0, -1.0, 0.5];
const WEIGHTS: [f64; 3] = [0.5, 0.25, 0.0];
const ANCHORS: [bool; 3] = [false; 3];

fn tokens() -> PolicyTokens<'static, f64> {
    PolicyTokens {
        offsets: &[0, 1, 2, 3],
        policy_log_probs: &POLICY,
        old_log_probs: &OLD,
        ref_log_probs: &REFERENCE,
        advantages: &ADVANTAGES,
        weights: &WEIGHTS,
        is_anchor: &ANCHORS,
    }
}

#[test]
fn a_batch_is_the_weighted_sum_of_its_completions() {
    let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.1).unwrap();
    let mut gradients = [f64::NAN; 3];
    let loss = policy_loss(&PolicyLoss::default(), tokens(), &objective, &mut gradients);
    let mut expected = 0.0;
    for index in 0..3 {
        let [policy, old, reference, advantage] =
            [POLICY, OLD, REFERENCE, ADVANTAGES].map(|column| column[index]);
        let term = token(policy, old, reference, advantage, &objective);
        expected += WEIGHTS[index] * term.value;
        assert_abs_diff_eq!(gradients[index], WEIGHTS[index] * term.gradient);
    }
    assert_abs_diff_eq!(loss, expected, epsilon = ROUNDING);
}

#[test]
fn without_a_coefficient_the_references_may_be_empty() {
    let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
    let [mut with, mut without] = [[f64::NAN; 3]; 2];
    let full = policy_loss(&PolicyLoss::default(), tokens(), &objective, &mut with);
    let tokens = PolicyTokens { ref_log_probs: &[], ..tokens() };
    assert_abs_diff_eq!(
        policy_loss(&PolicyLoss::default(), tokens, &objective, &mut without),
        full
    );
    assert!(with.iter().zip(&without).all(|(a, b)| (a - b).abs() < ROUNDING));
}

#[test]
fn no_tokens_give_zero() {
    let empty: &[f64] = &[];
    let tokens = PolicyTokens {
        offsets: &[0],
        policy_log_probs: empty,
        old_log_probs: empty,
        ref_log_probs: empty,
        advantages: empty,
        weights: empty,
        is_anchor: &[],
    };
    assert_abs_diff_eq!(
        policy_loss(&PolicyLoss::default(), tokens, &Objective::default(), &mut []),
        0.0
    );
}

#[test]
#[should_panic(expected = "1 tokens, 1 old and 0 reference log-probs, 1 advantages")]
fn missing_references_panic_with_the_lengths() {
    let tokens = PolicyTokens { ref_log_probs: &[], ..tokens() };
    let _ = policy_loss(&PolicyLoss::default(), tokens, &Objective::default(), &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "3 completions, 2 weights, 3 anchor marks")]
fn missing_weights_panic_with_the_lengths() {
    let tokens = PolicyTokens { weights: &[1.0; 2], ..tokens() };
    let _ = policy_loss(&PolicyLoss::default(), tokens, &Objective::default(), &mut [0.0; 3]);
}

#[test]
#[should_panic(expected = "offsets from Some(0) to Some(2), 3 tokens, 3 gradients")]
fn offsets_that_miss_a_token_panic() {
    let tokens = PolicyTokens { offsets: &[0, 1, 1, 2], ..tokens() };
    let _ = policy_loss(&PolicyLoss::default(), tokens, &Objective::default(), &mut [0.0; 3]);
}

/// A group of two completions of two tokens and one of one token; the second is the anchor.
fn group() -> GroupTokens<'static, f64> {
    GroupTokens {
        offsets: &[0, 2, 4, 5],
        policy_log_probs: &[-1.0, -2.0, -0.5, -0.1, -1.5],
        old_log_probs: &[-1.1, -1.0, -0.5, -2.0, -1.4],
        ref_log_probs: &[-1.2, -2.0, -0.7, -0.3, -1.0],
        advantages: &[-1.0, -1.0, 1.0, 1.0, -1.0],
        anchor: Some(1),
        divisor: 4,
    }
}

#[test]
fn a_group_is_the_sum_of_its_completions_over_the_divisor() {
    let (group, objective) = (group(), Objective::default());
    for surrogate in [Surrogate::Clipped, Surrogate::Sequence, Surrogate::GeometricMean] {
        for anchor_ratio in [AnchorRatio::Recompute, AnchorRatio::Detached] {
            let loss = PolicyLoss { surrogate, anchor_ratio, negative_margin: None };
            let mut gradients = [f64::NAN; 5];
            let value = group_loss(&Loss::Policy(loss), group, &objective, &mut gradients);
            let tokens = PolicyTokens {
                offsets: group.offsets,
                policy_log_probs: group.policy_log_probs,
                old_log_probs: group.old_log_probs,
                ref_log_probs: group.ref_log_probs,
                advantages: group.advantages,
                weights: &[0.25; 3],
                is_anchor: &[false, true, false],
            };
            let mut expected = [f64::NAN; 5];
            let sum = policy_loss(&loss, tokens, &objective, &mut expected);
            assert_abs_diff_eq!(value, sum, epsilon = ROUNDING);
            assert_eq!(gradients, expected);
        }
    }
}

#[test]
fn a_preference_is_that_of_whole_completions() {
    let group = group();
    let preference = Preference::new(0.3).unwrap();
    let mut gradients = [f64::NAN; 5];
    let loss = Loss::Preference(preference);
    // The loss reads neither old log-probs nor the objective.
    let group = GroupTokens { old_log_probs: &[], ..group };
    let value = group_loss(&loss, group, &Objective::default(), &mut gradients);
    let mut negatives = [f64::NAN; 2];
    let term =
        preference_loss(-0.6, -1.0, &[-3.0, -1.5], &[-3.2, -1.0], preference, &mut negatives);
    assert_abs_diff_eq!(value, term.value, epsilon = ROUNDING);
    let [first, last] = negatives;
    for (gradient, expected) in
        gradients.into_iter().zip([first, first, term.gradient, term.gradient, last])
    {
        assert_abs_diff_eq!(gradient, expected, epsilon = ROUNDING);
    }
}

#[test]
#[should_panic(expected = "0 positives of 3 completions: a preference has one")]
fn a_preference_without_a_positive_panics() {
    let group = GroupTokens { advantages: &[-1.0; 5], ..group() };
    let loss = Loss::Preference(Preference::new(0.3).unwrap());
    let _ = group_loss(&loss, group, &Objective::default(), &mut [0.0; 5]);
}

#[test]
fn a_group_without_completions_gives_zero() {
    let empty: &[f64] = &[];
    let group = GroupTokens {
        offsets: &[0],
        policy_log_probs: empty,
        old_log_probs: empty,
        ref_log_probs: empty,
        advantages: empty,
        anchor: None,
        divisor: 0,
    };
    let loss = Loss::Policy(PolicyLoss::default());
    assert_abs_diff_eq!(group_loss(&loss, group, &Objective::default(), &mut []), 0.0);
}
