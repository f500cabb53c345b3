//! The sums that a device makes for the metrics of an update.

use recast_burn::objective::{policy_loss, policy_metrics};
use recast_core::objective::{
    AnchorRatio, CompletionTokens, Loss, Objective, Preference, clipped_tokens, kl_penalty,
};

use super::cases::{Cases, LossCase, Token, column};
use super::groups::{ANCHOR_RATIOS, Kept, batch, by_level, groups, on_device};
use crate::device::devices;
use crate::numbers::{assert_each_close, bits, values};
use crate::tolerance::OBJECTIVE;

tests![
    every_device_counts_clipped_tokens_and_adds_up_the_penalty_as_core_does,
    a_preference_clips_nothing,
    metrics_have_no_gradient,
];

/// The tokens of a completion that core counts as clipped.
fn clipped(case: &LossCase, ratio: AnchorRatio<f32>, tokens: &[Token], is_anchor: bool) -> usize {
    let tokens = CompletionTokens {
        policy_log_probs: &column(tokens, |token| token.policy),
        old_log_probs: &column(tokens, |token| token.old),
        ref_log_probs: &[],
        advantages: &column(tokens, |token| token.advantage),
        is_anchor,
    };
    clipped_tokens(&case.policy_loss(ratio), tokens, &case.objective())
}

fn kl(groups: &[Kept], objective: &Objective<f64>) -> f64 {
    let of_token =
        |token: &Token| kl_penalty(token.policy.into(), token.reference.into(), objective).value;
    by_level(groups).iter().map(of_token).sum()
}

fn every_device_counts_clipped_tokens_and_adds_up_the_penalty_as_core_does() {
    let mut clipped_somewhere = 0;
    for (device_name, device) in devices() {
        for case in &Cases::read().losses {
            for ratio in ANCHOR_RATIOS {
                let groups = groups(ratio);
                let of_group = |group: &Kept| -> usize {
                    let completions = group.completions().enumerate();
                    let of_completion =
                        |(i, tokens)| clipped(case, ratio, tokens, group.anchor == Some(i));
                    completions.map(of_completion).sum()
                };
                let expected: usize = groups.iter().map(of_group).sum();
                let batch = batch(&groups, case.loss(ratio), case.objective(), groups.len());
                let found = values(&policy_metrics(on_device(&groups, &device).0, &batch));
                let name = format!("{device_name}, {}, {ratio:?}", case.name);
                assert_eq!(bits(&found[..1]), bits(&[expected as f32]), "{name}");
                let kl = kl(&groups, &case.objective());
                assert_each_close(&found[1..], &[kl], OBJECTIVE, |_| format!("{name}: KL"));
                clipped_somewhere += expected;
            }
        }
    }
    assert!(clipped_somewhere > 0);
}

fn a_preference_clips_nothing() {
    let mut groups = groups(AnchorRatio::Recompute);
    for group in &mut groups {
        for (i, token) in group.tokens.iter_mut().enumerate() {
            token.advantage = if i < 3 { 1.0 } else { -1.0 };
        }
    }
    for (_, device) in devices() {
        let loss = Loss::Preference(Preference::new(0.1).expect("a preference"));
        let batch = batch(&groups, loss, Objective::default(), groups.len());
        let found = values(&policy_metrics(on_device(&groups, &device).0, &batch));
        let expected = [0.0, kl(&groups, &Objective::default())];
        assert_each_close(&found, &expected, OBJECTIVE, |i| format!("sum {i}"));
    }
}

fn metrics_have_no_gradient() {
    let ratio = AnchorRatio::Recompute;
    let groups = groups(ratio);
    for (_, device) in devices() {
        for case in &Cases::read().losses {
            let batch = batch(&groups, case.loss(ratio), case.objective(), groups.len());
            let gradient = |with_metrics: bool| {
                let (log_probs, policy) = on_device(&groups, &device);
                let loss = policy_loss(log_probs.clone(), &batch);
                let metrics = policy_metrics(log_probs, &batch).sum();
                let loss = if with_metrics { loss + metrics } else { loss };
                values(&policy.grad(&loss.backward()).expect("a gradient"))
            };
            assert_eq!(bits(&gradient(true)), bits(&gradient(false)), "{}", case.name);
        }
    }
}
