use crate::real::{Real, sum};

/// ReRe's ranking penalties: a miss costs more, the higher it was ranked.
///
/// ```text
/// a_i = 1 / log2(i + 2), i from 0        penalty_i = -a_i / sum over all G of a        0 for a hit
/// ```
///
/// A group without a hit gets 0 everywhere. The order must be beam rank, index 0 the most probable;
/// the function cannot check this order. ReRe's reward is the hit plus the penalty. `O(G)` time, no
/// allocation.
///
/// See "Reinforced Preference Optimization for Recommendation", Tan et al.,
/// <https://arxiv.org/abs/2510.12211>. ReCast's paper compares with ReRe:
/// <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `hits`, `out`: (G).
///
/// # Panics
///
/// If `out` is not as long as `hits`.
///
/// # Examples
///
/// ```
/// let mut penalties = [f64::NAN; 3];
/// recast_core::reward::ranking_rewards(&[false, true, false], &mut penalties);
/// assert!(penalties[0] < penalties[2] && penalties[2] < 0.0);
/// assert_eq!(penalties[1], 0.0);
/// ```
pub fn ranking_rewards<T: Real>(hits: &[bool], out: &mut [T]) {
    assert!(
        out.len() == hits.len(),
        "{} hits need as many penalties, got {}",
        hits.len(),
        out.len()
    );
    write_ranking_rewards(|rank| hits[rank], out);
}

/// The penalties of `out.len()` completions, the hits given by rank.
pub(crate) fn write_ranking_rewards<T: Real>(is_hit: impl Fn(usize) -> bool, out: &mut [T]) {
    let discount = |rank: usize| T::of_count(rank + 2).log2().recip();
    let total = sum((0..out.len()).map(discount));
    let any_hit = (0..out.len()).any(&is_hit);
    for (rank, penalty) in out.iter_mut().enumerate() {
        *penalty = if any_hit && !is_hit(rank) { -discount(rank) / total } else { T::zero() };
    }
}
