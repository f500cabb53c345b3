"""One step of verl's real trainer over a real queue, with workers that write log-probs and count."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import ray
import torch
import transfer_queue as tq
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl.trainer.ppo.padding_utils import upsample_batch_to_divisible_size
from verl.trainer.ppo.v1 import PPOTrainerSync
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils import tensordict_utils
from verl.utils.tensordict_utils import list_of_dict_to_tensordict

from recast_rl import Signal, Trie
from recast_rl.verl.options import Options
from recast_rl.verl.reading import SidTokens
from recast_rl.verl.trainer import ReCastSync, estimator

GROUPS, WIDTH, LEVELS = 5, 8, 3
FIRST = np.array([3, 19, 35])  # the first token of each level
EOS = 1


class Workers:
    """Stands for the worker group: writes log-probs to the queue as workers do, and counts rows."""

    def __init__(self, ranks):
        self._dispatch_info = {"actor": list(range(ranks))}
        self.rows = {}

    def _forward(self, name, batch):
        self.rows[name] = len(batch)
        data = tq.kv_batch_get(
            keys=batch.keys, partition_id=batch.partition_id, select_fields=["input_ids"]
        )
        values = [-0.5 * torch.ones(len(ids)) for ids in data["input_ids"]]
        values = torch.nested.as_nested_tensor(values, layout=torch.jagged)
        fields = TensorDict(
            {"log_probs": values, "entropy": values.clone()}, batch_size=len(batch)
        )
        return tq.kv_batch_put(keys=batch.keys, partition_id=batch.partition_id, fields=fields)

    def compute_log_prob(self, batch):
        return self._forward("old", batch)

    def compute_ref_log_prob(self, batch):
        return self._forward("reference", batch)

    def update_actor(self, batch):
        self.rows["update"] = len(batch)
        self.rows["mini_batch"] = batch.extra_info["mini_batch_size"]
        metrics = tensordict_utils.NonTensorData({"mfu": [0.0], "loss": [0.1]})
        return TensorDict({"metrics": metrics}, batch_size=[])


def start_ray(attempts=3):
    """Ray gives up after 30 s, which a busy machine may take where its files are cold."""
    settings = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False}
    for attempt in range(1, attempts + 1):
        try:
            ray.init(**settings, object_store_memory=200 << 20)
            return
        except Exception:
            ray.shutdown()
            if attempt == attempts:
                raise


@pytest.fixture(scope="module")
def queue(tmp_path_factory):
    """A local Ray with a TransferQueue; Ray writes its token into HOME."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    start_ray()
    storage = {"total_storage_size": 100_000, "num_data_storage_units": 1}
    backend = {"storage_backend": "SimpleStorage", "SimpleStorage": storage}
    tq.init(OmegaConf.create({"enable": True, "backend": backend}))
    yield
    tq.close()
    ray.shutdown()
    patch.undo()


@pytest.fixture
def sid_tokens(tmp_path):
    path = tmp_path / "sid_tokens.json"
    lists = [[f"<s_{level}_{code}>" for code in range(16)] for level in "abc"]
    path.write_text(json.dumps(lists))
    return str(path)


def configuration(mini_batch, sid_tokens, **recast):
    correction = {"bypass_mode": False, "rollout_is": None, "rollout_rs": None}
    correction |= {"rollout_is_threshold": 2.0, "rollout_rs_threshold": None}
    correction |= {"loss_type": "ppo_clip", "rollout_is_batch_normalize": False}
    return OmegaConf.create(
        {
            "recast": {"sid_tokens": sid_tokens, **recast},
            "actor_rollout_ref": {
                "rollout": {"n": WIDTH, "temperature": 1.0, "calculate_log_probs": True},
                "actor": {
                    "ppo_mini_batch_size": mini_batch,
                    "ppo_epochs": 1,
                    "data_loader_seed": 1,
                    "shuffle": False,
                    "calculate_entropy": False,
                    "entropy_coeff": 0.0,
                    "loss_agg_mode": "token-mean",
                    "loss_scale_factor": None,
                },
            },
            "trainer": {"critic_warmup": 0},
            "algorithm": {
                "adv_estimator": "recast",
                "use_kl_in_reward": False,
                "gamma": 1.0,
                "lam": 1.0,
                "norm_adv_by_std_in_grpo": True,
                "rollout_correction": correction,
            },
        }
    )


def trainer(world, config, partition, ranks=2):
    """verl's trainer without its worker groups, servers and data."""
    made = ReCastSync.__new__(ReCastSync)
    made.config = config
    made.options = Options.of(config)
    made.signal = made.options.signal()
    estimator.signal = Signal.recast(
        repair="never", negative_weight=made.options.negative_weight
    )
    made.tokenizer = world.tokenizer
    made.sid_tokens = SidTokens(made.options.sid_tokens, world.tokenizer)
    made.trie = None
    made.actor_rollout_wg = made.ref_policy_wg = Workers(ranks)
    made.use_critic = made.ref_in_actor = False
    made.use_reference_policy = True
    made.global_steps = 1
    made.reward_loop_manager = type("Loop", (), {"reward_loop_worker_handles": [1]})()
    made.replay_buffer = ReplayBuffer(
        "sync",
        OmegaConf.create({}),
        8,
        "drop",
        OmegaConf.create({}),
        poll_interval=0.1,
        train_batch_size=GROUPS,
        gen_batch_size=GROUPS,
        refill_fn=lambda count: count,
    )
    made.on_sample_end = lambda: None
    return made


