//! The share of the embeddings' neighbourhoods that a shared prefix keeps.

use nalgebra::{DMatrix, DMatrixView};
use rayon::prelude::*;

use super::kmeans::sorted_sample;
use crate::catalogue::SidTable;
use crate::embedding::Embeddings;
use crate::error::Result;
use crate::event::{Monitor, Neighbourhood, SharedPrefix};
use crate::random::{Purpose, stream};

/// The number of neighbours of each item.
const NEIGHBOURS: usize = 10;

/// The number of sampled items with neighbours; all items if there are no more.
const SAMPLE: usize = 2000;

/// The number of sampled items, and of items that they are compared with, of one matrix product.
/// The number is fixed, so that results don't depend on the number of threads.
const SAMPLED_AT_ONCE: usize = 64;
const COMPARED_AT_ONCE: usize = 1024;

impl Neighbourhood {
    /// Finds the 10 nearest neighbours by cosine of each of 2,000 items among all items, and counts
    /// how many share a prefix with the item. A catalogue of fewer items is compared whole.
    ///
    /// An item is no neighbour of itself; ties go to the lowest item. Zero vectors, which have no
    /// cosine, are left out. The share of random pairs is exact. Equal seeds give equal results for
    /// any number of threads. `O(sampled * items * D)` time, memory for one number an item.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`](crate::Error::Interrupted) after the user asked to stop.
    ///
    /// # Panics
    ///
    /// If there is not one embedding per SID.
    pub(crate) fn new(
        table: &SidTable,
        embeddings: &Embeddings,
        seed: u64,
        monitor: &Monitor,
    ) -> Result<Self> {
        assert_eq!(table.n_items(), embeddings.rows(), "items, rows of embeddings");
        let scales = inverse_lengths(embeddings);
        let usable: Vec<u32> =
            (0..scales.len() as u32).filter(|&i| scales[i as usize] > 0.0).collect();
        let mut rng = stream(seed, Purpose::Neighbours, 0);
        let sample: Vec<u32> = sorted_sample(usable.len(), SAMPLE, &mut rng)
            .into_iter()
            .map(|i| usable[i as usize])
            .collect();
        let progress = monitor.progress("neighbours", sample.len() as u64);
        let shared: Vec<Vec<u64>> = sample
            .par_chunks(SAMPLED_AT_ONCE)
            .map(|sampled| {
                progress.advance_or_stop(sampled.len() as u64)?;
                let mut shared = vec![0; table.levels()];
                for (neighbours, &item) in
                    nearest_by_cosine(sampled, embeddings, &scales).iter().zip(sampled)
                {
                    for &(_, neighbour) in neighbours {
                        let length = common_prefix(table.sid(item), table.sid(neighbour));
                        shared[..length].iter_mut().for_each(|count| *count += 1);
                    }
                }
                Ok(shared)
            })
            .collect::<Result<_>>()?;
        progress.finish();

        let neighbours = NEIGHBOURS.min(usable.len().saturating_sub(1));
        let pairs = (sample.len() * neighbours).max(1) as f64;
        let prefixes = (0..table.levels()).map(|level| SharedPrefix {
            neighbours: shared.iter().map(|shared| shared[level]).sum::<u64>() as f64 / pairs,
            random: random_share(table, level + 1),
        });
        Ok(Self {
            sampled: sample.len(),
            items: usable.len(),
            neighbours,
            prefixes: prefixes.collect(),
        })
    }
}

/// `1 / |x|` of each row; 0 for zeros.
fn inverse_lengths(embeddings: &Embeddings) -> Vec<f32> {
    let inverse = |row: &[f32]| {
        let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if length > 0.0 { (1.0 / length) as f32 } else { 0.0 }
    };
    embeddings.values().par_chunks(embeddings.dim()).map(inverse).collect()
}

/// The nearest neighbours of each sampled item with their cosines, the nearest first.
fn nearest_by_cosine(
    sampled: &[u32],
    embeddings: &Embeddings,
    scales: &[f32],
) -> Vec<Vec<(f32, u32)>> {
    let dim = embeddings.dim();
    let rows: Vec<f32> = sampled
        .iter()
        .flat_map(|&i| {
            let scale = scales[i as usize];
            embeddings.row(i as usize).iter().map(move |x| x * scale)
        })
        .collect();
    let sampled_rows = DMatrix::from_row_slice(sampled.len(), dim, &rows);
    let mut found = vec![Vec::with_capacity(NEIGHBOURS + 1); sampled.len()];
    for (block, rows) in embeddings.values().chunks(COMPARED_AT_ONCE * dim).enumerate() {
        let others = DMatrixView::from_slice(rows, dim, rows.len() / dim);
        // [sampled, dim] x [dim, others]
        let products = &sampled_rows * others;
        for (k, products) in products.as_slice().chunks_exact(sampled.len()).enumerate() {
            let other = (block * COMPARED_AT_ONCE + k) as u32;
            let scale = scales[other as usize];
            for ((found, &item), product) in found.iter_mut().zip(sampled).zip(products) {
                if item != other && scale > 0.0 {
                    keep_nearest(found, (product * scale, other));
                }
            }
        }
    }
    found
}

