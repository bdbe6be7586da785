"""What is told from bytecode agrees with what the source says."""

from __future__ import annotations

import ast
import inspect
import math
import subprocess
import sys
import textwrap
import types
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.numpy as mnp
from mlc import nn
from mlc.control.matters import matters as node_matters
from mlc.control.matters import own_nodes
from mlc.tracer.plain_code import are_arrays, is_plain, plain_code

scale = 2.0
table: Any = []


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


def joined(a: Any, b: Any) -> Any:
    return np.concatenate([np.stack([a, b], axis=0), 2.0 * np.stack((b, a))], axis=1)


def list_in_a_list(a: Any) -> Any:
    return np.concatenate([a, np.add([1.0, a], a)])


def list_elsewhere(a: Any) -> Any:
    return np.concatenate((a, a), [0][0])


def list_kept(a: Any) -> Any:
    b = [a, a]
    return np.concatenate(b)


def list_of_array(a: Any) -> Any:
    return np.concatenate(np.array([a, a]))


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


def call_of_a_loop(a: Any) -> Any:
    return np.add(a, loop(a))


def call_of_itself(a: Any) -> Any:
    return np.add(a, call_of_itself(a))


def call_in_turn(a: Any) -> Any:
    return np.add(a, call_in_turn_back(a))


def call_in_turn_back(a: Any) -> Any:
    return np.add(a, call_in_turn(a))


def call_of_nothing(a: Any) -> Any:
    return np.add(a, not_defined(a))  # type: ignore[name-defined]  # noqa: F821


def attribute(a: Any) -> Any:
    return a.T / a.shape[-1] ** 0.5 + scale


def attribute_indexed(a: Any, i: Any) -> Any:
    return a.table[i]


def attribute_called(a: Any) -> Any:
    return scale.real(a)  # type: ignore[operator]


def method(a: Any) -> Any:
    return np.exp(a).sum()


def method_of_a_view(a: Any, i: Any) -> Any:
    return (a.T - a.T.mean(axis=0))[i].astype(np.float32)


def of_our_modules(a: Any) -> Any:
    return nn.gelu(mnp.maximum(a, 0)) + mnp.float32


def of_a_class_of_our_modules(a: Any) -> Any:
    return mnp.float32(a)


def of_other_modules(a: Any) -> Any:
    return np.exp(a) + math.floor(a)


def of_a_module_at_its_end(a: Any) -> Any:
    return np.exp(nn)


def own_call_of_a_method(a: Any) -> Any:
    return np.add(a, method(a))


def method_of_others(a: Any) -> Any:
    return a.sum() + scale.real


def method_of_a_list(a: Any) -> Any:
    return a.append(1)


def method_with_default(a: Any, b: Any = table) -> Any:
    return a + b.sum()


def method_with_number(a: Any, b: Any = None, c: Any = 2) -> Any:
    return a.sum(axis=b) + c


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
PLAIN = (
    chain, indexed, slices, joined, own_call, attribute, of_our_modules, of_a_module_at_its_end
)  # fmt: skip
# Those that are where all that they are given is arrays and numbers.
OF_ARRAYS = (method, method_of_a_view, own_call_of_a_method, method_with_number)
# Bytecode of other versions may be left to the source: nothing is certain then.
IS_TOLD = sys.version_info[:2] in ((3, 11), (3, 13))


def matters(function: types.FunctionType) -> bool:
    """Whether the conversion would look at anything in the function."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef)
    return any(map(node_matters, own_nodes(node)))


@pytest.mark.parametrize("function", ALL, ids=lambda f: f.__name__)
def test_plain_code_holds_nothing_that_matters(function: types.FunctionType) -> None:
    plain = is_plain(function)
    assert plain == (function in PLAIN) or not (plain or IS_TOLD)
    assert not (plain and function not in (joined, own_call, of_our_modules) and matters(function))
    plain = is_plain(function, of_arrays=True)
    assert plain == (function in PLAIN + OF_ARRAYS) or not (plain or IS_TOLD)


def test_arrays_and_numbers() -> None:
    class Other:
        pass

    assert are_arrays([np.ones(3), 1, 2.0, True, np.ones(2, np.complex64), np.ones((), np.int8)])
    for value in ([1, 2], Other(), np.ones(2, object), np.float32(1), "sum", None):
        assert not are_arrays([np.ones(3), value])


def test_methods_of_objects_are_looked_into() -> None:
    class Loop:
        def __init__(self, a: Any) -> None:
            self.a = a

        def sum(self) -> Any:
            total = self.a[0]
            for n in range(1, len(self.a)):
                if total < 5.0:
                    total = total + self.a[n]
            return total

    a = np.arange(6.0)
    loop = Loop(a)
    assert mlc.jit(lambda held, b: held.sum() * b)(loop, 2.0) == 2 * loop.sum()


def test_what_is_called_may_become_another_function(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_plain(own_call) or not IS_TOLD
    monkeypatch.setitem(globals(), "chain", loop)
    assert not is_plain(own_call)


def test_functions_that_call_plain_ones_load_no_source() -> None:
    code = """
import sys
import numpy as np, mlc
from benchmarks.functions import attention
from benchmarks.small_functions import centred
x = np.ones((2, 8, 4), np.float32)
np.testing.assert_allclose(mlc.jit(centred)(x[0]), centred(x[0]))
np.testing.assert_allclose(mlc.jit(attention)(x, x, x), attention(x, x, x), rtol=1e-5)
print(*(name for name in sys.modules if name.startswith("mlc.control")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split() or not IS_TOLD


def test_functions_of_the_benchmarks() -> None:
    from benchmarks import functions

    found = [f for f in vars(functions).values() if isinstance(f, types.FunctionType)]
    told = {f: plain_code(f.__code__) for f in found}
    plain = [
        f
        for f, p in told.items()
        if p and not (p.calls or p.modules) and p.is_certain(of_arrays=False)
    ]
    assert plain or not IS_TOLD
    assert [f.__name__ for f in plain if matters(f)] == ["pairs"] * (functions.pairs in plain)
