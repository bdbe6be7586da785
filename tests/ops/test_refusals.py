"""Programs that refuse their data: what the caller sees."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.errors import BoundsError
from mlc.ops.programs import Writer


def doubled(x: te.Tensor, error: str, parallel: bool) -> te.Tensor:
    """2 * x, unless an element is negative or at least 100."""
    w = Writer("doubled")
    source = w.input("x", x.shape, x.dtype)
    out = w.output("out", x.shape, x.dtype)
    low = w.guard(error, "expected no negative numbers")
    high = w.guard("BoundsError", "{index} is too much", 100)
    with w.loop(x.size, "i", "threads" if parallel else "") as i:
        w.insist(low, source[i] >= 0)
        w.store(high, (source[i].astype("int64"),), 0)
        w.store(out, (i,), source[i] * 2)
    return w.call(x)


@pytest.mark.parametrize("parallel", [False, True])
def test_refusals_are_raised(parallel):
    @mlc.op
    def refusing(x):
        return doubled(x, "ShapeError", parallel)

    f = mlc.jit(lambda x: refusing(x + 0) + 1)
    x = np.arange(40, dtype=np.int32)
    np.testing.assert_array_equal(f(x), 2 * x + 1)
    with pytest.raises(mlc.ShapeError, match="expected no negative numbers"):
        f(x - 3)
    with pytest.raises(BoundsError, match="115 is too much"):
        f(np.full(40, 115, np.int32))
    np.testing.assert_array_equal(f(x), 2 * x + 1)  # what failed before is forgotten


def test_linear_algebra_has_an_error_of_its_own():
    @mlc.op
    def refusing(x):
        return doubled(x, "LinAlgError", False)

    with pytest.raises(np.linalg.LinAlgError, match="expected no negative numbers"):
        mlc.jit(refusing)(np.full(3, -1.0))


@pytest.mark.parametrize("target", ["interpret", "numpy"])
def test_reference_backends_refuse_too(target):
    @mlc.op
    def refusing(x):
        return doubled(x, "ShapeError", False)

    with pytest.raises(mlc.ShapeError, match="expected no negative numbers"):
        mlc.jit(refusing, target=target)(np.full(3, -1.0))
