use super::{ObjectiveError, TokenTerm};
use crate::real::{Real, sum};

/// The numbers of a preference loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preference<T> {
    beta: T,
}

impl<T: Real> Preference<T> {
    /// DPO and S-DPO with the coefficient beta of their implicit KL: 0.1 is usual for DPO, 1 for
    /// S-DPO.
    ///
    /// # Errors
    ///
    /// If beta is not finite and above 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::Preference;
    ///
    /// assert!(Preference::new(0.1).is_ok());
    /// assert!(Preference::new(f32::NAN).is_err());
    /// ```
    pub fn new(beta: T) -> Result<Self, ObjectiveError> {
        if !(beta > T::zero() && beta.is_finite()) {
            return Err(ObjectiveError::Beta { value: beta.widen() });
        }
        Ok(Self { beta })
    }

    /// The coefficient beta.
    #[must_use]
    pub fn beta(&self) -> T {
        self.beta
    }
}

/// The loss of a positive against its negatives: DPO with one negative, S-DPO with several.
///
/// ```text
/// d     = policy - ref, of a whole completion
/// loss  = -log sigmoid(-log sum_j exp(beta (d_j - d_+))) = log(1 + sum_j exp(beta (d_j - d_+)))
/// share_j = exp(beta (d_j - d_+)) / (1 + sum_l exp(beta (d_l - d_+)))
/// gradient by policy_j: beta share_j        by policy_+: -beta sum_j share_j
/// ```
///
/// The value and the derivative by the positive are returned, the derivatives by the negatives are
/// written. All log-probabilities are sums over a completion's tokens; each token of a completion
/// has its completion's derivative. It is a loss of one group: advantages are not read. Nothing is
/// clamped and nothing overflows: the largest exponent is taken out first. No negatives give 0.
/// With N negatives `O(N)` time, no allocation. It cannot check that its arguments are finite, nor
/// that the positive is one.
///
/// See "Direct Preference Optimization: Your Language Model is Secretly a Reward Model", Rafailov
/// et al., <https://arxiv.org/abs/2305.18290>, and "On Softmax Direct Preference Optimization for
/// Recommendation", Chen et al., section 3.1, <https://arxiv.org/abs/2406.09215>.
///
/// # Shapes
///
/// `negative_policy_log_probs`, `negative_ref_log_probs`, `negative_gradients`: (N).
///
/// # Panics
///
/// If the slices differ in length.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Preference, preference_loss};
///
/// // Before the first step policy and reference agree: log(1 + N), shares 1 / (1 + N).
/// let mut gradients = [f64::NAN; 3];
/// let negatives = [-3.0, -4.0, -5.0];
/// let preference = Preference::new(1.0)?;
/// let term = preference_loss(-2.0, -2.0, &negatives, &negatives, preference, &mut gradients);
/// assert!((term.value - 4.0_f64.ln()).abs() < 1e-12);
/// assert_eq!((term.gradient, gradients), (-0.75, [0.25; 3]));
/// # Ok::<(), recast_core::objective::ObjectiveError>(())
/// ```
#[must_use]
pub fn preference_loss<T: Real>(
    positive_policy_log_prob: T,
    positive_ref_log_prob: T,
    negative_policy_log_probs: &[T],
    negative_ref_log_probs: &[T],
    preference: Preference<T>,
    negative_gradients: &mut [T],
) -> TokenTerm<T> {
    let count = negative_policy_log_probs.len();
    assert!(
        negative_ref_log_probs.len() == count && negative_gradients.len() == count,
        "{count} negatives, {} reference log-probs, {} gradients: give one for each negative",
        negative_ref_log_probs.len(),
        negative_gradients.len()
    );
    let beta = preference.beta;
    let positive = positive_policy_log_prob - positive_ref_log_prob;
    let columns = negative_policy_log_probs.iter().zip(negative_ref_log_probs);
    for (slot, (&policy, &reference)) in negative_gradients.iter_mut().zip(columns) {
        *slot = beta * ((policy - reference) - positive);
    }
    // The positive's own exponent is 0.
    let highest = negative_gradients.iter().copied().fold(T::zero(), T::max);
    let negatives = sum(negative_gradients.iter().map(|&exponent| (exponent - highest).exp()));
    let total = (-highest).exp() + negatives;
    // Where the positive leads, 1 is all but the whole sum and `ln_1p` keeps the rest.
    let value = if highest.is_zero() { negatives.ln_1p() } else { highest + total.ln() };
    for slot in negative_gradients.iter_mut() {
        *slot = beta * ((*slot - highest).exp() / total);
    }
    TokenTerm { value, gradient: T::zero() - beta * (negatives / total) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    fn loss<const N: usize>(
        positive: f64,
        negatives: [f64; N],
        beta: f64,
    ) -> (TokenTerm<f64>, [f64; N]) {
        let mut gradients = [f64::NAN; N];
        let preference = Preference::new(beta).unwrap();
        let term =
            preference_loss(positive, 0.0, &negatives, &[0.0; N], preference, &mut gradients);
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
}
