//! Cleaning: from a log to sequences.

use std::fmt;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::log_by_user::LogByUser;
use super::{Dropped, GivenSplit, Ids, Interactions, Sequences};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};

/// The order of a user's interactions of one timestamp.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieOrder {
    /// The order of the file. In a file sorted by item, the order partly gives the next item away.
    #[default]
    File,
    /// A random order, by the seed.
    Shuffle,
}

impl TieOrder {
    /// All orders.
    pub const ALL: [Self; 2] = [Self::File, Self::Shuffle];

    /// The name for people and machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Shuffle => "shuffle",
        }
    }
}

/// The parts of a log to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PrepareOptions {
    /// The fewest interactions of a user; 0 does the same as 1.
    pub min_user: usize,
    /// The fewest interactions of an item; 0 also keeps items that the log never mentions.
    pub min_item: usize,
    /// The order of a user's interactions of one timestamp.
    pub tie_order: TieOrder,
}

impl Default for PrepareOptions {
    /// The 5-core, as in most of the field's papers.
    fn default() -> Self {
        Self { min_user: 5, min_item: 5, tie_order: TieOrder::File }
    }
}

/// The findings and the work of cleaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Users kept.
    pub users: usize,
    /// Items kept.
    pub items: usize,
    /// Interactions kept.
    pub interactions: usize,
    /// Users read.
    pub users_read: usize,
    /// Items read.
    pub items_read: usize,
    /// Interactions read, those below the least rating not counted.
    pub interactions_read: usize,
    /// Rows the reader left out because of their rating.
    pub below_min_rating: usize,
    /// Rows the reader left out because they lack a user, an item or a time.
    #[serde(default)]
    pub missing: usize,
    /// Rows the reader left out because of a column's value.
    #[serde(default)]
    pub not_kept: usize,
    /// Interactions removed because user, item and timestamp were those of an earlier one.
    pub duplicates: usize,
    /// Interactions the k-core removed.
    pub core_dropped: usize,
    /// Users the k-core removed.
    pub core_dropped_users: usize,
    /// Items the k-core removed.
    pub core_dropped_items: usize,
    /// Passes over the log until users and items all had enough interactions.
    pub core_passes: usize,
    /// Interactions kept with an item that the user had met before.
    pub repeats: usize,
    /// Length of the shortest sequence.
    pub shortest: usize,
    /// Length of the longest sequence.
    pub longest: usize,
    /// Mean length of the sequences.
    pub mean_length: f64,
    /// Share of a user's neighbouring interactions that have the same timestamp, 0 if there are no
    /// neighbours.
    pub tied_share: f64,
    /// Share of a user's neighbouring interactions with different items in which the item with the
    /// later id comes second. A half is expected. 0 if there are none.
    pub ascending_share: f64,
    /// The ascending share among neighbours of one timestamp, in the order of the file.
    pub tied_ascending_share: f64,
    /// Findings that a person should know before trusting numbers made from this data.
    pub warnings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<14} {:>12} {:>12} {:>12}", "", "read", "dropped", "kept")?;
        for (name, read, kept) in [
            ("users", self.users_read, self.users),
            ("items", self.items_read, self.items),
            ("interactions", self.interactions_read, self.interactions),
        ] {
            writeln!(f, "{name:<14} {read:>12} {:>12} {kept:>12}", read - kept)?;
        }
        writeln!(
            f,
            "dropped interactions: {} duplicates, {} by the k-core in {} passes; {} rated too low were not read",
            self.duplicates, self.core_dropped, self.core_passes, self.below_min_rating
        )?;
        if self.missing > 0 {
            writeln!(f, "{} rows without a user, an item or a time were dropped", self.missing)?;
        }
        if self.not_kept > 0 {
            writeln!(f, "{} rows were not kept by data.keep", self.not_kept)?;
        }
        writeln!(
            f,
            "sequences of {} to {} items, {:.2} on average; {} interactions repeat an item of the user's history",
            self.shortest, self.longest, self.mean_length, self.repeats
        )?;
        write!(
            f,
            "neighbours: {:.1}% of one timestamp; item ids ascend in {:.1}% of all, in {:.1}% of those of one timestamp",
            100.0 * self.tied_share,
            100.0 * self.ascending_share,
            100.0 * self.tied_ascending_share
        )
    }
}

