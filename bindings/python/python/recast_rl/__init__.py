"""Learning signals for reinforcement learning in generative recommendation.

The rewards of groups of completions go in, the completions to train on come out, with their
advantages: ReCast, GRPO and seventeen more. Arrays are those of NumPy; tensors of other libraries
come through DLPack.
"""

from recast_rl._core import (
    AllZeroRate,
    Objective,
    Signal,
    Trie,
    anchor_targets,
    duplicates,
    group_loss,
    group_rows,
    plan,
    score,
    token_advantages,
    token_loss,
)
from recast_rl._types import REGIMES, SKIPS, Plan
from recast_rl import metrics

__all__ = [
    "REGIMES",
    "SKIPS",
    "AllZeroRate",
    "Objective",
    "Plan",
    "Signal",
    "Trie",
    "anchor_targets",
    "duplicates",
    "group_loss",
    "group_rows",
    "metrics",
    "plan",
    "score",
    "token_advantages",
    "token_loss",
]
