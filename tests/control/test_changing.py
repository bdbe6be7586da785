"""Loops that write to where index arrays say, and that keep ever fewer elements of arrays."""

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.control.changing import changed_input
from mlc.errors import BoundsError
from mlc.ir.program import expressions_of, walk
from mlc.ir.rewrite import loads_of
from mlc.ops.placing import put_at


def _marked(marks, places, rounds):
    marks = marks.copy()
    for i in range(rounds):
        marks[places[i]] = marks[places[i] - 1] + i
    return marks


def test_arrays_are_changed_where_they_are():
    rng = np.random.default_rng(0)
    marks, places = rng.normal(size=300), rng.integers(1, 300, (40, 270))
    f = mlc.jit(_marked)
    np.testing.assert_array_equal(f(marks, places, 40), _marked(marks, places, 40))
    text = str(f.lower(marks, places, 40).program)
    inside = text[text.index("with T.while_(") :]
    copies = [line for line in inside.splitlines() if line.strip().startswith("marks_after[")]
    assert len(copies) == 2 and all("near0" in line or "select" in line for line in copies)


def test_a_program_that_changes_its_input_does_so_without_a_copy():
    x = te.placeholder((200,), "float64", name="x")
    at = te.placeholder((90,), "int64", name="at")
    program = put_at(x, [at], 1.0, items=(("array", 0),), ufunc=None).op.program
    found = changed_input(program)
    assert found is not None and found.number == 0
    assert program.params[0] in _read(program.body)
    assert program.params[0] not in _read(found.body)


def _read(body):
    return {n.source for s in walk(body) for e in expressions_of(s) for n in loads_of(e)}


def _both(x, places, rounds):
    total = np.zeros_like(x)
    for i in range(rounds):
        y = x.copy()
        y[places[i]] = -1.0
        total += x * y
        x[places[i]] = total[places[i]]
    return total, x


def test_what_is_needed_later_is_not_changed():
    rng = np.random.default_rng(1)
    x, places = rng.normal(size=50), rng.integers(0, 50, (9, 20))
    found, expected = mlc.jit(_both)(x.copy(), places, 9), _both(x.copy(), places, 9)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=9 * np.finfo(float).eps)


def _swapped(x, places, rounds):
    for i in range(rounds):
        x[places[i]] = x[places[i][::-1]]
    return x


def test_what_is_written_is_read_before():
    rng = np.random.default_rng(2)
    x = rng.normal(size=600)
    places = np.stack([rng.permutation(600)[:400] for _ in range(7)])
    np.testing.assert_array_equal(
        mlc.jit(_swapped)(x.copy(), places, 7), _swapped(x.copy(), places, 7)
    )


def test_a_place_outside_leaves_the_caller_s_array_as_it_was():
    x, places = np.arange(400.0), np.arange(360).reshape(3, 120) % 300
    places[2, 110] = 400
    kept = x.copy()
    with pytest.raises(BoundsError, match="index 400 is out of bounds for axis 0"):
        mlc.jit(_swapped)(x, places, 3)
    np.testing.assert_array_equal(x, kept)


def _survivors(x, at, n):
    found = np.zeros(x.shape, np.int64)
    last = np.zeros_like(x)
    for i in range(n):
        if not len(x):
            break
        x = x + 0.125
        out = x > 4.0
        found[at[out]] = i + 1
        last[at[out]] = x[out]
        x, at = x[~out], at[~out]
    return found, last, len(x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("size", [1, 63, 500])
def test_ever_fewer_elements(dtype, size):
    x = (np.random.default_rng(3).integers(-8, 30, size) / 8).astype(dtype)  # sums are exact
    f = mlc.jit(_survivors)
    for n in (3, 40):
        found, last, left = f(x, np.arange(size), n)
        again = _survivors(x, np.arange(size), n)
        np.testing.assert_array_equal(found, again[0])
        np.testing.assert_array_equal(last, again[1])
        assert left == again[2]


def _rows(x, n):
    total = 0.0
    for i in range(n):
        part = x[x > i * 0.2]
        total += part.sum() + part[: len(part) // 2].max(initial=0.0)
    return total


def test_elements_of_matrices():
    x = np.random.default_rng(4).normal(size=(20, 13))
    np.testing.assert_allclose(mlc.jit(_rows)(x, 7), _rows(x, 7), rtol=1e-13)
