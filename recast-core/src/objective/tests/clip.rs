//! Bounds of the ratio.

use super::super::*;
use super::{assert_term, is_clipped, token};
use crate::tolerance::ROUNDING;
use approx::assert_abs_diff_eq;

fn term(clip: Clip<f64>, policy: f64, old: f64, advantage: f64) -> TokenTerm<f64> {
    let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).unwrap();
    token(policy.ln(), old.ln(), f64::NAN, advantage, &objective)
}

fn ecpo() -> Clip<f64> {
    Clip::ecpo(0.2, 0.28, 0.1).unwrap()
}

#[test]
fn ecpo_bounds_the_ratio_of_a_negative_and_keeps_its_gradient() {
    assert_term(term(ecpo(), 0.5, 0.01, -2.0), 2.0 * 1.38, 2.0 * 1.38);
    assert_term(term(ecpo(), 0.13, 0.1, -1.0), 1.3, 1.3);
}

#[test]
fn ecpo_clips_as_ppo_elsewhere() {
    assert_term(term(ecpo(), 0.05, 0.1, -1.0), 0.8, 0.0);
    assert_term(term(ecpo(), 0.2, 0.1, 1.0), -1.28, 0.0);
    assert_term(term(ecpo(), 0.12, 0.1, 1.0), -1.2, -1.2);
}

#[test]
fn gbpo_holds_the_ratio_of_a_positive_at_one_and_keeps_its_gradient() {
    assert_term(term(Clip::gbpo(), 0.5, 0.1, 2.0), -2.0, -2.0);
    assert_term(term(Clip::gbpo(), 0.1, 0.5, 2.0), -0.4, -0.4);
}

#[test]
fn gbpo_bounds_a_negative_by_binary_cross_entropy() {
    // The gradient by the probability is that by its logarithm over p: at most 1 / (1 - p).
    for (policy, old) in [(0.01, 0.01), (0.3, 0.001), (0.6, 0.2), (0.99, 0.5)] {
        let expected = policy / f64::max(old, 1.0 - policy);
        assert_term(term(Clip::gbpo(), policy, old, -1.0), expected, expected);
        assert!(expected / policy <= 1.0 / (1.0 - policy) + ROUNDING);
    }
}

#[test]
fn a_certain_negative_is_bounded_by_its_old_probability() {
    for log_prob in [0.0, 1e-9] {
        let bounded = Clip::<f64>::gbpo().bounded_old_log_prob(log_prob, -0.5, -1.0);
        assert_abs_diff_eq!(bounded, -0.5);
    }
}

#[test]
fn an_advantage_of_zero_is_neither_bounded_nor_clipped() {
    for clip in [Clip::default(), ecpo(), Clip::gbpo()] {
        assert_abs_diff_eq!(clip.bounded_old_log_prob(-0.1, -5.0, 0.0), -5.0);
        assert_term(term(clip, 0.9, 0.1, 0.0), 0.0, 0.0);
    }
}

#[test]
fn no_token_of_gbpo_is_clipped() {
    let objective = Objective::new(Clip::gbpo(), 20.0, KlEstimator::K3, 0.0).unwrap();
    for (policy, old) in [(-9.0, -0.1), (-0.1, -9.0)] {
        for advantage in [1.0, -1.0] {
            assert!(!is_clipped(policy, old, advantage, &objective));
        }
    }
}

#[test]
fn numbers_out_of_range_are_refused() {
    for value in [-0.1, 1.1, f64::INFINITY] {
        assert_eq!(Clip::new(value, 0.2, None), Err(ObjectiveError::ClipLow { value }));
        assert_eq!(Clip::ecpo(value, 0.2, 0.1), Err(ObjectiveError::ClipLow { value }));
    }
    for value in [-0.1, f64::INFINITY] {
        assert_eq!(Clip::new(0.2, value, None), Err(ObjectiveError::ClipHigh { value }));
    }
    for value in [1.0, -3.0, f64::INFINITY] {
        assert_eq!(Clip::new(0.2, 0.2, Some(value)), Err(ObjectiveError::DualClip { value }));
    }
    for value in [0.0, -0.1, f64::INFINITY] {
        assert_eq!(Clip::ecpo(0.2, 0.2, value), Err(ObjectiveError::EarlyClip { value }));
    }
    assert!(Clip::new(f64::NAN, 0.2, None).is_err());
    assert!(Clip::new(0.2, f64::NAN, None).is_err());
    assert!(Clip::new(0.2, 0.2, Some(f64::NAN)).is_err());
    assert!(Clip::ecpo(0.2, 0.2, f64::NAN).is_err());
}

#[test]
fn a_cast_keeps_every_bound_and_checks_it() {
    let exact = Clip::new(0.25, 0.5, Some(2.0)).unwrap();
    for clip in [
        exact,
        Clip::new(0.25, 0.5, None).unwrap(),
        Clip::ecpo(0.25, 0.5, 0.125).unwrap(),
        Clip::gbpo(),
        Clip::unclipped(),
    ] {
        let objective = Objective::new(clip, 16.0, KlEstimator::K2, 0.5).unwrap();
        let objective = objective.with_kl_value_limit(Some(8.0)).unwrap().with_kl_times_ratio(true);
        let cast = objective.cast::<f32>().unwrap();
        assert_eq!(cast.cast::<f64>(), Ok(objective));
    }
    let near_one = Clip::new(0.25, 0.5, Some(1.0 + f64::EPSILON)).unwrap();
    let objective = Objective::new(near_one, 16.0, KlEstimator::K2, 0.5).unwrap();
    assert_eq!(objective.cast::<f32>(), Err(ObjectiveError::DualClip { value: 1.0 }));
}
