//! Properties of the signal and the objective, over random groups and tokens.
#![expect(clippy::float_cmp, reason = "equal here means the same bits came through")]

#[path = "../src/tolerance.rs"]
#[expect(dead_code, reason = "one table for unit tests and properties, each uses its rows")]
mod tolerance;

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::advantage::grpo;
use recast_core::boundary::boundary_pair;
use recast_core::objective::{
    Clip, KlEstimator, Objective, TokenTerm, is_clipped, kl_penalty, token_loss,
};
use recast_core::repair::repair_slot;
use recast_core::reward::{PrefixCredit, hit, prefix_credit, structural_score};
use recast_core::signal::{Normaliser, Recast, RepairPolicy};
use recast_core::{Group, Outcome, Real, Regime, Signal, Skip};

use crate::tolerance::{FINITE_DIFFERENCE, ROUNDING, SINGLE};

/// A group that owns its numbers.
#[derive(Clone, Debug)]
struct Owned {
    rewards: Vec<f64>,
    scores: Vec<f64>,
    old_log_probs: Vec<f64>,
}

impl Owned {
    fn group(&self) -> Group<'_, f64> {
        Group::new(&self.rewards, &self.scores, Some(&self.old_log_probs))
            .expect("finite columns of one length")
    }

    /// The group whose slot i is this one's slot `order[i]`.
    fn permuted(&self, order: &[usize]) -> Self {
        let pick = |column: &[f64]| order.iter().map(|&slot| column[slot]).collect();
        Self {
            rewards: pick(&self.rewards),
            scores: pick(&self.scores),
            old_log_probs: pick(&self.old_log_probs),
        }
    }

    /// The group as its caller repairs it: the anchor in the slot, or unchanged.
    fn repaired(&self, slot: Option<usize>) -> Self {
        let mut repaired = self.clone();
        if let Some(slot) = slot {
            (repaired.rewards[slot], repaired.scores[slot]) = (1.0, 1.0);
        }
        repaired
    }

    fn is_mixed(&self) -> bool {
        self.rewards.contains(&0.0) && self.rewards.contains(&1.0)
    }
}

/// Few score values, so that ties are common; a mix of regimes, all-zero often; log-probs distinct.
fn owned() -> impl Strategy<Value = Owned> {
    let hit_share = prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(1.0)];
    (1_usize..=16, hit_share).prop_flat_map(|(size, hit_share)| {
        let hits = proptest::collection::vec(proptest::bool::weighted(hit_share), size);
        let misses = proptest::collection::vec(prop::sample::select(vec![0.0, 0.01, 0.1]), size);
        let old = Just((1..=size).map(|rank| -(rank as f64)).collect::<Vec<_>>()).prop_shuffle();
        (hits, misses, old).prop_map(|(hits, misses, old_log_probs)| Owned {
            rewards: hits.iter().map(|&hit| f64::from(u8::from(hit))).collect(),
            scores: hits
                .iter()
                .zip(misses)
                .map(|(&hit, miss)| if hit { 1.0 } else { miss })
                .collect(),
            old_log_probs,
        })
    })
}

