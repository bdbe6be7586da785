"""np.reshape where only the running loop knows a size: of the array, or of the shape it is to get.

::

    for n in sizes:
        y = np.reshape(x[: k * n], (k, n))     ->     y[i, j] = x[i * n + j]    for i < k, j < n
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..errors import ShapeError, UnsupportedError
from ..ir.expr import Expr, apply, cast, const
from ..te.extent import Extent, is_open
from .aliasing import View
from .broadcast import as_tensor, shape_of
from .insisting import insisted
from .moving import is_inside_loop, is_traced_number, length_from, number_range
from .op import CURRENT, op

_MOST = 1 << 22  # elements that there may be
_OTHER = "cannot reshape array: the new shape is of another number of elements"


def has_open_size(shape: Any) -> bool:
    """Whether a native loop or branch is traced, and alone knows one of the sizes ``shape``."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    return is_inside_loop() and any(map(is_traced_number, sizes))


def reshaped_open(a: Any, shape: Any) -> Any:
    """``a`` of another shape; one size may be -1."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    wanted = tuple(n if is_traced_number(n) else operator.index(n) for n in sizes)
    if len(wanted) == len(shape_of(a)) == 1 and _is(wanted[0], -1):
        return a
    same = _with_ones(a, wanted)
    return _regrouped(a, wanted) if same is None else same


def _with_ones(a: Any, wanted: tuple[Any, ...]) -> Any:
    """``a`` with axes of size 1 added or left out; None where ``wanted`` is another shape."""
    from .index import getitem

    given = shape_of(a)
    kept = [n for n in given if not _is(n, 1)]
    taken = [n for n in wanted if not _is(n, 1)]
    fits = [
        isinstance(n, (int, Extent)) and n == k or _is(n, -1) and is_open((k,))
        for n, k in zip(taken, kept)
    ]
    if len(taken) != len(kept) or not all(fits) or sum(_is(n, -1) for n in taken) > 1:
        return None
    ones = tuple(0 if _is(n, 1) else slice(None) for n in given)
    new = tuple(None if _is(n, 1) else slice(None) for n in wanted)
    return getitem(getitem(a, ones), new)


def _is(size: Any, number: int) -> bool:
    return type(size) is int and size == number


def _regrouped(a: Any, wanted: tuple[Any, ...]) -> Any:
    given, most = shape_of(a), math.prod(map(int, shape_of(a)))
    total = _product(map(_length, given))
    sizes = [n if type(n) is int else _extent(n, most) for n in wanted]
    if any(type(n) is int and n < -1 for n in sizes) or sizes.count(-1) > 1:
        raise ShapeError(f"reshape: sizes must be >= 0 or one -1, got {wanted}")
    if -1 in sizes:
        rest = _product(_length(n) for n in sizes if n != -1)
        sizes[sizes.index(-1)] = _extent(_number(total // te.max(rest, 1)), most)
    if math.prod(map(int, sizes)) > _MOST:
        raise UnsupportedError(
            f"reshape to sizes that are known only when the loop runs: as far as is known, there "
            f"may be {' x '.join(str(int(n)) for n in sizes)} elements; loop over the parts "
            f"instead, x[i * n : (i + 1) * n]"
        )
    trace: Any = CURRENT.get()
    differs = trace.wrap(_number(apply("ne", total, _product(map(_length, sizes)))))
    first = insisted(np.int64(0), differs, error="ShapeError", sentence=_OTHER)
    return regrouped_open(a, first, shape=tuple(sizes))


def sizes_with_open(shape: Any) -> tuple[Any, ...]:
    """The sizes of an array of ``shape``, of which the running loop alone knows some."""
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(_extent(n, _MOST) if is_traced_number(n) else operator.index(n) for n in sizes)


def _extent(size: Any, most: int) -> Any:
    """What stands for ``size``, a traced integer, in an array of at most ``most`` elements."""
    if isinstance(size, Extent):
        return size
    trace: Any = CURRENT.get()
    tensor = size if isinstance(size, te.Tensor) else trace.lift(size)
    known = number_range(tensor)[1]
    bound = int(min(most, known))
    # There is no other size but where another one is 0, and nothing may be beyond the bound.
    length = te.max(te.min(cast(tensor[()], "int64"), bound), 0) if known > bound else tensor[()]
    return length_from(_number(length), bound)


def _number(expr: Expr) -> Any:
    return te.compute((), lambda: expr, name="size", op="slice.length")


def _length(size: Any) -> Expr:
    return size.length[()] if isinstance(size, Extent) else const(size, "int64")


def _product(sizes: Any) -> Expr:
    return math.prod(sizes, start=const(1, "int64"))


def _written(x: Any, value: Any, others: Any, static: Any) -> Any:
    return regrouped_open(value, np.int64(0), shape=x.shape)


def _laid_out(x: np.ndarray[Any, Any], others: Any, static: Any) -> np.ndarray[Any, Any]:
    if x.ndim > 1 and not x.flags.c_contiguous:
        raise UnsupportedError(
            "reshape of an array that is not contiguous, to sizes that are known only when the "
            "loop runs; make a .copy() of it before"
        )
    shape, step = tuple(map(int, static["shape"])), x.strides[-1] if x.ndim else x.itemsize
    strides = [step * math.prod(shape[d + 1 :]) for d in range(len(shape))]
    return np.lib.stride_tricks.as_strided(x, shape, strides)


@op(view=View(_written, _laid_out))
def regrouped_open(x: Any, first: Any, *, shape: tuple[Any, ...]) -> Any:
    """``x`` of ``shape``, the same elements in C order from number ``first`` on; sizes may be
    open."""
    x, first = as_tensor(x), as_tensor(first)

    def body(*index: Expr) -> Expr:
        place: Expr = const(0, "int64")
        for i, size in zip(index, shape, strict=True):
            place = place * _length(size) + i
        return x[tuple(_places(place + first[()], x.shape))]

    return te.compute(shape, body, name="reshape")


def _places(place: Expr, shape: Sequence[Any]) -> list[Expr]:
    """The index of element number ``place`` of an array of ``shape``, always inside of it."""
    found: list[Expr] = []
    for size in reversed(shape[1:]):
        length = te.max(_length(size), 1)
        found.append(place % length)
        place = place // length
    if shape:
        found.append(te.min(place, int(shape[0]) - 1))
    return found[::-1]
