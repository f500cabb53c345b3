//! `recast tokenize`

use anyhow::Result;

use super::FolderArgs;

pub(super) fn tokenize(args: &FolderArgs) -> Result<()> {
    args.open()?.tokenize()?;
    Ok(())
}
