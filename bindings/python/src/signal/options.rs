//! Options of signals as words and numbers, and the call that makes a signal.

use pyo3::prelude::*;
use recast_core::Signal;
use recast_core::anchor::AnchorTarget;
use recast_core::objective::AnchorRatio;
use recast_core::signal::{
    NegativeChoice, NegativeRule, Normaliser, Recast, RepairPolicy, RewardScale,
};

use crate::arrays::bad;
use crate::options::{Call, Value, choice, word};

pub(super) const NORMALISERS: [(&str, Normaliser); 2] =
    [("kept", Normaliser::Kept), ("group", Normaliser::Group)];
pub(super) const CHOICES: [(&str, NegativeChoice); 2] =
    [("hardest", NegativeChoice::Hardest), ("uniform", NegativeChoice::Uniform)];
pub(super) const RULES: [(&str, NegativeRule); 2] =
    [("always", NegativeRule::Always), ("shared_prefix", NegativeRule::SharedPrefix)];
pub(super) const TARGETS: [(&str, AnchorTarget); 3] = [
    ("first", AnchorTarget::First),
    ("closest", AnchorTarget::Closest),
    ("uniform", AnchorTarget::Uniform),
];
pub(super) const SCALES: [(&str, RewardScale); 2] =
    [("group", RewardScale::Group), ("batch", RewardScale::Batch)];

/// The call that makes a signal.
pub(super) fn call_of(signal: Signal<f64>) -> Call {
    use Value::{Count, Flag, Number, Word};
    let epsilon = |method, epsilon| Call { method, options: vec![("epsilon", Number(epsilon))] };
    let alone = |method| Call { method, options: Vec::new() };
    match signal {
        Signal::Recast(recast) => Call { method: "recast", options: of_recast(recast) },
        Signal::Grpo { epsilon, scale, add_gt } => Call {
            method: "grpo",
            options: vec![
                ("epsilon", Number(epsilon)),
                ("scale", Word(word(&SCALES, &scale))),
                ("add_gt", Flag(add_gt)),
            ],
        },
        Signal::DrGrpo => alone("dr_grpo"),
        Signal::Rloo => alone("rloo"),
        Signal::Dapo { epsilon: value } => epsilon("dapo", value),
        Signal::Gspo { epsilon: value } => epsilon("gspo", value),
        Signal::PassAtK => alone("pass_at_k"),
        Signal::Ngrpo { epsilon: value } => epsilon("ngrpo", value),
        Signal::RlZvp { epsilon, alpha } => Call {
            method: "rl_zvp",
            options: vec![("epsilon", Number(epsilon)), ("alpha", Number(alpha))],
        },
        Signal::Gcpo { epsilon: value } => epsilon("gcpo", value),
        Signal::Rere { epsilon, add_gt } => Call {
            method: "rere",
            options: vec![("epsilon", Number(epsilon)), ("add_gt", Flag(add_gt))],
        },
        Signal::Luffy { epsilon, gamma } => Call {
            method: "luffy",
            options: vec![("epsilon", epsilon.into()), ("gamma", Number(gamma))],
        },
        Signal::Dpo { repair, negatives, beta } => {
            let mut options = of_repair(repair);
            options.extend([("negatives", Count(negatives)), ("beta", Number(beta))]);
            Call { method: "dpo", options }
        }
        Signal::Cispo { epsilon: value } => epsilon("cispo", value),
        Signal::Sapo { epsilon, positive, negative } => Call {
            method: "sapo",
            options: vec![
                ("epsilon", Number(epsilon)),
                ("positive", Number(positive)),
                ("negative", Number(negative)),
            ],
        },
        Signal::Gmpo { epsilon: value } => epsilon("gmpo", value),
        Signal::ReinforcePlusPlus { epsilon: value } => epsilon("reinforce_plus_plus", value),
        Signal::Opo => alone("opo"),
        Signal::Supervised => alone("supervised"),
    }
}

