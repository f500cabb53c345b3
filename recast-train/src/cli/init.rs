//! `recast init`

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::TEMPLATE;
use crate::error::Error;
use crate::storage::write_atomic;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write; an existing file stays as it is.
    #[arg(default_value = "recast.toml", value_name = "FILE")]
    path: PathBuf,
}

pub(super) fn init(args: &InitArgs) -> Result<()> {
    if args.path.exists() {
        return Err(Error::file(&args.path, "exists already", "name another file").into());
    }
    write_atomic(&args.path, |writer| writer.write_all(TEMPLATE.as_bytes()))?;
    super::say(format_args!(
        "wrote {}; use it with recast run --config {}",
        args.path.display(),
        super::advice::quoted(&args.path)
    ));
    Ok(())
}
