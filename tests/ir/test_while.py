"""Loops whose end the data decide: all backends agree, and the text is read back."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.compile import compile_graph
from mlc.dtypes import as_dtype
from mlc.ir.expr import Var, const
from mlc.ir.program import Allocate, Buffer, For, If, Program, Scope, Store, While, seq

FLOAT, INT = as_dtype("float64"), as_dtype("int64")


def summed_until() -> Program:
    x, out, count = Buffer("x", (40,), FLOAT), Buffer("out", (), FLOAT), Buffer("count", (), INT)
    s = Buffer("s", (), FLOAT, scope=Scope.REGISTER)
    i = Buffer("i", (), INT, scope=Scope.REGISTER)
    j = Var("j")
    step = seq(Store(s, (), s[()] + x[i[()]]), Store(i, (), i[()] + 1))
    body = seq(
        Store(s, (), const(0.0)),
        Store(i, (), const(0)),
        While((i[()] < 40) & (s[()] < 100.0), step),
        For(j, 40, If(j < i[()] - 10, Store(s, (), s[()] + x[j]))),
        Store(out, (), s[()]),
        Store(count, (), i[()]),
    )
    return Program("summed", (x, out, count), Allocate((s, i), body), 2, {"unsafe": True})


@pytest.mark.parametrize("top", [1.0, 30.0])
def test_backends_agree(top: float) -> None:
    x = te.placeholder((40,), "float64", "x")
    outputs = te.call(summed_until(), x)
    data = np.linspace(0, top, 40)
    total, number = 0.0, 0
    while number < 40 and total < 100:
        total, number = total + data[number], number + 1
    total += data[: max(number - 10, 0)].sum()
    for target in ("interpret", "numpy", "cpu"):
        got = compile_graph([x], list(outputs), target=target).run([data])
        np.testing.assert_allclose(got[0], total)
        assert got[1] == number


def test_the_text_is_read_back() -> None:
    program = summed_until()
    text = program.script()
    assert "with T.while_((i[()] < 40) & (s[()] < 100.0)):" in text
    space = {"T": T}
    lines = "\n".join(["from mlc import script as T", text])
    import linecache

    linecache.cache["<summed>"] = (len(lines), None, lines.splitlines(True), "<summed>")
    exec(compile(lines, "<summed>", "exec"), space)
    mlc.assert_structural_equal(space["summed"], program)
