//! Items that quantisation gave the same SID, and ways to tell them apart.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::assignment::squared_distance;
use super::residual::{Quantised, subtract};
use crate::catalogue::MAX_CODES;
use crate::catalogue::SidTable;
use crate::embedding::Embeddings;
use crate::error::{Error, Result};

/// The way to tell items that share a SID apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collisions {
    /// One more level, whose code numbers the items of a SID in item order, from 0. The level has
    /// as many codes as the largest group has items, and exists even if no items collide.
    ///
    /// See "Recommender Systems with Generative Retrieval", Rajput et al.,
    /// <https://arxiv.org/abs/2305.05065>, section 3.1.
    #[default]
    ExtraLevel,
    /// The item closest to the centroids of a SID keeps it. The other items, closest first, move to
    /// the nearest free code of the last level, or of an earlier one if a prefix is full.
    NearestFree,
    /// Items continue to share SIDs.
    Keep,
}

impl Collisions {
    /// The SIDs of all items after collisions are resolved.
    ///
    /// Deterministic; ties go to the lowest item, then to the lowest code. A code without a
    /// centroid stands at the origin of the residuals. `NearestFree` takes
    /// `O(moved items * codes * D)` time.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if more than 65536 items share a SID under `ExtraLevel`, or there are more
    /// items than SIDs under `NearestFree`.
    ///
    /// # Panics
    ///
    /// If `fit` is not a fit of `vectors`: the embeddings, or the latent vectors of an encoder.
    pub(crate) fn resolve(self, fit: &Quantised, vectors: &Embeddings) -> Result<SidTable> {
        let table = SidTable::new(fit.codes_per_level().to_vec(), fit.codes().to_vec())?;
        assert_eq!(table.n_items(), vectors.rows(), "items of the fit, rows of vectors");
        match self {
            Self::ExtraLevel => with_extra_level(&table),
            Self::NearestFree => with_nearest_free(&table, fit, vectors),
            Self::Keep => Ok(table),
        }
    }
}

fn with_extra_level(table: &SidTable) -> Result<SidTable> {
    let mut numbers = vec![0; table.n_items()];
    let mut largest = 0;
    for group in table.items_by_sid().chunk_by(|&a, &b| table.sid(a) == table.sid(b)) {
        for (number, &item) in group.iter().enumerate() {
            numbers[item as usize] = number;
        }
        largest = largest.max(group.len());
    }
    if largest > MAX_CODES {
        return Err(Error::data(
            format!("{largest} items share one SID, where a level has at most {MAX_CODES} codes"),
            "use more levels or codes, or embeddings that tell the items apart",
        ));
    }
    let codes = table
        .sids()
        .zip(numbers)
        .flat_map(|(sid, number)| sid.iter().copied().chain([number as u16]))
        .collect();
    SidTable::new([table.codes_per_level(), &[largest]].concat(), codes)
}

fn with_nearest_free(table: &SidTable, fit: &Quantised, vectors: &Embeddings) -> Result<SidTable> {
    let mut places = Places::new(fit);
    if places.capacity(0) < table.n_items() as u64 {
        return Err(Error::data(
            format!(
                "{} items for {} SIDs of {:?} codes",
                table.n_items(),
                places.capacity(0),
                table.codes_per_level()
            ),
            "use more levels or codes, or keep collisions",
        ));
    }

    let mut moved: Vec<(f32, u32)> = Vec::new();
    for group in table.items_by_sid().chunk_by(|&a, &b| table.sid(a) == table.sid(b)) {
        places.occupy(table.sid(group[0]));
        if group.len() > 1 {
            let mut by_distance: Vec<(f32, u32)> = group
                .iter()
                .map(|&item| {
                    let rest = places.residual(vectors.row(item as usize), table.sid(item));
                    (rest.iter().map(|x| x * x).sum(), item)
                })
                .collect();
            by_distance.sort_by(closest_first);
            moved.extend_from_slice(&by_distance[1..]);
        }
    }
    moved.sort_by(closest_first);

    let levels = table.levels();
    let mut codes: Vec<u16> = table.sids().flatten().copied().collect();
    for (_, item) in moved {
        let sid = places.nearest_free(vectors.row(item as usize), table.sid(item));
        places.occupy(&sid);
        codes[item as usize * levels..][..levels].copy_from_slice(&sid);
    }
    SidTable::new(table.codes_per_level().to_vec(), codes)
}

fn closest_first(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// The SIDs that are taken, counted under each of their prefixes.
struct Places<'a> {
    fit: &'a Quantised,
    origin: Vec<f32>,
    taken: HashMap<Vec<u16>, u64>,
}

impl<'a> Places<'a> {
    fn new(fit: &'a Quantised) -> Self {
        Self { fit, origin: vec![0.0; fit.dim()], taken: HashMap::new() }
    }

    /// The number of SIDs below a prefix of `level` codes.
    fn capacity(&self, level: usize) -> u64 {
        let codes = &self.fit.codes_per_level()[level..];
        codes.iter().fold(1, |product, &n| product.saturating_mul(n as u64))
    }

    fn is_full(&self, prefix: &[u16]) -> bool {
        self.taken.get(prefix).is_some_and(|&n| n >= self.capacity(prefix.len()))
    }

