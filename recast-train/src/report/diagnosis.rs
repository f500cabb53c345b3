//! Diagnoses of decoders as two tables: by level, and by exact search.

use std::fmt::{self, Display};

use super::figures::{cells, columns, heading};
use crate::event::{Both, Diagnosis};

/// The diagnoses of a run's decoders on the same prompts.
pub(crate) struct DiagnosisTable<'a> {
    pub(crate) decoders: &'a [Diagnosis],
    /// Whether the primary figure masks the history.
    pub(crate) mask_history: bool,
}

impl Display for DiagnosisTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Diagnosis { prompts, share, .. }) = self.decoders.first() else { return Ok(()) };
        writeln!(
            f,
            "diagnosis, {prompts} prompts, {:.1}% of the test, exact search",
            100.0 * share
        )?;
        writeln!(
            f,
            "{:<12} {:>5} {:>14} {:>8} {:>11}",
            "decoder", "level", "NLL, all codes", "in trie", "prefix R@10"
        )?;
        for decoder in self.decoders {
            let losses = decoder.nll_vocabulary.iter().zip(&decoder.nll_trie);
            for (level, (all, trie)) in losses.enumerate() {
                let title = if level == 0 { &decoder.title[..] } else { "" };
                write!(f, "{title:<12} {:>5} {all:>14.4} {trie:>8.4}", level + 1)?;
                match decoder.prefix_recall_at_10.get(level) {
                    Some(recall) => writeln!(f, " {recall:>11.4}")?,
                    None => writeln!(f, " {:>11}", "-")?,
                }
            }
        }
        write!(f, "\n{}", heading("decoder     ", self.mask_history))?;
        for Diagnosis { title, exact, .. } in self.decoders {
            let values = Both::of(|mask_history| columns(exact.get(mask_history)));
            write!(f, "\n{title:<12}{}", cells(values, self.mask_history))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Metrics;

    #[test]
    fn a_level_has_a_row_and_the_whole_semantic_id_no_prefix() {
        let decoder = Diagnosis {
            name: "sft".to_owned(),
            title: "SFT".to_owned(),
            prompts: 30,
            share: 0.25,
            nll_vocabulary: vec![3.0, 2.0],
            nll_trie: vec![2.5, 1.0],
            prefix_recall_at_10: vec![0.75],
            exact: Both { unmasked: Metrics::default(), masked: Metrics::default() },
        };
        let table = DiagnosisTable { decoders: &[decoder], mask_history: false }.to_string();
        let rows: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(table.starts_with("diagnosis, 30 prompts, 25.0% of the test, exact search\n"));
        assert_eq!(rows[2], ["SFT", "1", "3.0000", "2.5000", "0.7500"]);
        assert_eq!(rows[3], ["2", "2.0000", "1.0000", "-"]);
        assert_eq!(rows[6][..2], ["decoder", "Pass@1"]);
        assert_eq!(rows[7].len(), 11, "{table}");
    }
}
