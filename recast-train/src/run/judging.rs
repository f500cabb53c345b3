//! Judgement of a run's systems on the test prompts.

use std::collections::BTreeMap;

use super::folder::{Run, Tokenized};
use crate::catalogue::SidTable;
use crate::config::{Config, Part};
use crate::data::Synthetic;
use crate::decode::Search;
use crate::error::Result;
use crate::evaluate::{Both, Mask, RANKED, SearchCheck, both_rankings, check_search, judge, ranks};
use crate::event::{Event, SystemResult};
use crate::machine::peak_memory_bytes;
use crate::model::Decoder;
use crate::optim::Stage;
use crate::report::{GroupSummary, Summary};
use crate::storage::{is_as_noted, write_noted_json};
use crate::train::SignalName;

/// A system's metrics on the test prompts, and the rank of each prompt's target.
pub(super) struct Judged {
    result: SystemResult,
    ranks: Both<Vec<u32>>,
}

impl Run {
    /// The same run with another search of its decoders.
    #[must_use]
    pub fn searched_by(mut self, search: Search) -> Self {
        self.config.evaluate.search = search;
        self
    }

    /// Judges the baselines, the oracle where there is one, and every trained decoder on the test
    /// prompts. Writes the ranks of targets and the summary, and returns the latter. In a read-only
    /// folder nothing is written, and a line says so.
    ///
    /// # Errors
    ///
    /// If the user interrupts, or nothing is trained.
    pub fn evaluate(&self, tokenized: &Tokenized) -> Result<Summary> {
        self.summarised(tokenized, || self.judge_systems(tokenized))
    }

    /// Judges the decoder of one signal alone, for a run whose start and baselines are judged
    /// elsewhere. Writes and returns what [`Run::evaluate`] does.
    ///
    /// # Errors
    ///
    /// If the user interrupts, or the signal is not trained.
    pub(crate) fn evaluate_signal(
        &self,
        tokenized: &Tokenized,
        signal: SignalName,
    ) -> Result<Summary> {
        let (name, title, stage) = (signal.key(), signal.title(), self.stage(Part::Rl(signal)));
        self.summarised(tokenized, || Ok(vec![self.judge_decoder(name, title, &stage, tokenized)?]))
    }

    /// The summary of systems, written beside the ranks of their targets.
    fn summarised(
        &self,
        tokenized: &Tokenized,
        judge_all: impl FnOnce() -> Result<Vec<Judged>>,
    ) -> Result<Summary> {
        self.hold()?;
        self.sft_state()?;
        if self.read_only {
            let systems = judge_all()?.into_iter().map(|it| it.result).collect();
            let summary = self.summary(tokenized, systems)?;
            self.monitor().say(&format!(
                "{} is read-only: the figures are printed, its summary.json stays as it was",
                self.dir.display()
            ));
            return Ok(summary);
        }
        let systems = self.results(self.timed("evaluate", judge_all)?)?;
        for system in &systems {
            self.monitor().record(&Event::Test(system))?;
        }
        let summary = self.summary(tokenized, systems)?;
        write_noted_json(&self.summary_path(), &summary)?;
        Ok(summary)
    }

    /// Compares beam search of each width with exact search on test prompts, spread evenly over the
    /// test.
    /// [`Run::decoder`] gives the decoder; without widths, the settings give the width.
    ///
    /// # Errors
    ///
    /// If the decoder is not trained, or the user interrupts.
    pub fn check_search(
        &self,
        tokenized: &Tokenized,
        system: Option<&str>,
        prompts: usize,
        beam_widths: &[usize],
    ) -> Result<Vec<SearchCheck>> {
        self.hold()?;
        let decoder = self.decoder(tokenized, system)?;
        let settings = [self.config.evaluate.beam_width];
        let test = &self.prepared.split.test;
        let histories: Vec<&[u32]> =
            spread(test, prompts).map(|example| &example.history[..]).collect();
        let found = check_search(
            &decoder,
            self.catalogue(tokenized),
            &histories,
            if beam_widths.is_empty() { &settings } else { beam_widths },
            self.config.evaluate.batch_prompts,
            self.monitor(),
        )?;
        for check in &found {
            self.monitor().record(&Event::SearchCheck(check))?;
        }
        Ok(found)
    }

    fn judge_systems(&self, tokenized: &Tokenized) -> Result<Vec<Judged>> {
        let mut systems = self.judge_baselines(&tokenized.sids)?;
        for (name, title, stage) in self.trained()? {
            systems.push(self.judge_decoder(name, title, &stage, tokenized)?);
        }
        if let Some(synthetic) = self.synthetic()? {
            let of_history =
                |history: &[u32]| both_rankings(history, |k| synthetic.oracle_ranking(history, k));
            let test = &self.prepared.split.test;
            let rankings: Vec<_> = test.iter().map(|e| of_history(&e.history)).collect();
            systems.push(self.judged("oracle", "oracle", &rankings, &tokenized.sids));
        }
        self.monitor().check_interrupt()?;
        Ok(systems)
    }

    fn judge_decoder(
        &self,
        name: &str,
        title: &str,
        stage: &Stage,
        tokenized: &Tokenized,
    ) -> Result<Judged> {
        let decoder = self.best_of(stage, tokenized)?;
        let rankings = self.test_rankings(&decoder, tokenized, title)?;
        Ok(self.judged(name, title, &rankings, &tokenized.sids))
    }

