//! Advantages of single tokens, where a whole group agrees and only their entropy tells them apart.

use crate::real::Real;

/// The token advantages of RL-ZVP for one completion of a group whose rewards are all equal.
///
/// ```text
/// A_t = alpha H_t                  if the completion is a hit
/// A_t = -alpha (max H - H_t)       otherwise, the maximum over its own tokens
/// ```
///
/// `H_t` is the entropy, in nats, of the policy's whole next-token distribution at token t, without
/// a gradient. A hit is rewarded most where it was uncertain. A miss is punished most where it was
/// certain, and its most uncertain token not at all. Equal entropies leave a miss at 0. No tokens
/// give no advantages. `O(S)` time, no allocation.
///
/// The function cannot check that the entropies are finite and not negative, nor that the group's
/// rewards are equal; [`Signal::token_advantages`](crate::Signal::token_advantages) does the
/// latter.
///
/// See "No Prompt Left Behind: Exploiting Zero-Variance Prompts in LLM Reinforcement Learning via
/// Entropy-Guided Advantage Shaping", Le et al., equation 5, <https://arxiv.org/abs/2509.21880>.
///
/// # Shapes
///
/// `entropies`, `out`: (S).
///
/// # Panics
///
/// If `out` is not as long as `entropies`.
///
/// # Examples
///
/// ```
/// use recast_core::entropy::entropy_guided;
///
/// let mut advantages = [0.0; 3];
/// entropy_guided(true, 0.5, &[2.0, 0.0, 1.0], &mut advantages);
/// assert_eq!(advantages, [1.0, 0.0, 0.5]);
/// entropy_guided(false, 0.5, &[2.0, 0.0, 1.0], &mut advantages);
/// assert_eq!(advantages, [0.0, -1.0, -0.5]);
/// ```
pub fn entropy_guided<T: Real>(hit: bool, alpha: T, entropies: &[T], out: &mut [T]) {
    assert!(
        out.len() == entropies.len(),
        "{} token entropies need as many advantages, got {}",
        entropies.len(),
        out.len()
    );
    let highest = entropies.iter().copied().reduce(T::max).unwrap_or_else(T::zero);
    for (advantage, &entropy) in out.iter_mut().zip(entropies) {
        *advantage = if hit { alpha * entropy } else { alpha * (entropy - highest) };
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests {
    use super::*;

    fn guided<const S: usize>(hit: bool, entropies: [f64; S]) -> [f64; S] {
        let mut out = [f64::NAN; S];
        entropy_guided(hit, 0.1, &entropies, &mut out);
        out
    }

    #[test]
    fn a_hit_is_rewarded_where_it_was_uncertain() {
        assert_eq!(guided(true, [1.0, 0.0, 3.0]), [0.1, 0.0, 0.1 * 3.0]);
    }

    #[test]
    fn a_miss_is_punished_where_it_was_certain() {
        assert_eq!(guided(false, [1.0, 0.0, 3.0]), [-0.2, 0.1 * -3.0, 0.0]);
    }

    #[test]
    fn equal_entropies_leave_a_miss_at_zero() {
        assert_eq!(guided(false, [0.7; 3]), [0.0; 3]);
    }

    #[test]
    fn no_tokens_give_no_advantages() {
        assert_eq!(guided(true, []), [0.0; 0]);
        assert_eq!(guided(false, []), [0.0; 0]);
    }

    #[test]
    #[should_panic(expected = "2 token entropies need as many advantages, got 1")]
    fn a_slice_of_another_length_panics() {
        entropy_guided(true, 0.1, &[0.0, 1.0], &mut [0.0]);
    }
}
