//! The screen drawn onto a terminal in memory.

use std::collections::BTreeMap;

use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyEvent;

use super::*;
use crate::event::{Epoch, Event, GroupCounts, JobNews, Message, PhaseSeconds, RlStep, Validation};

fn heard() -> State {
    let mut state = State::new();
    let rewards = BTreeMap::new();
    let step = |step: usize, loss: f64, all_zero: u64, single_hit: u64| RlStep {
        signal: "grpo",
        step,
        loss,
        gradient_norm: 1.0,
        clip_fraction: 0.0,
        kl: 0.0,
        positive_log_prob: None,
        negative_log_prob: None,
        mean_reward: 0.5,
        learning_rate: 1e-3,
        groups: GroupCounts { all_zero, single_hit, ..GroupCounts::default() },
        seconds: PhaseSeconds { generate: 12.5, ..PhaseSeconds::default() },
        rewards: &rewards,
    };
    let validation = |step: usize, pass_at_1: f64| Validation {
        phase: "grpo",
        epoch: None,
        step: Some(step),
        pass_at_1,
        recall_at_10: 0.5,
        ndcg_at_10: 0.5,
        best_pass_at_1: None,
        best_ndcg_at_10: None,
        generated: Some(0),
    };
    let epoch = Epoch {
        stage: "sft",
        epoch: 1,
        step: 9,
        loss: 3.5,
        gradient_norm: 1.0,
        learning_rate: 1.0,
        seconds: 1.0,
    };
    for event in [
        Event::Epoch(epoch),
        Event::Phase { phase: "sft", seconds: 41.0 },
        Event::MemoryEstimate { state_bytes: 20 << 20, pass_bytes: 80 << 20 },
        Event::Validation(validation(0, 0.25)),
        Event::RlStep(step(1, 0.5, 2, 2)),
        Event::RlStep(step(2, 0.125, 3, 5)),
        Event::Validation(validation(2, 0.375)),
    ] {
        state.hear(&Message::Event(&event));
    }
    let job = |news| Message::Job { id: 1, label: "rl grpo", news };
    for news in [JobNews::Begun(40), JobNews::Resumed(10), JobNews::Advanced(2)] {
        state.hear(&job(news));
    }
    state.hear(&Message::Line("warning: many ties\nrl grpo step 2: validation Pass@1 0.3750"));
    state
}

fn drawn(state: &State, width: u16, height: u16, stopping: bool) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, state, stopping, Some(300 << 20))).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_screen_shows_curves_groups_times_memory_and_warnings() {
    let screen = drawn(&heard(), 120, 30, false);
    for told in [
        "recast  0:00:00  memory at most 300 MiB, about 100 MiB expected",
        "grpo loss: 0.1250",
        "grpo validation Pass@1: 0.3750",
        "grpo groups of the last step",
        "all-zero 37.5%",
        "single-hit 62.5%",
        "generate 12.5",
        "done: sft 41.0",
        "rl grpo: 12/40, 0:00:0",
        "lines, 1 warning",
        "warning: many ties",
        "rl grpo step 2: validation",
        "q or Ctrl-C: stop after this step",
    ] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    // the last step had a group without a hit and three with one: a quarter of the bar's 58 columns
    let bar = screen.lines().find(|line| line.contains('\u{2592}')).unwrap();
    let count = |letter| bar.chars().filter(|&found| found == letter).count();
    assert_eq!((count('\u{2591}'), count('\u{2592}')), (15, 43), "{screen}");
    assert!(drawn(&heard(), 120, 30, true).contains("stopping after this step"));
}

#[test]
fn a_small_loss_is_told_by_its_power_of_ten() {
    let mut state = heard();
    state.loss.places = vec![(1.0, 0.25), (2.0, -1.25e-7)];
    let screen = drawn(&state, 120, 30, false);
    for told in ["grpo loss: -1.2e-7", "0.2500", "-1.2e-7"] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
}

#[test]
fn an_empty_state_and_every_size_are_drawn() {
    assert!(drawn(&State::new(), 80, 24, false).contains("loss: none yet"));
    for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 24), (300, 90)] {
        drawn(&heard(), width, height, true);
        drawn(&State::new(), width, height, false);
    }
}

#[test]
fn a_curve_belongs_to_one_stage_and_a_resumed_step_replaces_the_later_ones() {
    let mut state = heard();
    assert_eq!(
        (&state.loss.name[..], &state.loss.places[..]),
        ("grpo", &[(1.0, 0.5), (2.0, 0.125)][..])
    );
    let again = Validation {
        phase: "grpo",
        epoch: None,
        step: Some(0),
        pass_at_1: 0.5,
        recall_at_10: 0.0,
        ndcg_at_10: 0.0,
        best_pass_at_1: None,
        best_ndcg_at_10: None,
        generated: None,
    };
    state.hear(&Message::Event(&Event::Validation(again)));
    assert_eq!(state.pass_at_1.places, [(0.0, 0.5)]);
}

#[test]
fn lines_are_kept_for_the_end_and_old_ones_make_room() {
    let mut state = State::new();
    (0..1003).for_each(|number| state.line(&number.to_string()));
    assert_eq!((state.lines.len(), state.dropped), (1000, 3));
    assert_eq!(state.lines.front().map(String::as_str), Some("3"));
}

#[test]
fn q_and_ctrl_c_ask_to_stop_and_no_other_key_does() {
    let key = |code, modifiers| asks_to_stop(&Input::Key(KeyEvent::new(code, modifiers)));
    assert!(key(KeyCode::Char('q'), KeyModifiers::NONE));
    assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
    assert!(!key(KeyCode::Enter, KeyModifiers::NONE));
    assert!(!asks_to_stop(&Input::FocusGained));
}