/// Inserts a candidate behind those of equal cosine, and drops the farthest beyond [`NEIGHBOURS`].
fn keep_nearest(found: &mut Vec<(f32, u32)>, candidate: (f32, u32)) {
    if found.len() == NEIGHBOURS && found[NEIGHBOURS - 1].0 >= candidate.0 {
        return;
    }
    let place = found.partition_point(|kept| kept.0 >= candidate.0);
    found.insert(place, candidate);
    found.truncate(NEIGHBOURS);
}

fn common_prefix(a: &[u16], b: &[u16]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The share of pairs of different items with the same first `length` codes; 0 if there is one
/// item.
fn random_share(table: &SidTable, length: usize) -> f64 {
    let prefix = |item: u32| &table.sid(item)[..length];
    let order = table.items_by_sid();
    let pairs = |n: usize| n as f64 * (n as f64 - 1.0);
    let shared: f64 =
        order.chunk_by(|&a, &b| prefix(a) == prefix(b)).map(|group| pairs(group.len())).sum();
    shared / pairs(table.n_items()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::residual_kmeans::tests::random_embeddings;
    use super::*;

    fn measured(table: &SidTable, embeddings: &Embeddings) -> Neighbourhood {
        Neighbourhood::new(table, embeddings, 1, &Monitor::silent()).unwrap()
    }

    #[test]
    fn neighbours_equal_those_of_a_search_through_all() {
        let embeddings = random_embeddings(COMPARED_AT_ONCE + 80, 6, 1);
        let scales = inverse_lengths(&embeddings);
        let cosine = |i: usize, j: usize| -> f32 {
            let products = embeddings.row(i).iter().zip(embeddings.row(j)).map(|(a, b)| a * b);
            products.sum::<f32>() * scales[i] * scales[j]
        };
        let sampled = [0, 5, 1099];
        for (found, &item) in nearest_by_cosine(&sampled, &embeddings, &scales).iter().zip(&sampled)
        {
            let mut all: Vec<f32> = (0..embeddings.rows())
                .filter(|&j| j != item as usize)
                .map(|j| cosine(item as usize, j))
                .collect();
            all.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(found.len(), NEIGHBOURS);
            for (&(value, neighbour), expected) in found.iter().zip(all) {
                assert!((value - expected).abs() < 1e-5);
                assert!((cosine(item as usize, neighbour as usize) - value).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn shares_are_counted_by_prefix() {
        // Two bundles of directions with 11 items each; the first code names the bundle, the second
        // its half.
        let rows = (0..22).flat_map(|i| {
            let angle = (i / 11) as f32 * 1.5 + i as f32 * 0.001;
            [angle.cos(), angle.sin()]
        });
        let embeddings = Embeddings::new(2, rows.collect()).unwrap();
        let codes = (0..22).flat_map(|i| [(i / 11) as u16, u16::from(i % 11 < 5), i as u16]);
        let table = SidTable::new(vec![2, 2, 22], codes.collect()).unwrap();
        let found = measured(&table, &embeddings);
        assert_eq!((found.sampled, found.items, found.neighbours), (22, 22, 10));
        assert!((found.prefixes[0].neighbours - 1.0).abs() < 1e-12);
        let half = (5.0 * 4.0 + 6.0 * 5.0) / 110.0;
        assert!((found.prefixes[1].neighbours - half).abs() < 1e-12);
        assert!(found.prefixes[2].neighbours.abs() < 1e-12);
        let pairs = 22.0 * 21.0;
        assert!((found.prefixes[0].random - 2.0 * 110.0 / pairs).abs() < 1e-12);
        assert!((found.prefixes[1].random - 2.0 * 50.0 / pairs).abs() < 1e-12);
        let text = found.to_string();
        assert!(text.contains("10 nearest neighbours (of 22 of 22 items)"), "{text}");
        assert!(text.contains("     1  100.0%   47.619%"), "{text}");
    }

    #[test]
    fn zero_vectors_and_lone_items_are_left_out() {
        let embeddings = Embeddings::new(1, vec![0.0, 2.0, -1.0, 0.0]).unwrap();
        let table = SidTable::new(vec![1], vec![0; 4]).unwrap();
        let found = measured(&table, &embeddings);
        assert_eq!((found.sampled, found.items, found.neighbours), (2, 2, 1));
        assert!((found.prefixes[0].neighbours - 1.0).abs() < 1e-12);
        let one = SidTable::new(vec![1], vec![0]).unwrap();
        let found = measured(&one, &Embeddings::new(1, vec![1.0]).unwrap());
        assert_eq!((found.sampled, found.neighbours), (1, 0));
        assert!(
            found.prefixes[0].neighbours.abs() < 1e-12 && found.prefixes[0].random.abs() < 1e-12
        );
    }

    #[test]
    fn equal_seeds_give_equal_results_with_one_thread_or_two() {
        let embeddings = random_embeddings(SAMPLE + 300, 3, 1);
        let table =
            SidTable::new(vec![50], (0..embeddings.rows() as u16).map(|i| i % 50).collect());
        let table = table.unwrap();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| measured(&table, &embeddings))
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1).sampled, SAMPLE);
    }
}
