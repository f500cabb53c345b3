//! Properties of the signal and the objective, over random groups and tokens.
#![expect(clippy::float_cmp, reason = "equal here means the same bits came through")]

#[path = "../src/tolerance.rs"]
#[expect(dead_code, reason = "one table for unit tests and properties, each uses its rows")]
mod tolerance;

use approx::assert_abs_diff_eq;
use half::{bf16, f16};
use proptest::prelude::*;
use recast_core::advantage::{dr_grpo, grpo, ngrpo, pass_at_k, rloo};
use recast_core::anchor::{AnchorTarget, anchor_target};
use recast_core::batch::{Batch, BatchError, BatchEvidence, BatchOutcome};
use recast_core::boundary::boundary_pair;
use recast_core::entropy::entropy_guided;
use recast_core::objective::{
    Clip, KlEstimator, Objective, Preference, TokenTerm, is_clipped, kl_penalty, preference_loss,
    sequence_loss, token_loss,
};
use recast_core::repair::{AllZeroRate, Evidence, repair_slot};
use recast_core::reward::{PrefixCredit, hit, prefix_credit, structural_score};
use recast_core::signal::{Normaliser, Recast, RepairPolicy};
use recast_core::{Group, Outcome, Real, Regime, Signal, Skip};

use crate::tolerance::{BRAIN, FINITE_DIFFERENCE, HALF, ROUNDING, SINGLE};

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

/// Every signal: the four cells of the ablation, the other options of ReCast, all others.
fn signals<T: Real>() -> Vec<Signal<T>> {
    let mut signals = whole_group_signals();
    signals.extend([
        Signal::dapo(),
        Signal::gcpo(),
        Signal::PassAtK,
        Signal::dpo(),
        Signal::s_dpo(3),
        Signal::Dpo { repair: RepairPolicy::Never, negatives: 2 },
    ]);
    for repair in [
        RepairPolicy::Always,
        RepairPolicy::Never,
        RepairPolicy::Gated { threshold: T::of(0.5) },
        RepairPolicy::Confident { tau: T::of(0.5) },
    ] {
        for boundary in [true, false] {
            for positive_only in [true, false] {
                for normaliser in [Normaliser::Kept, Normaliser::Group] {
                    let recast =
                        Recast { repair, boundary, normaliser, positive_only, ..Recast::default() };
                    signals.push(Signal::Recast(recast));
                }
            }
        }
    }
    signals
}

/// The signals that keep every completion of every group.
fn whole_group_signals<T: Real>() -> Vec<Signal<T>> {
    vec![
        Signal::grpo(),
        Signal::rere(),
        Signal::Rere { epsilon: T::of(1e-4), add_gt: true },
        Signal::DrGrpo,
        Signal::Rloo,
        Signal::gspo(),
        Signal::ngrpo(),
        Signal::rl_zvp(),
        Signal::luffy(),
    ]
}

/// Rewards of any size around 1, at least so many.
fn rewards(least: usize) -> impl Strategy<Value = Vec<f64>> {
    let reward =
        prop_oneof![prop::sample::select(vec![0.0, 0.5, 1.0]).boxed(), (-2.0..2.0_f64).boxed(),];
    proptest::collection::vec(reward, least..=32)
}

fn written(advantage: &dyn Fn(&[f64], &mut [f64]), rewards: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; rewards.len()];
    advantage(rewards, &mut out);
    out
}

/// Groups laid out flat.
#[derive(Clone, Debug)]
struct Flat {
    offsets: Vec<usize>,
    rewards: Vec<f64>,
    scores: Vec<f64>,
    old_log_probs: Vec<f64>,
}

impl Flat {
    fn of<'g>(groups: impl Iterator<Item = &'g Owned>) -> Self {
        let mut flat = Self {
            offsets: vec![0],
            rewards: Vec::new(),
            scores: Vec::new(),
            old_log_probs: Vec::new(),
        };
        for group in groups {
            flat.rewards.extend(&group.rewards);
            flat.scores.extend(&group.scores);
            flat.old_log_probs.extend(&group.old_log_probs);
            flat.offsets.push(flat.rewards.len());
        }
        flat
    }

    fn batch(&self) -> Result<Batch<'_, f64>, BatchError> {
        Batch::new(&self.offsets, &self.rewards, &self.scores, Some(&self.old_log_probs))
    }
}

