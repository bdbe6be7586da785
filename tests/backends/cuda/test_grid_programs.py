"""Operators that have a program of their own for cards: long lines by many blocks, exact order
where one shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ops import on_grid
from mlc.testing.cuda import assert_compiles

from .conftest import needs_compiler

pytestmark = needs_compiler
Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)
FLOATS = RNG.standard_normal(5000)
SOME_ALIKE = np.round(FLOATS * 3).astype(np.float32)
SOME_ALIKE[::50], SOME_ALIKE[7::90], SOME_ALIKE[9::90] = np.nan, -0.0, 0.0
WHOLE = RNG.integers(-5, 40, 5000)
PLACES = RNG.integers(0, 60, 5000)


def at(ufunc: Any, dtype: str, places: Any = PLACES) -> Callable[..., Array]:
    """``ufunc.at`` over 60 places, those of equal number in their order."""

    def change(x: Array, values: Array) -> Array:
        out = x.astype(dtype)
        ufunc.at(out, places, values.astype(dtype))
        return out

    return change


def assigned(x: Array, places: Array, values: Array) -> Array:
    out = x.copy()
    out[:, places] = values
    return out


def scans(whole: Array, some: Array) -> tuple[Array, ...]:
    return (
        np.cumsum(whole), np.cumsum(whole.reshape(2, 1250, 2), axis=1), np.cumprod(whole),
        np.maximum.accumulate(some), np.fmin.accumulate(some), np.bitwise_xor.accumulate(whole),
    )  # fmt: skip


def sorts(some: Array, whole: Array) -> tuple[Array, ...]:
    return (
        np.sort(some, stable=True), np.argsort(some, stable=True), np.sort(whole[:1024]),
        np.argsort(whole.reshape(1000, 5), axis=0, stable=True),
    )  # fmt: skip


def counts(places: Array, values: Array) -> tuple[Array, ...]:
    return (
        np.bincount(places, minlength=60), np.bincount(places, values, minlength=60),
        *np.histogram(values, 20, (-1, 1)),
    )  # fmt: skip


def writes(zeros: Array, values: Array, whole: Array) -> tuple[Array, ...]:
    return (
        at(np.add, "float32")(zeros, values), at(np.add, "int32")(zeros, whole),
        at(np.subtract, "int8")(zeros, whole), at(np.maximum, "float64")(zeros, values),
    )  # fmt: skip


def searches(known: Array, values: Array, whole: Array) -> tuple[Array, ...]:
    return (
        np.searchsorted(known, values), np.searchsorted(known, values, "right"),
        np.interp(FLOATS[:300], known[:4000], known[1:4001]), np.isin(whole, PLACES[:100] * 3),
    )  # fmt: skip


def compacted(x: Array, whole: Array) -> tuple[Array, ...]:
    return (*np.nonzero(x > 0), x[x > 1], np.unique(whole), np.packbits(x > 0))


CASES: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "scans": (scans, (WHOLE, SOME_ALIKE)),
    "sorts": (sorts, (SOME_ALIKE, WHOLE)),
    "median": (np.median, (FLOATS,)),
    "counts": (counts, (PLACES, FLOATS)),
    "writes": (writes, (np.zeros(60), FLOATS, WHOLE)),
    "put": (assigned, (np.zeros((3, 60)), PLACES[:700], FLOATS[:2100].reshape(3, 700))),
    "searches": (searches, (np.sort(SOME_ALIKE), SOME_ALIKE[:400], WHOLE)),
    "compacted": (compacted, (FLOATS, WHOLE)),
    "runs": (lambda x: np.maximum.reduceat(x, [0, 7, 2500, 2400]), (FLOATS,)),
}
FEW = ("begin", "sum_1", "median")  # in the names of kernels that have one result of some elements


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_numpy(name: str) -> None:
    """To the last bit: sums of floats at places, too, are made in NumPy's order."""
    function, arguments = CASES[name]
    compiled = mlc.jit(function, target="cuda-emulated")
    expected = function(*arguments)
    for order in ("forward", "reverse", "random"):
        with mlc.config.override(emulated_order=order):
            got = compiled(*arguments)
        several = isinstance(expected, tuple)
        for mine, theirs in zip(got, expected) if several else ((got, expected),):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)
    for launch in compiled.lower(*arguments).compiled.device_module.launches:
        threads = np.prod(launch.grid) * np.prod(launch.block)
        assert threads > 1 or any(part in launch.kernel for part in FEW), launch.kernel


@pytest.mark.parametrize("name", ["scans", "writes"])
def test_compiles_for_cards(name: str) -> None:
    function, arguments = CASES[name]
    lowered = mlc.jit(function, target="cuda-emulated").lower(*arguments)
    assert_compiles(lowered.compiled.device_module)


def test_sums_of_floats_are_near_and_the_same_each_time() -> None:
    x = FLOATS.astype(np.float32)
    total = mlc.jit(np.cumsum, target="cuda-emulated")
    found = total(x)
    np.testing.assert_allclose(found, np.cumsum(x.astype(np.float64)), atol=1e-4)
    with mlc.config.override(emulated_order="random"):
        np.testing.assert_array_equal(total(x), found)


def uniform(dtype: str, low: float, high: float, *places: tuple[int, float]) -> Array:
    x = np.random.default_rng(5).uniform(low, high, 3000).astype(dtype)
    for place, value in places:
        x[place] = value
    return x