    /// The two rankings of each test prompt, by the settings' search.
    pub(super) fn test_rankings(
        &self,
        decoder: &Decoder,
        tokenized: &Tokenized,
        title: &str,
    ) -> Result<Vec<Both<Vec<u32>>>> {
        let test = &self.prepared.split.test;
        let histories: Vec<&[u32]> = test.iter().map(|example| &example.history[..]).collect();
        let (ranking, label) = (self.config.evaluate.ranking(), format!("test {title}"));
        ranking.both(decoder, self.catalogue(tokenized), &histories, self.monitor(), &label)
    }

    /// Judges a system by its rankings of the test prompts.
    pub(super) fn judged(
        &self,
        name: &str,
        title: &str,
        rankings: &[Both<Vec<u32>>],
        sids: &SidTable,
    ) -> Judged {
        let test = &self.prepared.split.test;
        let of = |mask_history: bool| -> Vec<&[u32]> {
            rankings.iter().map(|both| &both.get(mask_history)[..]).collect()
        };
        let both = Both::of(|mask_history| judge(test, &of(mask_history), sids));
        let (name, title) = (name.to_owned(), title.to_owned());
        let primary = *both.get(self.config.evaluate.mask_history);
        Judged {
            result: SystemResult { name, title, primary, both },
            ranks: Both::of(|mask_history| ranks(test, &of(mask_history))),
        }
    }

    /// Writes the ranks of each system, and returns the metrics.
    pub(super) fn results(&self, judged: Vec<Judged>) -> Result<Vec<SystemResult>> {
        let written = |Judged { result, ranks }| {
            let path = self.dir.join("ranks").join(format!("{}.json", result.name));
            write_noted_json(&path, &ranks).map(|()| result)
        };
        judged.into_iter().map(written).collect()
    }

    fn summary(&self, tokenized: &Tokenized, systems: Vec<SystemResult>) -> Result<Summary> {
        let test = &self.prepared.split.test;
        let (mut groups, mut of_training) = (BTreeMap::new(), Vec::new());
        for signal in self.signals() {
            if let Some(state) = self.rl_state(signal)? {
                groups.insert(signal.key().to_owned(), GroupSummary::new(&state));
                let of_signal = |text: &str| format!("rl {}: {text}", signal.key());
                of_training.extend(state.health.warnings().map(of_signal));
            }
        }
        let mut warnings = self.prepared.report.prepare.warnings.clone();
        warnings.extend(self.changes_in_the_middle()?);
        warnings.extend(self.short_rankings(&tokenized.sids));
        warnings.extend(of_training);
        if !is_as_noted(&Config::path(&self.dir))? {
            let text = "config.toml is not as the run was made with: these figures follow the file as it is now";
            warnings.push(text.to_owned());
        }
        let phases = self.seconds()?;
        let sids = &tokenized.sids;
        Ok(Summary {
            systems,
            groups,
            seconds: phases.values().sum(),
            phases,
            peak_memory_bytes: peak_memory_bytes(),
            run_dir: self.dir.clone(),
            warnings,
            test_prompts: test.len(),
            fresh: self.prepared.report.fresh,
            keep: self.config.rl.keep,
            evaluate: self.config.evaluate.clone(),
            seed: self.config.seed,
            bayes_pass_at_1: self
                .synthetic()?
                .and_then(|synthetic| synthetic.bayes_pass_at_1(test)),
            collision_rate: 1.0 - sids.n_distinct() as f64 / sids.n_items() as f64,
        })
    }

    /// Warnings of rankings that are shorter than a metric reads.
    fn short_rankings(&self, sids: &SidTable) -> Vec<String> {
        let (items, test) = (self.prepared.sequences.n_items(), &self.prepared.split.test);
        let left = |history: &[u32]| items - Mask::new(history, true).len();
        let of_items = |length: usize| {
            let short = test.iter().filter(|example| left(&example.history) < length).count();
            (short > 0).then(|| {
                format!(
                    "{short} of {} test prompts leave fewer than {length} items to rank with their \
                     history masked: metrics at {length} read all of these, so that a hit is \
                     easier or certain",
                    test.len()
                )
            })
        };
        let width = self.config.evaluate.beam_width;
        let of_width = (width < RANKED.min(sids.n_distinct())).then(|| {
            format!(
                "decoders list the items of {width} semantic IDs, and R@{RANKED} reads {RANKED} \
                 items: set evaluate.beam_width = {RANKED} or more"
            )
        });
        [10, RANKED].into_iter().filter_map(of_items).chain(of_width).collect()
    }

    fn synthetic(&self) -> Result<Option<Synthetic>> {
        if self.config.data.interactions.is_some() {
            return Ok(None);
        }
        Synthetic::generate(&self.config.data.synthetic, self.config.seed).map(Some)
    }
}

/// So many of a list's entries, or all of a shorter one, at equal distances: the first ones may be
/// unlike the others, as logs often list their users by age or activity.
pub(super) fn spread<T>(all: &[T], count: usize) -> impl Iterator<Item = &T> {
    let count = count.min(all.len());
    (0..count).map(move |i| &all[i * all.len() / count])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_spread_evenly_and_a_short_list_is_taken_whole() {
        let all: Vec<usize> = (0..10).collect();
        let taken = |count| spread(&all, count).copied().collect::<Vec<usize>>();
        assert_eq!(taken(3), [0, 3, 6]);
        assert_eq!(taken(4), [0, 2, 5, 7]);
        assert_eq!(taken(10), all);
        assert_eq!(taken(99), all);
        assert_eq!(taken(0), [0; 0]);
    }
}
