//! Settings, versions and machines.

use std::collections::BTreeSet;

use super::html::{Body, Table};
use super::runs::Setting;
use crate::config::{Config, Keys};
use crate::error::Result;

/// The settings of each group of runs: first those that differ from the default, then all.
pub(super) fn settings(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Settings");
    let default = Keys::of(&Config::default())?;
    for setting in settings {
        let Some(folder) = setting.folders.first() else { continue };
        let changes = default.changes(&Keys::of(&folder.config)?);
        let caption = setting.titled(&format!("Settings of {} unlike the default", folder.name));
        let mut table = Table::new(caption, ["key", "default", "here"]).of_text();
        for change in changes {
            let none = || "none".to_owned();
            let [old, new] = [change.old, change.new].map(|value| value.unwrap_or_else(none));
            table.row([change.key, old, new]);
        }
        match table.is_empty() {
            true => body.missing(&format!("{} has the default settings.", folder.name)),
            false => body.table(&table),
        }
        for folder in &setting.folders {
            body.details(&format!("All settings of {}", folder.name), |body| {
                body.preformatted(folder.config_text.trim_end());
            });
        }
    }
    Ok(())
}

/// The version and the machine of each session.
pub(super) fn machines(body: &mut Body, settings: &[Setting]) {
    body.section("Version and machine");
    let folders = || settings.iter().flat_map(|setting| &setting.folders);
    let keys: BTreeSet<&String> =
        folders().flat_map(|f| &f.log.sessions).flat_map(|session| session.keys()).collect();
    if keys.is_empty() {
        body.missing("These runs record no version: an earlier version made them.");
    } else {
        // the version first: the other facts are read beside it
        let rest = keys.iter().filter(|key| ***key != "version").map(|key| key.as_str());
        let order: Vec<&str> = std::iter::once("version").chain(rest).collect();
        let heads = order.iter().map(|key| key.replace('_', " "));
        let heads = std::iter::once("run folder".to_owned()).chain(heads);
        let mut table = Table::new("Sessions that worked in these runs", heads).of_text();
        let mut last = Vec::new();
        for folder in folders() {
            for session in &folder.log.sessions {
                let cell = |key: &&str| session.get(*key).map_or("-".to_owned(), Clone::clone);
                let row: Vec<String> =
                    std::iter::once(folder.name.clone()).chain(order.iter().map(cell)).collect();
                // sessions of one machine stand once
                if row != last {
                    table.row(row.clone());
                }
                last = row;
            }
        }
        body.table(&table);
    }
    body.paragraph(&format!("recast {} wrote this page.", env!("CARGO_PKG_VERSION")));
}
