"""What Python, NumPy and BLAS leave open is no difference."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.testing.comparing import compare
from mlc.testing.rounding import shaken

from .program import defined


@pytest.mark.parametrize("text", [
    "sorted(x)", "sorted(list(x), reverse=True)", "sorted(x, key=lambda v: (1, v))",
    "(q := list(x), q.sort())[0]",
])  # fmt: skip
def test_lists_of_what_is_no_number_have_no_order(text: str) -> None:
    function = defined(f"def program(x):\n    return np.array({text})\n")
    near = lambda s: shaken(function, s)
    turned = lambda x: function(x)[::-1]
    missing, numbers = np.array([3.0, np.nan, 1.0, 2.0]), np.array([3.0, 0.0, 1.0, 2.0])
    assert compare(turned, function, near, (missing,)).kind != "different"
    assert compare(turned, function, near, (numbers,)).kind == "different"


@pytest.mark.parametrize("text", ["np.dot(x, y)", "np.dot(y, x)", "np.zeros((1, 1)) @ y[None]"])
def test_zero_times_what_is_no_number_is_what_blas_says(text: str) -> None:
    function = defined(f"def program(x, y):\n    return {text}\n")
    near = lambda s: shaken(function, s)
    made = lambda x, y: function(x, y) + np.float64("nan") * (x + 1.0)
    y = np.array([np.nan])
    assert compare(made, function, near, (0.0, y)).kind != "different"
    assert compare(made, function, near, (0.0, np.ones(1))).kind == "different"


@pytest.mark.parametrize("text", ["np.dot(x, y)", "np.dot(y, x)"])
def test_zero_times_what_is_negative_has_the_sign_of_blas(text: str) -> None:
    function = defined(f"def program(x, y):\n    return {text}\n")
    near = lambda s: shaken(function, s)
    args = (np.zeros(1), np.array([-3.0]))
    zeros = [
        compare(lambda x, y, z=z: z * np.ones(1)[0], function, near, args) for z in (0.0, -0.0)
    ]
    assert all(outcome.kind != "different" for outcome in zeros)
    other = compare(lambda x, y: 1e-300 + function(x, y), function, near, args)
    assert other.kind == "different"


def test_decisions_that_seldom_come_out_so_are_open() -> None:
    """Four comparisons within rounding, each of which has to come out as it does."""
    text = "np.prod([np.sum(x * s) < 1.0 for s in (1.0, 1.0, 1.0)]) * np.ones(2)"
    function = defined(f"def program(x):\n    return {text}\n")
    near = lambda s: shaken(function, s)
    for x, is_open in ((np.full(10, 0.1), True), (np.full(10, 0.09), False)):
        outcome = compare(lambda x: 1 - function(x), function, near, (x,))
        assert (outcome.kind != "different") is is_open
