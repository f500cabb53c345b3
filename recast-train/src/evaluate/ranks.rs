//! The rank of each prompt's target, for statistics over pairs of systems.

use crate::data::Example;

/// The rank of each example's target in its ranking, from 1; 0 if the ranking lacks it. The best
/// of several targets counts.
pub(crate) fn ranks<R: AsRef<[u32]>>(examples: &[Example], rankings: &[R]) -> Vec<u32> {
    let rank = |(example, ranking): (&Example, &R)| {
        let ranked = (1u32..).zip(ranking.as_ref());
        ranked.into_iter().find(|(_, item)| example.targets.contains(item)).map_or(0, |(at, _)| at)
    };
    examples.iter().zip(rankings).map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_counts_from_one_and_a_target_that_is_not_listed_has_rank_zero() {
        let example =
            |targets: &[u32]| Example { user: 0, history: vec![9], targets: targets.to_vec() };
        let examples = [example(&[4]), example(&[4]), example(&[7, 5]), example(&[9])];
        let rankings = [vec![4, 1], vec![1, 2, 4], vec![1, 5, 7], vec![1, 2]];
        assert_eq!(ranks(&examples, &rankings), [1, 3, 2, 0]);
        assert_eq!(ranks(&examples, &[[0u32; 0]; 4]), [0; 4]);
    }
}
