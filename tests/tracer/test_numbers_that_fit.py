"""Python ints that become the dtype of what is beside them: those that do not fit end in NumPy's
OverflowError, whichever values the code was compiled for before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc

DTYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]


def _put(x: Any, n: Any) -> Any:
    np.put(x, [1], n)
    return x


def _masked(x: Any, n: Any) -> Any:
    x[x > 1] = n
    return x


def _added(x: Any, n: Any) -> Any:
    x += n
    return x


def _element(x: Any, n: Any) -> Any:
    x[1] = n
    return x


def _listed(x: Any, n: Any) -> Any:
    x[1:3] = [n, 1]
    return x


def _where_masked(x: Any, n: Any) -> Any:
    np.putmask(x, x > 1, n)
    return x


def _in_a_loop(x: Any, n: Any) -> Any:
    for i in range(len(x)):
        x[i] = n
    return x


def _in_a_branch(x: Any, n: Any) -> Any:
    if x[0] > 0:
        x = x + n
    return x


def _caught(x: Any, n: Any) -> Any:
    try:
        return x + n
    except OverflowError:
        return x - x


def _times_rounds(x: Any, n: Any) -> Any:
    for i in range(3):
        x = x + n * i
    return x


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, n: x + n,
    "maximum": lambda x, n: np.maximum(x, n),
    "add to a scalar": lambda x, n: x[1] + n,
    "add of a dtype": lambda x, n: np.add(x, n, dtype=x.dtype),
    "less": lambda x, n: x < n,
    "where": lambda x, n: np.where(x > 1, x, n),
    "full": lambda x, n: np.full(2, n, x.dtype),
    "full_like": lambda x, n: np.full_like(x, n),
    "array": lambda x, n: np.array(n, x.dtype),
    "array of a list": lambda x, n: np.array([n, 1], x.dtype),
    "initial": lambda x, n: np.max(x, initial=n),
    "twice": lambda x, n: x + n * 2,
    "from another": lambda x, n: np.bitwise_or(x, 5 - n),
    "multiples": _times_rounds,
    "put": _put,
    "store": _element,
    "store of a list": _listed,
    "masked store": _masked,
    "putmask": _where_masked,
    "in place": _added,
    "in a loop": _in_a_loop,
    "in a branch": _in_a_branch,
    "caught": _caught,
}
JITTED = {name: mlc.jit(call) for name, call in CALLS.items()}


def _outcome(call: Any, x: Any, *numbers: int) -> Any:
    try:
        found = call(x.copy(), *numbers)
    except OverflowError as error:
        return str(error).splitlines()[0]
    return found.dtype, found.tolist()


def _numbers(dtype: str) -> st.SearchStrategy[int]:
    ends = np.iinfo(dtype)
    near = st.tuples(st.sampled_from([ends.min, ends.max, 0]), st.integers(-3, 3)).map(sum)
    return (near | st.integers(-(2**62), 2**62)).filter(lambda n: -(2**62) <= n < 2**62)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_as_numpy_whatever_was_called_before(name: str) -> None:
    @settings(max_examples=6, deadline=None, derandomize=True)
    @given(st.data())
    def check(data: Any) -> None:
        dtype = data.draw(st.sampled_from(DTYPES))
        x = np.arange(data.draw(st.integers(0, 1)), 5).astype(dtype)
        for n in data.draw(st.lists(_numbers(dtype), min_size=2, max_size=4)):
            with np.errstate(all="ignore"):
                assert _outcome(JITTED[name], x, n) == _outcome(CALLS[name], x, n), (x, n)

    check()


@pytest.mark.parametrize("numbers", [(7, 300, 8), (300, 7, -1, 8)])
def test_one_compilation_serves_all_numbers_that_fit(numbers: tuple[int, ...]) -> None:
    add, x = mlc.jit(lambda x, n: x + n), np.arange(4, dtype=np.uint8)
    for n in numbers * 10:
        assert _outcome(add, x, n) == _outcome(lambda x, n: x + n, x, n), n
    assert len(add.cache_info()) == 1


def test_numbers_in_trees_by_keyword_and_beside_out() -> None:
    @mlc.jit
    def shifted(x: Any, how: Any, *, by: Any = 1) -> Any:
        return (x + how["low"][0]) * by

    x, out = np.arange(4, dtype=np.uint8), np.zeros(4, np.uint8)
    for low, by in [(1, 2), (256, 2), (2, -1), (3, 255), (1, 256)]:
        fits = 0 <= low < 256 and 0 <= by < 256
        for more in ({}, {"out": out}):
            if not fits:
                with pytest.raises(OverflowError, match="out of bounds for uint8"):
                    shifted(x, {"low": (low,)}, by=by, **more)
                continue
            found = shifted(x, {"low": (low,)}, by=by, **more)
            np.testing.assert_array_equal(found, (x + np.uint8(low)) * np.uint8(by))


def test_what_does_not_fit_in_a_branch_not_taken_is_none_of_its_business() -> None:
    branch, x = mlc.jit(_in_a_branch), np.arange(4, dtype=np.uint8)
    for n in (5, 300, 300, 6):
        np.testing.assert_array_equal(branch(x, n), x)


@pytest.mark.parametrize("ends", [(-1, 5), (0, 300), (300, 5), (0, -1), (-1, 300)])
def test_ends_of_clip_that_bound_nothing_may_be_beyond(ends: tuple[int, int]) -> None:
    x = np.arange(4, dtype=np.uint8)
    clip, clipped = mlc.jit(np.clip), mlc.jit(lambda x: np.clip(x, *ends))
    assert _outcome(clip, x, 1, 2) == _outcome(np.clip, x, 1, 2)
    expected = _outcome(np.clip, x, *ends)
    assert _outcome(clip, x, *ends) == _outcome(clipped, x) == expected


def test_numbers_that_are_known_while_tracing() -> None:
    x = np.arange(4, dtype=np.uint8)
    for call in (_masked, _listed, _element, _where_masked, CALLS["initial"], CALLS["array"]):
        known = mlc.jit(call, static_argnames="n")
        for n in (7, 300, -1):
            assert _outcome(known, x, n) == _outcome(call, x, n), (call, n)


MADE = {
    "product": lambda x, n, m: x + n * m, "half": lambda x, n, m: x - n // 2 + m % 5,
    "sum": lambda x, n, m: x * (n + 2 * m), "greater": lambda x, n, m: x + max(n, m - 1),
    "less": lambda x, n, m: x + min(n, 7), "square": lambda x, n, m: x + (n**2 - m) // 3,
}  # fmt: skip


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_numbers_made_of_several_fit_or_raise_as_in_numpy(made: str, dtype: str) -> None:
    function = MADE[made]
    jitted = mlc.jit(function)
    x = np.arange(3).astype(dtype)
    for n, m in ((3, 2), (20, 30), (-20, 30), (100, 1), (1, -3), (1000, 1), (3, 4)):
        assert _outcome(jitted, x, n, m) == _outcome(function, x, n, m), (n, m)


def test_numbers_that_are_small_are_one_compilation() -> None:
    jitted = mlc.jit(lambda x, n, m: x + n * m)
    for n in range(-7, 8):
        assert jitted(np.ones(2, np.int8), n, 5).tolist() == [1 + 5 * n] * 2
        assert jitted(np.ones(2, np.uint8), n + 7, 5).tolist() == [36 + 5 * n] * 2
    assert len(jitted.cache_info()) == 2


def test_no_number_fits_two_places_that_are_far_apart() -> None:
    def function(x: Any, n: int) -> Any:
        return x + n, x + (n - 1000)

    jitted, x = mlc.jit(function), np.ones(2, np.int8)
    for n in (5, 1005, 500):
        with pytest.raises(OverflowError, match="out of bounds for int8"):
            jitted(x, n)
