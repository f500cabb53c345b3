//! The live screen of `--tui`: a thread draws what a listener hears, and reads the keys.

mod state;
mod view;

use std::io::{self, IsTerminal, Stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{cursor, style};

use self::state::State;
use super::{INTERRUPTED, say};
use crate::event::Listener;
use crate::machine::peak_memory_bytes;

/// The time between two drawings.
const INTERVAL: Duration = Duration::from_millis(200);

/// Whether this process holds the terminal; whoever sets it back restores the terminal.
static HELD: AtomicBool = AtomicBool::new(false);

/// A screen on standard error; a drop closes it and prints the lines that it kept.
pub(super) struct Screen {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Whether standard error is a terminal that can move its cursor.
    pub(super) fn is_possible() -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        io::stderr().is_terminal() && !is_dumb
    }

    /// Takes the terminal and begins to draw.
    ///
    /// # Errors
    ///
    /// If the terminal refuses, or Ctrl-C cannot be listened for.
    pub(super) fn open() -> Result<Self> {
        let (state, stop, closing) =
            (Arc::new(Mutex::new(State::new())), Arc::<AtomicBool>::default(), Arc::default());
        let seen = Arc::clone(&stop);
        ctrlc::set_handler(move || ask_to_stop(&seen)).context("cannot listen for Ctrl-C")?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // the message would stand on a screen that is left
            restore();
            hook(panic);
        }));
        HELD.store(true, Ordering::Relaxed);
        let taken = enable_raw_mode()
            .and_then(|()| execute!(io::stderr(), EnterAlternateScreen, cursor::Hide))
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stderr())));
        let terminal = taken.inspect_err(|_| restore()).context("the terminal takes no screen")?;
        let shown = (Arc::clone(&state), Arc::clone(&stop), Arc::clone(&closing));
        let thread = std::thread::spawn(move || show(terminal, &shown.0, &shown.1, &shown.2));
        Ok(Self { state, stop, closing, thread: Some(thread) })
    }

    /// A listener that keeps what the screen shows.
    pub(super) fn listener(&self) -> Listener {
        let state = Arc::clone(&self.state);
        Listener::new(move |message| locked(&state).hear(message))
    }

    /// The flag that becomes true when the user asks to stop.
    pub(super) fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // a panic of the thread has restored the terminal and told its reason
            let _ = thread.join();
        }
        restore();
        let state = locked(&self.state);
        if state.dropped > 0 {
            say(format_args!("({} earlier lines left out)", state.dropped));
        }
        state.lines.iter().for_each(say);
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first wish lets the current step end; the second ends the program at once.
fn ask_to_stop(stop: &AtomicBool) {
    if stop.swap(true, Ordering::Relaxed) {
        restore();
        std::process::exit(INTERRUPTED.into());
    }
}

/// Gives the terminal back as it was, if this process holds it.
fn restore() {
    if HELD.swap(false, Ordering::Relaxed) {
        // nothing remains to be done about a terminal that refuses
        let _ = execute!(io::stderr(), style::ResetColor, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// Draws and reads keys until the screen closes, or something else has restored the terminal.
fn show(
    mut terminal: Terminal<CrosstermBackend<Stderr>>,
    state: &Mutex<State>,
    stop: &AtomicBool,
    closing: &AtomicBool,
) {
    while HELD.load(Ordering::Relaxed) && !closing.load(Ordering::Relaxed) {
        let shown = locked(state).clone();
        let stopping = stop.load(Ordering::Relaxed);
        // a terminal that is gone shows nothing; the work goes on
        let _ = terminal.draw(|frame| view::draw(frame, &shown, stopping, peak_memory_bytes()));
        match event::poll(INTERVAL) {
            Ok(true) => {
                if event::read().is_ok_and(|input| asks_to_stop(&input)) {
                    ask_to_stop(stop);
                }
            }
            Ok(false) => {}
            // keys cannot be read: a signal still stops the work
            Err(_) => std::thread::sleep(INTERVAL),
        }
    }
}

fn asks_to_stop(input: &Input) -> bool {
    let Input::Key(key) = input else { return false };
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (is_ctrl_c || key.code == KeyCode::Char('q'))
}

#[cfg(test)]
mod tests;
