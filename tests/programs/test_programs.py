"""The programs of the benchmarks, unchanged under jit at a tiny size, do what they do in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from benchmarks.programs.table import copied, difference, effects, names_of_programs, program


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of means of nothing
@pytest.mark.parametrize("name", names_of_programs())
def test_as_numpy(name: str) -> None:
    p = program(name)
    args = p.make(p.tiny)
    mine, theirs = copied(args), copied(args)
    expected = effects(p.function(*theirs), theirs)
    got = effects(mlc.jit(p.function)(*mine), mine)
    assert difference(got, expected, p.tolerance) == ""


@pytest.mark.parametrize(
    ("got", "says"),
    [
        ([], "0 results where NumPy has 1"),
        ([np.zeros(3)], "float64[3] where NumPy has float64[2]"),
        ([np.zeros(2, np.float32)], "float32[2] where NumPy has float64[2]"),
        ([np.array([1.0, 2.1])], "wrong by 0.1 where the largest element is 2"),
        ([np.array([1.0, np.nan])], "not finite at other places than NumPy"),
        ([np.array([1.0, 2.0])], ""),
    ],
)
def test_what_counts_as_right(got: list[np.ndarray], says: str) -> None:
    assert difference(got, [np.array([1.0, 2.0])], 1e-9) == says
