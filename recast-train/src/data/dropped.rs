//! Ids that stand in a log and not in its sequences.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ids;
use super::readers::lines::{for_each_line, json_error};
use crate::error::Result;
use crate::storage::Sources;

/// The users and items that preparation left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) users: Ids,
    pub(crate) items: Ids,
}

/// A line of the file: an id of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DroppedId<T> {
    /// A user.
    User(T),
    /// An item.
    Item(T),
}

impl Dropped {
    /// Writes a line of JSON for each id.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub(crate) fn write_to(&self, mut writer: impl Write) -> io::Result<()> {
        let users = self.users.iter().map(DroppedId::User);
        for id in users.chain(self.items.iter().map(DroppedId::Item)) {
            serde_json::to_writer(&mut writer, &id)?;
            writeln!(writer)?;
        }
        writer.flush()
    }

    /// Whether the file of [`Dropped::write_to`] holds an id. A missing file holds none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a line is not what [`Dropped::write_to`] writes.
    pub(crate) fn stands_in(path: &Path, id: DroppedId<&str>) -> Result<bool> {
        if !path.exists() {
            return Ok(false);
        }
        let mut found = false;
        for_each_line(Sources::default().text(path, None)?, |number, text| {
            let line: DroppedId<String> =
                serde_json::from_str(text).map_err(|fault| json_error(path, number, &fault))?;
            found |= match (&line, id) {
                (DroppedId::User(line), DroppedId::User(id))
                | (DroppedId::Item(line), DroppedId::Item(id)) => line == id,
                _ => false,
            };
            Ok(())
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_either_kind_are_found_as_they_were_written() {
        let dropped = Dropped {
            users: ["rare", "a\nb", "\"x\""].into_iter().collect(),
            items: ["i01, deluxe", "rare item"].into_iter().collect(),
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        dropped.write_to(file.as_file()).unwrap();
        let stands = |id| Dropped::stands_in(file.path(), id).unwrap();
        for user in dropped.users.iter() {
            assert!(stands(DroppedId::User(user)));
            assert!(!stands(DroppedId::Item(user)));
        }
        for item in dropped.items.iter() {
            assert!(stands(DroppedId::Item(item)));
            assert!(!stands(DroppedId::User(item)));
        }
        assert!(!Dropped::stands_in(Path::new("nowhere"), DroppedId::User("rare")).unwrap());
    }
}
