//! Advantages of a whole group, written into the caller's slice. One function a method.
//!
//! Rewards are plain numbers: hits are 1 and misses 0, but any finite reward is allowed.

use crate::real::{Real, compare, sum, sum_of};

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
    assert_length(rewards, out);
    let standard = Standard::of(rewards, None, epsilon);
    for (advantage, &reward) in out.iter_mut().zip(rewards) {
        *advantage = standard.apply(reward);
    }
}

/// The advantages of Dr.GRPO: rewards less their mean.
///
/// ```text
/// A_i = r_i - mean
/// ```
///
/// A group of one has mean 0: `A = r`. Equal rewards give exactly 0. No rewards, no advantages.
/// `O(G)` time, no allocation. It cannot check that the differences of rewards are finite: beyond
/// half of the largest number they are not. The other half of Dr.GRPO, a sum of token losses over
/// a constant and not over each completion's length, is the caller's.
///
/// See "Understanding R1-Zero-Like Training: A Critical Perspective", Liu et al., section 3.2,
/// <https://arxiv.org/abs/2503.20783>.
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
/// recast_core::advantage::dr_grpo(&[1.0, 0.0, 0.0, 0.0], &mut advantages);
/// assert_eq!(advantages, [0.75, -0.25, -0.25, -0.25]);
/// ```
pub fn dr_grpo<T: Real>(rewards: &[T], out: &mut [T]) {
    copy(rewards, out);
    centre(out);
}

/// The leave-one-out advantages of RLOO: each reward less the mean of the others.
///
/// ```text
/// A_i = r_i - mean of r_j over j other than i = G / (G - 1) (r_i - mean)
/// ```
///
/// In a group of one there are no others and their mean is 0: `A = r`. Equal rewards give exactly
/// 0. No rewards, no advantages. `O(G)` time, no allocation. It cannot check that the differences
/// of rewards are finite.
///
/// See "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human Feedback in
/// LLMs", Ahmadian et al., section 3.3, <https://arxiv.org/abs/2402.14740>.
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
/// let mut advantages = [0.0_f64; 3];
/// recast_core::advantage::rloo(&[1.0, 0.0, 0.0], &mut advantages);
/// assert!((advantages[0] - 1.0).abs() < 1e-12 && (advantages[1] + 0.5).abs() < 1e-12);
/// ```
pub fn rloo<T: Real>(rewards: &[T], out: &mut [T]) {
    copy(rewards, out);
    leave_one_out(out);
}

/// The advantages of GRPO for Pass@k: the best response earns its lead, the others nothing.
///
/// ```text
/// A_i = r_max - r_2nd if i is the best, else 0
/// ```
///
/// Two responses that are equally best earn nothing: so does every group with two hits. In a group
/// of one there is no second and its reward counts as 0: `A = r`. No rewards, no advantages. `O(G)`
/// time, no allocation. It cannot check that the lead is finite.
///
/// Departs from verl's `grpo_passk`, which divides by the deviation of the group unless told not
/// to: the paper's estimator has no such division.
///
/// See "Optimizing Language Models for Inference Time Objectives using Reinforcement Learning",
/// Tang et al., <https://arxiv.org/abs/2503.19595>.
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
/// let mut advantages = [0.0; 3];
/// recast_core::advantage::pass_at_k(&[0.25, 1.0, 0.5], &mut advantages);
/// assert_eq!(advantages, [0.0, 0.5, 0.0]);
/// ```
pub fn pass_at_k<T: Real>(rewards: &[T], out: &mut [T]) {
    copy(rewards, out);
    lead(out);
}

/// The advantages of NGRPO: those of GRPO in a group that one virtual reward of 1 has joined.
///
/// ```text
/// A_i = (r_i - mean) / (std + epsilon)        mean, std over r_1 .. r_G and 1
/// ```
///
/// The virtual completion is in mean and deviation only: it is not trained on. `std` is the
/// unbiased (sample) deviation of G + 1 rewards, epsilon is added to it. An all-zero group gets
/// `-1 / sqrt(G + 1)` each with epsilon 0, a group of one without a hit `-1 / sqrt(2)`. If all
/// rewards are 1 all advantages are exactly 0. No rewards, no advantages. `O(G)` time, no
/// allocation; rewards of any finite size do not overflow. It cannot check that no reward is above
/// 1, the largest that is meant.
///
/// See "NGRPO: Negative-enhanced Group Relative Policy Optimization", Nan et al.,
/// <https://arxiv.org/abs/2509.18851>. Its asymmetric clip, 0.16 and 0.24, is the objective's.
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
/// let mut advantages = [0.0_f64; 8];
/// recast_core::advantage::ngrpo(&[0.0; 8], 0.0, &mut advantages);
/// assert!((advantages[0] + 1.0 / 3.0).abs() < 1e-12);
/// ```
pub fn ngrpo<T: Real>(rewards: &[T], epsilon: T, out: &mut [T]) {
    copy(rewards, out);
    calibrate(out, epsilon);
}

fn assert_length<T: Real>(rewards: &[T], out: &[T]) {
    assert!(
        out.len() == rewards.len(),
        "{} rewards need as many advantages, got {}",
        rewards.len(),
        out.len()
    );
}

