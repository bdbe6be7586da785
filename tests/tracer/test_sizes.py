"""Results whose sizes the data decide, outside of native loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.array([3.0, 1.0, 2.0, 3.0, -1.0, 0.0])
Y = np.array([3.0, 3.0, 3.0, 1.0, 1.0, 2.0])
NONE = np.zeros(6)


def picked(x: Any) -> Any:
    part = x[x > 1]
    return part[::-1], part.shape[0], np.sort(part), part.mean()


def places(x: Any) -> Any:
    found = np.where(x > 1)[0]
    return x[found] * 2, len(found), x.nonzero(), np.argwhere(x > 1), np.flatnonzero(x)


def sets(x: Any) -> Any:
    return np.setdiff1d(x, [3.0, 0.0]), np.intersect1d(x, [1.0, 7.0]), np.union1d(x, [9.0])


def most_frequent(x: Any) -> Any:
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return values[np.argmax(counts)], inverse, counts / counts.sum()


def sorted_where(x: Any) -> Any:
    mask = x > 1
    z = x.copy()
    z[mask] = np.sort(x[mask])[::-1]
    return z


def counted(x: Any) -> Any:
    return np.bincount(np.abs(x).astype(int)), np.bincount(np.abs(x).astype(int), x)


def written_too(x: Any) -> Any:
    x[x > 1] *= 2
    low = x[x < 2]
    return low, low.size


def two_masks(x: Any) -> Any:
    return np.concatenate([x[x > 0], x[x > 1], x[:1]])


def rows(x: Any) -> Any:
    table = np.reshape(x, (3, 2))
    return table[table[:, 0] > 1], table[:, table.sum(axis=0) > 3], table[table > 2]


def run_over(x: Any) -> Any:
    total = 0.0
    for value in x[x > 1]:
        total = total * 2 + value
    return total


FUNCTIONS = [
    picked, places, sets, most_frequent, sorted_where, counted, written_too, two_masks, rows,
    run_over,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_sizes_are_those_of_numpy(function: Any) -> None:
    for x in (X, Y) if function is picked else (X, Y, NONE):
        check_against_numpy(function, x)


def with_both(x: Any, m: Any) -> Any:
    part = x[m]
    return part * 2, np.flatnonzero(m), np.sort(part)[:3].sum(), len(part), part.sum() > 0


def of_rows(x: Any, m: Any) -> Any:
    rows = np.reshape(x, (2, -1))[:, m[: x.size // 2]]
    return {"rows": rows, "complex": (x + 1j)[m], "pairs": np.argwhere(m)}


def of_sets(x: Any, m: Any) -> Any:
    values, counts = np.unique(x * m, return_counts=True)
    return values, counts, np.where(m)[0], np.setdiff1d(x, x * m)


def folded(x: Any, m: Any) -> Any:
    part = np.sort(x[m])
    whole = np.max(part, initial=-9.0), np.min(part, initial=9), np.prod(part), np.any(part > 2)
    return *whole, np.all(part < 3), np.argmax(part), np.median(x[m])


MASKED = np.random.default_rng(1).integers(-3, 4, 12) * 1.0


def masks() -> Any:
    for seed in range(4):
        yield np.random.default_rng(seed).random(12) < 0.2 + 0.2 * seed


@pytest.mark.parametrize("function", [with_both, of_rows, of_sets, folded])
def test_one_code_is_for_all_other_sizes(function: Any) -> None:
    f = mlc.jit(function)
    for m in masks():
        assert_same(f(MASKED, m), function(MASKED, m))
    assert len(f.cache_info()) == 2
    assert "the data choose any number of elements" in str(f.cache_info())


def assert_same(got: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        got, wanted = list(got.values()), list(wanted.values())
    for g, w in zip(got, wanted, strict=True):
        np.testing.assert_allclose(g, w)
        assert type(g) is type(w) and np.asarray(g).dtype == np.asarray(w).dtype
        if isinstance(g, np.ndarray):
            assert g.flags.c_contiguous and g.flags.writeable


def test_an_extreme_of_none_is_refused_for_any_size() -> None:
    f = mlc.jit(lambda x, m: np.max(np.sort(x[m])))
    for m in masks():
        assert f(MASKED, m) == np.max(MASKED[m])
    with pytest.raises(ValueError, match="zero-size array to reduction operation maximum"):
        f(MASKED, np.zeros(12, bool))


def test_each_size_has_its_code_where_there_is_none_for_all() -> None:
    f = mlc.jit(lambda x: np.fft.rfft(x[x > 0] - 1))
    for x in (X, Y, X + 1, Y, X):
        np.testing.assert_allclose(f(x), np.fft.rfft(x[x > 0] - 1), atol=1e-12)
    assert "the data choose 5 elements" in str(f.cache_info())


def test_products_are_of_what_a_mask_selects() -> None:
    def products(x: Any, m: Any) -> Any:
        return x[m] @ x[m], np.matmul(np.ones((2, 2)), np.reshape(x, (-1, 2))[m[:6]].T)

    check_against_numpy(products, MASKED, next(masks()))


def test_two_sizes_change_one_after_the_other() -> None:
    def both(x: Any, y: Any) -> Any:
        return np.unique(x), y[y > 1]

    f = mlc.jit(both)
    for x in (X, Y):
        for y in (Y, X, NONE):
            for got, wanted in zip(f(x, y), both(x, y), strict=True):
                assert np.array_equal(got, wanted)


def test_nothing_is_written_before_the_size_is_known_to_be_right() -> None:
    def halve(x: Any) -> Any:
        found = np.unique(x)
        x[...] = x / 2
        return found

    f = mlc.jit(halve)
    for x in (X, Y):
        got = x.copy()
        assert np.array_equal(f(got), np.unique(x))
        assert np.array_equal(got, x / 2)


def test_negative_numbers_cannot_be_counted() -> None:
    f = mlc.jit(np.bincount)
    assert np.array_equal(f(np.array([1, 3])), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="x must not be negative, got -3"):
        f(np.array([1, -3]))


@pytest.mark.parametrize("trim", ["fb", "f", "b"])
def test_zeros_are_trimmed(trim: str) -> None:
    compiled = mlc.jit(lambda x: np.trim_zeros(x, trim))
    for x in ([0, 0, 1, 0, 2.0, 0], [0, 0, 0.0], [3.0], [1, 0, 0, 0, 0.0]):
        np.testing.assert_array_equal(compiled(np.array(x)), np.trim_zeros(np.array(x), trim))


def test_places_to_delete_may_be_traced() -> None:
    x = np.array([[3.0, -1, 2], [0, 4, -5]])
    several = mlc.jit(lambda x, i: np.delete(x, i, axis=1))
    for places in ([0], [-1, 1], [1, 1, -2]):
        i = np.array(places)
        np.testing.assert_array_equal(several(x, i), np.delete(x, i, axis=1))
    chosen = mlc.jit(
        lambda x: (np.delete(x, np.where(x.ravel() < 0)[0]), np.delete(x, x[1] > 0, 1))
    )
    for got, want in zip(chosen(x), (np.array([3.0, 2, 0, 4]), np.delete(x, 1, 1))):
        np.testing.assert_array_equal(got, want)
    one = mlc.jit(lambda x, i: np.delete(x, i))
    for i in (0, 3, -1):
        np.testing.assert_array_equal(one(x, np.int64(i)), np.delete(x, i))


def test_sets_of_a_number_and_an_array_have_the_dtype_of_the_array() -> None:
    x = np.arange(4, dtype=np.int8)
    found = mlc.jit(lambda n, x: np.union1d(n, x))(2, x)
    assert found.dtype == np.union1d(2, x).dtype == np.int8


REDUCTIONS = ("sum", "prod", "mean", "var", "std", "any", "all", "max", "min")
OPTIONS: dict[str, Any] = {
    "where": lambda t: {"where": t > 1.5},
    "where, axis": lambda t: {"axis": 0, "where": t > 1.5},
    "where of another mask": lambda t: {"where": t[::-1] > 1.5},
    "where in a list": lambda t: {"where": [True, False, True, True]},
    "keepdims": lambda t: {"keepdims": True},
    "all": lambda t: {"axis": -1, "keepdims": True, "where": t > 1.5},
    "out": lambda t: {"out": np.zeros(()), "where": t > 1.5},
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_a_selection_take_all_options(name: str) -> None:
    def program(x: Any) -> Any:
        t = x[x > 0]
        found = []
        for option in OPTIONS.values():
            options = option(t)
            if name in ("max", "min") and "where" in options:
                options["initial"] = 2.5
            found += [getattr(t, name)(**options), getattr(np, name)(t, **options)]
        return found

    check_against_numpy(program, X)


def test_options_by_their_places() -> None:
    def program(x: Any) -> Any:
        t = x[x > 0]
        return t.max(0, None, True, 9.0), np.sum(t, 0, np.float32, None, True), t.any(None, None)

    check_against_numpy(program, X)


def test_settings_of_a_ufunc_are_no_arrays() -> None:
    def program(x: Any) -> Any:
        t = x[x > 0]
        return np.add(t, True, dtype=np.float32, casting="unsafe"), np.add(t, t, dtype=float)

    check_against_numpy(program, X)
    check_against_numpy(program, np.array(1, np.uint32))


@pytest.mark.parametrize("shape", [(5, 0), (3, 2), (6,)])
def test_the_axes_of_a_mask_are_kept_as_one(shape: tuple[int, ...]) -> None:
    def program(x: Any) -> Any:
        t = x[x > 0]
        return np.sum(t, keepdims=True), (t * 1j).sum(axis=0, keepdims=True)

    check_against_numpy(program, np.resize(X, shape))


def test_a_selection_in_nested_lists() -> None:
    def program(x: Any) -> Any:
        t = x[x > 0]
        return np.block([[t, t], [t, -t]]), np.array([[t, t], [t, t]]), np.max([[t], [-t]], axis=0)

    check_against_numpy(program, X)


def test_where_needs_a_first_value_for_the_greatest() -> None:
    with pytest.raises(mlc.ShapeError, match=r"np\.max has no identity, so where= needs initial="):
        mlc.jit(lambda x: x[x > 0].max(where=x[x > 0] > 1))(X)


def test_a_selection_beside_what_has_more_axes() -> None:
    def beside(x: Any) -> Any:
        chosen = x[(x > -2.5) & (x < 3)] * 2
        return chosen + x.T, x.T[:, :, None] * chosen, np.maximum(chosen, x.T).sum(axis=0)

    x = np.array([[-3.0, 0.5, -4.0, 4.5, 2.0]])
    for got, expected in zip(mlc.jit(beside)(x), beside(x), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.shape == expected.shape


def test_a_ufunc_into_a_selection_leaves_what_where_leaves_out() -> None:
    def negated(x: Any) -> Any:
        chosen = x[(x > -2) & (x < 3)] * 2
        np.negative(chosen, out=chosen, where=chosen > 0)
        return chosen

    x = np.array([-3.0, -1.5, 0.0, 1.0, 2.5, 7.0])
    np.testing.assert_array_equal(mlc.jit(negated)(x), negated(x))


def test_each_side_of_a_difference_has_one_nan() -> None:
    def apart(x: Any, y: Any) -> Any:
        return np.setxor1d(x, y)

    nan = np.nan
    for x, y in (([nan, 1, nan], [nan, 2]), ([nan, nan], [1.0]), ([3.0, 1, 3], [1.0, 2])):
        a, b = np.array(x), np.array(y)
        np.testing.assert_array_equal(mlc.jit(apart)(a, b), apart(a, b))


def converted(x: Any) -> Any:
    part = x[x > 1]
    same, copied = np.asarray(part, dtype=float), np.array(part)
    same[0] = 7.0
    return part, same, copied, np.ascontiguousarray(x[x < 1]), np.copy(part), np.array(part, "f4")


def converted_in_a_branch(x: Any) -> Any:
    if x.sum() == 0:
        return 0.0, 0.0
    part = np.asarray(x[x > 1], dtype=np.float64)
    return np.sum(part * np.array(part)), np.asarray(part).max()


@pytest.mark.parametrize("function", [converted, converted_in_a_branch])
def test_selections_are_arrays_already(function: Any) -> None:
    check_against_numpy(function, X)
    compiled = mlc.jit(function)
    for x in (X, Y, X[::-1].copy(), X + 1):
        for got, wanted in zip(compiled(x), function(x), strict=True):
            np.testing.assert_allclose(got, wanted)