/// Removes duplicates, keeps the k-core, and puts each user's interactions in time order.
///
/// Cleaning removes users and items with too few interactions in turns until all have enough.
/// `options.tie_order` orders interactions of equal time; `seed` shuffles them. Users stand in
/// order of first appearance. Items stand in numeric order of their ids if all ids of the log are
/// integers, else in order of first appearance.
///
/// `O(n log n)`, and `O(n)` for each pass of the k-core. Cleaning takes at most 24 bytes an
/// interaction, and 12 of them stay.
///
/// # Errors
///
/// If nothing is left, or a split came with the log and `options` may remove interactions from the
/// log.
pub fn prepare(
    interactions: Interactions,
    options: &PrepareOptions,
    seed: u64,
) -> Result<(Sequences, Report)> {
    let (sequences, report, _) = prepared(interactions, options, seed)?;
    Ok((sequences, report))
}

/// Prepares a log as [`prepare`] does, and names the users and items that it left out.
pub(crate) fn prepared(
    mut interactions: Interactions,
    options: &PrepareOptions,
    seed: u64,
) -> Result<(Sequences, Report, Dropped)> {
    if interactions.given.is_some() && (options.min_user, options.min_item) != (0, 0) {
        return Err(Error::setting(
            "data.prepare",
            format!(
                "a core of users with {} and items with {} interactions breaks the split that came with the log",
                options.min_user, options.min_item
            ),
            "set min_user and min_item to 0, or data.split to \"leave_one_out\"",
        ));
    }
    let interactions_read = interactions.len();
    let (users_read, items_read) = (interactions.users.len(), interactions.items.len());
    let mut log = LogByUser::take(&mut interactions);
    log.remove_duplicates(items_read);
    let distinct = log.items.len();
    let core_passes = log.keep_core(items_read, options);
    let kept = log.items.len();
    if kept == 0 {
        return Err(Error::data(
            format!(
                "no interaction is left of {interactions_read}{}: no group of users with at least {} interactions and \
                 items with at least {} exists",
                match interactions.not_kept {
                    0 => String::new(),
                    rows => format!(" (data.keep left out {rows} more)"),
                },
                options.min_user,
                options.min_item
            ),
            "lower data.prepare.min_user and data.prepare.min_item",
        ));
    }
    let Interactions {
        users, items, below_min_rating, missing, not_kept, given, mut warnings, ..
    } = interactions;
    let (mut sequences, dropped) = compacted(log, users, items, given, options);
    let neighbours = Neighbours::count(&sequences);
    match options.tie_order {
        TieOrder::File => {}
        TieOrder::Shuffle => shuffle_ties(&mut sequences, seed),
    }
    let lengths = || sequences.iter().map(<[u32]>::len);
    warnings.extend(neighbours.warning(options.tie_order));
    let report = Report {
        users: sequences.len(),
        items: sequences.n_items(),
        interactions: kept,
        users_read,
        items_read,
        interactions_read,
        below_min_rating,
        missing,
        not_kept,
        duplicates: interactions_read - distinct,
        core_dropped: distinct - kept,
        core_dropped_users: users_read - sequences.len(),
        core_dropped_items: items_read - sequences.n_items(),
        core_passes,
        repeats: repeats(&sequences),
        shortest: lengths().min().unwrap_or(0),
        longest: lengths().max().unwrap_or(0),
        mean_length: kept as f64 / sequences.len() as f64,
        tied_share: share(neighbours.tied, neighbours.all),
        ascending_share: share(neighbours.ascending, neighbours.different),
        tied_ascending_share: share(neighbours.tied_ascending, neighbours.tied_different),
        warnings,
    };
    Ok((sequences, report, dropped))
}

