//! Advantages of a whole group, written into the caller's slice. Each method has one function.
//!
//! Rewards are plain numbers: hits are 1 and misses 0, but any finite reward is allowed.

mod batch_scale;
mod in_place;
mod standard;

use crate::real::Real;

pub use self::batch_scale::BatchScale;
pub(crate) use self::in_place::{
    calibrate, centre, centre_by_length, lead, leave_one_out, standardise,
};
use self::standard::Standard;

/// The group-relative advantages of GRPO.
///
/// ```text
/// A_i = (r_i - mean) / (std + epsilon)        std^2 = sum (r_i - mean)^2 / (G - 1)
/// ```
///
/// `std` is the unbiased (sample) deviation and epsilon is added to it, not to the variance. A
/// group of one has mean 0 and std 1: `A = r / (1 + epsilon)`. Equal rewards give exactly 0, also
/// with epsilon 0. No rewards give no advantages. `O(G)` time, no allocation; rewards of any finite
/// size do not overflow.
///
/// The function cannot check that the rewards are finite ([`Group::new`](crate::Group::new)
/// did) and that epsilon is finite and not negative ([`Signal::check`](crate::Signal::check) does).
///
/// Grade: OpenOneRec-RL computes the same. See "DeepSeekMath: Pushing the Limits of Mathematical
/// Reasoning in Open Language Models", Shao et al., section 4.1,
/// <https://arxiv.org/abs/2402.03300>. ReCast's paper compares with GRPO:
/// <https://arxiv.org/abs/2604.22169>.
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
/// A group of one has mean 0: `A = r`. Equal rewards give exactly 0. No rewards give no advantages.
/// `O(G)` time, no allocation. The function cannot check that the differences of rewards are
/// finite: beyond half of the largest number they overflow. The other half of Dr.GRPO, a sum of
/// token losses over a constant and not over each completion's length, is the caller's.
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
/// A group of one has no others, and their mean is 0: `A = r`. Equal rewards give exactly 0. No
/// rewards give no advantages. `O(G)` time, no allocation. The function cannot check that the
/// differences of rewards are finite.
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
/// Two equally best responses earn nothing, and neither does a group with two hits. A group of one
/// has no second response, whose reward counts as 0: `A = r`. No rewards give no advantages. `O(G)`
/// time, no allocation. The function cannot check that the lead is finite.
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

/// The advantages of NGRPO: GRPO's in a group that one virtual reward of 1 has joined.
///
/// ```text
/// A_i = (r_i - mean) / (std + epsilon)        mean, std over r_1 .. r_G and 1
/// ```
///
/// The virtual completion enters mean and deviation only; the update leaves it out. `std` is the
/// unbiased (sample) deviation of G + 1 rewards; epsilon is added to it. An all-zero group gets
/// `-1 / sqrt(G + 1)` each with epsilon 0, a group of one without a hit `-1 / sqrt(2)`. If all
/// rewards are 1 all advantages are exactly 0. No rewards give no advantages. `O(G)` time, no
/// allocation; rewards of any finite size do not overflow. The function cannot check that no reward
/// is above 1, the largest reward of the method.
///
/// See "NGRPO: Negative-enhanced Group Relative Policy Optimization", Nan et al.,
/// <https://arxiv.org/abs/2509.18851>. The asymmetric clip, 0.16 and 0.24, is the objective's.
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

/// The advantages of OPO: rewards less their mean weighted by length.
///
/// ```text
/// A_i = r_i - sum_j l_j r_j / sum_j l_j        l_j = tokens of completion j
/// ```
///
/// With equal lengths, as semantic IDs have them, OPO is [`dr_grpo`]. A group of one has baseline
/// 0: `A = r`. Equal rewards give exactly 0. No rewards give no advantages. `O(G)` time, no
/// allocation. The function cannot check that the differences of rewards are finite, nor that a
/// length is above 0.
///
/// See "On-Policy RL with Optimal Reward Baseline", Hao et al., section 3.2,
/// <https://arxiv.org/abs/2505.23585>.
///
/// # Shapes
///
/// `rewards`, `lengths`, `out`: (G).
///
/// # Panics
///
/// If `lengths` or `out` is not as long as `rewards`.
///
/// # Examples
///
/// ```
/// // The long completion hit: its length counts for the baseline, 3/4.
/// let mut advantages = [0.0; 2];
/// recast_core::advantage::opo(&[1.0, 0.0], &[3, 1], &mut advantages);
/// assert_eq!(advantages, [0.25, -0.75]);
/// ```
pub fn opo<T: Real>(rewards: &[T], lengths: &[usize], out: &mut [T]) {
    assert!(
        lengths.len() == rewards.len(),
        "{} rewards need as many lengths, got {}",
        rewards.len(),
        lengths.len()
    );
    copy(rewards, out);
    centre_by_length(out, lengths);
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

#[cfg(test)]
mod tests;
