"""The trainer mode and the advantage estimator `recast` of verl.

verl's V1 trainer knows rewards before it computes a log-prob. `ReCastSync` drops rows in between:
it repairs all-zero groups, keeps the boundary pair of each group, and clears all other rows from
the queue. Old log-probs, reference and update then see two rows a group. Tested with verl 0.9.1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import transfer_queue as tq
from numpy.typing import NDArray
from omegaconf import open_dict
from verl.trainer.ppo.core_algos import register_adv_est
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1 import PPOTrainerSync, register_trainer
from verl.utils.seqlen_balancing import calculate_workload, get_seqlen_balanced_partitions
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from recast_rl._core import Signal, duplicates, group_rows, plan, score
from recast_rl._types import Plan
from recast_rl.metrics import regime_counts
from recast_rl.verl.options import Options, check
from recast_rl.verl.reading import SidTokens

__all__ = ["ReCastSync", "estimator"]

# The rows that a group keeps: the strongest positive and the hardest negative.
PAIR = 2


class Estimator:
    """The advantages of kept pairs: the weight for a positive, its negative for a negative.

    A row with a mask of 0, as verl pads with, has advantage 0, and so has a group that gives no
    signal. `signal` is the trainer's, without its repair, which is done by then.

    Raises ValueError for a group of more than two rows: the trainer mode `recast` did not run.
    """

    def __init__(self) -> None:
        self.signal = Signal.recast(repair="never")

    def __call__(
        self,
        token_level_rewards: torch.Tensor,
        response_mask: torch.Tensor,
        index: Sequence[Any],
        config: Any = None,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Advantages and returns, both of the shape of the rewards, (rows, tokens)."""
        with torch.no_grad():
            order, offsets = group_rows(index)
            is_row = response_mask.any(-1).cpu().numpy()[order]
            largest = np.add.reduceat(is_row.astype(np.int64), offsets[:-1]).max()
            if largest > PAIR:
                raise ValueError(
                    f"a group of {largest} rows: algorithm.adv_estimator=recast reads pairs; set "
                    "trainer.v1.trainer_mode=recast"
                )
            rewards = token_level_rewards.sum(-1).float().cpu().numpy()[order]
            kept = plan(self.signal, offsets, rewards, np.zeros_like(rewards))
            values = torch.zeros(len(order), dtype=torch.float32)
            values[torch.from_numpy(order[kept.rows])] = torch.from_numpy(kept.advantages)
            advantages = values.to(response_mask.device)[:, None] * response_mask
        return advantages, advantages


estimator = register_adv_est("recast")(Estimator())


