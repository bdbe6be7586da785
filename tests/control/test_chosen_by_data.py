"""Numbers that must be known while tracing and that data decide: code for each that was met."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

NAMES = ("red", "green", "blue")


def entropy(labels: Any) -> Any:
    shares = np.bincount(labels) / len(labels)
    return -np.sum([p * np.log2(p) for p in shares if p > 0])


def sized(labels: Any) -> Any:
    return np.zeros(int(labels.sum())) + labels[0]


def named(labels: Any) -> Any:
    return NAMES[labels[0]], {0: "a", 1: "b", 2: "c"}[int(labels[1])]


def counted(labels: Any) -> Any:
    return Counter(labels).most_common(1)[0][0]


def above(labels: Any) -> Any:
    return any(v > 1 for v in labels), sum(1 for v in labels if v == 0)


def spread(labels: Any) -> Any:
    x = labels / 2
    return (
        np.arange(x.min(), x.max() + 0.3, x.max() / 5),
        np.arange(labels.max()),
        np.arange(labels[0], 9, 2),
    )


def chosen_in_loop(labels: Any) -> Any:
    values = [1.0, 20.0, 300.0]
    total = 0.0
    for label in labels:
        total += values[label]
    return total


def between(labels: Any) -> Any:
    return np.linspace(labels.min(), labels.max(), labels[0] + labels[1])


ALL = [between, entropy, sized, named, counted, above, spread, chosen_in_loop]


@pytest.mark.parametrize("function", ALL)
def test_each_choice_has_its_code(function: Callable[..., Any]) -> None:
    compiled = mlc.jit(function)
    for labels in ([2, 1, 0, 2], [1, 1, 2, 0], [2, 1, 0, 2]):
        wanted, found = function(np.array(labels)), compiled(np.array(labels))
        if isinstance(wanted, tuple) and isinstance(wanted[0], str):
            assert found == wanted
            continue
        for a, b in zip(
            *(v if isinstance(v, tuple) else (v,) for v in (found, wanted)), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-14)
            assert np.asarray(a).dtype == np.asarray(b).dtype
    assert len(compiled.cache_info().rows) <= 2


def test_the_reason_of_a_compilation_is_told() -> None:
    compiled = mlc.jit(sized)
    compiled(np.array([1, 2])), compiled(np.array([1, 3]))
    assert "the data choose 4" in str(compiled.cache_info())


def test_what_is_written_before_is_written_once() -> None:
    def function(x: Any, n: Any) -> Any:
        x += 1
        return np.ones(n[0]) * x[0]

    compiled, x = mlc.jit(function), np.zeros(2)
    for k in (3, 2, 3):
        assert compiled(x, np.array([k])).shape == (k,)
    np.testing.assert_array_equal(x, 3.0)


def test_too_many_are_refused() -> None:
    def function(x: Any) -> Any:
        return [name for name, v in zip("abcdefgh" * 5, x) if v > 0]

    with pytest.raises(mlc.TracerBoolError, match="the data have chosen 16 times in this function"):
        mlc.jit(function)(np.ones(40))


def test_copies_as_the_array_interface_of_others_asks_for_them() -> None:
    def function(x: Any) -> Any:
        return np.array(x, copy=np._CopyMode.IF_NEEDED) + np.array(x, copy=np._CopyMode.ALWAYS)

    np.testing.assert_array_equal(mlc.jit(function)(np.arange(3.0)), [0, 2, 4])


def test_numbers_of_steps_from_numbers() -> None:
    def grid(first: float, last: float, step: float) -> Any:
        count = int((last - first) / step)
        return np.linspace(first, last, count + 1), np.zeros(count)

    for wanted, found in zip(grid(0.0, 1.0, 0.25), mlc.jit(grid)(0.0, 1.0, 0.25), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-15)


def test_sizes_are_computed_in_one_trace() -> None:
    """However many sizes data choose: what the function does beside is done once."""
    done = []

    def chosen(x: Any) -> Any:
        done.append(1)
        kept = [x[k] for k in range(6) if x[k] > 0]
        return len(kept), len(np.unique(x)), sum(kept)

    x = np.array([1.0, -2.0, 3.0, 3.0, -5.0, 6.0])
    assert mlc.jit(chosen)(x) == (4, 5, 13.0)
    assert len(done) == 1


def test_floats_among_the_arguments_choose_as_data_do() -> None:
    def missing(force: float, area: float, distance: float) -> Any:
        if (force, area, distance).count(0) != 1:
            raise ValueError("one of them has to be 0")
        if force == 0:
            return {"force": area / distance}
        return {"area": force * distance} if area == 0 else {"distance": area / force}

    fast = mlc.jit(missing)
    for given in ((0.0, 4.0, 0.5), (2.0, 0.0, 0.5), (2.0, 3.0, 0.0), (0, 4, 0.25)):
        assert fast(*given) == missing(*given)
    with pytest.raises(ValueError, match="one of them"):
        fast(1.0, 2.0, 3.0)


def test_draws_that_choose_sizes_beside_numbers() -> None:
    """Numbers that become static while a call is run again are no inputs any more."""

    def around(items: list[int], index: int) -> Any:
        pivot = items[np.random.randint(0, len(items))]
        less = [item for item in items if item < pivot]
        return pivot, len(less), less[np.random.randint(0, len(less))] if len(less) > index else -1

    fast = mlc.jit(around)
    for seed in range(4):
        np.random.seed(seed)
        wanted = around([3, 2, 2, 9, 9], 1)
        np.random.seed(seed)
        assert fast([3, 2, 2, 9, 9], 1) == wanted


def summed_upwards(x: Any, n: Any) -> Any:
    total, last = 0, -1
    for i in range(n.sum()):
        total, last = total + x * i, i
    return total, last


def summed_downwards(x: Any, n: Any) -> Any:
    total, k = 0, 0
    for i in range(n.sum(), 0, -1):
        if x[0] > i:
            k += 1
        total = total * 2 + x
    return total, k


@pytest.mark.parametrize("f", [summed_upwards, summed_downwards])
def test_whether_a_loop_begins_that_makes_a_number_an_array(f: Callable[..., Any]) -> None:
    x, compiled = np.array([1.5, -2]), mlc.jit(f)
    for n in (3, 0, 1, -2, 4):
        for found, want in zip(compiled(x, np.array([n])), f(x, np.array([n])), strict=True):
            assert np.shape(found) == np.shape(want)
            np.testing.assert_array_equal(found, want)
    assert len(compiled.cache_info()) <= 3


def sized_in_branch(x: Any) -> Any:
    total = 0.0
    if x.min() < 0:
        total = np.ones(int(x.max())).sum() + len(x)
    return total


def sized_in_branches(x: Any) -> Any:
    if x[0] < 0:
        return np.arange(int(x.max()))
    elif x[0] > 3:
        x = np.zeros(int(x.min())) + x.sum()
    return x


def narrowed(x: Any) -> Any:
    if x.min() < 0:
        x = x.astype(np.min_scalar_type(x.max() - x.min())) - x.min()
    return x


@pytest.mark.parametrize("f", [sized_in_branch, sized_in_branches, narrowed])
def test_numbers_that_must_be_known_in_branches(f: Callable[..., Any]) -> None:
    compiled = mlc.jit(f)
    for x in ([-3, 4, 5], [3, 4, 5], [5, 4, 5], [-3, 4, 500], [-3, 4, 5]):
        found, want = compiled(np.array(x)), f(np.array(x))
        np.testing.assert_array_equal(found, want)
        assert np.asarray(found).dtype == np.asarray(want).dtype


def test_arguments_that_must_be_known_in_branches() -> None:
    """There is code for their values, with both branches in it."""

    def padded(x: Any, n: int) -> Any:
        if x[0] > 0:
            x = x + np.arange(n).sum()
        return x

    compiled = mlc.jit(padded)
    for start in (1.0, -1.0):
        x = np.array([start, 2.0])
        np.testing.assert_array_equal(compiled(x, 3), padded(x, 3))
    assert len(compiled.cache_info()) == 1


@pytest.mark.parametrize("kind", "?bBhHiIlLefd")
def test_smallest_types_of_numbers(kind: str) -> None:
    compiled = mlc.jit(lambda x: np.zeros(2, np.min_scalar_type(x.max())))
    if kind in "efd":
        numbers = [1.0, -64999.0, 65000.0, 3.3e38, 3.4e38, np.inf, np.nan]
    else:
        least, most = (0, 1) if kind == "?" else (np.iinfo(kind).min, np.iinfo(kind).max)
        numbers = [0, 1, -1, 127, -128, -129, 255, 256, -(2**15) - 1, 2**16, 2**32, least, most]
        numbers = [n for n in numbers if least <= n <= most]
    for n in numbers:
        with np.errstate(over="ignore"):
            x = np.array([n]).astype(kind)
        assert compiled(x).dtype == np.min_scalar_type(x.max()), n
    assert mlc.jit(np.min_scalar_type)(np.ones(2, kind)) == np.dtype(kind)
