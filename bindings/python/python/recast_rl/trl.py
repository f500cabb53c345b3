"""ReCast in TRL: constrained beams, anchors, and the pair of each group alone in the loss.

TRL computes log-probs before it knows rewards, so that a reward function cannot drop rows in time.
`ReCastTrainer` therefore replaces two steps of `GRPOTrainer`, and leaves models, optimiser, loss,
logging and checkpoints to TRL. Tested with TRL 1.16 on CPUs.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import GenerationConfig, LogitsProcessorList
from trl import GRPOConfig, GRPOTrainer
from trl.models import unwrap_model_for_generation
from trl.trainer.utils import pad

from recast_rl._core import Signal, Trie, plan, score
from recast_rl._types import Plan
from recast_rl.generation import TrieLogitsProcessor
from recast_rl.metrics import regime_counts

__all__ = ["ReCastTrainer"]

# The rows that a group keeps: the strongest positive and the hardest negative.
PAIR = 2

# Arguments of GRPOTrainer that are not covered, with what to do.
REFUSED = {
    "reward_funcs": "the reward is the hit of the target, leave it out",
    "eval_dataset": "TRL would sample it without the trie; call recommend",
    "peft_config": "adapters are not covered; train the whole model",
    "rollout_func": "completions are constrained beams, leave it out",
    "tools": "a completion is one semantic ID, leave it out",
    "environment_factory": "a completion is one semantic ID, leave it out",
}


class ReCastTrainer(GRPOTrainer):
    """`GRPOTrainer` whose groups are constrained beams, of which the boundary pair is trained.

    `signal`: a `Signal.recast` that keeps pairs. `trie`: the token ids of every item's semantic ID,
    of L tokens each. `target_column`: the column of the dataset with the target's L token ids; the
    column `prompt` holds text. All other arguments are those of `GRPOTrainer`. The reward is 1 for
    the target and 0 otherwise, so that `reward_funcs` is not taken.

    A step searches `num_generations` beams for each prompt. Only two rows of a group reach the
    reference and the loss. A group that is skipped keeps two rows whose mask is 0, since processes
    exchange tensors of one shape.

    Raises ValueError for settings that this trainer does not cover. The message names the setting
    and a value that works.
    """

    _buffered_inputs: list[dict[str, Any]] | None

    def __init__(
        self,
        *args: Any,
        signal: Signal,
        trie: Trie,
        target_column: str = "target_ids",
        **kwargs: Any,
    ) -> None:
        given = inspect.signature(GRPOTrainer).bind_partial(*args, **kwargs).arguments
        for name, reason in REFUSED.items():
            if given.pop(name, None) is not None:
                raise ValueError(f"{name}: {reason}")
        check_model(given.get("model"), given.get("args"))
        check_signal(signal)
        super().__init__(reward_funcs=_no_reward, **given)
        check_arguments(self.args, self.num_generations, trie)
        self.signal, self.trie, self.target_column = signal, trie, target_column

    def recommend(self, prompts: list[str], width: int) -> NDArray[np.int64]:
        """The `width` best semantic IDs of each prompt by constrained beam search.

        Returns (prompts, width, L) token ids, the best first.
        """
        if not 1 <= width <= self.trie.sequences:
            raise ValueError(f"width {width}: the trie has {self.trie.sequences} sequences")
        was_training = self.model.training
        self.model.eval()
        try:
            beams = self._beams(self._token_ids(prompts), width)
        finally:
            self.model.train(was_training)
        return beams.reshape(len(prompts), width, self.trie.levels)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        # the rows of a group stand together
        firsts = inputs[:: self.num_generations]
        prompts = self._token_ids([row["prompt"] for row in firsts])
        targets = self._targets(firsts)
        codes = self._beams(prompts, self.num_generations)
        kept = self._plan(codes, targets)
        repaired = np.flatnonzero(kept.repaired >= 0)
        codes[kept.repaired[repaired]] = targets[repaired]
        rows, advantages, is_trained = _pairs(kept, self.num_generations)
        return self._batch(prompts, codes[rows], advantages, is_trained)

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if not self.model.training:
            raise ValueError("evaluate: TRL would sample without the trie; call recommend")
        steps = self.args.steps_per_generation
        if self._step % steps == 0 or self._buffered_inputs is None:
            batch = self._generate_and_score_completions(generation_batch)
            groups = len(batch["advantages"]) // PAIR
            # whole groups are shuffled: a mini-batch never holds half of a pair
            order = torch.randperm(groups)[:, None] * PAIR + torch.arange(PAIR)
            parts = order.reshape(steps, -1)
            self._buffered_inputs = [
                {name: _rows_of(value, part) for name, value in batch.items()} for part in parts
            ]
        part: int = self._step % steps
        return self._buffered_inputs[part]

    def _token_ids(self, prompts: list[str]) -> list[list[int]]:
        for prompt in prompts:
            if not isinstance(prompt, str):
                kind = type(prompt).__name__
                raise ValueError(f"a prompt is a {kind}: give text, with a chat template applied")
        ids: list[list[int]]
        ids, *_ = self._tokenize_prompts(prompts)
        return ids

    def _targets(self, rows: list[dict[str, Any]]) -> NDArray[np.int64]:
        levels = self.trie.levels
        targets = [row.get(self.target_column) for row in rows]
        for target in targets:
            if not isinstance(target, list) or len(target) != levels:
                column = self.target_column
                raise ValueError(
                    f"{column} holds {target!r}: give the {levels} token ids of an item"
                )
        return np.array(targets, np.int64)

    def _beams(self, prompts: list[list[int]], width: int) -> NDArray[np.int64]:
        """The legal sequences of each prompt by beam search, (prompts * width, L), best first."""
        ids, mask = self._padded(prompts)
        levels, start = self.trie.levels, ids.shape[1]
        config = GenerationConfig(
            max_new_tokens=levels,
            min_new_tokens=levels,
            num_beams=width,
            num_return_sequences=width,
            do_sample=False,
            length_penalty=0.0,
            pad_token_id=self._tokenizer.pad_token_id,
            eos_token_id=None,
            disable_compile=True,
        )
        unwrapped = unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            gather_deepspeed3_params=self.args.ds3_gather_for_generation,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        )
        shards = self._dist.summon_full_params(self.model_wrapped, recurse=False)
        legal = TrieLogitsProcessor(self.trie, start, in_place=True)
        with unwrapped as model, torch.no_grad(), shards:
            found = model.generate(
                input_ids=ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=LogitsProcessorList([legal]),
            )
        codes: NDArray[np.int64] = found[:, start:].cpu().numpy().astype(np.int64)
        if not self.trie.contains(codes).all():
            raise RuntimeError("the search wrote a sequence that the trie does not hold")
        return codes

    def _plan(self, codes: NDArray[np.int64], targets: NDArray[np.int64]) -> Plan:
        groups = len(targets)
        offsets = np.arange(groups + 1) * self.num_generations
        rewards, scores = score(codes, offsets, targets, np.arange(groups + 1))
        kept = plan(
            self.signal,
            offsets,
            rewards,
            scores,
            can_repair=self.trie.contains(targets),
        )
        by_group = rewards.reshape(groups, -1)
        shares = {
            "hit": by_group.max(axis=1).mean(),
            "pass_at_1": by_group[:, 0].mean(),
            "repaired": (kept.repaired >= 0).mean(),
            "skipped": (kept.skips > 0).mean(),
        }
        shares |= {name: count / groups for name, count in regime_counts(kept.regimes).items()}
        for name, share in shares.items():
            self._metrics["train"][f"recast/{name}"].append(float(share))
        return kept

    def _batch(
        self,
        prompts: list[list[int]],
        codes: NDArray[np.int64],
        advantages: NDArray[np.float32],
        is_trained: NDArray[np.bool_],
    ) -> dict[str, Any]:
        """The pairs as TRL's loss takes them, with the log-probs of old policy and reference."""
        device = self.accelerator.device
        prompt, prompt_mask = self._padded([prompt for prompt in prompts for _ in range(PAIR)])
        completion = torch.from_numpy(codes).to(device)
        mask = torch.from_numpy(is_trained).to(device).long()[:, None].expand_as(completion)
        ids = torch.cat([prompt, completion], dim=1)
        attention = torch.cat([prompt_mask, torch.ones_like(completion)], dim=1)
        batch = {
            "prompt_ids": prompt,
            "prompt_mask": prompt_mask,
            "completion_ids": completion,
            "completion_mask": mask.contiguous(),
            "advantages": torch.from_numpy(advantages).to(device),
            # where every group is skipped, the loss is 0 and not 0 / 0
            "num_items_in_batch": self.accelerator.gather(mask.sum()).sum().clamp(min=1),
        }
        size = self.args.per_device_train_batch_size
        models = {}
        # TRL takes the policy's own log-probs as the old ones while these cannot differ
        if self.args.gradient_accumulation_steps % self.args.steps_per_generation:
            models["old_per_token_logps"] = self.model
        if self.beta != 0.0:
            models["ref_per_token_logps"] = self.ref_model
        for name, model in models.items():
            with torch.no_grad():
                batch[name], *_ = self._get_per_token_logps_and_entropies(
                    model, ids, attention, self.trie.levels, size
                )
        return batch

    def _padded(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and mask, padded on the left."""
        ids = [torch.tensor(row, dtype=torch.long) for row in rows]
        ones = [torch.ones_like(row) for row in ids]
        padding = self._tokenizer.pad_token_id
        padded, mask = pad(ids, padding, "left"), pad(ones, 0, "left")
        return padded.to(self.accelerator.device), mask.to(self.accelerator.device)


def check_model(model: Any, args: GRPOConfig | None) -> None:
    """Raises ValueError for a model in memory whose reference TRL cannot load by name."""
    if args is None or args.beta == 0.0 or isinstance(model, str):
        return
    if not getattr(getattr(model, "config", None), "_name_or_path", None):
        raise ValueError(
            f"model: TRL loads the reference by name for beta={args.beta}, and this model has none;"
            " save it and give the path, or set beta=0"
        )


def check_signal(signal: Signal) -> None:
    """Raises ValueError for a signal that this trainer does not cover."""
    if signal.kind != "recast":
        raise ValueError(f"signal {signal!r}: this trainer keeps pairs; give Signal.recast(..)")
    needed: dict[str, tuple[Any, ...]] = {
        "boundary": (True,),
        "positive_only": (False,),
        # a gated repair reads a moving average, a confident one log-probs of the anchor
        "repair": ("always", "never"),
        # TRL divides by the tokens of the kept rows
        "normaliser": ("kept",),
        # TRL's own loss knows neither
        "anchor_ratio": ("recompute",),
        "negative_margin": (None,),
        "negative_choice": ("hardest",),
        # a group of one row would weigh half in TRL's mean over tokens
        "negative": ("always",),
    }
    for name, covered in needed.items():
        value = signal.options[name]
        if value not in covered:
            known = " or ".join(repr(one) for one in covered)
            raise ValueError(f"signal: {name}={value!r} is not covered; give {known}")


def check_arguments(args: GRPOConfig, width: int, trie: Trie) -> None:
    """Raises ValueError for a setting of TRL that this trainer does not cover."""
    needed: dict[str, tuple[Any, ...]] = {
        # "dapo" divides by the trained tokens of all processes; other losses count skipped groups
        "loss_type": ("dapo",),
        "num_iterations": (1,),
        "use_vllm": (False,),
        "use_liger_kernel": (False,),
        "importance_sampling_level": ("token",),
        "top_entropy_quantile": (1.0,),
        "max_completion_length": (trie.levels,),
        # a rollout is a beam search of its own settings, and log-probs are those of its model
        "temperature": (1.0,),
        "top_p": (1.0,),
        "top_k": (0,),
        "min_p": (None,),
        "repetition_penalty": (1.0,),
        "generation_kwargs": (None,),
        "cache_implementation": (None,),
        "use_transformers_continuous_batching": (False,),
        "use_transformers_paged": (False,),
        # a semantic ID has no end token to be cut off from
        "mask_truncated_completions": (False,),
        # TRL prints texts and rewards of its own rollout
        "log_completions": (False,),
    }
    for name, covered in needed.items():
        value = getattr(args, name)
        if value not in covered:
            raise ValueError(f"{name}={value!r} is not covered; give {covered[0]!r}")
    if trie.sequences < width:
        raise ValueError(f"num_generations={width}: the trie has {trie.sequences} sequences")
    rows = args.per_device_train_batch_size * args.steps_per_generation
    groups, rest = divmod(rows, width)
    if rest or groups % args.steps_per_generation:
        steps = args.steps_per_generation
        raise ValueError(
            f"per_device_train_batch_size={args.per_device_train_batch_size} with "
            f"steps_per_generation={steps} gives {rows} rows: give a multiple of {width * steps}, "
            f"so that each step has whole groups of {width}"
        )


def _pairs(
    kept: Plan, width: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Two rows a group, their advantages, and whether they are trained.

    A skipped group gives its first row twice, untrained.
    """
    groups = len(kept.skips)
    rows = np.repeat(np.arange(groups, dtype=np.int64) * width, PAIR)
    advantages = np.zeros(groups * PAIR, np.float32)
    is_trained = np.repeat(kept.skips == 0, PAIR)
    rows[is_trained], advantages[is_trained] = kept.rows, kept.advantages
    return rows, advantages, is_trained


def _rows_of(value: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The rows of a tensor; a number stays as it is."""
    return value if value.ndim == 0 else value[rows.to(value.device)]


def _no_reward(completions: list[Any], **_: Any) -> list[float]:
    """TRL asks for a reward function, and this trainer never calls it."""
    return [0.0] * len(completions)
