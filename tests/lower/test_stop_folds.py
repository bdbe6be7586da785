"""Folds of truth values end once nothing can change their result, and no sooner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.ir.program import Program
from mlc.lower.stop_folds import stop_folds

N = 140_001  # parts of a fixed size, the last of them short
SEVERAL = np.arange(N) % 7


def looks(function: Callable[..., Any], *arrays: Any) -> bool:
    """Whether machine code looks at a flag between the parts of the fold."""
    return "call void @intrinsic_see_flag" in mlc.jit(function).lower(*arrays).llvm


STOPPED = {
    "any": lambda a: a.any(),
    "all": lambda a: a.all(),
    "max": lambda a: a.max(),
    "min": lambda a: a.min(),
    "dot": lambda a: np.dot(a, a[::-1]),
    "any of sums": lambda a: (a + SEVERAL > 6).any(),
    "all of sums": lambda a: (a + SEVERAL < 7).all(),
    "any of rows": lambda a: a[: N // 3 * 3].reshape(3, -1).any(),
    "any apart": lambda a: np.concatenate([a, a])[::2].any(),
}


@pytest.mark.parametrize("name", STOPPED)
def test_one_number_of_many(name: str) -> None:
    function = STOPPED[name]
    compiled = mlc.jit(function)
    for base in (False, True):
        for place in (None, 0, 1, 32767, 32768, N // 2, N - 9000, N - 2, N - 1):
            a = np.full(N, base)
            if place is not None:
                a[place] = not base
            assert compiled(a) == function(a), (base, place)
    assert looks(function, np.zeros(N, bool))


def _beside(a: Any) -> Any:
    mask = a > 1
    return mask, mask.any(), mask.all()


KEPT = {
    "one for each row": lambda a: (a > 1).reshape(3, -1).any(axis=1),
    "one for each column": lambda a: (a > 1).reshape(-1, 3).all(axis=0),
    "count": lambda a: (a > 1).sum(),
    "exclusive or": lambda a: np.logical_xor.reduce(a > 1),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_all_parts_decide(name: str) -> None:
    function, compiled = KEPT[name], mlc.jit(KEPT[name])
    for at in (None, 0, 70_000, 150_000 - 1):
        a = np.zeros(150_000, np.float32)
        if at is not None:
            a[at] = 2
        np.testing.assert_array_equal(compiled(a), function(a))
    assert not looks(function, a)


def test_what_else_the_loop_makes_is_made() -> None:
    a = np.zeros(N, np.float32)
    a[[3, -1]] = 2
    for got, want in zip(mlc.jit(_beside)(a), _beside(a), strict=True):
        np.testing.assert_array_equal(got, want)


def test_places_outside_of_an_array_are_found_behind_the_end() -> None:
    function = lambda a, i: a[i].any()
    a, places = np.ones(10, bool), np.zeros(N, np.int64)
    places[-1] = 10
    assert not looks(function, a, places)
    with mlc.config.override(debug=True), pytest.raises(IndexError):
        mlc.jit(function)(a, places)


def folded(
    last: str = "or", read: tuple[int, int] = (8, 4), twice: bool = False, most: int = 4096
) -> Program:
    """X[i, k, l] folded over k to P[i, l], and ``read`` elements of that to F[0] by ``last``."""

    @T.program(outputs=1)
    def fold(X: T.Buffer((8, 4096, 4), "bool"), F: T.Buffer((1,), "bool")):
        P = T.alloc((8, 4), "bool")
        for i, l, k in T.grid(8, 4, 4096):
            with T.block("P"):
                vi, vl, vk = T.remap("SSR", [i, l, k])
                T.where(k < most) if most < 4096 else None
                with T.init():
                    P[vi, vl] = False
                P[vi, vl] |= X[vi, vk, vl]
        if twice:
            with T.block("Q"):
                P[3, 3] |= X[0, 0, 0]
        for i, l in T.grid(*read):
            with T.block("F"):
                vi, vl = T.remap("RR", [i, l])
                with T.init():
                    F[0] = last == "and"
                if last == "and":
                    F[0] &= P[vi, vl]
                elif last == "or":
                    F[0] |= P[vi, vl]
                else:
                    F[0] |= P[vi, vl] & X[vi, 0, vl]

    return fold


def test_rows_that_end_in_one_number() -> None:
    program = folded()
    assert stop_folds(program) is not program


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(folded("and"), id="all of them must be met"),
        pytest.param(folded("else"), id="folded with others"),
        pytest.param(folded(read=(8, 3)), id="one of a row is read by nobody"),
        pytest.param(folded(read=(6, 4)), id="two rows are read by nobody"),
        pytest.param(folded(twice=True), id="updated elsewhere"),
        pytest.param(folded(most=4000), id="under a condition"),
        pytest.param(replace(folded(), attrs={"refusals": True}), id="refuses while it runs"),
    ],
)
def test_what_the_result_is_not_settled_by(program: Program) -> None:
    assert stop_folds(program) is program
