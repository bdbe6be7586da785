"""te.create_program: tensor expressions as the program that computes them as they are written."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.errors import ArgumentError
from mlc.ir.interpret import interpret
from mlc.te.tensor import Tensor


def product_and_relu() -> tuple[Tensor, ...]:
    A = te.placeholder((4, 6), "float32", name="A")
    B = te.placeholder((6, 5), "float32", name="B")
    k = te.reduce_axis((0, 6), "k")
    Y = te.compute((4, 5), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="Y")
    C = te.compute((4, 5), lambda i, j: te.max(Y[i, j], 0), name="C")
    return A, B, Y, C


def test_the_program_is_the_one_written_by_hand() -> None:
    A, B, _, C = product_and_relu()

    @T.program
    def by_hand(a: T.Buffer((4, 6)), b: T.Buffer((6, 5)), c: T.Buffer((4, 5))) -> None:
        y = T.alloc((4, 5))
        for i, j, k in T.grid(4, 5, 6):
            with T.block("y"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    y[vi, vj] = 0.0
                y[vi, vj] += a[vi, vk] * b[vk, vj]
        for i, j in T.grid(4, 5):
            with T.block("c"):
                vi, vj = T.remap("SS", [i, j])
                c[vi, vj] = T.max(y[vi, vj], 0.0)

    made = te.create_program([A, B, C], name="mm_relu")
    mlc.assert_structural_equal(made, by_hand)
    assert made.name == "mm_relu"
    assert te.create_program([A, B, C]).name == "C"


def test_what_lies_between_may_be_filled_too() -> None:
    A, B, Y, C = product_and_relu()
    made = te.create_program([A, B, C, Y])
    assert (made.outputs, [p.name for p in made.params]) == (2, ["A", "B", "C", "Y"])
    a, b = np.ones((4, 6), "f4"), -np.ones((6, 5), "f4")
    c, y = np.empty((4, 5), "f4"), np.empty((4, 5), "f4")
    interpret(made, a, b, c, y)
    assert (c == 0).all()
    assert (y == -6).all()


def test_a_reduction_of_two_parts_with_one_of_them_asked_for() -> None:
    x = te.placeholder((6, 50), "float32", name="x")
    argmax = te.comm_reducer(
        lambda a, b: (
            te.select(a[0] >= b[0], a[0], b[0]),
            te.select(a[0] >= b[0], a[1], b[1]),
        ),
        identity=(float("-inf"), -1),
        dtype=("float32", "int64"),
    )
    r = te.reduce_axis((0, 50), "r")
    _, place = te.compute(
        (6,), lambda i: argmax((x[i, r], te.cast(r, "int64")), axis=r), name="best"
    )
    data = np.random.default_rng(0).standard_normal((6, 50), np.float32)
    places = np.empty(6, np.int64)
    mlc.build(te.create_program([x, place]))(data, places)
    assert (places == data.argmax(1)).all()


def test_refused() -> None:
    A, B, Y, C = product_and_relu()
    one = te.constant(np.ones((4, 5), "f4"), name="one")
    D = te.compute((4, 5), lambda i, j: Y[i, j] + one[i, j], name="D")
    order = "wants placeholders and then the tensors to be filled, each once; got "
    cases: list[tuple[Any, str]] = [
        ([A, C], "C is computed from the placeholder B, which is not in the list; add it"),
        ([C, A, B], order + "C, A, B"),
        ([A, B, C, C], order + "A, B, C, C"),
        ([A, B], order + "A, B"),
        ([A, B, D], "D is computed from the constant one, which is no parameter of a program"),
        (C, "wants a list of te tensors such as [A, B, C], got C: float32[4, 5]"),
    ]
    for tensors, message in cases:
        with pytest.raises(ArgumentError) as caught:
            te.create_program(tensors)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (3, "wants a function that says what one element is, lambda i: ..., got int 3"),
        (lambda i: (), "the function of te.compute 'compute' returns nothing to compute"),
        (lambda i: 2**70, "1180591620717411303424 does not fit int64"),
        (lambda i, j: 1.0, "an index for each axis of its shape, which has 1; got one of 2"),
    ],
)
def test_what_says_no_element_is_refused(body: Any, said: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=re.escape(said)):
        te.compute((4,), body)
