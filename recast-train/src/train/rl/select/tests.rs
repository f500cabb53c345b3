use std::io::Write;

use recast_core::anchor::AnchorTarget;
use recast_core::repair::RepairPolicy;
use recast_core::signal::{NegativeChoice, NegativeRule, Recast, RewardScale};

use super::*;
use crate::data::{Histories, read_items};
use crate::event::GroupCounts;
use crate::reward::RewardsConfig;

/// Rounding of a deviation of four f32 near 1.
const ROUNDING: f32 = 1e-5;

/// The example of the method: SIDs (4,4,4) (1,2,9) (1,7,3) (5,5,5), target (1,2,3).
fn example() -> (SidTable, Trie, Vec<Completion>) {
    let codes = [[4, 4, 4], [1, 2, 9], [1, 7, 3], [5, 5, 5], [1, 2, 3]];
    let sids = SidTable::new(vec![10; 3], codes.concat()).unwrap();
    let trie = Trie::new(&sids);
    let completion =
        |i: usize| Completion { leaf: trie.walk(&codes[i]).unwrap(), log_prob: -1.0 - i as f32 };
    let completions = (0..4).map(completion).collect();
    (sids, trie, completions)
}

fn select(
    signal: &Signal<f32>,
    rewards: &Rewards,
    completions: &[Completion],
    targets: &[u32],
) -> GroupOutcome {
    let (sids, trie, _) = example();
    let selector = Selector { signal, rewards, sids: &sids, trie: &trie };
    let group = selector.reward(vec![7], completions, targets, Draws::default()).unwrap();
    selector.select(group, Evidence::default()).unwrap()
}

fn of_hits(signal: &Signal<f32>, targets: &[u32]) -> GroupOutcome {
    select(signal, &Rewards::hit_alone(), &example().2, targets)
}

/// The kept slots, their advantages and the divisor.
fn selection(outcome: GroupOutcome) -> (Vec<usize>, Vec<f32>, usize) {
    let kept = outcome.kept.unwrap();
    (kept.slots, kept.advantages, kept.divisor)
}

/// The weighted sum under these weights; prices are those of the example's items.
fn weighted(weights: &str) -> Rewards {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(b"id,price\na,9\nb,9\nc,9\nd,0\ne,0\n").unwrap();
    let items = read_items(file.path(), &["a", "b", "c", "d", "e"].into_iter().collect());
    let config: RewardsConfig = toml::from_str(weights).unwrap();
    Rewards::new(&config, &items.unwrap(), &Histories::default(), 5).unwrap()
}

#[test]
fn an_all_zero_group_is_repaired_and_contrasted() {
    let (sids, trie, completions) = example();
    let outcome = of_hits(&Signal::recast(), &[4]);
    assert_eq!((outcome.regime, outcome.repaired), (Regime::AllZero, true));
    let kept = outcome.kept.unwrap();
    assert_eq!(kept.leaves, [completions[1].leaf, trie.walk(sids.sid(4)).unwrap()]);
    assert_eq!(kept.advantages, [-1.0, 1.0]);
}

#[test]
fn a_natural_hit_is_left_alone() {
    let outcome = of_hits(&Signal::recast(), &[0]);
    assert_eq!((outcome.regime, outcome.repaired), (Regime::SingleHit, false));
    assert_eq!(outcome.kept.unwrap().leaves[0], example().2[0].leaf);
}

#[test]
fn grpo_keeps_an_all_zero_group_whole_and_learns_nothing_from_it() {
    let outcome = of_hits(&Signal::grpo(), &[4]);
    assert_eq!(outcome.kept.unwrap().advantages, [0.0; 4]);
    assert!(!outcome.repaired);
}

#[test]
fn several_targets_make_several_hits() {
    let outcome = of_hits(&Signal::grpo(), &[4, 1, 3]);
    assert_eq!(outcome.regime, Regime::MultiHit);
    assert_eq!((outcome.mean_reward, &outcome.reward_means[..]), (0.5, &[0.5][..]));
}

