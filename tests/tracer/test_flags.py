"""Where the elements of traced arrays lie, and which arrays share them, as NumPy says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.lib.stride_tricks import sliding_window_view as windows

import mlc
from mlc.testing import check_against_numpy

X = np.arange(12.0).reshape(4, 3)


def asked(array):
    flags = array.flags
    return (
        flags.c_contiguous, flags["F"], flags.contiguous, flags.forc, flags["FNC"],
        np.isfortran(array), flags.aligned, flags["WRITEBACKIFCOPY"], hasattr(array, "flags"),
    )  # fmt: skip


def same(function, *arrays):
    """Whether a jitted function says what the function does."""
    assert mlc.jit(function)(*arrays) == function(*arrays)


@pytest.mark.parametrize("x", [X, X.T, X[::-1], X[:, :1], X[1], X + 1j, (X + 1j).T, X.sum()])
def test_order_of_elements(x):
    def questions(x):
        arrays = [x, x.T, x[..., None], x * 2, (x * 2).T, x.T * 1j, (x * 1j).real, x.copy().imag]
        arrays += [x.copy("F"), np.zeros(5), np.zeros((2, 3)).T]
        return [asked(array) for array in arrays]

    same(questions, np.asarray(x))


def test_writing_and_owning():
    def questions(x):
        y, z = x * 2, np.zeros(3)
        flags = [a.flags.writeable for a in (y, y[1:], z, np.broadcast_to(y, (2, 4, 3)), y.sum())]
        flags += [y.flags["CARRAY"], y.T.flags.farray, y.flags.behaved]
        return [*flags, y[1:].flags.owndata, z.flags.owndata, z[:1].flags["O"]]

    same(questions, X)


@pytest.mark.parametrize("share", [np.shares_memory, np.may_share_memory])
@pytest.mark.parametrize("x", [X, X.T, X + 1j])
def test_sharing(share, x):
    def questions(x):
        y, z = x * 2, np.zeros(5)
        z[0] = x.real.sum()
        pairs = [
            (x, x), (x, x[1:]), (x[:1], x[1:]), (x[::2], x[1::2]), (x[0], x[:, 0]), (x, x.copy()),
            (y, y.T), (y, y.ravel()), (y, y.T.ravel()), (y[:, 0], y[:, 1]), (x, y), (y, np.ones(2)),
            (z, z[1:]), (z, x), (x, x.real), (y, y.real.reshape(-1)),
        ]  # fmt: skip
        return [share(a, b) for a, b in pairs]

    same(questions, x)


def test_parts_of_a_complex_array_lie_between_each_other():
    def questions(z):
        both = np.shares_memory(z.real, z.imag), np.may_share_memory(z.real, z.imag)
        w = z * 2
        return *both, np.shares_memory(w.real, w.imag), w.strides, w.T.real.strides

    same(questions, X + 1j)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x, y: np.shares_memory(x, y), "the call decides it"),
        (lambda x, y: x[0, 0].flags.owndata or x.flags.owndata, "x.flags.owndata is not known"),
        (lambda x, y: x.flags.writeable, "ask for x.flags.writeable before the call"),
        (lambda x, y: np.roll(x.T, 1).flags.c_contiguous, "make a copy in the order"),
        (lambda x, y: setattr(x.flags, "writeable", False), "cannot be set"),
        (lambda x, y: x.flags.__setitem__("W", False), "x.flags.writeable of a traced array"),
    ],
)
def test_what_only_the_call_knows_is_refused(function, sentence):
    with pytest.raises(mlc.UnsupportedError, match=sentence):
        mlc.jit(function)(X, X)


def test_no_such_flag():
    with pytest.raises(AttributeError, match="no attribute 'color'"):
        mlc.jit(lambda x: x.flags.color)(X)
    with pytest.raises(KeyError, match="Unknown flag"):
        mlc.jit(lambda x: x.flags["COLOR"])(X)


@pytest.mark.parametrize("x", [X, X.T, X + 1j])
@pytest.mark.parametrize(
    "wanted", [None, "C", ["F_CONTIGUOUS", "A"], ["fortran", "ensurearray"], ["W", "E"]]
)
def test_require(x, wanted):
    def written(x):
        y = x * 2
        required = [np.require(a, None, wanted) for a in (y, y.T, y[1:], y[:, ::2])]
        for n, array in enumerate(required):
            array[0, 0] = n
        return y, required, np.require(y.real, np.float32, wanted)

    for got, expected in zip(mlc.jit(written)(x), written(x)):
        np.testing.assert_equal(got, expected)


def test_require_refuses_as_numpy_does():
    with pytest.raises(ValueError, match="Cannot specify both"):
        mlc.jit(lambda x: np.require(x, requirements="CF"))(X)
    with pytest.raises(KeyError):
        mlc.jit(lambda x: np.require(x, requirements="Q"))(X)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0,)])
def test_empty_arrays(shape):
    """Which steps there are to no element, NumPy's versions say differently."""

    def questions(x):
        arrays = [x * 2, (x * 2).T, x.T.copy(), np.zeros_like(x), (x * 1j).real, x * 1j]
        return [(*asked(a), a.strides) for a in arrays]

    same(questions, np.ones(shape))
    with pytest.raises(mlc.UnsupportedError, match="strides of"):
        mlc.jit(lambda x: x.strides)(np.ones(shape))


