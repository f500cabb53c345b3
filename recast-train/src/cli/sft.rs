//! `recast sft`

use anyhow::Result;

use super::FolderArgs;

pub(super) fn sft(args: &FolderArgs) -> Result<()> {
    let run = args.open()?;
    run.sft(&run.tokenized()?)?;
    Ok(())
}
