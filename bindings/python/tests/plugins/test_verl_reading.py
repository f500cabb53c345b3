"""Semantic IDs in token ids, and the options of the plug-in."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from verl.trainer.ppo.utils import need_critic, need_reference_policy

from recast_rl import Signal
from recast_rl.verl.options import COVERED, Options, check
from recast_rl.verl.reading import SidTokens

A, B, C = 3, 19, 35  # the first token of each level


@pytest.fixture
def words():
    return [[f"<s_{level}_{code}>" for code in range(16)] for level in "abc"]


@pytest.fixture
def sids(world, tmp_path, words):
    path = tmp_path / "sid_tokens.json"
    path.write_text(json.dumps(words))
    return SidTokens(str(path), world.tokenizer)


def test_the_first_semantic_id_of_a_completion_is_read(sids):
    assert sids.codes([2, A, B + 1, C + 2, A + 1, B, C]) == [A, B + 1, C + 2]
    # a code of another level before it, and a sequence that begins twice
    assert sids.codes([B, A, A + 1, B, C]) == [A + 1, B, C]
    for none in ([], [A, B], [A, C, B], [1, 2, 2]):
        assert sids.codes(none) == [-1, -1, -1]


@pytest.mark.parametrize(
    "truth",
    [
        "<s_a_0> <s_b_1> <s_c_2>",
        [A, B + 1, C + 2],
        np.array([A, B + 1, C + 2]),
        ["<s_a_0> <s_b_1> <s_c_2>"],
        [[A, B + 1, C + 2]],
    ],
)
def test_every_form_of_a_target_is_read(sids, truth):
    assert sids.targets(truth).tolist() == [[A, B + 1, C + 2]]


def test_several_targets_are_read(sids):
    want = [[A, B, C], [A + 1, B, C]]
    assert sids.targets("<s_a_0> <s_b_0> <s_c_0> or <s_a_1> <s_b_0> <s_c_0>").tolist() == want
    assert sids.targets(want).tolist() == want
    assert sids.targets(np.array(want)).tolist() == want


@pytest.mark.parametrize("truth", [None, "", "tea", [], [A, B], [A, B, C, C], [C, B, A], [1.5]])
def test_a_target_of_another_form_is_an_error(sids, truth):
    with pytest.raises((ValueError, TypeError)):
        sids.targets(truth)


def test_an_anchor_keeps_the_text_around_the_semantic_id(sids):
    target = [A + 5, B + 5, C + 5]
    assert sids.anchor([2, A, B, C, 1], target) == [2, *target, 1]
    assert sids.anchor([2, 2], target) == [*target, 1]


def test_a_file_of_tokens_is_checked(world, tmp_path, words):
    path = tmp_path / "tokens.json"
    for value, said in (
        ({"a": 1}, "no list of lists"),
        ([], "no list of lists"),
        ([["<s_a_0>"], [3]], "no list of lists"),
        ([["<s_z_0>"]], "'<s_z_0>' is no token"),
        ([words[0], words[0]], "'<s_a_0>' stands twice"),
    ):
        path.write_text(json.dumps(value))
        with pytest.raises(ValueError, match=said):
            SidTokens(str(path), world.tokenizer)


def test_a_file_that_is_no_json_is_named(world, tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text("[[")
    with pytest.raises(ValueError, match="tokens.json is no JSON: .*line 1 column 3"):
        SidTokens(str(path), world.tokenizer)


def test_a_catalogue_holds_token_ids(sids, world, tmp_path):
    path = str(tmp_path / "sids.npy")
    np.save(path, world.tokens)
    assert sids.catalogue(path).contains(world.tokens).all()
    codes = world.tokens - 3 - np.arange(3) * 16
    for rows, said in (
        (codes, r"row 0, \[.*\], is no semantic ID in token ids"),
        (world.tokens[:, ::-1], "row 0"),
        (world.tokens[:, :2], r"shape \(200, 2\): give \(items, 3\)"),
        (world.tokens[0], r"shape \(3,\)"),
    ):
        np.save(path, rows)
        with pytest.raises(ValueError, match=said):
            sids.catalogue(path)


def test_options_are_checked():
    def of(**recast):
        return Options.of(OmegaConf.create({"recast": recast}))

    options = of(sid_tokens="x.json", repair="never", negative_weight=0.1)
    assert options.signal() == Signal.recast(repair="never", negative_weight=0.1)
    for given, said in (
        ({}, "sid_tokens is missing"),
        ({"sid_tokens": "x", "tau": 1}, "recast.tau is unknown: the options are sid_tokens"),
        ({"sid_tokens": "x", "repair": "gated"}, "always or never"),
        ({"sid_tokens": "x", "negative_weight": -1.0}, "negative"),
    ):
        with pytest.raises(ValueError, match=said):
            of(**given)
    with pytest.raises(ValueError, match="sid_tokens is missing"):
        Options.of(OmegaConf.create({}))


@pytest.mark.parametrize("name", [name for name, _, _ in COVERED])
def test_a_setting_of_verl_that_is_not_covered_is_refused(name):
    config = OmegaConf.create({})
    for key, covered, _ in COVERED:
        OmegaConf.update(config, key, covered[0], force_add=True)
    check(config)
    OmegaConf.update(config, name, 7)
    with pytest.raises(ValueError, match=f"{name}=7 is not covered"):
        check(config)


def test_the_launch_line_of_the_documents_composes_with_verls_defaults():
    text = Path(__file__).parents[4].joinpath("docs/verl.md").read_text(encoding="utf-8")
    command = re.search(r"```sh\n(python3 -m verl.*?)```", text, re.DOTALL).group(1)
    overrides = shlex.split(command.replace("\\\n", " "))[3:]
    with initialize_config_module("verl.trainer.config", version_base=None):
        config = compose("ppo_trainer", overrides=overrides)
    check(config)
    options = Options.of(config)
    assert (options.sid_tokens, options.catalogue) == ("sid_tokens.json", "sids.npy")
    assert not need_critic(config) and need_reference_policy(config)