fn owned_and_order() -> impl Strategy<Value = (Owned, Vec<usize>)> {
    owned().prop_flat_map(|owned| {
        let order = Just((0..owned.rewards.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(owned), order)
    })
}

/// Every signal: the four cells of the ablation, the other normaliser, GRPO and ReRe.
fn signals<T: Real>() -> Vec<Signal<T>> {
    let mut signals = vec![Signal::grpo(), Signal::rere()];
    for repair in [RepairPolicy::Always, RepairPolicy::Never] {
        for boundary in [true, false] {
            for normaliser in [Normaliser::Kept, Normaliser::Group] {
                let recast = Recast { repair, boundary, normaliser, ..Recast::default() };
                signals.push(Signal::Recast(recast));
            }
        }
    }
    signals
}

/// Kept slots and their advantages, or the reason to skip.
fn select<T: Real>(signal: Signal<T>, group: Group<'_, T>) -> Result<Vec<(usize, T)>, Skip> {
    let mut kept = vec![usize::MAX; group.len()];
    let mut advantages = vec![T::nan(); group.len()];
    match signal.select(group, &mut kept, &mut advantages) {
        Outcome::Trained(selection) => {
            assert_eq!(selection.kept.len(), selection.advantages.len());
            assert!(selection.divisor >= selection.kept.len());
            Ok(selection.kept.iter().copied().zip(selection.advantages.iter().copied()).collect())
        }
        Outcome::Skipped(skip) => Err(skip),
    }
}

proptest! {
    #[test]
    fn permuting_a_group_permutes_its_repair_slot((owned, order) in owned_and_order()) {
        let permuted = owned.permuted(&order);
        let slot = repair_slot(permuted.group()).map(|slot| order[slot]);
        prop_assert_eq!(slot, repair_slot(owned.group()));
    }

    #[test]
    fn permuting_a_group_permutes_its_boundary_pair((owned, order) in owned_and_order()) {
        let permuted = owned.permuted(&order);
        let pair = boundary_pair(permuted.group()).map(|p| (order[p.positive], order[p.negative]));
        prop_assert_eq!(pair, boundary_pair(owned.group()).map(|p| (p.positive, p.negative)));
    }

    // ReRe is left out: its reward is a function of the rank, so a permutation is another input.
    #[test]
    fn permuting_a_group_permutes_its_selection((owned, order) in owned_and_order()) {
        let permuted = owned.permuted(&order);
        for signal in signals() {
            if matches!(signal, Signal::Rere { .. }) {
                continue;
            }
            let back = select(signal, permuted.group()).map(|mut selection| {
                for (slot, _) in &mut selection {
                    *slot = order[*slot];
                }
                selection.sort_by_key(|&(slot, _)| slot);
                selection
            });
            match (back, select(signal, owned.group())) {
                (Ok(back), Ok(expected)) => {
                    prop_assert_eq!(back.len(), expected.len());
                    for (back, expected) in back.into_iter().zip(expected) {
                        prop_assert_eq!(back.0, expected.0);
                        assert_abs_diff_eq!(back.1, expected.1, epsilon = ROUNDING);
                    }
                }
                (back, expected) => prop_assert_eq!(back, expected),
            }
        }
    }

    #[test]
    fn scaling_structural_scores_changes_nothing(owned in owned(), factor in 1e-3..1e3_f64) {
        let mut scaled = owned.clone();
        scaled.scores.iter_mut().for_each(|score| *score *= factor);
        prop_assert_eq!(repair_slot(scaled.group()), repair_slot(owned.group()));
        for signal in signals() {
            prop_assert_eq!(select(signal, scaled.group()), select(signal, owned.group()));
        }
    }

    #[test]
    fn without_log_probs_generation_order_stands_in(owned in owned()) {
        let mut sorted = owned.clone();
        sorted.old_log_probs.sort_by(|a, b| b.total_cmp(a));
        let unknown = Group::new(&owned.rewards, &owned.scores, None).unwrap();
        prop_assert_eq!(repair_slot(unknown), repair_slot(sorted.group()));
        prop_assert_eq!(boundary_pair(unknown), boundary_pair(sorted.group()));
    }

    #[test]
    fn repair_touches_exactly_the_all_zero_groups(owned in owned()) {
        let all_zero = owned.group().regime() == Regime::AllZero;
        prop_assert_eq!(repair_slot(owned.group()).is_some(), all_zero);
        for signal in signals() {
            let repairs = match signal {
                Signal::Recast(recast) => recast.repair == RepairPolicy::Always,
                _ => false,
            };
            prop_assert_eq!(signal.repair(owned.group()).is_some(), all_zero && repairs);
        }
    }

    #[test]
    fn repair_takes_no_slot_that_scores_above_another(owned in owned()) {
        if let Some(slot) = repair_slot(owned.group()) {
            prop_assert!(owned.scores.iter().all(|&score| score >= owned.scores[slot]));
        }
    }

    #[test]
    fn a_pair_exists_if_and_only_if_the_group_is_mixed(owned in owned()) {
        prop_assert_eq!(boundary_pair(owned.group()).is_some(), owned.is_mixed());
        let repaired = owned.repaired(repair_slot(owned.group()));
        prop_assert_eq!(boundary_pair(repaired.group()).is_some(), repaired.is_mixed());
        prop_assert_eq!(select(Signal::recast(), repaired.group()).is_ok(), repaired.is_mixed());
    }

    #[test]
    fn only_an_all_hit_group_is_skipped_after_repair(owned in owned()) {
        let repaired = owned.repaired(Signal::recast().repair(owned.group()));
        let outcome = select(Signal::recast(), repaired.group());
        let all_hit = repaired.group().regime() == Regime::AllHit;
        prop_assert_eq!(outcome.err(), all_hit.then_some(Skip::NoNegative));
    }

    #[test]
    fn a_selection_is_an_ascending_subset_with_finite_advantages(owned in owned()) {
        for signal in signals() {
            if let Ok(selection) = select(signal, owned.group()) {
                prop_assert!(!selection.is_empty());
                prop_assert!(selection.iter().all(|&(slot, _)| slot < owned.rewards.len()));
                prop_assert!(selection.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert!(selection.iter().all(|(_, advantage)| advantage.is_finite()));
            }
        }
    }

    #[test]
    fn a_boundary_selection_is_two_opposite_advantages(owned in owned(), weight in 1e-3..1e3_f64) {
        let signal = Signal::Recast(Recast { weight, ..Recast::default() });
        if let Ok(selection) = select(signal, owned.group()) {
            prop_assert_eq!(selection.len(), 2);
            prop_assert_eq!(selection[0].1 + selection[1].1, 0.0);
            for (slot, advantage) in selection {
                let expected = if owned.rewards[slot] > 0.0 { weight } else { -weight };
                prop_assert_eq!(advantage, expected);
            }
        }
    }

    #[test]
    fn grpo_and_rere_keep_every_completion(owned in owned()) {
        for signal in [Signal::grpo(), Signal::rere()] {
            let kept = select(signal, owned.group()).map(|selection| selection.len());
            prop_assert_eq!(kept, Ok(owned.rewards.len()));
        }
    }

    #[test]
    fn group_advantages_sum_to_zero(owned in owned()) {
        prop_assume!(owned.rewards.len() > 1);
        for signal in [Signal::grpo(), Signal::rere()] {
            let total: f64 = select(signal, owned.group()).unwrap().iter().map(|(_, a)| a).sum();
            assert_abs_diff_eq!(total, 0.0, epsilon = ROUNDING);
        }
    }

    // Shifts by a few units: rounding grows with the ratio of shift to spread. A group of one has
    // mean 0 by definition, so there a shift is seen.
    #[test]
    fn grpo_does_not_see_a_shift(
        rewards in proptest::collection::vec(prop::sample::select(vec![0.0, 0.5, 1.0]), 2..=32),
        shift in -4.0..4.0_f64,
    ) {
        let shifted: Vec<_> = rewards.iter().map(|reward| reward + shift).collect();
        let (mut plain, mut moved) = (vec![0.0; rewards.len()], vec![0.0; rewards.len()]);
        grpo(&rewards, 1e-6, &mut plain);
        grpo(&shifted, 1e-6, &mut moved);
        for (plain, moved) in plain.into_iter().zip(moved) {
            assert_abs_diff_eq!(plain, moved, epsilon = ROUNDING);
        }
    }

    #[test]
    fn single_precision_selects_alike(owned in owned()) {
        let narrow = |column: &[f64]| column.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let (rewards, scores) = (narrow(&owned.rewards), narrow(&owned.scores));
        let old = narrow(&owned.old_log_probs);
        let group = Group::new(&rewards, &scores, Some(&old)).unwrap();
        for (single, double) in signals::<f32>().into_iter().zip(signals::<f64>()) {
            prop_assert_eq!(single.repair(group), double.repair(owned.group()));
            match (select(single, group), select(double, owned.group())) {
                (Ok(single), Ok(double)) => {
                    prop_assert_eq!(single.len(), double.len());
                    for (single, double) in single.into_iter().zip(double) {
                        prop_assert_eq!(single.0, double.0);
                        assert_close_to_double(single.1, double.1);
                    }
                }
                (single, double) => prop_assert_eq!(single.err(), double.err()),
            }
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_in_every_column(
        owned in owned(),
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ) {
        let index = place.index(owned.rewards.len());
        for column in 0..3 {
            let mut owned = owned.clone();
            [&mut owned.rewards, &mut owned.scores, &mut owned.old_log_probs][column][index] = bad;
            let refused = Group::new(&owned.rewards, &owned.scores, Some(&owned.old_log_probs));
            prop_assert!(refused.is_err());
        }
    }

    // A repeated completion must not draw a pair away from the group without it.
    #[test]
    fn repeating_completions_leaves_the_pair_as_it_was(
        owned in owned(),
        copies in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let size = owned.rewards.len();
        let duplicate_of: Vec<_> =
            (0..size).chain(copies.iter().map(|copy| copy.index(size))).collect();
        let mut repeated = owned.permuted(&duplicate_of);
        // A copy's log-prob may differ by rounding, here upwards.
        repeated.old_log_probs[size..].iter_mut().for_each(|log_prob| *log_prob += 1e-9);
        let group = repeated.group().with_duplicates(&duplicate_of).unwrap();
        prop_assert_eq!(boundary_pair(group), boundary_pair(owned.group()));
    }

    #[test]
    fn a_hit_is_the_full_prefix_and_scores_one_alone(
        predicted in proptest::collection::vec(0_u8..3, 3),
        targets in proptest::collection::vec(0_u8..3, 9),
    ) {
        let score: f64 = structural_score(&predicted, &targets, 3, PrefixCredit::decimal());
        prop_assert_eq!(score == 1.0, hit(&predicted, &targets, 3));
        prop_assert!((0.0..=1.0).contains(&score));
        for target in targets.chunks(3) {
            prop_assert!(score >= prefix_credit(&predicted, target, PrefixCredit::decimal()));
        }
    }
}

/// `single` was computed in `f32`, `double` in `f64`.
fn assert_close_to_double(single: f32, double: f64) {
    assert_abs_diff_eq!(f64::from(single), double, epsilon = SINGLE * double.abs().max(1.0));
}

fn objective() -> impl Strategy<Value = Objective<f64>> {
    let dual = prop_oneof![Just(None), (1.5..4.0_f64).prop_map(Some)];
    let estimator =
        prop_oneof![Just(KlEstimator::K1), Just(KlEstimator::K2), Just(KlEstimator::K3)];
    (0.0..0.5_f64, 0.0..0.5_f64, dual, 0.5..20.0_f64, estimator, 0.0..1.0_f64).prop_map(
        |(low, high, dual, limit, estimator, coef)| {
            let clip = Clip::new(low, high, dual).expect("within the ranges above");
            Objective::new(clip, limit, estimator, coef).expect("within the ranges above")
        },
    )
}

/// Policy, old and reference log-probability, and an advantage.
fn token() -> impl Strategy<Value = [f64; 4]> {
    (-4.0..0.0_f64, -4.0..0.0_f64, -4.0..0.0_f64, -3.0..3.0_f64)
        .prop_map(|(policy, old, reference, advantage)| [policy, old, reference, advantage])
}

/// Whether a kink of the loss is within `distance` of this policy log-probability.
fn near_a_kink(token: [f64; 4], objective: &Objective<f64>, distance: f64) -> bool {
    let [policy, old, reference, _] = token;
    let (clip, limit) = (objective.clip(), objective.log_ratio_limit());
    let bounds = [Some(1.0 - clip.low()), Some(1.0 + clip.high()), clip.dual()];
    let near = |log_ratio: f64| (policy - old - log_ratio).abs() < distance;
    bounds.into_iter().flatten().any(|bound| near(bound.ln()))
        || near(limit)
        || near(-limit)
        || ((reference - policy).abs() - limit).abs() < distance
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_gradient_is_the_finite_difference(token in token(), objective in objective()) {
        const STEP: f64 = 1e-6;
        prop_assume!(!near_a_kink(token, &objective, 2.0 * STEP));
        let [policy, old, reference, advantage] = token;
        let at = |policy| token_loss(policy, old, reference, advantage, &objective);
        let difference = (at(policy + STEP).value - at(policy - STEP).value) / (2.0 * STEP);
        let TokenTerm { value, gradient } = at(policy);
        let size = value.abs().max(gradient.abs()).max(1.0);
        assert_abs_diff_eq!(gradient, difference, epsilon = FINITE_DIFFERENCE * size);
    }

    #[test]
    fn single_precision_loses_only_rounding(token in token(), objective in objective()) {
        prop_assume!(!near_a_kink(token, &objective, SINGLE));
        let [policy, old, reference, advantage] = token;
        let clip = objective.clip();
        let dual = clip.dual().map(|dual| dual as f32);
        let narrow = Objective::new(
            Clip::new(clip.low() as f32, clip.high() as f32, dual).unwrap(),
            objective.log_ratio_limit() as f32,
            objective.kl_estimator(),
            objective.kl_coef() as f32,
        )
        .unwrap();
        let [a, b, c, d] = token.map(|x| x as f32);
        let single = token_loss(a, b, c, d, &narrow);
        let double = token_loss(policy, old, reference, advantage, &objective);
        assert_close_to_double(single.value, double.value);
        assert_close_to_double(single.gradient, double.gradient);
    }

    #[test]
    fn a_clipped_token_keeps_only_the_gradient_of_its_penalty(
        token in token(),
        objective in objective(),
    ) {
        let [policy, old, reference, advantage] = token;
        if is_clipped(policy, old, advantage, &objective) {
            let term = token_loss(policy, old, reference, advantage, &objective);
            let penalty = kl_penalty(policy, reference, &objective);
            prop_assert_eq!(term.gradient, objective.kl_coef() * penalty.gradient);
        }
    }

    #[test]
    fn k2_and_k3_are_never_negative_and_zero_at_the_reference(
        policy in -30.0..0.0_f64,
        reference in -30.0..0.0_f64,
    ) {
        for estimator in [KlEstimator::K2, KlEstimator::K3] {
            let objective = Objective::new(Clip::default(), 20.0, estimator, 1.0).unwrap();
            prop_assert!(kl_penalty(policy, reference, &objective).value >= 0.0);
            let zero = TokenTerm { value: 0.0, gradient: 0.0 };
            prop_assert_eq!(kl_penalty(policy, policy, &objective), zero);
        }
    }

    // Tokens that i+ and i- share are the same conditional: one log-prob, one ratio. At the first
    // step the ratio is 1, +w and -w cancel, and the net gradient starts at the first level where
    // the two differ.
    #[test]
    fn a_shared_prefix_cancels_and_the_rest_does_not(
        positive in proptest::collection::vec(0_u8..3, 3),
        negative in proptest::collection::vec(0_u8..3, 3),
        log_probs in proptest::collection::vec(-4.0..0.0_f64, 3),
        weight in 1e-3..10.0_f64,
    ) {
        let scores = [1.0, structural_score(&negative, &positive, 3, PrefixCredit::decimal())];
        let group = Group::new(&[1.0, 0.0], &scores, None).unwrap();
        let signal = Signal::Recast(Recast { weight, ..Recast::default() });
        let selection = select(signal, group).unwrap();
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
        let shared = positive.iter().zip(&negative).take_while(|(a, b)| a == b).count();
        for (level, &log_prob) in log_probs.iter().enumerate() {
            let [up, down] = [0, 1].map(|side| {
                let (_, advantage) = selection[side];
                token_loss(log_prob, log_prob, log_prob, advantage, &objective).gradient
            });
            if level < shared {
                prop_assert_eq!(up + down, 0.0);
            } else {
                // Different conditionals from here on: one is pushed up, the other down.
                prop_assert!(up < 0.0 && down > 0.0);
            }
        }
    }
}
