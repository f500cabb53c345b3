//! A static library without std and without an allocator that computes with recast-core, linked
//! into a C program.
//!
//! If recast-core or a dependency linked std, the panic handler below would be the second one and
//! the library would not compile. If one of them used `alloc`, the global allocator would be
//! missing.
#![no_std]

use core::hint::black_box;

use recast_core::metrics::{ndcg_at_k, pass_at_k, recall_at_k};
use recast_core::objective::{GroupTokens, Objective, group_loss};
use recast_core::reward::{PrefixCredit, hit, structural_score};
use recast_core::{Group, Outcome, Signal};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// The unwind tables of the compiled core name this function; no code unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The result is 0 if the numbers are those of the method's example.
#[unsafe(no_mangle)]
pub extern "C" fn recast_core_proof() -> i32 {
    i32::from(!(example() == Some(()) && objective_and_metrics()))
}

/// SIDs (4,4,4) (1,2,9) (1,7,3) (5,5,5), target (1,2,3): slot 3 is repaired, 3 stands against 1.
fn example() -> Option<()> {
    let target = black_box([1_u16, 2, 3]);
    let completions = [[4, 4, 4], [1, 2, 9], [1, 7, 3], [5, 5, 5]];
    let mut rewards = completions.map(|sid| f32::from(u8::from(hit(&sid, &target, 3))));
    let mut scores =
        completions.map(|sid| structural_score(&sid, &target, 3, PrefixCredit::decimal()));
    let old_log_probs = black_box([-1.0, -2.0, -3.0, -4.0]);
    let signal = Signal::recast().check().ok()?;
    let slot = signal.repair(Group::new(&rewards, &scores, Some(&old_log_probs)).ok()?)?;
    (rewards[slot], scores[slot]) = (1.0, 1.0);
    let group = Group::new(&rewards, &scores, Some(&old_log_probs)).ok()?;
    let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
    let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages) else {
        return None;
    };
    (selection.kept == [1, 3] && selection.advantages == [-1.0, 1.0]).then_some(())
}

fn objective_and_metrics() -> bool {
    let log_probs = black_box([-1.5]);
    let tokens = GroupTokens {
        offsets: &[0, 1],
        policy_log_probs: &log_probs,
        old_log_probs: &log_probs,
        ref_log_probs: &log_probs,
        advantages: &[1.0],
        anchor: None,
        divisor: 1,
    };
    // Every surrogate of the crate, and the preference.
    let losses = Signal::<f64>::all().map(|signal| {
        let mut gradients = [0.0];
        group_loss(&signal.loss(), tokens, &Objective::default(), &mut gradients)
    });
    let (ranking, targets) = (black_box([7, 8, 9]), black_box([7]));
    losses[0] == -1.0
        && losses.iter().all(|loss| loss.is_finite())
        && pass_at_k::<_, f64>(&ranking, &targets, 1) == 1.0
        && recall_at_k::<_, f64>(&ranking, &targets, 3) == 1.0
        && ndcg_at_k::<_, f64>(&ranking, &targets, 3) == 1.0
}
