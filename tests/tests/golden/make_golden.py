"""Writes golden.toml: what verl and TRL themselves compute. See README.md beside this file.

Every expected number below is the return value of a library function or its autograd gradient.
No formula of a method stands in this file. Where a library has no such function, there is no case.
"""

import argparse
import collections
import importlib.metadata
import math
import types

import numpy as np
import torch
from accelerate import Accelerator
from trl import GRPOTrainer, RLOOTrainer
from verl.trainer.config import AlgoConfig
from verl.trainer.ppo import core_algos
from verl.workers.config import FSDPActorConfig

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

# --- inputs -------------------------------------------------------------------------------------


def hits(count, size):
    """The rewards of a group of which the first completions hit."""
    return [1.0] * count + [0.0] * (size - count)


GROUPS = {
    "one hit of 2": [0.0, 1.0],
    "no hit of 2": [0.0, 0.0],
    "all hit of 2": [1.0, 1.0],
    "one hit of 4, the last": [0.0, 0.0, 0.0, 1.0],
    "2 hits of 4": [0.0, 1.0, 0.0, 1.0],
    "no hit of 4": [0.0] * 4,
    "all hit of 4": [1.0] * 4,
    "prefix credit of 4": [0.1, 0.01, 1.0, 0.0],
    "rewards of both signs": [100.0, 0.0, 12.5, -50.0],
    "one hit of 8": hits(1, 8),
    "7 hits of 8": hits(7, 8),
    "prefix credit of 8, no hit": [0.0, 0.1, 0.0, 0.01, 0.01, 0.0, 0.1, 0.0],
    "prefix credit of 8, one best": [0.0, 0.1, 0.0, 0.01, 1.0, 0.0, 0.1, 0.0],
    "equal rewards of 7, not a binary fraction": [0.1] * 7,
    "equal rewards of 8, not a binary fraction": [0.1] * 8,
    "no hit of 32": hits(0, 32),
    "one hit of 32": hits(1, 32),
    "2 hits of 32": hits(2, 32),
    "4 hits of 32": hits(4, 32),
    "31 hits of 32": hits(31, 32),
    "all hit of 32": hits(32, 32),
    "32 different rewards": [((13 * i) % 32) / 40 for i in range(32)],
}

# policy - old: ratio 1; inside; just within and beyond either clip; within and beyond the dual
# clip; far out. All keep clear of the kinks, where a gradient is a convention.
LOG_RATIOS = [
    *(0.0, 0.09, -0.11, 0.24, 0.26, -0.22, -0.23, 0.45, -0.7, 1.05, 1.15),
    *(3.0, -3.0, 19.5, -19.5),
]
# Beyond verl's clamp of the log-ratio, which TRL does not have.
BEYOND_THE_CLAMP = [20.5, -20.5]
ADVANTAGES = [5.480078, 1.0, 0.0, -0.176777, -2.5]

# ref - policy. verl caps k3 at 10, TRL does not: the last four are for TRL's k3, and k1 and k2.
KL_DIFFERENCES = [0.0, 1e-6, -1e-4, 0.01, -0.01, 0.4, -0.4, 1.5, -1.5, 2.25, -3.0, -8.0]
LARGE_KL_DIFFERENCES = [3.0, 6.5, 19.5, -19.5]

# policy - old of the tokens of one sequence.
SEQUENCES = {
    "the old policy": [0.0, 0.0, 0.0],
    "one token": [0.1],
    "two tokens that cancel": [0.4, -0.4],
    "three tokens inside a wide clip": [0.3, -0.1, 0.05],
    "three tokens inside a narrow clip": [2e-4, -1e-4, 3e-4],
    "three tokens above": [0.9, 0.1, 0.2],
    "three tokens below": [-0.9, 0.1, -0.4],
    "one token far above, the mean inside": [1.6, -0.7, -0.5],
    "eight tokens beyond 3": [1.0, 1.5, 0.8, 1.2, 1.6, 0.9, 1.4, 2.0],
    "eight tokens of both signs": [0.2, -0.3, 0.5, -0.1, 0.0, 0.05, -0.25, 0.15],
}


def log_probs(differences, base):
    """Policy log-probs, all below 0 as their partners are, and the partners `base - difference`."""
    return [base] * len(differences), [base - difference for difference in differences]


# --- verl ---------------------------------------------------------------------------------------


def verl_advantages(function, rewards, **arguments):
    """One group, completions of one token that carries the reward."""
    advantages, _ = function(
        token_level_rewards=torch.tensor(rewards).unsqueeze(1),
        response_mask=torch.ones(len(rewards), 1),
        index=np.array(["group"] * len(rewards), dtype=object),
        **arguments,
    )
    return advantages.squeeze(1).tolist()


