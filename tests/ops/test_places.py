"""Places that data choose: blocks of truth values, their ends, and room that is less."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target
from mlc.errors import BoundsError

LENGTHS = 1, 63, 64, 65, 200, 1031
SHARES = 0.0, 0.02, 0.5, 0.98, 1.0


def masks(n: int) -> list[np.ndarray]:
    random = np.random.default_rng(n)
    return [random.random(n) < share for share in SHARES]


@pytest.mark.parametrize("n", LENGTHS)
def test_places_are_those_of_numpy_for_masks_as_they_lie(n: int) -> None:
    places = mlc.jit(np.flatnonzero)
    for mask in masks(n):
        for laid in (mask, mask[::-1], np.repeat(mask, 2)[::2]):
            np.testing.assert_array_equal(places(laid), np.flatnonzero(laid))


@pytest.mark.parametrize("n", LENGTHS)
def test_room_that_is_left_is_filled_and_what_does_not_fit_is_refused(n: int) -> None:
    size = n // 2 + 2
    some = mlc.jit(lambda mask: mlc.numpy.flatnonzero(mask, size=size, fill_value=-7))
    for mask in masks(n):
        wanted = np.flatnonzero(mask)
        if len(wanted) <= size:
            found = some(mask)
            np.testing.assert_array_equal(found[: len(wanted)], wanted)
            assert (found[len(wanted) :] == -7).all()
        else:
            with pytest.raises(BoundsError, match=f"more is found than size={size} has room for"):
                some(mask)


def test_the_number_may_change_from_call_to_call() -> None:
    chosen = mlc.jit(lambda x: x[x > 0.5])
    random = np.random.default_rng(0)
    for n in (3, 3, 200, 0, 517):
        x = np.zeros(700, np.float32)
        x[random.permutation(700)[:n]] = 1 + random.random(n, np.float32)
        np.testing.assert_array_equal(chosen(x), x[x > 0.5])


@pytest.mark.parametrize("place", [0, 7, -1, [3, 1, 20], slice(2, 30, 3), []])
def test_what_is_deleted_and_inserted_leaves_runs_of_the_rest(place: object) -> None:
    x, rows = np.arange(37.0), np.arange(37.0 * 3).reshape(37, 3)
    for axis, source in ((None, x), (0, rows)):
        for function in (
            lambda x, axis=axis: np.delete(x, place, axis),
            lambda x, axis=axis: np.insert(x, place, -1.0, axis),
        ):
            np.testing.assert_array_equal(mlc.jit(function)(source), function(source))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8"])
def test_chosen_elements_are_those_of_numpy_as_they_lie(dtype: str) -> None:
    chosen = mlc.jit(lambda x, mask: x[mask])
    random = np.random.default_rng(1)
    for n, share in ((65, 1.0), (200, 0.5), (1031, 0.03)):
        x, mask = random.integers(0, 99, 2 * n).astype(dtype), random.random(2 * n) < share
        for a, m in ((x, mask), (x[::-1], mask), (x[::2], mask[::2])):
            np.testing.assert_array_equal(chosen(a, m), a[m])


def test_rows_at_places_are_loaded_in_whole_vectors():
    """The places are wider than the elements, but the same in all lanes."""
    x = np.arange(70 * 203, dtype=np.uint8).reshape(70, 203)
    places = np.random.default_rng(0).integers(-70, 70, 40)
    f = mlc.jit(lambda x, places: x[places])
    np.testing.assert_array_equal(f(x, places), x[places])
    assert f"load <{host_target().vector_bits // 8} x i8>" in f.lower(x, places).llvm


def put_by(ufunc, shape, key):
    """``ufunc.at`` on zeros, or an assignment without one."""

    def function(values, *indices):
        x = np.zeros(shape, values.dtype)
        at = key(*indices)
        if ufunc is None:
            x[at] = values
        else:
            ufunc.at(x, at, values)
        return x

    return function


WRITES = {  # shape, key, shape of values, of indices
    "many": ((40,), lambda i: i, (700,), [(700,)]),
    "few": ((40,), lambda i: i, (5,), [(5,)]),
    "rows": ((40, 70), lambda i: i, (300, 70), [(300,)]),
    "rows of rows": ((40, 3, 5), lambda i: i, (300, 3, 5), [(300,)]),
    "columns": ((6, 40), lambda i: (slice(None), i), (6, 300), [(300,)]),
    "parts": ((6, 40, 9), lambda i: (slice(1, None, 2), i, slice(None, None, -2)), (5,), [(300,)]),
    "two": ((40, 40), lambda i, j: (i, j), (513,), [(513,), (513,)]),
    "two apart": ((40, 7, 40), lambda i, j: (i, slice(2, 5), j), (300, 3), [(300,), (300,)]),
    "grid": ((40,), lambda i: i, (3, 260), [(3, 260)]),
    "broadcast": ((40, 40), lambda i, j: (i, j), (3, 260), [(3, 1), (260,)]),
    "number": ((5, 40), lambda i: (3, i), (256,), [(256,)]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_writes_to_places_come_one_after_the_other(name):
    shape, key, size, indices = WRITES[name]
    rng = np.random.default_rng(5)
    values = rng.standard_normal(size).astype(np.float32)
    if "apart" in name or name == "parts":
        values = np.broadcast_to(
            values, np.zeros(shape)[key(*map(np.zeros, indices, [int] * 2))].shape
        )
    places = [rng.integers(-5, 5, each) for each in indices]
    for ufunc in (None, np.add, np.maximum):
        function = put_by(ufunc, shape, key)
        compiled = mlc.jit(function)
        np.testing.assert_array_equal(compiled(values, *places), function(values, *places))
        for bad in (40, -41):
            outside = [p.copy() for p in places]
            outside[-1].flat[-2] = bad
            with pytest.raises(BoundsError, match=f"index {bad} is out of bounds for axis"):
                compiled(values, *outside)


UNARY = np.negative, np.sqrt, np.square, np.logical_not, np.isnan, np.floor, np.abs


@pytest.mark.parametrize("ufunc", UNARY)
def test_what_takes_one_argument_is_done_as_often_as_a_place_is_named(ufunc):
    def function(x, i):
        ufunc.at(x, i)
        ufunc.at(x, [0, 1, 1, 1, -1])
        ufunc.at(x, (slice(None, None, 2), [0, 0]) if x.ndim > 1 else slice(2))
        return x

    i = np.array([[2, 3, 3], [3, -1, 2]])
    for x in (np.arange(1.0, 6), np.arange(40, dtype=np.float32).reshape(5, 8), np.arange(5)):
        want = x.copy()
        function(want, i)
        got = mlc.jit(function)(x.copy(), i)
        np.testing.assert_allclose(got, want, rtol=1e-6)
        assert got.dtype == want.dtype
    with pytest.raises(BoundsError):
        mlc.jit(function)(np.ones(5), i + 9)
    with pytest.raises(ValueError, match="Only single output ufuncs"):
        mlc.jit(lambda x: np.modf.at(x, [0]))(np.ones(3))


def test_one_code_writes_to_places_of_many_sizes():
    function = put_by(np.add, (100,), lambda i: i)
    n = mlc.dim("n")
    compiled = mlc.jit(function, dynamic={"values": {0: n}, "indices": {0: n}})
    rng = np.random.default_rng(0)
    for size in (300, 1000, 4097, 256):
        values, places = rng.standard_normal(size), rng.integers(0, 100, size)
        np.testing.assert_allclose(compiled(values, places), function(values, places))
    assert len(compiled.cache_info()) == 1