@register_trainer("recast")
class ReCastSync(PPOTrainerSync):
    """verl's synchronous trainer with two rows a group: `trainer.v1.trainer_mode=recast`.

    `Options` has the settings. Raises ValueError for one that is not covered.
    """

    def __init__(self, config: Any) -> None:
        check(config)
        self.options = Options.of(config)
        self.signal = self.options.signal()
        estimator.signal = Signal.recast(
            repair="never",
            weight=self.options.weight,
            negative_weight=self.options.negative_weight,
        )
        with open_dict(config):
            # buffer, checkpoints and hand-over stay those of the synchronous trainer
            config.trainer.v1.trainer_mode = "sync"
        super().__init__(config)

    def _init_tokenizer(self) -> None:
        super()._init_tokenizer()
        self.sid_tokens = SidTokens(self.options.sid_tokens, self.tokenizer)
        path = self.options.catalogue
        self.trie = None if path is None else self.sid_tokens.catalogue(path)

    def _balance_batch(
        self,
        batch: Any,
        metrics: dict[str, Any],
        logging_prefix: str = "global_seqlen",
        keep_minibatch: bool = False,
    ) -> Any:
        ranks, prompts = self._ranks(), self.config.actor_rollout_ref.actor.ppo_mini_batch_size
        if prompts % ranks:
            raise ValueError(
                f"actor_rollout_ref.actor.ppo_mini_batch_size={prompts} on {ranks} ranks splits "
                f"pairs: set a multiple of {ranks}"
            )
        batch = self._select(batch, metrics)
        with self._pair_width():
            multiple = self._get_required_batch_multiple(PAIR * ranks)
            batch = upsample_batch_to_divisible_size(
                batch, multiple, self.tokenizer.eos_token_id
            )
        work = calculate_workload(torch.tensor([tag["seq_len"] for tag in batch.tags]))
        # a pair stays on one rank
        parts = get_seqlen_balanced_partitions(
            work.reshape(-1, PAIR).sum(1), k_partitions=ranks, equal_size=True
        )
        batch.reorder([PAIR * pair + row for part in parts for pair in part for row in range(PAIR)])
        return batch

    def _update_actor(self, batch: Any, metrics: dict[str, Any]) -> Any:
        with self._pair_width():
            return super()._update_actor(batch, metrics)

    def _ranks(self) -> int:
        """The number of data-parallel ranks of the actor."""
        workers = self.actor_rollout_wg
        if "actor" not in workers._dispatch_info:
            workers._dispatch_info["actor"] = workers._query_dispatch_info("actor")
        ranks: int = max(workers._dispatch_info["actor"]) + 1
        return ranks

    @contextlib.contextmanager
    def _pair_width(self) -> Iterator[None]:
        """verl counts the rows of a mini-batch as prompts times `rollout.n`."""
        rollout = self.config.actor_rollout_ref.rollout
        width, rollout.n = rollout.n, PAIR
        try:
            yield
        finally:
            rollout.n = width

    def _select(self, batch: Any, metrics: dict[str, Any]) -> Any:
        """The batch of kept rows: anchors are written, all other rows leave the queue."""
        if any(int(key.rsplit("_", 2)[2]) > 0 for key in batch.keys):
            raise ValueError("an agent loop gave several outputs: the trainer takes one a session")
        names = ["uid", "prompts", "responses", "rm_scores", "reward_model"]
        data = tq.kv_batch_get(
            keys=batch.keys, partition_id=batch.partition_id, select_fields=names
        )
        order, offsets = group_rows(_plain(data["uid"]))
        responses = [row.tolist() for row in data["responses"]]
        truths = _plain(data["reward_model"])
        targets = [self.sid_tokens.targets(_truth(truths[order[start]])) for start in offsets[:-1]]
        codes = np.array([self.sid_tokens.codes(responses[row]) for row in order], np.int64)
        rewards = np.array([float(data["rm_scores"][row].sum()) for row in order], np.float32)

        kept = self._plan(codes, offsets, rewards, targets)
        anchors = {
            int(order[row]): targets[group][0].tolist()
            for group, row in enumerate(kept.repaired)
            if row >= 0
        }
        self._write(batch, list(data["prompts"]), responses, anchors)
        rows = [int(row) for row in order[kept.rows]]
        groups = len(kept.skips)
        counts = regime_counts(kept.regimes)
        metrics |= {f"recast/{name}": count / groups for name, count in counts.items()}
        metrics |= {
            "recast/repaired": len(anchors) / groups,
            "recast/skipped": float((kept.skips > 0).mean()),
            "recast/reward": float(rewards.mean()),
            "recast/generated": len(batch),
            "recast/trained": len(rows),
            "recast/empty_steps": int(not rows),
        }
        if not rows:
            # verl pads from a row: the first group stays, and its advantages are 0
            rows = [int(row) for row in order[:PAIR]]
        keys = [batch.keys[row] for row in rows]
        selected = batch.select_keys(keys)
        tq.kv_clear(keys=sorted(set(batch.keys) - set(keys)), partition_id=batch.partition_id)
        return selected

    def _plan(
        self,
        codes: NDArray[np.int64],
        offsets: NDArray[np.int64],
        rewards: NDArray[np.float32],
        targets: list[NDArray[np.int64]],
    ) -> Plan:
        ends = np.cumsum([0, *(len(one) for one in targets)])
        _, scores = score(codes, offsets, np.concatenate(targets), ends)
        # samples repeat; equal codes with another reward, such as that of a format, are no repeats
        of_reward = np.unique(rewards, return_inverse=True)[1]
        firsts = np.stack([one[0] for one in targets])
        return plan(
            self.signal,
            offsets,
            rewards,
            scores,
            duplicate_of=duplicates(np.column_stack([codes, of_reward]), offsets),
            can_repair=None if self.trie is None else self.trie.contains(firsts),
        )

    def _write(
        self,
        batch: Any,
        prompts: list[torch.Tensor],
        responses: list[list[int]],
        anchors: dict[int, list[int]],
    ) -> None:
        """Overwrites rows of the queue with their anchors."""
        if not anchors:
            return
        has_log_probs = self.config.actor_rollout_ref.rollout.calculate_log_probs
        puts = []
        for row, target in anchors.items():
            anchor = torch.tensor(self.sid_tokens.anchor(responses[row], target))
            ids, ones = torch.cat([prompts[row], anchor]), torch.ones_like(anchor)
            reward = torch.zeros(len(anchor))
            reward[-1] = 1.0
            put = {
                "responses": anchor,
                "response_mask": ones,
                "loss_mask": ones.clone(),
                "input_ids": ids,
                "position_ids": torch.arange(len(ids)),
                "rm_scores": reward,
            }
            if has_log_probs:
                # nothing reads the log-probs of a rollout that was not
                put["rollout_log_probs"] = torch.zeros(len(anchor))
            puts.append(put)
            batch.tags[row] |= {"response_len": len(anchor), "seq_len": len(ids)}
        tq.kv_batch_put(
            keys=[batch.keys[row] for row in anchors],
            partition_id=batch.partition_id,
            fields=list_of_dict_to_tensordict(puts),
            tags=[batch.tags[row] for row in anchors],
        )


def _plain(column: Any) -> list[Any]:
    """The values of a column that is no tensor."""
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    return [getattr(value, "data", value) for value in values]


def _truth(reward_model: Any) -> Any:
    """The entry `ground_truth` of a row's `reward_model`."""
    try:
        return reward_model["ground_truth"]
    except (KeyError, TypeError):
        raise ValueError("a row has no reward_model.ground_truth: the dataset needs it") from None
