//! The baselines of a run: popularity, item-kNN, and SASRec once trained.

use std::path::Path;

use burn::module::Module;

use super::folder::{Run, Tokenized};
use super::judging::Judged;
use crate::catalogue::{SidTable, Trie};
use crate::config::Part;
use crate::embedding::Embeddings;
use crate::error::{Error, Result};
use crate::evaluate::baselines::{ItemKnn, Popularity};
use crate::evaluate::{Both, both_rankings};
use crate::event::SystemResult;
use crate::model::{Decoder, indices};
use crate::train::{SftState, item_tokens, sft};

impl Run {
    /// Trains SASRec with cross-entropy over all items, or resumes its training. Judges SASRec,
    /// popularity and item-kNN at item level, and writes the ranks of their targets.
    ///
    /// SASRec sees the sequences of supervised training, popularity and item-kNN all training
    /// interactions: where prompts are fresh, SASRec has the data of the supervised decoder.
    ///
    /// # Errors
    ///
    /// If there are more than 65536 items, the user interrupts, training diverges, or a checkpoint
    /// cannot be written.
    pub fn baseline(&self) -> Result<Vec<SystemResult>> {
        self.hold()?;
        self.record_stage(Part::Sasrec)?;
        let items = self.item_tokens()?;
        let (config, stage) = (&self.config().sasrec, self.stage(Part::Sasrec));
        let pass = config.sft.pass(self.config().data.max_history, 1);
        self.say_memory("sasrec", &config.model, &items, 0, pass)?;
        let (_, state) = self.timed("sasrec", || {
            sft(
                self.fresh_sasrec(&items)?,
                self.train_inputs(&items),
                &config.sft,
                config.model.dropout,
                &stage,
                self.monitor(),
            )
        })?;
        self.say_best(&stage, state);
        self.results(self.judge_baselines(&items.sids)?)
    }

    /// Judges the baselines; `sids` tells which items share a semantic ID.
    pub(super) fn judge_baselines(&self, sids: &SidTable) -> Result<Vec<Judged>> {
        let split = &self.prepared().split;
        let ranked = |rank: &dyn Fn(&[u32], usize) -> Vec<u32>| -> Vec<Both<Vec<u32>>> {
            let of_history = |history: &[u32]| both_rankings(history, |k| rank(history, k));
            split.test.iter().map(|example| of_history(&example.history)).collect()
        };
        let n_items = self.prepared().sequences.n_items();
        let popularity = Popularity::fit(&split.train, n_items);
        let knn = ItemKnn::fit(&split.train, n_items);
        let popular = ranked(&|history, k| popularity.rank(history, k, false));
        let near = ranked(&|history, k| knn.rank(history, k, false));
        let mut systems = vec![
            self.judged("popularity", "popularity", &popular, sids),
            self.judged("item_knn", "item-kNN", &near, sids),
        ];
        if self.stage(Part::Sasrec).state::<SftState>()?.is_some_and(|state| state.finished) {
            systems.push(self.judged("sasrec", "SASRec-CE", &self.sasrec_rankings()?, sids));
        }
        Ok(systems)
    }

    /// Checks that [`Run::export_embeddings`] may write the file, before hours of training.
    ///
    /// # Errors
    ///
    /// If the name does not end in `.safetensors`, something has the name already, or its folder
    /// does not exist.
    pub fn check_export(&self, path: &Path) -> Result<()> {
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            let problem = "is no name of the only format that is written";
            return Err(Error::file(path, problem, "end the name in .safetensors"));
        }
        if path.exists() {
            return Err(Error::file(path, "exists", "name a new file, or remove this one"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(Error::file(path, "has no folder", "make the folder first"));
        }
        Ok(())
    }

    /// Writes SASRec's own embeddings of the items, with their ids, as `data.behaviour` takes them.
    ///
    /// # Errors
    ///
    /// The errors of [`Run::check_export`]. If [`Run::baseline`] is not done, or the file cannot be
    /// written.
    pub fn export_embeddings(&self, path: &Path) -> Result<()> {
        self.check_export(path)?;
        let items = self.item_tokens()?;
        let decoder = self.stage(Part::Sasrec).load_best(self.fresh_sasrec(&items)?)?.valid();
        let tokens = (0..items.sids.n_items() as i32).collect();
        let values = decoder.embed_codes(indices(tokens, &decoder.device())).into_data();
        let values = values.try_into_vec::<f32>().map_err(|e| Error::device(format!("{e:?}")))?;
        Embeddings::new(self.config().sasrec.model.hidden_size, values)?
            .save(path, Some(&self.item_ids()))
    }

    fn sasrec_rankings(&self) -> Result<Vec<Both<Vec<u32>>>> {
        let items = self.item_tokens()?;
        let decoder = self.stage(Part::Sasrec).load_best(self.fresh_sasrec(&items)?)?.valid();
        self.test_rankings(&decoder, &items, "SASRec-CE")
    }

    fn item_tokens(&self) -> Result<Tokenized> {
        let sids = item_tokens(self.prepared().sequences.n_items())?;
        let trie = Trie::new(&sids);
        Ok(Tokenized { sids, trie })
    }

    fn fresh_sasrec(&self, items: &Tokenized) -> Result<Decoder> {
        self.decoder_of(&self.config().sasrec.model, items)
    }
}
