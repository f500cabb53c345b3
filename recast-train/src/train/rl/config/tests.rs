use recast_core::objective::Objective;
use recast_core::signal::{self, NegativeRule, Recast};

use super::*;
use crate::data::FreshRule;

fn refusal(change: impl FnOnce(&mut RlConfig)) -> String {
    let mut config = RlConfig::default();
    change(&mut config);
    config.check().unwrap_err().to_string()
}

#[test]
fn every_signal_of_core_has_a_name_and_passes_with_its_defaults() {
    let config = RlConfig { signals: SignalName::ALL.to_vec(), ..RlConfig::default() };
    config.check().unwrap();
    let signals = SignalName::ALL.map(|name| config.signal(name));
    for of_core in Signal::all() {
        let same = |signal: &Signal<f32>| {
            std::mem::discriminant(signal) == std::mem::discriminant(&of_core)
        };
        assert!(signals.iter().any(same), "{of_core:?} has no name");
    }
}

#[test]
fn the_baselines_are_cores_with_its_usual_objective() {
    let config = RlConfig::default();
    for (name, signal) in [
        (SignalName::Grpo, Signal::grpo()),
        (SignalName::Rere, Signal::rere()),
        (SignalName::Recast, Signal::recast()),
        (SignalName::Dpo, Signal::dpo()),
        (SignalName::Luffy, Signal::luffy()),
        (SignalName::Sapo, Signal::sapo()),
        (SignalName::RlZvp, Signal::rl_zvp()),
        (SignalName::Supervised, Signal::Supervised),
    ] {
        assert_eq!(config.signal(name), signal);
    }
    assert_eq!(config.objective(SignalName::Recast).unwrap(), Objective::default());
}

