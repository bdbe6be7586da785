"""What a traced mask selects, written to and read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.array([6, 4.5, -2])


@pytest.mark.parametrize(
    "after",
    [
        lambda u: u.astype(np.float32),
        lambda u: u.copy(),
        lambda u: u.copy("F"),
        lambda u: u.copy(order="K"),
        lambda u: u + 1,
        lambda u: u.sum(),
        lambda u: u[u > 5],
        lambda u: np.sort(u),
    ],
)
def test_what_was_written_is_read(after: Callable[[Any], Any]) -> None:
    def program(x: Any) -> Any:
        chosen = x[x > 0]
        copied = chosen.copy()
        copied[0] = 9
        return after(copied), copied, chosen

    check_against_numpy(program, X)


def test_a_diagonal_has_axes_of_one_size() -> None:
    check_against_numpy(lambda x: np.einsum("...ii->...i", x), np.ones((4, 2, 2)))
    for shape in ((2, 3), (0, 2), (1, 2)):
        with pytest.raises(mlc.ShapeError, match="one label stands for axes of several sizes"):
            mlc.jit(lambda x: np.einsum("ii->i", x))(np.ones(shape))


def _doubled(chosen: Any, a: Any) -> None:
    chosen *= 2


def _added(chosen: Any, a: Any) -> None:
    np.add(chosen, a[1], out=chosen)


def _one_written(chosen: Any, a: Any) -> None:
    chosen[1] = a[1]


def _sorted(chosen: Any, a: Any) -> None:
    chosen.sort()


def _filled(chosen: Any, a: Any) -> None:
    np.copyto(chosen, 3)


WRITES = [(write, float) for write in (_doubled, _added, _one_written, _sorted, _filled)]
WRITES += [(write, complex) for write in (_doubled, _one_written, _sorted)]


@pytest.mark.parametrize(("write", "kind"), WRITES)
def test_elements_that_only_a_branch_or_a_loop_writes_to(
    write: Callable[[Any, Any], None], kind: type
) -> None:
    def branch(a: Any, v: Any) -> Any:
        chosen = a[a.real > 0]
        if v > 0:
            write(chosen, a)
        return chosen, a

    def branches(a: Any, v: Any) -> Any:
        chosen = a[a.real > 0]
        if v > 0:
            if a[0].real > 7:
                write(chosen, a)
        else:
            chosen[0] = 5
        return chosen

    def loop(a: Any, v: Any) -> Any:
        chosen, n = a[a.real > 0], 0
        while n < v:
            write(chosen, a)
            n += 1
        return chosen

    a = np.array([8, 2, 7, 2, -6, 9, 2, -8]).astype(kind)
    for program in (branch, branches, loop):
        for v in (2.0, -1.0):
            check_against_numpy(program, a, v)


def test_elements_that_only_a_branch_reads_or_has() -> None:
    def program(a: Any, v: Any) -> Any:
        chosen, found, total = a[a > 0], np.zeros(3), 0
        if v > 0:
            found += chosen[0]
            own = a[a > 2]
            own *= 2
            total += own.sum()
        for i in range(v):
            total += chosen[i] * i
        return found, total, chosen

    a = np.array([8, 2, 7, 2, -6, 9, 2, -8])
    for v in (3, -1):
        check_against_numpy(program, a, v)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(
    "way",
    [
        np.transpose,
        np.ravel,
        np.squeeze,
        np.flip,
        lambda u: u.reshape(-1),
        lambda u: np.split(u, 1)[0],
        lambda u: u[None][0],
        lambda u: u.astype(u.dtype, copy=False),
    ],
)
def test_views_of_what_is_selected_are_written_through(way: Any, dtype: Any) -> None:
    def program(x: Any) -> Any:
        chosen = x[x.real > 0]
        view = way(chosen)
        view[0] += 1
        chosen[1] *= 2
        return chosen, view, chosen.sum()

    check_against_numpy(program, np.arange(5).astype(dtype))


def test_rows_of_a_mask_are_copied_in_the_order_that_is_named() -> None:
    def program(x: Any) -> Any:
        rows = x[x[:, 0] > 0]
        return rows.copy(order="F"), rows.copy("A"), rows.copy()

    check_against_numpy(program, np.random.default_rng(0).normal(size=(6, 4)))


@pytest.mark.parametrize("dtype", [bool, int, float, complex])
def test_attributes_of_what_is_selected_are_set(dtype: Any) -> None:
    def flat(x: Any) -> Any:
        chosen = np.delete(x, np.where(x.real > 0)[0])
        chosen.flat = 2
        return chosen

    def real(x: Any) -> Any:
        chosen = x[x.real == 0]
        chosen.real = 3
        return chosen, chosen.real

    def shape(x: Any) -> Any:
        chosen = x[x.real > 0]
        chosen.shape = (1, -1)
        return chosen

    for function in (flat, real, shape):
        check_against_numpy(function, np.array([0, 1, 0, 1, 1, 0]).astype(dtype))


def test_what_masks_select_is_seen_with_other_strides() -> None:
    def program(x: Any) -> Any:
        chosen = x[x > 1]
        pairs = np.lib.stride_tricks.as_strided(chosen, (2, 2), (8, 8))
        none = np.extract(x.max() > 9, x.max())
        return pairs, np.lib.stride_tricks.as_strided(none, none.shape, none.strides) + 1

    check_against_numpy(program, np.arange(6.0))
