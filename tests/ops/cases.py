"""One operator, one row: a plain NumPy function, the inputs to try, and how near the result must
be.

``CASES`` is all rows; run it against any way of executing the functions with :func:`check`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from .inputs import BFLOAT16, is_float

Function = Callable[..., Any]


@dataclass(frozen=True)
class Tolerance:
    """How far from the reference a float result may be.

    The reference is NumPy in float64 (in float64 itself for float64 inputs). Allowed are
    ``ulps`` units in the last place of the result, plus ``n * eps * mass`` where n is the number
    of elements that are summed at most, eps that of the dtype that sums are kept in, and mass
    the function in which all terms are positive: the classical bound of a sum in any order.
    """

    ulps: float = 0
    mass: Function | None = None


EXACT = Tolerance()


def ulp(count: float) -> Tolerance:
    return Tolerance(ulps=count)


@dataclass(frozen=True)
class Case:
    """A row. ``same`` compares with NumPy in the same dtype instead of in float64; ``like`` is the
    reference where NumPy has no such function; ``dtype`` checks the dtype of the result;
    ``needs_jit`` says that mlc.jit alone can run it: the data choose the shape, say."""

    name: str
    function: Function
    inputs: st.SearchStrategy[tuple[Any, ...]]
    tolerance: Tolerance = EXACT
    like: Function | None = None
    same: bool = False
    dtype: bool = True
    needs_jit: bool = False


def _wide(array: Any) -> Any:
    return array.astype(np.float64) if is_float(array.dtype) else array


def _outputs(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def expected(case: Case, arrays: tuple[Any, ...]) -> tuple[list[Any], list[Any]]:
    """(results in the dtypes that NumPy gives, the same in float64 where that is the reference)."""
    function = case.like or case.function
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means of nothing are NaN; NumPy says so aloud
        plain = [np.asarray(v) for v in _outputs(function(*arrays))]
        if case.same or case.tolerance == EXACT:
            return plain, plain
        return plain, [np.asarray(v) for v in _outputs(function(*map(_wide, arrays)))]


def check(case: Case, arrays: tuple[Any, ...], results: Any) -> None:
    """``results``, computed from ``arrays``, are what the row asks for."""
    plain, wide = expected(case, arrays)
    found = [np.asarray(v) for v in _outputs(results)]
    assert len(found) == len(plain), f"{len(found)} results for {len(plain)}"
    mass = None
    if case.tolerance.mass is not None:
        with np.errstate(all="ignore"):
            positive = (np.abs(_wide(a)) if a.dtype != bool else a for a in arrays)
            mass = np.asarray(case.tolerance.mass(*positive)).astype(np.float64)
    for got, want, exact in zip(found, plain, wide, strict=True):
        assert got.shape == want.shape, f"shape {got.shape} for {want.shape}"
        if case.dtype and BFLOAT16 not in [a.dtype for a in arrays]:
            assert got.dtype == want.dtype, f"dtype {got.dtype} for {want.dtype}"
        if case.tolerance == EXACT or not is_float(got.dtype):
            assert_same(got, want.astype(got.dtype))
        else:
            count = max((a.size for a in arrays), default=1)
            assert_near(got, exact, case.tolerance, mass, count)


def assert_same(got: Any, want: Any) -> None:
    """Equal values; NaN equals NaN, and the sign of zero is not looked at."""
    if is_float(got.dtype):
        got, want = got.astype(np.float64), want.astype(np.float64)
    np.testing.assert_array_equal(got, want)


def assert_near(got: Any, exact: Any, tolerance: Tolerance, mass: Any, count: int) -> None:
    """Each element of ``got`` is within the bound of ``exact``; NaN and infinities agree."""
    with np.errstate(all="ignore"):
        info = ml_dtypes.finfo(got.dtype)
        rounded = exact.astype(got.dtype).astype(np.float64)
        unit = np.maximum(np.abs(rounded) * float(info.eps), float(info.smallest_subnormal))
        bound = tolerance.ulps * unit
        if mass is not None:
            kept = np.float32 if got.dtype.itemsize == 2 else got.dtype
            bound = bound + count * float(np.finfo(kept).eps) * mass
        value = got.astype(np.float64)
        near = np.abs(value - exact.astype(np.float64)) <= bound
        # The last step before infinity may go either way.
        edge = np.abs(rounded) >= float(info.max) * (1 - 2 * tolerance.ulps * float(info.eps))
        near |= edge & (
            np.abs(value) >= float(info.max) * (1 - 2 * tolerance.ulps * float(info.eps))
        )
        near |= (value == rounded) | (np.isnan(value) & np.isnan(rounded))
        if mass is not None:
            near |= ~np.isfinite(mass) & ~np.isfinite(value)
    if not near.all():
        at = tuple(int(i) for i in np.argwhere(~near)[0])
        raise AssertionError(
            f"at {at}: got {value[at]!r}, expected {exact[at]!r}, "
            f"off by {abs(value[at] - exact[at]):.3g}, allowed "
            f"{np.broadcast_to(bound, value.shape)[at]:.3g}"
        )


def all_cases() -> list[Case]:
    """Every row of every table; names are unique."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("table_*.py"))
    tables = [import_module(f".{name}", __package__) for name in names]
    rows = [row for table in tables for row in table.CASES]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)
    return rows
