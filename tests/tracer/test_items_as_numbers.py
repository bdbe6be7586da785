"""Numbers that are read from arrays, and neighbours of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import bfloat16

from mlc.testing import check_against_numpy


@pytest.mark.parametrize("index", [0, 1])
def test_items_of_arrays_are_no_arguments_that_must_fit(index: int) -> None:
    """Narrower integers are added to one of several items."""
    a, b = np.array([1, 2], np.int64), np.array([1, 2], np.int32)
    check_against_numpy(lambda a, b: a.item(index) + b, a, b)


def test_spacing_of_zeros() -> None:
    zeros = np.array([0.0, -0.0, -2.0], np.float32)
    for dtype in (np.float16, np.float32, np.float64, bfloat16):
        check_against_numpy(lambda x: np.spacing(x) > 0, zeros.astype(dtype))
