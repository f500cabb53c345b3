//! Links within a folder that lead out of it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};

/// Checks that no file and no folder within `folder` is a link to a place outside, so that nothing
/// outside is written. The folder itself may be a link.
///
/// # Errors
///
/// [`Error::File`] for the first link that leads outside or nowhere. An error too if a folder
/// cannot be read.
pub(crate) fn check_links(folder: &Path) -> Result<()> {
    let root = fs::canonicalize(folder).map_err(|cause| Error::read(folder, cause))?;
    check_within(folder, &root)
}

fn check_within(folder: &Path, root: &Path) -> Result<()> {
    let failed = |cause| Error::read(folder, cause);
    let entries = match fs::read_dir(folder) {
        // another process removed an old checkpoint
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let kind = match entry.file_type() {
            // another process removed the file
            Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
            kind => kind.map_err(failed)?,
        };
        if kind.is_dir() {
            check_within(&path, root)?;
        } else if kind.is_symlink()
            && !fs::canonicalize(&path).is_ok_and(|target| target.starts_with(root))
        {
            let problem = "is a link that leads out of the run folder";
            let hint =
                "put the file or folder itself there; the run folder as a whole may be a link";
            return Err(Error::file(&path, problem, hint));
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_that_lead_out_are_refused_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (run, outside) = (folder.path().join("run"), folder.path().join("outside"));
        fs::create_dir_all(run.join("sft")).unwrap();
        fs::write(&outside, "").unwrap();
        symlink("sft", run.join("same")).unwrap();
        check_links(&run).unwrap();
        symlink(&run, folder.path().join("link")).unwrap();
        check_links(&folder.path().join("link")).unwrap();
        for target in [&outside, Path::new("../outside"), Path::new("nowhere"), Path::new("/")] {
            symlink(target, run.join("sft/state.json")).unwrap();
            let message = check_links(&run).unwrap_err().to_string();
            assert!(message.contains("state.json: is a link that leads out"), "{message}");
            fs::remove_file(run.join("sft/state.json")).unwrap();
        }
        check_links(&folder.path().join("no folder")).unwrap_err();
    }
}
