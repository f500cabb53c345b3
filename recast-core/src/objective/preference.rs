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

    /// The preference of a beta that [`Signal::check`](crate::Signal::check) checks.
    pub(crate) fn of_checked(beta: T) -> Self {
        Self { beta }
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
/// The call returns the value and the derivative by the positive, and writes the derivatives by the
/// negatives. All log-probabilities are sums over a completion's tokens; each token of a completion
/// has its completion's derivative. The loss belongs to one group and reads no advantages. No clamp
/// is needed and no exponential overflows, since the largest exponent is taken out first. No
/// negatives give 0. With N negatives `O(N)` time, no allocation. The function cannot check that
/// its arguments are finite, nor that the positive is a hit.
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
    let contrast = Contrast::of(negative_gradients.iter().copied());
    for slot in negative_gradients.iter_mut() {
        *slot = contrast.by_negative(preference, *slot);
    }
    TokenTerm { value: contrast.value, gradient: contrast.by_positive(preference) }
}

/// A positive against the exponents of its negatives; its own exponent is 0.
pub(super) struct Contrast<T> {
    /// The loss.
    pub(super) value: T,
    highest: T,
    negatives: T,
    total: T,
}

impl<T: Real> Contrast<T> {
    /// The exponents are `beta (d_j - d_+)`.
    pub(super) fn of(exponents: impl Iterator<Item = T> + Clone) -> Self {
        let highest = exponents.clone().fold(T::zero(), T::max);
        let negatives = sum(exponents.map(|exponent| (exponent - highest).exp()));
        let total = (-highest).exp() + negatives;
        // Where the positive leads, 1 is all but the whole sum and `ln_1p` keeps the rest.
        let value = if highest.is_zero() { negatives.ln_1p() } else { highest + total.ln() };
        Self { value, highest, negatives, total }
    }

    /// The derivative by the log-probability of the negative with this exponent.
    pub(super) fn by_negative(&self, preference: Preference<T>, exponent: T) -> T {
        preference.beta * ((exponent - self.highest).exp() / self.total)
    }

    /// The derivative by the log-probability of the positive.
    pub(super) fn by_positive(&self, preference: Preference<T>) -> T {
        T::zero() - preference.beta * (self.negatives / self.total)
    }
}
