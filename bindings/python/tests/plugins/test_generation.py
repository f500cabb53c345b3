"""Constrained generation beside brute force."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch
from transformers import LogitsProcessorList, Qwen3ForCausalLM

from recast_rl import Trie, generation
from recast_rl.generation import TrieLogitsProcessor, prefix_allowed_tokens_fn

SEQUENCES = [[1, 4, 6], [1, 4, 7], [1, 5, 6], [2, 4, 6], [3, 5, 7]]
TRIE = Trie(SEQUENCES)
START = 2


def test_the_examples_run():
    results = doctest.testmod(generation)
    assert results.attempted >= 8 and not results.failed


def rows(*prefixes):
    return torch.tensor([[9, 9, *prefix] for prefix in prefixes])


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("prefixes", [[[], []], [[1], [3]], [[1, 4], [2, 4]], [[1], [9]]])
def test_the_processor_allows_what_some_sequence_continues_with(prefixes, in_place):
    scores = torch.randn(2, 10, generator=torch.Generator().manual_seed(0))
    given = scores.clone()
    got = TrieLogitsProcessor(TRIE, START, in_place=in_place)(rows(*prefixes), given)
    assert torch.equal(given, got if in_place else scores)
    for row, prefix in enumerate(prefixes):
        follow = {one[len(prefix)] for one in SEQUENCES if one[: len(prefix)] == prefix}
        for token in range(10):
            want = scores[row, token].item() if token in follow else -math.inf
            assert got[row, token].item() == want


def test_renormalised_scores_are_log_probs_over_the_allowed_tokens():
    scores = torch.randn(2, 10, generator=torch.Generator().manual_seed(1))
    given = scores.clone()
    allow = TrieLogitsProcessor(TRIE, START, renormalise=True, in_place=True)
    got = allow(rows([1], [9]), given)
    fresh = TrieLogitsProcessor(TRIE, START, renormalise=True)
    assert torch.equal(got, fresh(rows([1], [9]), scores))
    assert got[0].exp().sum().item() == pytest.approx(1)
    assert got[0, 4] - got[0, 5] == pytest.approx((scores[0, 4] - scores[0, 5]).item())
    # a row that begins as no sequence does has no tokens, and no NaN
    assert got[1].isneginf().all()


def test_a_whole_sequence_ends_in_eos_or_is_an_error():
    scores = torch.zeros(1, 10)
    got = TrieLogitsProcessor(TRIE, START, eos=0)(rows([1, 4, 6]), scores)
    assert got[0].isfinite().nonzero().tolist() == [[0]]
    assert prefix_allowed_tokens_fn(TRIE, START, eos=0)(0, rows([1, 4, 6])[0]) == [0]
    for call in (
        lambda: TrieLogitsProcessor(TRIE, START)(rows([1, 4, 6]), scores),
        lambda: prefix_allowed_tokens_fn(TRIE, START)(0, rows([1, 4, 6])[0]),
    ):
        with pytest.raises(ValueError, match="set max_new_tokens=3"):
            call()


def test_a_wrong_width_or_vocabulary_is_an_error_with_its_numbers():
    with pytest.raises(ValueError, match="rows of 1 tokens: the prompts have 2"):
        TrieLogitsProcessor(TRIE, START)(torch.tensor([[9]]), torch.zeros(1, 10))
    with pytest.raises(ValueError, match="token 7 of the trie: the vocabulary has 7"):
        TrieLogitsProcessor(TRIE, START)(rows([1, 4]), torch.zeros(1, 7))
    with pytest.raises(ValueError, match=r"row 3 begins with \[9\]"):
        prefix_allowed_tokens_fn(TRIE, START)(3, rows([9])[0])
    for make in (TrieLogitsProcessor, prefix_allowed_tokens_fn):
        with pytest.raises(ValueError, match="start -1 is below 0"):
            make(TRIE, -1)


@pytest.mark.parametrize("first_codes", [2, 3, 16])
def test_beams_are_legal_and_distinct_and_both_hooks_agree(decoder, first_codes):
    model = Qwen3ForCausalLM.from_pretrained(decoder)
    rng = np.random.default_rng(first_codes)
    codes = np.stack([rng.integers(0, most, 60) for most in (first_codes, 16, 16)], axis=1)
    sequences = np.unique(codes + 3 + np.arange(3) * 16, axis=0)
    trie = Trie(sequences)
    prompts = torch.from_numpy(sequences[:5])
    common = {
        "attention_mask": torch.ones_like(prompts),
        "max_new_tokens": 3,
        "num_beams": 8,
        "num_return_sequences": 8,
        "do_sample": False,
        "length_penalty": 0.0,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    found, same = (
        model.generate(
            prompts,
            logits_processor=LogitsProcessorList([TrieLogitsProcessor(trie, 3, in_place=one)]),
            **common,
        )[:, 3:]
        for one in (False, True)
    )
    assert torch.equal(found, same)
    assert trie.contains(found).all()
    for group in found.reshape(5, 8, 3).tolist():
        assert len({tuple(row) for row in group}) == 8
    hook = prefix_allowed_tokens_fn(trie, 3)
    other = model.generate(prompts, prefix_allowed_tokens_fn=hook, **common)[:, 3:]
    assert torch.equal(found, other)
