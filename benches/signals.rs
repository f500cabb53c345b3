//! ReCast's selection and GRPO over 4,096 groups, beside the sum of the same memory.
//!
//! `python3 benches/signals.py` runs this bench and a numpy reference and prints both.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use recast_core::Signal;
use recast_core::advantage::grpo;
use recast_core::batch::{Batch, BatchEvidence, BatchOutcome};

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
}

fn signals(criterion: &mut Criterion) {
    for size in SIZES {
        let data = Completions::generate(size);
        let offsets: Vec<usize> = (0..=GROUPS).map(|group| group * size).collect();
        let n = GROUPS * size;
        let (mut kept, mut advantages) = (vec![0; n], vec![0.0; n]);
        let mut outcomes = vec![BatchOutcome::default(); GROUPS];
        let mut slots = vec![None; GROUPS];
        let mut bench = criterion.benchmark_group("signals");
        bench.throughput(Throughput::Elements((GROUPS * size) as u64));

        // a selection reads three numbers a completion
        bench.bench_function(BenchmarkId::new("sum", size), |b| {
            b.iter(|| {
                [&data.rewards, &data.scores, &data.old_log_probs]
                    .map(|values| black_box(values).iter().sum::<f32>())
            });
        });
        // GRPO reads one number a completion
        bench.bench_function(BenchmarkId::new("sum_rewards", size), |b| {
            b.iter(|| black_box(&data.rewards).iter().sum::<f32>());
        });
        // groups are checked, repaired where nothing hit, and selected
        bench.bench_function(BenchmarkId::new("recast", size), |b| {
            b.iter(|| {
                let Completions { rewards, scores, old_log_probs } = black_box(&data);
                let batch = Batch::new(&offsets, rewards, scores, Some(old_log_probs))
                    .expect("finite numbers");
                let signal = Signal::recast();
                signal.repair_batch(batch, BatchEvidence::default(), &mut slots);
                signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
                black_box((&slots, &outcomes));
            });
        });
        bench.bench_function(BenchmarkId::new("grpo", size), |b| {
            b.iter(|| {
                let rewards = black_box(&data.rewards).chunks(size);
                for (rewards, advantages) in rewards.zip(advantages.chunks_mut(size)) {
                    grpo(rewards, 1e-6, advantages);
                }
                black_box(&advantages);
            });
        });
        bench.finish();
    }
}

criterion_group!(benches, signals);
criterion_main!(benches);