def test_outer_takes_lists():
    def made(x):
        return np.power.outer(x, [0, 1, 2]), np.multiply.outer([1, x[0]], x)

    for got, expected in zip(mlc.jit(made)(X[1]), made(X[1])):
        np.testing.assert_array_equal(got, expected)


def test_every_other_complex_element():
    def written(z):
        w = (z * 2)[0]
        every = w[::2]
        every.ravel()[0] = 9
        return every.flags.c_contiguous, w.flags.c_contiguous, z[0, ::2].flags.c_contiguous, w

    z = X + 1j
    for got, expected in zip(mlc.jit(written)(z), written(z)):
        np.testing.assert_array_equal(got, expected)


READ_ONLY = {
    "windows": lambda x: windows(x[0], 2),
    "windows of what is computed": lambda x: windows(x[0] * 2, 2).T,
    "complex windows": lambda x: (windows(x[0] + 1j, 2), windows(x[0] + 1j, 2).real),
    "a given array, spread": lambda x: np.broadcast_to(x, x.shape),
    "spread": lambda x: [np.broadcast_to(x, (2, 4, 3))[1], x * 2, {1: np.broadcast_to(3.0, (2,))}],
    "items": lambda x: (*np.broadcast_to(x[0], (2, 3)), x[0]),
    "no axes": lambda x: np.broadcast_to(x[0, 0], ()),
    "diagonals": lambda x: (np.diagonal(x), np.diag(x), np.einsum("ii->i", x[:3])),
    "no imaginary part": lambda x: (x.imag, (x * 1j).imag),
    "strided": lambda x: [as_strided(x, (2, 2), (8, 8), writeable=w) for w in (True, False)],
    "copies": lambda x: (windows(x[0], 2)[[0]], windows(x[0], 2).ravel(), windows(x, 2, 0).copy()),
    "broadcast arrays": lambda x: np.broadcast_arrays(x[0], x),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:future versions will not create a writeable array")
@pytest.mark.parametrize("name", READ_ONLY)
def test_results_are_read_only_where_numpys_are(name):
    function = READ_ONLY[name]

    def leaves(value):
        values = value.values() if isinstance(value, dict) else value
        is_leaf = isinstance(value, np.ndarray)
        return [value] if is_leaf else [leaf for item in values for leaf in leaves(item)]

    jitted, x = mlc.jit(function), X.copy()
    for _ in range(2):
        for got, want in zip(leaves(jitted(x)), leaves(function(x)), strict=True):
            np.testing.assert_array_equal(got, want)
            assert got.flags.writeable == want.flags.writeable
    assert x.flags.writeable


def test_axes_of_one_element_say_nothing_of_the_order() -> None:
    def function(x: Any) -> Any:
        row = np.broadcast_to(x, (1, 5))
        turned = np.asfortranarray(np.ones((3, 5)) * x)[:, None]
        found = [np.concatenate([part, part]) for part in (row, row.T, turned)]
        return [np.isfortran(part) * part for part in found]

    check_against_numpy(function, np.arange(5.0))


def test_what_can_be_written_to_may_be_made_so():
    def moved(x):
        i, j = np.nonzero(np.eye(3))
        i.flags.writeable = True
        j.flags["W"] = True
        i += x[0, 0].astype(int)
        return i, j

    for found, want in zip(mlc.jit(moved)(X), moved(X), strict=True):
        np.testing.assert_array_equal(found, want)
    with pytest.raises(mlc.UnsupportedError, match="cannot be set"):
        mlc.jit(lambda x: setattr(np.diag(x * 1).flags, "writeable", True))(X)


def swapped(x: Any) -> Any:
    x.setflags(write=1)
    x.flags.writeable = True
    x[0], x[2] = x[2].copy(), x[0].copy()
    return x.copy()


def test_flags_may_be_set_to_what_they_are() -> None:
    check_against_numpy(swapped, np.arange(6.0).reshape(3, 2))
    with pytest.raises(mlc.MlcError, match="cannot be set"):
        mlc.jit(lambda x: x.setflags(write=False))(np.arange(3.0))
