#![expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]

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
    for rewards in [[f64::MAX, f64::MIN, 0.0], [f64::MIN_POSITIVE, 0.0, 0.0], [5e-324, 0.0, 0.0]] {
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

fn written<const G: usize>(advantage: impl Fn(&[f64], &mut [f64]), rewards: [f64; G]) -> [f64; G] {
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
