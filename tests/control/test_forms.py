"""mlc.fori_loop, while_loop, cond, switch, scan and map, jitted and not, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.linspace(-1.0, 2.0, 12)


def summed(x: Any) -> Any:
    return mlc.fori_loop(0, len(x), lambda i, s: s + x[i], 0.0)


def halved(x: Any) -> Any:
    return mlc.while_loop(lambda s: s["v"].sum() > 1, lambda s: {"v": s["v"] / 2}, {"v": x})


def chosen(x: Any) -> Any:
    return mlc.cond(x.sum() > 3, lambda v: (v * 2, v[0]), lambda v: (v - 1, v[1]), x)


def switched(x: Any) -> Any:
    return [
        mlc.switch(np.argmax(x) - k, [lambda v: v, lambda v: -v, lambda v: v * v], x)
        for k in (11, 10, 9, 0, 20)
    ]


def scanned(x: Any) -> Any:
    return mlc.scan(lambda s, v: (s + v, {"seen": s * v}), 0.0, x)


def mapped(x: Any) -> Any:
    return mlc.map(lambda row: row * row.sum(), x.reshape(4, 3))


FORMS = [summed, halved, chosen, switched, scanned, mapped]


@pytest.mark.parametrize("function", FORMS)
def test_jitted_is_as_plain(function: Callable[[Any], Any]) -> None:
    expected, got = function(X), mlc.jit(function)(X)
    assert repr(type(expected)) == repr(type(got))
    a, b = (mlc.tracer.tree.flatten(v)[0] for v in (expected, got))
    for left, right in zip(a, b, strict=True):
        np.testing.assert_allclose(right, left, rtol=1e-12)


def test_bounds_may_be_traced() -> None:
    between = mlc.jit(lambda a, b: mlc.fori_loop(a, b, lambda i, s: s + i, 0))
    assert [between(2, 6), between(6, 2), between(-3, 1)] == [14, 0, -6]


def test_only_one_branch_runs() -> None:
    @mlc.jit
    def safe(n):  # type: ignore[no-untyped-def]
        endless = lambda k: mlc.while_loop(lambda s: s > 0, lambda s: s + 0, k)
        return mlc.cond(n > 0, lambda k: k * 2, lambda k: endless(k + 1), n)

    assert safe(4) == 8


REFUSED: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (
        lambda x: mlc.fori_loop(0, 3, lambda i, s: np.hstack([s, s]), x[:, None]),
        mlc.ShapeError,
        "the body of fori_loop changes the shape of state: expected float64[12, 1], as before it, "
        "got float64[12, 2]; shapes must stay, so give it another name or its final shape before; "
        "arrays may grow along axis 0, so add rows, and transpose later",
    ),
    (
        lambda x: mlc.fori_loop(0, 3, lambda i, s: np.concatenate([s, s]), x),
        mlc.ShapeError,
        "the body of fori_loop changes the shape of state: expected float64[12], as before it, got "
        "float64[24]; shapes must stay, so give it another name or its final shape before",
    ),
    (
        lambda x: mlc.fori_loop(0, 3, lambda i, s: s / 2, x.astype(int)),
        mlc.DTypeError,
        "the body of fori_loop changes the dtype of state: expected int64[12], as before it, got "
        "float64[12]; convert it with .astype('int64'), or start with float64",
    ),
    (
        lambda x: mlc.while_loop(lambda s: s["n"] < x[0], lambda s: {"m": s["n"]}, {"n": 0}),
        mlc.UnsupportedError,
        "the body of while_loop changes what state is made of: expected {'n': *}, got {'m': *}",
    ),
    (
        lambda x: mlc.scan(lambda s, v: s + v, 0.0, x),
        mlc.ArgumentError,
        "the body of scan returns two things, the new state and what to stack (None for nothing), "
        "got float64[]",
    ),
    (
        lambda x: mlc.scan(lambda s, v: (s, v), 0, (x, x[:3])),
        mlc.ArgumentError,
        "scan needs xs of one length, or length=; got the lengths [3, 12]",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=range(6))
def test_what_is_refused(case: Any) -> None:
    function, kind, text = case
    with pytest.raises(kind) as caught:
        mlc.jit(function)(X)
    assert str(caught.value).partition("\n")[0] == text


def test_a_helper_inside_that_branches() -> None:
    def outer(x: Any) -> Any:
        def grown(y: Any) -> Any:
            if y.shape[0] > 3:
                y = y + 1
            return y

        return grown(x) + grown(x[:2]).sum()

    x = np.arange(5.0)
    np.testing.assert_array_equal(mlc.jit(outer)(x), outer(x))
