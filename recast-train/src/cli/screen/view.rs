//! The live screen as widgets.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph, Wrap};

use super::state::{Job, State, Trace};
use crate::event::GroupCounts;

/// A regime's title, the letter that fills its part of the bar, and its colour.
const REGIMES: [(&str, &str, Color); 4] = [
    ("all-zero", "\u{2591}", Color::Gray),
    ("single-hit", "\u{2592}", Color::LightBlue),
    ("multi-hit", "\u{2593}", Color::Blue),
    ("all-hit", "\u{2588}", Color::Yellow),
];

/// Draws the screen. `stopping` says that the user asked to stop; `memory` is the largest resident
/// size so far, in bytes.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, stopping: bool, memory: Option<u64>) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(6),
        Constraint::Length(5),
        Constraint::Length(state.jobs.len().clamp(1, 3) as u16),
        Constraint::Min(4),
        Constraint::Length(1),
    ]);
    let [title, curves, groups, jobs, lines, keys] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(head(state, memory)), title);
    let halves = Layout::horizontal([Constraint::Percentage(50); 2]);
    let [left, right] = halves.areas(curves);
    trace(frame, left, "loss", &state.loss);
    trace(frame, right, "validation Pass@1", &state.pass_at_1);
    let [left, right] = Layout::horizontal([Constraint::Percentage(50); 2]).areas(groups);
    regimes(frame, left, state);
    frame.render_widget(seconds(state), right);
    running(frame, jobs, state);
    told(frame, lines, state);
    let hint = match stopping {
        true => "stopping after this step; press q or Ctrl-C again to stop at once",
        false => "q or Ctrl-C: stop after this step; the run resumes later",
    };
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(hint).style(style), keys);
}

fn head(state: &State, memory: Option<u64>) -> String {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let mut words = format!("recast  {}", clock(state.started.elapsed()));
    if let Some(bytes) = memory {
        words += &format!("  memory at most {}", mib(bytes));
    }
    if let Some(bytes) = state.estimate {
        words += &format!(", about {} expected", mib(bytes));
    }
    words
}

/// A duration as `1:02:03`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A number by four decimals, or by its power of ten where these would say nothing: losses of
/// signals whose advantages cancel are close to 0.
fn number(value: f64) -> String {
    if value == 0.0 || value.abs() >= 1e-3 { format!("{value:.4}") } else { format!("{value:.1e}") }
}

fn trace(frame: &mut Frame<'_>, area: Rect, name: &str, trace: &Trace) {
    let title = match trace.last() {
        Some(last) => format!(" {} {name}: {} ", trace.name, number(last)),
        None => format!(" {name}: none yet "),
    };
    let block = Block::bordered().title(title);
    let (Some(&(first, _)), Some(&(last, _))) = (trace.places.first(), trace.places.last()) else {
        frame.render_widget(block, area);
        return;
    };
    let values = || trace.places.iter().map(|&(_, value)| value);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    // a curve without any width or height has a range too
    let margin = if high > low { 0.0 } else { 0.1 * high.abs().max(0.1) };
    let curve = Dataset::default()
        .data(&trace.places)
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Style::new().fg(Color::Cyan));
    let x = Axis::default()
        .bounds([first, last.max(first + 1.0)])
        .labels([format!("{first:.0}"), format!("{last:.0}")]);
    let y = Axis::default()
        .bounds([low - margin, high + margin])
        .labels([number(low - margin), number(high + margin)]);
    frame.render_widget(Chart::new(vec![curve]).block(block).x_axis(x).y_axis(y), area);
}

/// The groups of the last step as a bar, and those of all steps in words.
fn regimes(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let Some((signal, all, new)) = &state.groups else {
        frame.render_widget(Block::bordered().title(" groups: none yet "), area);
        return;
    };
    let block = Block::bordered().title(format!(" {signal} groups of the last step "));
    let width = usize::from(block.inner(area).width);
    let total = new.iter().sum::<u64>().max(1);
    let (mut upto, mut at) = (0, 0);
    let mut bar = Vec::new();
    for ((_, letter, colour), count) in REGIMES.iter().zip(new) {
        upto += count;
        let end = (upto as f64 / total as f64 * width as f64).round() as usize;
        bar.push(Span::styled(letter.repeat(end - at), Style::new().fg(*colour)));
        at = end;
    }
    let of_all = |regime: usize, counts: &GroupCounts| {
        let counted = [counts.all_zero, counts.single_hit, counts.multi_hit, counts.all_hit];
        100.0 * counted[regime] as f64 / counts.groups().max(1) as f64
    };
    let mut legend = vec![Span::raw("all steps: ")];
    for (regime, (title, letter, colour)) in REGIMES.iter().enumerate() {
        legend.push(Span::styled(*letter, Style::new().fg(*colour)));
        legend.push(Span::raw(format!("{title} {:.1}%  ", of_all(regime, all))));
    }
    let lines = vec![Line::from(bar), Line::from(legend)];
    frame.render_widget(Paragraph::new(lines).block(block).wrap(Wrap { trim: true }), area);
}

/// The seconds of the signal's phases, then of the phases of the run that ended.
fn seconds(state: &State) -> Paragraph<'_> {
    let s = state.seconds;
    let of_step = format!(
        "generate {:.1}  select {:.1}  old {:.1}  ref {:.1}  update {:.1}  optimiser {:.1}  evaluate {:.1}",
        s.generate, s.select, s.old_log_prob, s.ref_log_prob, s.update, s.optimiser, s.evaluate
    );
    let ended: Vec<String> =
        state.phases.iter().map(|(phase, seconds)| format!("{phase} {seconds:.1}")).collect();
    let lines = vec![Line::from(of_step), Line::from(format!("done: {}", ended.join("  ")))];
    Paragraph::new(lines).block(Block::bordered().title(" seconds ")).wrap(Wrap { trim: true })
}

fn running(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let rows = Layout::vertical(vec![Constraint::Length(1); usize::from(area.height)]).split(area);
    for (job, row) in state.jobs.values().zip(rows.iter()) {
        let share = job.done as f64 / job.total.max(1) as f64;
        let label = Span::raw(progress(job));
        let style = Style::new().fg(Color::Blue);
        frame.render_widget(
            Gauge::default().ratio(share.clamp(0.0, 1.0)).label(label).gauge_style(style),
            *row,
        );
    }
}

fn progress(job: &Job) -> String {
    let left = job.left().map_or(String::new(), |left| format!(", {} left", clock(left)));
    format!("{}: {}/{}{left}  {}", job.label, job.done, job.total, job.note)
}

/// Warnings, then the latest lines.
fn told(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let title = match state.warnings.len() {
        0 => " lines ".to_owned(),
        1 => " lines, 1 warning ".to_owned(),
        count => format!(" lines, {count} warnings "),
    };
    let block = Block::bordered().title(title);
    let height = usize::from(block.inner(area).height);
    let shown = state.warnings.len().min(height / 2);
    let warnings = state.warnings[state.warnings.len() - shown..].iter();
    let warning = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
    let mut lines: Vec<Line<'_>> =
        warnings.map(|line| Line::styled(line.as_str(), warning)).collect();
    let others = state.lines.iter().filter(|line| !line.starts_with("warning: "));
    let latest: Vec<&String> = others.rev().take(height - shown).collect();
    lines.extend(latest.into_iter().rev().map(|line| Line::raw(line.as_str())));
    frame.render_widget(Paragraph::new(lines).block(block).wrap(Wrap { trim: false }), area);
}
