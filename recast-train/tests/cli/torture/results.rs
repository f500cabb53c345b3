//! The results of a run that a resumed run must have too: weights, events, files and tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use recast_train::event::Monitor;
use recast_train::run::Run;
use recast_train::storage::checksum;
use serde_json::Value;

/// The fields that no result depends on.
const NO_RESULTS: [&str; 7] =
    ["seconds", "crc32c", "peak_memory_bytes", "rows_per_second", "phases", "run_dir", "warnings"];

/// The results of a run folder, without times.
#[derive(Debug, PartialEq)]
pub(super) struct Results {
    /// The bits of the weights of each trained decoder.
    weights: BTreeMap<String, Vec<u32>>,
    /// The last event of each kind, phase and place.
    events: BTreeMap<String, Value>,
    /// The checksums of files that hold no times.
    files: BTreeMap<String, String>,
    summary: Value,
}

impl Results {
    pub(super) fn of(run_dir: &Path) -> Self {
        let run = Run::open(run_dir, &[], Monitor::silent()).unwrap();
        let tokenized = run.tokenized().unwrap();
        let systems = ["sft", "rere", "recast"].map(|system| {
            let mut bits = Bits::default();
            run.decoder(&tokenized, Some(system)).unwrap().visit(&mut bits);
            assert!(bits.0.len() > 1000, "{system}: {} weights", bits.0.len());
            (system.to_owned(), bits.0)
        });
        let names = [
            "data/sequences.jsonl",
            "data/items.jsonl",
            "sid/table.json",
            "sid/report.json",
            "ranks/sft.json",
            "ranks/rere.json",
            "ranks/recast.json",
        ];
        let file = |name: &str| (name.to_owned(), checksum(&run_dir.join(name)).unwrap());
        Self {
            weights: systems.into(),
            events: events(run_dir),
            files: names.map(file).into(),
            summary: summary(&fs::read_to_string(run_dir.join("summary.json")).unwrap()),
        }
    }
}

/// The figures of a summary.
pub(super) fn summary(text: &str) -> Value {
    let mut summary = serde_json::from_str(text).unwrap();
    without_times(&mut summary);
    summary
}

fn events(run_dir: &Path) -> BTreeMap<String, Value> {
    let log = fs::read_to_string(run_dir.join("events.jsonl")).unwrap();
    let mut events = BTreeMap::new();
    for line in log.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        without_times(&mut event);
        let kind = event["event"].as_str().unwrap();
        // a process that was ended right before told no such event
        if ["session", "prepare", "tokenize", "phase", "memory_estimate"].contains(&kind) {
            continue;
        }
        // the test made this fault
        if event["text"].as_str().is_some_and(|text| text.contains(" is damaged: ")) {
            continue;
        }
        let key = ["event", "phase", "signal", "name", "epoch", "step", "text"]
            .map(|field| event[field].to_string());
        events.insert(key.join(" "), event);
    }
    assert!(events.len() > 20, "{} events", events.len());
    events
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !NO_RESULTS.contains(&name.as_str()));
            fields.values_mut().for_each(without_times);
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// The bits of a module's weights in the order of a visit.
#[derive(Default)]
struct Bits(Vec<u32>);

impl ModuleVisitor for Bits {
    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
        let values = param.val().into_data().try_into_vec::<f32>().unwrap();
        self.0.extend(values.into_iter().map(f32::to_bits));
    }
}
