"""The examples of the docstrings and of the README run."""

from __future__ import annotations

import doctest
import pathlib
import re

import pytest

import recast_rl
from recast_rl import _arrays, _core, _types, metrics


def examples():
    finder, runner = doctest.DocTestParser(), {}
    for module in (_core, _arrays, _types, metrics):
        own = module.__name__
        names = getattr(module, "__all__", None) or vars(module)
        for name, thing in [(name, getattr(module, name)) for name in list(names)]:
            if module is not _core and getattr(thing, "__module__", own) != own:
                continue
            documents = {name: getattr(thing, "__doc__", None)}
            if isinstance(thing, type):
                documents |= {
                    f"{name}.{method}": getattr(value, "__doc__", None)
                    for method, value in vars(thing).items()
                    if not method.startswith("_")
                }
            for label, text in documents.items():
                if text and ">>>" in text:
                    names_known = dict(vars(module))
                    runner[label] = finder.get_doctest(text, names_known, label, None, 0)
    return runner


EXAMPLES = examples()


def test_every_function_has_an_example():
    functions = [
        name for name in recast_rl.__all__ if callable(getattr(recast_rl, name)) and name != "Plan"
    ]
    assert set(functions) <= set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_runs(name):
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(EXAMPLES[name])
    assert results.attempted and not results.failed


def test_everything_has_a_docstring():
    for name in _core.__all__:
        thing = getattr(_core, name)
        assert thing.__doc__, name
        if isinstance(thing, type):
            for method, value in vars(thing).items():
                assert method.startswith("_") or value.__doc__, f"{name}.{method}"


@pytest.mark.parametrize("document", ["bindings/python/README.md", "docs/python.md"])
def test_a_document_runs(document):
    root = pathlib.Path(__file__).parents[3]
    programs = re.findall(r"^```python\n(.*?)^```", (root / document).read_text(), re.M | re.S)
    assert programs
    known: dict = {}
    for program in programs:
        exec(compile(program, document, "exec"), known)
