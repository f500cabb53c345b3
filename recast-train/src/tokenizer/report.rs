//! The quality of a tokenizer: use of the codes, collisions, losses of the codes and shares of
//! neighbours.

use crate::catalogue::SidTable;
use crate::event::{LevelReport, Neighbourhood, TokenizerReport};

impl TokenizerReport {
    /// Compares the SIDs of the quantiser with the table after collisions are resolved. An imported
    /// table stands for both, without reconstruction errors. `O(items * levels * log items)` time.
    ///
    /// # Panics
    ///
    /// If the two tables have not the same number of items.
    #[must_use]
    pub(crate) fn new(
        before: &SidTable,
        after: &SidTable,
        reconstruction_errors: &[f64],
        neighbourhood: Option<Neighbourhood>,
    ) -> Self {
        assert_eq!(before.n_items(), after.n_items(), "items before and after");
        let order = before.items_by_sid();
        let groups: Vec<usize> =
            order.chunk_by(|&a, &b| before.sid(a) == before.sid(b)).map(<[u32]>::len).collect();
        let colliding: usize = groups.iter().filter(|&&size| size > 1).sum();
        Self {
            items: before.n_items(),
            levels: (0..after.levels())
                .map(|level| {
                    LevelReport::new(after, level, reconstruction_errors.get(level).copied())
                })
                .collect(),
            distinct_before: groups.len(),
            distinct_after: after.n_distinct(),
            largest_group: groups.iter().copied().max().unwrap_or(0),
            collision_rate: colliding as f64 / before.n_items() as f64,
            neighbourhood,
        }
    }
}

impl LevelReport {
    fn new(table: &SidTable, level: usize, reconstruction_error: Option<f64>) -> Self {
        let mut counts = vec![0u32; table.codes_per_level()[level]];
        for sid in table.sids() {
            counts[usize::from(sid[level])] += 1;
        }
        let entropy = entropy(&counts);
        Self {
            codes: counts.len(),
            used: counts.iter().filter(|&&count| count > 0).count(),
            prefixes: table.n_prefixes(level + 1),
            entropy,
            perplexity: entropy.exp(),
            reconstruction_error,
        }
    }
}

/// The entropy of shares in proportion to `counts`, in nats; 0 if all counts are 0.
pub(super) fn entropy(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f64::from(count) / total;
            -share * share.ln()
        })
        .sum::<f64>()
        // a single code has entropy 0, not -0
        + 0.0
}

#[cfg(test)]
mod tests {
    use super::super::collision::Collisions;
    use super::super::residual_kmeans::tests::fit;
    use super::*;
    use crate::embedding::Embeddings;
    use crate::event::Monitor;

    fn example(collisions: Collisions) -> TokenizerReport {
        let embeddings = Embeddings::new(1, vec![1.0, 1.0, 1.0, 5.0, -3.0, 5.0]).unwrap();
        let fit = fit(&embeddings, &[8], 0);
        let before = Collisions::Keep.resolve(&fit, &embeddings).unwrap();
        let after = collisions.resolve(&fit, &embeddings).unwrap();
        let neighbourhood = Neighbourhood::new(&after, &embeddings, 1, &Monitor::silent()).unwrap();
        TokenizerReport::new(&before, &after, fit.reconstruction_errors(), Some(neighbourhood))
    }

    #[test]
    fn the_numbers_are_counted() {
        let report = example(Collisions::Keep);
        assert_eq!((report.items, report.distinct_before, report.distinct_after), (6, 3, 3));
        assert_eq!(report.largest_group, 3);
        assert!((report.collision_rate - 5.0 / 6.0).abs() < 1e-12);
        let level = &report.levels[0];
        assert_eq!((level.codes, level.used), (8, 3));
        let entropy = 0.5 * 2f64.ln() + 3f64.ln() / 3.0 + 6f64.ln() / 6.0;
        assert!((level.entropy - entropy).abs() < 1e-12);
        assert!((level.perplexity - entropy.exp()).abs() < 1e-12);
        assert!(level.reconstruction_error.unwrap().abs() < 1e-12);
    }

    #[test]
    fn an_extra_level_has_no_reconstruction_error() {
        let report = example(Collisions::ExtraLevel);
        assert_eq!(report.distinct_after, 6);
        assert_eq!((report.levels[1].codes, report.levels[1].used), (3, 3));
        assert_eq!((report.levels[0].prefixes, report.levels[1].prefixes), (3, 6));
        assert_eq!(report.levels[1].reconstruction_error, None);
    }

    #[test]
    fn it_reads_as_a_short_table() {
        let text = example(Collisions::ExtraLevel).to_string();
        assert_eq!(text.lines().count(), 8);
        assert!(
            text.contains("6 items, 3 distinct SIDs, 6 once collisions are resolved"),
            "{text}"
        );
        assert!(
            text.contains("83.3% of the items shared their SID, at most 3 one SID\n"),
            "{text}"
        );
    }

    #[test]
    fn a_written_report_reads_back() {
        let report = example(Collisions::Keep);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<TokenizerReport>(&text).unwrap(), report);
    }
}