#[test]
fn the_structural_score_is_that_of_the_closest_target() {
    // the targets are (5,5,5) and (1,7,4)
    let codes = [[4, 4, 4], [1, 2, 9], [1, 7, 3], [5, 5, 5], [1, 7, 4]];
    let sids = SidTable::new(vec![10; 3], codes.concat()).unwrap();
    let trie = Trie::new(&sids);
    let completion = |i: u32| Completion { leaf: trie.walk(sids.sid(i)).unwrap(), log_prob: -1.0 };
    let found = [completion(0), completion(1), completion(2)];
    let (signal, rewards) = (Signal::recast(), Rewards::hit_alone());
    let selector = Selector { signal: &signal, rewards: &rewards, sids: &sids, trie: &trie };
    let group = selector.reward(vec![7], &found, &[3, 4], Draws::default()).unwrap();
    let kept = selector.select(group, Evidence::default()).unwrap().kept.unwrap();
    // (1,7,3) follows the second target; the anchor, the first target, takes slot 0
    assert_eq!(kept.leaves, [trie.walk(sids.sid(3)).unwrap(), found[2].leaf]);
}

#[test]
fn targets_that_share_a_semantic_id_count_once() {
    let sids = SidTable::new(vec![10; 2], vec![1, 2, 1, 2, 3, 4]).unwrap();
    assert_eq!(target_sids(&[1, 2, 0], &sids), [1, 2, 3, 4]);
}

#[test]
fn the_anchor_is_the_first_target() {
    let outcome = of_hits(&Signal::luffy(), &[4, 0]);
    let (sids, trie, _) = example();
    assert_eq!(outcome.kept.unwrap().leaves[3], trie.walk(sids.sid(4)).unwrap());
}

#[test]
fn a_dear_miss_is_no_hit_and_a_cheap_hit_is_one() {
    let dear = weighted("hit = 0.1\nvalue = { price = 5.0 }");
    // completion 3 hits and is cheap; all others miss and are dear
    let outcome = select(&Signal::recast(), &dear, &example().2, &[3]);
    assert_eq!((outcome.regime, outcome.repaired), (Regime::SingleHit, false));
    let kept = outcome.kept.unwrap();
    assert_eq!((kept.leaves[1], &kept.advantages[..]), (example().2[3].leaf, &[-1.0, 1.0][..]));
    // GRPO follows the sum: the hit is the worst of the group
    let kept = select(&Signal::grpo(), &dear, &example().2, &[3]).kept.unwrap();
    assert!(kept.advantages[3] < 0.0 && kept.advantages[0] > 0.0);
}

#[test]
fn repair_follows_hits_and_structural_scores_not_the_sum() {
    let dear = weighted("value = { price = -1.0 }");
    let outcome = select(&Signal::recast(), &dear, &example().2, &[4]);
    assert_eq!((outcome.regime, outcome.repaired), (Regime::AllZero, true));
    assert_eq!(selection(outcome), selection(of_hits(&Signal::recast(), &[4])));
}

#[test]
fn of_several_hits_the_largest_sum_is_the_strongest() {
    let dear = weighted("value = { price = -1.0 }");
    let positive = |rewards: &Rewards| {
        let kept = select(&Signal::recast(), rewards, &example().2, &[1, 3]).kept.unwrap();
        let at = kept.advantages.iter().position(|&advantage| advantage > 0.0).unwrap();
        kept.leaves[at]
    };
    let completions = example().2;
    assert_eq!(positive(&Rewards::hit_alone()), completions[1].leaf);
    assert_eq!(positive(&dear), completions[3].leaf);
}

#[test]
fn an_anchor_is_rewarded_like_any_completion() {
    let sum = weighted("prefix = 0.5\nvalue = { price = 0.25 }");
    // without a boundary a repaired group is GRPO's: sums 0.25, 0.3, 0.255 and the anchor's 1.5
    let whole = Signal::Recast(Recast { boundary: false, ..Recast::default() });
    let advantages = select(&whole, &sum, &example().2, &[4]).kept.unwrap().advantages;
    let (mut expected, sums) = ([0.0; 4], [0.25, 0.25 + 0.05, 0.25 + 0.005, 1.5]);
    recast_core::advantage::grpo(&sums, 1e-6, &mut expected);
    for (advantage, expected) in advantages.iter().zip(expected) {
        assert!((advantage - expected).abs() < ROUNDING, "{advantage} {expected}");
    }
}

#[test]
fn the_ranking_reward_under_grpo_is_rere() {
    let ranked = weighted("hit = 1.0\nranking = 1.0");
    for targets in [&[0][..], &[2], &[4], &[1, 3]] {
        let grpo = Signal::Grpo { epsilon: 1e-4, scale: RewardScale::Group, add_gt: false };
        let grpo = select(&grpo, &ranked, &example().2, targets);
        assert_eq!(selection(grpo), selection(of_hits(&Signal::rere(), targets)));
    }
}

