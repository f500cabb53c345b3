//! A log, user by user and in time order.

use super::{Interactions, PrepareOptions};

/// Interactions in columns, user by user. A user's interactions stand in time order, those of one
/// time in file order.
///
/// The columns take 12 bytes an interaction, and 24 bytes an interaction of the log while they are
/// made of it.
#[derive(Debug)]
pub(super) struct LogByUser {
    /// The start of each user's interactions, and at last their number: users + 1 values.
    pub(super) offsets: Vec<usize>,
    pub(super) items: Vec<u32>,
    pub(super) timestamps: Vec<i64>,
}

impl LogByUser {
    /// Sorts a log's columns, which are taken out of the log. `O(n)`, and a sort of each user's
    /// interactions.
    pub(super) fn take(log: &mut Interactions) -> Self {
        let users = std::mem::take(&mut log.user_of);
        let mut offsets = vec![0; log.users.len() + 1];
        for &user in &users {
            offsets[user as usize + 1] += 1;
        }
        for user in 0..log.users.len() {
            offsets[user + 1] += offsets[user];
        }
        // one column at a time: each old one is freed before the next new one is made
        let items = by_user(std::mem::take(&mut log.item_of), &users, &offsets);
        let timestamps = by_user(std::mem::take(&mut log.timestamps), &users, &offsets);
        let mut sorted = Self { offsets, items, timestamps };
        sorted.sort_by_time();
        sorted
    }

    fn sort_by_time(&mut self) {
        let mut timed = Vec::new();
        for range in self.offsets.windows(2) {
            let items = &mut self.items[range[0]..range[1]];
            let timestamps = &mut self.timestamps[range[0]..range[1]];
            if timestamps.is_sorted() {
                continue;
            }
            timed.clear();
            timed.extend(timestamps.iter().copied().zip(items.iter().copied()));
            timed.sort_by_key(|&(timestamp, _)| timestamp);
            for ((timestamp, item), sorted) in timestamps.iter_mut().zip(items).zip(&timed) {
                (*timestamp, *item) = *sorted;
            }
        }
    }

    /// Keeps the interactions that `keep` accepts, called with user, item and timestamp in order.
    fn retain(&mut self, mut keep: impl FnMut(usize, u32, i64) -> bool) {
        let (mut start, mut kept) = (0, 0);
        for user in 0..self.offsets.len() - 1 {
            let end = self.offsets[user + 1];
            for at in start..end {
                let (item, timestamp) = (self.items[at], self.timestamps[at]);
                if keep(user, item, timestamp) {
                    (self.items[kept], self.timestamps[kept]) = (item, timestamp);
                    kept += 1;
                }
            }
            (start, self.offsets[user + 1]) = (end, kept);
        }
        self.items.truncate(kept);
        self.timestamps.truncate(kept);
    }

    /// Removes interactions whose user, item and timestamp are those of an earlier one. The
    /// table of items takes 8 bytes an item.
    pub(super) fn remove_duplicates(&mut self, n_items: usize) {
        // a run is all interactions of one user and time, which stand together; runs count from 1
        let (mut run, mut of_run) = (0, None);
        let mut seen_in = vec![0u64; n_items];
        self.retain(|user, item, timestamp| {
            if of_run.replace((user, timestamp)) != Some((user, timestamp)) {
                run += 1;
            }
            std::mem::replace(&mut seen_in[item as usize], run) != run
        });
    }

    /// Removes users and items with too few interactions until all have enough. Returns the
    /// number of passes.
    pub(super) fn keep_core(&mut self, n_items: usize, options: &PrepareOptions) -> usize {
        for pass in 1.. {
            let of_user: Vec<usize> = self.offsets.windows(2).map(|it| it[1] - it[0]).collect();
            let mut of_item = vec![0usize; n_items];
            for &item in &self.items {
                of_item[item as usize] += 1;
            }
            let before = self.items.len();
            self.retain(|user, item, _| {
                of_user[user] >= options.min_user && of_item[item as usize] >= options.min_item
            });
            if self.items.len() == before {
                return pass;
            }
        }
        unreachable!("each pass removes interactions or ends the loop")
    }
}

/// A column in the order of users; within a user the values keep their order.
fn by_user<T: Copy + Default>(column: Vec<T>, users: &[u32], offsets: &[usize]) -> Vec<T> {
    if users.is_sorted() {
        return column;
    }
    let mut next = offsets.to_vec();
    let mut sorted = vec![T::default(); column.len()];
    for (value, &user) in column.into_iter().zip(users) {
        let at = &mut next[user as usize];
        sorted[*at] = value;
        *at += 1;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::random::{Purpose, stream};

    #[test]
    fn columns_are_sorted_and_freed_of_duplicates_as_rows_are() {
        let mut rng = stream(1, Purpose::Ties, 0);
        for n_rows in 0..60 {
            let rows: Vec<(u32, u32, i64)> = (0..n_rows)
                .map(|_| (rng.random_range(0..5), rng.random_range(0..5), rng.random_range(0..4)))
                .collect();
            let mut log = Interactions {
                users: (0..5).map(|it| it.to_string()).collect(),
                ..Interactions::default()
            };
            for &(user, item, timestamp) in &rows {
                log.push_indices(user, item, timestamp);
            }
            let mut sorted = LogByUser::take(&mut log);
            sorted.remove_duplicates(5);
            assert!(log.is_empty());

            let mut expected: Vec<(u32, u32, i64)> = Vec::new();
            for row in rows {
                if !expected.contains(&row) {
                    expected.push(row);
                }
            }
            expected.sort_by_key(|&(user, _, timestamp)| (user, timestamp));
            let mut found = Vec::new();
            sorted.retain(|user, item, timestamp| {
                found.push((user as u32, item, timestamp));
                true
            });
            assert_eq!(found, expected);
        }
    }
}