def verl_policy_loss(name, policy, old, advantage, clip_low, clip_high, dual_clip):
    """One sequence, averaged over its tokens."""
    config = FSDPActorConfig(
        rollout_n=1,
        ppo_micro_batch_size_per_gpu=1,
        clip_ratio_low=clip_low,
        clip_ratio_high=clip_high,
        **({} if dual_clip is None else {"clip_ratio_c": dual_clip}),
    )
    leaf = torch.tensor([policy], requires_grad=True)
    loss, metrics = core_algos.get_policy_loss_fn(name)(
        old_log_prob=torch.tensor([old]),
        log_prob=leaf,
        advantages=torch.full((1, len(policy)), advantage),
        response_mask=torch.ones(1, len(policy)),
        loss_agg_mode="token-mean",
        config=config,
    )
    loss.backward()
    return loss.item(), leaf.grad[0].tolist(), metrics


def verl_kl(estimator, policy, reference):
    leaf = torch.tensor([[policy]], requires_grad=True)
    penalty = core_algos.kl_penalty(leaf, torch.tensor([[reference]]), estimator)
    penalty.sum().backward()
    return penalty.item(), leaf.grad.item()


# --- TRL ----------------------------------------------------------------------------------------


class WithoutModel:
    """What a trainer does with a model, given as numbers. The rest is the trainer's own code."""

    def __init__(self, **attributes):
        # not the trainer's: it would load a model and a data set
        self.accelerator = Accelerator(cpu=True)
        self.model = types.SimpleNamespace(training=True, is_gradient_checkpointing=False)
        self.processing_class = self._tokenizer = types.SimpleNamespace(pad_token_id=0)
        self.pad_to_multiple_of = None
        self.mask_truncated_completions = False
        self.environment_factories = self.environments = self.tools = None
        self.use_vllm = False
        self.aux_loss_enabled = False
        self.beta = 0.0
        self.reward_func_names = ["reward"]
        self.reward_funcs = [None]
        self.reward_weights = torch.ones(1)
        self._metrics = {"train": collections.defaultdict(list)}
        self._logs = collections.defaultdict(list)
        self._logs["rewards"] = collections.defaultdict(list)
        self._pending_extra_logs = {}
        self._pending_metrics = {}
        for name, value in attributes.items():
            setattr(self, name, value)

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        return torch.tensor(self.rewards).unsqueeze(1)

    def _get_per_token_logps_and_entropies(self, model, input_ids, *_, **__):
        if model is self.model:
            # of the old policy, for which an advantage has no use
            return torch.zeros(input_ids.size(0), 1), None, None
        return model, torch.zeros_like(model), None


class Grpo(WithoutModel, GRPOTrainer):
    def _generate(self, prompts):
        one = [[1]] * len(prompts)
        return one, one, None, prompts, None, {}, None, None


class Rloo(WithoutModel, RLOOTrainer):
    def _generate(self, prompts):
        one = [[1]] * len(prompts)
        return one, one, prompts


def arguments(**changed):
    return types.SimpleNamespace(
        **{
            "per_device_train_batch_size": 32,
            "steps_per_generation": 1,
            "gradient_accumulation_steps": 1,
            "gradient_checkpointing_kwargs": None,
            "report_to": [],
            "delta": None,
            "use_bias_correction_kl": False,
            **changed,
        }
    )


def trl_advantages(trainer, rewards, **attributes):
    """One group."""
    trainer = trainer(
        args=arguments(),
        rewards=rewards,
        num_generations=len(rewards),
        num_iterations=1,
        **attributes,
    )
    scored = trainer._generate_and_score_completions([{"prompt": "x"}] * len(rewards))
    return scored["advantages"].tolist()


def trl_policy_loss(
    policy, old, advantage, clip_low, clip_high, dual_clip, level="token", reference=None, beta=0.0
):
    """One sequence, averaged over its tokens."""
    trainer = Grpo(
        args=arguments(delta=dual_clip),
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        loss_type="grpo",
        epsilon_low=clip_low,
        epsilon_high=clip_high,
        beta=beta,
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False,
    )
    leaf = torch.tensor([policy], requires_grad=True)
    tokens = torch.ones(1, len(policy), dtype=torch.long)
    inputs = {
        "prompt_ids": tokens[:, :1],
        "prompt_mask": tokens[:, :1],
        "completion_ids": tokens,
        "completion_mask": tokens,
        "advantages": torch.tensor([advantage]),
        "old_per_token_logps": torch.tensor([old]),
    }
    if reference is not None:
        inputs["ref_per_token_logps"] = torch.tensor([reference])
    loss = trainer._compute_loss(leaf, inputs)
    loss.backward()
    return loss.item(), leaf.grad[0].tolist()


