"""Long chains of operations in one kernel: neither Python's stack nor the size of the code may
depend on how deep an expression is, other than in proportion."""

from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(0).random((6, 50))
Y = np.random.default_rng(1).random((6, 50))
STEPS = (
    "np.where(x > y, x * 0.5, y + x)",
    "np.where(y > 0.5, x * 0.5, y + x)",
    "np.where(x > y, np.where(y > 0.5, x - y, x * y), np.sin(x))",
    "np.sin(x) - y",
    "np.exp(x) * 0.1",
    "np.maximum(x, y) * 0.9",
    "np.log(x + 1) + np.tanh(x)",
)


def chain(step: str, length: int) -> Any:
    """A function that takes ``step`` so many times."""
    space: dict[str, Any] = {"np": np}
    lines = ["def f(x, y):", *[f"    x = {step}"] * length, "    return x"]
    exec("\n".join(lines), space)
    return space["f"]


@pytest.mark.parametrize("step", STEPS)
def test_code_of_a_chain_is_as_long_as_the_chain(step: str) -> None:
    short, long = (mlc.jit(chain(step, n)).lower(X, Y).llvm.count("\n") for n in (5, 10))
    assert long < 2.5 * short


@pytest.mark.parametrize("step", STEPS)
def test_a_long_chain_compiles(step: str) -> None:
    function = chain(step, 40)
    np.testing.assert_allclose(mlc.jit(function)(X, Y), function(X, Y), rtol=1e-9)


def test_a_chain_of_a_thousand_operations() -> None:
    function = chain("np.maximum(x * 0.5, y) - 0.1", 334)
    np.testing.assert_allclose(mlc.jit(function)(X, Y), function(X, Y), rtol=1e-12)


def test_a_masked_chain_reads_only_where_it_may() -> None:
    """What both sides need is evaluated before; what only one needs is not."""

    @mlc.jit
    def f(x: Any, at: Any) -> Any:
        inside = (at >= 0) & (at < len(x))
        for _ in range(4):
            x = np.where(inside, x[at] * 0.5, np.where(at < 0, x - 1.0, x + 2.0))
        return x

    at = np.array([0, 5, -3, 2, 40, 1, -1, 7] * 5)
    x = np.arange(40.0)
    want = x
    for _ in range(4):
        inside = (at >= 0) & (at < 40)
        want = np.where(
            inside, want[np.clip(at, -40, 39)] * 0.5, np.where(at < 0, want - 1.0, want + 2.0)
        )
    np.testing.assert_array_equal(f(x, at), want)
