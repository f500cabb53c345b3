//! A log of interactions, as read.

use super::Ids;

/// A user met an item at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interaction {
    /// The user's index.
    pub user: u32,
    /// The item's index.
    pub item: u32,
    /// When, in the file's unit; only the order counts.
    pub timestamp: i64,
}

/// A log in file order, with the ids its indices stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interactions {
    /// User ids, in order of first appearance.
    pub users: Ids,
    /// Item ids, in order of first appearance; may hold items without a row.
    pub items: Ids,
    /// The interactions in file order.
    pub rows: Vec<Interaction>,
    /// Rows left out by the reader because their rating was too low.
    pub below_min_rating: usize,
}

impl Interactions {
    /// Adds a row at the end.
    ///
    /// # Panics
    ///
    /// If there are more than `u32::MAX` users or items.
    pub fn push(&mut self, user: &str, item: &str, timestamp: i64) {
        let user = self.users.intern(user);
        let item = self.items.intern(item);
        self.rows.push(Interaction { user, item, timestamp });
    }
}
