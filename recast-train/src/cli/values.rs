//! Flags whose values are names of the library.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::config::{ModelPreset, Preset};
use crate::data::TieOrder;
use crate::decode::Search;
use crate::model::Precision;
use crate::train::SignalName;

/// A parser of the values `all` by their names; `help` explains each value.
fn parser<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
    help: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let possible = all.iter().map(|&value| PossibleValue::new(name(value)).help(help(value)));
    PossibleValuesParser::new(possible).try_map(move |given| {
        let found = all.iter().copied().find(|&value| name(value) == given);
        found.ok_or_else(|| format!("'{given}' is no such name"))
    })
}

pub(super) fn preset() -> impl TypedValueParser<Value = Preset> {
    parser(&Preset::ALL, Preset::name, |preset| match preset {
        Preset::Demo => "The synthetic catalogue in minutes: the default without a log",
        Preset::Smoke => "A small synthetic catalogue in seconds: for continuous integration",
        Preset::Standard => {
            "Real data of some ten thousand users and items: the default with a log"
        }
        Preset::MiniOneRec => {
            "A folder of MiniOneRec, by its own split: the default with such a folder"
        }
    })
}

pub(super) fn model() -> impl TypedValueParser<Value = ModelPreset> {
    parser(&ModelPreset::ALL, ModelPreset::name, |model| match model {
        ModelPreset::Tiny => "Width 64, 2 layers",
        ModelPreset::Small => "Width 128, 4 layers",
        ModelPreset::Base => "Width 256, 6 layers",
        ModelPreset::Large => "Width 768, 12 layers: for a GPU",
    })
}

pub(super) fn tie_order() -> impl TypedValueParser<Value = TieOrder> {
    parser(&TieOrder::ALL, TieOrder::name, |order| match order {
        TieOrder::File => "As in the file. A file sorted by item partly gives away the next item",
        TieOrder::Shuffle => "At random, by the seed",
    })
}

pub(super) fn precision() -> impl TypedValueParser<Value = Precision> {
    parser(&Precision::ALL, Precision::name, |precision| match precision {
        Precision::F32 => "24 bits of significand",
        Precision::Bf16 => "8 bits of significand: fastest on GPUs, slow on a CPU",
    })
}

pub(super) fn search() -> impl TypedValueParser<Value = Search> {
    parser(&Search::ALL, Search::name, |search| match search {
        Search::Beam => "Beam search: the search follows the best prefixes of each level",
        Search::Exact => "Exact search scores the whole catalogue: slow, and beam search's oracle",
    })
}

pub(super) fn signal() -> impl TypedValueParser<Value = SignalName> {
    parser(&SignalName::ALL, SignalName::key, SignalName::title)
}
