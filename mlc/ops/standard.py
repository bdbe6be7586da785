"""Functions that the array API standard brought: most are others with fewer freedoms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import as_dtype
from ..errors import ArgumentError, ShapeError
from . import arithmetic, contract, join, logic, matrix, statistics
from . import reduce as reduction
from .broadcast import as_axes, as_axis, shape_of, size_of
from .create import eye, filled
from .elementwise import astype
from .op import implements
from .promotion import dtype_of
from .shape import matrix_transpose, reshape

implements(np.linalg.matrix_transpose)(matrix_transpose)


@implements(np.imag)
def imag(val: Any) -> Any:
    """np.imag: zeros, values here are real."""
    return filled(0, shape=shape_of(val), dtype=dtype_of(val))


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """np.unstack: the parts of ``x`` along ``axis``, which they lose."""
    shape = shape_of(x)
    if not shape:
        raise ShapeError("unstack: expected at least one axis, got an array of shape ()")
    place = as_axis("unstack", axis, len(shape))
    rest = shape[:place] + shape[place + 1 :]
    parts = join.split(x, shape[place], place) if shape[place] else []
    return tuple(reshape(part, rest) for part in parts)


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """np.linalg.diagonal: of the last two axes."""
    return matrix.diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """np.linalg.trace: of the last two axes."""
    return reduction.sum(matrix.diagonal(x, offset, -2, -1), axis=-1, dtype=dtype)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """np.linalg.outer: of two vectors."""
    if len(shape_of(x1)) != 1 or len(shape_of(x2)) != 1:
        raise ShapeError(
            f"np.linalg.outer: expected two vectors, got shapes {shape_of(x1)} and {shape_of(x2)}"
        )
    return contract.outer(x1, x2)


@implements(np.linalg.tensordot)
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """np.linalg.tensordot."""
    return contract.tensordot(x1, x2, axes)


@implements(np.linalg.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """np.linalg.vecdot."""
    return contract.vecdot(x1, x2, axis=axis)


@implements(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """np.linalg.cross: of vectors of three elements along ``axis``; other axes broadcast."""
    for shape in (shape_of(x1), shape_of(x2)):
        size = shape[as_axis("np.linalg.cross", axis, len(shape))]
        if size != 3:
            raise ShapeError(
                f"np.linalg.cross: vectors have 3 elements, but axis {axis} of an argument has "
                f"size {size}"
            )

    def product(first: int, second: int) -> Any:
        left, right = join.roll(x1, -first, axis), join.roll(x2, -second, axis)
        return arithmetic.multiply(left, right)

    return arithmetic.subtract(product(1, 2), product(2, 1))


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """np.linalg.vector_norm: over ``axis``, which may be several or, as None, all."""
    shape = shape_of(x)
    x = x if dtype_of(x).is_float else astype(x, dtype=as_dtype("float64"))
    axes = as_axes("np.linalg.vector_norm", axis, len(shape))
    options: Any = {"axis": axes, "keepdims": keepdims}
    size = arithmetic.absolute(x)
    if ord == 2:
        return arithmetic.sqrt(reduction.sum(arithmetic.square(x), **options))
    if ord in (np.inf, -np.inf):
        return (reduction.max if ord > 0 else reduction.min)(size, **options)
    if ord == 0:
        return reduction.sum(astype(logic.not_equal(x, 0), dtype=dtype_of(x)), **options)
    if ord == 1:
        return reduction.sum(size, **options)
    if not isinstance(ord, (int, float)):
        raise ArgumentError(f"np.linalg.vector_norm: ord is a number, got {ord!r}")
    powers = reduction.sum(arithmetic.power(size, float(ord)), **options)
    return arithmetic.power(powers, 1.0 / ord)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """np.linalg.matrix_norm: over the last two axes."""
    return statistics.norm(x, ord, (-2, -1), keepdims)


def check_square(name: str, a: Any) -> None:
    """ShapeError unless ``a`` has square matrices along its last axes."""
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ShapeError(f"{name}: expected square matrices, got shape {shape}")


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """np.linalg.matrix_power, by repeated squaring; the products in NumPy's order."""
    check_square("np.linalg.matrix_power", a)
    shape = shape_of(a)
    if not isinstance(n, (int, np.integer)):
        raise ArgumentError(f"np.linalg.matrix_power: the exponent is an integer, got {n!r}")
    if n < 0:
        return matrix_power(np.linalg.inv(a), -n)
    if n == 0:
        one = eye(shape[-1], dtype=dtype_of(a))
        return arithmetic.add(one, filled(0, shape=shape, dtype=dtype_of(a)))
    if n == 3:  # the other way round infinities would become others
        return contract.matmul(contract.matmul(a, a), a)
    power, result = a, None
    while n:
        if n % 2:
            result = power if result is None else contract.matmul(result, power)
        n //= 2
        power = contract.matmul(power, power) if n else power
    return result


def _shifted(name: str, x: Any, axes: Any, sign: int) -> Any:
    shape = shape_of(x)
    if not shape:
        raise ShapeError(f"{name}: an array of no axes has none to shift")
    places = as_axes(name, axes, len(shape))
    half = tuple(shape[d] // 2 if sign > 0 else -(shape[d] // 2) for d in places)
    return join.roll(x, half, places) if size_of(shape) else x


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """np.fft.fftshift: the frequency 0 goes to the middle."""
    return _shifted("np.fft.fftshift", x, axes, 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """np.fft.ifftshift: the middle goes back to the front."""
    return _shifted("np.fft.ifftshift", x, axes, -1)


if hasattr(np, "unstack"):  # since NumPy 2.1
    implements(np.unstack)(unstack)
