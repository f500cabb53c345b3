//! Every objective at numbers worked out by hand.

mod clip;
mod completion;
mod group;
mod preference;
mod surrogate;

use super::*;
use crate::tolerance::ROUNDING;
use approx::assert_abs_diff_eq;

/// A sampled completion with one advantage, references as the policy.
fn completion<'a>(
    policy: &'a [f64],
    old: &'a [f64],
    advantages: &'a [f64],
) -> CompletionTokens<'a, f64> {
    CompletionTokens {
        policy_log_probs: policy,
        old_log_probs: old,
        ref_log_probs: policy,
        advantages,
        is_anchor: false,
    }
}

fn of(surrogate: Surrogate<f64>) -> PolicyLoss<f64> {
    PolicyLoss { surrogate, ..PolicyLoss::default() }
}

/// One sampled token under a policy loss.
fn token_under<T: Real>(
    loss: &PolicyLoss<T>,
    [policy, old, reference]: [T; 3],
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let mut gradient = [T::nan()];
    let tokens = CompletionTokens {
        policy_log_probs: &[policy],
        old_log_probs: &[old],
        ref_log_probs: &[reference],
        advantages: &[advantage],
        is_anchor: false,
    };
    let value = completion_loss(loss, tokens, objective, &mut gradient);
    TokenTerm { value, gradient: gradient[0] }
}

/// One sampled token under PPO's clip.
fn token<T: Real>(
    policy: T,
    old: T,
    reference: T,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    token_under(&PolicyLoss::default(), [policy, old, reference], advantage, objective)
}

/// Whether a clip stands for the ratio of a sampled token.
fn is_clipped(policy: f64, old: f64, advantage: f64, objective: &Objective<f64>) -> bool {
    let tokens = CompletionTokens {
        policy_log_probs: &[policy],
        old_log_probs: &[old],
        ref_log_probs: &[],
        advantages: &[advantage],
        is_anchor: false,
    };
    clipped_tokens(&PolicyLoss::default(), tokens, objective) == 1
}

fn without_penalty(clip: Clip<f64>) -> Objective<f64> {
    Objective::new(clip, 20.0, KlEstimator::K3, 0.0).unwrap()
}

fn assert_term(term: TokenTerm<f64>, value: f64, gradient: f64) {
    assert_abs_diff_eq!(term.value, value, epsilon = ROUNDING);
    assert_abs_diff_eq!(term.gradient, gradient, epsilon = ROUNDING);
}

#[test]
fn extreme_log_probs_give_finite_losses_in_single_precision() {
    for (policy, old) in [(0.0, -1e30), (-1e30, 0.0)] {
        for advantage in [1.0, -1.0] {
            let term = token(policy, old, old, advantage, &Objective::<f32>::default());
            assert!(term.value.is_finite() && term.gradient.is_finite());
        }
    }
}

#[test]
fn the_loss_is_the_surrogate_plus_the_weighted_penalty() {
    let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K2, 0.5).unwrap();
    let term = token(-1.0, -1.0, -0.5, 1.0, &objective);
    assert_term(term, -1.0 + 0.5 * 0.125, -1.0 - 0.5 * 0.5);
}

#[test]
fn without_a_coefficient_the_reference_is_not_read() {
    let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
    assert_term(token(-1.0, -1.0, f64::NAN, 1.0, &objective), -1.0, -1.0);
}

#[test]
fn numbers_out_of_range_are_refused() {
    let with = |limit, coef| Objective::new(Clip::default(), limit, KlEstimator::K3, coef);
    for value in [0.0, -20.0, 1000.0, f64::INFINITY] {
        assert_eq!(with(value, 0.0), Err(ObjectiveError::LogRatioLimit { value }));
    }
    for value in [-1.0, f64::INFINITY] {
        assert_eq!(with(20.0, value), Err(ObjectiveError::KlCoef { value }));
    }
    assert!(with(f64::NAN, 0.0).is_err() && with(20.0, f64::NAN).is_err());
}