def rollout(hits, seed=0, index=0):
    """Rows of `GROUPS` prompts in the queue, interleaved as rollouts finish.

    `hits`: the sessions that are the target, by group. Returns the targets by uid.
    """
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 8, (GROUPS, LEVELS)) + FIRST
    uids = [f"uid{group}-{seed}" for group in range(GROUPS)]
    fields, keys, tags = [], [], []
    for session in range(WIDTH):
        for group, uid in enumerate(uids):
            is_hit = session in hits.get(group, ())
            # misses have codes that no target has
            codes = targets[group] if is_hit else rng.integers(8, 16, LEVELS) + FIRST
            prompt, response = torch.arange(5 + group), torch.from_numpy(np.r_[codes, EOS])
            reward = torch.zeros(LEVELS + 1)
            reward[-1] = float(is_hit)
            ids = torch.cat([prompt, response])
            ones = torch.ones(LEVELS + 1, dtype=torch.int64)
            fields.append(
                {
                    "uid": uid,
                    "prompts": prompt,
                    "responses": response,
                    "response_mask": ones,
                    "loss_mask": ones.clone(),
                    "input_ids": ids,
                    "position_ids": torch.arange(len(ids)),
                    "rm_scores": reward,
                    "rollout_log_probs": -0.4 * torch.ones(LEVELS + 1),
                    "reward_model": {"style": "rule", "ground_truth": targets[group].tolist()},
                    "num_turns": 2,
                    "multi_modal_inputs": {},
                    "extra_fields": {},
                }
            )
            keys.append(f"{uid}_{session}_{index}")
            tags.append(
                {
                    "status": "success",
                    "prompt_len": len(prompt),
                    "response_len": LEVELS + 1,
                    "seq_len": len(ids),
                    "global_steps": 1,
                    "min_global_steps": 0,
                    "max_global_steps": 0,
                }
            )
    tq.kv_batch_put(
        keys=keys, partition_id="train", fields=list_of_dict_to_tensordict(fields), tags=tags
    )
    of_prompt = {"is_prompt": True, "status": "finished", "global_steps": 1}
    tq.kv_batch_put(keys=uids, partition_id="train", tags=[of_prompt] * GROUPS)
    return dict(zip(uids, targets.tolist(), strict=True))


def step(made):
    metrics = {}
    batch = made._step_once(metrics, {}, GROUPS)
    names = ["uid", "responses", "advantages", "old_log_probs", "ref_log_prob", "rm_scores"]
    data = tq.kv_batch_get(keys=batch.keys, partition_id="train", select_fields=names)
    rows = [
        (getattr(uid, "data", uid), response.tolist(), advantage.tolist(), tag.get("is_padding", False))
        for uid, response, advantage, tag in zip(
            list(data["uid"]), data["responses"], data["advantages"], batch.tags, strict=True
        )
    ]
    left = [key for key, tag in tq.kv_list("train")["train"].items() if not tag.get("is_prompt")]
    assert sorted(left) == sorted(batch.keys)
    tq.kv_clear(keys=list(tq.kv_list("train")["train"]), partition_id="train")
    return metrics, rows


def test_verl_still_has_the_methods_that_are_replaced_or_called():
    for name in (
        "_init_tokenizer",
        "_balance_batch",
        "_update_actor",
        "_get_required_batch_multiple",
        "_step_once",
        "_compute_old_log_prob",
        "_compute_ref_log_prob",
        "_compute_advantage",
    ):
        assert callable(getattr(PPOTrainerSync, name)), name
    source = __import__("inspect").getsource
    for method in (PPOTrainerSync._update_actor, PPOTrainerSync._get_required_batch_multiple):
        assert "rollout.n" in source(method)
    called = source(PPOTrainerSync._step_once)
    order = [called.index(name) for name in ("_balance_batch(", "_compute_old_log_prob(")]
    assert order == sorted(order) and callable(upsample_batch_to_divisible_size)


