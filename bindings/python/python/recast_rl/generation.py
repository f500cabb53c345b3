"""Generation of legal semantic IDs, for Hugging Face Transformers.

Both forms constrain `generate` to the token sequences of a `Trie`: `TrieLogitsProcessor` works on
all rows at once, `prefix_allowed_tokens_fn` is the hook that other libraries ask for, a row at a
time. PyTorch and Transformers come with the extra `recast-rl[trl]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from transformers import LogitsProcessor

from recast_rl._core import Trie

__all__ = ["TrieLogitsProcessor", "prefix_allowed_tokens_fn"]


class TrieLogitsProcessor(LogitsProcessor):
    """Sets the score of every token that the trie does not allow next to -inf.

    `trie`: token sequences of L tokens. `start`: the width of the padded prompts, so that a
    sequence begins at token `start` of each row. `eos`: the token after a whole sequence; without
    one, generation has to end there (`max_new_tokens=trie.levels`). `renormalise`: scores become
    log-probs over the allowed tokens, as recast's own decoder has them. Without it they stay those
    of the whole vocabulary, as TRL and verl train with. `in_place`: the result overwrites the given
    scores, which saves the memory of a second tensor and most of the time; `generate` must not
    return raw logits then (`output_logits`).

    A row whose prefix is not legal, as the idle beams of a beam search have it, gets -inf alone.

    Raises ValueError for a token beyond the vocabulary, for rows shorter than the prompt, and for
    a step after the last level without `eos`.

    >>> import torch
    >>> from recast_rl import Trie
    >>> from recast_rl.generation import TrieLogitsProcessor
    >>> allow = TrieLogitsProcessor(Trie([[1, 3], [2, 3], [2, 4]]), start=1)
    >>> allow(torch.tensor([[0, 2]]), torch.zeros(1, 5)).tolist()
    [[-inf, -inf, -inf, 0.0, 0.0]]
    """

    def __init__(
        self,
        trie: Trie,
        start: int,
        *,
        eos: int | None = None,
        renormalise: bool = False,
        in_place: bool = False,
    ) -> None:
        if start < 0:
            raise ValueError(f"start {start} is below 0")
        self.trie, self.start, self.eos = trie, start, eos
        self.renormalise, self.in_place = renormalise, in_place
        self._roots: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        rows, tokens = self._allowed(input_ids, scores.device)
        vocabulary = scores.shape[1]
        if tokens.numel() and int(tokens.max()) >= vocabulary:
            largest = int(tokens.max())
            raise ValueError(f"token {largest} of the trie: the vocabulary has {vocabulary}")
        values = scores[rows, tokens]
        if self.in_place:
            allowed = scores.fill_(-math.inf)
        else:
            allowed = torch.full_like(scores, -math.inf)
        allowed[rows, tokens] = values
        if self.renormalise:
            total = allowed.logsumexp(dim=1, keepdim=True)
            # a row without an allowed token has no distribution
            allowed -= total.masked_fill(total.isneginf(), 0.0)
        return allowed

    def _allowed(
        self, input_ids: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The allowed tokens with their rows, or a column of rows where all rows allow the same."""
        count, width = input_ids.shape
        depth = width - self.start
        if depth < 0:
            raise ValueError(f"rows of {width} tokens: the prompts have {self.start}")
        every = torch.arange(count, device=device)[:, None]
        if depth >= self.trie.levels:
            if self.eos is None:
                levels = self.trie.levels
                raise ValueError(f"a sequence has {levels} tokens: set max_new_tokens={levels}")
            return every, torch.tensor([self.eos], device=device)
        if depth == 0:
            if self._roots is None or self._roots.device != device:
                _, roots = self.trie.allowed(np.empty((1, 0), np.int64))
                self._roots = torch.from_numpy(roots).to(device)
            return every, self._roots
        offsets, tokens = self.trie.allowed(input_ids[:, self.start :])
        rows = np.repeat(np.arange(count), np.diff(offsets))
        return torch.from_numpy(rows).to(device), torch.from_numpy(tokens).to(device)


def prefix_allowed_tokens_fn(
    trie: Trie, start: int, *, eos: int | None = None
) -> Callable[[int, torch.Tensor], list[int]]:
    """The hook `prefix_allowed_tokens_fn` of `generate`: the tokens that may follow a row.

    Arguments and errors are those of `TrieLogitsProcessor`, which is faster. After a whole
    sequence the hook allows `eos`. A row whose prefix is not legal is a ValueError, since the hook
    may not allow nothing.

    >>> import torch
    >>> from recast_rl import Trie
    >>> from recast_rl.generation import prefix_allowed_tokens_fn
    >>> prefix_allowed_tokens_fn(Trie([[1, 3], [2, 4]]), start=1)(0, torch.tensor([0, 2]))
    [4]
    """
    if start < 0:
        raise ValueError(f"start {start} is below 0")

    def allowed(row: int, tokens: torch.Tensor) -> list[int]:
        prefix = tokens[start:].tolist()
        if len(tokens) < start:
            raise ValueError(f"row {row} has {len(tokens)} tokens: the prompt has {start}")
        if len(prefix) >= trie.levels:
            if eos is None:
                levels = trie.levels
                raise ValueError(f"a sequence has {levels} tokens: set max_new_tokens={levels}")
            return [eos]
        _, found = trie.allowed(np.array([prefix], np.int64).reshape(1, -1))
        if not found.size:
            raise ValueError(f"row {row} begins with {prefix}, which no sequence does")
        following: list[int] = found.tolist()
        return following

    return allowed