#[test]
fn the_default_passes_its_own_check_in_every_precision() {
    fn check<T: Real>() {
        let default = Objective::<T>::default();
        let (limit, coef) = (default.log_ratio_limit(), default.kl_coef());
        let checked = Objective::new(default.clip(), limit, default.kl_estimator(), coef)
            .and_then(|objective| objective.with_kl_value_limit(default.kl_value_limit()));
        assert_eq!(checked, Ok(default));
    }
    check::<f64>();
    check::<f32>();
    check::<half::bf16>();
    check::<half::f16>();
}

#[test]
fn the_bounds_that_a_surrogate_does_not_read_are_refused() {
    let ecpo = Clip::ecpo(0.2, 0.28, 0.1).unwrap();
    let sapo = Surrogate::Sapo { positive: 1.0, negative: 1.05 };
    for surrogate in [Surrogate::Cispo, sapo, Surrogate::GeometricMean] {
        let loss = Loss::Policy(of(surrogate));
        for clip in [ecpo, Clip::gbpo()] {
            let refused = loss.check(&without_penalty(clip));
            assert_eq!(refused, Err(ObjectiveError::BoundNotRead));
        }
        for clip in [Clip::default(), Clip::unclipped()] {
            assert_eq!(loss.check(&without_penalty(clip)), Ok(loss));
        }
    }
    let preference = Loss::Preference(Preference::new(0.1).unwrap());
    for loss in [of(Surrogate::Clipped), of(Surrogate::Sequence)].map(Loss::Policy) {
        assert_eq!(loss.check(&without_penalty(ecpo)), Ok(loss));
    }
    assert_eq!(preference.check(&without_penalty(ecpo)), Ok(preference));
}

#[test]
fn the_three_estimators_have_their_values_and_gradients() {
    let (policy, reference) = (-1.0, -0.5);
    let d: f64 = 0.5;
    let expected = [
        (KlEstimator::K1, -d, 1.0),
        (KlEstimator::K2, d * d / 2.0, -d),
        (KlEstimator::K3, d.exp() - d - 1.0, 1.0 - d.exp()),
    ];
    for (estimator, value, gradient) in expected {
        let objective = Objective::new(Clip::default(), 20.0, estimator, 1.0).unwrap();
        assert_term(kl_penalty(policy, reference, &objective), value, gradient);
    }
}

#[test]
fn beyond_the_limit_the_penalty_is_flat() {
    let objective = Objective::new(Clip::default(), 0.1, KlEstimator::K3, 0.0).unwrap();
    assert_term(kl_penalty(-5.0, 0.0, &objective), 0.1_f64.exp() - 1.1, 0.0);
}

// verl: 10 at a difference of 2.6108686381498756 and of -10.999983298020258.
#[test]
fn a_capped_penalty_is_flat_where_the_cap_is_in_force() {
    for estimator in [KlEstimator::K1, KlEstimator::K2, KlEstimator::K3] {
        let objective = Objective::new(Clip::default(), 20.0, estimator, 1.0).unwrap();
        let capped = objective.with_kl_value_limit(Some(10.0)).unwrap();
        for d in [-19.0_f64, -11.0, -10.9, -2.0, 0.0, 2.6, 2.62, 4.0, 5.0, 19.0] {
            let free = kl_penalty(-20.0, -20.0 + d, &objective);
            let found = kl_penalty(-20.0, -20.0 + d, &capped);
            if free.value.abs() > 10.0 {
                assert_term(found, 10.0_f64.copysign(free.value), 0.0);
            } else {
                assert_eq!(found, free);
            }
        }
    }
    let at = |d: f64| -> f64 { kl_penalty(-20.0, -20.0 + d, &Objective::default()).gradient };
    assert!(at(2.6108) < -12.0 && at(2.6109).abs() < ROUNDING);
    assert!(at(-10.9999) > 0.9 && at(-11.0).abs() < ROUNDING);
}

#[test]
fn a_cap_that_is_not_positive_is_refused() {
    let objective = Objective::<f64>::default();
    for value in [0.0, -10.0, f64::INFINITY] {
        let refused = Err(ObjectiveError::KlValueLimit { value });
        assert_eq!(objective.with_kl_value_limit(Some(value)), refused);
    }
    assert!(objective.with_kl_value_limit(Some(f64::NAN)).is_err());
    assert_eq!(objective.with_kl_value_limit(None).unwrap().kl_value_limit(), None);
}