/// The same slots, repaired and kept, in `T` as in `f64`; advantages within a tolerance, relative
/// to max(1, |advantage|).
fn assert_selects_alike<T: Real>(owned: &Owned, tolerance: f64) {
    let narrow = |column: &[f64]| column.iter().map(|&x| T::of(x)).collect::<Vec<_>>();
    let (rewards, scores) = (narrow(&owned.rewards), narrow(&owned.scores));
    let old = narrow(&owned.old_log_probs);
    let group = Group::new(&rewards, &scores, Some(&old)).expect("as finite as before");
    for (narrow, double) in signals::<T>().into_iter().zip(signals::<f64>()) {
        assert_eq!(narrow.repair(group), double.repair(owned.group()));
        match (select(narrow, group), select(double, owned.group())) {
            (Ok(narrow), Ok(double)) => {
                assert_eq!(narrow.len(), double.len());
                for (narrow, double) in narrow.into_iter().zip(double) {
                    assert_eq!(narrow.0, double.0);
                    let epsilon = tolerance * double.1.abs().max(1.0);
                    assert_abs_diff_eq!(narrow.1.widen(), double.1, epsilon = epsilon);
                }
            }
            (narrow, double) => assert_eq!(narrow.err(), double.err()),
        }
    }
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
            let slot = signal.repair(owned.group());
            match signal {
                Signal::Recast(Recast { repair, .. }) | Signal::Dpo { repair, .. } => {
                    let repairs = all_zero && repair != RepairPolicy::Never;
                    prop_assert_eq!(slot.is_some(), repairs);
                }
                Signal::Gcpo { .. } => prop_assert_eq!(slot.is_some(), all_zero),
                Signal::Rere { add_gt: true, .. } | Signal::Luffy { .. } => {
                    prop_assert_eq!(slot, Some(owned.rewards.len() - 1));
                }
                _ => prop_assert_eq!(slot, None),
            }
        }
    }

    // Whatever is known beside the group: knowledge holds repairs back and never makes one.
    #[test]
    fn evidence_only_ever_holds_a_repair_back(
        owned in owned(),
        rate in 0.0..=1.0_f64,
        anchor_log_prob in -20.0..=0.0_f64,
    ) {
        let evidence =
            Evidence { all_zero_rate: Some(rate), anchor_log_prob: Some(anchor_log_prob) };
        for signal in signals() {
            let free = signal.repair(owned.group());
            let held = signal.repair_given(owned.group(), evidence);
            prop_assert!(held == free || held.is_none());
            if let Signal::Recast(Recast { repair, .. }) = signal {
                prop_assert_eq!(held, free.filter(|_| repair.repairs(evidence)));
            }
        }
    }

    #[test]
    fn the_all_zero_rate_is_a_share_that_does_not_see_the_decay_of_equal_regimes(
        regimes in proptest::collection::vec(any::<bool>(), 1..64),
        decay in 0.0..0.999_f64,
    ) {
        let mut average = AllZeroRate::new(decay).expect("within the range above");
        for &all_zero in &regimes {
            average.observe(if all_zero { Regime::AllZero } else { Regime::SingleHit });
            let rate = average.rate().expect("something was observed");
            prop_assert!((0.0..=1.0).contains(&rate));
        }
        let rate = average.rate().expect("something was observed");
        if regimes.iter().all(|&all_zero| all_zero) {
            assert_abs_diff_eq!(rate, 1.0, epsilon = ROUNDING);
        }
        if !regimes.contains(&true) {
            prop_assert_eq!(rate, 0.0);
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
    fn dapo_and_dpo_train_exactly_the_mixed_groups(owned in owned()) {
        for signal in [Signal::dapo(), Signal::dpo(), Signal::s_dpo(3)] {
            prop_assert_eq!(select(signal, owned.group()).is_ok(), owned.is_mixed());
        }
    }

    #[test]
    fn dpo_prefers_the_boundary_pair(owned in owned()) {
        let pair = select(Signal::recast(), owned.group());
        prop_assert_eq!(select(Signal::dpo(), owned.group()), pair);
    }

    #[test]
    fn s_dpo_leaves_out_no_harder_negative_than_it_keeps(owned in owned(), most in 1_usize..20) {
        if let Ok(selection) = select(Signal::s_dpo(most), owned.group()) {
            let negatives: Vec<_> = (0..owned.rewards.len())
                .filter(|&slot| owned.rewards[slot] == 0.0)
                .collect();
            let kept: Vec<_> = selection.iter().filter(|kept| kept.1 < 0.0).map(|k| k.0).collect();
            prop_assert_eq!(kept.len(), most.min(negatives.len()));
            prop_assert_eq!(selection.len(), kept.len() + 1);
            let hardness = |slot: usize| (owned.scores[slot], owned.old_log_probs[slot]);
            for left_out in negatives.iter().filter(|slot| !kept.contains(slot)) {
                prop_assert!(kept.iter().all(|&slot| hardness(slot) > hardness(*left_out)));
            }
        }
    }

    #[test]
    fn pass_at_k_trains_exactly_the_groups_with_one_best_response(owned in owned()) {
        let trained = select(Signal::PassAtK, owned.group());
        let hits = owned.group().hits();
        prop_assert_eq!(trained.is_ok(), hits == 1);
        if let Ok(selection) = trained {
            prop_assert_eq!(selection.len(), 1);
            prop_assert_eq!(owned.rewards[selection[0].0], 1.0);
        }
    }

    #[test]
    fn a_positive_alone_changes_all_hit_groups_only(owned in owned()) {
        let alone = Signal::Recast(Recast { positive_only: true, ..Recast::default() });
        let with = select(alone, owned.group());
        if owned.group().regime() == Regime::AllHit {
            let selection = with.expect("the strongest positive is kept");
            prop_assert_eq!(selection.len(), 1);
            prop_assert_eq!(selection[0].1, 1.0);
        } else {
            prop_assert_eq!(with, select(Signal::recast(), owned.group()));
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
    fn whole_group_signals_keep_every_completion(owned in owned()) {
        for signal in whole_group_signals() {
            let kept = select(signal, owned.group()).map(|selection| selection.len());
            prop_assert_eq!(kept, Ok(owned.rewards.len()));
        }
    }

    #[test]
    fn group_advantages_sum_to_zero(owned in owned()) {
        // A group of one has mean 0 by definition.
        if owned.rewards.len() == 1 {
            return Ok(());
        }
        for signal in whole_group_signals() {
            // The virtual hit of NGRPO takes its share of the sum.
            if matches!(signal, Signal::Ngrpo { .. }) {
                continue;
            }
            let total: f64 = select(signal, owned.group()).unwrap().iter().map(|(_, a)| a).sum();
            assert_abs_diff_eq!(total, 0.0, epsilon = ROUNDING);
        }
    }

    // Shifts by a few units: rounding grows with the ratio of shift to spread. A group of one has
    // mean 0 by definition, so there a shift is seen.
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
        // The most uncertain token of a miss is left alone; the two sides rise alike.
        if let Some(&highest) = entropies.iter().max_by(|a, b| a.total_cmp(b)) {
            for (hit, miss) in hit.into_iter().zip(miss) {
                assert_abs_diff_eq!(hit - miss, alpha * highest, epsilon = ROUNDING);
            }
        }
    }

    #[test]
    fn the_anchor_is_one_of_the_targets(
        completions in proptest::collection::vec(0_u8..3, 6),
        targets in proptest::collection::vec(0_u8..3, 12),
        count in 0_usize..=4,
        draw in any::<u64>(),
    ) {
        let targets = &targets[..count * 3];
        for choice in [AnchorTarget::First, AnchorTarget::Closest, AnchorTarget::Uniform] {
            let credit = PrefixCredit::<f64>::decimal();
            let target = anchor_target(choice, &completions, targets, 3, credit, draw);
            prop_assert_eq!(target.is_some(), count > 0);
            prop_assert!(target.is_none_or(|target| target < count));
        }
    }

    #[test]
    fn a_batch_is_its_groups(groups in proptest::collection::vec(owned(), 0..12)) {
        let flat = Flat::of(groups.iter());
        let batch = flat.batch().expect("every group is checked");
        prop_assert_eq!(batch.len(), groups.len());
        for signal in signals() {
            let mut slots = vec![None; batch.len()];
            signal.repair_batch(batch, BatchEvidence::default(), &mut slots);
            let mut kept = vec![usize::MAX; batch.completions()];
            let mut advantages = vec![f64::NAN; batch.completions()];
            let mut outcomes = vec![BatchOutcome::default(); batch.len()];
            signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
            let written = batch.outcomes(&kept, &advantages, &outcomes);
            for ((owned, slot), outcome) in groups.iter().zip(slots).zip(written) {
                prop_assert_eq!(slot, signal.repair(owned.group()));
                let size = owned.rewards.len();
                let (mut kept, mut advantages) = (vec![0; size], vec![0.0; size]);
                prop_assert_eq!(outcome, signal.select(owned.group(), &mut kept, &mut advantages));
            }
        }
    }

    #[cfg(feature = "rayon")]
    #[test]
    fn a_batch_in_parallel_gives_the_same_bits(
        groups in proptest::collection::vec(owned(), 0..12),
        repeats in 1_usize..200,
    ) {
        // Some batches are large enough to be split.
        let repeated: Vec<_> = groups.iter().cycle().take(groups.len() * repeats).collect();
        let flat = Flat::of(repeated.into_iter());
        let batch = flat.batch().expect("every group is checked");
        for signal in [Signal::recast(), Signal::grpo(), Signal::s_dpo(2)] {
            let [one, many] = [false, true].map(|parallel| {
                let mut slots = vec![None; batch.len()];
                let mut kept = vec![usize::MAX; batch.completions()];
                let mut advantages = vec![0.0; batch.completions()];
                let mut outcomes = vec![BatchOutcome::default(); batch.len()];
                let evidence = BatchEvidence::default();
                if parallel {
                    signal.par_repair_batch(batch, evidence, &mut slots);
                    signal.par_select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
                } else {
                    signal.repair_batch(batch, evidence, &mut slots);
                    signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
                }
                (slots, kept, advantages, outcomes)
            });
            prop_assert_eq!(one, many);
        }
    }

    #[test]
    fn a_batch_refuses_a_number_that_is_not_finite_and_names_its_group(
        groups in proptest::collection::vec(owned(), 1..6),
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ) {
        let plain = Flat::of(groups.iter());
        let index = place.index(plain.rewards.len());
        let expected = plain.offsets.iter().rposition(|&start| start <= index).expect("0 is first");
        for column in 0..3 {
            let mut flat = plain.clone();
            [&mut flat.rewards, &mut flat.scores, &mut flat.old_log_probs][column][index] = bad;
            let refused = flat.batch().map(|batch| batch.len());
            let named = matches!(
                refused, Err(BatchError::Group { group, .. }) if group == expected
            );
            prop_assert!(named);
        }
    }

    #[test]
    fn half_precision_selects_alike(owned in owned()) {
        assert_selects_alike::<f16>(&owned, HALF);
        assert_selects_alike::<bf16>(&owned, BRAIN);
    }

    #[test]
    fn single_precision_selects_alike(owned in owned()) {
        assert_selects_alike::<f32>(&owned, SINGLE);
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

/// The same objective in single precision.
fn narrow(objective: &Objective<f64>) -> Objective<f32> {
    let clip = objective.clip();
    let dual = clip.dual().map(|dual| dual as f32);
    Objective::new(
        Clip::new(clip.low() as f32, clip.high() as f32, dual).expect("still within range"),
        objective.log_ratio_limit() as f32,
        objective.kl_estimator(),
        objective.kl_coef() as f32,
    )
    .expect("still within range")
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
        let narrow = narrow(&objective);
        let [a, b, c, d] = token.map(|x| x as f32);
        let single = token_loss(a, b, c, d, &narrow);
        let double = token_loss(policy, old, reference, advantage, &objective);
        assert_close_to_double(single.value, double.value);
        assert_close_to_double(single.gradient, double.gradient);
    }

    #[test]
    fn single_precision_loses_only_rounding_in_sequences(
        tokens in proptest::collection::vec(token(), 1..6),
        objective in objective(),
    ) {
        let count = tokens.len() as f64;
        let column = |index: usize| tokens.iter().map(|token| token[index]).collect::<Vec<_>>();
        let (policy, old, reference) = (column(0), column(1), column(2));
        let mean = |column: &[f64]| column.iter().sum::<f64>() / count;
        let advantage = tokens[0][3];
        prop_assume!(!near_a_kink([mean(&policy), mean(&old), 0.0, 0.0], &objective, SINGLE));
        prop_assume!(tokens.iter().all(|token| !near_a_kink(*token, &objective, SINGLE)));
        let single = |column: &[f64]| column.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let (mut gradients, mut narrow_gradients) =
            (vec![f64::NAN; tokens.len()], vec![f32::NAN; tokens.len()]);
        let double =
            sequence_loss(&policy, &old, &reference, advantage, &objective, &mut gradients);
        let narrow_loss = sequence_loss(
            &single(&policy),
            &single(&old),
            &single(&reference),
            advantage as f32,
            &narrow(&objective),
            &mut narrow_gradients,
        );
        assert_close_to_double(narrow_loss, double);
        for (narrow, double) in narrow_gradients.into_iter().zip(gradients) {
            assert_close_to_double(narrow, double);
        }
    }

    #[test]
    fn single_precision_loses_only_rounding_in_preferences(
        positive in -4.0..0.0_f64,
        negatives in proptest::collection::vec(-4.0..0.0_f64, 0..6),
        beta in 0.01..3.0_f64,
    ) {
        let (mut gradients, mut narrow_gradients) =
            (vec![f64::NAN; negatives.len()], vec![f32::NAN; negatives.len()]);
        let zeros = vec![0.0; negatives.len()];
        let preference = Preference::new(beta).expect("within the range above");
        let double =
            preference_loss(positive, 0.0, &negatives, &zeros, preference, &mut gradients);
        let single: Vec<_> = negatives.iter().map(|&x| x as f32).collect();
        let narrow = preference_loss(
            positive as f32,
            0.0,
            &single,
            &vec![0.0; single.len()],
            Preference::new(beta as f32).expect("within the range above"),
            &mut narrow_gradients,
        );
        assert_close_to_double(narrow.value, double.value);
        assert_close_to_double(narrow.gradient, double.gradient);
        for (narrow, double) in narrow_gradients.into_iter().zip(gradients) {
            assert_close_to_double(narrow, double);
        }
    }

    // A sequence ratio is one number for the completion: at the first step it is 1, and the same
    // completion under +w and -w moves nothing.
    #[test]
    fn equal_sequences_with_opposite_advantages_cancel(
        log_probs in proptest::collection::vec(-4.0..0.0_f64, 1..6),
        weight in 1e-3..10.0_f64,
    ) {
        let clip = Clip::new(3e-4, 4e-4, None).expect("GSPO's own clip");
        let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).expect("an objective");
        let old = log_probs;
        let [mut up, mut down] = [vec![0.0; old.len()], vec![0.0; old.len()]];
        let raised = sequence_loss(&old, &old, &[], weight, &objective, &mut up);
        let lowered = sequence_loss(&old, &old, &[], -weight, &objective, &mut down);
        prop_assert_eq!(raised + lowered, 0.0);
        prop_assert!(up.iter().zip(&down).all(|(up, down)| up + down == 0.0));
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