fn of_repair(repair: RepairPolicy<f64>) -> Vec<(&'static str, Value)> {
    match repair {
        RepairPolicy::Always => vec![("repair", Value::Word("always"))],
        RepairPolicy::Never => vec![("repair", Value::Word("never"))],
        RepairPolicy::Gated { threshold } => {
            vec![("repair", Value::Word("gated")), ("threshold", Value::Number(threshold))]
        }
        RepairPolicy::Confident { tau } => {
            vec![("repair", Value::Word("confident")), ("tau", Value::Number(tau))]
        }
    }
}

fn of_recast(recast: Recast<f64>) -> Vec<(&'static str, Value)> {
    let mut options = of_repair(recast.repair);
    options.extend([
        ("boundary", Value::Flag(recast.boundary)),
        ("weight", Value::Number(recast.weight)),
        ("epsilon", Value::Number(recast.epsilon)),
        ("normaliser", Value::Word(word(&NORMALISERS, &recast.normaliser))),
        ("negative_weight", Value::Number(recast.negative_weight)),
        ("negative_choice", Value::Word(word(&CHOICES, &recast.negative_choice))),
        ("negative", Value::Word(word(&RULES, &recast.negative))),
        ("negative_margin", recast.negative_margin.into()),
        ("positive_only", Value::Flag(recast.positive_only)),
        ("anchor_target", Value::Word(word(&TARGETS, &recast.anchor_target))),
    ]);
    match recast.anchor_ratio {
        AnchorRatio::Recompute => options.push(("anchor_ratio", Value::Word("recompute"))),
        AnchorRatio::Detached => options.push(("anchor_ratio", Value::Word("detached"))),
        AnchorRatio::Shaped { gamma } => options
            .extend([("anchor_ratio", Value::Word("shaped")), ("gamma", Value::Number(gamma))]),
        AnchorRatio::Weighted { weight } => options.extend([
            ("anchor_ratio", Value::Word("weighted")),
            ("anchor_weight", Value::Number(weight)),
        ]),
    }
    options
}

/// A number that one word reads, and only that word.
fn read_by(
    name: &str,
    number: Option<f64>,
    option: &str,
    given: &str,
    reader: &str,
) -> PyResult<Option<f64>> {
    match number {
        Some(_) if given != reader => {
            Err(bad(format!("{name} is read by {option}='{reader}' alone, which is '{given}'")))
        }
        None if given == reader => Err(bad(format!("{option}='{reader}' needs {name}"))),
        number => Ok(number),
    }
}

pub(super) fn repair_policy(
    repair: &str,
    threshold: Option<f64>,
    tau: Option<f64>,
) -> PyResult<RepairPolicy<f64>> {
    let words = [("always", 0), ("never", 1), ("gated", 2), ("confident", 3)];
    let which = choice("repair", repair, &words)?;
    let threshold = read_by("threshold", threshold, "repair", repair, "gated")?;
    let tau = read_by("tau", tau, "repair", repair, "confident")?;
    Ok(match (which, threshold, tau) {
        (_, Some(threshold), _) => RepairPolicy::Gated { threshold },
        (_, _, Some(tau)) => RepairPolicy::Confident { tau },
        (1, ..) => RepairPolicy::Never,
        _ => RepairPolicy::Always,
    })
}

pub(super) fn ratio_of_anchor(
    ratio: &str,
    gamma: Option<f64>,
    weight: Option<f64>,
) -> PyResult<AnchorRatio<f64>> {
    let words = [("recompute", 0), ("detached", 1), ("shaped", 2), ("weighted", 3)];
    let which = choice("anchor_ratio", ratio, &words)?;
    let gamma = read_by("gamma", gamma, "anchor_ratio", ratio, "shaped")?;
    let weight = read_by("anchor_weight", weight, "anchor_ratio", ratio, "weighted")?;
    Ok(match (which, gamma, weight) {
        (_, Some(gamma), _) => AnchorRatio::Shaped { gamma },
        (_, _, Some(weight)) => AnchorRatio::Weighted { weight },
        (1, ..) => AnchorRatio::Detached,
        _ => AnchorRatio::Recompute,
    })
}