    fn occupy(&mut self, sid: &[u16]) {
        for level in 0..=sid.len() {
            *self.taken.entry(sid[..level].to_vec()).or_insert(0) += 1;
        }
    }

    fn centroid(&self, level: usize, code: u16) -> &[f32] {
        self.fit.centroid(level, code).unwrap_or(&self.origin)
    }

    /// The residual of a vector after a prefix.
    fn residual(&self, vector: &[f32], prefix: &[u16]) -> Vec<f32> {
        let mut rest = vector.to_vec();
        for (level, &code) in prefix.iter().enumerate() {
            subtract(&mut rest, self.centroid(level, code));
        }
        rest
    }

    /// A free SID that shares the longest prefix of `sid` with room and is nearest at each level
    /// after it.
    ///
    /// At least one SID must be free. A prefix that is not full has a code that is not full, so the
    /// descent never meets a dead end.
    fn nearest_free(&self, vector: &[f32], sid: &[u16]) -> Vec<u16> {
        let kept = (0..sid.len()).rev().find(|&level| !self.is_full(&sid[..level])).unwrap_or(0);
        let mut found = sid[..kept].to_vec();
        let mut rest = self.residual(vector, &found);
        for level in kept..sid.len() {
            let mut best = (f32::INFINITY, 0);
            found.push(0);
            for code in 0..self.fit.codes_per_level()[level] {
                let code = code as u16;
                found[level] = code;
                let distance = squared_distance(&rest, self.centroid(level, code));
                if distance < best.0 && !self.is_full(&found) {
                    best = (distance, code);
                }
            }
            found[level] = best.1;
            subtract(&mut rest, self.centroid(level, best.1));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::residual_kmeans::tests::{self, random_embeddings};
    use super::*;

    fn fit(embeddings: &Embeddings, codes: &[usize]) -> Quantised {
        tests::fit(embeddings, codes, 1)
    }

    #[test]
    fn an_extra_level_numbers_the_items_of_a_sid() {
        let values = vec![1.0, 5.0, 1.0, 1.0, 5.0, -3.0];
        let embeddings = Embeddings::new(1, values).unwrap();
        let table = Collisions::ExtraLevel.resolve(&fit(&embeddings, &[3]), &embeddings).unwrap();
        assert_eq!(table.codes_per_level(), [3, 3]);
        let numbers: Vec<u16> = table.sids().map(|sid| sid[1]).collect();
        assert_eq!(numbers, [0, 0, 1, 2, 1, 0]);
        assert_eq!(table.n_distinct(), 6);
    }

    #[test]
    fn all_sids_are_distinct_after_moving_or_numbering() {
        for seed in 0..12 {
            let embeddings = random_embeddings(60, 5, seed);
            for codes in [&[4, 4, 4][..], &[64], &[2, 3, 10], &[60, 1], &[16, 4]] {
                let fit = fit(&embeddings, codes);
                for collisions in [Collisions::NearestFree, Collisions::ExtraLevel] {
                    let table = collisions.resolve(&fit, &embeddings).unwrap();
                    assert_eq!(table.n_distinct(), 60, "{collisions:?} {codes:?}");
                    assert_eq!(table, collisions.resolve(&fit, &embeddings).unwrap());
                }
                let kept = Collisions::Keep.resolve(&fit, &embeddings).unwrap();
                assert!(kept.sids().flatten().eq(fit.codes()));
            }
        }
    }

    #[test]
    fn equal_items_fill_every_code_that_has_no_centroid() {
        let embeddings = Embeddings::new(2, vec![0.5; 16]).unwrap();
        let table =
            Collisions::NearestFree.resolve(&fit(&embeddings, &[2, 4]), &embeddings).unwrap();
        assert_eq!(table.n_distinct(), 8);
        assert_eq!(table.sid(0), [0, 0], "the lowest item keeps its SID");
        assert_eq!(table.sid(1), [0, 1], "the next moves within its prefix");
    }

    #[test]
    fn the_closest_item_keeps_its_sid_and_others_move_to_the_nearest_free_code() {
        // One cluster around 0 with 0.0 at its centre, one at 10, one at 12.
        let embeddings = Embeddings::new(1, vec![-0.1, 0.0, 0.1, 10.0, 12.0]).unwrap();
        let fit = fit(&embeddings, &[3, 2]);
        let raw = Collisions::Keep.resolve(&fit, &embeddings).unwrap();
        let table = Collisions::NearestFree.resolve(&fit, &embeddings).unwrap();
        assert_eq!(table.n_distinct(), 5);
        let unmoved = (0..5).filter(|&i| table.sid(i) == raw.sid(i)).count();
        assert_eq!(unmoved, raw.n_distinct());
        for item in 3..5 {
            assert_eq!(table.sid(item)[0], raw.sid(item)[0]);
        }
    }

    #[test]
    fn too_few_sids_give_both_numbers() {
        let embeddings = random_embeddings(20, 3, 0);
        let error =
            Collisions::NearestFree.resolve(&fit(&embeddings, &[3, 6]), &embeddings).unwrap_err();
        assert!(error.to_string().contains("20 items for 18 SIDs of [3, 6] codes"), "{error}");
    }

    #[test]
    fn names_are_snake_case() {
        let name = serde_json::to_string(&Collisions::NearestFree).unwrap();
        assert_eq!(name, "\"nearest_free\"");
    }
}
