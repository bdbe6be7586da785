"""Programs and expressions as text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc import te
from mlc.dtypes import ALL, as_dtype, float16, float32, int8
from mlc.ir.expr import Var, apply, cast, const, select
from mlc.ir.notation import number_text
from mlc.ir.program import Buffer
from mlc.ir.show import expr_text, signature_text
from tests.ir import samples

i, j, k = Var("i"), Var("j"), Var("k")
x = Buffer("x", (4,), float32)


@pytest.mark.parametrize("name", [*samples.ALL, "with_call"])
def test_programs(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"program_{name}", getattr(samples, name)().script())


@pytest.mark.parametrize(
    "expr, text",
    [
        ((i + j) * k, "(i + j) * k"),
        (i + j * k, "i + j * k"),
        (i - (j - k), "i - (j - k)"),
        (i - j - k, "i - j - k"),
        (i // 4 * 4 + i % 4, "i // 4 * 4 + i % 4"),
        (-(i + j), "-(i + j)"),
        (-i + j, "-i + j"),
        ((i < j) & (j < k), "(i < j) & (j < k)"),
        ((i < j) & (j < k) | ~(i < k), "(i < j) & (j < k) | ~(i < k)"),
        ((i & 3) < j, "i & 3 < j"),
        (i << 2 | j, "i << 2 | j"),
        ((i < j) < (j < k), "(i < j) < (j < k)"),
        (select(i < j, x[i], 0.0), "select(i < j, x[i], 0.0)"),
        (x[i + 1] * 0.1, "x[i + 1] * 0.1"),
        (te.max(x[i], 0), "max(x[i], 0.0)"),
        (cast(x[i], "int8"), "int8(x[i])"),
        (apply("bitcast", x[i], dtype=as_dtype("int32")), 'bitcast(x[i], "int32")'),
        (x[i] * -np.inf, "x[i] * -inf"),
    ],
)
def test_expressions(expr: object, text: str) -> None:
    assert expr_text(expr) == text  # type: ignore[arg-type]


def test_python_reads_the_text_as_the_same_expression() -> None:
    expr = ((i + j) * 3 - (i - (k - 2))) % 7 // 2 & (i << 1 | -j)
    assert eval(expr_text(expr), {"i": i, "j": j, "k": k}) is expr


def test_huge_expressions_are_cut() -> None:
    expr = x[i]
    for _ in range(2000):
        expr = expr * expr + 1.0
    assert len(expr_text(expr)) < 2000


@given(st.sampled_from([d for d in ALL if d.is_float]), st.floats())
def test_constants_read_back(dtype: object, value: float) -> None:
    node = const(value, dtype)
    again = const(eval(number_text(node.value, node.dtype, "np."), {"np": np}), dtype)
    assert again is node


def test_short_constants() -> None:
    assert number_text(const(0.1, float32).value, float32) == "0.1"
    assert number_text(const(65504, float16).value, float16) == "65500.0"
    assert number_text(const(-128, int8).value, int8) == "-128"


def test_signature() -> None:
    shown = signature_text(samples.mm_relu())
    assert shown == "mm_relu(A: float32[4, 5], B: float32[5, 6]) -> C: float32[4, 6]"
