//! A log of interactions, as read.

use super::{GivenSplit, Ids};

/// A user met an item at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interaction {
    /// The user's index.
    pub user: u32,
    /// The item's index.
    pub item: u32,
    /// The time of the meeting, in the file's unit; only the order counts.
    pub timestamp: i64,
}

/// A log in file order, with the ids its indices stand for.
///
/// The log holds interactions as three columns, 16 bytes each. An id stands in the log once,
/// however often the user or item is met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interactions {
    /// User ids, in order of first appearance.
    pub users: Ids,
    /// Item ids, in order of first appearance; may hold items without an interaction.
    pub items: Ids,
    /// Rows left out by the reader because their rating was too low.
    pub below_min_rating: usize,
    /// Rows left out by the reader because they lack a user, an item or a time.
    pub missing: usize,
    /// Rows left out by the reader because of a column's value.
    pub not_kept: usize,
    /// Whether timestamps are only the order of rows: they tell nothing between users.
    pub in_row_order: bool,
    /// The layout that the reader recognised, in words: a public data set, or what was told by the
    /// content.
    pub read_as: Option<String>,
    /// The split that came with the log, if one did.
    pub given: Option<GivenSplit>,
    /// The reader's findings that a person should know before trusting numbers made from this log.
    pub warnings: Vec<String>,
    pub(super) user_of: Vec<u32>,
    pub(super) item_of: Vec<u32>,
    pub(super) timestamps: Vec<i64>,
}

impl Interactions {
    /// Adds an interaction at the end.
    ///
    /// # Panics
    ///
    /// If there are more than `u32::MAX` users or items.
    pub fn push(&mut self, user: &str, item: &str, timestamp: i64) {
        let user = self.users.intern(user);
        let item = self.items.intern(item);
        self.push_indices(user, item, timestamp);
    }

    /// Adds an interaction of a user and an item that have an index.
    pub(super) fn push_indices(&mut self, user: u32, item: u32, timestamp: i64) {
        self.user_of.push(user);
        self.item_of.push(item);
        self.timestamps.push(timestamp);
    }

    /// The number of interactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.user_of.len()
    }

    /// Whether the log has no interaction.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user_of.is_empty()
    }

    /// The interactions in file order.
    pub fn iter(&self) -> impl Iterator<Item = Interaction> {
        let indices = self.user_of.iter().zip(&self.item_of);
        indices.zip(&self.timestamps).map(|((&user, &item), &timestamp)| Interaction {
            user,
            item,
            timestamp,
        })
    }
}
