use std::sync::{Arc, Mutex};

use recast_burn::DeviceKind;

use super::*;
use crate::event::{Listener, Message};
use crate::model::{Decoder, ModelConfig};

/// A state of training, as the stages have one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    step: usize,
    best: f64,
    finished: bool,
}

/// A folder with one stage, and the lines that its monitor told.
struct Desk {
    folder: tempfile::TempDir,
    stage: Stage,
    monitor: Monitor,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&lines);
        let listener = Listener::new(move |message| {
            if let Message::Line(line) = message {
                into.lock().unwrap().push((*line).to_owned());
            }
        });
        let stage = Stage::new(folder.path(), "sft");
        Self { folder, stage, monitor: Monitor::new(Some(listener), Arc::default()), lines }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("sft").join(name)
    }

    /// Saves decoders of seed 1, 2, ..; that of `best` is the best.
    fn save(&self, steps: std::ops::RangeInclusive<usize>, best: usize) {
        for step in steps {
            let (model, optimiser) = (decoder(step as u64), Optimiser::new(0.1, 1.0));
            let (model, optimiser, is_best) = (&model, &optimiser, step == best);
            let saved = Saved { step, model, optimiser, reference: Some(model), is_best };
            self.stage.save(&saved, &state(step)).unwrap();
        }
    }

    /// The loaded step; the weights are checked to be those of that step.
    fn load(&self) -> Option<usize> {
        let optimiser = Optimiser::new(0.1, 1.0);
        let loaded = self.stage.load(|_: &State| decoder(99), &optimiser, &self.monitor).unwrap();
        let (model, _, found) = loaded?;
        assert_eq!(found, state(found.step));
        assert_eq!(weights(&model), weights(&decoder(found.step as u64)));
        Some(found.step)
    }

    fn names(&self) -> Vec<String> {
        self.stage.names().unwrap()
    }
}

fn state(step: usize) -> State {
    State { step, best: 1.0 / step as f64, finished: false }
}

fn decoder(seed: u64) -> Decoder {
    Decoder::new(&ModelConfig::tiny(), &[4, 4], seed, &DeviceKind::Cpu.device())
}

fn weights(decoder: &Decoder) -> Vec<f32> {
    decoder.embed(&[0, 5]).into_data().try_into_vec::<f32>().unwrap()
}

