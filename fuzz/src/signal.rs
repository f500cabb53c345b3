//! Groups from bytes, through every signal.

use recast_core::signal::{
    NegativeChoice, NegativeRule, Normaliser, Recast, RepairPolicy, RewardScale,
};
use recast_core::{Group, Outcome, Regime, Signal, Skip};

/// The first byte has a bit for each option. Bit 0 stands for raw numbers, bit 1 for old log-probs,
/// bit 2 for duplicates, bit 3 for a low threshold of hits. Bit 4 marks hits where the score is
/// above 0, bit 5 stands for lengths. Then come 13 bytes a completion: reward, structural score,
/// old log-prob, the repeated index.
pub fn signal(data: &[u8]) {
    let Some((flags, rest)) = data.split_first() else { return };
    let mut columns: [Vec<f32>; 3] = Default::default();
    let mut duplicates = Vec::new();
    for row in rest.chunks_exact(13) {
        for (column, bytes) in columns.iter_mut().zip(row.chunks_exact(4)) {
            column.push(number(bytes, flags & 1 == 1));
        }
        duplicates.push(usize::from(row[12]));
    }
    let [rewards, scores, old] = &columns;
    let old = (flags & 2 == 2).then_some(&old[..]);
    let finite = |column: &[f32]| column.iter().all(|value| value.is_finite());
    let valid =
        !rewards.is_empty() && [rewards, scores, old.unwrap_or(&[])].map(finite) == [true; 3];
    let group = Group::new(rewards, scores, old);
    assert_eq!(group.is_ok(), valid);
    let Ok(mut group) = group else { return };
    let hits: Vec<bool> = scores.iter().map(|&score| score > 0.0).collect();
    let lengths: Vec<usize> = duplicates.iter().map(|&index| index + 1).collect();
    let marked = flags & 16 == 16;
    if flags & 8 == 8 {
        group = group.with_hit_threshold(0.01).expect("a finite threshold");
    }
    if marked {
        group = group.with_hits(&hits).expect("one mark for each completion");
    }
    if flags & 32 == 32 {
        group = group.with_lengths(&lengths).expect("one positive length for each completion");
    }
    group = group.with_draw(u64::from(*flags) << 56);
    if flags & 4 == 4 {
        group = group.with_duplicates(&duplicates).unwrap_or(group);
    }
    for signal in signals() {
        check(signal, group);
        if let Some(slot) = signal.repair(group) {
            let in_every_group = matches!(
                signal,
                Signal::Luffy { .. } | Signal::Rere { add_gt: true, .. } | Signal::Supervised
            );
            assert!(in_every_group || group.regime() == Regime::AllZero);
            let (mut rewards, mut scores) = (rewards.clone(), scores.clone());
            (rewards[slot], scores[slot]) = (1.0, 1.0);
            let mut repaired = Group::new(&rewards, &scores, old).expect("as finite as before");
            let mut hits = hits.clone();
            hits[slot] = true;
            if marked {
                repaired = repaired.with_hits(&hits).expect("as many marks as before");
            }
            // A group of one is all anchor, and has no negative.
            assert!(check(signal, repaired) || rewards.len() == 1);
        }
    }
}

/// A number of few values, so that ties are common, or any bits.
fn number(bytes: &[u8], raw: bool) -> f32 {
    const COMMON: [f32; 8] = [0.0, 0.0, 1.0, 0.1, 0.01, -1.0, f32::MAX, f32::MIN_POSITIVE];
    match bytes {
        &[a, b, c, d] if raw => f32::from_le_bytes([a, b, c, d]),
        bytes => COMMON[usize::from(bytes[0]) % COMMON.len()],
    }
}

