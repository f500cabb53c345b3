//! The impressions of MIND: a user's earlier clicks, and what a visit showed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::field::Place;
use super::layout::Layout;
use super::lines::each_line_and_cut;
use super::rows::Rows;
use super::{Interactions, LogOptions, LogOrder, without_columns, without_ratings};
use crate::error::{Error, Result};
use crate::storage::Source;

/// Reads the lines: a number, a user, a time, the user's earlier clicks, and the items shown, as
/// `N1-1` where clicked and `N2-0` where not.
///
/// The clicks are interactions. A user's earlier clicks, which stand in each line of the user, come
/// before: their time is one less than the first of the file.
pub(super) fn read(source: Source, layout: &Layout, options: &LogOptions) -> Result<Interactions> {
    let path = &source.path().to_owned();
    without_ratings(path, "MIND", options.min_rating)?;
    without_columns(path, options)?;
    let columns = &layout.columns;
    let mut rows = Rows::new(path, options, columns, LogOrder::Time);
    let mut histories: HashMap<String, u64> = HashMap::new();
    let mut earlier: Vec<bool> = Vec::new();
    let mut changed = 0usize;
    let cut = each_line_and_cut(source, |line, text| {
        let fields: Vec<&str> = text.split('\t').map(str::trim).collect();
        let [_, user, time, history, shown] = fields[..] else {
            let problem = format!("has {} fields where the lines before have 5", fields.len());
            return Err(Error::line(path, line, problem, "part the fields by tabs"));
        };
        let mut hasher = DefaultHasher::new();
        history.hash(&mut hasher);
        match histories.get(user) {
            Some(first) => changed += usize::from(*first != hasher.finish()),
            None => {
                histories.insert(user.to_owned(), hasher.finish());
                for item in history.split_whitespace() {
                    rows.push(line, Some(user), Some(item), Some(time))?;
                }
                earlier.resize(rows.count(), true);
            }
        }
        for shown in shown.split_whitespace() {
            match shown.rsplit_once('-') {
                Some((item, "1")) => rows.push(line, Some(user), Some(item), Some(time))?,
                Some((_, "0")) => {}
                _ => {
                    let place = Place { path, line, column: &columns.item };
                    let problem = "does not say whether the item was clicked";
                    return Err(place.error(shown, problem, "give MIND's train or dev file"));
                }
            }
        }
        earlier.resize(rows.count(), false);
        Ok(())
    })?;
    let mut log = rows.into_log(cut)?;
    let before = log.timestamps.iter().min().map_or(0, |first| first.saturating_sub(1));
    for (time, _) in log.timestamps.iter_mut().zip(earlier).filter(|it| it.1) {
        *time = before;
    }
    log.warnings.extend((changed > 0).then(|| {
        format!(
            "{changed} lines have another history than the first line of their user, which counts"
        )
    }));
    Ok(log)
}
