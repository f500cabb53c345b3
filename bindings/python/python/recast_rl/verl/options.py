"""The settings of the plug-in in verl's configuration, and the settings of verl that it covers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from omegaconf import OmegaConf

from recast_rl._core import Signal


@dataclass(frozen=True)
class Options:
    """The node `recast` of verl's configuration, given as `+recast.NAME=VALUE`.

    `sid_tokens`: the JSON file of `SidTokens`. `catalogue`: an optional `.npy` file of (items, L)
    token ids; a target outside is no anchor. `repair`, `weight` and `negative_weight` are those of
    `Signal.recast`.
    """

    sid_tokens: str
    catalogue: str | None = None
    repair: str = "always"
    weight: float = 1.0
    negative_weight: float = 1.0

    @classmethod
    def of(cls, config: Any) -> Options:
        """The options of a configuration.

        Raises ValueError for a missing or unknown option, and for a repair that is not covered.
        """
        given = OmegaConf.to_container(config.get("recast") or OmegaConf.create({}), resolve=True)
        assert isinstance(given, dict)
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise ValueError(f"recast.{name} is unknown: the options are {', '.join(known)}")
        if not given.get("sid_tokens"):
            raise ValueError("recast.sid_tokens is missing: add +recast.sid_tokens=FILE.json")
        options = cls(**given)
        if options.repair not in ("always", "never"):
            raise ValueError(f"recast.repair={options.repair!r} is not covered: always or never")
        options.signal()
        return options

    def signal(self) -> Signal:
        """The signal; its errors are those of `Signal.recast`."""
        return Signal.recast(
            repair=self.repair,  # type: ignore[arg-type]
            weight=self.weight,
            negative_weight=self.negative_weight,
        )


# Each setting with the values that are covered, and the reason.
COVERED: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("algorithm.adv_estimator", ("recast",), "the kept rows are pairs"),
    ("algorithm.use_kl_in_reward", (False, None), "the signal reads rewards before log-probs"),
    ("algorithm.filter_groups.enable", (False, None), "all-zero groups are repaired, not dropped"),
    ("algorithm.rollout_correction.bypass_mode", (False, None), "an anchor has no rollout"),
    ("algorithm.rollout_correction.rollout_is", (None,), "an anchor has no rollout log-probs"),
    ("algorithm.rollout_correction.rollout_rs", (None,), "an anchor has no rollout log-probs"),
    ("critic.enable", (False, None), "advantages need no critic"),
    ("trainer.v1.sync.parameter_sync_step", (1, None), "a step holds whole groups"),
    ("actor_rollout_ref.actor.shuffle", (False, None), "a mini-batch holds whole pairs"),
    ("actor_rollout_ref.actor.loss_agg_mode", ("token-mean",), "other means count padding"),
)


def check(config: Any) -> None:
    """Raises ValueError for a setting of verl that the plug-in does not cover."""
    for name, covered, reason in COVERED:
        value = OmegaConf.select(config, name)
        if value not in covered:
            raise ValueError(f"{name}={value} is not covered ({reason}): set {covered[0]}")