fn signals() -> Vec<Signal<f32>> {
    let mut signals = vec![
        Signal::grpo(),
        Signal::rere(),
        Signal::Grpo { epsilon: 0.0, scale: RewardScale::Group, add_gt: true },
        Signal::grpo_by_batch(),
        Signal::Rere { epsilon: 1e-4, add_gt: true },
        Signal::DrGrpo,
        Signal::Rloo,
        Signal::dapo(),
        Signal::gspo(),
        Signal::PassAtK,
        Signal::ngrpo(),
        Signal::rl_zvp(),
        Signal::gcpo(),
        Signal::luffy(),
        Signal::dpo(),
        Signal::s_dpo(3),
        Signal::Luffy { epsilon: Some(1e-6), gamma: 0.1 },
        Signal::cispo(),
        Signal::sapo(),
        Signal::gmpo(),
        Signal::reinforce_plus_plus(),
        Signal::Opo,
        Signal::Supervised,
        Signal::Recast(Recast { positive_only: true, ..Recast::default() }),
    ];
    for repair in [RepairPolicy::Always, RepairPolicy::Never] {
        for boundary in [true, false] {
            for normaliser in [Normaliser::Kept, Normaliser::Group] {
                let recast = Recast { repair, boundary, normaliser, ..Recast::default() };
                signals.push(Signal::Recast(recast));
            }
        }
    }
    for negative_choice in [NegativeChoice::Hardest, NegativeChoice::Uniform] {
        for negative in [NegativeRule::Always, NegativeRule::SharedPrefix] {
            for negative_weight in [0.0, 0.5] {
                let negative =
                    Recast { negative_choice, negative, negative_weight, ..Recast::default() };
                signals.push(Signal::Recast(negative));
            }
        }
    }
    signals
}

/// Whether the group is trained on; every claim about the selection is checked.
fn check(signal: Signal<f32>, group: Group<'_, f32>) -> bool {
    let (mut kept, mut advantages) = (vec![usize::MAX; group.len()], vec![f32::NAN; group.len()]);
    let selection = match signal.select(group, &mut kept, &mut advantages) {
        Outcome::Trained(selection) => selection,
        Outcome::Skipped(skip) => {
            let regime = [
                (Skip::NoPositive, Regime::AllZero),
                (Skip::NoNegative, Regime::AllHit),
                (Skip::NoLead, Regime::SingleHit),
                (Skip::NoLead, Regime::MultiHit),
            ];
            assert!(regime.contains(&(skip, group.regime())));
            return false;
        }
    };
    let (kept, advantages) = (selection.kept, selection.advantages);
    assert!(!kept.is_empty() && kept.len() == advantages.len());
    assert!(kept.is_sorted_by(|a, b| a < b) && kept[kept.len() - 1] < group.len());
    // Differences of rewards overflow where rewards nearly do.
    let differences = matches!(
        signal,
        Signal::DrGrpo
            | Signal::Rloo
            | Signal::PassAtK
            | Signal::Luffy { epsilon: None, .. }
            | Signal::Grpo { scale: RewardScale::Batch, .. }
            | Signal::ReinforcePlusPlus { .. }
            | Signal::Opo
    );
    let small = group.rewards().iter().all(|reward| reward.abs() < f32::MAX / 8.0);
    assert!(differences && !small || advantages.iter().all(|advantage| advantage.is_finite()));
    assert!((kept.len()..=group.len()).contains(&selection.divisor));
    match signal {
        Signal::Recast(Recast {
            boundary: true,
            weight,
            positive_only,
            negative_weight,
            negative,
            ..
        }) => {
            let all_hit = group.regime() == Regime::AllHit;
            assert!(positive_only || !all_hit);
            match kept.len() {
                1 if all_hit || negative_weight == 0.0 => {}
                1 => assert_eq!(negative, NegativeRule::SharedPrefix),
                count => assert_eq!(count, 2),
            }
            for (&slot, &advantage) in kept.iter().zip(advantages) {
                let of_miss = -weight * negative_weight;
                assert_eq!(advantage, if group.is_hit(slot) { weight } else { of_miss });
            }
        }
        Signal::Dpo { negatives, .. } => {
            assert!((2..=negatives + 1).contains(&kept.len()));
            let positives = advantages.iter().filter(|&&advantage| advantage == 1.0);
            assert_eq!(positives.count(), 1);
        }
        Signal::PassAtK | Signal::Supervised => assert_eq!(kept.len(), 1),
        _ => assert_eq!(kept.len(), group.len()),
    }
    true
}
