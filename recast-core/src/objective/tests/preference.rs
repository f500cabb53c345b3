//! DPO and S-DPO.

use super::super::*;
use crate::tolerance::ROUNDING;
use approx::assert_abs_diff_eq;

fn loss<const N: usize>(
    positive: f64,
    negatives: [f64; N],
    beta: f64,
) -> (TokenTerm<f64>, [f64; N]) {
    let mut gradients = [f64::NAN; N];
    let preference = Preference::new(beta).unwrap();
    let term = preference_loss(positive, 0.0, &negatives, &[0.0; N], preference, &mut gradients);
    (term, gradients)
}

#[test]
fn with_one_negative_it_is_dpo() {
    let (term, gradients) = loss(-1.0, [-1.5], 0.1);
    let sigmoid = 1.0 / (1.0 + f64::exp(-0.1 * 0.5));
    assert_abs_diff_eq!(term.value, -sigmoid.ln(), epsilon = ROUNDING);
    assert_abs_diff_eq!(term.gradient, -0.1 * (1.0 - sigmoid), epsilon = ROUNDING);
    assert_abs_diff_eq!(gradients[0], 0.1 * (1.0 - sigmoid), epsilon = ROUNDING);
}

#[test]
fn with_several_negatives_the_nearest_gets_the_largest_share() {
    let (term, gradients) = loss(-1.0, [-3.0, -1.2, -2.0], 1.0);
    let exponents = [-2.0_f64, -0.2, -1.0].map(f64::exp);
    let total = 1.0 + exponents.iter().sum::<f64>();
    assert_abs_diff_eq!(term.value, total.ln(), epsilon = ROUNDING);
    for (gradient, exponent) in gradients.into_iter().zip(exponents) {
        assert_abs_diff_eq!(gradient, exponent / total, epsilon = ROUNDING);
    }
    assert!(gradients[1] > gradients[2] && gradients[2] > gradients[0]);
}

#[test]
fn the_derivatives_cancel() {
    let (term, gradients) = loss(-1.0, [-0.5, -4.0], 0.3);
    assert_abs_diff_eq!(term.gradient + gradients[0] + gradients[1], 0.0, epsilon = ROUNDING);
}

#[test]
fn the_reference_shifts_each_completion() {
    let mut gradients = [f64::NAN; 1];
    let preference = Preference::new(0.5).unwrap();
    let term = preference_loss(-1.0, -2.0, &[-3.0], &[-2.5], preference, &mut gradients);
    let (expected, _) = loss(1.0, [-0.5], 0.5);
    assert_eq!(term, expected);
}

#[test]
fn nothing_overflows() {
    for (positive, negative) in [(-1e6, -1.0), (-1.0, -1e6)] {
        let (term, gradients) = loss(positive, [negative; 2], 1.0);
        assert!(term.value.is_finite() && term.gradient.is_finite());
        assert!(gradients.iter().all(|gradient| gradient.is_finite()));
    }
    let (lost, _) = loss(-1e6, [-1.0], 1.0);
    assert_abs_diff_eq!(lost.value, 1e6 - 1.0, epsilon = ROUNDING);
}

#[test]
fn a_clear_lead_keeps_its_digits() {
    let (term, _) = loss(0.0, [-50.0], 1.0);
    assert!((term.value / f64::exp(-50.0) - 1.0).abs() < ROUNDING);
}

#[test]
fn no_negatives_give_zero() {
    let (term, _) = loss(-1.0, [], 1.0);
    assert_eq!(term, TokenTerm { value: 0.0, gradient: 0.0 });
}

#[test]
fn a_beta_that_is_not_positive_is_refused() {
    for value in [0.0, -0.1, f64::INFINITY] {
        assert_eq!(Preference::new(value), Err(ObjectiveError::Beta { value }));
    }
    assert!(Preference::new(f64::NAN).is_err());
}

#[test]
#[should_panic(expected = "2 negatives, 1 reference log-probs, 2 gradients")]
fn slices_of_different_lengths_panic_with_all_of_them() {
    let preference = Preference::new(1.0).unwrap();
    let _ = preference_loss(0.0, 0.0, &[0.0; 2], &[0.0], preference, &mut [0.0; 2]);
}
