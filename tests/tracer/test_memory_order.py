"""What a traced function knows of the order of elements in memory: where NumPy gives a view."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy
from mlc.tracer.memory_order import layout
from mlc.tracer.tracer import Tracer

Array = np.ndarray[Any, Any]
C = np.arange(6.0).reshape(2, 3)
F = np.asfortranarray(C)

# Each writes through what may be a view of x, or of y that is made of it.
WRITES: dict[str, Callable[[Array], Any]] = {}


def write(function: Callable[[Array], Any]) -> Callable[[Array], Any]:
    WRITES[function.__name__] = function
    return function


@write
def branch(x: Array) -> Any:
    if x.sum() > 0:
        y = x.T * 2
    else:
        y = x.T * 3
    y.ravel()[0] = 7
    return y


@write
def expression(x: Array) -> Any:
    y = x * 2 if x[0, 0] > 5 else x - 1
    y.reshape(-1)[1] = 7
    return y


@write
def loop(x: Array) -> Any:
    y = x.T * 1
    for _ in range(200):
        y = y * 1.01
    y.reshape(-1)[0] = 7
    return y


@write
def orders(x: Array) -> Any:
    x.ravel(order="F")[1] = 7
    np.ravel(x, "A")[2] = 8
    x.reshape(-1, order="A")[3] = 9
    np.ravel(x, order="K")[4] = 10
    return x.reshape(3, 2, order="F")


@write
def fortran(x: Array) -> Any:
    y = np.asfortranarray(x)
    y[0, 0] = 7
    z = np.array(x, order="F")
    z.ravel()[1] = 8
    return x + 0, y, z


@write
def same_dtype(x: Array) -> Any:
    y = x.astype(np.float64, copy=False)
    y[0] = 5
    z = np.astype(x, np.float64, copy=False)
    z[1] = 6
    return x + 0


@write
def copies(x: Array) -> Any:
    found = [x.copy(), x.copy(order="K"), np.copy(x), np.array(x), x.astype(np.float32)]
    for each in found:
        each.ravel()[0] = 7
    return found


@write
def elsewhere(x: Array) -> Any:
    y = np.where(x.T > 1, x.T, 0)
    y.reshape(-1)[0] = 7
    z = np.reshape(x, (3, 2), copy=True)
    z[0] = 5
    return y, z, x + 0


@write
def diagonals(x: Array) -> Any:
    y = np.stack([x[:, :2], x[:, 1:] * 2])
    np.einsum("ii->i", y[0])[:] = 7
    np.einsum("iij->ji", y)[0] += 1
    np.einsum("ij->ji", x)[0] = 3
    return y, np.einsum("iij->ij", y), x + 0


@write
def split_axes(x: Array) -> Any:
    y = np.stack([x, x + 1]).sum(0)  # in an order that is not known of all x
    across, apart = np.expand_dims(y, 1), y.reshape(2, 1, 3, 1)
    y /= 2
    across[0] += 1
    apart[1, 0] = 7
    return y, across, apart


@write
def itself(x: Array) -> Any:
    x[0, 0] = np.nan
    y = np.nan_to_num(x, copy=False, nan=4)
    y[0, 1] = 5
    np.diff(x, 0)[1, 0] = 6
    np.real_if_close(x)[1, 1] = 7
    np.linalg.matrix_transpose(x)[2, 1] = 8
    z = np.linalg.diagonal(x)
    x[0, 0] = 9
    np.ix_(x[0])[0][1] = 10
    return z, x + 0


@write
def elements(x: Array) -> Any:
    first, second = x[0], np.array(x[1])
    parts = np.unstack(first), np.unstack(second, axis=-1)
    first[...] = first[::-1] + 1
    second += 5
    return parts, x + 0


@write
def of_no_axes(x: Array) -> Any:
    total = np.apply_along_axis(np.sum, 0, x[0])
    np.atleast_2d(total)[0] = 7
    return total, x + 0


@write
def complex_orders(x: Array) -> Any:
    y = x * 1j
    y.ravel(order="F")[1] = 7
    y.ravel(order="A")[2] = 8
    return y


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("x", [C, F, C[:, ::-1], np.asfortranarray(C[::-1])], ids=lambda x: "")
def test_writes_reach_what_they_reach_in_numpy(name: str, x: Array) -> None:
    function = WRITES[name]
    check_against_numpy(mlc.jit(function), function, x)


def test_a_write_to_what_may_be_a_view_is_refused() -> None:
    @mlc.jit
    def merged(x: Array, y: Array) -> Any:
        z = x.T * 2 if x[0, 0] > 0 else np.zeros((3, 2))
        z.ravel()[0] = 7
        return z

    text = (
        "whether what reshape gives is a view or a copy depends on the order of the array's "
        "elements in memory, which is not known while tracing, so neither can be written to; make "
        "a .copy() before, which has C's"
    )
    with pytest.raises(mlc.UnsupportedError, match=re.escape(text)):
        merged(C, C)

    @mlc.jit
    def read(x: Array, y: Array) -> Any:
        z = x.T * 2 if x[0, 0] > 0 else np.zeros((3, 2))
        return z.ravel() + 1

    assert (read(C, C) == 1).all()  # to read it is no question

    @mlc.jit
    def late(x: Array) -> Any:
        z = np.sort(x.T, axis=0)
        flat = z.ravel()
        z[0] = 5
        return flat

    with pytest.raises(mlc.UnsupportedError, match="which is not known while tracing"):
        late(C)
    with pytest.raises(mlc.UnsupportedError, match="order='K' of an array that is broadcast"):
        mlc.jit(lambda x: np.ravel(np.broadcast_to(x[0], x.shape), order="K"))(C)


@pytest.mark.parametrize("z", [1, 1j], ids=["real", "complex"])
def test_elements_in_the_order_in_which_they_lie(z: Any) -> None:
    def function(x: Array) -> Any:
        moved = np.moveaxis(x, 0, 1)
        found = [np.ravel(v, order="K") for v in (x, x.T, moved, x[::-1].T, x[:, ::-2])]
        np.ravel(moved, order="K")[1] = 50  # a view where x is dense
        return (*found, (x.T + 1).ravel("K"), x)

    cube = np.arange(48.0).reshape(2, 6, 4) * z
    for x in (cube, cube.T, cube[:, ::2], cube[:, ::2, ::-1].transpose(1, 2, 0), cube[:, :1]):
        check_against_numpy(mlc.jit(function), function, x)
    check_against_numpy(lambda x: np.reshape(x, (-1,), order="K"), cube)


@pytest.mark.parametrize("z", [C * 1j + 1, F + 2j, (C + 1j)[::-1]], ids=["C", "F", "reversed"])
def test_complex_elements_lie_in_an_order_too(z: Array) -> None:
    def function(z: Array) -> Any:
        np.diff(z, n=0)[0] = 3
        np.einsum("ii->i", z[:, :2])[:] = 4
        z.ravel("F")[1] = 5
        y, x = z.copy(order="F"), np.array(z, order="F").ravel(order="A")
        y.ravel()[0], x[0] = 9, 1
        np.asfortranarray(z)[1] = 6
        w = z.astype(z.dtype, copy=False)
        w[0, 0] = 8
        return y, x, w + 0, z.reshape(3, 2, order="F"), z.flatten("F")

    check_against_numpy(mlc.jit(function), function, z)


def test_arrays_of_no_axes_are_arrays() -> None:
    def function(n: Any, x: Array) -> Any:
        made = [np.copy(n), np.array(x.sum()), np.asarray(x.max()), n.copy(order="F")]
        made += [np.where(n > 1, n, 2), np.isin(n, [2, 3]), np.zeros_like(n), np.roll(n, 1)]
        for each in made:
            each.reshape(-1)[0] = 7
        same = np.where(n > 1, n, 2)
        other = same
        other += 1
        return made, same

    check_against_numpy(mlc.jit(function), function, np.array(2.5), C)


EXPRESSIONS = """
x+1; x.T*2; x+x.T.copy().T; -x; np.maximum(x,2); x.copy(); np.copy(x); x.astype('f4')
np.where(x>1,x,0); np.sort(x,axis=0); np.cumsum(x,axis=0); x[:,[0,1]]; x[[0,1]]; x[:,[0,1],None]
x[None,[1,0]]; np.concatenate([x,x]); np.stack([x,x],1); x@x.T; np.argwhere(x>1)
np.zeros_like(x)+1; np.clip(x,1,2); x.clip(1,2); np.round(x); np.full_like(x,3); np.pad(x,1)
np.roll(x,1,0); np.tile(x,2); np.repeat(x,2,axis=1); np.flip(x,1)+0; np.take(x,[0,1],axis=1)
np.outer(x,x); np.kron(x,x); np.apply_along_axis(np.sum,0,np.stack([x,x]))
np.stack([x,x]).sum(axis=0); np.tril(x); np.diff(x,axis=0); np.broadcast_to(x,(2,*x.shape))+1
np.einsum('ij->ji',x)+0; np.add.outer(x,x); np.isclose(x,1); x.reshape(-1,1)*x.ravel()
np.ascontiguousarray(x.T)+1; np.array(x,order='F')*2; np.nan_to_num(x)
np.linalg.solve(x@x.T+np.eye(2),x); np.cov(x); np.meshgrid(x,x)[0]; np.gradient(x)[0]
np.unwrap(x); np.moveaxis(np.stack([x,x]),0,2)+1; np.argsort(x,0); np.cumsum(x.T,1)
np.matmul(np.stack([x,x]),x.T); np.add.accumulate(x); np.subtract(x,x,dtype='f4')
np.vander(x[0],3); np.tri(3); np.triu(x,1); np.fliplr(x)
""".replace("\n", ";").split(";")


@pytest.mark.parametrize("x", [C, F, C.T], ids=["C", "F", "view"])
def test_what_is_known_of_the_order_is_true(x: Array) -> None:
    texts = [text.strip() for text in EXPRESSIONS if text.strip()]
    wrong, known = [], 0

    def function(x: Array) -> Any:
        nonlocal known
        for text in texts:
            try:
                made, want = eval(text, {"np": np, "x": x}), eval(text, {"np": np, "x": given})
            except (mlc.MlcError, ValueError):
                continue
            found = layout(made) if isinstance(made, Tracer) else None
            if found is not None:
                known += 1
                sizes = [n > 1 for n in want.shape]
                pairs = zip(sizes, found.strides, want.strides)
                if any(a != b for size, a, b in pairs if size):
                    wrong.append((text, found.strides, want.strides))
        return x

    given = x.copy(order="K")
    mlc.jit(function)(given)
    assert not wrong
    assert known > (45 if x is C else 20)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("trim", ["fb", "f", "b"])
def test_what_is_left_between_zeros_is_a_view(dtype: Any, trim: str) -> None:
    def written(x: Array) -> Any:
        kept = np.trim_zeros(x, trim)
        x[2] = 7
        kept[:1] += 5
        made = np.array([0, 1j, 0])
        np.trim_zeros(made)[...] = 3
        return kept * 2, x + 0, made

    compiled = mlc.jit(written)
    for given in ([0, 1, 2, 0], [1, 2, 0, 0], [0, 0, 0, 4], [0, 0, 0, 0]):
        x, y = np.array(given, dtype), np.array(given, dtype)
        for found, want in zip([*compiled(x), x], [*written(y), y], strict=True):
            np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("dtype", [float, complex])
def test_what_a_loop_leaves_between_zeros_is_a_view(dtype: Any) -> None:
    def written(x: Array) -> Any:
        for n in range(2, len(x)):
            np.trim_zeros(x[:n])[:1] += 1
        return x

    check_against_numpy(written, np.array([0, 0, 1, 2, 0], dtype))


def _written(t: Any, way: Callable[[Any], Any]) -> Any:
    view = way(t)
    view[...] = 1.5
    return t


@pytest.mark.parametrize(
    "way", [np.ravel, np.atleast_2d, lambda t: t.reshape(1, order="F"), lambda t: t[None]]
)
def test_complex_numbers_of_no_axes(way: Callable[[Any], Any]) -> None:
    """What ufuncs make is a scalar, a copy an array; an argument is what it is."""
    x = np.array(8 + 8j)
    for make in (lambda x: (x + 1j) / (x + 2), lambda x: -x, lambda x: x.copy(), np.sqrt):
        check_against_numpy(lambda x, make=make: _written(make(x), way), x)
    for number in (x, x[()]):
        check_against_numpy(lambda x: _written(x, way), number)


def test_products_of_no_axes_are_arrays() -> None:
    x = np.arange(3.0)
    check_against_numpy(lambda x: _written(np.tensordot(x, x, axes=1), np.atleast_1d), x)
    check_against_numpy(lambda x: _written(np.dot(x, x), np.atleast_1d), x)


@pytest.mark.parametrize("make", [np.asfortranarray, np.ascontiguousarray])
@pytest.mark.parametrize("first", [lambda x: np.array(2.5), lambda x: np.array(1j), np.array])
def test_an_array_of_no_axes_gets_one_as_a_view(make: Any, first: Any) -> None:
    def written(x: Any) -> Any:
        t = first(x[0])
        v = make(t)
        v[0] = x.sum()
        t += x[0]
        v *= 2
        return t, v

    x = np.arange(3.0)
    check_against_numpy(written, x)


@pytest.mark.parametrize("shape", [(3, 4), (2, 2, 3), (5,), (0, 3), (1, 1)])
def test_places_are_columns_of_one_array(shape: tuple[int, ...]) -> None:
    def looked_at(x: Any) -> Any:
        found = *np.nonzero(x > 1), *np.where(x), *np.unravel_index(np.flatnonzero(x), x.shape)
        seen = [(a.strides, (a + 1).strides, a.flags.c_contiguous, a[::2].strides) for a in found]
        found[0].ravel()[:1] = 9  # of a copy, or not
        return seen, found

    x = np.arange(float(np.prod(shape))).reshape(shape)
    check_against_numpy(looked_at, x)
    check_against_numpy(looked_at, 0 * x)


@pytest.mark.parametrize("places", [[0, -1], [1], 1, slice(0, 2), np.array([0, 2])])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("is_strided", [False, True])
def test_what_delete_leaves_lies_as_numpy_has_it(places: Any, axis: int, is_strided: bool) -> None:
    def program(x: Any) -> Any:
        left = np.delete(x, places, axis=axis)
        flat, rows = left.reshape(-1), np.ascontiguousarray(left)
        flat[0] = 99
        rows[..., 1] = 7
        return left

    x = np.arange(160.0).reshape(5, 4, 8)
    check_against_numpy(program, x[..., ::2] if is_strided else x)


def test_where_spectra_lie_is_known_of_arrays_in_order_alone() -> None:
    def program(x: Any) -> Any:
        return np.isfortran(np.fft.rfft(x, axis=0).imag.T * 2) + x

    check_against_numpy(program, C)
    with pytest.raises(mlc.UnsupportedError, match="is not known while tracing"):
        mlc.jit(program)(F)


@pytest.mark.parametrize("text", ["ijk->kj", "ijk->ik", "ijk,kl->lj", "ij,jk", "ijk,ljk->il"])
@pytest.mark.parametrize("order", ["C", "F", "turned"])
def test_what_einsum_makes_lies_as_numpy_has_it(text: str, order: str) -> None:
    def program(*arrays: Any) -> Any:
        made = np.einsum(text, *arrays)
        flat = made.reshape(-1)
        flat[0] = 99
        return made

    terms = text.partition("->")[0].split(",")
    arrays = [np.arange(2.0 ** len(term)).reshape((2,) * len(term)) for term in terms]
    if order == "F":
        arrays = list(map(np.asfortranarray, arrays))
    elif order == "turned":
        arrays = [a[::-1].swapaxes(0, 1) for a in arrays]
    try:
        check_against_numpy(program, *arrays)
    except mlc.UnsupportedError as refusal:  # several operands, and another order than C's
        assert len(arrays) > 1 and "is not known while tracing" in str(refusal)


@pytest.mark.parametrize(
    "make",
    [
        lambda a: np.zeros_like(a, order="F"),
        lambda a: np.ones_like(a, order="C"),
        lambda a: np.empty_like(a, order="A"),
        lambda a: np.full_like(a, 2, order="F", shape=(2, 2)),
        lambda a: np.full_like(a, 2, None, "F", True, (2, 2)),
        lambda a: np.full_like(a, np.ones(3), shape=(2, 3), order="F"),
        lambda a: np.zeros_like(a, shape=(4, 3)),
        lambda a: np.ones_like(a, np.float32, shape=(2, 3, 4)),
    ],
    ids=["F", "C", "A", "of a shape", "by place", "of a row", "other sizes", "other axes"],
)
def test_arrays_like_others_lie_as_they_are_asked_to(make: Callable[[Any], Any]) -> None:
    x = np.ones((2, 3))
    whole = np.ones((2, 3, 4)).transpose(1, 0, 2)
    for a in (x, x[0], x.T, np.asfortranarray(x), whole, whole.T, x[:, ::2]):
        expected = make(a)
        assert mlc.jit(make)(a).strides == expected.strides
        assert mlc.jit(lambda a: make(a).strides)(a) == expected.strides
        assert mlc.jit(lambda a: make(a * 1j).strides)(a) == make(a * 1j).strides


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a.astype(np.int32),
        lambda a: a.copy("K"),
        lambda a: a.copy(),
        np.copy,
        np.zeros_like,
        lambda a: np.full_like(a.T, 2),
        lambda a: np.array(a[:2]),
        lambda a: a + 1,
        lambda a: np.where(a > 1, a, 0),
        np.exp,
    ],
    ids=["astype", "K", "C", "copy", "zeros", "full", "array", "sum", "where", "exp"],
)
def test_copies_of_what_is_broadcast_lie_as_numpys_do(make: Callable[[Any], Any]) -> None:
    """Axes along which elements share memory come last in copies, and where they were in sums."""
    blank = np.arange(6.0).reshape(2, 1, 3)
    whole = np.broadcast_to(blank, (2, 4, 3))
    flat = np.broadcast_to(blank[0, 0], (5, 3))
    for a in (flat, flat.T, whole, whole.transpose(2, 0, 1), np.broadcast_to(blank[:1], (2, 4, 3))):
        assert mlc.jit(lambda a: make(a).strides)(a) == make(a).strides
        assert mlc.jit(make)(a).strides == make(a).strides
