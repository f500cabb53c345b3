//! The trained decoders of a run, and the choice among them.

use burn::module::Module;

use super::folder::{Run, Tokenized};
use crate::config::Part;
use crate::error::{Error, Phase, Result};
use crate::model::Decoder;
use crate::optim::Stage;
use crate::train::{RlState, SftState, SignalName};

impl Run {
    /// All signals: those of the settings in their order, then the others, which `Run::rl` trains
    /// too.
    pub(super) fn signals(&self) -> impl Iterator<Item = SignalName> {
        let own = &self.config.rl.signals;
        let others = SignalName::ALL.into_iter().filter(|signal| !own.contains(signal));
        own.iter().copied().chain(others)
    }

    /// The trained decoders in the order of tables: name, title and stage of each.
    ///
    /// # Errors
    ///
    /// If the supervised decoder is not trained.
    pub(super) fn trained(&self) -> Result<Vec<(&'static str, &'static str, Stage)>> {
        self.sft_state()?;
        let mut trained = vec![("sft", "SFT", self.stage(Part::Sft))];
        for signal in self.signals() {
            if self.rl_state(signal)?.is_some() {
                trained.push((signal.key(), signal.title(), self.stage(Part::Rl(signal))));
            }
        }
        Ok(trained)
    }

    /// The best decoder of a stage, without gradients.
    pub(super) fn best_of(&self, stage: &Stage, tokenized: &Tokenized) -> Result<Decoder> {
        Ok(stage.load_best(self.fresh_decoder(tokenized)?)?.valid())
    }

    /// The trained decoder of `system`: `sft` or a signal's key. Without `system`: ReCast's decoder
    /// if trained, else the supervised one.
    ///
    /// # Errors
    ///
    /// If the decoder is not trained.
    pub fn decoder(&self, tokenized: &Tokenized, system: Option<&str>) -> Result<Decoder> {
        self.sft_state()?;
        let stage = match system {
            Some("sft") => self.stage(Part::Sft),
            Some(name) => {
                let signals = SignalName::ALL.into_iter();
                let Some(signal) = signals.clone().find(|signal| signal.key() == name) else {
                    let problem = format!("'{name}' is no system");
                    let names: Vec<&str> = signals.map(SignalName::key).collect();
                    return Err(Error::data(problem, format!("name sft, {}", list(&names))));
                };
                if self.rl_state(signal)?.is_none() {
                    let problem = format!("holds no {} decoder", signal.title());
                    return Err(self.undone(self.dir(), problem, Phase::Rl(name.to_owned())));
                }
                self.stage(Part::Rl(signal))
            }
            None if self.rl_state(SignalName::Recast)?.is_some() => {
                self.stage(Part::Rl(SignalName::Recast))
            }
            None => self.stage(Part::Sft),
        };
        self.best_of(&stage, tokenized)
    }

    /// The supervised decoder.
    ///
    /// # Errors
    ///
    /// If the decoder is not trained.
    pub fn supervised(&self, tokenized: &Tokenized) -> Result<Decoder> {
        if !self.sft_state()?.finished {
            let problem = "supervised training is not finished";
            return Err(self.undone(self.dir(), problem, Phase::Sft));
        }
        self.stage(Part::Sft).load_best(self.fresh_decoder(tokenized)?)
    }

    pub(super) fn sft_state(&self) -> Result<SftState> {
        self.required(&self.dir().join("sft/best.bpk"), Phase::Sft)?;
        let none = || self.undone(self.dir(), "holds no supervised decoder", Phase::Sft);
        self.stage(Part::Sft).state()?.ok_or_else(none)
    }

    pub(super) fn rl_state(&self, signal: SignalName) -> Result<Option<RlState>> {
        self.stage(Part::Rl(signal)).state()
    }
}

/// The names as words: `a, b or c`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
