"""Writes to complex arrays, and loops and branches that carry complex numbers."""

from __future__ import annotations

import cmath
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

from .comparison import check, numbers


def rows_and_columns(a: Any) -> Any:
    a[0] = a[1] * 2
    a[1, 2] = 3
    a[2, ::2] = 1j
    a[:, 1] += a[:, 0]
    return a * 1


def parts(a: Any) -> None:
    a.real[...] = 2
    a.imag[0] = 7
    a.real = a.imag + 1
    x = a.imag
    x *= 3


def swaps(a: Any) -> None:
    a[[0, 1]] = a[[1, 0]]
    a[0], a[2] = a[2].copy(), a[0].copy()


def masks(a: Any) -> None:
    a[abs(a) > 1] = 0
    m = a.real > 0
    a[m] = a[m] ** 2 + 1j


def operators(a: Any) -> None:
    a *= a[::-1].copy()
    a -= 1
    a /= 2j
    np.multiply(a, a, out=a)
    np.add.at(a, ([0, 0, 1], 0), 1j)


def aliases(a: Any) -> Any:
    b = a[0]
    b += 1
    c = a.T
    c[0] = 0
    a[1:] = a[:-1] * 1j
    a[:, ::-1] = a
    return b


def fresh(a: Any) -> Any:
    out = np.zeros(4, complex)
    for i in range(4):
        out[i] = a[0, i] * 1j
    o = np.empty((3, 4), dtype=a.dtype)
    o[:] = a
    o[0] = 1j
    o.real[1] = 5
    np.copyto(o[2], 3j)
    o.flat[5] = 2
    np.putmask(o, o.imag > 2, np.zeros((0, 0)))
    o.flat[::2] = np.zeros((0, 1)).T
    return out, o


def escapes(c: Any) -> Any:
    out = np.zeros(c.shape, np.int64)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            z = 0
            for k in range(60):
                z = z * z + c[i, j]
                if abs(z) > 2:
                    out[i, j] = k
                    break
    return out


def whole(c: Any) -> Any:
    z, n = np.zeros_like(c), np.zeros(c.shape, int)
    for _ in range(20):
        m = abs(z) < 2
        z[m] = z[m] ** 2 + c[m]
        n[m] += 1
    return n


def sums(a: Any) -> Any:
    s = 0.0
    for i in range(a.shape[1]):
        s += a[0, i] * a[1, i].conjugate()
    return s


def branches(a: Any) -> Any:
    r = a[0, 0]
    if r.real > 0 and r:
        r = r * 2j
    else:
        r = -r
    w = 1.0
    if a[0, 1].real > 0:
        w = a[0, 1]
    return r, w + 0 * r


def returns(a: Any) -> Any:
    for i in range(a.shape[0]):
        if a[i, 0].imag > 0 and abs(a[i, 0]) > 0.1:
            return a[i, 0] * 2
    return 0j * a[0, 0]


PROGRAMS: tuple[Callable[[Any], Any], ...] = (
    rows_and_columns, parts, swaps, masks, operators, aliases, fresh, escapes, whole, sums,
    branches, returns,
)  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: str(f.__name__))
def test_runs_unchanged(program: Callable[[Any], Any]) -> None:
    check(program, numbers((3, 4), "complex128", 3))
    if program in (operators, masks, sums, escapes):
        check(program, numbers((3, 4), "complex64", 4))


def test_numbers_of_python() -> None:
    def orbit(c: complex) -> tuple[int, complex]:
        z, n = 0j, 0
        while n < 50 and abs(z) < 2:
            z, n = z * z + c, n + 1
        return n, z

    def roots(a: float, b: float, c: float) -> Any:
        d = cmath.sqrt(b * b - 4 * a * c)
        return (-b + d) / (2 * a), (-b - d) / (2 * a), complex(a, b), cmath.exp(complex(b))

    for c in (0.3 + 0.2j, 1 + 1j):
        assert np.allclose(mlc.jit(orbit)(c), orbit(c))
    found = mlc.jit(roots)(1.0, 2.0, 5.0)
    assert np.allclose(found, roots(1.0, 2.0, 5.0))
    assert all(type(root) is complex for root in found)


def test_loops_by_hand() -> None:
    x = np.arange(4) * (1 + 1j)
    assert mlc.jit(lambda x: mlc.fori_loop(0, 5, lambda i, s: s * 1j + i, x))(1 + 0j) == 2 + 3j
    state, ys = mlc.jit(lambda x: mlc.scan(lambda s, v: (s + v, s * v), 0j, x))(x)
    assert state == x.sum() and np.allclose(ys, np.concatenate([[0], np.cumsum(x)[:-1]]) * x)
    pick = mlc.jit(lambda x: mlc.cond(x.real > 0, lambda v: v * 2, lambda v: -v, x))
    assert pick(1 + 1j) == 2 + 2j and pick(-1 + 1j) == 1 - 1j


def test_selections_of_real_numbers_become_complex() -> None:
    def turned(x: Any) -> Any:
        z, m = np.zeros(x.shape, complex), x > 0
        z[m] = x[m] * 1j + x[m]
        z[m] += 2j
        return z, (x[m] * 1j).sum(), np.abs(x[m] * 2j), (1j * x[m]).real, (x[m] * 1j) ** 2

    check(turned, np.array([1.0, 0, 0.5, 3.0, -2.0]))


def test_refused() -> None:
    z, x = numbers((3,), "complex128"), np.ones(3)

    def message(function: Callable[..., Any], *args: Any) -> str:
        with pytest.raises(Exception) as caught:
            mlc.jit(function)(*args)
        return str(caught.value).partition("\n")[0]

    def grow(x: Any) -> None:
        x *= 1j

    assert message(grow, x) == (
        "Cannot cast np.multiply output from dtype('complex128') to dtype('float64') with casting "
        "rule 'same_kind'; make a new array instead of changing this one"
    )
    assert message(lambda z: np.floor(z), z) == (
        "np.floor of complex numbers cannot be traced: there is no complex version here; write it "
        "with x.real and x.imag, or call it outside the jitted function"
    )
    assert message(lambda z: z.view(np.uint8), z).startswith("x.view(uint8) of complex numbers")
    assert message(lambda z: float(z[0]), z).startswith("traced complex128[] is complex and no")
    assert message(lambda z: np.i0(z), z).startswith("np.i0 of complex numbers cannot be")

    def store(x: Any, z: Any) -> None:
        x[0] = z[0]

    assert message(store, x, z).startswith("a complex value cannot be stored in a float64 array")

    def spread(x: Any, z: Any) -> None:
        x.flat[::2] = z[:1]

    assert message(spread, x, z).startswith("a complex value cannot be stored in a float64 array")