fn damage(path: &Path, how: &str) {
    let mut bytes = fs::read(path).unwrap();
    match how {
        "flipped" => {
            let place = bytes.len() / 2;
            bytes[place] ^= 16;
        }
        "cut" => bytes.truncate(bytes.len() / 3),
        "emptied" => bytes.clear(),
        _ => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_is_used() {
    for file in [MODEL, OPTIMISER, REFERENCE, manifest::NAME] {
        for how in ["flipped", "cut", "emptied", "removed"] {
            let desk = Desk::new();
            desk.save(1..=3, 1);
            assert_eq!(desk.load(), Some(3));
            damage(&desk.path("step-000003").join(file), how);
            assert_eq!(desk.load(), Some(2), "{file} {how}");
            let lines = desk.lines.lock().unwrap();
            assert_eq!(lines.len(), 1, "{lines:?}");
            let start = "warning: sft: step-000003 is damaged: step-000002 is used in its place (";
            assert!(lines[0].starts_with(start) && lines[0].contains(file), "{lines:?}");
            assert_eq!(desk.names(), ["step-000001", "step-000002"]);
            assert!(desk.path("damaged-step-000003").exists());
        }
    }
}

#[test]
fn without_a_whole_checkpoint_training_begins_anew() {
    let desk = Desk::new();
    assert_eq!(desk.load(), None);
    desk.save(1..=2, 2);
    for name in desk.names() {
        damage(&desk.path(&name).join(MODEL), "flipped");
    }
    assert_eq!(desk.load(), None);
    let lines = desk.lines.lock().unwrap();
    assert!(lines[1].contains("no checkpoint is left, and training begins anew"), "{lines:?}");
}

#[test]
fn readers_of_a_damaged_checkpoint_get_an_error_and_no_older_state() {
    let desk = Desk::new();
    desk.save(1..=2, 1);
    assert_eq!(desk.stage.progress().unwrap().unwrap().step, 2);
    damage(&desk.path("step-000002").join(manifest::NAME), "flipped");
    let message = desk.stage.state::<State>().unwrap_err().to_string();
    assert!(message.contains("goes on from the checkpoint before"), "{message}");
    desk.stage.mend(&desk.monitor).unwrap();
    assert_eq!(desk.stage.progress().unwrap().unwrap().step, 1);
}

#[test]
fn the_last_two_checkpoints_and_the_best_one_stay() {
    let desk = Desk::new();
    desk.save(1..=6, 2);
    assert_eq!(desk.names(), ["step-000002", "step-000005", "step-000006"]);
    desk.save(7..=7, 7);
    // a fall-back to step 6 still has its best decoder
    assert_eq!(desk.names(), ["step-000002", "step-000006", "step-000007"]);
    desk.save(8..=8, 7);
    assert_eq!(desk.names(), ["step-000007", "step-000008"]);
}

#[test]
fn the_best_decoder_is_whole_as_long_as_one_of_its_copies_is() {
    let best = |desk: &Desk| desk.stage.load_best(decoder(99)).map(|model| weights(&model));
    let expected = weights(&decoder(1));
    for how in ["flipped", "cut", "emptied", "removed"] {
        let desk = Desk::new();
        desk.save(1..=4, 1);
        damage(&desk.path("best.bpk"), how);
        assert_eq!(best(&desk).unwrap(), expected, "{how}");
        // the file is whole again
        damage(&desk.path("step-000001").join(MODEL), how);
        assert_eq!(best(&desk).unwrap(), expected, "{how}");
        damage(&desk.path("best.bpk"), how);
        best(&desk).unwrap_err();
    }
}

#[test]
fn a_fall_back_gives_the_best_decoder_of_its_own_time() {
    let desk = Desk::new();
    desk.save(1..=2, 1);
    desk.save(3..=3, 3);
    assert_eq!(weights(&desk.stage.load_best(decoder(99)).unwrap()), weights(&decoder(3)));
    damage(&desk.path("step-000003").join(OPTIMISER), "cut");
    assert_eq!(desk.load(), Some(2));
    assert_eq!(weights(&desk.stage.load_best(decoder(99)).unwrap()), weights(&decoder(1)));
}

#[test]
fn what_an_ended_process_left_is_no_checkpoint() {
    let desk = Desk::new();
    desk.save(1..=1, 1);
    fs::create_dir(desk.path("step-000002.partial")).unwrap();
    fs::write(desk.path("step-000002.partial").join(MODEL), "half").unwrap();
    fs::create_dir(desk.path("step-000001.removed")).unwrap();
    assert_eq!(desk.load(), Some(1));
    assert!(!desk.path("step-000002.partial").exists());
    assert!(!desk.path("step-000001.removed").exists());
    assert!(desk.lines.lock().unwrap().is_empty());
}

#[test]
fn a_step_saved_again_takes_the_place_of_its_checkpoint() {
    let desk = Desk::new();
    desk.save(1..=2, 2);
    desk.save(2..=2, 2);
    assert_eq!(desk.names(), ["step-000001", "step-000002"]);
    assert_eq!(desk.load(), Some(2));
}

#[test]
fn a_checkpoint_of_an_earlier_version_is_loaded_unless_its_name_leads_elsewhere() {
    let desk = Desk::new();
    desk.save(1..=1, 1);
    fs::remove_file(desk.path("step-000001").join(manifest::NAME)).unwrap();
    assert_eq!(desk.load(), Some(1));
    assert_eq!(weights(&desk.stage.load_best(decoder(99)).unwrap()), weights(&decoder(1)));
    let kept = fs::read_to_string(desk.path("state.json")).unwrap();
    for name in ["../step-000001", "/etc", "", "step-", "step-1/../..", "step-x"] {
        fs::write(desk.path("state.json"), kept.replace("step-000001", name)).unwrap();
        let message = desk.stage.progress().unwrap_err().to_string();
        assert!(message.contains("is no checkpoint of this folder"), "{message}");
    }
    desk.stage.mend(&desk.monitor).unwrap_err();
    assert!(desk.path("step-000001").exists(), "nothing is set aside");
    assert_eq!(desk.names().len(), 1);
}

#[test]
fn a_checkpoint_of_an_earlier_version_is_not_told_to_take_the_place_of_a_damaged_one() {
    let desk = Desk::new();
    desk.save(1..=2, 2);
    fs::remove_file(desk.path("step-000001").join(manifest::NAME)).unwrap();
    damage(&desk.path("step-000002").join(MODEL), "flipped");
    assert_eq!(desk.load(), None);
    let lines = desk.lines.lock().unwrap();
    assert!(lines[0].contains("no checkpoint is left, and training begins anew"), "{lines:?}");
}