@pytest.mark.parametrize("mini_batch", [4, 6])
def test_a_step_trains_two_rows_a_group(world, queue, sid_tokens, mini_batch):
    targets = rollout({0: [3], 2: [1, 5]})
    made = trainer(world, configuration(mini_batch, sid_tokens, negative_weight=0.1), "train")
    metrics, rows = step(made)
    # 10 rows are padded to whole mini-batches of 8 and of 12 rows
    count = {4: 16, 6: 12}[mini_batch]
    assert made.actor_rollout_wg.rows == {
        "old": count, "reference": count, "update": count, "mini_batch": 2 * mini_batch
    }
    assert made.config.actor_rollout_ref.rollout.n == WIDTH
    assert metrics["recast/repaired"] == metrics["recast/all_zero"] == 3 / GROUPS
    assert metrics["recast/generated"] == GROUPS * WIDTH
    assert metrics["recast/trained"] == 2 * GROUPS
    real = [row for row in rows if not row[3]]
    assert len(real) == 2 * GROUPS
    for first, second in zip(real[::2], real[1::2], strict=True):
        assert first[0] == second[0]
        target = [*targets[first[0]], EOS]
        positive, negative = sorted((first, second), key=lambda row: -row[2][0])
        assert positive[1] == target != negative[1]
        assert positive[2] == [1.0] * 4 and negative[2] == pytest.approx([-0.1] * 4)
    assert all(set(row[2]) <= {0.0} for row in rows if row[3])


def test_without_repair_all_zero_groups_leave_the_batch(world, queue, sid_tokens):
    rollout({1: [0], 3: range(WIDTH)}, seed=1)
    made = trainer(world, configuration(1, sid_tokens, repair="never"), "train", ranks=1)
    metrics, rows = step(made)
    assert metrics["recast/trained"] == 2 and metrics["recast/skipped"] == 4 / GROUPS
    assert metrics["recast/all_hit"] == 1 / GROUPS and metrics["recast/empty_steps"] == 0
    assert [row[2][0] for row in rows] in ([1.0, -1.0], [-1.0, 1.0])


def test_a_step_without_a_signal_has_advantages_of_0(world, queue, sid_tokens):
    rollout({}, seed=2)
    made = trainer(world, configuration(1, sid_tokens, repair="never"), "train", ranks=1)
    metrics, rows = step(made)
    assert metrics["recast/empty_steps"] == 1 and metrics["recast/trained"] == 0
    assert len(rows) == 2 and all(value == 0 for row in rows for value in row[2])


def test_a_target_outside_the_catalogue_is_no_anchor(world, queue, sid_tokens):
    targets = rollout({}, seed=3)
    made = trainer(world, configuration(1, sid_tokens), "train", ranks=1)
    made.trie = Trie(list(targets.values())[:2])
    metrics, _ = step(made)
    assert metrics["recast/repaired"] == 2 / GROUPS and metrics["recast/trained"] == 4


def test_mini_batches_that_split_pairs_are_refused(world, queue, sid_tokens):
    rollout({}, seed=5)
    made = trainer(world, configuration(5, sid_tokens), "train", ranks=2)
    with pytest.raises(ValueError, match="ppo_mini_batch_size=5 on 2 ranks .* a multiple of 2"):
        made._step_once({}, {}, GROUPS)
    tq.kv_clear(keys=list(tq.kv_list("train")["train"]), partition_id="train")


def test_the_estimator_without_the_trainer_is_refused():
    rewards = torch.zeros(6, 2)
    rewards[0, -1] = 1.0
    mask = torch.ones(6, 2)
    with pytest.raises(ValueError, match="a group of 3 rows: .*trainer_mode=recast"):
        estimator(rewards, mask, ["a", "b", "a", "b", "a", "c"])
    # a row of padding is none
    mask[4] = 0
    advantages, _ = estimator(rewards, mask, ["a", "b", "a", "b", "a", "c"])
    assert advantages[:, 0].tolist()[0] == 1.0 == -advantages[2, 0]
    assert advantages[[1, 3, 4, 5]].abs().max() == 0


def test_several_outputs_of_a_session_are_refused(world, queue, sid_tokens):
    rollout({}, seed=4, index=1)
    made = trainer(world, configuration(1, sid_tokens), "train", ranks=1)
    with pytest.raises(ValueError, match="takes one a session"):
        made._step_once({}, {}, GROUPS)


def test_verl_finds_the_plug_in():
    said = subprocess.run(
        [sys.executable, "-m", "recast_rl.verl"], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "trainer.v1.trainer_mode=recast: registered" in said.stdout
    assert "algorithm.adv_estimator=recast: registered" in said.stdout


def test_a_missing_verl_is_a_sentence(tmp_path):
    (tmp_path / "verl.py").write_text("raise ImportError('no verl here')\n")
    said = subprocess.run(
        [sys.executable, "-m", "recast_rl.verl"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert said.returncode == 1 and "verl does not load (no verl here)" in said.stdout


def test_a_plug_in_that_does_not_load_is_loud(tmp_path):
    broken = tmp_path / "transfer_queue.py"
    broken.write_text("raise ImportError('moved')\n")
    code = (
        "import sys, importlib, verl\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "for name in [n for n in sys.modules if n.startswith(('transfer_queue', 'recast_rl.verl'))]:\n"
        "    del sys.modules[name]\n"
        "try:\n    importlib.import_module('recast_rl.verl.plugin')\n"
        "except ImportError:\n    print('raised')\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "raised" in said.stdout, said.stderr
    assert "the plug-in for verl 0.9.1 did not load: ImportError: moved" in said.stderr
