"""What is told from bytecode agrees with what the source says."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
import types
from typing import Any

import numpy as np
import pytest

from mlc.control.matters import matters as node_matters
from mlc.control.matters import own_nodes
from mlc.tracer.plain_code import is_plain

scale = 2.0


def chain(a: Any, b: Any) -> Any:
    c = np.maximum(a * b + a, 0.0)
    return np.linalg.norm(c, axis=-1)[:, None] - np.pi * c


def indexed(a: Any) -> Any:
    return a[0] * scale


def slices(a: Any) -> Any:
    b = np.zeros_like(a)
    b[1:, ::2] = -a[1:, ::2]
    x, y = b[0], b[1]
    return (x < y) | ~(x == y), x, y


def conversion(a: Any) -> Any:
    return np.float32(a)


def loop(a: Any) -> Any:
    for _ in range(3):
        a = np.sqrt(a)
    return a


def branch(a: Any) -> Any:
    return a if a.sum() > 0 else -a


def both(a: Any) -> Any:
    return (a < 1) and (a > 0)


def between(a: Any) -> Any:
    return 0 < a < 1


def negation(a: Any) -> Any:
    return not a


def error(a: Any) -> Any:
    raise ValueError(a)


def check(a: Any) -> Any:
    assert a.shape
    return a


def own_call(a: Any) -> Any:
    return np.add(a, chain(a, np.pi))


def method(a: Any) -> Any:
    return np.exp(a).sum()


def parameter(a: Any, f: Any) -> Any:
    return np.add(np.pi, f(a))


def inner(a: Any) -> Any:
    def g(b: Any) -> Any:
        return b + a

    return g


def comprehension(a: Any) -> Any:
    return [x + 1 for x in a]


def unpacked(a: Any) -> Any:
    return np.add(*a)


ALL = [f for f in list(globals().values()) if isinstance(f, types.FunctionType)]
ALL = [f for f in ALL if f.__module__ == __name__]
PLAIN = (chain, slices)
# Bytecode of other versions may be left to the source: nothing is certain then.
IS_TOLD = sys.version_info[:2] in ((3, 11), (3, 13))


def matters(function: types.FunctionType) -> bool:
    """Whether the conversion would look at anything in the function."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef)
    return any(map(node_matters, own_nodes(node)))


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)
def test_plain_code_holds_nothing_that_matters(function: types.FunctionType) -> None:
    plain = is_plain(function.__code__, ("np", "numpy"))
    assert plain == (function in PLAIN) or not (plain or IS_TOLD)
    assert not (plain and matters(function))


def test_functions_of_the_benchmarks() -> None:
    from benchmarks import functions

    found = [f for f in vars(functions).values() if isinstance(f, types.FunctionType)]
    plain = [f for f in found if is_plain(f.__code__, ("np", "numpy"))]
    assert plain or not IS_TOLD
    assert not [f.__name__ for f in plain if matters(f)]
