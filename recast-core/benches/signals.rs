//! ReCast's selection and GRPO over 4,096 groups, beside the sum of the same memory.
//!
//! `python3 recast-core/benches/signals.py` runs this and a numpy reference and prints both.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use recast_core::{Group, Outcome, Signal};

const GROUPS: usize = 4096;
const SIZES: [usize; 4] = [8, 32, 128, 1024];

/// Rewards, structural scores and old log-probs of all groups, laid out flat.
struct Completions {
    rewards: Vec<f32>,
    scores: Vec<f32>,
    old_log_probs: Vec<f32>,
}

impl Completions {
    /// Every third group has one hit, the others none; scores take the four values of three levels.
    fn generate(size: usize) -> Self {
        let mut state = 1_u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        let n = GROUPS * size;
        let mut scores: Vec<f32> =
            (0..n).map(|_| [0.0, 0.0, 0.0, 0.01, 0.01, 0.1][below(6) as usize]).collect();
        let old_log_probs = (0..n).map(|_| -(below(1 << 20) as f32) / 65_536.0).collect();
        let mut rewards = vec![0.0; n];
        for group in (0..GROUPS).step_by(3) {
            let hit = group * size + below(size as u64) as usize;
            (rewards[hit], scores[hit]) = (1.0, 1.0);
        }
        Self { rewards, scores, old_log_probs }
    }

    fn groups(&self, size: usize) -> impl Iterator<Item = Group<'_, f32>> {
        let rows = self.rewards.chunks(size).zip(self.scores.chunks(size));
        rows.zip(self.old_log_probs.chunks(size)).map(|((rewards, scores), old)| {
            Group::new(rewards, scores, Some(old)).expect("finite numbers")
        })
    }
}

fn signals(criterion: &mut Criterion) {
    for size in SIZES {
        let data = Completions::generate(size);
        let (mut kept, mut advantages) = (vec![0; size], vec![0.0; size]);
        let mut bench = criterion.benchmark_group("signals");
        bench.throughput(Throughput::Elements((GROUPS * size) as u64));

        // what a selection reads: three numbers a completion
        bench.bench_function(BenchmarkId::new("sum", size), |b| {
            b.iter(|| {
                [&data.rewards, &data.scores, &data.old_log_probs]
                    .map(|values| black_box(values).iter().sum::<f32>())
            });
        });
        // what GRPO reads: one number a completion
        bench.bench_function(BenchmarkId::new("sum_rewards", size), |b| {
            b.iter(|| black_box(&data.rewards).iter().sum::<f32>());
        });
        for (name, signal) in [("recast", Signal::recast()), ("grpo", Signal::grpo())] {
            bench.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    let mut slots = 0;
                    for group in black_box(&data).groups(size) {
                        slots += signal.repair(group).unwrap_or_default();
                        if let Outcome::Trained(selection) =
                            signal.select(group, &mut kept, &mut advantages)
                        {
                            slots += black_box(selection).kept.len();
                        }
                    }
                    slots
                });
            });
        }
        bench.finish();
    }
}

criterion_group!(benches, signals);
criterion_main!(benches);
