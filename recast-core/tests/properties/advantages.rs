//! Advantages of whole groups and of single tokens.

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::advantage::{dr_grpo, grpo, ngrpo, opo, pass_at_k, rloo};
use recast_core::entropy::entropy_guided;

use crate::groups::{rewards, written};
use crate::tolerance::ROUNDING;

proptest! {
    // The shifts are a few units, since rounding grows with the ratio of shift to spread. A
    // group of one has mean 0 by definition, so a shift changes its advantage.
    #[test]
    fn a_shift_of_all_rewards_is_not_seen(rewards in rewards(2), shift in -4.0..4.0_f64) {
        let shifted: Vec<_> = rewards.iter().map(|reward| reward + shift).collect();
        let grpo = |rewards: &[f64], out: &mut [f64]| grpo(rewards, 1e-6, out);
        for advantage in [&grpo as &dyn Fn(&[f64], &mut [f64]), &dr_grpo, &rloo, &pass_at_k] {
            let [plain, moved] = [&rewards, &shifted].map(|rewards| written(advantage, rewards));
            for (plain, moved) in plain.into_iter().zip(moved) {
                assert_abs_diff_eq!(plain, moved, epsilon = ROUNDING);
            }
        }
    }

    #[test]
    fn a_scale_of_all_rewards_is_divided_out_by_grpo_and_kept_by_the_others(
        rewards in rewards(1),
        factor in 1e-3..1e3_f64,
    ) {
        let scaled: Vec<_> = rewards.iter().map(|reward| reward * factor).collect();
        if rewards.len() > 1 {
            let grpo = |rewards: &[f64], out: &mut [f64]| grpo(rewards, 0.0, out);
            for (a, b) in written(&grpo, &rewards).into_iter().zip(written(&grpo, &scaled)) {
                assert_abs_diff_eq!(a, b, epsilon = ROUNDING);
            }
        }
        for advantage in [dr_grpo, rloo, pass_at_k] {
            let [plain, scaled] = [&rewards, &scaled].map(|rewards| written(&advantage, rewards));
            for (plain, scaled) in plain.into_iter().zip(scaled) {
                assert_abs_diff_eq!(plain * factor, scaled, epsilon = ROUNDING * factor.max(1.0));
            }
        }
    }

    #[test]
    fn rloo_is_the_reward_less_the_mean_of_the_others(rewards in rewards(2)) {
        let total: f64 = rewards.iter().sum();
        for (&reward, advantage) in rewards.iter().zip(written(&rloo, &rewards)) {
            let others = (total - reward) / (rewards.len() - 1) as f64;
            assert_abs_diff_eq!(advantage, reward - others, epsilon = ROUNDING);
        }
    }

    #[test]
    fn ngrpo_is_grpo_of_the_group_that_a_hit_has_joined(rewards in rewards(1)) {
        let mut joined = rewards.clone();
        joined.push(1.0);
        let joined = written(&|rewards, out| grpo(rewards, 1e-6, out), &joined);
        let plain = written(&|rewards, out| ngrpo(rewards, 1e-6, out), &rewards);
        for (advantage, expected) in plain.into_iter().zip(joined) {
            assert_abs_diff_eq!(advantage, expected, epsilon = ROUNDING);
        }
    }

    #[test]
    fn entropies_reward_hits_and_punish_misses(
        entropies in proptest::collection::vec(0.0..8.0_f64, 0..16),
        alpha in 1e-3..1.0_f64,
    ) {
        let [hit, miss] = [true, false].map(|hit| {
            let mut out = vec![f64::NAN; entropies.len()];
            entropy_guided(hit, alpha, &entropies, &mut out);
            out
        });
        prop_assert!(hit.iter().all(|&advantage| advantage >= 0.0));
        prop_assert!(miss.iter().all(|&advantage| advantage <= 0.0));
        // The most uncertain token of a miss has advantage 0; the two sides rise alike.
        if let Some(&highest) = entropies.iter().max_by(|a, b| a.total_cmp(b)) {
            for (hit, miss) in hit.into_iter().zip(miss) {
                assert_abs_diff_eq!(hit - miss, alpha * highest, epsilon = ROUNDING);
            }
        }
    }


    #[test]
    fn opo_is_the_reward_less_the_mean_reward_of_a_token(
        (rewards, lengths) in rewards(2).prop_flat_map(|rewards| {
            let lengths = proptest::collection::vec(1_usize..20, rewards.len());
            (Just(rewards), lengths)
        }),
    ) {
        let advantages = written(&|rewards, out| opo(rewards, &lengths, out), &rewards);
        let tokens: usize = lengths.iter().sum();
        let by_token: f64 = rewards.iter().zip(&lengths).map(|(r, &l)| r * l as f64).sum();
        for (&advantage, &reward) in advantages.iter().zip(&rewards) {
            assert_abs_diff_eq!(advantage, reward - by_token / tokens as f64, epsilon = ROUNDING);
        }
        let total: f64 = advantages.iter().zip(&lengths).map(|(a, &l)| a * l as f64).sum();
        assert_abs_diff_eq!(total, 0.0, epsilon = ROUNDING * tokens as f64);
    }
}
