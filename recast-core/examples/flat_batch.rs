//! Many groups of different sizes laid out flat: several signals over one rollout, without a
//! single allocation in the calls.
//!
//! ```sh
//! cargo run --release -p recast-core --example flat_batch
//! ```

use std::error::Error;

use recast_core::batch::{Batch, BatchEvidence, BatchOutcome};
use recast_core::repair::AllZeroRate;
use recast_core::signal::{Recast, RepairPolicy};
use recast_core::{Outcome, Signal};

/// Group b is `OFFSETS[b] .. OFFSETS[b + 1]`.
const OFFSETS: [usize; 5] = [0, 4, 7, 9, 12];
const REWARDS: [f32; 12] = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0];
const SCORES: [f32; 12] = [0.0, 0.1, 0.01, 0.0, 0.1, 1.0, 0.0, 1.0, 1.0, 0.01, 0.0, 0.1];

fn main() -> Result<(), Box<dyn Error>> {
    // Groups are repaired while at least a third of the last ones were all-zero.
    let repair = RepairPolicy::Gated { threshold: 0.33 };
    let gated = Signal::Recast(Recast { repair, ..Recast::default() }).check()?;
    let sampled = Batch::new(&OFFSETS, &REWARDS, &SCORES, None)?;
    let mut average = AllZeroRate::new(0.99)?;

    // The first batch finds the gate open, since nothing is known; its groups move the average.
    let evidence = BatchEvidence { all_zero_rate: average.rate(), ..BatchEvidence::default() };
    sampled.groups().for_each(|group| average.observe(group.regime()));
    println!("all-zero rate {:?}", average.rate());

    for (name, signal) in [
        ("recast", gated),
        ("grpo", Signal::grpo()),
        ("dapo", Signal::dapo()),
        ("pass@k", Signal::PassAtK),
        ("s-dpo", Signal::s_dpo(2)),
    ] {
        // The caller's slices, used again for every batch.
        let (mut rewards, mut scores) = (REWARDS, SCORES);
        let mut slots = [None; 4];
        let (mut kept, mut advantages) = ([0; 12], [0.0; 12]);
        let mut outcomes = [BatchOutcome::default(); 4];

        signal.repair_batch(sampled, evidence, &mut slots);
        for (start, slot) in OFFSETS.iter().zip(slots) {
            if let Some(slot) = slot {
                (rewards[start + slot], scores[start + slot]) = (1.0, 1.0);
            }
        }
        let repaired = Batch::new(&OFFSETS, &rewards, &scores, None)?;
        signal.select_batch(repaired, &mut kept, &mut advantages, &mut outcomes);

        println!("{name}: repaired {slots:?}");
        for outcome in repaired.outcomes(&kept, &advantages, &outcomes) {
            match outcome {
                Outcome::Trained(selection) => {
                    println!("  kept {:?} advantages {:?}", selection.kept, selection.advantages);
                }
                Outcome::Skipped(skip) => println!("  skipped: {skip:?}"),
            }
        }
    }
    Ok(())
}
