//! Residual k-means of a large catalogue: its minutes, its peak memory and its quality.
//!
//! ```sh
//! cargo run --release -p recast-train --example million -- \
//!     --items 1000000 --dim 384 --codes 8192 --sample-per-code 32 --iterations 10
//! ```

use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use recast_train::catalogue::SidTable;
use recast_train::embedding::Embeddings;
use recast_train::event::{JobNews, Listener, Message, Monitor};
use recast_train::machine::peak_memory_bytes;
use recast_train::random::{Purpose, stream};
use recast_train::tokenizer::{KmeansOptions, residual_kmeans};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Residual k-means of generated embeddings.
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, default_value_t = 1_000_000)]
    items: usize,
    #[arg(long, default_value_t = 384)]
    dim: usize,
    #[arg(long, default_value_t = 3)]
    levels: usize,
    #[arg(long, default_value_t = 8192)]
    codes: usize,
    #[arg(long, default_value_t = 10)]
    iterations: usize,
    /// The number of sampled items a code; 0 means all items.
    #[arg(long, default_value_t = 32)]
    sample_per_code: usize,
    #[arg(long)]
    balanced: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The number of items of one random stream: fixed, so that embeddings don't depend on the
/// number of threads.
const CHUNK: usize = 1024;

/// The number of kinds of items, and of kinds within kinds.
const KINDS: usize = 2000;

/// Item embeddings with noise around one of many centres, around one of fewer centres: a catalogue
/// with near duplicates.
fn generate(items: usize, dim: usize, seed: u64) -> Embeddings {
    let normal = |index: u64, length: usize| -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Catalogue, index);
        (0..length).map(|_| StandardNormal.sample(&mut rng)).collect()
    };
    let (outer, inner) = (normal(0, KINDS * dim), normal(1, KINDS * dim));
    let mut values = vec![0.0; items * dim];
    values.par_chunks_mut(CHUNK * dim).enumerate().for_each(|(chunk, values)| {
        let mut rng = stream(seed, Purpose::Catalogue, 2 + chunk as u64);
        for (i, row) in values.chunks_exact_mut(dim).enumerate() {
            let item = chunk * CHUNK + i;
            // the multipliers spread neighbouring numbers over unlike kinds
            let (a, b) = (item * 7919 % KINDS, item * 104_729 / 31 % KINDS);
            let centres = outer[a * dim..].iter().zip(&inner[b * dim..]);
            for (x, (outer, inner)) in row.iter_mut().zip(centres) {
                let noise: f32 = StandardNormal.sample(&mut rng);
                *x = outer + 0.5 * inner + 0.25 * noise;
            }
        }
    });
    Embeddings::new(dim, values).expect("finite numbers")
}

fn main() -> recast_train::Result<()> {
    let arguments = Arguments::parse();
    let Arguments { items, dim, levels, codes, iterations, sample_per_code, balanced, seed } =
        arguments;
    let started = Instant::now();
    let embeddings = generate(items, dim, seed);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let size = megabytes((items * dim * size_of::<f32>()) as u64);
    println!("{items} x {dim}: {size:.0} MB, made in {:.0} s", started.elapsed().as_secs_f64());

    let options = KmeansOptions { iterations, balanced, sample_per_code };
    let begun = Listener::new(|message| {
        if let Message::Job { label, news: JobNews::Begun(total), .. } = message {
            eprintln!("{label}: {total} pieces of work");
        }
    });
    let monitor = Monitor::new(Some(begun), Arc::default());
    let started = Instant::now();
    let fit = residual_kmeans(&embeddings, &vec![codes; levels], options, seed, &monitor)?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{levels} x {codes} codes in {seconds:.2} s, {:.1} minutes", seconds / 60.0);
    println!("lost of the embeddings: {:.4?}", fit.reconstruction_errors());
    let table = SidTable::new(fit.codes_per_level().to_vec(), fit.codes().to_vec())?;
    println!("{} distinct SIDs", table.n_distinct());
    match peak_memory_bytes().map(megabytes) {
        Some(peak) => println!("peak memory {peak:.0} MB, {:.2} of the embeddings", peak / size),
        None => println!("peak memory: this system does not tell"),
    }
    Ok(())
}