fn copy<T: Real>(rewards: &[T], out: &mut [T]) {
    assert_length(rewards, out);
    out.copy_from_slice(rewards);
}

/// GRPO in place: rewards in, advantages out.
pub(crate) fn standardise<T: Real>(values: &mut [T], epsilon: T) {
    let standard = Standard::of(values, None, epsilon);
    values.iter_mut().for_each(|value| *value = standard.apply(*value));
}

/// NGRPO in place: rewards in, advantages out.
pub(crate) fn calibrate<T: Real>(values: &mut [T], epsilon: T) {
    let standard = Standard::of(values, Some(T::one()), epsilon);
    values.iter_mut().for_each(|value| *value = standard.apply(*value));
}

/// `value -> (value * unit - mean) * factor`: standardisation by mean and sample deviation.
#[derive(Clone, Copy)]
struct Standard<T> {
    unit: T,
    mean: T,
    factor: T,
}

impl<T: Real> Standard<T> {
    /// Of the values and of a virtual one. Equal values become exactly 0, a single one is divided
    /// by `1 + epsilon`.
    // inlined, so that GRPO does not carry the virtual value along
    #[inline(always)]
    fn of(values: &[T], virtual_value: Option<T>, epsilon: T) -> Self {
        let (zero, one) = (T::zero(), T::one());
        let nothing = Self { unit: zero, mean: zero, factor: zero };
        let Some(first) = virtual_value.or(values.first().copied()) else { return nothing };
        let len = values.len() + usize::from(virtual_value.is_some());
        if len == 1 {
            return Self { unit: one, mean: zero, factor: one / (one + epsilon) };
        }
        // without an early end, so that it vectorises
        if !values.iter().fold(false, |differs, &value| differs | (value != first)) {
            return nothing;
        }
        let count = T::of_count(len);
        // the inverses depend on no reward: they do not wait for the sums
        let inverses = [one / count, one / (count - one)];
        let (of_rewards, squares) = Self::in_units(values, virtual_value, one, inverses, epsilon);
        if squares >= T::of(1e-3) && squares.is_finite() {
            return of_rewards;
        }
        Self::in_units_of_the_largest(values, virtual_value, inverses, epsilon)
    }

    /// Not the size of rewards: squares may overflow or vanish, so the largest becomes the unit.
    #[cold]
    #[inline(never)]
    fn in_units_of_the_largest(
        values: &[T],
        virtual_value: Option<T>,
        inverses: [T; 2],
        epsilon: T,
    ) -> Self {
        let largest = largest(values).max(virtual_value.map_or(T::zero(), T::abs));
        // a subnormal one has no finite inverse
        let unit = T::one() / largest.max(T::min_positive_value());
        Self::in_units(values, virtual_value, unit, inverses, epsilon).0
    }

    /// And the sum of the squares; `inverses` are those of the count and of the degrees of freedom.
    #[inline(always)]
    fn in_units(
        values: &[T],
        virtual_value: Option<T>,
        unit: T,
        [per_value, per_degree]: [T; 2],
        epsilon: T,
    ) -> (Self, T) {
        let zero = T::zero();
        let scaled = |value: T| value * unit;
        let mean = (sum_of(values, scaled) + virtual_value.map_or(zero, scaled)) * per_value;
        let square = |value: T| {
            let centred = value * unit - mean;
            centred * centred
        };
        let squares = sum_of(values, square) + virtual_value.map_or(zero, square);
        let deviation = (squares * per_degree).sqrt();
        let divisor = deviation + epsilon * unit;
        let factor = if deviation.is_zero() { zero } else { T::one() / divisor };
        (Self { unit, mean, factor }, squares)
    }

    fn apply(self, value: T) -> T {
        (value * self.unit - self.mean) * self.factor
    }
}

/// Dr.GRPO in place: rewards in, advantages out.
pub(crate) fn centre<T: Real>(values: &mut [T]) {
    let scale = largest(values);
    if values.len() == 1 || scale.is_zero() {
        return;
    }
    // In units of the largest reward the mean of equal rewards is exactly the reward.
    let mean = scale * (sum(values.iter().map(|&value| value / scale)) / T::of_count(values.len()));
    for value in values {
        *value = *value - mean;
    }
}

/// RLOO in place: rewards in, advantages out.
pub(crate) fn leave_one_out<T: Real>(values: &mut [T]) {
    if values.len() < 2 {
        return;
    }
    let count = T::of_count(values.len());
    centre(values);
    for value in values {
        *value = *value * (count / (count - T::one()));
    }
}

/// Pass@k in place: rewards in, advantages out. The first of equally best slots, none of no
/// rewards.
pub(crate) fn lead<T: Real>(values: &mut [T]) -> Option<usize> {
    let best = (0..values.len()).reduce(|best, slot| {
        // `is_gt` leaves a tie with the earlier slot.
        if compare(values[slot], values[best]).is_gt() { slot } else { best }
    })?;
    let others = values.iter().enumerate().filter(|&(slot, _)| slot != best);
    let second = others.map(|(_, &value)| value).reduce(T::max).unwrap_or_else(T::zero);
    let lead = values[best] - second;
    values.fill(T::zero());
    values[best] = lead;
    Some(best)
}

