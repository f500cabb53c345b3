use super::*;
use crate::embedding::Embeddings;
use crate::event::Monitor;
use crate::random::{Purpose, stream};
use std::collections::BTreeSet;

fn random_rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::Catalogue, 0);
    (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn fit_with(rows: &[f32], dim: usize, n_codes: usize, options: KmeansOptions, seed: u64) -> Kmeans {
    let rows = Embeddings::new(dim, rows.to_vec()).unwrap();
    let mut rng = stream(seed, Purpose::Centroids, 0);
    let progress = Monitor::silent().progress("", 0);
    Kmeans::fit(Residuals::of(&rows), n_codes, options, &mut rng, &progress).unwrap()
}

fn fit(rows: &[f32], dim: usize, n_codes: usize, iterations: usize, seed: u64) -> Kmeans {
    fit_with(rows, dim, n_codes, KmeansOptions { iterations, ..PLAIN }, seed)
}

const PLAIN: KmeansOptions = KmeansOptions { iterations: 10, balanced: false, sample_per_code: 0 };

#[test]
fn inertia_never_rises() {
    for seed in 0..20 {
        let dim = 1 + seed as usize % 13;
        let rows = random_rows(400, dim, seed);
        let found = fit(&rows, dim, 2 + 3 * seed as usize, 25, seed);
        for pair in found.inertia.windows(2) {
            assert!(pair[1] <= pair[0] * (1.0 + 1e-6), "{:?}", found.inertia);
        }
    }
}

#[test]
fn every_row_has_its_nearest_centroid() {
    for seed in 0..10 {
        let rows = random_rows(300, 9, seed);
        let found = fit(&rows, 9, 20, 5, seed);
        for (row, &code) in rows.chunks_exact(9).zip(&found.codes) {
            let own = squared_distance(row, &found.centroids[code as usize * 9..][..9]);
            for other in found.centroids.chunks_exact(9) {
                assert!(own <= squared_distance(row, other) + 1e-5);
            }
        }
    }
}

#[test]
fn well_separated_clusters_are_found() {
    let mut rng = stream(3, Purpose::Catalogue, 0);
    let rows: Vec<f32> = (0..300)
        .flat_map(|i| [(i % 3) as f32 * 10.0, (i % 3) as f32 * -7.0])
        .map(|x| x + rng.random_range(-0.5..0.5))
        .collect();
    let found = fit(&rows, 2, 3, 20, 1);
    for i in 0..300 {
        assert_eq!(found.codes[i], found.codes[i % 3]);
    }
}

#[test]
fn more_codes_than_distinct_rows_uses_fewer() {
    let rows = [1.0, 2.0, 1.0, 2.0, -3.0, 0.5, 1.0, 2.0];
    let found = fit(&rows, 2, 16, 10, 0);
    assert_eq!(found.centroids.len(), 2 * 2);
    assert_eq!(found.codes[0], found.codes[3]);
    assert_ne!(found.codes[0], found.codes[2]);
    assert!(found.inertia[0].abs() < 1e-12);
    assert_eq!(fit(&[0.0; 12], 3, 5, 10, 0).codes, [0; 4]);
}

#[test]
fn an_empty_cluster_takes_the_farthest_row() {
    let rows = Embeddings::new(1, vec![0.0, 1.0, 2.0, 100.0]).unwrap();
    let mut centroids = [1.0, 50.0, -1000.0];
    let progress = Monitor::silent().progress("", 0);
    let rows = Residuals::of(&rows);
    let assigned = Assignment::nearest(rows, &centroids, &progress).unwrap();
    assert_eq!(assigned.codes, [0, 0, 0, 1]);
    move_to_means(&mut centroids, rows, &assigned);
    assert!((centroids[2] - 100.0).abs() < 1e-6);
    assert!((centroids[0] - 1.0).abs() < 1e-6);
}

#[test]
fn equal_seeds_give_equal_results_with_one_thread_or_two() {
    let rows = random_rows(1000, 17, 5);
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = KmeansOptions { balanced: seed == 6, ..PLAIN };
        pool.install(|| fit_with(&rows, 17, 32, options, seed))
    };
    assert_eq!(run(1, 6), run(2, 6));
    assert_eq!(run(1, 4), run(2, 4));
    assert_ne!(run(2, 4).codes, run(2, 5).codes);
}

