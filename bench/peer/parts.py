"""The measured work: a Qwen3 decoder of Hugging Face, and its training as in Python trainers.

Shapes: B prompts, G completions of a prompt, N rows of a prompt and a completion, L levels,
S tokens. The seed gives all inputs; shapes equal recast's, numbers don't.
"""

import json
import pathlib
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch
from transformers import LogitsProcessor, Qwen3Config, Qwen3ForCausalLM

CLIP_LOW, CLIP_HIGH, KL_COEF, MAX_NORM = 0.2, 0.28, 1e-3, 1.0
MODEL_KEYS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "intermediate_size", "rms_norm_eps", "rope_theta", "tie_word_embeddings",
)
KEYS = (
    "model", "parameters", "items", "levels", "codes", "history", "groups", "group_sizes", "batch_tokens",
    "repeats", "seed",
)


class SettingsError(Exception):
    """A file of unusable settings; the message has the reason."""


def read_settings(path: str) -> dict:
    """The settings in a report of `recast bench --json`."""
    try:
        settings = json.loads(pathlib.Path(path).read_text())["settings"]
        missing = [key for key in KEYS if key not in settings]
        missing += [f"model.{key}" for key in MODEL_KEYS if key not in settings.get("model", {})]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} holds no settings: give the output of recast bench --json") from error
    if missing:
        raise SettingsError(f"the settings in {path} lack {', '.join(missing)}")
    return settings


@dataclass(frozen=True)
class Place:
    """The place of the work: `device` is cpu or cuda, `precision` f32 or bf16.

    bf16 is autocast: weights stay f32.
    """

    device: str
    precision: str
    threads: int

    def autocast(self):
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")

    def now(self) -> float:
        """The time in seconds, after all work queued on the device."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def reset_peak_memory(self) -> bool:
        """Resets `peak_memory` to the current memory; returns whether the system allows that."""
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            return True
        try:
            pathlib.Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return False
        return True

    def peak_memory(self) -> int:
        """Bytes of tensors on cuda, else the largest resident size of the process (Linux only)."""
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated()
        status = pathlib.Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])


class PrefixProcessor(LogitsProcessor):
    """Leaves only tokens that continue a beam's prefix, by a dictionary of prefixes."""

    def __init__(self, allowed: dict, prompt_length: int):
        self.allowed, self.prompt_length = allowed, prompt_length

    def __call__(self, input_ids, scores):
        mask = torch.full_like(scores, float("-inf"))
        for row, written in zip(mask, input_ids[:, self.prompt_length:].tolist()):
            tokens = self.allowed.get(tuple(written))
            if tokens is not None:
                row[tokens] = 0.0
        return scores + mask


def allowed_tokens(sids: np.ndarray, device: str) -> dict:
    """The tokens that may follow each prefix of a semantic ID; a prefix is a tuple of tokens."""
    allowed = defaultdict(set)
    for sid in sids.tolist():
        for level, token in enumerate(sid):
            allowed[tuple(sid[:level])].add(token)
    return {prefix: torch.tensor(sorted(tokens), device=device) for prefix, tokens in allowed.items()}


def decoder(settings: dict) -> Qwen3ForCausalLM:
    """A decoder of recast's shape; the vocabulary holds nothing but codes.

    Raises `SettingsError` if its number of parameters is more than 1% off recast's.
    """
    model = {key: settings["model"][key] for key in MODEL_KEYS}
    config = Qwen3Config(
        vocab_size=settings["levels"] * settings["codes"],
        max_position_embeddings=(settings["history"] + 1) * settings["levels"],
        rope_parameters={"rope_type": "default", "rope_theta": model.pop("rope_theta")},
        attn_implementation="sdpa",
        **model,
    )
    made = Qwen3ForCausalLM(config)
    ours, theirs = settings["parameters"], made.num_parameters()
    if abs(theirs - ours) > 0.01 * ours:
        raise SettingsError(f"the peer has {theirs} parameters and recast {ours}: not the same decoder")
    return made