#[test]
fn a_reward_without_weight_changes_nothing() {
    for signal in [Signal::recast(), Signal::grpo(), Signal::rere()] {
        let same = weighted("hit = 1.0\nprefix = 0.0\nvalue = { price = 0.0 }");
        assert_eq!(same, Rewards::hit_alone());
        assert_eq!(select(&signal, &same, &example().2, &[2]), of_hits(&signal, &[2]));
    }
}

#[test]
fn a_completion_that_is_drawn_twice_counts_once_for_the_pair() {
    let (sids, trie, mut completions) = example();
    completions[2] = completions[1];
    let (signal, rewards) = (Signal::recast(), weighted("hit = 1.0\ndiversity = 0.5"));
    let selector = Selector { signal: &signal, rewards: &rewards, sids: &sids, trie: &trie };
    let group = selector.reward(vec![7], &completions, &[0], Draws::default()).unwrap();
    assert_eq!(group.duplicate_of, [0, 1, 1, 3]);
    assert_eq!(group.totals[1].to_bits(), group.totals[2].to_bits());
    let kept = selector.select(group, Evidence::default()).unwrap().kept.unwrap();
    assert_eq!((kept.slots, kept.anchor), (vec![0, 1], None));
}

#[test]
fn an_anchor_may_repeat_a_hit_and_is_known_among_the_kept() {
    let outcome = of_hits(&Signal::luffy(), &[0]);
    assert_eq!((outcome.regime, outcome.repaired), (Regime::SingleHit, true));
    let kept = outcome.kept.unwrap();
    assert_eq!((kept.leaves[3], kept.anchor), (kept.leaves[0], Some(3)));
}

#[test]
fn rl_zvp_reads_entropies_where_all_rewards_are_equal() {
    let reads = |signal, targets: &[u32]| of_hits(&signal, targets).kept.unwrap().reads_entropies;
    assert!(reads(Signal::rl_zvp(), &[4]));
    assert!(!reads(Signal::rl_zvp(), &[0]));
    assert!(!reads(Signal::grpo(), &[4]));
}

#[test]
fn evidence_holds_a_repair_back() {
    let (sids, trie, completions) = example();
    let repair = RepairPolicy::Confident { tau: 0.5 };
    let signal = Signal::Recast(Recast { repair, ..Recast::default() });
    let rewards = Rewards::hit_alone();
    let selector = Selector { signal: &signal, rewards: &rewards, sids: &sids, trie: &trie };
    let outcome = |anchor_log_prob| {
        let group = selector.reward(vec![7], &completions, &[4], Draws::default()).unwrap();
        selector.select(group, Evidence { anchor_log_prob, ..Evidence::default() }).unwrap()
    };
    assert!(outcome(Some(-3.0)).repaired);
    assert_eq!(outcome(Some(-0.1)).kept, Err(Skip::NoPositive));
}

#[test]
fn the_anchor_is_written_from_the_target_that_is_asked_for() {
    let (sids, trie, completions) = example();
    let anchor = |anchor_target, draw| {
        let signal = Signal::Recast(Recast { anchor_target, ..Recast::default() });
        let rewards = Rewards::hit_alone();
        let selector = Selector { signal: &signal, rewards: &rewards, sids: &sids, trie: &trie };
        let draws = Draws { anchor: draw, ..Draws::default() };
        let group = selector.reward(vec![7], &completions[..2], &[3, 4], draws).unwrap();
        trie.items(group.anchor.unwrap())[0]
    };
    // the group is (4,4,4) and (1,2,9), the targets are (5,5,5) and (1,2,3)
    assert_eq!(anchor(AnchorTarget::First, 0), 3);
    assert_eq!(anchor(AnchorTarget::Closest, 0), 4);
    assert_eq!([0, u64::MAX].map(|draw| anchor(AnchorTarget::Uniform, draw)), [3, 4]);
}

#[test]
fn supervised_training_has_the_anchor_alone_and_generates_nothing() {
    let (sids, trie, completions) = example();
    let rewards = Rewards::hit_alone();
    let selector =
        Selector { signal: &Signal::Supervised, rewards: &rewards, sids: &sids, trie: &trie };
    let kept = selector.anchor_alone(vec![7], &[4, 0]).unwrap();
    let mut counts = GroupCounts::default();
    counts.count_anchor(&kept);
    let expected =
        GroupCounts { without_rollout: 1, with_signal: 1, trained: 1, ..GroupCounts::default() };
    assert_eq!((counts, counts.groups()), (expected, 1));
    let kept = kept.unwrap();
    assert_eq!(kept.leaves, [trie.walk(sids.sid(4)).unwrap()]);
    assert_eq!((&kept.advantages[..], kept.anchor, kept.divisor), (&[1.0][..], Some(0), 1));
    // completions are not read, whatever they hit
    let alone = selector.kept(vec![7], &[], &[4]).unwrap();
    assert_eq!(selector.kept(vec![7], &completions, &[4]).unwrap(), alone);
    assert_eq!(selector.anchor_alone(vec![7], &[]).unwrap(), Err(Skip::NoPositive));
}

