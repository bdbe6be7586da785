"""np.gcd and np.lcm, by Euclid's algorithm for each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import DType, int64, uint64
from ..errors import ShapeError, UnsupportedError
from ..ir.expr import Expr, apply, cast, const, select
from .broadcast import as_axes, as_tensor, broadcast_shape, is_only_axis, shape_of, size_of
from .calculus import as_array
from .elementwise import astype
from .index import slice_axis
from .join import concatenate
from .op import Op, implements, op
from .programs import Writer, threads, unflattened
from .promotion import dtype_of, ufunc_dtypes
from .shape import broadcast_to, reshape

_STEPS = 32  # a guess of what one element takes, for the choice of threads


def _magnitude(value: Expr, dtype: DType) -> Expr:
    """``abs(value)`` as uint64, which has room for that of the least integer, too."""
    if dtype.kind == "u":
        return cast(value, uint64)
    wide = cast(value, int64)
    return cast(select(wide < const(0, int64), const(0, int64) - wide, wide), uint64)


def _euclid(w: Writer, a: Expr, b: Expr) -> Expr:
    """The greatest common divisor of two uint64."""
    zero = const(0, uint64)
    high, low, kept = (w.variable(name, v) for name, v in (("a", a), ("b", b), ("kept", zero)))
    with w.repeat(apply("ne", low[()], zero)):
        w.set(kept, low[()])
        w.set(low, apply("mod", high[()], low[()]))
        w.set(high, kept[()])
    return high[()]


def _least_multiple(w: Writer, a: Expr, b: Expr) -> Expr:
    """The least common multiple of two uint64, 0 beside 0; it wraps as NumPy's does."""
    zero, one = const(0, uint64), const(1, uint64)
    common = _euclid(w, a, b)
    divisor = select(apply("eq", common, zero), one, common)
    return apply("floordiv", a, divisor) * b


def _number(value: Any, dtype: DType) -> Any:
    """``value`` as an array; OverflowError for a Python integer that ``dtype`` does not hold."""
    return np.asarray(value, dtype.numpy) if type(value) is int else as_array(value)


def _declare(ufunc: np.ufunc, formula: Callable[[Writer, Expr, Expr], Expr]) -> Op:
    name = ufunc.__name__

    def function(x1: Any, x2: Any, *, dtype: Any = None) -> Any:
        inputs, (target,) = ufunc_dtypes(ufunc, (x1, x2), dtype)
        shape = broadcast_shape(name, shape_of(x1), shape_of(x2))
        parts = [
            as_tensor(astype(broadcast_to(_number(x, d), shape), dtype=d))
            for x, d in zip((x1, x2), inputs, strict=True)
        ]
        w = Writer(name)
        sources = [w.input(f"x{n}", shape, part.dtype) for n, part in enumerate(parts)]
        out = w.output("out", shape, target)
        count = size_of(shape)
        with w.loop(count, "i", threads(count, count * _STEPS)) as i:
            at = unflattened(i, shape)
            given = (_magnitude(s[tuple(at)], p.dtype) for s, p in zip(sources, parts, strict=True))
            w.store(out, at, formula(w, *given))
        return w.call(*parts)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"np.{name}, element by element."
    made: Op = op(function, name=name, numpy=(ufunc,))
    made.ufunc = ufunc
    return made


gcd = _declare(np.gcd, _euclid)
lcm = _declare(np.lcm, _least_multiple)


def _folded(ufunc: np.ufunc, pair: Op) -> None:
    name = f"np.{ufunc.__name__}.reduce"

    @implements(ufunc.reduce)
    def reduce(
        array: Any, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: bool = False
    ) -> Any:
        if out is not None or dtype is not None:
            raise UnsupportedError(f"{name} with out= or dtype= cannot be traced; use .astype(...)")
        a = as_array(array)
        shape = shape_of(a)
        if is_only_axis(shape, axis):
            a, shape, axis = reshape(a, (1,)), (1,), 0
        axes = as_axes(name, axis, len(shape))
        if isinstance(a, np.ndarray):
            return ufunc.reduce(a, axis=axes, keepdims=keepdims)
        for d in axes:
            a = _along(name, ufunc, pair, a, d)
        rest = tuple(n for d, n in enumerate(shape) if d not in axes)
        return a if keepdims else reshape(a, rest)


def _along(name: str, ufunc: np.ufunc, pair: Op, a: Any, axis: int) -> Any:
    """``a`` folded by halves along ``axis``, which is kept with one element."""
    size = shape_of(a)[axis]
    if not size:
        if ufunc.identity is None:
            raise ShapeError(f"{name} of zero elements along axis {axis}: it has no identity")
        shape = tuple(1 if d == axis else n for d, n in enumerate(shape_of(a)))
        return np.full(shape, ufunc.identity, dtype_of(a).numpy)
    if size == 1 and ufunc.identity is not None:
        return pair(a, a)
    while size > 1:
        half = size // 2
        parts = [slice_axis(a, slice(n * half, (n + 1) * half), axis) for n in range(2)]
        folded = pair(*parts)
        if size % 2:
            folded = concatenate([folded, slice_axis(a, slice(size - 1, size), axis)], axis=axis)
        a, size = folded, half + size % 2
    return a


_folded(np.gcd, gcd)
_folded(np.lcm, lcm)