class Peer:
    """A policy, its frozen reference, an optimiser and a catalogue.

    `sids` (items, L) and `prompts` (B, S) hold tokens: token = codes x level + code.
    """

    def __init__(self, settings: dict, place: Place, weight_decay: float, learning_rate: float):
        torch.manual_seed(settings["seed"])
        self.place, self.levels, self.codes = place, settings["levels"], settings["codes"]
        self.rng = np.random.default_rng(settings["seed"])
        sids = self.rng.integers(self.codes, size=(settings["items"], self.levels))
        self.sids = sids + self.codes * np.arange(self.levels)
        self.history = settings["history"]
        self.policy = decoder(settings).to(place.device)
        self.reference = decoder(settings).to(place.device).requires_grad_(False)
        self.reference.load_state_dict(self.policy.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.policy.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=weight_decay, fused=True
        )

    def random_sids(self, *dims: int) -> torch.Tensor:
        """The tokens of random items: (*dims, L)."""
        chosen = self.sids[self.rng.integers(len(self.sids), size=dims)]
        return torch.from_numpy(chosen).to(self.place.device)

    def random_prompts(self, count: int) -> torch.Tensor:
        return self.random_sids(count, self.history).flatten(1)

    def supervised_step(self, sequences: torch.Tensor, batch: int):
        """One optimiser step on all `sequences` (B, S), `batch` of them at a time."""
        self.policy.train()
        for part in sequences.split(batch):
            with self.place.autocast():
                loss = self.policy(input_ids=part, attention_mask=torch.ones_like(part), labels=part).loss
            (loss * (len(part) / len(sequences))).backward()
        self.optimiser_step()

    def optimiser_step(self):
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), MAX_NORM)
        self.optimiser.step()
        self.optimiser.zero_grad()

    def rollout(self, allowed: dict, prompts: torch.Tensor, width: int, batch: int) -> torch.Tensor:
        """The `width` completions of a beam search, `batch` beams at a time: (B, G, L)."""
        self.policy.eval()
        found = []
        with torch.inference_mode(), self.place.autocast():
            for part in prompts.split(batch // width):
                written = self.policy.generate(
                    input_ids=part,
                    attention_mask=torch.ones_like(part),
                    num_beams=width,
                    num_return_sequences=width,
                    max_new_tokens=self.levels,
                    do_sample=False,
                    logits_processor=[PrefixProcessor(allowed, part.shape[1])],
                )
                found.append(written[:, part.shape[1]:])
        return torch.cat(found).view(len(prompts), width, self.levels)

    def log_probs(self, model: Qwen3ForCausalLM, rows: torch.Tensor) -> torch.Tensor:
        """The log-probabilities of completions in nats, over the whole vocabulary: (N, L)."""
        with self.place.autocast():
            logits = model(
                input_ids=rows, attention_mask=torch.ones_like(rows), logits_to_keep=self.levels + 1, use_cache=False
            ).logits
        log_probs = logits[:, :-1].float().log_softmax(-1)
        return log_probs.gather(-1, rows[:, -self.levels:, None]).squeeze(-1)

    def frozen_log_probs(self, model: Qwen3ForCausalLM, rows: torch.Tensor, batch: int) -> torch.Tensor:
        """The log-probabilities without gradient, `batch` rows at a time: (N, L)."""
        model.eval()
        with torch.no_grad():
            return torch.cat([self.log_probs(model, part) for part in rows.split(batch)])

    def update(self, rows, advantages, old_log_probs, ref_log_probs, batch: int):
        """One optimiser step of GRPO on all `rows` (N, S), `batch` of them at a time.

        `advantages` (N), log-probabilities (N, L). The loss is the mean over all tokens of the
        clipped surrogate and the k3 penalty.
        """
        self.policy.train()
        parts = (x.split(batch) for x in (rows, advantages, old_log_probs, ref_log_probs))
        for rows_part, advantage, old, ref in zip(*parts):
            policy = self.log_probs(self.policy, rows_part)
            ratio, advantage = (policy - old).exp(), advantage[:, None]
            surrogate = torch.min(ratio * advantage, ratio.clamp(1 - CLIP_LOW, 1 + CLIP_HIGH) * advantage)
            gap = ref - policy
            penalty = gap.exp() - gap - 1
            loss = (KL_COEF * penalty - surrogate).sum() / (len(rows) * self.levels)
            loss.backward()
        self.optimiser_step()

    def rl_step(self, allowed: dict, prompts: torch.Tensor, width: int, pair: bool, batches: dict):
        """Rollout, rewards, old and reference log-probabilities, update of all rows or pairs."""
        completions = self.rollout(allowed, prompts, width, batches["rollout"])
        kept, advantages = (boundary_pairs if pair else whole_groups)(completions.tolist())
        advantages = torch.tensor(advantages, device=prompts.device).flatten()
        rows = rows_of(prompts, completions, torch.tensor(kept, device=prompts.device))
        old = self.frozen_log_probs(self.policy, rows, batches["update"])
        ref = self.frozen_log_probs(self.reference, rows, batches["update"])
        self.update(rows, advantages, old, ref, batches["update"])


def rows_of(prompts: torch.Tensor, completions: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """The `kept` (B, K) of the completions (B, G, L), each behind its prompt: (B K, S + L)."""
    chosen = completions.gather(1, kept[:, :, None].expand(-1, -1, completions.shape[2]))
    repeated = prompts[:, None].expand(-1, kept.shape[1], -1)
    return torch.cat([repeated, chosen], 2).flatten(0, 1)


def whole_groups(groups: list) -> tuple[list, list]:
    """All completions of each group and GRPO's advantages; the target is the middle completion."""
    kept, advantages = [], []
    for group in groups:
        target = group[len(group) // 2]
        rewards = np.array([float(completion == target) for completion in group])
        kept.append(list(range(len(group))))
        scaled = (rewards - rewards.mean()) / (rewards.std(ddof=1) + 1e-6)
        advantages.append(scaled.astype(np.float32).tolist())
    return kept, advantages


def boundary_pairs(groups: list) -> tuple[list, list]:
    """The hit and the hardest miss of each group, with advantages 1 and -1.

    The hardest miss shares the longest prefix with the target. Of equal misses the likeliest one
    counts, which stands first in a beam search.
    """
    kept = []
    for group in groups:
        hit = len(group) // 2
        shared = [common_prefix(completion, group[hit]) for completion in group]
        misses = [slot for slot in range(len(group)) if group[slot] != group[hit]]
        kept.append([hit, max(misses, key=lambda slot: shared[slot])])
    return kept, [[1.0, -1.0]] * len(groups)


def common_prefix(a: list, b: list) -> int:
    length = 0
    while length < len(a) and a[length] == b[length]:
        length += 1
    return length


@dataclass(frozen=True)
class Part:
    """A measured part.

    `group_size` is 0 for a part without groups; the part trains on `kept` completions of each group.
    """

    name: str
    kind: str
    group_size: int = 0
    kept: int = 0

    def rows(self, settings: dict) -> int:
        """The rows, or for a rollout the beams, of one repetition."""
        match self.kind:
            case "supervised":
                return -(-settings["batch_tokens"] // (settings["history"] * settings["levels"]))
            case "rollout":
                return settings["groups"] * self.group_size
            case _:
                return settings["groups"] * self.kept


def all_parts(settings: dict) -> list[Part]:
    parts = []
    for size in settings["group_sizes"]:
        parts.append(Part(f"rollout, G = {size}", "rollout", size))
        for title, kept in (("ReCast", 2), ("GRPO", size)):
            parts.append(Part(f"update {title} row-wise, G = {size}", "update", size, kept))
        for title, kept in (("ReCast", 2), ("GRPO", size)):
            parts.append(Part(f"RL step of {title}, G = {size}", "step", size, kept))
    return [*parts, Part("supervised step", "supervised")]


def prepare(part: Part, settings: dict, place: Place, batches: dict):
    """A peer, the timed call, its unit and the number of units."""
    supervised = part.kind == "supervised"
    peer = Peer(settings, place, *((0.1, 1e-4) if supervised else (0.0, 1e-6)))
    if supervised:
        sequences = peer.random_prompts(part.rows(settings))
        return peer, lambda: peer.supervised_step(sequences, batches["supervised"]), "tokens", sequences.numel()
    groups = settings["groups"]
    prompts = peer.random_prompts(groups)
    if part.kind == "update":
        kept = torch.arange(part.kept, device=place.device).expand(groups, -1)
        rows = rows_of(prompts, peer.random_sids(groups, part.kept), kept)
        advantages = torch.ones(len(rows), device=place.device)
        log_probs = torch.full((len(rows), peer.levels), -float(np.log(peer.codes)), device=place.device)
        update = (rows, advantages, log_probs, log_probs, batches["update"])
        return peer, lambda: peer.update(*update), "groups", groups
    allowed = allowed_tokens(peer.sids, place.device)
    if part.kind == "rollout":
        return peer, lambda: peer.rollout(allowed, prompts, part.group_size, batches["rollout"]), "prompts", groups
    pair = part.kept < part.group_size
    return peer, lambda: peer.rl_step(allowed, prompts, part.group_size, pair, batches), "groups", groups


def measure(part: Part, settings: dict, place: Place, batches: dict, repeats: int) -> dict:
    """Runs a part once to warm up and then `repeats` times; returns seconds and peak bytes.

    Each call needs its own process: `idle_memory_bytes` is the process's memory before the model.
    """
    torch.set_num_threads(place.threads)
    idle = place.peak_memory() if place.reset_peak_memory() else None
    peer, work, unit, units = prepare(part, settings, place, batches)
    told = place.reset_peak_memory()
    result = work()
    seconds = []
    for _ in range(repeats):
        start = place.now()
        result = work()
        seconds.append(place.now() - start)
    measured = {
        "name": part.name,
        "unit": unit,
        "units": units,
        "batches": batches,
        "seconds": statistics.median(seconds),
        "min_seconds": min(seconds),
        "max_seconds": max(seconds),
        "peak_memory_bytes": place.peak_memory() if told else None,
        "idle_memory_bytes": idle,
        "parameters": peer.policy.num_parameters(),
    }
    if part.kind == "rollout":
        catalogue = set(map(tuple, peer.sids.tolist()))
        completions = result.flatten(0, 1).tolist()
        measured["completions"] = len(completions)
        measured["legal_completions"] = sum(tuple(completion) in catalogue for completion in completions)
    return measured
