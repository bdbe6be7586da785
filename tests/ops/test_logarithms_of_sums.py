"""np.logaddexp.reduce and its kin: what is small beside the greatest keeps its digits."""

import numpy as np
import pytest

import mlc

ROWS = np.array(
    [
        [0, -8, -9], [-9, -8, 0], [5, 5, 5], [-20, 0, -21], [1, np.inf, 2], [-np.inf] * 3,
        [np.nan, 1, 2], [-np.inf, 3, np.inf], [np.inf] * 3, [-np.inf, 7, -np.inf],
    ]
)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ufunc", [np.logaddexp, np.logaddexp2])
def test_small_ones_keep_their_digits(ufunc, dtype):
    x = ROWS.astype(dtype)
    found = mlc.jit(lambda x: ufunc.reduce(x, axis=1))(x)
    assert found.dtype == dtype
    with np.errstate(invalid="ignore"):
        expected = ufunc.reduce(x.astype(np.longdouble), axis=1)
    np.testing.assert_allclose(found, expected.astype(dtype), rtol=24 * np.finfo(dtype).eps)
