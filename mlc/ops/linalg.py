"""np.linalg: what LAPACK does, through the loops that NumPy has for it, and what follows from it.

As in NumPy the work is done in float64, whatever float comes in, and a float64 or the float that
came in comes out. Where a matrix is singular, not positive definite, or an iteration does not
converge, the call ends with np.linalg.LinAlgError; not so if the matrix holds NaN or infinity,
unless NumPy refuses those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, as_dtype, float64
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..ir.expr import Expr, apply, const
from ..ir.gufuncs import PARTS, gufunc, gufunc_name
from ..ir.program import Buffer
from . import logic
from .attempts import note_failure, open_failures, refuse_where
from .broadcast import Shape, as_tensor, broadcast_shape, shape_of, size_of
from .create import eye, zeros
from .elementwise import astype
from .index import getitem
from .matrix import triangle
from .op import implements, op
from .programs import Writer, nested
from .promotion import dtype_of
from .shape import broadcast_to, reshape


@op
def library(
    *arrays: Any,
    functions: tuple[str, ...],
    cores: tuple[Shape, ...],
    refusal: str,
    in_place: bool,
    module: str = "linalg",
    types: str = "",
) -> Any:
    """What a gufunc of NumPy makes of ``arrays`` of one batch shape (or of none): the first of
    ``functions`` that there is. ``cores`` are the shapes of the results without the batch.

    ``types`` are those of the loop, "dd->D"; where it is empty all are float64. Complex arrays
    are real ones with a last axis of 2.
    Results whose first element is NaN, though the arrays are finite, are refused with the
    sentence ``refusal``. ``in_place``: the first array is a result too, the first one, changed.
    """
    tensors = [as_tensor(a) for a in arrays]
    name, function = gufunc(module, *functions)
    inputs, outputs = _signature(function)
    types = types or f"{'d' * len(inputs)}->{'d' * len(outputs)}"
    left, right = types.split("->")
    first = tensors[0].ndim - len(inputs[0]) - len(_parts(left[0]))
    batch = tensors[0].shape[:first]
    w = Writer(name)
    given = [w.input(f"a{n}", t.shape, t.dtype) for n, t in enumerate(tensors)]
    passed = list(given)
    if in_place:
        passed[0] = w.output("changed", tensors[0].shape, tensors[0].dtype)
        with nested(w, tensors[0].shape) as at:
            w.store(passed[0], at, given[0][tuple(at)])
    made = [
        w.output(f"r{n}", (*batch, *core, *_parts(kind)), as_dtype(PARTS[kind][0]))
        for n, (core, kind) in enumerate(zip(cores, right[len(right) - len(cores) :], strict=True))
    ]
    sizes: dict[str, int] = {}
    steps, strides = [], []
    whole = [*passed, *made]
    for letters, buffer, kind in zip([*inputs, *outputs], whole, left + right, strict=True):
        core = buffer.shape[buffer.ndim - len(letters) - len(_parts(kind)) :][: len(letters)]
        for letter, extent in zip(letters, core, strict=True):
            sizes.setdefault(letter, extent)
        width = buffer.dtype.itemsize * PARTS[kind][1]
        is_batched = buffer.ndim - len(_parts(kind)) == len(batch) + len(core)
        steps.append(width * size_of(core) if is_batched else 0)
        strides += [width * size_of(core[d + 1 :]) for d in range(len(core))]
    numbers = (1 + len(sizes), size_of(batch), *sizes.values(), *steps, *strides)
    w.run(gufunc_name(module, name, types), *whole, *numbers)
    if refusal:
        _refuse(w, given, made[0], len(batch), refusal)
    return w.call(*tensors)


def _parts(kind: str) -> Shape:
    """The last axis of an array of this kind of numbers, if it has one more."""
    return (2,) if PARTS[kind][1] == 2 else ()


def _signature(function: Any) -> tuple[list[list[str]], list[list[str]]]:
    """The core dimensions of a gufunc, by letters: of the inputs, of the outputs."""
    left, right = function.signature.replace(" ", "").split("->")
    cores = lambda side: [
        [name for name in core.split(",") if name] for core in re.findall(r"\(([^)]*)\)", side)
    ]
    return cores(left), cores(right)


def _refuse(w: Writer, given: Sequence[Buffer], result: Buffer, ndim: int, sentence: str) -> None:
    """End the call if the first element of a result is NaN, and what it is made from is finite."""
    guard = w.guard("LinAlgError", sentence)
    with nested(w, result.shape[:ndim], "b") as batch:
        first: list[Expr] = [const(0)] * (result.ndim - ndim)
        with w.when(apply("isnan", result[tuple(batch + first)])):
            finite = w.variable("finite", const(True))
            for a in given:
                with nested(w, a.shape[ndim:], "i") as rest:
                    w.set(finite, finite[()] & apply("isfinite", a[tuple(batch + rest)]))
            w.insist(guard, ~finite[()])


def _float(name: str, a: Any, square: bool = True, least: int = 2) -> tuple[Any, DType, Shape]:
    """``a`` in float64, the dtype of results, and its shape; refuses what is no stack of (square)
    matrices."""
    shape, given = shape_of(a), dtype_of(a)
    if len(shape) < least:
        raise np.linalg.LinAlgError(
            f"np.linalg.{name}: {len(shape)}-dimensional array given; it must be at least "
            f"{'two' if least == 2 else 'one'}-dimensional"
        )
    if square and shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError(
            f"np.linalg.{name}: the last 2 dimensions of the array must be square, got {shape}"
        )
    if given.is_float and given.bits == 16:
        raise ArgumentError(f"np.linalg.{name}: {given} is not supported; use .astype('float32')")
    return astype(a, dtype=float64), given if given.is_float else float64, shape


def run_library(
    arrays: Sequence[Any], functions: tuple[str, ...], *, cores: Any, refusal: str = "",
    in_place: bool = False, types: str = "",
) -> Any:  # fmt: skip
    """`library`; where failures are looked at, what it would refuse is noted instead."""
    cores, noted = tuple(cores), refusal and open_failures(np.linalg.LinAlgError) is not None
    found = library(
        *arrays, functions=functions, cores=cores, refusal="" if noted else refusal,
        in_place=in_place, types=types,
    )  # fmt: skip
    if noted:
        made = (found if isinstance(found, tuple) else (found,))[int(in_place)]
        axes = len(cores[0]) + len(_parts(types.split("->")[1][-len(cores)] if types else "d"))
        note_failure(arrays, made, axes, refusal)
    return found


def _library(arrays: Sequence[Any], *functions: str, cores: Any, refusal: str = "") -> Any:
    return run_library(arrays, functions, cores=cores, refusal=refusal)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """np.linalg.inv."""
    return inverse(a, "Singular matrix")


def inverse(a: Any, refusal: str) -> Any:
    """The inverse; matrices without one are refused with that sentence, or become NaN without."""
    a, dtype, shape = _float("inv", a)
    if not size_of(shape):
        return astype(a, dtype=dtype)
    return astype(_library([a], "inv", cores=[shape[-2:]], refusal=refusal), dtype=dtype)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """np.linalg.solve; a 1-d ``b`` is one vector, any other a stack of matrices."""
    a, left, shape = _float("solve", a)
    vector = len(shape_of(b)) == 1
    b, right, given = _float("solve", b, square=False, least=1)
    columns = reshape(b, (*given, 1)) if vector else b
    core = shape_of(columns)[-2:]
    if core[0] != shape[-1]:
        raise ShapeError(f"np.linalg.solve: matrices of shape {shape} do not fit {given}")
    batch = broadcast_shape("np.linalg.solve", shape[:-2], shape_of(columns)[:-2])
    a, columns = broadcast_to(a, (*batch, *shape[-2:])), broadcast_to(columns, (*batch, *core))
    dtype = left if left is right else float64
    if size_of((*batch, *core)):
        columns = _library([a, columns], "solve", cores=[core], refusal="Singular matrix")
    found = astype(columns, dtype=dtype)
    return reshape(found, (*batch, core[0])) if vector else found


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """np.linalg.det."""
    a, dtype, shape = _float("det", a)
    if not shape[-1]:
        from .create import ones

        return ones(shape[:-2], dtype=dtype.name)
    return astype(_library([a], "det", cores=[()]), dtype=dtype)


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """np.linalg.slogdet: sign and logarithm, a named tuple."""
    a, dtype, shape = _float("slogdet", a)
    kind: Any = type(np.linalg.slogdet(np.eye(1)))
    if not shape[-1]:
        from .create import ones

        return kind(ones(shape[:-2], dtype=dtype.name), zeros(shape[:-2], dtype=dtype.name))
    sign, logarithm = _library([a], "slogdet", cores=[(), ()])
    return kind(astype(sign, dtype=dtype), astype(logarithm, dtype=dtype))


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """np.linalg.cholesky; reads the lower triangle, or (``upper``) the upper one."""
    a, dtype, shape = _float("cholesky", a)
    if not size_of(shape):
        return astype(a, dtype=dtype)
    name = "cholesky_up" if upper else "cholesky_lo"
    sentence = "Matrix is not positive definite"
    return astype(_library([a], name, cores=[shape[-2:]], refusal=sentence), dtype=dtype)


def _side(name: str, UPLO: Any) -> str:
    if str(UPLO).upper() not in ("L", "U"):
        raise ArgumentError(f"np.linalg.{name}: UPLO must be 'L' or 'U', got {UPLO!r}")
    return "lo" if str(UPLO).upper() == "L" else "up"


_EIGEN = "Eigenvalues did not converge"


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """np.linalg.eigh: eigenvalues in rising order and eigenvectors, a named tuple."""
    side = _side("eigh", UPLO)
    a, dtype, shape = _float("eigh", a)
    kind: Any = type(np.linalg.eigh(np.eye(1)))
    if not size_of(shape):
        return kind(zeros(shape[:-1], dtype=dtype.name), astype(a, dtype=dtype))
    values, vectors = _library([a], f"eigh_{side}", cores=[shape[-1:], shape[-2:]], refusal=_EIGEN)
    return kind(astype(values, dtype=dtype), astype(vectors, dtype=dtype))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """np.linalg.eigvalsh."""
    side = _side("eigvalsh", UPLO)
    a, dtype, shape = _float("eigvalsh", a)
    if not size_of(shape):
        return zeros(shape[:-1], dtype=dtype.name)
    values = _library([a], f"eigvalsh_{side}", cores=[shape[-1:]], refusal=_EIGEN)
    return astype(values, dtype=dtype)


_SVD = "SVD did not converge"


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """np.linalg.svd; with ``compute_uv`` a named tuple U, S, Vh."""
    if hermitian:
        return svd_of_hermitian(a, compute_uv)
    a, dtype, shape = _float("svd", a, square=False)
    a = refuse_where(a, logic.isnan(a), _SVD)
    m, n = shape[-2:]
    k, batch = min(m, n), shape[:-2]
    old = "m" if m < n else "n"  # NumPy 1 has a function for tall and one for wide matrices
    if not compute_uv:
        if not size_of(shape):
            return zeros((*batch, k), dtype=dtype.name)
        found = _library([a], "svd", f"svd_{old}", cores=[(k,)], refusal=_SVD)
        return astype(found, dtype=dtype)
    kind: Any = type(np.linalg.svd(np.eye(1)))
    letter = "f" if full_matrices else "s"
    left, right = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))
    if not size_of(shape):
        unit = lambda core: broadcast_to(eye(core[0], core[1], dtype=dtype.name), (*batch, *core))
        return kind(unit(left), zeros((*batch, k), dtype=dtype.name), unit(right))
    names = (f"svd_{letter}", f"svd_{old}_{letter}")
    u, s, vh = _library([a], *names, cores=[left, (k,), right], refusal=_SVD)
    return kind(*(astype(part, dtype=dtype) for part in (u, s, vh)))


def svd_of_hermitian(a: Any, compute_uv: bool) -> Any:
    """np.linalg.svd of Hermitian matrices, real or complex: the signs of eigenvalues are in Vh."""
    if not compute_uv:
        return np.flip(np.sort(np.abs(np.linalg.eigvalsh(a)), axis=-1), axis=-1)
    values, u = np.linalg.eigh(a)
    order = np.flip(np.argsort(np.abs(values), axis=-1, kind="stable"), axis=-1)
    values = np.take_along_axis(values, order, axis=-1)
    u = np.take_along_axis(u, order[..., None, :], axis=-1)
    vh = np.conjugate(np.matrix_transpose(u * np.sign(values)[..., None, :]))
    kind: Any = type(np.linalg.svd(np.eye(1)))
    return kind(u, np.abs(values), vh)


def svdvals(x: Any, /) -> Any:
    """np.linalg.svdvals."""
    return svd(x, compute_uv=False)


if hasattr(np.linalg, "svdvals"):
    implements(np.linalg.svdvals)(svdvals)


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """np.linalg.qr: a named tuple Q, R; for mode "r" R alone."""
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"np.linalg.qr: mode must be reduced, complete or r, got {mode!r}")
    a, dtype, shape = _float("qr", a, square=False)
    m, n = shape[-2:]
    k = min(m, n)
    if not size_of(shape):
        raise UnsupportedError(f"np.linalg.qr of an empty array, {shape}, cannot be traced")
    raw, tau = library(
        a, functions=("qr_r_raw", f"qr_r_raw_{'m' if m < n else 'n'}"), cores=((k,),), refusal="",
        in_place=True,
    )  # fmt: skip
    rows = m if mode == "complete" and m > n else k
    r = triangle(getitem(raw, (..., slice(0, rows), slice(None))), offset=0, lower=False)
    r = astype(r, dtype=dtype)
    if mode == "r":
        return r
    columns = m if rows == m and mode == "complete" else k
    name = "qr_complete" if mode == "complete" and m > n else "qr_reduced"
    source = raw if name == "qr_complete" else getitem(raw, (..., slice(None), slice(0, k)))
    q = _library([source, tau], name, cores=[(m, columns)])
    kind: Any = type(np.linalg.qr(np.eye(1)))
    return kind(astype(q, dtype=dtype), r)