#[test]
fn a_signal_takes_what_its_authors_set() {
    let config = RlConfig::default();
    let clip = |name| config.objective(name).unwrap().clip();
    assert_eq!((clip(SignalName::Ngrpo).low(), clip(SignalName::Ngrpo).high()), (0.16, 0.24));
    assert_eq!((clip(SignalName::Gspo).low(), clip(SignalName::Gspo).high()), (3e-4, 4e-4));
    for name in [
        SignalName::Dapo,
        SignalName::Gcpo,
        SignalName::Luffy,
        SignalName::Cispo,
        SignalName::Supervised,
    ] {
        assert_eq!(config.objective(name).unwrap().kl_coef().to_bits(), 0.0_f32.to_bits());
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_their_key() {
    let with = |key: &str, value: &str| -> String {
        let toml = format!("{key} = {value}");
        let config: RlConfig = toml::from_str(&toml).unwrap();
        config.check().unwrap_err().to_string()
    };
    for (key, value) in [
        ("recast.repair_threshold", "1.5"),
        ("recast.negative_weight", "-0.1"),
        ("recast.negative_weight", "inf"),
        ("recast.negative_margin", "-1.0"),
        ("recast.negative_margin", "nan"),
        ("recast.repair_tau", "-0.1"),
        ("recast.repair_decay", "1.0"),
        ("rere.sync_reference_mix", "0.0"),
        ("rere.group_size", "1"),
        ("dapo.max_rollouts", "0"),
        ("temperature", "0.0"),
        ("top_p", "0.0"),
    ] {
        let message = with(key, value);
        assert!(message.contains(&format!("'rl.{key}'")), "{key}: {message}");
    }
    for (key, value, section) in [
        ("recast.weight", "nan", "rl.recast"),
        ("rl_zvp.alpha", "-1.0", "rl.rl_zvp"),
        ("luffy.gamma", "0.0", "rl.luffy"),
        ("dpo.beta", "0.0", "rl.dpo"),
        ("s_dpo.negatives", "0", "rl.s_dpo"),
        ("sapo.positive", "0.0", "rl.sapo"),
        ("ratio_bound", "\"dual\"\ndual_clip = 0.5", "rl"),
        ("kl_value_limit", "-1.0", "rl"),
        ("overrides.gspo.clip_low", "2.0", "rl"),
        ("overrides.s_dpo.kl_coef", "0.0", "rl.overrides.s_dpo"),
    ] {
        let message = with(key, value);
        assert!(message.starts_with(&format!("config key '{section}'")), "{key}: {message}");
    }
}

#[test]
fn a_bound_that_a_trained_signal_does_not_read_is_refused() {
    let ecpo = |signals: Vec<SignalName>| RlConfig {
        signals,
        ratio_bound: Bound::Ecpo,
        ..RlConfig::default()
    };
    ecpo(vec![SignalName::Recast, SignalName::Gspo]).check().unwrap();
    let message = ecpo(vec![SignalName::Sapo]).check().unwrap_err().to_string();
    assert!(message.contains("'rl.sapo'"), "{message}");
}

#[test]
fn ranks_are_read_once_and_only_where_there_are_some() {
    let message = refusal(|config| config.rewards.ranking = 1.0);
    assert!(message.contains("'rl.rewards.ranking'"), "{message}");
    let message = refusal(|config| config.rollout = RolloutKind::Sample);
    assert!(message.contains("'rl.rollout'") && message.contains("rere"), "{message}");
}

#[test]
fn a_signal_outside_of_the_list_is_checked_as_one_of_it() {
    let rollout = RolloutKind::Sample;
    let signals = vec![SignalName::Grpo];
    let config = RlConfig { signals, rollout, ratio_bound: Bound::Ecpo, ..RlConfig::default() };
    config.check().unwrap();
    config.with_signal(SignalName::Recast).check().unwrap();
    for (name, key) in [(SignalName::Rere, "'rl.rollout'"), (SignalName::Sapo, "'rl.sapo'")] {
        let message = config.with_signal(name).check().unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    }
}

#[test]
fn the_settings_of_the_negative_and_of_the_ground_truth_reach_core() {
    let config: RlConfig = toml::from_str(
        "[recast]\nnegative = \"shared_prefix\"\nnegative_choice = \"uniform\"\n\
         negative_weight = 0.5\nnegative_margin = 2.0\n[grpo]\nadd_gt = true\n",
    )
    .unwrap();
    config.check().unwrap();
    assert!(matches!(config.signal(SignalName::Recast), Signal::Recast(recast)
    if recast == Recast {
        negative: NegativeRule::SharedPrefix,
        negative_choice: signal::NegativeChoice::Uniform,
        negative_weight: 0.5,
        negative_margin: Some(2.0),
        ..Recast::default()
    }));
    assert!(matches!(config.signal(SignalName::Grpo), Signal::Grpo { add_gt: true, .. }));
    assert_eq!(config.group_size_of(SignalName::Supervised), 1);
}

#[test]
fn settings_are_written_as_words() {
    let config: RlConfig = toml::from_str(
        "signals = [\"s_dpo\"]\nratio_bound = \"gbpo\"\nkl_estimator = \"k2\"\nrollout = \"gumbel\"\n\
         [recast]\nrepair = \"gated\"\nanchor_target = \"closest\"\nanchor_ratio = \"shaped\"\n\
         normaliser = \"group\"\n[grpo]\nscale = \"batch\"\n[overrides.recast]\nkl_coef = 0.0\n",
    )
    .unwrap();
    config.check().unwrap();
    assert_eq!(config.signals, [SignalName::SDpo]);
    assert!(matches!(config.signal(SignalName::Recast), Signal::Recast(recast)
        if recast.repair == (RepairPolicy::Gated { threshold: 0.5 })));
}

#[test]
fn fresh_prompts_follow_one_rule() {
    let of = |prompts, fresh_items, fresh_share| {
        let config = RlConfig { prompts, fresh_items, fresh_share, ..RlConfig::default() };
        config.check().map(|()| config.fresh()).map_err(|fault| fault.to_string())
    };
    assert_eq!(RlConfig::default().fresh(), None);
    assert_eq!(of(Prompts::Fresh, 1, 0.0), Ok(Some(FreshRule::Items(1))));
    assert_eq!(of(Prompts::Fresh, 0, 0.1), Ok(Some(FreshRule::Share(0.1))));
    assert_eq!(of(Prompts::Seen, 0, 0.1), Ok(None));
    for (items, share, expected) in [
        (1, 0.1, "'rl.fresh_share': is 0.1 beside rl.fresh_items = 1: two rules; set one of both"),
        (0, 0.0, "'rl.fresh_items': is 0 beside rl.fresh_share = 0, so that no prompt is fresh"),
        (0, 1.0, "'rl.fresh_share': 1 is no share"),
        (0, -0.1, "'rl.fresh_share': -0.1 is no share"),
        (0, f64::NAN, "'rl.fresh_share': NaN is no share"),
    ] {
        let message = of(Prompts::Fresh, items, share).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn no_steps_mean_one_pass_over_all_prompts() {
    let of = |steps, prompts| RlConfig { steps, ..RlConfig::default() }.planned_steps(prompts);
    assert_eq!([of(0, 1), of(0, 64), of(0, 65), of(7, 65)], [1, 1, 2, 7]);
}
