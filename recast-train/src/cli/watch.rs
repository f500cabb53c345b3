//! The flags that say how a user watches the work: a live screen, TensorBoard, lines or nothing.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

#[cfg(feature = "tui")]
use super::screen::Screen;
use super::{interrupts, say, terminal};
use crate::event::{Listener, Monitor};
use crate::tensorboard;

/// How a user watches training.
#[derive(Debug, Default, Args)]
pub(super) struct WatchArgs {
    /// Also write the curves as event files for TensorBoard into this folder. A resumed run adds a
    /// file.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
    /// Show a live screen with curves, groups, times and memory. q or Ctrl-C stops after the
    /// current step. Without a terminal, progress comes as lines.
    #[cfg(feature = "tui")]
    #[arg(long, conflicts_with = "quiet")]
    tui: bool,
}

/// A monitor with the screen that shows its work; the screen closes when this is dropped.
pub(super) struct Watch {
    #[cfg(feature = "tui")]
    _screen: Option<Screen>,
}

impl Watch {
    /// Ends the watch: a screen closes and leaves its lines.
    pub(super) fn close(self) {}
}

impl WatchArgs {
    /// The monitor of the work, and the screen to hold until the work ends.
    ///
    /// # Errors
    ///
    /// If Ctrl-C cannot be listened for, the terminal takes no screen, or TensorBoard's folder is a
    /// file.
    pub(super) fn monitor(&self, quiet: bool) -> Result<(Monitor, Watch)> {
        let board = match &self.tensorboard {
            Some(dir) => Some(tensorboard::listener(dir, |fault| {
                say(format_args!("warning: {fault}; TensorBoard gets no more of this run"));
            })?),
            None => None,
        };
        #[cfg(feature = "tui")]
        if self.tui {
            if Screen::is_possible() {
                let screen = Screen::open()?;
                let monitor = Monitor::new(joined(Some(screen.listener()), board), screen.stop());
                return Ok((monitor, Watch { _screen: Some(screen) }));
            }
            say("--tui needs a terminal on standard error: progress comes as lines");
        }
        let listener = joined((!quiet).then(terminal::listener), board);
        let watch = Watch {
            #[cfg(feature = "tui")]
            _screen: None,
        };
        Ok((Monitor::new(listener, interrupts()?), watch))
    }
}

fn joined(first: Option<Listener>, second: Option<Listener>) -> Option<Listener> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.and(second)),
        (first, second) => first.or(second),
    }
}
