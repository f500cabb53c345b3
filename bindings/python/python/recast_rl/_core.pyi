from collections.abc import Hashable, Iterable
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from recast_rl._types import Plan

# Columns are arrays of NumPy, tensors of other libraries, or lists of numbers: `Any` says so.
__all__ = [
    "AllZeroRate",
    "Objective",
    "Signal",
    "Trie",
    "anchor_targets",
    "duplicates",
    "group_loss",
    "group_rows",
    "hit_rate_at_k",
    "ndcg_at_k",
    "pass_at_k",
    "plan",
    "recall_at_k",
    "score",
    "token_advantages",
    "token_loss",
]

_Floats = NDArray[np.floating[Any]]
_Repair = Literal["always", "never", "gated", "confident"]

@final
class Signal:
    @staticmethod
    def recast(
        *,
        repair: _Repair = "always",
        threshold: float | None = None,
        tau: float | None = None,
        boundary: bool = True,
        weight: float = 1.0,
        epsilon: float = 1e-6,
        normaliser: Literal["kept", "group"] = "kept",
        negative_weight: float = 1.0,
        negative_choice: Literal["hardest", "uniform"] = "hardest",
        negative: Literal["always", "shared_prefix"] = "always",
        negative_margin: float | None = None,
        positive_only: bool = False,
        anchor_target: Literal["first", "closest", "uniform"] = "first",
        anchor_ratio: Literal["recompute", "detached", "shaped", "weighted"] = "recompute",
        gamma: float | None = None,
        anchor_weight: float | None = None,
    ) -> Signal: ...
    @staticmethod
    def grpo(
        *,
        epsilon: float | None = None,
        scale: Literal["group", "batch"] = "group",
        add_gt: bool = False,
    ) -> Signal: ...
    @staticmethod
    def dr_grpo() -> Signal: ...
    @staticmethod
    def rloo() -> Signal: ...
    @staticmethod
    def dapo(*, epsilon: float = 1e-6) -> Signal: ...
    @staticmethod
    def gspo(*, epsilon: float = 1e-6) -> Signal: ...
    @staticmethod
    def pass_at_k() -> Signal: ...
    @staticmethod
    def ngrpo(*, epsilon: float = 1e-6) -> Signal: ...
    @staticmethod
    def rl_zvp(*, epsilon: float = 1e-6, alpha: float = 0.1) -> Signal: ...
    @staticmethod
    def gcpo(*, epsilon: float = 1e-6) -> Signal: ...
    @staticmethod
    def rere(*, epsilon: float = 1e-4, add_gt: bool = False) -> Signal: ...
    @staticmethod
    def luffy(*, epsilon: float | None = None, gamma: float = 0.1) -> Signal: ...
    @staticmethod
    def dpo(
        *,
        repair: _Repair = "always",
        threshold: float | None = None,
        tau: float | None = None,
        negatives: int = 1,
        beta: float = 0.1,
    ) -> Signal: ...
    @staticmethod
    def s_dpo(
        *,
        repair: _Repair = "always",
        threshold: float | None = None,
        tau: float | None = None,
        negatives: int = 3,
        beta: float = 1.0,
    ) -> Signal: ...
    @staticmethod
    def cispo(*, epsilon: float = 1e-6) -> Signal: ...
    @staticmethod
    def sapo(
        *, epsilon: float = 1e-6, positive: float = 1.0, negative: float = 1.05
    ) -> Signal: ...
    @staticmethod
    def gmpo(*, epsilon: float = 1e-6) -> Signal: ...
    @staticmethod
    def reinforce_plus_plus(*, epsilon: float = 1e-8) -> Signal: ...
    @staticmethod
    def opo() -> Signal: ...
    @staticmethod
    def supervised() -> Signal: ...
    @staticmethod
    def all() -> list[Signal]: ...
    @property
    def kind(self) -> str: ...
    @property
    def needs_rollout(self) -> bool: ...
    @property
    def options(self) -> dict[str, str | float | bool | None]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Objective:
    def __new__(
        cls,
        *,
        clip_low: float = 0.2,
        clip_high: float = 0.28,
        ratio_bound: Literal["none", "dual", "ecpo", "gbpo"] = "dual",
        dual_clip: float = 3.0,
        ecpo_delta: float = 0.1,
        log_ratio_limit: float = 20.0,
        kl_estimator: Literal["k1", "k2", "k3"] = "k3",
        kl_coef: float = 1e-3,
        kl_value_limit: float | None = 10.0,
        kl_times_ratio: bool = False,
    ) -> Objective: ...
    @property
    def clip_low(self) -> float: ...
    @property
    def clip_high(self) -> float: ...
    @property
    def kl_coef(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class AllZeroRate:
    def __new__(cls, *, decay: float = 0.99) -> AllZeroRate: ...
    @staticmethod
    def from_parts(decay: float, total: float, weight: float) -> AllZeroRate: ...
    @property
    def parts(self) -> tuple[float, float, float]: ...
    @property
    def rate(self) -> float | None: ...
    def observe(self, regimes: Any) -> None: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Trie:
    def __new__(cls, sequences: Any) -> Trie: ...
    @property
    def levels(self) -> int: ...
    @property
    def nodes(self) -> int: ...
    @property
    def sequences(self) -> int: ...
    def allowed(self, prefixes: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def contains(self, sequences: Any) -> NDArray[np.bool_]: ...

def plan(
    signal: Signal,
    offsets: Any,
    rewards: Any,
    scores: Any,
    *,
    old_log_probs: Any | None = None,
    duplicate_of: Any | None = None,
    lengths: Any | None = None,
    hits: Any | None = None,
    hit_threshold: float | None = None,
    first_codes: Any | None = None,
    anchor_first_codes: Any | None = None,
    draws: Any | None = None,
    can_repair: Any | None = None,
    all_zero_rate: float | None = None,
    anchor_log_probs: Any | None = None,
) -> Plan: ...
def score(
    codes: Any,
    offsets: Any,
    targets: Any,
    target_offsets: Any,
    *,
    sid_offsets: Any | None = None,
    credit: Any | None = None,
    dtype: Literal["float32", "float64"] = "float32",
) -> tuple[_Floats, _Floats]: ...
def duplicates(codes: Any, offsets: Any) -> NDArray[np.int64]: ...
def anchor_targets(
    signal: Signal,
    codes: Any,
    offsets: Any,
    targets: Any,
    target_offsets: Any,
    *,
    draws: Any | None = None,
    sid_offsets: Any | None = None,
    credit: Any | None = None,
) -> NDArray[np.int64]: ...
def group_rows(keys: Iterable[Hashable]) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def token_loss(
    policy: Any,
    old: Any,
    reference: Any,
    advantages: Any,
    *,
    objective: Objective | None = None,
) -> tuple[_Floats, _Floats]: ...
def group_loss(
    signal: Signal,
    plan: Plan,
    token_offsets: Any,
    policy: Any,
    old: Any,
    reference: Any,
    advantages: Any | None = None,
    *,
    objective: Objective | None = None,
) -> tuple[_Floats, _Floats]: ...
def token_advantages(
    signal: Signal,
    plan: Plan,
    offsets: Any,
    rewards: Any,
    token_offsets: Any,
    entropies: Any | None = None,
    *,
    hits: Any | None = None,
    hit_threshold: float | None = None,
) -> _Floats: ...
def pass_at_k(
    predictions: Any, targets: Any, target_offsets: Any, *, k: int
) -> NDArray[np.float64]: ...
def hit_rate_at_k(
    predictions: Any, targets: Any, target_offsets: Any, *, k: int
) -> NDArray[np.float64]: ...
def recall_at_k(
    predictions: Any, targets: Any, target_offsets: Any, *, k: int
) -> NDArray[np.float64]: ...
def ndcg_at_k(
    predictions: Any, targets: Any, target_offsets: Any, *, k: int
) -> NDArray[np.float64]: ...
