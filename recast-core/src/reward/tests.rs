#![expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]

use super::*;
use crate::tolerance::PRINTED_SHORT;
use approx::assert_abs_diff_eq;

const TARGET: [u16; 3] = [1, 2, 3];

fn score(completion: &[u16], targets: &[u16]) -> f64 {
    structural_score(completion, targets, 3, PrefixCredit::decimal())
}

#[test]
fn a_hit_equals_a_target_in_every_code() {
    assert!(hit(&[1, 2, 3], &TARGET, 3));
    assert!(hit(&[9, 9, 9, 1, 2, 3], &TARGET, 3));
    assert!(!hit(&[1, 2, 4], &TARGET, 3));
}

#[test]
fn a_hit_does_not_straddle_two_sids() {
    assert!(!hit(&[9, 1, 2, 3, 9, 9], &TARGET, 3));
}

#[test]
fn nothing_predicted_or_wanted_is_no_hit() {
    assert!(!hit(&[], &TARGET, 3));
    assert!(!hit(&TARGET, &[], 3));
}

#[test]
#[should_panic(expected = "4 codes are no whole number of SIDs of 3 levels")]
fn a_broken_sid_panics_with_both_numbers() {
    let _ = hit(&[1, 2, 3, 4], &TARGET, 3);
}

#[test]
#[should_panic(expected = "of 0 levels")]
fn no_levels_panics() {
    let _ = hit::<u16>(&[], &[], 0);
}

#[test]
fn decimal_credit_grows_tenfold_a_level() {
    let credits = [[1, 2, 3], [1, 2, 9], [1, 7, 3], [4, 2, 3]].map(|sid| score(&sid, &TARGET));
    assert_eq!(credits, [1.0, 0.1, 0.01, 0.0]);
}

#[test]
fn decimal_credit_of_very_long_sids_is_still_a_number() {
    let (predicted, mut target) = ([0_u8; 400], [1_u8; 400]);
    target[0] = 0;
    assert_eq!(prefix_credit(&predicted, &target, PrefixCredit::<f64>::decimal()), 0.0);
}

#[test]
fn the_score_is_the_mean_over_predicted_sids() {
    assert_eq!(score(&[1, 2, 9, 4, 2, 3], &TARGET), 0.05);
}

#[test]
fn the_score_takes_the_closest_target() {
    assert_eq!(score(&[7, 8, 1], &[1, 2, 3, 7, 8, 9]), 0.1);
}

#[test]
fn a_completion_without_a_sid_scores_zero() {
    assert_eq!(score(&[], &TARGET), 0.0);
    assert_eq!(score(&TARGET, &[]), 0.0);
}

#[test]
fn a_table_that_is_no_credit_is_refused() {
    assert_eq!(PrefixCredit::new(&[0.0]), Err(PrefixCreditError::TooShort { entries: 1 }));
    assert_eq!(
        PrefixCredit::new(&[0.0, 0.5, 0.4]),
        Err(PrefixCreditError::Decreasing { equal: 2 })
    );
    assert_eq!(
        PrefixCredit::new(&[-1.0, 0.0]),
        Err(PrefixCreditError::NotACredit { equal: 0, value: -1.0 })
    );
    assert!(PrefixCredit::new(&[0.0, f32::NAN]).is_err());
    assert!(PrefixCredit::new(&[0.0, f32::INFINITY]).is_err());
}

#[test]
#[should_panic(expected = "3 levels need 4 prefix credits, got 2")]
fn a_table_for_other_levels_panics() {
    let _ = prefix_credit(&TARGET, &TARGET, PrefixCredit::new(&[0.0, 1.0]).unwrap());
}

#[test]
fn ranking_penalties_of_the_method_are_reproduced() {
    let expected = [-0.2529, -0.1596, -0.1265, -0.1089, -0.0979, -0.0901, -0.0843, -0.0798];
    for hit_rank in 0..8 {
        let mut hits = [false; 8];
        hits[hit_rank] = true;
        let mut penalties = [f64::NAN; 8];
        ranking_rewards(&hits, &mut penalties);
        for (rank, (penalty, expected)) in penalties.into_iter().zip(expected).enumerate() {
            let expected = if rank == hit_rank { 0.0 } else { expected };
            assert_abs_diff_eq!(penalty, expected, epsilon = PRINTED_SHORT);
        }
    }
}

#[test]
fn a_group_without_a_hit_has_no_ranking_penalty() {
    let mut penalties = [f32::NAN; 4];
    ranking_rewards(&[false; 4], &mut penalties);
    assert_eq!(penalties, [0.0; 4]);
}

#[test]
#[should_panic(expected = "2 hits need as many penalties, got 3")]
fn a_slice_of_another_length_panics() {
    ranking_rewards(&[true, false], &mut [0.0; 3]);
}

#[test]
fn completions_with_equal_means_score_equally() {
    let thrice = score(&[1, 2, 9, 1, 2, 8, 1, 2, 7], &TARGET);
    assert_eq!(thrice, score(&[1, 2, 9], &TARGET));
    // (1 + 0.1) / 2 = (1 + 1 + 0.1 + 0.1) / 4, in another order.
    let two = score(&[1, 2, 3, 1, 2, 9], &TARGET);
    assert_eq!(score(&[1, 2, 8, 1, 2, 3, 1, 2, 3, 1, 2, 9], &TARGET), two);
    // Ten SIDs with one equal code are one with two.
    let ten: std::vec::Vec<u16> = (0..10).flat_map(|last| [1, 7, last]).collect();
    let with_a_miss = [1, 2, 9, 4, 4, 4];
    let twenty: std::vec::Vec<u16> =
        (0..20).flat_map(|i| [if i < 10 { 1 } else { 4 }, 7, i]).collect();
    assert_eq!(score(&ten, &TARGET), 0.01);
    assert_eq!(score(&with_a_miss, &TARGET), 0.05);
    assert_eq!(score(&twenty, &TARGET), 0.005);
}

#[test]
fn under_a_table_equal_shares_of_each_depth_score_equally() {
    let third = PrefixCredit::new(&[0.0, 0.1, 0.3, 0.7]).unwrap();
    let score = |completion: &[u16]| structural_score(completion, &TARGET, 3, third);
    assert_eq!(score(&[1, 2, 9, 1, 2, 8, 1, 2, 7]), 0.3);
    let pair = score(&[1, 2, 9, 1, 7, 3]);
    assert_eq!(score(&[1, 7, 3, 1, 2, 9, 1, 2, 9, 1, 8, 8, 1, 7, 7, 1, 2, 4]), pair);
}

#[test]
fn decimal_credits_are_the_reciprocals_of_their_powers_in_every_precision() {
    fn check<T: Real>(exact_powers: usize) {
        let (target, mut power) = ([0_u8; 12], T::one());
        for levels in 1..=exact_powers + 1 {
            let mut predicted = target;
            predicted[1..levels].fill(1);
            let credit = PrefixCredit::<T>::decimal();
            let (predicted, target) = (&predicted[..levels], &target[..levels]);
            assert_eq!(prefix_credit(predicted, target, credit), power.recip());
            assert_eq!(structural_score(predicted, target, levels, credit), power.recip());
            power = power * T::of(10.0);
        }
    }
    check::<f64>(11);
    check::<f32>(10);
    check::<half::f16>(4);
}

#[test]
fn very_long_sids_have_a_score() {
    let (completion, target) = ([1_u8; 50], [1_u8; 50]);
    let score: f64 = structural_score(&completion, &target, 50, PrefixCredit::decimal());
    assert_eq!(score, 1.0);
}