#[test]
fn repair_with_the_positive_alone_keeps_what_supervised_training_keeps() {
    let (sids, trie, completions) = example();
    let rewards = Rewards::hit_alone();
    let alone = Signal::Recast(Recast { negative_weight: 0.0, ..Recast::default() });
    let [repaired, supervised] = [alone, Signal::Supervised].map(|signal| {
        let selector = Selector { signal: &signal, rewards: &rewards, sids: &sids, trie: &trie };
        selector.kept(vec![7], &completions, &[4]).unwrap().unwrap()
    });
    assert_eq!(repaired, supervised);
}

#[test]
fn groups_with_a_gradient_are_counted() {
    let with_signal = |signal: &Signal<f32>, targets: &[u32]| {
        let mut counts = GroupCounts::default();
        counts.count(&of_hits(signal, targets), 4);
        counts.with_signal
    };
    let add_gt = Signal::Grpo { epsilon: 1e-6, scale: RewardScale::Group, add_gt: true };
    for (signal, all_zero, all_hit) in [
        (Signal::grpo(), 0, 0),
        (add_gt, 1, 0),
        (Signal::recast(), 1, 0),
        (Signal::rl_zvp(), 1, 1),
        (Signal::dapo(), 0, 0),
    ] {
        assert_eq!(with_signal(&signal, &[4]), all_zero, "{signal:?}");
        assert_eq!(with_signal(&signal, &[0, 1, 2, 3]), all_hit, "{signal:?}");
        assert_eq!(with_signal(&signal, &[1]), 1, "{signal:?}");
    }
}

#[test]
fn grpo_takes_the_target_into_a_group_that_lacks_it() {
    let signal = Signal::Grpo { epsilon: 1e-6, scale: RewardScale::Group, add_gt: true };
    let (sids, trie, completions) = example();
    let outcome = of_hits(&signal, &[4]);
    assert!(outcome.repaired);
    let kept = outcome.kept.unwrap();
    assert_eq!((kept.leaves.len(), kept.anchor), (4, Some(3)));
    assert_eq!(kept.leaves[3], trie.walk(sids.sid(4)).unwrap());
    assert!(kept.advantages[3] > 0.0);
    let outcome = of_hits(&signal, &[1]);
    assert!(!outcome.repaired);
    assert_eq!(outcome.kept.unwrap().leaves[3], completions[3].leaf);
}

#[test]
fn a_negative_shares_the_first_code_of_the_positive_or_leaves() {
    let signal =
        Signal::Recast(Recast { negative: NegativeRule::SharedPrefix, ..Recast::default() });
    // the anchor is (1,2,3): the hardest negative (1,2,9) has its first code
    assert_eq!(of_hits(&signal, &[4]).kept.unwrap().advantages, [-1.0, 1.0]);
    // the positive is the natural hit (5,5,5): no other completion begins with 5
    assert_eq!(of_hits(&signal, &[3]).kept.unwrap().advantages, [1.0]);
    // the hardest negative follows the second target, the positive is the first
    assert_eq!(of_hits(&signal, &[3, 4]).kept.unwrap().advantages, [1.0]);
}

#[test]
fn a_uniform_negative_is_the_one_that_the_draw_names() {
    let (sids, trie, completions) = example();
    let signal =
        Signal::Recast(Recast { negative_choice: NegativeChoice::Uniform, ..Recast::default() });
    let rewards = Rewards::hit_alone();
    let selector = Selector { signal: &signal, rewards: &rewards, sids: &sids, trie: &trie };
    // the misses are in the slots 0, 2 and 3
    for (negative, slot) in [(0, 0), (u64::MAX / 2, 2), (u64::MAX, 3)] {
        let draws = Draws { negative, ..Draws::default() };
        let group = selector.reward(vec![7], &completions, &[1], draws).unwrap();
        let kept = selector.select(group, Evidence::default()).unwrap().kept.unwrap();
        assert!(kept.slots.contains(&slot) && kept.slots.contains(&1), "{:?}", kept.slots);
    }
}
