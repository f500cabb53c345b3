//! The quality of a table of semantic IDs, as numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The quality of the semantic IDs that a tokenizer made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenizerReport {
    /// The number of items.
    pub items: usize,
    /// The levels of the table, with an extra level if there is one.
    pub levels: Vec<LevelReport>,
    /// Different SIDs before collisions are resolved.
    pub distinct_before: usize,
    /// Different SIDs after collisions are resolved.
    pub distinct_after: usize,
    /// The most items on one SID, before collisions are resolved.
    pub largest_group: usize,
    /// The share of items on a shared SID, before collisions are resolved.
    pub collision_rate: f64,
    /// Codes that neighbours share after collisions are resolved; `None` if the items have no
    /// embeddings.
    pub neighbourhood: Option<Neighbourhood>,
}

/// The use of one level's codes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelReport {
    /// The number of codes.
    pub codes: usize,
    /// The codes that stand in at least one SID.
    pub used: usize,
    /// Different SIDs if SIDs ended after this level.
    pub prefixes: usize,
    /// The entropy of the codes over items, in nats.
    pub entropy: f64,
    /// `exp(entropy)`: as many codes, used evenly, have this entropy.
    pub perplexity: f64,
    /// The share of the embeddings' squared length that the levels up to this one lose, before the
    /// tokenizer moves items. `None` for an extra level and for an imported table.
    pub reconstruction_error: Option<f64>,
}

/// Leading codes that neighbours share, beside those that any two items share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbourhood {
    /// The items whose neighbours were searched, drawn by the seed without replacement.
    pub sampled: usize,
    /// The items with a nonzero embedding, from which the sample was drawn.
    pub items: usize,
    /// The number of neighbours of each item.
    pub neighbours: usize,
    /// The sharing of prefixes of 1, 2, .. codes.
    pub prefixes: Vec<SharedPrefix>,
}

/// The share of pairs with a common prefix of one length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SharedPrefix {
    /// The share among pairs of an item and one of its neighbours.
    pub neighbours: f64,
    /// The share among all pairs of different items, as a reference for chance.
    pub random: f64,
}

impl fmt::Display for TokenizerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "level  codes   used  perplexity  entropy  prefixes  lost")?;
        for (number, level) in self.levels.iter().enumerate() {
            write!(
                f,
                "{:>5}  {:>5}  {:>5}  {:>10.1}  {:>7.3}  {:>8}  ",
                number + 1,
                level.codes,
                level.used,
                level.perplexity,
                level.entropy,
                level.prefixes
            )?;
            match level.reconstruction_error {
                Some(error) => writeln!(f, "{:.1}%", 100.0 * error)?,
                None => writeln!(f, "-")?,
            }
        }
        writeln!(
            f,
            "{} items, {} distinct SIDs, {} once collisions are resolved",
            self.items, self.distinct_before, self.distinct_after
        )?;
        write!(
            f,
            "{:.1}% of the items shared their SID, at most {} one SID",
            100.0 * self.collision_rate,
            self.largest_group
        )?;
        self.neighbourhood.iter().try_for_each(|found| write!(f, "\n{found}"))
    }
}

impl fmt::Display for Neighbourhood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "prefix  shared by the {} nearest neighbours (of {} of {} items)  by random pairs",
            self.neighbours, self.sampled, self.items
        )?;
        for (i, share) in self.prefixes.iter().enumerate() {
            let (neighbours, random) = (100.0 * share.neighbours, 100.0 * share.random);
            write!(f, "{:>6}  {neighbours:>5.1}%  {random:>7.3}%", i + 1)?;
            if i + 1 < self.prefixes.len() {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