# --- cases --------------------------------------------------------------------------------------

VERL_GRPO = core_algos.compute_grpo_outcome_advantage
VERL_RLOO = core_algos.compute_rloo_outcome_advantage
VERL_PASS_AT_K = core_algos.compute_grpo_passk_outcome_advantage


def grpo():
    for name, rewards in {
        "a group of one hit": [1.0],
        "a group of one miss": [0.0],
        **GROUPS,
    }.items():
        yield advantage_case(
            "verl", name, rewards, verl_advantages(VERL_GRPO, rewards, epsilon=1e-6), 1e-6
        )
    for name in ["one hit of 32", "2 hits of 32", "4 hits of 32", "32 different rewards"]:
        rewards = GROUPS[name]
        yield advantage_case(
            "verl", name, rewards, verl_advantages(VERL_GRPO, rewards, epsilon=0.0), 0.0
        )
    for name, rewards in GROUPS.items():
        found = trl_advantages(
            Grpo, rewards, scale_rewards="group", multi_objective_aggregation="sum_then_normalize"
        )
        # TRL's epsilon is a literal in its code
        yield advantage_case("trl", name, rewards, found, 1e-4)


def dr_grpo():
    for name, rewards in GROUPS.items():
        found = verl_advantages(VERL_GRPO, rewards, norm_adv_by_std_in_grpo=False)
        yield advantage_case("verl", name, rewards, found)
    for name, rewards in GROUPS.items():
        found = trl_advantages(
            Grpo, rewards, scale_rewards="none", multi_objective_aggregation="sum_then_normalize"
        )
        yield advantage_case("trl", name, rewards, found)


def rloo():
    for name, rewards in GROUPS.items():
        yield advantage_case("verl", name, rewards, verl_advantages(VERL_RLOO, rewards))
    for name, rewards in GROUPS.items():
        found = trl_advantages(Rloo, rewards, normalize_advantages=False, reward_clip_range=None)
        yield advantage_case("trl", name, rewards, found)


def pass_at_k():
    for normalised in [False, True]:
        config = AlgoConfig(norm_adv_by_std_in_grpo=normalised)
        for name, rewards in GROUPS.items():
            found = verl_advantages(VERL_PASS_AT_K, rewards, epsilon=1e-6, config=config)
            yield advantage_case("verl", name, rewards, found, 1e-6 if normalised else None)


def advantage_case(library, name, rewards, advantages, epsilon=None):
    return {
        "name": name,
        "library": library,
        "epsilon": epsilon,
        "rewards": rewards,
        "advantages": advantages,
    }


def tokens_of(log_ratios):
    ratios, advantages = zip(*[(r, a) for r in log_ratios for a in ADVANTAGES])
    return *log_probs(ratios, -30.0), list(advantages)


def surrogate():
    # verl's dual clip is always on: 1e9 is above the largest ratio it lets through, exp(20)
    for clip in [(0.2, 0.28, 3.0), (0.2, 0.2, 1e9), (0.1, 0.1, 1.5)]:
        policy, old, advantages = tokens_of(LOG_RATIOS + BEYOND_THE_CLAMP)
        found = [
            verl_policy_loss("vanilla", [p], [o], a, *clip)
            for p, o, a in zip(policy, old, advantages)
        ]
        case = surrogate_case("verl", clip, policy, old, advantages, found)
        # a fraction of one token, but for the 1e-8 in verl's masked mean
        case["clipped"] = [metrics["actor/pg_clipfrac"] > 0.5 for *_, metrics in found]
        case["dual_clipped"] = [metrics["actor/pg_clipfrac_lower"] > 0.5 for *_, metrics in found]
        yield case
    for clip in [(0.2, 0.28, 3.0), (0.2, 0.2, None), (0.1, 0.1, 1.5)]:
        policy, old, advantages = tokens_of(LOG_RATIOS)
        found = [trl_policy_loss([p], [o], a, *clip) for p, o, a in zip(policy, old, advantages)]
        yield surrogate_case("trl", clip, policy, old, advantages, found)


def surrogate_case(library, clip, policy, old, advantages, found):
    return {
        "library": library,
        "clip": clip_table(*clip),
        "policy_log_probs": policy,
        "old_log_probs": old,
        "token_advantages": advantages,
        "values": [term[0] for term in found],
        "gradients": [term[1][0] for term in found],
    }


