//! One group through repair, contrast and the loss, with plain slices and the completions as codes.
//!
//! ```sh
//! cargo run --release -p recast-core --example plain_slices
//! ```

use std::error::Error;

use recast_core::objective::{GroupTokens, Objective, group_loss};
use recast_core::reward::{PrefixCredit, hit, structural_score};
use recast_core::{Group, Outcome, Signal};

/// L, the codes of a semantic ID.
const LEVELS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    // The yield of a rollout: semantic IDs, their log-probabilities, the next item.
    let target = [1_u16, 2, 3];
    let mut completions = [[4, 4, 4], [1, 2, 9], [1, 7, 3], [5, 5, 5]];
    let old_log_probs = [-1.0, -2.0, -3.0, -4.0];

    let reward = |sid: &[u16; 3]| f64::from(u8::from(hit(sid, &target, LEVELS)));
    let score = |sid: &[u16; 3]| structural_score(sid, &target, LEVELS, PrefixCredit::decimal());
    let mut rewards = completions.map(|sid| reward(&sid));
    let mut scores = completions.map(|sid| score(&sid));
    println!("rewards           {rewards:?}");
    println!("structural scores {scores:?}");

    // Repair: nothing was hit, so the target takes the least informative slot.
    let signal = Signal::recast().check()?;
    let group = Group::new(&rewards, &scores, Some(&old_log_probs))?;
    println!("regime            {:?}", group.regime());
    let repaired = signal.repair(group);
    if let Some(slot) = repaired {
        completions[slot] = target;
        (rewards[slot], scores[slot]) = (reward(&target), score(&target));
        println!("repaired          slot {slot}");
    }

    // Contrast: two of four completions stay.
    let group = Group::new(&rewards, &scores, Some(&old_log_probs))?;
    let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
    let selection = match signal.select(group, &mut kept, &mut advantages) {
        Outcome::Trained(selection) => selection,
        Outcome::Skipped(skip) => return Err(format!("the group is skipped: {skip:?}").into()),
    };
    for (&slot, &advantage) in selection.kept.iter().zip(selection.advantages) {
        println!("kept              slot {slot} {:?} advantage {advantage:+}", completions[slot]);
    }

    // Two tokens each, a little after the first step: one ratio is exp(0.1), the others are 1.
    let advantages = selection.advantages.iter().flat_map(|&advantage| [advantage; 2]);
    let advantages: Vec<f64> = advantages.collect();
    let tokens = GroupTokens {
        offsets: &[0, 2, 4],
        policy_log_probs: &[-1.4, -0.5, -1.2, -0.8],
        old_log_probs: &[-1.5, -0.5, -1.2, -0.8],
        ref_log_probs: &[-1.5, -0.5, -1.2, -0.8],
        advantages: &advantages,
        anchor: repaired.and_then(|slot| selection.kept.iter().position(|&kept| kept == slot)),
        divisor: selection.divisor,
    };
    let mut gradients = [0.0; 4];
    let loss = group_loss(&signal.loss(), tokens, &Objective::default(), &mut gradients);
    println!("loss              {loss:+.4}");
    println!("gradients         {gradients:+.4?}");
    Ok(())
}
