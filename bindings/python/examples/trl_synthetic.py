"""ReCast in TRL beside TRL's own GRPO, on a synthetic catalogue and a tiny random Qwen3.

    python bindings/python/examples/trl_synthetic.py [--steps 200] [--seed 0]

Needs `pip install './bindings/python[trl]'`, downloads nothing, and takes about a minute on a CPU.
The table in docs/trl.md is its output.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", WANDB_DISABLED="true")

import numpy as np
import torch
import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from recast_rl import Signal, Trie
from recast_rl.trl import ReCastTrainer

LEVELS, CODES, ITEMS, GROUP, GROUPS = 3, 16, 200, 8, 16
WORDS = ["<pad>", "<eos>", "<unk>"] + [
    f"<s_{level}_{code}>" for level in "abc" for code in range(CODES)
]


class World:
    """A catalogue in which the last item of the history tells the next one."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        sids = np.unique(rng.integers(0, CODES, (ITEMS * 2, LEVELS)), axis=0)
        sids = sids[rng.permutation(len(sids))[:ITEMS]]
        self.tokens = sids + 3 + np.arange(LEVELS) * CODES
        self.trie = Trie(self.tokens)
        successor = rng.permutation(ITEMS)
        histories = [rng.integers(ITEMS, size=rng.integers(1, 4)) for _ in range(4500)]
        rows = [
            {
                "prompt": " ".join(WORDS[token] for token in self.tokens[history].flat),
                "target_ids": self.tokens[successor[history[-1]]].tolist(),
            }
            for history in histories
        ]
        self.train, self.test = rows[:4000], rows[4000:]
        words = {word: number for number, word in enumerate(WORDS)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            eos_token="<eos>",
            unk_token="<unk>",
            padding_side="left",
        )

    def decoder(self, seed: int) -> Qwen3ForCausalLM:
        """A random decoder."""
        torch.manual_seed(seed)
        config = Qwen3Config(
            vocab_size=len(WORDS),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=64,
            tie_word_embeddings=True,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
        return Qwen3ForCausalLM(config)

    def supervise(
        self, model: Qwen3ForCausalLM, seed: int, steps: int, batch: int, rate: float
    ) -> None:
        """Supervised training on the targets of `batch` prompts a step."""
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            rows = [self.train[row] for row in rng.integers(0, len(self.train), batch)]
            prompts = self.tokenizer(
                [row["prompt"] for row in rows],
                return_tensors="pt",
                padding=True,
                add_special_tokens=False,
            )
            targets = torch.tensor([row["target_ids"] for row in rows])
            ids = torch.cat([prompts["input_ids"], targets], 1)
            mask = torch.cat([prompts["attention_mask"], torch.ones_like(targets)], 1)
            labels = ids.clone()
            labels[:, :-LEVELS] = -100
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            optimiser.step()
            optimiser.zero_grad()

    def supervised(self, seed: int, folder: Path, steps: int = 60) -> None:
        """A decoder that supervised training left unfinished, saved in `folder`."""
        model = self.decoder(seed)
        self.supervise(model, seed, steps, 64, 3e-3)
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def counted(trainer: type[GRPOTrainer]) -> type[GRPOTrainer]:
    """The trainer, with the rows that reach the reference and the loss counted."""

    class Counted(trainer):  # type: ignore[misc,valid-type]
        def __init__(self, *args, **kwargs):
            self.rows = {"reference": 0, "loss": 0}
            super().__init__(*args, **kwargs)

        def _get_per_token_logps_and_entropies(self, model, input_ids, *args, **kwargs):
            if model is self.ref_model:
                self.rows["reference"] += len(input_ids)
            return super()._get_per_token_logps_and_entropies(model, input_ids, *args, **kwargs)

        def _compute_loss(self, model, inputs):
            self.rows["loss"] += len(inputs["completion_ids"])
            return super()._compute_loss(model, inputs)

    return Counted


def arguments(steps: int, output: Path, rate: float, beta: float = 1e-3) -> GRPOConfig:
    """Settings that both trainers take, with 16 groups a step."""
    return GRPOConfig(
        output_dir=str(output),
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=GROUPS * GROUP,
        gradient_accumulation_steps=1,
        num_generations=GROUP,
        max_completion_length=LEVELS,
        learning_rate=rate,
        lr_scheduler_type="constant",
        max_steps=steps,
        logging_steps=25,
        save_strategy="no",
        report_to=[],
        loss_type="dapo",
        beta=beta,
        epsilon=0.2,
        epsilon_high=0.28,
        delta=3.0,
        gradient_checkpointing=False,
        remove_unused_columns=False,
        disable_tqdm=True,
        seed=0,
    )


def hit(completion_ids, target_ids, **_):
    """The reward of TRL's own GRPO: 1 for the target."""
    return [float(list(row) == target) for row, target in zip(completion_ids, target_ids)]


def judged(world: World, model: Qwen3ForCausalLM, output: Path) -> str:
    """Pass@1 and R@8 of the test prompts, by constrained search."""
    # TRL loads a reference by name, which a model in memory has not
    judge = ReCastTrainer(
        model=model,
        args=arguments(1, output, 0.0, beta=0.0),
        train_dataset=Dataset.from_list(world.train),
        processing_class=world.tokenizer,
        signal=Signal.recast(),
        trie=world.trie,
    )
    found = judge.recommend([row["prompt"] for row in world.test], GROUP)
    targets = np.array([row["target_ids"] for row in world.test])
    hits = (found == targets[:, None]).all(axis=2)
    return f"{hits[:, 0].mean():.3f} | {hits.any(axis=1).mean():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=200, help="optimiser steps (200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of catalogue and decoder (0)")
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate (1e-4)")
    given = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    world = World(given.seed)
    with tempfile.TemporaryDirectory() as work:
        start, output = Path(work, "start"), Path(work, "out")
        world.supervised(given.seed, start)
        print(
            f"recast-rl {version('recast-rl')}, TRL {trl.__version__}, "
            f"Transformers {transformers.__version__}, PyTorch {torch.__version__}\n\n"
            "| decoder | rows generated | rows in reference and loss | hits of the rollout |"
            " test Pass@1 | test R@8 |\n|---|---|---|---|---|---|"
        )
        model = Qwen3ForCausalLM.from_pretrained(start)
        print(f"| start | | | | {judged(world, model, output)} |")
        world.supervise(model, given.seed + 1, given.steps, GROUPS, given.rate)
        print(f"| SFT continued, equal labels | 0 | | | {judged(world, model, output)} |")
        common = {
            "model": str(start),
            "args": arguments(given.steps, output, given.rate),
            "train_dataset": Dataset.from_list(world.train),
            "processing_class": world.tokenizer,
        }
        trainers = {
            "ReCast": counted(ReCastTrainer)(signal=Signal.recast(), trie=world.trie, **common),
            "GRPO of TRL": counted(GRPOTrainer)(reward_funcs=[hit], **common),
        }
        for name, trainer in trainers.items():
            trainer.train()
            key = "recast/pass_at_1" if name == "ReCast" else "reward"
            hits = [row[key] for row in trainer.state.log_history if key in row]
            print(
                f"| {name} | {given.steps * GROUPS * GROUP} "
                f"| {trainer.rows['reference']} and {trainer.rows['loss']} "
                f"| {hits[0]:.3f} to {hits[-1]:.3f} | {judged(world, trainer.model, output)} |"
            )


if __name__ == "__main__":
    main()
