"""Writes golden.toml, the numbers of verl and TRL themselves. See README.md beside this file.

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
# Log-ratios beyond verl's clamp, which TRL does not have.
BEYOND_THE_CLAMP = [20.5, -20.5]
ADVANTAGES = [5.480078, 1.0, 0.0, -0.176777, -2.5]

# ref - policy. verl caps k3 at 10, its value at 2.6109 and -10.99998; TRL has no cap.
KL_DIFFERENCES = [0.0, 1e-6, -1e-4, 0.01, -0.01, 0.4, -0.4, 1.5, -1.5, 2.25, -3.0, -8.0]
LARGE_KL_DIFFERENCES = [3.0, 6.5, 19.5, -19.5]
KL_DIFFERENCES_AROUND_THE_CAP = [2.61, 2.612, -10.999, -11.001, 20.5, -20.5]

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

# Batches for methods that divide or centre by more than one group.
BATCHES = {
    "one hit in 2 groups of 2": [GROUPS["one hit of 2"], GROUPS["no hit of 2"]],
    "no hit in 3 groups of 4": [GROUPS["no hit of 4"]] * 3,
    "all hit or none in groups of 4": [GROUPS["all hit of 4"], GROUPS["no hit of 4"]],
    "equal rewards in 2 groups of 7, not a binary fraction": [[0.1] * 7] * 2,
    "one group of 4": [GROUPS["prefix credit of 4"]],
    "4 groups of 4": [
        GROUPS["one hit of 4, the last"],
        GROUPS["2 hits of 4"],
        GROUPS["prefix credit of 4"],
        GROUPS["all hit of 4"],
    ],
    "rewards of very different sizes in groups of 4": [
        GROUPS["prefix credit of 4"],
        GROUPS["rewards of both signs"],
    ],
    "3 groups of 8": [
        GROUPS["one hit of 8"],
        GROUPS["prefix credit of 8, no hit"],
        GROUPS["prefix credit of 8, one best"],
    ],
    "3 groups of 32": [
        GROUPS["one hit of 32"],
        GROUPS["no hit of 32"],
        GROUPS["32 different rewards"],
    ],
}

# TRL's groups are all of one size.
UNEVEN_BATCHES = {
    "groups of 2, 4 and 8": [
        GROUPS["one hit of 2"],
        GROUPS["2 hits of 4"],
        GROUPS["prefix credit of 8, one best"],
    ],
    "a group of 2 beside one of 32": [GROUPS["all hit of 2"], GROUPS["4 hits of 32"]],
}


def equal_lengths(rewards):
    return [3] * len(rewards)


def different_lengths(rewards):
    return [1 + (5 * i + 2) % 7 for i in range(len(rewards))]


def log_probs(differences, base):
    """Policy log-probs, all below 0 as their partners are, and the partners `base - difference`."""
    return [base] * len(differences), [base - difference for difference in differences]


# --- verl ---------------------------------------------------------------------------------------


def verl_advantages(function, rewards, **arguments):
    """One group, completions of one token that carries the reward."""
    return verl_batch_advantages(function, [rewards], [[1] * len(rewards)], **arguments)[0]


def verl_batch_advantages(function, groups, lengths, **arguments):
    """Groups of completions of the given lengths, whose last token carries the reward."""
    rewards = torch.tensor([reward for group in groups for reward in group])
    counts = torch.tensor([length for group in lengths for length in group])
    place = torch.arange(counts.max()).unsqueeze(0)
    at_the_end = (place == counts.unsqueeze(1) - 1).double()
    advantages, _ = function(
        token_level_rewards=rewards.unsqueeze(1) * at_the_end,
        response_mask=(place < counts.unsqueeze(1)).double(),
        index=np.array([g for g, group in enumerate(groups) for _ in group], dtype=object),
        **arguments,
    )
    # every token of a completion has the same advantage; the first token always exists
    flat = iter(advantages[:, 0].tolist())
    return [[next(flat) for _ in group] for group in groups]


def verl_policy_loss(name, policy, old, advantage, clip_low, clip_high, dual_clip):
    """One sequence, averaged over its tokens."""
    return verl_loss(
        name,
        policy,
        old,
        advantage,
        clip_ratio_low=clip_low,
        clip_ratio_high=clip_high,
        **({} if dual_clip is None else {"clip_ratio_c": dual_clip}),
    )


def verl_loss(name, policy, old, advantage, **settings):
    """One sequence, averaged over its tokens."""
    config = FSDPActorConfig(rollout_n=1, ppo_micro_batch_size_per_gpu=1, **settings)
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
    """A trainer whose model is numbers. The rest is the trainer's own code."""

    def __init__(self, **attributes):
        # the trainer's own constructor would load a model and a data set
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
            # log-probs of the old policy, which no advantage reads
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
    return trl_batch_advantages(trainer, [rewards], **attributes)[0]


