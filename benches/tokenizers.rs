//! Residual k-means on the embeddings of Amazon Beauty, with 3 x 256 codes and 15 rounds, plain and
//! balanced.
//!
//! ```sh
//! RECAST_DATA=... cargo bench --manifest-path benches/Cargo.toml --features train --bench tokenizers
//! ```
//!
//! Without `RECAST_DATA` random embeddings of the same size take their place.
//! `python3 benches/tokenizers.py` runs this bench and a numpy reference on Amazon Beauty, and
//! prints both.

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use rand::RngExt;
use recast_train::embedding::{Embeddings, read_embeddings};
use recast_train::event::Monitor;
use recast_train::random::{Purpose, stream};
use recast_train::tokenizer::{KmeansOptions, residual_kmeans};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn embeddings() -> (&'static str, Embeddings) {
    let folder = std::env::var_os("RECAST_DATA").unwrap_or_default();
    let path = Path::new(&folder).join("beauty/embeddings.minilm384.f16.npy");
    if path.exists() {
        return ("beauty", read_embeddings(&path).expect("embeddings"));
    }
    let mut rng = stream(1, Purpose::Catalogue, 0);
    let values = (0..12_101 * 384).map(|_| rng.random_range(-1.0..1.0)).collect();
    ("random", Embeddings::new(384, values).expect("finite numbers"))
}

fn tokenizers(criterion: &mut Criterion) {
    let (name, embeddings) = embeddings();
    let monitor = Monitor::silent();
    let mut bench = criterion.benchmark_group(format!("residual_kmeans/{name}"));
    bench.sample_size(10);
    for (label, balanced) in [("plain", false), ("balanced", true)] {
        let options = KmeansOptions { iterations: 15, balanced, sample_per_code: 0 };
        let fit = residual_kmeans(&embeddings, &[256; 3], options, 1, &monitor).expect("codes");
        println!("{label}: lost of the embeddings {:?}", fit.reconstruction_errors());
        bench.bench_function(label, |b| {
            b.iter(|| residual_kmeans(black_box(&embeddings), &[256; 3], options, 1, &monitor));
        });
    }
    bench.finish();
}

criterion_group!(benches, tokenizers);
criterion_main!(benches);
