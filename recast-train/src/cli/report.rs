//! `recast report`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::report::Page;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Run folders, also unfinished ones. Runs that differ in the seed alone share curves with a
    /// band; unlike runs get charts of their own.
    #[arg(required = true, value_name = "RUN")]
    run_dirs: Vec<PathBuf>,
    /// The file to write [default: report.html in the first run folder].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn report(args: &ReportArgs) -> Result<()> {
    let page = Page::of(&args.run_dirs)?;
    let in_first = || args.run_dirs.first().map(|dir| dir.join(Page::NAME));
    let path = args.output.clone().or_else(in_first).unwrap_or_else(|| Page::NAME.into());
    page.write(&path)?;
    super::say(format_args!("wrote {}", path.display()));
    Ok(())
}
