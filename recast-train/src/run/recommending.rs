//! Recommendations of a run: for a user of the log, or for a typed history.

use super::folder::{Run, Tokenized};
use super::inputs::{REMEDY, dropped_path};
use crate::data::{Dropped, DroppedId};
use crate::error::{Error, Result};
use crate::evaluate::Ranking;
use crate::model::Decoder;
use crate::storage::check_noted;

impl Run {
    /// A user's items in time order.
    ///
    /// # Errors
    ///
    /// If the user is not in the log, or preparation dropped the user.
    pub fn history_of(&self, user: &str) -> Result<&[u32]> {
        let sequences = &self.prepared().sequences;
        match sequences.users.index_of(user) {
            Some(index) => Ok(sequences.sequence(index)),
            None => Err(self.unknown(DroppedId::User(user))?),
        }
    }

    /// The index of an item of the catalogue.
    ///
    /// # Errors
    ///
    /// If the item is not in the log, or preparation dropped the item.
    pub fn item(&self, id: &str) -> Result<u32> {
        match self.prepared().sequences.items.index_of(id) {
            Some(index) => Ok(index),
            None => Err(self.unknown(DroppedId::Item(id))?),
        }
    }

    /// The error about an id that no user or item of the run has.
    fn unknown(&self, id: DroppedId<&str>) -> Result<Error> {
        let sequences = &self.prepared().sequences;
        let (kind, name, known, hint) = match id {
            DroppedId::User(name) => {
                ("user", name, sequences.len(), "give a user of the log, or a history of item ids")
            }
            DroppedId::Item(name) => ("item", name, sequences.n_items(), "give ids of the log"),
        };
        let data = &self.config().data;
        check_noted(&dropped_path(self.dir()), REMEDY)?;
        if Dropped::stands_in(&dropped_path(self.dir()), id)? {
            let (users, items) = (data.prepare.min_user, data.prepare.min_item);
            return Ok(Error::data(
                format!(
                    "{kind} '{name}' stands in the log, but the k-core dropped it: it keeps users of at least {users} \
                     and items of at least {items} interactions"
                ),
                "lower data.prepare.min_user and data.prepare.min_item in a new run",
            ));
        }
        let filtered = data.min_rating.is_some() || !data.keep.is_empty();
        let note = if filtered {
            " (rows left out by their rating or by data.keep not counted)"
        } else {
            ""
        };
        Ok(Error::data(format!("no {kind} '{name}' among {known}{note}"), hint))
    }

    /// The `k` best items after a history, the best first, with the log-probability of each item's
    /// semantic ID, in nats. There are fewer only if the catalogue has no more.
    ///
    /// The settings `evaluate.search` and `evaluate.mask_history` hold here too; the beam has
    /// `evaluate.beam_width` beams, or as many as are needed.
    ///
    /// # Errors
    ///
    /// If the user interrupts.
    ///
    /// # Panics
    ///
    /// If the history is empty or holds an unknown item.
    pub fn recommend(
        &self,
        tokenized: &Tokenized,
        decoder: &Decoder,
        history: &[u32],
        k: usize,
    ) -> Result<Vec<(u32, f32)>> {
        let config = &self.config().evaluate;
        let ranking = Ranking { width: config.beam_width.max(k), ..config.ranking() };
        let catalogue = self.catalogue(tokenized);
        let mut found =
            ranking.items(decoder, catalogue, &[history], self.monitor(), "recommend")?.remove(0);
        found.truncate(k);
        Ok(found)
    }
}