def clip_table(low, high, dual):
    return {"low": low, "high": high, "dual": dual}


def kl_penalty():
    every = KL_DIFFERENCES + LARGE_KL_DIFFERENCES
    for estimator, differences in [("k1", every), ("k2", every), ("k3", KL_DIFFERENCES)]:
        policy, reference = log_probs([-d for d in differences], -30.0)
        found = [verl_kl(estimator, p, r) for p, r in zip(policy, reference)]
        yield kl_case("verl", estimator, policy, reference, found)
    # TRL has its k3 inside the loss: with advantage 0 and beta 1 the loss is nothing else
    policy, reference = log_probs([-d for d in every], -30.0)
    found = [
        trl_policy_loss([p], [p], 0.0, 0.2, 0.28, 3.0, reference=[r], beta=1.0)
        for p, r in zip(policy, reference)
    ]
    found = [(value, gradients[0]) for value, gradients in found]
    yield kl_case("trl", "k3", policy, reference, found)


def kl_case(library, estimator, policy, reference, found):
    return {
        "library": library,
        "estimator": estimator,
        "policy_log_probs": policy,
        "ref_log_probs": reference,
        "values": [value for value, _ in found],
        "gradients": [gradient for _, gradient in found],
    }


def token_loss():
    for kl_coef in [1e-3, 0.1]:
        combinations = [
            (ratio, advantage, difference)
            for ratio in [0.0, 0.26, -0.3, 1.15, -3.0]
            for advantage in [1.0, -0.176777]
            for difference in [0.01, -0.4, 3.0]
        ]
        policy, old = log_probs([ratio for ratio, _, _ in combinations], -30.0)
        reference = [-30.0 + difference for *_, difference in combinations]
        advantages = [advantage for _, advantage, _ in combinations]
        found = [
            trl_policy_loss([p], [o], a, 0.2, 0.28, 3.0, reference=[r], beta=kl_coef)
            for p, o, a, r in zip(policy, old, advantages, reference)
        ]
        case = surrogate_case("trl", (0.2, 0.28, 3.0), policy, old, advantages, found)
        yield {**case, "estimator": "k3", "kl_coef": kl_coef, "ref_log_probs": reference}


def gspo():
    for clip_low, clip_high in [(0.2, 0.28), (3e-4, 4e-4)]:
        for name, log_ratios in SEQUENCES.items():
            for advantage in [1.0, -0.176777]:
                # every token of a sequence has a probability of its own
                policy = [-0.5 - 0.25 * place for place in range(len(log_ratios))]
                old = [p - ratio for p, ratio in zip(policy, log_ratios)]
                verl = verl_policy_loss("gspo", policy, old, advantage, clip_low, clip_high, None)
                trl = trl_policy_loss(
                    policy, old, advantage, clip_low, clip_high, None, level="sequence"
                )
                dual = trl_policy_loss(
                    policy, old, advantage, clip_low, clip_high, 3.0, level="sequence"
                )
                for library, dual_clip, found in [
                    ("verl", None, verl),
                    ("trl", None, trl),
                    ("trl", 3.0, dual),
                ]:
                    yield {
                        "name": name,
                        "library": library,
                        "clip": clip_table(clip_low, clip_high, dual_clip),
                        "advantage": advantage,
                        "policy_log_probs": policy,
                        "old_log_probs": old,
                        "value": found[0],
                        "gradients": found[1],
                    }


# --- the file -----------------------------------------------------------------------------------


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(pairs(value))} }}"
    assert math.isfinite(value)
    # the shortest digits that give the same f64 back; a zero has no sign here
    return repr(float(value) + 0.0)


def pairs(table):
    """The keys that have a value. A case without an epsilon or a dual clip does not name it."""
    return [f"{key} = {toml(value)}" for key, value in table.items() if value is not None]


def lines():
    yield "# Golden values, computed by verl and TRL. Made by tests/golden/make_golden.py: do not edit."
    yield "# What each table is, and what was left out: tests/golden/README.md."
    yield ""
    yield "[libraries]"
    for library in ["verl", "trl", "torch"]:
        yield f"{library} = {toml(importlib.metadata.version(library))}"
    for table in [grpo, dr_grpo, rloo, pass_at_k, surrogate, kl_penalty, token_loss, gspo]:
        for case in table():
            yield ""
            yield f"[[{table.__name__}]]"
            yield from pairs(case)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", help="the TOML file to write")
    text = "\n".join(lines()) + "\n"
    with open(parser.parse_args().out, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


if __name__ == "__main__":
    main()
