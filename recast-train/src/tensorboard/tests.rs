//! Event files, read back by a reader of its own: framing, CRCs bit by bit, protocol buffers.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::{Epoch, Event, GroupCounts, Monitor, PhaseSeconds, RlStep, Validation};

/// CRC32C by its definition: the polynomial 0x1edc6f41, reflected.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
        crc
    })
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn number(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = take(bytes, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return number;
        }
    }
}

/// The fields of a message: their numbers and bytes; a varint becomes 8 bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let value = match key & 7 {
            0 => number(&mut bytes).to_le_bytes().to_vec(),
            1 => take(&mut bytes, 8).to_vec(),
            2 => {
                let length = number(&mut bytes) as usize;
                take(&mut bytes, length).to_vec()
            }
            5 => take(&mut bytes, 4).to_vec(),
            kind => panic!("kind {kind}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let checked = |data: &[u8], stored: &[u8]| {
        let unmasked = u32::from_le_bytes(stored.try_into().unwrap()).wrapping_sub(0xa282_ead8);
        assert_eq!(unmasked.rotate_left(15), crc(data));
    };
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = take(&mut bytes, 8);
        checked(length, take(&mut bytes, 4));
        let length = u64::from_le_bytes(length.try_into().unwrap());
        let data = take(&mut bytes, length as usize);
        checked(data, take(&mut bytes, 4));
        records.push(data.to_vec());
    }
    records
}

/// The scalars of a file by tag and step, after its version.
fn read(path: &Path) -> BTreeMap<(String, u64), f32> {
    let records = records(&fs::read(path).unwrap());
    assert!(fields(&records[0]).contains(&(3, b"brain.Event:2".to_vec())));
    let mut scalars = BTreeMap::new();
    for record in &records[1..] {
        let event: BTreeMap<u64, Vec<u8>> = fields(record).into_iter().collect();
        let wall_time = f64::from_le_bytes(event[&1][..].try_into().unwrap());
        assert!(wall_time > 1e9, "{wall_time}");
        let step = u64::from_le_bytes(event[&2][..].try_into().unwrap());
        for (field, value) in fields(&event[&5]) {
            assert_eq!(field, 1);
            let value: BTreeMap<u64, Vec<u8>> = fields(&value).into_iter().collect();
            let tag = String::from_utf8(value[&1].clone()).unwrap();
            let number = f32::from_le_bytes(value[&2][..].try_into().unwrap());
            assert_eq!(scalars.insert((tag.clone(), step), number), None, "{tag} {step}");
        }
    }
    scalars
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn monitor(dir: &Path) -> Monitor {
    let listener = listener(dir, |fault| panic!("{fault}")).unwrap();
    Monitor::new(Some(listener), Arc::default())
}

fn step(step: usize, groups: GroupCounts, rewards: &BTreeMap<String, f64>) -> Event<'_> {
    Event::RlStep(RlStep {
        signal: "grpo",
        step,
        loss: 0.5,
        gradient_norm: 1.0,
        clip_fraction: 0.0,
        kl: 0.25,
        positive_log_prob: Some(-1.5),
        negative_log_prob: None,
        mean_reward: 0.125,
        learning_rate: 1e-3,
        groups,
        seconds: PhaseSeconds::default(),
        rewards,
    })
}

#[test]
fn the_values_of_a_file_are_those_of_the_events() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("board/run");
    let monitor = monitor(&dir);
    let rewards = BTreeMap::from([("hit".to_owned(), 0.75)]);
    let first =
        GroupCounts { all_zero: 3, single_hit: 1, generated: 64, trained: 8, ..Default::default() };
    let second = GroupCounts { all_zero: 4, single_hit: 4, generated: 128, trained: 16, ..first };
    let epoch = Epoch {
        stage: "sft",
        epoch: 2,
        step: 300,
        loss: 1.5,
        gradient_norm: 2.0,
        learning_rate: 0.5,
        seconds: 9.0,
    };
    let judged = Validation {
        phase: "sft",
        epoch: Some(2),
        step: None,
        pass_at_1: 0.25,
        recall_at_10: 0.5,
        ndcg_at_10: 0.375,
        best_pass_at_1: None,
        best_ndcg_at_10: None,
        generated: None,
    };
    let in_rl = Validation {
        phase: "grpo",
        epoch: None,
        step: Some(2),
        pass_at_1: 0.75,
        generated: Some(128),
        ..judged
    };
    for event in [
        Event::Epoch(epoch),
        Event::Validation(judged),
        step(1, first, &rewards),
        step(2, second, &rewards),
        Event::Validation(in_rl),
        Event::Phase { phase: "sft", seconds: 3.0 },
    ] {
        monitor.record(&event).unwrap();
    }
    let [file] = &files(&dir)[..] else { panic!("one file") };
    let found = read(file);
    for (tag, step, value) in [
        ("sft/loss", 300, 1.5),
        ("sft/ndcg_at_10", 300, 0.375),
        ("rl/grpo/loss", 1, 0.5),
        ("rl/grpo/positive_log_prob", 2, -1.5),
        ("rl/grpo/reward/hit", 1, 0.75),
        ("rl/grpo/regime/all_zero", 1, 0.75),
        ("rl/grpo/regime/all_zero", 2, 0.25),
        ("rl/grpo/regime/single_hit", 2, 0.75),
        ("rl/grpo/generated_a_step", 2, 64.0),
        ("rl/grpo/trained_a_step", 2, 8.0),
        ("rl/grpo/pass_at_1", 2, 0.75),
    ] {
        assert_eq!(found.get(&(tag.to_owned(), step)), Some(&value), "{tag} {step}");
    }
    assert!(!found.keys().any(|(tag, _)| tag == "rl/grpo/negative_log_prob"));
}

#[test]
fn a_resumed_run_appends_a_file_and_leaves_out_shares_that_it_cannot_know() {
    let folder = tempfile::tempdir().unwrap();
    let rewards = BTreeMap::new();
    for at in [1, 2] {
        let groups = GroupCounts { all_zero: 4 * at, ..Default::default() };
        monitor(folder.path()).record(&step(at as usize, groups, &rewards)).unwrap();
    }
    let [first, second] = &files(folder.path())[..] else { panic!("two files") };
    let all_zero = |step| ("rl/grpo/regime/all_zero".to_owned(), step);
    assert_eq!(read(first).get(&all_zero(1)), Some(&1.0));
    let second = read(second);
    assert!(
        !second.contains_key(&all_zero(2)) && second.contains_key(&("rl/grpo/loss".to_owned(), 2))
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_told_once_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let message = listener(&file, |_| ()).unwrap_err().to_string();
    assert!(message.contains("is a file, not a folder; name a folder"), "{message}");
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&told);
    let below = listener(&file.join("below"), move |fault| {
        into.lock().unwrap().push(fault.to_string());
    });
    let monitor = Monitor::new(Some(below.unwrap()), Arc::default());
    for _ in 0..2 {
        monitor.record(&Event::Phase { phase: "sft", seconds: 1.0 }).unwrap();
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("cannot be written"), "{told:?}");
}
