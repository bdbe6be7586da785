"""What axes are called, and what is said of functions that nobody has."""

from __future__ import annotations

import ctypes
from typing import Any

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


def test_loops_and_values_of_long_functions_have_their_names() -> None:
    """Jumps over more than 255 instructions, and more names than that, take arguments in pieces."""
    many = range(300)
    text = "\n".join([
        "def long(A: T.Buffer((4, 300)), B: T.Buffer((4, 300))):",
        "    for row in T.serial(4):",
        "        with T.block('all'):",
        "            v = T.axis.spatial(4, row)",
        *(f"            B[v, {n}] = A[v, {n}]" for n in many),
        "def sums(x):",
        *(f"    len('').bit_{n} if len('') else 0; n{n} = {n}" for n in many),
        "    halved = x.T / 2.0",
        "    turned = halved.T",
        "    return turned * turned",
    ])  # fmt: skip
    space: dict[str, Any] = {"T": T}
    exec(compile(text, "long_functions.py", "exec"), space)
    assert "for row in T.serial(4):" in T.program(space["long"]).script()
    blocks: list[str] = []

    @mlc.schedule
    def look(s):
        blocks.extend(block.name for block in s.blocks())

    mlc.jit(look(space["sums"]))(np.ones((2, 3)))
    assert blocks == ["transpose", "halved", "turned", "multiply"]
