"""The source of lambdas, of which several may share a line."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy
from mlc.testing.source import definition

FIRST, SECOND = lambda x: np.maximum(x, 2) if x[0] > 1 else -x, lambda x: np.maximum(x, -2) if x[0] else x  # fmt: skip # noqa: E501
JUMPS = lambda a, b, c: a and b or c, lambda a, b, c: a and (b or c)


@pytest.mark.parametrize("function", [FIRST, SECOND])
def test_lambdas_of_one_line_are_told_apart(function: Callable[..., Any]) -> None:
    found = definition(function.__code__)
    assert isinstance(found, ast.Lambda)
    assert ("-2" in ast.unparse(found)) == (function is SECOND)
    for x in ([0.0, 3.0], [2.0, -3.0]):
        check_against_numpy(function, np.array(x))


def test_lambdas_that_jump_elsewhere_are_told_apart() -> None:
    found = [definition(function.__code__) for function in JUMPS]
    assert [ast.unparse(f) for f in found if f is not None] == [
        "lambda a, b, c: a and b or c", "lambda a, b, c: a and (b or c)"
    ]  # fmt: skip
    for function in JUMPS:
        for a, b, c in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
            assert mlc.jit(function)(a, b, c) == function(a, b, c)
