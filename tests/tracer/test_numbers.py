"""Python numbers made of traced values, and what may not leave a jitted function."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlc
from mlc.testing import check_against_numpy

X = np.arange(6.0, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("target", ["cpu", "interpret"])
def test_items_promote_as_python_numbers(target: str) -> None:
    def weak(x: Any) -> Any:
        n = x.astype(np.int8)[1, 2].item()
        return x * x[1, 1].item(), x.item(4) + x.item(1, 0), x.item((1, 2)) * n, n

    check_against_numpy(weak, X, target=target)
    jitted: Any = mlc.jit(weak, target=target)
    scaled, total, product, n = jitted(X)
    assert scaled.dtype == np.float32
    assert (type(total), type(product), type(n)) == (float, float, int)


def test_an_item_keeps_its_value_when_the_array_changes() -> None:
    def swap(x: Any) -> Any:
        first = x[0].item()
        x[0] = x[1].item()
        x[1] = first
        return x

    check_against_numpy(swap, np.array([1.0, 2.0]))


def test_lists_hold_items() -> None:
    check_against_numpy(lambda x: sum(x[0].tolist()) * x, X)
    check_against_numpy(lambda x: [x.tolist(), x[0, 0].tolist()], X)
    for x in (np.ones(70_000), np.ones(600, np.uint64)):  # of which each may be no Python number
        with pytest.raises(mlc.UnsupportedError, match=f"a list of the {x.size} elements of a"):
            mlc.jit(lambda x: x.tolist())(x)


def test_arrays_have_no_item() -> None:
    for where in ((), (0, 1, 2)):
        check_against_numpy(lambda x, where=where: x.item(*where), X)


class Holder:
    def __init__(self, value: Any) -> None:
        self.value = value


class Strict(Holder):
    def __new__(cls, value: Any) -> Any:
        return super().__new__(cls)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x.flat, "<lambda> returns a Flat of a traced array, which is no array; return"),
        (lambda x: (row for row in x), "<lambda> returns a generator, which would run after"),
        (lambda x: map(np.sum, x), "<lambda> returns a map, which would run after tracing has"),
        (lambda x: [Strict(x)], "<lambda> returns a Strict whose value is a traced value, and obj"),
        (lambda x: {"x": x}.values(), "<lambda> returns a dict_values that holds traced values, "),
        (lambda x: f"{x.sum():.2f}", "<lambda> returns or keeps a text made of traced float32[] "),
        (lambda x: (x, [str(x)]), "<lambda> returns or keeps a text made of traced float32["),
        (lambda x: {f"{x[0]}": 1}, "<lambda> returns or keeps a text made of traced float32["),
        (lambda x: {str(x).encode()}, "<lambda> returns or keeps a text made of traced float32["),
        (lambda x: Holder(repr(x * 1j)), "<lambda> returns or keeps a text made of traced complex"),
        (lambda x: np.array([str(x)]), "<lambda> returns or keeps a text made of traced float32"),
    ],
)
def test_what_only_tracing_knows_does_not_leave(function: Any, text: str) -> None:
    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.jit(function)(X)
    assert str(caught.value).startswith(text)


def test_no_text_that_shows_a_traced_value_is_kept_in_an_object() -> None:
    holder = Holder("")

    def note(x: Any) -> Any:
        holder.value = f"{x.sum()}"
        return x

    with pytest.raises(mlc.UnsupportedError, match="keeps a text made of traced float32"):
        mlc.jit(note)(X)
    assert holder.value == ""


def test_texts_of_numbers_among_the_arguments_are_theirs() -> None:
    def named(x: Any, n: Any) -> Any:
        return x * n, f"{n} {x.shape} {x.dtype}"

    for n in (2, 3, 0.5):
        check_against_numpy(named, X, n)


def test_sets_hold_what_the_data_choose_and_are_new_at_each_call() -> None:
    def signs(x: Any) -> Any:
        return {x[0] > 0, x[1] > 0}, frozenset([(int(x[0]), 7)]), {1, 2}

    fast = mlc.jit(signs)
    for x in ([1.0, 2.0], [1.0, -2.0], [-3.0, -2.0]):
        found, expected = fast(np.array(x)), signs(np.array(x))
        assert found == expected and {type(v) for v in found[0]} == {np.bool}
        found[2].add(3)


def test_other_objects_may_leave() -> None:
    holder = Holder(3)
    returned: Any = mlc.jit(lambda x: (x + 1, holder, range(3), len))(X)
    assert returned[1:] == (holder, range(3), len)


def _int(x: Any) -> Any:
    return int(x[0]) % 7, x[1].item()


LARGE = "int\\(\\) of uint64 gives a number that is no int64, and compiled code computes"


def test_what_is_no_int64_is_no_python_int() -> None:
    check_against_numpy(_int, np.array([2**63 - 1, 3], dtype=np.uint64))
    for large in ([2**63, 3], [3, 2**64 - 1]):
        with pytest.raises(OverflowError, match=LARGE):
            mlc.jit(_int)(np.array(large, dtype=np.uint64))

    def chosen(x: Any) -> Any:
        total = 0
        for i in range(len(x)):
            if x[i] < 2**63:
                total += int(x[i])
        return total

    x = np.arange(40, dtype=np.uint64)
    x[7] = 2**63  # whose branch is not run
    assert mlc.jit(chosen)(x) == chosen(x)


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.nan, "float NaN"), (-np.inf, "float infinity"), (1e19, "no int64"), (-1e19, "no int64")],
)
def test_floats_that_are_no_integers_end_a_call_in_debug_mode(value: float, text: str) -> None:
    with mlc.config.override(debug=True):
        jitted: Any = mlc.jit(_int)
        with pytest.raises((ValueError, OverflowError), match=text):
            jitted(np.array([value, 1.0]))
        assert jitted(np.array([-9.9, 1.0])) == (-9 % 7, 1.0)


def test_the_truth_of_many_complex_numbers_is_ambiguous() -> None:
    for x in (np.array([0j]), np.array([[2j]]), np.array([np.nan * 1j])):
        check_against_numpy(lambda x: (bool(x), bool(x + 1), not x), x)
    for x in (np.zeros(2, complex), np.zeros(0, complex)):
        with pytest.raises(ValueError, match=r"the truth value of an .*array.* is ambiguous"):
            mlc.jit(bool_of)(x)


def bool_of(x: Any) -> Any:
    return bool(x)


def _as_bits(value: float) -> bytes:
    return struct.pack("d", value)


DECIMALS = st.tuples(st.integers(0, 10**12), st.integers(0, 12)).map(lambda p: p[0] / 10 ** p[1])
SPECIAL = [2.675, 3.345, -1.005, 0.125, -0.375, 2.5, -0.0, -0.3, 5e-324, 1e15 + 0.3, 2.0**53 - 1]


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 7, 22])
def test_round_of_python_floats_is_exact(digits: int) -> None:
    jitted: Any = mlc.jit(lambda x: round(x, digits))

    @given(st.one_of(DECIMALS, DECIMALS.map(lambda x: -x), st.floats(allow_nan=False)))
    def check(x: float) -> None:
        assert _as_bits(jitted(x)) == _as_bits(round(x, digits))

    check()
    for x in [*SPECIAL, np.inf]:
        assert _as_bits(jitted(x)) == _as_bits(round(x, digits))
    assert np.isnan(jitted(np.nan))


def test_round_of_numpy_floats_is_numpys() -> None:
    x = np.array(SPECIAL)
    got = mlc.jit(lambda x: [round(item, 2) for item in x])(x)
    assert got == [round(item, 2) for item in x]
    assert all(isinstance(item, np.float64) for item in got)
