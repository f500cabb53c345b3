"""Semantic IDs in the token ids of a language model."""

from __future__ import annotations

import json
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recast_rl._core import Trie


class SidTokens:
    """The tokens that write semantic IDs, level by level.

    `path`: a JSON file of L lists of token strings, such as `[["<a_0>", "<a_1>"], ["<b_0>"]]`.
    `tokenizer`: one of Transformers. A semantic ID is L consecutive tokens, one of each level in
    order, and its codes are their ids.

    Raises ValueError for another layout, for a string that is no token, and for a token of two
    levels.
    """

    def __init__(self, path: str, tokenizer: Any) -> None:
        try:
            lists = json.loads(Path(path).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is no JSON: {error}") from None
        is_lists = isinstance(lists, list) and lists and all(isinstance(one, list) for one in lists)
        if not is_lists or not all(isinstance(word, str) for words in lists for word in words):
            raise ValueError(f"{path} is no list of lists of token strings, one list a level")
        self.tokenizer, self.levels = tokenizer, len(lists)
        self._level: dict[int, int] = {}
        for level, words in enumerate(lists):
            ids = tokenizer.convert_tokens_to_ids(words)
            for word, token in zip(words, ids, strict=True):
                if token is None or token == tokenizer.unk_token_id:
                    raise ValueError(f"{path}: '{word}' is no token of the tokenizer")
                if token in self._level:
                    raise ValueError(f"{path}: '{word}' stands twice")
                self._level[token] = level

    def catalogue(self, path: str) -> Trie:
        """The trie of a `.npy` file of (items, L) token ids.

        Raises ValueError for another shape, and for a row that holds anything but one token of each
        level, such as codes.
        """
        rows = np.load(path)
        if rows.ndim != 2 or rows.shape[1] != self.levels:
            raise ValueError(f"{path} has shape {rows.shape}: give (items, {self.levels})")
        for row, tokens in enumerate(rows.tolist()):
            if self.find(tokens) != 0:
                raise ValueError(
                    f"{path}: row {row}, {tokens}, is no semantic ID in token ids of the tokenizer"
                )
        return Trie(rows)

    def find(self, tokens: Sequence[int]) -> int | None:
        """The place of the first semantic ID, `None` if there is none."""
        levels = [self._level.get(token) for token in tokens]
        wanted = list(range(self.levels))
        for start in range(len(levels) - self.levels + 1):
            if levels[start : start + self.levels] == wanted:
                return start
        return None

    def codes(self, tokens: Sequence[int]) -> list[int]:
        """The first semantic ID, (L,) token ids; -1 at every level if there is none."""
        start = self.find(tokens)
        return [-1] * self.levels if start is None else list(tokens[start : start + self.levels])

    def targets(self, truth: Any) -> NDArray[np.int64]:
        """The semantic IDs of a `ground_truth`, (targets, L) token ids.

        `truth` is a string of semantic IDs, a list of L token ids, or a list of such strings and
        lists. Raises ValueError for anything else.
        """
        if isinstance(truth, str):
            ids = self.tokenizer(truth, add_special_tokens=False)["input_ids"]
            found = []
            while (start := self.find(ids)) is not None:
                found.append(list(ids[start : start + self.levels]))
                ids = ids[start + self.levels :]
        else:
            values = np.asarray(truth, dtype=object).tolist() if truth is not None else []
            if values and all(isinstance(value, numbers.Integral) for value in values):
                found = [values] if self.find(values) == 0 and len(values) == self.levels else []
            else:
                found = [row for value in values for row in self.targets(value).tolist()]
        if not found:
            raise ValueError(f"ground_truth {truth!r} holds no semantic ID of {self.levels} tokens")
        return np.array(found, np.int64)

    def anchor(self, tokens: list[int], target: list[int]) -> list[int]:
        """A completion whose semantic ID is the target, written as the completion was.

        A completion without a semantic ID becomes the target and the end of the text.
        """
        start = self.find(tokens)
        if start is None:
            return [*target, self.tokenizer.eos_token_id]
        return [*tokens[:start], *target, *tokens[start + self.levels :]]
