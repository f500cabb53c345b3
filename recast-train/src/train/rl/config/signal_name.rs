//! The names of the signals.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The signals of training and comparison: one name for each of core's signals, two for DPO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// OpenOneRec-RL: group-relative advantages of all completions.
    Grpo,
    /// ReRe / MiniOneRec: hit plus ranking penalty, group-relative, all completions.
    Rere,
    /// ReCast: repair, then contrast.
    Recast,
    /// Rewards less their mean.
    DrGrpo,
    /// Each reward less the mean of the others.
    Rloo,
    /// GRPO on mixed groups; other prompts replace the other groups.
    Dapo,
    /// GRPO's advantages under one ratio for each completion.
    Gspo,
    /// The best completion alone, with its lead over the second.
    PassAtK,
    /// GRPO with a virtual hit.
    Ngrpo,
    /// GRPO on mixed groups, token entropies elsewhere.
    RlZvp,
    /// A golden answer in all-zero groups, sequence ratio.
    Gcpo,
    /// An anchor in every group, with a shaped ratio.
    Luffy,
    /// The boundary pair under a preference loss.
    Dpo,
    /// The strongest positive against several negatives under a preference loss.
    SDpo,
    /// GRPO's advantages under a constant clipped ratio.
    Cispo,
    /// GRPO's advantages under a smooth gate.
    Sapo,
    /// GRPO's advantages under the geometric mean of bounded ratios.
    Gmpo,
    /// Centred rewards, standardised over the tokens of a step.
    ReinforcePlusPlus,
    /// Rewards less their mean weighted by length.
    Opo,
    /// Supervised training continued on the prompts' targets, without a rollout.
    Supervised,
}

impl SignalName {
    /// Every name; the systems of the default comparison come first.
    pub const ALL: [Self; 20] = [
        Self::Grpo,
        Self::Rere,
        Self::Recast,
        Self::DrGrpo,
        Self::Rloo,
        Self::Dapo,
        Self::Gspo,
        Self::PassAtK,
        Self::Ngrpo,
        Self::RlZvp,
        Self::Gcpo,
        Self::Luffy,
        Self::Dpo,
        Self::SDpo,
        Self::Cispo,
        Self::Sapo,
        Self::Gmpo,
        Self::ReinforcePlusPlus,
        Self::Opo,
        Self::Supervised,
    ];

    /// The name in settings, folders, events and on the command line.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Grpo => "grpo",
            Self::Rere => "rere",
            Self::Recast => "recast",
            Self::DrGrpo => "dr_grpo",
            Self::Rloo => "rloo",
            Self::Dapo => "dapo",
            Self::Gspo => "gspo",
            Self::PassAtK => "pass_at_k",
            Self::Ngrpo => "ngrpo",
            Self::RlZvp => "rl_zvp",
            Self::Gcpo => "gcpo",
            Self::Luffy => "luffy",
            Self::Dpo => "dpo",
            Self::SDpo => "s_dpo",
            Self::Cispo => "cispo",
            Self::Sapo => "sapo",
            Self::Gmpo => "gmpo",
            Self::ReinforcePlusPlus => "reinforce_plus_plus",
            Self::Opo => "opo",
            Self::Supervised => "supervised",
        }
    }

    /// The name in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Grpo => "GRPO",
            Self::Rere => "ReRe",
            Self::Recast => "ReCast",
            Self::DrGrpo => "Dr.GRPO",
            Self::Rloo => "RLOO",
            Self::Dapo => "DAPO",
            Self::Gspo => "GSPO",
            Self::PassAtK => "Pass@k",
            Self::Ngrpo => "NGRPO",
            Self::RlZvp => "RL-ZVP",
            Self::Gcpo => "GCPO",
            Self::Luffy => "LUFFY",
            Self::Dpo => "DPO",
            Self::SDpo => "S-DPO",
            Self::Cispo => "CISPO",
            Self::Sapo => "SAPO",
            Self::Gmpo => "GMPO",
            Self::ReinforcePlusPlus => "REINFORCE++",
            Self::Opo => "OPO",
            Self::Supervised => "more SFT",
        }
    }
}

impl Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

impl FromStr for SignalName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|signal| signal.key() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::key).join(", ");
            Error::data(format!("'{name}' is no signal"), format!("name one of {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_and_read_back_from_its_key() {
        for name in SignalName::ALL {
            assert_eq!(name.key().parse::<SignalName>().unwrap(), name);
            let in_settings = format!("\"{}\"", name.key());
            assert_eq!(serde_json::to_string(&name).unwrap(), in_settings);
        }
        let keys: std::collections::BTreeSet<&str> =
            SignalName::ALL.into_iter().map(SignalName::key).collect();
        assert_eq!(keys.len(), SignalName::ALL.len());
        let unknown = "grppo".parse::<SignalName>().unwrap_err().to_string();
        assert!(SignalName::ALL.iter().all(|name| unknown.contains(name.key())), "{unknown}");
    }
}
