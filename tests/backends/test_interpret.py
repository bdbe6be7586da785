"""The interpreter judges the lowering: after every pass a program computes what it did before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc import te
from mlc.backends.base import backend
from mlc.backends.interpret import InterpretBackend
from mlc.dtypes import DType
from mlc.ir.forms import check_blocks, check_flat
from mlc.ir.program import Program, blocks_of
from mlc.lower.pipeline import PASSES
from tests.backends.expressions import KINDS, expressions, inputs, values_of
from tests.ir import samples

interpret, lnumpy = backend("interpret"), backend("numpy")
strict = InterpretBackend(check_uninitialised=True, reverse_parallel=True)


def results(engine: Any, program: Program, arrays: list[Any]) -> list[np.ndarray[Any, Any]]:
    """The outputs of ``program``, which start out as zeros."""
    outs = [np.zeros(b.shape, b.dtype.numpy) for b in program.params[len(arrays) :]]
    engine.compile(program)(*arrays, *outs)
    return outs


def assert_same(got: list[Any], want: list[Any], text: str) -> None:
    for a, b in zip(got, want, strict=True):
        wide = "float64" if b.dtype.kind not in "biu" else b.dtype
        np.testing.assert_array_equal(a.astype(wide), b.astype(wide), text)


def judge(program: Program, arrays: list[Any]) -> None:
    check_blocks(program)
    want = results(interpret, program, arrays)
    for step in PASSES:
        program = step(program)
        (check_blocks if blocks_of(program.body) else check_flat)(program)
        note = f"after {step.__name__}:\n{program.script()}"
        assert_same(results(strict, program, arrays), want, note)
    assert_same(results(lnumpy, program, arrays), want, lnumpy.source(program))


@pytest.mark.parametrize("name", ["mm_relu", "argmax", "padded"])
def test_samples_survive_lowering(name: str) -> None:
    program = samples.ALL[name]()
    count = len(program.params) - program.outputs
    rng = np.random.default_rng(0)
    judge(program, [rng.normal(size=b.shape).astype("float32") for b in program.params[:count]])


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@settings(max_examples=40)
@given(data=st.data())
def test_expressions_survive_lowering(dtype: DType, data: Any) -> None:
    x = inputs()
    y = te.compute((6,), lambda i: data.draw(expressions(x, i, dtype, 4)), name="y")
    program = samples.program_of("p", [y], list(x.values()))
    judge(program, [values_of(kind) for kind in x])


@st.composite
def index_maps(draw: Any, i: Any, j: Any) -> Any:
    """Quotients, remainders and sums of two indices."""
    out = draw(st.sampled_from([i, j, i * 6 + j, j * 4 + i, i - j, 3 - i]))
    for _ in range(draw(st.integers(0, 4))):
        number = draw(st.integers(1, 8))
        other = draw(st.sampled_from([i, j, i * 2 + j]))
        out = draw(
            st.sampled_from(
                [out // number, out % number, out * number, out + number, out - other, out + other]
                + [te.min(out, other), te.max(out, number), -out, out // number * number]
            )
        )
    return out


@settings(max_examples=150)
@given(data=st.data())
def test_index_arithmetic_survives_lowering(data: Any) -> None:
    def body(i: Any, j: Any) -> Any:
        a, b = data.draw(index_maps(i, j)), data.draw(index_maps(i, j))
        test = data.draw(st.sampled_from([a < b, a <= 3, b != 2, (a > 0) & (b < 5), ~(a == b)]))
        return te.select(test, a, b)

    judge(samples.program_of("p", [te.compute((4, 6), body, name="y")], []), [])
