//! Item embeddings made from the data alone: neighbours in the histories, and the words of the
//! texts.

use super::cooccurrence::positive_mutual_information;
use super::sparse::SparseMatrix;
use super::svd::truncated_svd;
use super::text::tf_idf;
use super::{Embeddings, make_unit};
use crate::random::{Purpose, stream};

/// Items at most this many steps apart count as neighbours.
const WINDOW: usize = 5;

impl Embeddings {
    /// Embeds items by their neighbours in `sequences` and, if given, the words of their texts.
    ///
    /// ```text
    /// e_i = unit(concat(unit(U_i S^0.5 of the mutual information), unit(U_i S^0.5 of the tf-idf)))
    /// ```
    ///
    /// `unit` divides by the Euclidean length and leaves zeros alone: an item that is in no
    /// sequence and has no known word gets zeros. With texts each part has half of `dim` (the
    /// neighbours take the odd one). Zeros fill up a part with fewer directions than that. Equal
    /// seeds give equal embeddings for any number of threads.
    ///
    /// # Panics
    ///
    /// If `n_items` or `dim` is 0, an item is not below `n_items`, or there is not one text per
    /// item.
    #[must_use]
    pub fn from_data<S: AsRef<[u32]> + Sync>(
        sequences: &[S],
        n_items: usize,
        texts: Option<&[Option<String>]>,
        dim: usize,
        seed: u64,
    ) -> Self {
        assert!(n_items > 0 && dim > 0, "{n_items} items of width {dim}: both must be positive");
        let text_dim = if texts.is_some() { dim / 2 } else { 0 };
        let neighbours = positive_mutual_information(sequences, n_items, WINDOW);
        let mut values = vec![0.0; n_items * dim];
        write_part(&mut values, dim, 0..dim - text_dim, &neighbours, seed, 0);
        if let Some(texts) = texts {
            assert_eq!(texts.len(), n_items, "{} texts for {n_items} items", texts.len());
            write_part(&mut values, dim, dim - text_dim..dim, &tf_idf(texts), seed, 1);
        }
        values.chunks_exact_mut(dim).for_each(make_unit);
        Self::new(dim, values).expect("unit vectors and zeros are finite")
    }
}

/// Writes the unit vectors of one matrix into the columns `part` of every row.
fn write_part(
    values: &mut [f32],
    dim: usize,
    part: std::ops::Range<usize>,
    matrix: &SparseMatrix,
    seed: u64,
    index: u64,
) {
    let svd = truncated_svd(matrix, part.len(), &mut stream(seed, Purpose::Embedding, index));
    for (i, row) in values.chunks_exact_mut(dim).enumerate() {
        // A row without entries is zero up to rounding, which must not be blown up to length 1.
        if matrix.row(i).next().is_none() {
            continue;
        }
        let target = &mut row[part.clone()];
        for (k, (x, s)) in target.iter_mut().zip(&svd.singular_values).enumerate() {
            *x = svd.left[(i, k)] * s.max(0.0).sqrt();
        }
        make_unit(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two worlds of five items; no sequence and no word crosses. Item 10 is never seen.
    fn two_worlds() -> (Vec<Vec<u32>>, Vec<Option<String>>) {
        let sequences = (0..40u32)
            .map(|user| (0..4).map(|step| (user % 2) * 5 + (user * 3 + step * 2) % 5).collect())
            .collect();
        let texts = (0..11)
            .map(|i| (i < 10).then(|| format!("{} {}", ["soap", "lamp"][i / 5], i % 3)))
            .collect();
        (sequences, texts)
    }

    fn cosine(embeddings: &Embeddings, i: usize, j: usize) -> f32 {
        embeddings.row(i).iter().zip(embeddings.row(j)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn items_of_one_world_are_closer_than_items_of_two() {
        let (sequences, texts) = two_worlds();
        for texts in [None, Some(&texts[..])] {
            let embeddings = Embeddings::from_data(&sequences, 11, texts, 4, 7);
            let near = cosine(&embeddings, 0, 1);
            let far = cosine(&embeddings, 0, 6);
            assert!(near > far + 0.2, "{near} is not above {far}");
        }
    }

    #[test]
    fn seen_items_have_length_one_and_others_are_zero() {
        let (sequences, texts) = two_worlds();
        for (texts, dim) in [(None, 4), (Some(&texts[..]), 7), (Some(&texts[..]), 1), (None, 64)] {
            let embeddings = Embeddings::from_data(&sequences, 11, texts, dim, 7);
            assert_eq!((embeddings.rows(), embeddings.dim()), (11, dim));
            for i in 0..10 {
                assert!((cosine(&embeddings, i, i) - 1.0).abs() < 1e-5);
            }
            assert!(embeddings.row(10).iter().all(|x| x.abs() == 0.0));
        }
    }

    #[test]
    fn equal_seeds_give_equal_embeddings_with_one_thread_or_two() {
        let (sequences, texts) = two_worlds();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Embeddings::from_data(&sequences, 11, Some(&texts), 6, 7))
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn no_sequence_at_all_gives_zeros() {
        let embeddings = Embeddings::from_data::<Vec<u32>>(&[], 3, None, 4, 7);
        assert!(embeddings.values().iter().all(|x| x.abs() == 0.0));
    }
}
