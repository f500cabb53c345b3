"""Random groups, batches and signals."""

from __future__ import annotations

from hypothesis import strategies as st

from oracle import Group

SCORES = st.sampled_from([0.0, 0.01, 0.1, 1.0])
REWARDS = st.one_of(st.sampled_from([0.0, 1.0]), st.sampled_from([0.25, 0.5, 0.75, -1.0]))


@st.composite
def groups(draw: st.DrawFn, columns: dict[str, bool]) -> Group:
    """A group with the optional columns of its batch."""
    size = draw(st.integers(1, 12))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=size, max_size=size))

    binary = draw(st.booleans())
    rewards = column(st.sampled_from([0.0, 0.0, 0.0, 1.0]) if binary else REWARDS)
    scores = column(SCORES)
    duplicate_of = None
    if columns["duplicate_of"]:
        keys = column(st.integers(0, 5))
        duplicate_of = [keys.index(key) for key in keys]
        rewards = [rewards[first] for first in duplicate_of]
        scores = [scores[first] for first in duplicate_of]
    hits = None
    if columns["hits"]:
        hits = column(st.booleans())
        if duplicate_of is not None:
            hits = [hits[first] for first in duplicate_of]
    return Group(
        rewards=rewards,
        scores=scores,
        old=column(st.sampled_from([-1.0, -2.0, -3.0])) if columns["old"] else None,
        duplicate_of=duplicate_of,
        lengths=column(st.integers(1, 5)) if columns["lengths"] else None,
        hits=hits,
        threshold=columns["threshold"],
        draw=draw(st.integers(0, 2**64 - 1)),
        first_codes=column(st.integers(0, 2)) if columns["first_codes"] else None,
    )


@st.composite
def batches(draw: st.DrawFn) -> list[Group]:
    """Groups with equal columns."""
    names = ("old", "duplicate_of", "lengths", "hits", "first_codes")
    columns = {name: draw(st.booleans()) for name in names}
    columns["threshold"] = draw(st.sampled_from([0.5, 0.5, 0.3]))
    return draw(st.lists(groups(columns), max_size=6))


NUMBERS = st.sampled_from([0.25, 0.5, 1.0, 2.0])
REPAIRS = st.one_of(
    st.sampled_from([{"repair": "always"}, {"repair": "never"}]),
    st.builds(lambda x: {"repair": "gated", "threshold": x}, st.sampled_from([0.0, 0.5, 1.0])),
    st.builds(lambda x: {"repair": "confident", "tau": x}, st.sampled_from([0.0, 0.5, 1.0])),
)


@st.composite
def recasts(draw: st.DrawFn) -> dict:
    """Every option of ReCast that a selection reads."""
    return {
        "kind": "recast",
        **draw(REPAIRS),
        "boundary": draw(st.booleans()),
        "weight": draw(NUMBERS),
        "epsilon": 1e-6,
        "normaliser": draw(st.sampled_from(["kept", "group"])),
        "negative_weight": draw(st.sampled_from([0.0, 0.5, 1.0])),
        "negative_choice": draw(st.sampled_from(["hardest", "uniform"])),
        "negative": draw(st.sampled_from(["always", "shared_prefix"])),
        "positive_only": draw(st.booleans()),
    }


@st.composite
def others(draw: st.DrawFn) -> dict:
    """Every other signal with its options."""
    kind = draw(
        st.sampled_from(
            "grpo dr_grpo rloo dapo gspo pass_at_k ngrpo rl_zvp gcpo rere luffy dpo s_dpo cispo "
            "sapo gmpo reinforce_plus_plus opo supervised".split()
        )
    )
    signal: dict = {"kind": kind}
    if kind in "grpo dapo gspo ngrpo rl_zvp gcpo rere cispo sapo gmpo reinforce_plus_plus".split():
        signal["epsilon"] = draw(st.sampled_from([1e-4, 1e-2]))
    if kind == "luffy":
        signal["epsilon"] = draw(st.sampled_from([None, 1e-4]))
    if kind in ("grpo", "rere"):
        signal["add_gt"] = draw(st.booleans())
    if kind == "grpo":
        signal["scale"] = draw(st.sampled_from(["group", "batch"]))
    if kind in ("dpo", "s_dpo"):
        signal.update(draw(REPAIRS), negatives=draw(st.integers(1, 4)))
    return signal


SIGNALS = st.one_of(recasts(), others())
