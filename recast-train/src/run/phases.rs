//! Training phases of a run, and all phases in sequence.

use super::folder::{Run, Tokenized};
use super::inputs::Prepared;
use crate::config::Part;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::machine::device_memory_bytes;
use crate::model::{CatalogueShape, Decoder, Input, MemoryEstimate, ModelConfig, Pass};
use crate::optim::Stage;
use crate::report::Summary;
use crate::reward::Rewards;
use crate::train::{Keep, SftState, SignalName, rl, sft};

impl Run {
    /// Does every phase that is not done yet: semantic IDs, supervised training, reinforcement
    /// learning with each signal of the settings, and judgement.
    ///
    /// # Errors
    ///
    /// The errors of [`Run::tokenize`], [`Run::sft`], [`Run::rl`] and [`Run::evaluate`].
    pub fn all(&self) -> Result<Summary> {
        self.hold()?;
        let tokenized = self.tokenize()?;
        let start = self.sft(&tokenized)?;
        for &signal in &self.config().rl.signals {
            self.rl(&tokenized, &start, signal)?;
        }
        self.evaluate(&tokenized)
    }

    /// Trains the decoder on the logs, or resumes that training.
    ///
    /// # Errors
    ///
    /// If the user interrupts, training diverges, or a checkpoint cannot be written.
    pub fn sft(&self, tokenized: &Tokenized) -> Result<Decoder> {
        let (config, stage) = (&self.config, self.stage(Part::Sft));
        self.hold()?;
        self.record_stage(Part::Sft)?;
        let tokens = config.model.tokens_per_item(tokenized.sids.levels());
        let pass = config.sft.pass(config.data.max_history, tokens);
        self.say_memory("sft", &config.model, tokenized, 0, pass)?;
        let (decoder, state) = self.timed("sft", || {
            sft(
                self.fresh_decoder(tokenized)?,
                self.train_inputs(tokenized),
                &self.config.sft,
                self.config.model.dropout,
                &stage,
                &self.monitor,
            )
        })?;
        self.say_best(&stage, state);
        Ok(decoder)
    }

    /// Improves the supervised decoder with one signal, or resumes that training.
    ///
    /// # Errors
    ///
    /// If the user interrupts, training diverges, or a checkpoint cannot be written.
    pub fn rl(
        &self,
        tokenized: &Tokenized,
        start: &Decoder,
        signal: SignalName,
    ) -> Result<Decoder> {
        let (config, phase) = (&self.config, format!("rl {}", signal.key()));
        let part = Part::Rl(signal);
        self.hold()?;
        self.record_stage(part)?;
        let Prepared { sequences, items, split, .. } = &self.prepared;
        let rewards = Rewards::new(&config.rl.rewards, items, &split.train, sequences.n_items())?;
        let tokens = config.model.tokens_per_item(tokenized.sids.levels());
        let pass = config.rl.pass(signal, config.data.max_history, tokens);
        // two decoders are only read: the rollout's policy and the reference
        self.say_memory(&phase, &config.model, tokenized, 2, pass)?;
        let (decoder, state) = self.timed(&phase, || {
            rl(
                start,
                self.train_inputs(tokenized),
                &rewards,
                signal,
                &self.config.rl,
                &self.stage(part),
                &self.monitor,
            )
        })?;
        self.monitor.say(&format!(
            "rl {}: best validation Pass@1 {:.4} after step {} of {}, NDCG@10 {:.4} after step {}{}",
            signal.key(),
            state.best_pass_at_1,
            state.best_step,
            state.step,
            state.best_ndcg_at_10,
            state.best_ndcg_step,
            match config.rl.keep {
                Keep::Best => "",
                Keep::Last => "; the last decoder is kept",
            }
        ));
        Ok(decoder)
    }

    /// Tells the estimated memory of training, and warns if the device has less.
    ///
    /// # Errors
    ///
    /// If not even the weights and the optimiser fit. If the event log cannot be written.
    pub(super) fn say_memory(
        &self,
        phase: &str,
        model: &ModelConfig,
        tokenized: &Tokenized,
        frozen: usize,
        pass: Pass,
    ) -> Result<()> {
        let (device, precision) = (self.config.device_kind()?, self.config.precision);
        let catalogue = CatalogueShape {
            codes_per_level: tokenized.sids.codes_per_level(),
            items: tokenized.sids.n_items(),
            content: self.content_width(model, tokenized)?,
        };
        let estimate = MemoryEstimate::new(model, catalogue, precision, frozen, pass);
        let MemoryEstimate { state_bytes, pass_bytes } = estimate;
        self.monitor.record(&Event::MemoryEstimate { state_bytes, pass_bytes })?;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let [all, state] = [estimate.bytes(), estimate.state_bytes].map(mib);
        let memory = device_memory_bytes(device);
        let of =
            memory.map_or_else(String::new, |memory| format!(" of {} on {device}", mib(memory)));
        self.monitor.say(&format!(
            "{phase}: about {all} MiB{of}, {state} of these for weights and optimiser; passes of {} rows x {} tokens",
            pass.rows, pass.slots
        ));
        let Some(memory) = memory else { return Ok(()) };
        if state_bytes > memory {
            let problem = format!(
                "{phase}: weights, gradients and optimiser take about {state} MiB, and {device} has {} MiB",
                mib(memory)
            );
            return Err(Error::data(problem, "take a smaller model, or a device with more memory"));
        }
        if estimate.bytes() > memory {
            self.monitor.warn(phase, "training may not fit; lower its micro_batch_tokens")?;
        }
        Ok(())
    }

    /// The width of an item's content; 0 where a decoder of this shape doesn't read it.
    fn content_width(&self, model: &ModelConfig, tokenized: &Tokenized) -> Result<usize> {
        match model.input {
            Input::Codes => Ok(0),
            Input::Items => Ok(self.item_table(tokenized)?.content_width().unwrap_or(0)),
        }
    }

    pub(super) fn say_best(&self, stage: &Stage, state: SftState) {
        self.monitor.say(&format!(
            "{}: best validation NDCG@10 {:.4} after epoch {} of {}",
            stage.name(),
            state.best_ndcg_at_10,
            state.best_epoch,
            state.epoch
        ));
    }
}