fn largest<T: Real>(values: &[T]) -> T {
    values.iter().fold(T::zero(), |largest, value| largest.max(value.abs()))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
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
    fn rewards_and_epsilon_in_another_unit_give_the_same() {
        for unit in [1e-200, 1e-3, 1e3, 1e200] {
            let out = advantages([unit, 0.0, 0.0, 0.0], 0.5 * unit);
            assert_abs_diff_eq!(out[0], 0.75, epsilon = ROUNDING);
            assert_abs_diff_eq!(out[3], -0.25, epsilon = ROUNDING);
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
        dr_grpo::<f32>(&[], &mut []);
        rloo::<f32>(&[], &mut []);
        pass_at_k::<f32>(&[], &mut []);
        ngrpo::<f32>(&[], 1e-6, &mut []);
    }

    #[test]
    #[should_panic(expected = "2 rewards need as many advantages, got 1")]
    fn a_short_slice_panics_with_both_lengths() {
        grpo(&[0.0, 1.0], 0.0, &mut [0.0]);
    }

    fn written<const G: usize>(
        advantage: impl Fn(&[f64], &mut [f64]),
        rewards: [f64; G],
    ) -> [f64; G] {
        let mut out = [f64::NAN; G];
        advantage(&rewards, &mut out);
        out
    }

    #[test]
    fn dr_grpo_subtracts_the_mean() {
        assert_eq!(written(dr_grpo, [1.0, 0.0, 0.0, 1.0]), [0.5, -0.5, -0.5, 0.5]);
    }

    #[test]
    fn rloo_subtracts_the_mean_of_the_others() {
        let third = 1.0 / 3.0;
        for (advantage, expected) in
            written(rloo, [1.0, 0.0, 0.0, 0.0]).into_iter().zip([1.0, -third, -third, -third])
        {
            assert_abs_diff_eq!(advantage, expected, epsilon = ROUNDING);
        }
    }

    #[test]
    fn the_best_response_earns_its_lead() {
        assert_eq!(written(pass_at_k, [0.0, 1.0, 0.0]), [0.0, 1.0, 0.0]);
        assert_eq!(written(pass_at_k, [-3.0, -1.0, -1.5]), [0.0, 0.5, 0.0]);
    }

    #[test]
    fn equally_best_responses_earn_nothing() {
        assert_eq!(written(pass_at_k, [1.0, 0.0, 1.0]), [0.0; 3]);
        assert_eq!(written(pass_at_k, [0.0; 3]), [0.0; 3]);
    }

    #[test]
    fn a_group_of_one_keeps_its_reward_where_the_mean_of_the_others_is_zero() {
        for advantage in [dr_grpo, rloo, pass_at_k] {
            assert_eq!(written(advantage, [1.0]), [1.0]);
            assert_eq!(written(advantage, [0.0]), [0.0]);
        }
    }

    #[test]
    fn equal_rewards_give_exactly_zero_without_a_deviation_too() {
        for reward in [0.0, 1.0, 0.1, -0.3] {
            for advantage in [dr_grpo, rloo, pass_at_k] {
                assert_eq!(written(advantage, [reward; 7]), [0.0; 7]);
            }
        }
    }

    #[test]
    fn an_all_zero_group_of_ngrpo_is_pushed_down_alike() {
        let ngrpo = |rewards: &[f64], out: &mut [f64]| ngrpo(rewards, 0.0, out);
        assert_abs_diff_eq!(written(ngrpo, [0.0; 8])[0], -0.333_333_3, epsilon = PRINTED);
        assert_abs_diff_eq!(written(ngrpo, [0.0; 32])[31], -0.174_078, epsilon = PRINTED);
        assert_abs_diff_eq!(written(ngrpo, [0.0])[0], -0.5_f64.sqrt(), epsilon = ROUNDING);
    }

    #[test]
    fn an_all_hit_group_of_ngrpo_gets_exactly_zero() {
        assert_eq!(written(|rewards, out| ngrpo(rewards, 1e-6, out), [1.0; 5]), [0.0; 5]);
    }

    #[test]
    fn the_virtual_reward_joins_mean_and_deviation() {
        // Rewards 1, 0 and the virtual 1: mean 2/3, sample deviation sqrt(1/3).
        let out = written(|rewards, out| ngrpo(rewards, 0.0, out), [1.0, 0.0]);
        assert_abs_diff_eq!(out[0], 3.0_f64.sqrt() / 3.0, epsilon = ROUNDING);
        assert_abs_diff_eq!(out[1], -2.0 * 3.0_f64.sqrt() / 3.0, epsilon = ROUNDING);
    }

    #[test]
    fn rewards_of_any_finite_size_give_finite_advantages_in_ngrpo() {
        for rewards in [[f64::MAX, f64::MIN, 0.0], [5e-324, 0.0, 0.0]] {
            let out = written(|rewards, out| ngrpo(rewards, 1e-6, out), rewards);
            assert!(out.iter().all(|advantage| advantage.is_finite()));
        }
    }
}
