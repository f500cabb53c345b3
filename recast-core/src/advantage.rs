//! Advantages of a whole group, written into the caller's slice. One function a method.

use crate::real::{Real, sum};

/// The group-relative advantages of GRPO.
///
/// ```text
/// A_i = (r_i - mean) / (std + epsilon)        std^2 = sum (r_i - mean)^2 / (G - 1)
/// ```
///
/// `std` is the unbiased (sample) deviation and epsilon is added to it, not to the variance. A
/// group of one has mean 0 and std 1: `A = r / (1 + epsilon)`. Equal rewards give exactly 0, also
/// with epsilon 0. No rewards, no advantages. `O(G)` time, no allocation; rewards of any finite
/// size do not overflow.
///
/// It cannot check that the rewards are finite ([`Group::new`](crate::Group::new) did) and that
/// epsilon is finite and not negative ([`Signal::check`](crate::Signal::check) does).
///
/// Grade: as OpenOneRec-RL computes it. See "DeepSeekMath: Pushing the Limits of Mathematical
/// Reasoning in Open Language Models", Shao et al., section 4.1,
/// <https://arxiv.org/abs/2402.03300>; compared with in <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `rewards`, `out`: (G).
///
/// # Panics
///
/// If `out` is not as long as `rewards`.
///
/// # Examples
///
/// ```
/// let mut advantages = [0.0; 4];
/// recast_core::advantage::grpo(&[1.0, 0.0, 0.0, 0.0], 0.0, &mut advantages);
/// assert_eq!(advantages, [1.5, -0.5, -0.5, -0.5]);
/// ```
pub fn grpo<T: Real>(rewards: &[T], epsilon: T, out: &mut [T]) {
    assert!(
        out.len() == rewards.len(),
        "{} rewards need as many advantages, got {}",
        rewards.len(),
        out.len()
    );
    out.copy_from_slice(rewards);
    standardise(out, epsilon);
}

/// GRPO in place: rewards in, advantages out.
pub(crate) fn standardise<T: Real>(values: &mut [T], epsilon: T) {
    if let [only] = values {
        *only = *only / (T::one() + epsilon);
        return;
    }
    // In units of the largest reward nothing overflows, and equal rewards have a deviation of
    // exactly 0.
    let scale = values.iter().fold(T::zero(), |largest, value| largest.max(value.abs()));
    if scale.is_zero() {
        values.fill(T::zero());
        return;
    }
    let count = T::of_count(values.len());
    let mean = sum(values.iter().map(|&value| value / scale)) / count;
    let squares = sum(values.iter().map(|&value| (value / scale - mean).powi(2)));
    let deviation = (squares / (count - T::one())).sqrt();
    for value in values.iter_mut() {
        let centred = *value / scale - mean;
        *value =
            if deviation.is_zero() { T::zero() } else { centred / (deviation + epsilon / scale) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::{PRINTED, ROUNDING};
    use approx::assert_abs_diff_eq;

    fn advantages<const G: usize>(rewards: [f64; G], epsilon: f64) -> [f64; G] {
        let mut out = [f64::NAN; G];
        grpo(&rewards, epsilon, &mut out);
        out
    }

    #[test]
    fn the_vectors_of_the_method_are_reproduced() {
        let vectors =
            [(1, 5.480_078, -0.176_777), (2, 3.811_988, -0.254_133), (4, 2.604_083, -0.372_012)];
        for (hits, positive, negative) in vectors {
            let mut rewards = [0.0; 32];
            rewards[..hits].fill(1.0);
            let out = advantages(rewards, 0.0);
            assert_abs_diff_eq!(out[0], positive, epsilon = PRINTED);
            assert_abs_diff_eq!(out[31], negative, epsilon = PRINTED);
        }
    }

    #[test]
    fn epsilon_is_added_to_the_deviation() {
        let out = advantages([1.0, 0.0, 0.0, 0.0], 0.5);
        assert_abs_diff_eq!(out[0], 0.75, epsilon = ROUNDING);
    }

    #[test]
    fn a_group_of_one_has_mean_zero_and_deviation_one() {
        assert_abs_diff_eq!(advantages([1.0], 1.0)[0], 0.5);
        assert_abs_diff_eq!(advantages([0.0], 1e-6)[0], 0.0);
    }

    #[test]
    fn equal_rewards_give_exactly_zero() {
        for reward in [0.0, 1.0, 0.1, -0.3, f64::MAX] {
            assert!(advantages([reward; 7], 0.0).iter().all(|&advantage| advantage == 0.0));
        }
    }

    #[test]
    fn rewards_of_any_finite_size_give_finite_advantages() {
        for rewards in
            [[f64::MAX, f64::MIN, 0.0], [f64::MIN_POSITIVE, 0.0, 0.0], [5e-324, 0.0, 0.0]]
        {
            assert!(advantages(rewards, 1e-6).iter().all(|advantage| advantage.is_finite()));
        }
    }

    #[test]
    fn no_rewards_give_no_advantages() {
        grpo::<f32>(&[], 1e-6, &mut []);
    }

    #[test]
    #[should_panic(expected = "2 rewards need as many advantages, got 1")]
    fn a_short_slice_panics_with_both_lengths() {
        grpo(&[0.0, 1.0], 0.0, &mut [0.0]);
    }
}