#[test]
fn a_sample_ascends_and_repeats_nothing() {
    let mut rng = stream(1, Purpose::Centroids, 0);
    for n in [0, 1, 5, 50, 500] {
        let sample = sorted_sample(n, 50, &mut rng);
        assert_eq!(sample.len(), n.min(50));
        assert!(sample.is_sorted());
        assert_eq!(sample.iter().collect::<BTreeSet<_>>().len(), sample.len());
        assert!(sample.iter().all(|&i| (i as usize) < n));
    }
}

#[test]
fn only_positive_weights_are_drawn() {
    let mut rng = stream(2, Purpose::Centroids, 0);
    let mut counts = [0; 4];
    for _ in 0..4000 {
        counts[draw_proportional(&[0.0, 1.0, 3.0, 0.0], &mut rng).unwrap()] += 1;
    }
    assert_eq!((counts[0], counts[3]), (0, 0));
    assert!((2800..3200).contains(&counts[2]), "{counts:?}");
    assert_eq!(draw_proportional(&[0.0; 3], &mut rng), None);
}

#[test]
fn a_sample_of_every_row_changes_nothing_and_a_smaller_one_comes_near() {
    let rows = random_rows(600, 5, 3);
    let all = fit(&rows, 5, 12, 10, 3);
    let with =
        |sample_per_code| fit_with(&rows, 5, 12, KmeansOptions { sample_per_code, ..PLAIN }, 3);
    assert_eq!(with(50), all);
    let sampled = with(20);
    assert_eq!(sampled.codes.len(), 600);
    let (sampled, all) = (sampled.inertia.last().unwrap(), all.inertia.last().unwrap());
    assert!(sampled > all && *sampled < 1.2 * all, "{sampled}, all rows {all}");
}

#[test]
fn balanced_codes_take_equal_shares_where_plain_ones_starve() {
    // One dense cluster of 900 rows and 100 scattered rows.
    let mut rows = random_rows(1000, 4, 1);
    rows[..3600].iter_mut().for_each(|x| *x *= 0.05);
    let shares = |balanced| {
        let found = fit_with(&rows, 4, 20, KmeansOptions { balanced, ..PLAIN }, 1);
        let mut counts = [0usize; 20];
        found.codes.iter().for_each(|&code| counts[usize::from(code)] += 1);
        (*counts.iter().min().unwrap(), *counts.iter().max().unwrap())
    };
    let plain = shares(false);
    assert!(plain.0 < 10 && plain.1 > 200, "{plain:?}");
    assert_eq!(shares(true), (50, 50));
}

#[test]
fn the_inertia_is_that_of_plain_lloyd_from_the_same_seeds() {
    let (n, dim, n_codes) = (1500, 24, 40);
    let rows = Embeddings::new(dim, random_rows(n, dim, 8)).unwrap();
    let progress = Monitor::silent().progress("", 0);
    let mut rng = stream(8, Purpose::Centroids, 0);
    let first = first_centroids(Residuals::of(&rows), n_codes, &mut rng, &progress).unwrap();
    let mut centroids: Vec<f64> = first.into_iter().map(f64::from).collect();
    let mut inertia = 0.0;
    for _ in 0..=10 {
        let (mut sums, mut counts) = (vec![0.0; n_codes * dim], vec![0.0; n_codes]);
        inertia = 0.0;
        for row in rows.values().chunks_exact(dim) {
            let distance = |c: &[f64]| -> f64 {
                c.iter().zip(row).map(|(c, &x)| (f64::from(x) - c).powi(2)).sum()
            };
            let distances: Vec<f64> = centroids.chunks_exact(dim).map(distance).collect();
            let code = (0..n_codes).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
            let code = code.unwrap();
            inertia += distances[code];
            counts[code] += 1.0;
            for (sum, &x) in sums[code * dim..][..dim].iter_mut().zip(row) {
                *sum += f64::from(x);
            }
        }
        centroids = sums.iter().enumerate().map(|(i, sum)| sum / counts[i / dim]).collect();
    }
    let found = fit(rows.values(), dim, n_codes, 10, 8);
    let last = found.inertia.last().unwrap();
    assert!((last / inertia - 1.0).abs() < 0.01, "{last}, plain {inertia}");
}

#[test]
fn one_code_takes_every_row() {
    let rows = random_rows(9, 2, 1);
    let found = fit_with(&rows, 2, 1, KmeansOptions { balanced: true, ..PLAIN }, 1);
    assert_eq!(found.codes, [0; 9]);
    assert!(found.inertia.iter().all(|x| x.is_finite()));
}
