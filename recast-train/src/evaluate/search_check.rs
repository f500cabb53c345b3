//! Completions that beam search misses: its result beside that of the exact search.

use crate::catalogue::Catalogue;
use crate::catalogue::Trie;
use crate::decode::{
    Completion, Search, Searcher, UnconstrainedCompletion, unconstrained_beam_search,
};
use crate::error::Result;
use crate::event::{Monitor, SearchCheck};
use crate::model::Decoder;

/// The number of best completions that the check compares.
const TOP: usize = 10;

impl SearchCheck {
    /// Compares the first ten completions of each prompt.
    fn new(
        beam_width: usize,
        pairs: &[(Vec<Completion>, Vec<Completion>)],
        without_trie: LegalCount,
    ) -> Self {
        let prompts = pairs.len();
        let mut sums = [0.0; 4];
        for (beam, exact) in pairs {
            let (beam, exact) = (top(beam), top(exact));
            let found = exact.iter().filter(|e| beam.iter().any(|b| b.leaf == e.leaf)).count();
            let probability = |completions: &[Completion]| -> f64 {
                completions.iter().map(|c| f64::from(c.log_prob).exp()).sum()
            };
            let first = |completions: &[Completion]| completions.first().map(|c| c.leaf);
            sums[0] += f64::from(u8::from(found == exact.len()));
            sums[1] += f64::from(u8::from(first(beam) == first(exact)));
            sums[2] += found as f64 / exact.len().max(1) as f64;
            sums[3] += (probability(exact) - probability(beam)).max(0.0);
        }
        let [top_10_found, top_1_found, mean_overlap, lost_probability] =
            sums.map(|sum| sum / prompts.max(1) as f64);
        Self {
            prompts,
            beam_width,
            top_10_found,
            top_1_found,
            mean_overlap,
            lost_probability,
            illegal_without_trie: without_trie.illegal_share(),
        }
    }
}

/// The number of completions that are an item's.
#[derive(Debug, Clone, Copy, Default)]
struct LegalCount {
    completions: usize,
    legal: usize,
}

impl LegalCount {
    fn count(&mut self, trie: &Trie, found: &[UnconstrainedCompletion]) {
        self.completions += found.len();
        self.legal += found.iter().filter(|c| trie.walk(&c.codes).is_some()).count();
    }

    fn illegal_share(self) -> f64 {
        1.0 - self.legal as f64 / self.completions.max(1) as f64
    }
}

fn top(completions: &[Completion]) -> &[Completion] {
    &completions[..completions.len().min(TOP)]
}

/// Searches each history exactly and with each beam width; one result for each width.
///
/// # Errors
///
/// If the user interrupts.
pub(crate) fn check_search(
    model: &Decoder,
    catalogue: Catalogue<'_>,
    histories: &[&[u32]],
    beam_widths: &[usize],
    batch_prompts: usize,
    monitor: &Monitor,
) -> Result<Vec<SearchCheck>> {
    let progress = monitor.progress("exact search", histories.len() as u64);
    let searcher = Searcher::new(model, catalogue.trie);
    let mut pairs = vec![Vec::with_capacity(histories.len()); beam_widths.len()];
    let mut without_trie = vec![LegalCount::default(); beam_widths.len()];
    for batch in histories.chunks(batch_prompts) {
        monitor.check_interrupt()?;
        let prompts: Vec<Vec<u32>> =
            batch.iter().map(|history| catalogue.prompt(model, history)).collect();
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let exact = searcher.run(Search::Exact, &prompts, TOP);
        for ((pairs, count), &width) in pairs.iter_mut().zip(&mut without_trie).zip(beam_widths) {
            let beam = searcher.beams(&prompts, width);
            pairs.extend(beam.into_iter().zip(exact.iter().cloned()));
            for found in unconstrained_beam_search(model, &prompts, width) {
                count.count(catalogue.trie, &found);
            }
        }
        progress.advance(batch.len() as u64);
    }
    progress.finish();
    let checks = beam_widths.iter().zip(&pairs).zip(without_trie);
    Ok(checks.map(|((&width, pairs), count)| SearchCheck::new(width, pairs, count)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SidTable;

    #[test]
    fn shares_are_those_of_the_first_ten() {
        let table = SidTable::new(vec![20], (0..20).collect()).unwrap();
        let trie = Trie::new(&table);
        let ranking = |codes: &[u16]| -> Vec<Completion> {
            let completion = |code: &u16| Completion {
                leaf: trie.walk(&[*code]).unwrap(),
                log_prob: -f32::from(*code),
            };
            codes.iter().map(completion).collect()
        };
        let all: Vec<u16> = (0..12).collect();
        // the second beam lacks code 0 among its first ten; later completions do not count
        let lacking = [&all[1..11], &[0]].concat();
        let pairs = [(ranking(&all), ranking(&all)), (ranking(&lacking), ranking(&all[..10]))];
        let mut count = LegalCount::default();
        let free = [3, 25, 19, 20]
            .map(|code| UnconstrainedCompletion { codes: vec![code], log_prob: 0.0 });
        count.count(&trie, &free);
        let found = SearchCheck::new(11, &pairs, count);
        assert!((found.illegal_without_trie - 0.5).abs() < 1e-12);
        assert_eq!((found.prompts, found.beam_width), (2, 11));
        assert!((found.top_10_found - 0.5).abs() < 1e-12);
        assert!((found.top_1_found - 0.5).abs() < 1e-12);
        assert!((found.mean_overlap - 0.95).abs() < 1e-12);
        let lost = 0.5 * (1.0 - (-10f64).exp());
        assert!((found.lost_probability - lost).abs() < 1e-6);
    }
}