def trl_batch_advantages(trainer, groups, **attributes):
    """Groups of one size."""
    size = len(groups[0])
    rewards = [reward for group in groups for reward in group]
    trainer = trainer(
        args=arguments(),
        rewards=rewards,
        num_generations=size,
        num_iterations=1,
        **attributes,
    )
    scored = trainer._generate_and_score_completions([{"prompt": "x"}] * len(rewards))
    return scored["advantages"].view(-1, size).tolist()


def trl_policy_loss(
    policy, old, advantage, clip_low, clip_high, dual_clip, level="token", settings=None, **changed
):
    """One sequence, averaged over its tokens."""
    return trl_loss(
        policy,
        old,
        advantage,
        loss_type="grpo",
        settings={"delta": dual_clip, **(settings or {})},
        importance_sampling_level=level,
        epsilon_low=clip_low,
        epsilon_high=clip_high,
        **changed,
    )


def trl_loss(policy, old, advantage, loss_type, settings, reference=None, **attributes):
    """One sequence, averaged over its tokens."""
    trainer = Grpo(
        args=arguments(**settings),
        loss_type=loss_type,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        current_gradient_accumulation_steps=1,
        _entropy_bonus_enabled=False,
        **{"importance_sampling_level": "token", **attributes},
    )
    leaf = torch.tensor([policy], requires_grad=True)
    tokens = torch.ones(1, len(policy), dtype=torch.long)
    inputs = {
        "prompt_ids": tokens[:, :1],
        "prompt_mask": tokens[:, :1],
        "completion_ids": tokens,
        "completion_mask": tokens,
        "num_items_in_batch": tokens.sum(),
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
VERL_REINFORCE = core_algos.compute_reinforce_plus_plus_baseline_outcome_advantage
VERL_OPO = core_algos.compute_opo_outcome_advantage


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


def opo():
    for lengths_of in [equal_lengths, different_lengths]:
        for name, rewards in GROUPS.items():
            lengths = lengths_of(rewards)
            [found] = verl_batch_advantages(VERL_OPO, [rewards], [lengths])
            yield {**advantage_case("verl", name, rewards, found), "lengths": lengths}


def reinforce_plus_plus_baseline():
    for lengths_of in [equal_lengths, different_lengths]:
        for name, groups in {**BATCHES, **UNEVEN_BATCHES}.items():
            lengths = [lengths_of(group) for group in groups]
            found = verl_batch_advantages(VERL_REINFORCE, groups, lengths)
            yield {**batch_case("verl", name, groups, found), "lengths": lengths}


def batch_scaling():
    for name, groups in BATCHES.items():
        found = trl_batch_advantages(
            Grpo, groups, scale_rewards="batch", multi_objective_aggregation="sum_then_normalize"
        )
        yield batch_case("trl", name, groups, found, 1e-4)


def batch_case(library, name, groups, advantages, epsilon=None):
    return {
        "name": name,
        "library": library,
        "epsilon": epsilon,
        "groups": groups,
        "advantages": advantages,
    }


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
        # the fraction of one token is 0 or 1, but for the 1e-8 in verl's masked mean
        case["clipped"] = [metrics["actor/pg_clipfrac"] > 0.5 for *_, metrics in found]
        case["dual_clipped"] = [metrics["actor/pg_clipfrac_lower"] > 0.5 for *_, metrics in found]
        yield case
    for clip in [(0.2, 0.28, 3.0), (0.2, 0.2, None), (0.1, 0.1, 1.5)]:
        policy, old, advantages = tokens_of(LOG_RATIOS)
        found = [trl_policy_loss([p], [o], a, *clip) for p, o, a in zip(policy, old, advantages)]
        yield surrogate_case("trl", clip, policy, old, advantages, found)


def surrogate_case(library, clip, *columns):
    return token_case(library, {"clip": clip_table(*clip)}, *columns)


def token_case(library, parameters, policy, old, advantages, found):
    return {
        "library": library,
        **parameters,
        "policy_log_probs": policy,
        "old_log_probs": old,
        "token_advantages": advantages,
        "values": [term[0] for term in found],
        "gradients": [term[1][0] for term in found],
    }


def clip_table(low, high, dual):
    return {"low": low, "high": high, "dual": dual}


def cispo():
    # TRL has no lower bound, as with a low of 1, and names the largest weight, 1 + high
    for low, high in [(0.2, 0.28), (1.0, 4.0)]:
        policy, old, advantages = tokens_of(LOG_RATIOS + BEYOND_THE_CLAMP)
        found = [
            verl_policy_loss("cispo", [p], [o], a, low, high, None)
            for p, o, a in zip(policy, old, advantages)
        ]
        yield surrogate_case("verl", (low, high, None), policy, old, advantages, found)
    for high in [4.0, 0.28]:
        policy, old, advantages = tokens_of(LOG_RATIOS)
        found = [
            trl_loss([p], [o], a, "cispo", {}, epsilon_high=1.0 + high)
            for p, o, a in zip(policy, old, advantages)
        ]
        yield surrogate_case("trl", (1.0, high, None), policy, old, advantages, found)


def sapo():
    for tau_pos, tau_neg in [(1.0, 1.05), (0.5, 3.0)]:
        policy, old, advantages = tokens_of(LOG_RATIOS + BEYOND_THE_CLAMP)
        found = [
            verl_loss("sapo", [p], [o], a, tau_pos=tau_pos, tau_neg=tau_neg)
            for p, o, a in zip(policy, old, advantages)
        ]
        taus = {"tau_pos": tau_pos, "tau_neg": tau_neg}
        yield token_case("verl", taus, policy, old, advantages, found)
        policy, old, advantages = tokens_of(LOG_RATIOS)
        settings = {"sapo_temperature_pos": tau_pos, "sapo_temperature_neg": tau_neg}
        found = [
            trl_loss([p], [o], a, "sapo", settings) for p, o, a in zip(policy, old, advantages)
        ]
        yield token_case("trl", taus, policy, old, advantages, found)


def kl_penalty():
    every = KL_DIFFERENCES + LARGE_KL_DIFFERENCES
    for estimator, differences in [("k1", every), ("k2", every), ("k3", KL_DIFFERENCES)]:
        policy, reference = log_probs([-d for d in differences], -30.0)
        found = [verl_kl(estimator, p, r) for p, r in zip(policy, reference)]
        yield kl_case("verl", estimator, policy, reference, found)
    policy, reference = log_probs([-d for d in every + KL_DIFFERENCES_AROUND_THE_CAP], -30.0)
    found = [verl_kl("k3", p, r) for p, r in zip(policy, reference)]
    # verl's cap is a literal in its code
    yield {**kl_case("verl", "k3", policy, reference, found), "value_limit": 10.0}
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
        yield token_loss_case(kl_coef, advantages=[1.0, -0.176777], kl_times_ratio=False)


def token_loss_with_corrected_kl():
    for kl_coef in [1e-3, 0.1, 1.0]:
        yield token_loss_case(kl_coef, advantages=[1.0, 0.0, -0.176777], kl_times_ratio=True)


def token_loss_case(kl_coef, advantages, kl_times_ratio):
    clip = (0.2, 0.28, 3.0)
    combinations = [
        (ratio, advantage, difference)
        for ratio in [0.0, 0.26, -0.3, 1.15, -3.0]
        for advantage in advantages
        for difference in [0.01, -0.4, 3.0]
    ]
    policy, old = log_probs([ratio for ratio, _, _ in combinations], -30.0)
    reference = [-30.0 + difference for *_, difference in combinations]
    advantages = [advantage for _, advantage, _ in combinations]
    found = [
        trl_policy_loss(
            [p],
            [o],
            a,
            *clip,
            settings={"use_bias_correction_kl": kl_times_ratio},
            reference=[r],
            beta=kl_coef,
        )
        for p, o, a, r in zip(policy, old, advantages, reference)
    ]
    case = surrogate_case("trl", clip, policy, old, advantages, found)
    return {**case, "estimator": "k3", "kl_coef": kl_coef, "ref_log_probs": reference}


def sequences(advantages):
    for name, log_ratios in SEQUENCES.items():
        for advantage in advantages:
            # every token of a sequence has a probability of its own
            policy = [-0.5 - 0.25 * place for place in range(len(log_ratios))]
            old = [p - ratio for p, ratio in zip(policy, log_ratios)]
            yield name, policy, old, advantage


def gspo():
    for clip_low, clip_high in [(0.2, 0.28), (3e-4, 4e-4)]:
        for name, policy, old, advantage in sequences([1.0, -0.176777]):
            tokens, clip = (policy, old, advantage), (clip_low, clip_high)
            verl = verl_policy_loss("gspo", *tokens, *clip, None)
            trl = trl_policy_loss(*tokens, *clip, None, level="sequence")
            dual = trl_policy_loss(*tokens, *clip, 3.0, level="sequence")
            for library, dual_clip, found in [
                ("verl", None, verl),
                ("trl", None, trl),
                ("trl", 3.0, dual),
            ]:
                yield sequence_case(library, name, (*clip, dual_clip), *tokens, found)


def gspo_with_kl():
    clip = (0.2, 0.28, 3.0)
    for kl_coef, kl_times_ratio in [(0.1, False), (0.1, True), (1.0, True)]:
        for name, policy, old, advantage in sequences([1.0, -0.176777]):
            differences = [[0.01, -0.4, 1.5][place % 3] for place in range(len(policy))]
            reference = [p + difference for p, difference in zip(policy, differences)]
            found = trl_policy_loss(
                policy,
                old,
                advantage,
                *clip,
                level="sequence",
                settings={"use_bias_correction_kl": kl_times_ratio},
                reference=reference,
                beta=kl_coef,
            )
            yield {
                **sequence_case("trl", name, clip, policy, old, advantage, found),
                "estimator": "k3",
                "kl_coef": kl_coef,
                "kl_times_ratio": kl_times_ratio,
                "ref_log_probs": reference,
            }


def gmpo():
    for clip in [(0.2, 0.28, None), (0.38, 0.42, None)]:
        for name, *tokens in sequences([1.0, 0.0, -0.176777]):
            found = verl_policy_loss("geo_mean", *tokens, *clip)
            yield sequence_case("verl", name, clip, *tokens, found)


def sequence_case(library, name, clip, policy, old, advantage, found):
    return {
        "name": name,
        "library": library,
        "clip": clip_table(*clip),
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
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(pairs(value))} }}"
    assert math.isfinite(value)
    # `repr` gives the shortest digits of an f64; the sum removes the sign of a zero
    return repr(float(value) + 0.0)


def pairs(table):
    """The keys with a value. A case without an epsilon or a dual clip omits the key."""
    return [f"{key} = {toml(value)}" for key, value in table.items() if value is not None]


TABLES = [
    *(grpo, dr_grpo, rloo, pass_at_k, opo, reinforce_plus_plus_baseline, batch_scaling),
    *(surrogate, cispo, sapo, kl_penalty, token_loss, token_loss_with_corrected_kl),
    *(gspo, gspo_with_kl, gmpo),
]


def lines():
    yield "# Golden values, computed by verl and TRL. Made by tests/golden/make_golden.py: do not edit."
    yield "# The tables and the cases left out: tests/golden/README.md."
    yield ""
    yield "[libraries]"
    for library in ["verl", "trl", "torch"]:
        yield f"{library} = {toml(importlib.metadata.version(library))}"
    for table in TABLES:
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