/// Compacts ids to those in use, and gives all others.
fn compacted(
    log: LogByUser,
    users: Ids,
    items: Ids,
    given: Option<GivenSplit>,
    options: &PrepareOptions,
) -> (Sequences, Dropped) {
    let LogByUser { mut offsets, items: mut flat, timestamps } = log;
    let mut item_used = vec![options.min_item == 0; items.len()];
    for &item in &flat {
        item_used[item as usize] = true;
    }
    let (kept_items, item_rows): (Vec<u32>, Vec<u32>) = items
        .item_order()
        .into_iter()
        .zip(0u32..)
        .filter(|(item, _)| item_used[*item as usize])
        .unzip();
    let mut new_item = vec![u32::MAX; items.len()];
    for (&item, new) in kept_items.iter().zip(0u32..) {
        new_item[item as usize] = new;
    }
    for item in &mut flat {
        *item = new_item[*item as usize];
    }
    let (users, dropped_users) = users.parted(|user| offsets[user] < offsets[user + 1]);
    offsets.dedup();
    let sequences = Sequences {
        users,
        items: kept_items.iter().filter_map(|item| items.get(*item)).collect(),
        item_rows,
        log_items: items.len(),
        offsets,
        flat,
        timestamps,
        given,
    };
    let (_, dropped_items) = items.parted(|item| item_used[item]);
    (sequences, Dropped { users: dropped_users, items: dropped_items })
}

/// The number of interactions with an item that the user had met before.
fn repeats(sequences: &Sequences) -> usize {
    // users count from 1
    let mut met_by = vec![0; sequences.n_items()];
    let mut count = 0;
    for (user, items) in (1usize..).zip(sequences.iter()) {
        for &item in items {
            count += usize::from(std::mem::replace(&mut met_by[item as usize], user) == user);
        }
    }
    count
}

/// The least share of ties that a warning tells: a smaller share moves no metric in a printed
/// digit.
const TIES_TOLD: f64 = 1e-4;

/// Pairs of neighbouring interactions of one user.
#[derive(Debug, Default)]
struct Neighbours {
    all: usize,
    tied: usize,
    /// Pairs of different items.
    different: usize,
    tied_different: usize,
    /// Pairs of different items, the one with the later id second.
    ascending: usize,
    tied_ascending: usize,
}

impl Neighbours {
    fn count(sequences: &Sequences) -> Self {
        // items stand in numeric order of their ids if all are integers; else ids count as text
        let by_index = sequences.items.are_integers();
        let ascends = |pair: &[u32]| {
            if by_index {
                pair[0] < pair[1]
            } else {
                sequences.items.get(pair[0]) < sequences.items.get(pair[1])
            }
        };
        let mut counts = Self::default();
        for range in sequences.offsets.windows(2) {
            let items = sequences.flat[range[0]..range[1]].windows(2);
            let times = sequences.timestamps[range[0]..range[1]].windows(2);
            for (items, times) in items.zip(times) {
                let tied = times[0] == times[1];
                let different = items[0] != items[1];
                let ascending = different && ascends(items);
                counts.all += 1;
                counts.tied += usize::from(tied);
                counts.different += usize::from(different);
                counts.tied_different += usize::from(tied && different);
                counts.ascending += usize::from(ascending);
                counts.tied_ascending += usize::from(tied && ascending);
            }
        }
        counts
    }

    fn warning(&self, tie_order: TieOrder) -> Option<String> {
        let told = share(self.tied, self.all) >= TIES_TOLD;
        (told && tie_order == TieOrder::File).then(|| {
            format!(
                "{:.1}% of neighbouring interactions have the same timestamp and keep the file's order, in which item \
                 ids ascend in {:.1}%; if that is far from half, the next item is partly given away: see \
                 data.prepare.tie_order",
                100.0 * share(self.tied, self.all),
                100.0 * share(self.tied_ascending, self.tied_different)
            )
        })
    }
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Shuffles each run of interactions of one user and timestamp.
fn shuffle_ties(sequences: &mut Sequences, seed: u64) {
    let mut rng = stream(seed, Purpose::Ties, 0);
    for range in sequences.offsets.windows(2) {
        let mut start = range[0];
        for run in sequences.timestamps[range[0]..range[1]].chunk_by(|a, b| a == b) {
            sequences.flat[start..start + run.len()].shuffle(&mut rng);
            start += run.len();
        }
    }
}

#[cfg(test)]
mod tests;
