"""What axes are called, and what is said of functions that nobody has."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import mlc
from mlc import script as T


def test_axes_on_one_line_are_called_after_their_loops() -> None:
    @T.program
    def sums(A: T.Buffer((8, 4)), B: T.Buffer((8,))):
        for i, j in T.grid(8, 4):
            with T.block("B"):
                vi, vj = T.axis.spatial(8, i), T.axis.reduce(4, j)
                with T.init():
                    B[vi] = 0.0
                B[vi] += A[vi, vj]

    assert 'vi, vj = T.remap("SR", [i, j])' in sums.script()


@T.program
def magnitude(A: T.Buffer((1,), "float64"), B: T.Buffer((1,), "float64")):
    with T.block("B"):
        T.reads(A[0:1])
        T.writes(B[0:1])
        T.call_extern("nowhere_to_be_found", B, A)


def test_a_function_that_nobody_has_is_said_with_the_way_to_give_it() -> None:
    text = r"no library .* has a function of that name; load its library first, with ctypes\.CDLL"
    with pytest.raises(mlc.CompileError, match=text):
        mlc.build(magnitude)(np.ones(1), np.ones(1))


def test_a_function_of_the_process_is_called() -> None:
    assert ctypes.CDLL(None).memcpy

    @T.program
    def copied(A: T.Buffer((4,)), B: T.Buffer((4,))):
        with T.block("B"):
            T.reads(A[0:4])
            T.writes(B[0:4])
            T.call_extern("memcpy", B, A, 16)

    a, b = np.arange(4, dtype=np.float32), np.empty(4, np.float32)
    mlc.build(copied)(a, b)
    np.testing.assert_array_equal(a, b)