PRODUCTS = {
    "near 1": lambda dtype: uniform(dtype, -1.1, -0.9),
    "small": lambda dtype: uniform(dtype, 0.1, 0.9),
    "large": lambda dtype: uniform(dtype, -9, -2),
    # Pieces on their own would overflow, or come back from 0.
    "small, then large": lambda dtype: np.repeat([1e-10, 1e10], [1000, 3000]).astype(dtype),
    "large, then small": lambda dtype: np.repeat([-1e10, 1e-10], [1000, 3000]).astype(dtype),
    # 0 times infinity is NaN, whichever comes first.
    "infinity, then 0": lambda dtype: uniform(dtype, 0.9, 1.1, (900, -np.inf), (2000, 0)),
    "0, then infinity": lambda dtype: uniform(dtype, 0.9, 1.1, (900, -0.0), (2000, np.inf)),
    "NaN": lambda dtype: uniform(dtype, 0.9, 1.1, (1700, np.nan)),
    # There and back: what is lost of very small numbers stays lost.
    "very small": lambda dtype: uniform(
        dtype, 0.9, 1.1, (700, float(np.finfo(dtype).tiny) / 64), (900, 2.0**40)
    ),
    "very small at first": lambda dtype: uniform(
        dtype, 0.9, 1.1, (0, float(np.finfo(dtype).tiny) / 64), (1, 2.0**40)
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_running_products_of_floats(name: str) -> None:
    """Each prefix has as many roundings as it has factors at most; 0, infinities and NaN, and from
    where on there are such, are NumPy's, and so are signs."""
    product = mlc.jit(np.cumprod, target="cuda-emulated")
    for dtype in ("float32", "float64"):
        x = PRODUCTS[name](dtype)
        with np.errstate(all="ignore"):
            expected = np.cumprod(x)
        np.testing.assert_array_equal(mlc.jit(np.cumprod)(x), expected)
        with mlc.config.override(emulated_order="random"):
            found = product(x)
        # Half a unit in the last place for each factor, twice: NumPy's are rounded as often.
        rounding = len(x) * np.finfo(x.dtype).eps
        np.testing.assert_allclose(found, expected, rtol=rounding, atol=0)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
        launches = product.lower(x).compiled.device_module.launches
        assert max(launch.grid[0] for launch in launches) > 1
    np.testing.assert_array_equal(product(x), found)


def lines(whole: Array, some: Array) -> tuple[Array, ...]:
    return (
        np.cumsum(whole, axis=1), np.fmax.accumulate(some, axis=1), np.cumprod(whole, axis=1),
    )  # fmt: skip


def test_many_lines_are_scanned_by_a_block_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes before a tile is carried along: every element is read once."""
    monkeypatch.setattr(on_grid, "LINES", 3)
    whole, some = (np.stack([x, x[::-1], x + 1]) for x in (WHOLE, SOME_ALIKE))
    with mlc.config.override(cache=False):
        compiled = mlc.jit(lines, target="cuda-emulated")
        for order in ("forward", "reverse", "random"):
            with mlc.config.override(emulated_order=order):
                got = compiled(whole, some)
            for mine, theirs in zip(got, lines(whole, some), strict=True):
                np.testing.assert_array_equal(mine, theirs)
        module = compiled.lower(whole, some).compiled.device_module
    assert [launch.grid[0] for launch in module.launches] == [3, 3, 3]
    assert_compiles(module)


def test_a_scan_of_a_million_has_a_block_for_each_tile() -> None:
    lowered = mlc.jit(np.cumsum, target="cuda-emulated").lower(np.empty(1 << 20, np.float32))
    shapes = [
        (launch.grid[0], launch.block[0]) for launch in lowered.compiled.device_module.launches
    ]
    assert shapes == [(456, 256), (1, 64), (456, 256)]


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        (lambda x: np.bincount(x, minlength=4), (np.array([1, 9, 2]),),
         "np.bincount: 9 is not in range(4), which minlength=4 says; give a minlength that is "
         "greater than every value"),
        (lambda x, i: at(np.add, "float32", i)(x, np.ones(3)), (np.zeros(5), np.array([1, 9, 2])),
         "index 9 is out of bounds for axis 0"),
        (lambda x, i: at(np.add, "int32", i)(x, np.ones(3)), (np.zeros(5), np.array([1, -6, 2])),
         "index -6 is out of bounds for axis 0"),
        (lambda x: mlc.numpy.nonzero(x, size=2), (np.ones(5),),
         "np.nonzero: more is found than size=2 has room for; give a larger size"),
    ],
)  # fmt: skip
def test_what_is_outside_is_refused(
    function: Callable[..., Any], arguments: tuple[Array, ...], sentence: str
) -> None:
    with pytest.raises((mlc.BoundsError, ValueError)) as caught:
        mlc.jit(function, target="cuda-emulated")(*arguments)
    assert sentence in str(caught.value)


@needs_compiler
@pytest.mark.parametrize("function", [
    lambda x: x[x > 9], lambda x: np.nonzero(x > 9)[0], lambda x: np.compress(x > 9, x),
])  # fmt: skip
def test_of_nothing_that_is_chosen_nothing_is_looked_for(function: Callable[..., Any]) -> None:
    """One kernel counts; none goes through all elements in one thread."""
    x = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    chosen = mlc.jit(function, target="cuda-emulated")
    assert chosen(x).shape == (0,) and chosen(x).dtype == function(x).dtype
    launches = chosen.lower(x).compiled.device_module.launches
    assert [launch.block for launch in launches] == [(512, 1, 1)]
    np.testing.assert_array_equal(chosen(x + 9), function(x + 9))  # with as many as there are
