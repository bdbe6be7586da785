"""A sample of what ``python -m tests.differential --errors`` does, and what it has found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

from .compare import check
from .program import NumPyProgram
from .raising import check_raising, draw_raising

A = np.arange(12.0).reshape(3, 4)
V = np.arange(3.0)
U = np.array([5, 6], np.uint32)
Z = np.array(2.0)


def test_what_numpy_refuses_is_refused() -> None:
    for seed in range(60):
        program = draw_raising(seed)
        outcome = check_raising(program)
        assert outcome.kind == "same", f"seed {seed}: {outcome.text}\n{program.source}"
        assert outcome.raised


@pytest.mark.parametrize(
    ("statement", "argument"),
    [
        ("t0 = np.einsum('ii,i->i', a0, np.ones(7))", np.ones((7, 1))),
        ("t0 = np.tensordot(a0, a0, axes=((0, -1), (0, -1)))", V),
        ("t0 = np.tensordot(a0, a0, axes=((0, 0), (0, 1)))", np.ones((3, 3))),
        ("t0 = np.matvec(a0, a0)", V),
        ("t0 = np.matvec(a0, a0)", V + 1j),
        ("t0 = np.vecmat(a0, a0)", V),
        ("t0 = np.linalg.matrix_power(a0, 1)", A),
        ("t0 = np.linalg.matrix_power(a0, 1)", A + 1j),
        ("t0 = np.linalg.matrix_power(a0, 1)", V),
        ("t0 = np.round(a0, decimals=-1)", A > 3),
        ("t0 = np.fft.fftshift(a0)", Z),
        ("t0 = a0.choose([1, 2, 3], mode='wrap')", np.ones(3, np.uint64)),
        ("t0 = np.lexsort(a0)", Z),
        ("t0 = np.any(a0, axis=0, where=np.ones((0, 5), bool))", Z),
        ("t0 = np.average(a0, axis=1)", np.ones((0, 3))),
        ("t0 = np.average(a0, axis=0, weights=np.ones(0))", np.ones((0, 3))),
        ("t0 = np.average(a0, axis=0, weights=a0)", Z),
        ("t0 = np.gcd(a0, -1)", U),
        ("t0 = np.lcm(2**40, a0)", U),
        ("t0 = round(a0)", Z),
        ("t0 = round(np.array(2.5)) + a0", A),
        ("a0[a0 < 9] = -2.5", U),
        ("a0[a0 < 9] = np.nan", U),
        ("a0[:] = [-2.5, 3]", U),
        ("a0[a0 < 9] = a0", A),
        ("a0[0] = a0", V + 1j),
        ("np.add.at(a0, 0, a0)", np.ones((1, 8))),
        ("a0[5] = a0", V),
        ("a0[5] = a0", V + 1j),
        ("t0 = np.histogram(a0, bins=[-2, 0, 5], weights=a0 > 1)", V),
        ("t0 = np.partition(a0, 7)", V),
    ],
)  # fmt: skip
def test_found(statement: str, argument: Any) -> None:
    """Each of these gave a value, or an error of another kind."""
    result = "t0" if statement.startswith("t0") else "a0"
    outcome = check_raising(NumPyProgram((statement,), (argument,), (result,)))
    assert outcome.raised, outcome.text


def test_weights_that_sum_to_zero_end_the_call() -> None:
    average = mlc.jit(lambda x, w: np.average(x, axis=1, weights=w))
    x, w = np.ones((2, 3)), np.array([[1.0, -1, 0], [1, 2, 3]])
    assert np.array_equal(average(x, w * w), np.ones(2))
    with pytest.raises(ZeroDivisionError, match="the weights sum to zero"):
        average(x, w)


def test_a_known_array_is_stored_through_a_mask() -> None:
    def stored(x: Any) -> Any:
        x[x > 2] = np.array([7, 8])
        return x

    x = np.array([5, 1, 6])
    assert mlc.jit(stored)(x.copy()).tolist() == [7, 1, 8]
    with pytest.raises(ValueError, match="cannot assign 2 input values to the 3 output"):
        mlc.jit(stored)(x + 3)


@pytest.mark.parametrize("where", [0, [0], slice(0, 1), [0, 1], np.array([True, False, False])])
@pytest.mark.parametrize("values", [9, [7, 8], [7, 8, 9], [[7, 8]], [[[7, 8]]]])
def test_insert_takes_as_many_as_there_are_for_one_place(where: Any, values: Any) -> None:
    def inserted(x: Any) -> Any:
        return np.insert(x, where, values, axis=1)

    x = np.arange(6.0).reshape(3, 2)
    try:
        want = inserted(x)
    except ValueError:
        with pytest.raises(ValueError):
            mlc.jit(inserted)(x)
    else:
        assert np.array_equal(mlc.jit(inserted)(x), want)


def test_the_third_power_of_a_matrix_is_made_as_numpy_makes_it() -> None:
    cubed = lambda a: np.linalg.matrix_power(a, 3)
    for a in (np.array([[-np.inf, 1], [2, 0.5]]), np.array([[-np.inf, 1], [2, 0.5]]) + 0j):
        with np.errstate(all="ignore"):
            assert np.array_equal(np.isnan(mlc.jit(cubed)(a)), np.isnan(cubed(a)))


def test_whole_numbers_to_the_powers_of_a_list() -> None:
    x = np.array([1, 2, 3])
    assert mlc.jit(lambda x: np.power(x, [1, 2, 3]))(x).tolist() == [1, 4, 27]
    with pytest.raises(ValueError, match="Integers to negative integer powers"):
        mlc.jit(lambda x: np.power(x, [1, -2, 3]))(x)


@pytest.mark.parametrize(
    ("statement", "argument"),
    [
        ("t0 = np.zeros(4, complex)\nnp.var(a0, axis=0, out=t0)", A),
        ("t0 = np.zeros(4, complex)\nnp.std(a0, axis=0, out=t0, ddof=1)", A),
        ("t0 = np.apply_over_axes(np.max, a0, [0, -1])", Z),
        ("t0 = np.lib.stride_tricks.as_strided(a0, a0.shape, a0.strides) + 1", A[::2, ::-1]),
    ],
)
def test_what_numpy_takes_is_taken(statement: str, argument: Any) -> None:
    """Each of these was refused, or ended with an error about something else."""
    assert check(NumPyProgram((statement,), (argument,), ("t0",))).kind == "same"
