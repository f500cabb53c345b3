//! A page that shows runs: one file of HTML with its style and its drawings, without a script and
//! without a network.

mod bars;
mod budget;
mod chart;
mod cost;
mod curves;
mod html;
mod lines;
mod regimes;
mod results;
mod runs;
mod settings;
mod shares;
mod sids;
mod style;

use std::io::Write;
use std::path::{Path, PathBuf};

use self::html::Body;
pub(crate) use self::results::duration;
use self::runs::Setting;
use crate::error::Result;
use crate::storage::write_atomic;

/// The page of one run or of several: results, curves, costs, settings and warnings, as far as the
/// runs have come.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    html: String,
}

impl Page {
    /// The name of a page in a run folder.
    pub const NAME: &str = "report.html";

    /// Makes the page from run folders alone: no data, checkpoint or device is needed.
    ///
    /// Runs that differ in the seed alone share curves, with a band from the lowest to the highest.
    /// Other runs get charts and tables of their own. A run may be unfinished, and another process
    /// may work in it.
    ///
    /// # Errors
    ///
    /// If a folder holds no run, or a file of it is not what recast writes.
    pub fn of(run_dirs: &[PathBuf]) -> Result<Self> {
        let settings = Setting::load(run_dirs)?;
        let mut body = Body::default();
        results::runs(&mut body, &settings);
        results::warnings(&mut body, &settings);
        results::systems(&mut body, &settings);
        curves::learning(&mut body, &settings)?;
        budget::budget(&mut body, &settings)?;
        regimes::regimes(&mut body, &settings)?;
        curves::steps(&mut body, &settings)?;
        cost::cost(&mut body, &settings)?;
        curves::supervised(&mut body, &settings)?;
        sids::sids(&mut body, &settings);
        settings::settings(&mut body, &settings)?;
        settings::machines(&mut body, &settings);
        let names: Vec<String> = settings
            .iter()
            .flat_map(|setting| &setting.folders)
            .map(|folder| folder.name.clone())
            .collect();
        let title = match &names[..] {
            [only] => format!("Run {only}"),
            names => format!("{} runs", names.len()),
        };
        let lead = "Every number comes from the run folders. A band reaches from the lowest to the \
                    highest of several seeds.";
        Ok(Self { html: body.into_page(&title, lead) })
    }

    /// The page as HTML.
    #[must_use]
    pub fn html(&self) -> &str {
        &self.html
    }

    /// Writes the page, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, |writer| writer.write_all(self.html.as_bytes()))
    }
}
