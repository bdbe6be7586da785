"""What functions return of their argument as it is, complex or not, is written through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

Z = np.array([[1 + 2j, np.nan], [3, 4j]])


@pytest.mark.parametrize("x", [Z, Z.real], ids=["complex", "real"])
@pytest.mark.parametrize(
    "returned",
    [
        lambda x: np.nan_to_num(x, copy=False),
        lambda x: np.nan_to_num(x, False, 2.0),
        lambda x: np.astype(x, x.dtype, copy=False),
        lambda x: np.astype(x, x.dtype),
        lambda x: np.astype(x, np.complex64, copy=False),
        lambda x: np.real(x),
        lambda x: np.unstack(x)[0],
        lambda x: np.conj(x),
        lambda x: np.diff(x, 0),
        lambda x: np.asarray(x),
    ],
)
def test_writes_reach_the_argument_as_in_numpy(returned: Any, x: Any) -> None:
    def written(x: Any) -> Any:
        v = returned(x)
        v[0] = 7
        return v, x

    ours, theirs = x.copy(), x.copy()
    for got, wanted in zip(mlc.jit(written)(ours), written(theirs), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(ours, theirs)
