use super::super::residual_kmeans::tests::random_embeddings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::event::{Listener, Message};
use crate::optim::Stage;
use recast_burn::DeviceKind;

const KMEANS: KmeansOptions = KmeansOptions { iterations: 5, balanced: false, sample_per_code: 0 };

fn small() -> RqVaeOptions {
    RqVaeOptions {
        hidden: vec![16],
        latent_dim: 4,
        pretrain_epochs: 5,
        epochs: 20,
        batch_items: 64,
        ..RqVaeOptions::default()
    }
}

fn fit(
    embeddings: &Embeddings,
    options: &RqVaeOptions,
    seed: u64,
) -> Result<(Quantised, Embeddings)> {
    let monitor = Monitor::silent();
    fit_in(embeddings, options, seed, Journal::without_checkpoints(&monitor))
}

fn fit_in(
    embeddings: &Embeddings,
    options: &RqVaeOptions,
    seed: u64,
    journal: Journal<'_>,
) -> Result<(Quantised, Embeddings)> {
    let device = DeviceKind::Cpu.device();
    rq_vae(embeddings, &[16, 16], options, KMEANS, seed, &device, journal)
}

/// Points on a curved surface of two dimensions in eight.
fn surface(n: usize) -> Embeddings {
    let plane = random_embeddings(n, 2, 5);
    let rows = plane.values().chunks_exact(2).flat_map(|p| {
        (0..8).map(move |k| (p[0] * (k % 3) as f32 + p[1] * (k % 5) as f32 + k as f32).sin())
    });
    Embeddings::new(8, rows.collect()).unwrap()
}

#[test]
fn training_lowers_the_reconstruction_error() {
    let embeddings = surface(400);
    let error = |epochs| {
        let options = RqVaeOptions { epochs, learning_rate: 5e-3, ..small() };
        let (found, _) = fit(&embeddings, &options, 1).unwrap();
        *found.reconstruction_errors().last().unwrap()
    };
    let (first, last) = (error(1), error(60));
    assert!(last < 0.5 * first, "{last} after training, {first} before");
}

#[test]
fn every_item_has_the_nearest_code_of_its_latent() {
    let embeddings = surface(150);
    let (found, latents) = fit(&embeddings, &small(), 1).unwrap();
    assert_eq!((latents.rows(), latents.dim(), found.dim()), (150, 4, 4));
    let distance =
        |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    for i in 0..150 {
        let codes = &found.codes()[i * 2..][..2];
        let own = distance(latents.row(i), found.centroid(0, codes[0]).unwrap());
        for code in 0..16 {
            let other = distance(latents.row(i), found.centroid(0, code).unwrap());
            assert!(own <= other + 1e-4);
        }
    }
}

#[test]
fn equal_seeds_give_equal_codes_and_others_do_not() {
    let embeddings = surface(150);
    let run = |seed| fit(&embeddings, &small(), seed).unwrap();
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).0.codes(), run(4).0.codes());
}

/// A monitor that asks to stop after an epoch.
fn until(last: usize) -> Monitor {
    let asked: Arc<AtomicBool> = Arc::default();
    let ask = Arc::clone(&asked);
    let listener = Listener::new(move |message| {
        if let Message::Event(Event::RqVaeEpoch(epoch)) = message {
            ask.store(epoch.epoch == last, Ordering::Relaxed);
        }
    });
    Monitor::new(Some(listener), asked)
}

#[test]
fn a_training_that_ended_early_goes_on_to_equal_codes() {
    let embeddings = surface(150);
    // codes that nobody takes are set anew, and a resumed training sets the same ones
    let options = RqVaeOptions { min_perplexity: 0.0, epochs: 40, ..small() };
    let whole = fit(&embeddings, &options, 3).unwrap();
    // before, at and after the start of the codebooks; a checkpoint stands after every third epoch
    for last in [1, 4, 5, 6, 7, 20, 44] {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::new(folder.path(), "sid");
        let monitor = until(last);
        let journal = Journal { stage: Some(&stage), monitor: &monitor };
        let stopped = fit_in(&embeddings, &options, 3, journal).unwrap_err();
        assert!(matches!(stopped, Error::Interrupted { .. }), "{stopped}");
        let monitor = Monitor::silent();
        let journal = Journal { stage: Some(&stage), monitor: &monitor };
        assert_eq!(fit_in(&embeddings, &options, 3, journal).unwrap(), whole, "{last}");
        // a finished training is not repeated
        assert_eq!(fit_in(&embeddings, &options, 3, journal).unwrap(), whole, "{last}");
    }
}

#[test]
fn an_unused_code_is_set_on_what_is_left_of_an_item() {
    let (embeddings, options, monitor) = (surface(80), small(), Monitor::silent());
    let standard = Standard::of(&embeddings);
    let device = DeviceKind::Cpu.device().autodiff();
    let mut rng = stream(1, Purpose::RqVae, 0);
    let mut training = Training {
        model: Autoencoder::new(8, &options, &mut rng, &device),
        embeddings: &embeddings,
        standard: &standard,
        codes_per_level: &[16, 16],
        options: &options,
        seed: 1,
    };
    training.start_codebooks(KMEANS, &monitor).unwrap();
    let before = training.codebooks();
    let mut counts = vec![vec![1; 16]; 2];
    counts[1][3] = 0;
    assert_eq!(training.reset_unused(&counts, 1, &monitor).unwrap(), [0, 1]);

    let after = training.codebooks();
    assert_eq!(after[0], before[0]);
    let rows = before[1].chunks_exact(4).zip(after[1].chunks_exact(4));
    let changed: Vec<usize> =
        rows.enumerate().filter(|(_, (a, b))| a != b).map(|(code, _)| code).collect();
    assert_eq!(changed, [3]);
    let latents = training.encode(&all(&embeddings), &monitor).unwrap();
    let codes = training.assign(&latents, &before, &monitor).unwrap();
    let mut left = Vec::new();
    let residuals = Residuals::after(&latents, &before[..1], &codes, 2);
    (0..80).for_each(|i| residuals.append(i, &mut left));
    let nearest = left
        .chunks_exact(4)
        .map(|row| row.iter().zip(&after[1][12..]).map(|(a, b)| (a - b).powi(2)).sum())
        .fold(f32::INFINITY, f32::min);
    assert!(nearest < 1e-10, "{nearest}");
}

#[test]
fn a_collapse_stops_with_what_to_change() {
    // Every item but one is the same: no level can use more than two codes.
    let mut values = vec![0.5; 200 * 3];
    values[0] = 9.0;
    let embeddings = Embeddings::new(3, values).unwrap();
    let error = fit(&embeddings, &small(), 1).unwrap_err().to_string();
    assert!(error.contains("level 1 uses its 16 codes like 1."), "{error}");
    assert!(error.contains("tokenizer.rq_vae.learning_rate"), "{error}");
}

#[test]
fn equal_embeddings_give_equal_codes() {
    let embeddings = Embeddings::new(3, vec![0.5; 30]).unwrap();
    let options = RqVaeOptions { min_perplexity: 0.0, ..small() };
    let (found, _) = fit(&embeddings, &options, 1).unwrap();
    let codes = found.codes();
    assert!(codes.chunks_exact(2).all(|sid| sid == &codes[..2]), "{codes:?}");
}
