"""placeholder, compute, reduce_axis and the reducers: how tensor expressions are written."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from ..dtypes import as_dtype, boolean
from ..errors import ArgumentError, BoundsError, ShapeError, user_location
from ..ir.array_functions import explained_index
from ..ir.bounds import index_violation
from ..ir.combiner import Combiner, make_combiner, reducer
from ..ir.expr import Axis, Expr, Reduce, apply, as_expr, cast, promote, reduce
from ..ir.rewrite import postorder, variables_of
from .extent import Extent
from .tensor import Compute, Constant, Placeholder, Tensor


def as_shape(shape: Any) -> tuple[int, ...]:
    """``shape`` as a tuple of sizes >= 0; an int means one dimension."""
    items = shape if isinstance(shape, (tuple, list)) else (shape,)
    try:
        sizes: tuple[Any, ...] = tuple(
            extent if isinstance(extent, Extent) else int(extent.__index__()) for extent in items
        )
    except (AttributeError, TypeError):
        raise ShapeError(
            f"expected a shape of integers, got {shape!r}; "
            "sizes are static: they cannot be traced values"
        ) from None
    if builtins.any(int(extent) < 0 for extent in sizes):
        raise ShapeError(f"expected sizes >= 0, got {sizes}")
    return sizes


def placeholder(
    shape: Any,
    dtype: Any = "float32",
    name: str = "A",
    strides: Sequence[int] | None = None,
    aligned: bool = True,
) -> Tensor:
    """An input tensor. ``strides``, in elements, describe a non-contiguous array."""
    op = Placeholder(None if strides is None else tuple(strides), aligned)
    return Tensor(name, as_shape(shape), as_dtype(dtype), op)


def constant(array: Any, name: str = "const") -> Tensor:
    """A tensor whose elements are those of a NumPy array, read in place."""
    return Tensor(name, tuple(array.shape), as_dtype(array.dtype), Constant(array))


def reduce_axis(extent: Any, name: str = "k") -> Axis:
    """An axis to reduce over: ``extent`` is a size, or ``(0, size)``."""
    if isinstance(extent, (tuple, list)):
        if len(extent) != 2 or extent[0] != 0:
            raise ShapeError(
                f"expected a size or (0, size), got {tuple(extent)}; "
                "shift the index instead: x[start + k]"
            )
        extent = extent[1]
    (size,) = as_shape(extent)
    return Axis(name, size, is_reduce=True)


def _axes_of(axis: Any) -> tuple[Axis, ...]:
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for item in axes:
        if not (isinstance(item, Axis) and item.is_reduce):
            raise ArgumentError(
                f"a reducer of te folds over axis=, a te.reduce_axis (or a tuple of them), got "
                f"{item!r}; make one with k = te.reduce_axis(size), as in te.sum(x[i, k], axis=k)"
            )
    return axes


# fmt: off
def sum(value: Any, axis: Any = None) -> Expr:
    """The sum of ``value`` over ``axis``."""
    return _reduced("sum", value, axis)
def prod(value: Any, axis: Any = None) -> Expr:
    """The product of ``value`` over ``axis``."""
    return _reduced("prod", value, axis)
def any(value: Any, axis: Any = None) -> Expr:
    """Whether ``value`` (bool) holds anywhere on ``axis``."""
    return _reduced("any", value, axis)
def all(value: Any, axis: Any = None) -> Expr:
    """Whether ``value`` (bool) holds everywhere on ``axis``."""
    return _reduced("all", value, axis)
def max(value: Any, other: Any = None, *, axis: Any = None) -> Expr:
    """The greatest ``value`` over ``axis``, or the greater of two values; NaN wins, as in NumPy."""
    return _extreme("max", "maximum", value, other, axis)
def min(value: Any, other: Any = None, *, axis: Any = None) -> Expr:
    """The least ``value`` over ``axis``, or the lesser of two values; NaN wins, as in NumPy."""
    return _extreme("min", "minimum", value, other, axis)
# fmt: on


def _extreme(name: str, fn: str, value: Any, other: Any, axis: Any) -> Expr:
    if isinstance(other, (Axis, tuple, list)) and axis is None and not isinstance(value, Axis):
        if not isinstance(other, Axis) or other.is_reduce:
            other, axis = None, other
    if (other is None) == (axis is None):
        raise ArgumentError(f"te.{name} wants two values, or one value and axis=")
    if axis is not None:
        return _reduced(name, value, axis)
    return apply(fn, *promote(value, other))


def _reduced(name: str, value: Any, axis: Any) -> Expr:
    expr = as_expr(value)
    if name in ("any", "all"):
        expr = cast(expr, boolean)
    return reduce(reducer(name, expr.dtype), (expr,), _axes_of(axis))


def comm_reducer(
    combine: Callable[..., Any],
    identity: Any,
    dtype: Any = None,
    name: str = "reduce",
    commutative: bool = True,
) -> Callable[..., Any]:
    """A reducer of one's own, from ``combine(left, right)`` and its ``identity``.

    For several values at once, ``identity`` and ``dtype`` are tuples and ``combine`` takes and
    returns tuples. The function must be associative, and commutative unless ``commutative=False``
    says that the order of the elements has to be kept (which costs speed). The reducer returns one
    expression, or a tuple of them::

        argmax = te.comm_reducer(
            lambda a, b: (te.select(wins(a, b), a[0], b[0]), te.max(a[1], b[1])),
            identity=(2**63 - 1, -inf), dtype=("int64", "float32"), name="argmax")
        te.compute((n,), lambda i: argmax((k, x[i, k]), axis=k))
    """
    if dtype is None or callable(identity):
        raise ArgumentError(
            f"te.comm_reducer wants numbers as identity, and their dtype, as in "
            f"te.comm_reducer(combine, identity=0, dtype='float32'), or tuples of both for several "
            f"values at once; got identity={identity!r}, dtype={dtype!r}"
        )
    single = not isinstance(dtype, (tuple, list))
    dtypes = tuple(as_dtype(d) for d in ((dtype,) if single else dtype))
    identities = (identity,) if single else tuple(identity)
    combiner = make_combiner(name, combine, identities, dtypes, commutative)

    def apply_reducer(value: Any, axis: Any) -> Any:
        return reduce_with(combiner, (value,) if single else tuple(value), axis, single)

    apply_reducer.__name__ = name
    return apply_reducer


def reduce_with(
    combiner: Combiner, values: tuple[Any, ...], axis: Any, single: bool = False
) -> Any:
    """``values`` folded with ``combiner`` over ``axis``: one expression per part."""
    if len(values) != len(combiner.dtypes):
        raise ArgumentError(
            f"reducer {combiner.name!r} combines {len(combiner.dtypes)} values, got {len(values)}"
        )
    parts = tuple(cast(as_expr(v, d), d) for v, d in zip(values, combiner.dtypes, strict=True))
    axes = _axes_of(axis)
    out = tuple(reduce(combiner, parts, axes, i) for i in range(len(parts)))
    return out[0] if single else out


def compute(
    shape: Any,
    body: Callable[..., Any],
    name: str = "compute",
    op: str = "compute",
    params: tuple[tuple[str, Any], ...] = (),
) -> Any:
    """The tensor whose element at ``(i, j, ...)`` is ``body(i, j, ...)``.

    ``body`` takes one index per dimension of ``shape`` and returns an expression, or a tuple of
    them for several outputs of the same shape. A reduction may stand only at its root. Indices that
    can be proven to leave a tensor raise :class:`mlc.BoundsError` with a concrete index.
    """
    sizes = as_shape(shape)
    names = _index_names(body, len(sizes))
    axes = tuple(Axis(n, extent) for n, extent in zip(names, sizes, strict=True))
    try:
        result = body(*axes)
    except IndexError as error:
        raise explained_index(error) from None
    several = isinstance(result, (tuple, list))
    exprs = tuple(as_expr(part) for part in (result if several else (result,)))
    if not exprs:
        raise ArgumentError(f"the function of te.compute {name!r} returns nothing to compute: ()")
    _check_body(name, axes, exprs)
    node = Compute(axes, exprs, op, params, user_location())
    tensors = tuple(
        Tensor(f"{name}.{i}" if several else name, sizes, expr.dtype, node, i)
        for i, expr in enumerate(exprs)
    )
    return tensors if several else tensors[0]


def _index_names(body: Callable[..., Any], ndim: int) -> list[str]:
    if not callable(body):
        raise ArgumentError(
            f"te.compute wants a function that says what one element is, lambda i: ..., got "
            f"{type(body).__name__} {body!r}"
        )
    default = [f"i{d}" for d in range(ndim)] if ndim > 4 else list("ijlm"[:ndim])
    if _takes_any_number(body):
        return default
    try:
        parameters = list(inspect.signature(body).parameters.values())
    except (TypeError, ValueError):
        return default
    if len(parameters) == 1 and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return default
    required = [p for p in parameters if p.default is p.empty]
    if len(required) != ndim:
        raise ArgumentError(
            f"te.compute wants a function with an index for each axis of its shape, which has "
            f"{ndim}; got one of {len(required)}: ({', '.join(p.name for p in required)})"
        )
    return [p.name for p in required]


def _takes_any_number(body: Callable[..., Any]) -> bool:
    """Whether ``body`` is a plain function of ``*args`` alone, which a signature, the way that is
    sure for all others, takes long to tell."""
    if type(body) is not FunctionType or hasattr(body, "__wrapped__"):
        return False
    code = body.__code__
    kinds = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return kinds == inspect.CO_VARARGS and not code.co_argcount and not code.co_kwonlyargcount


def _check_body(name: str, axes: tuple[Axis, ...], exprs: tuple[Expr, ...]) -> None:
    first = exprs[0]
    for expr in exprs:
        if isinstance(expr, Reduce):
            same = isinstance(first, Reduce) and (
                expr.combiner is first.combiner
                and expr.axes == first.axes
                and builtins.all(a is b for a, b in zip(expr.values, first.values, strict=True))
            )
            if not same:
                raise ArgumentError(
                    f"the outputs of {name!r} reduce differently; several outputs must share one "
                    f"reduction: split them into several te.compute"
                )
        elif isinstance(first, Reduce):
            raise ArgumentError(f"some outputs of {name!r} reduce and others do not; split them")
        for node in postorder(expr):
            if isinstance(node, Reduce) and node is not expr:
                raise ArgumentError(
                    f"{name!r} has a reduction inside an expression; a reduction must be the whole "
                    f"body of a te.compute: compute it first, then use the tensor"
                )
    bound = {id(axis) for axis in axes}
    for expr in exprs:
        if isinstance(expr, Reduce):
            bound.update(id(axis) for axis in expr.axes)
        for node in variables_of(expr):
            if isinstance(node, Axis) and id(node) not in bound:
                raise ArgumentError(
                    f"index {node.name!r} in {name!r} belongs to no axis of this te.compute; "
                    f"a reduce axis needs its reducer: te.sum(..., axis={node.name})"
                )
        found = index_violation(expr)
        if found is not None:
            raise BoundsError(f"in {name!r}: {found}")
