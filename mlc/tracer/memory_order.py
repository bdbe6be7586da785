"""Where the elements of a traced array would lie in NumPy's memory.

Compiled code keeps them where it likes, but NumPy's answer decides what a later write changes:
``x.reshape(-1)`` is a view of an array in C order, and a copy of most others. The strides of
arguments are known, and so are those of what ufuncs, copies and indexing make of them; of all else
that is made of arrays in another order than C's they are not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MlcError, UnsupportedError
from ..ops.einsum import with_subscripts
from ..ops.op import leaves_of
from ..te.extent import is_open
from .contracted_order import contracted

if TYPE_CHECKING:
    from .tracer import Tracer

Array = np.ndarray[Any, Any]
Order = tuple[int, ...] | None | str  # strides in elements; None for C's; UNKNOWN
UNKNOWN = "unknown"
DOUBT = (
    "whether {} is a view or a copy depends on the order of the array's elements in memory, which "
    "is not known while tracing, so neither can be written to; make a .copy() before, which has C's"
)
_NOT_KNOWN = (
    "order={!r} asks for the order of the elements in memory, which is not known while tracing; "
    "name 'C' or 'F'"
)
_LIKE_UFUNCS = frozenset({
    np.where, np.clip, np.round, np.copy, np.zeros_like, np.ones_like, np.empty_like, np.full_like,
    np.nan_to_num, np.isclose, np.astype, np.fix, np.isposinf, np.isneginf,
})  # fmt: skip
# Functions that are asked for an order and a shape, and the place of the dtype before those.
LIKE = {np.zeros_like: 1, np.ones_like: 1, np.empty_like: 1, np.full_like: 2}
_IN_ORDER = frozenset({
    np.concatenate, np.diff, np.gradient, np.hstack, np.vstack, np.dstack, np.column_stack,
    np.stack, np.append,
})  # fmt: skip
_EITHER = frozenset({np.pad, np.insert})  # in Fortran's order where the array is, else in C's
_TRANSPOSED = frozenset({
    np.argwhere, np.apply_along_axis, np.apply_over_axes, np.linspace, np.logspace, np.geomspace,
})  # fmt: skip
_PRODUCTS = frozenset({np.matmul, np.dot})  # of matrices are in C order, whatever these are in
ALONG_COLUMNS = frozenset({np.argmax, np.argmin, np.std, np.var})
_COLUMNS = frozenset({np.nonzero, np.where, np.unravel_index})  # columns of one array


def layout(value: Tracer) -> Array | None:
    """An array with the shape and the strides that ``value`` has in NumPy, never to be read; None
    where they are not known."""
    found = _layout(value)
    if found is None or value._step == 1:
        return found
    strides = tuple(step * value._step for step in found.strides)
    return np.lib.stride_tricks.as_strided(found, found.shape, strides)


def _layout(value: Tracer) -> Array | None:
    view = value._view
    if view is not None:
        owner = layout(view.source())
        if owner is None:
            return None
        return view.op.view.array(owner, view.others, view.static)
    shape, dtype, steps = tuple(map(int, value.shape)), value.dtype, value._cell.strides
    if not value._cell.is_ordered:
        return None
    if 0 in shape and (steps is None or len(shape) > 1):  # NumPy's versions have their own steps
        return np.empty(shape, dtype)
    if steps is None:
        strides = _dense(shape, dtype.itemsize)
    else:
        strides = tuple(step * dtype.itemsize for step in steps)
    return np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, strides)


def _dense(shape: Sequence[int], size: int) -> tuple[int, ...]:
    return tuple(
        size * math.prod(max(int(n), 1) for n in shape[d + 1 :]) for d in range(len(shape))
    )


def is_same_memory(shape: Sequence[int], strides: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether an array of these strides can be reshaped to ``wanted``, of as many elements,
    without a copy: asking NumPy would have it copy what is never to be read."""
    if 0 in shape:
        return True
    old = [pair for pair in zip(shape, strides, strict=True) if pair[0] != 1]
    new = [n for n in wanted if n != 1]
    while old:  # axes that become axes of the same product, which must follow each other in memory
        group = [old.pop(0)]
        size, made = group[0][0], new.pop(0)
        while size != made:
            if made < size:
                made *= new.pop(0)
            else:
                group.append(old.pop(0))
                size *= group[-1][0]
        if any(step != n * inner for (_, step), (n, inner) in pairwise(group)):
            return False
    return True


def order_of(value: Any) -> Order:
    """The order of the elements of an array, traced or not."""
    if _is_traced(value):
        if _is_plain(value):
            return None
        value = layout(value)
        if value is None:
            return UNKNOWN
    if not isinstance(value, np.ndarray) or value.ndim < 2 or is_dense_part(value):
        return None
    return tuple(step // value.itemsize for step in value.strides)


def set_order(value: Any, order: Order) -> None:
    """Let ``value``, a traced array of its own, have that order."""
    if not _is_traced(value) or value._view is not None or value.ndim < 2:
        return
    value._cell.is_ordered = order != UNKNOWN
    value._cell.strides = order if isinstance(order, tuple) else None


def keep_order(result: Any, inputs: Sequence[Any], is_copy: bool = False) -> None:
    """Give the result of a ufunc the order of axes that NumPy does: that of the inputs. In copies
    and what is made like an array an axis along which all elements share memory comes last."""
    traced = [v for v in inputs if _is_traced(v) and v.ndim > 1]
    if any(is_open(v.shape) for v in inputs if _is_traced(v)):
        return
    if all(map(_is_plain, traced)) or not _is_traced(result) or result._view is not None:
        return
    blanks = [layout(v) if any(v is t for t in traced) else np.zeros(np.shape(v)) for v in inputs]
    if any(blank is None for blank in blanks):
        set_order(result, UNKNOWN)
        return
    flags: Any = [*[["readonly"]] * len(blanks), ["writeonly", "allocate"]]
    dtypes = [*[None] * len(blanks), result.dtype]
    given: Any = [*blanks, None]
    if is_copy:
        made: Any = np.empty_like(blanks[0], result.dtype)
    else:
        iterator = np.nditer(given, ["zerosize_ok"], flags, dtypes, "K", "unsafe")
        made = iterator.operands[-1]
    if made.shape == result.shape:
        set_order(result, order_of(made))


def settle_order(function: Any, result: Any, inputs: Sequence[Any]) -> None:
    """Say what is known of the order of what a NumPy function has made of ``inputs``, and owns."""
    inputs = [value for value in inputs if not isinstance(value, type)]  # no dtypes
    if function in _COLUMNS and type(result) is tuple:
        for part in filter(_is_traced, result):
            if part._view is None and part.ndim and (len(result) > 1 or 0 in part.shape):
                part._cell.strides = _dense(part.shape, len(result))
        return
    given = [v for v in leaves_of(list(inputs)) if _is_traced(v) and v.ndim > 1]
    if function is np.einsum:
        order: Order = _contracted(result, inputs) if np.ndim(result) > 1 else None
    elif all(map(_is_plain, given)) and all(order_of(v) is None for v in _arrays(inputs)):
        order = UNKNOWN if function in _TRANSPOSED else None
    elif function in _LIKE_UFUNCS:
        arrays = [v for v in inputs if _is_traced(v) or isinstance(v, np.ndarray)]
        for part in leaves_of([result]):
            is_copy = function in LIKE or function in (np.copy, np.astype)
            keep_order(part, arrays[:1] if is_copy else arrays, is_copy)
        return
    elif function in _IN_ORDER and not any(map(_is_other, leaves_of([result, *inputs]))):
        arrays = [v for v in leaves_of(list(inputs)) if np.ndim(v) > 1]
        for part in leaves_of([result]):
            _keep_axes(part, arrays, _new_axis(function, part, inputs))
        return
    elif function is np.roll and len(inputs) == 3 and inputs[2] is not None:
        keep_order(result, inputs[:1])
        return
    elif function in _EITHER and getattr(result, "ndim", 0) == inputs[0].ndim:
        is_c, is_f = is_in_order(inputs[0], "C"), is_in_order(inputs[0], "F")
        known: Order = _fortran(result.shape) if is_f and not is_c else None
        order = UNKNOWN if None in (is_c, is_f) or _is_other(result) else known
    elif function in _PRODUCTS and getattr(result, "ndim", 0) == 2:
        order = None
    else:
        order = None if all(order_of(v) is None for v in given) else UNKNOWN
    if order is None and function is np.delete and _is_traced(result) and result.ndim > 1:
        order = _without_places(result, *inputs[:2])
    for whole in leaves_of([result]):
        for part in whole._parts if _is_complex(whole) else (whole,):
            if _is_traced(part) and not any(part is v for v in given):
                set_order(part, order if part.ndim > 1 else None)


def settle_like(function: Any, result: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """The same for ``np.zeros_like(a, order="F", shape=(2, 3))`` and the others of `LIKE`."""
    names = ("dtype", "order", "subok", "shape")
    options = {**dict(zip(names, args[LIKE[function] :])), **kwargs}
    order: Any = options.get("order") or "K"
    shape = options.get("shape")
    if order == "K" and shape is None or not args or is_open(np.shape(args[0])):
        return
    like = args[0]._parts[0] if _is_complex(args[0]) else args[0]
    blank: Any = layout(like) if _is_traced(like) else np.asarray(like)
    found: Order = UNKNOWN
    if blank is not None or order in ("C", "F"):
        blank = np.zeros(np.shape(like)) if blank is None else blank
        found = order_of(np.empty_like(blank, order=order, shape=shape))
    for part in result._parts if _is_complex(result) else (result,):
        set_order(part, found)


def _contracted(result: Any, inputs: Sequence[Any]) -> Order:
    """The order of what np.einsum has made; not known with options, and where several operands give
    another one than C's, in which products are not made here."""
    try:
        text, *operands = with_subscripts(tuple(inputs))
    except MlcError:
        return UNKNOWN
    if len(operands) != text.count(",") + 1 or any(is_open(np.shape(v)) for v in operands):
        return UNKNOWN
    parts = [v._parts[0] if _is_complex(v) else v for v in operands]
    blanks = [layout(v) if _is_traced(v) else np.asarray(v) for v in parts]
    known = [blank for blank in blanks if blank is not None]
    made = contracted(text, known) if len(known) == len(blanks) else None
    if made is None or made.shape != np.shape(result):
        return UNKNOWN
    found = order_of(made)
    return found if found is None or len(operands) == 1 else UNKNOWN


def _new_axis(function: Any, result: Any, inputs: Sequence[Any]) -> int | None:
    """The axis that a function which joins arrays has made of none; None without."""
    if function is np.dstack:
        return 2
    if function is not np.stack:
        return None
    given = [value for value in inputs[1:] if type(value) is int]
    return given[0] % result.ndim if given else 0


def _keep_axes(result: Any, inputs: Sequence[Any], new: int | None = None) -> None:
    """Let the axes of ``result`` lie in memory as those of all of ``inputs`` do, which may not have
    the ``new`` one."""
    if result.ndim < 2:
        set_order(result, None)
        return
    blanks = [layout(value) if _is_traced(value) else np.asarray(value) for value in inputs]
    known = [
        b if new is None or b.ndim == result.ndim else np.expand_dims(b, new)
        for b in blanks
        if b is not None and 0 not in b.shape
    ]
    known = [b for b in known if b.ndim == result.ndim]
    if not known or len(known) < len(blanks):
        set_order(result, UNKNOWN)
        return
    axes = _axes_of(known)
    steps = _dense([int(result.shape[axis]) for axis in axes], 1)
    set_order(result, tuple(steps[axes.index(axis)] for axis in range(result.ndim)))


def _axes_of(blanks: Sequence[Array]) -> tuple[int, ...]:
    """The axes that NumPy joins arrays of such strides along, that along which neighbours lie
    farthest apart first: where the arrays do not agree, as in C order."""
    axes: list[int] = []
    for axis in range(blanks[0].ndim):
        at = len(axes)
        for place in reversed(range(len(axes))):
            other = axes[place]
            steps = [
                (abs(b.strides[axis]), abs(b.strides[other]))
                for b in blanks
                if 1 not in (b.shape[axis], b.shape[other])  # which says nothing of the order
            ]
            if any(step <= apart for step, apart in steps):
                break
            at = place if steps else at
        axes.insert(at, axis)
    return tuple(axes)


def along_columns(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """``np.argmax(x, 1)`` of a matrix in Fortran's order -> ``np.argmax(x.T, 0)``, the same, which
    reads memory as it lies."""
    named = kwargs.get("axis")
    axis = args[1] if len(args) == 2 else named
    plain = len(args) < 3 and not (kwargs.keys() - {"axis", "ddof"}) and type(axis) is int
    x: Any = args[0] if args else None
    if not plain or not _is_traced(x) or x.ndim != 2 or axis not in (1, -1) or is_open(x.shape):
        return args, kwargs
    if not is_in_order(x, "F") or is_in_order(x, "C"):
        return args, kwargs
    return (x.T, 0), {name: value for name, value in kwargs.items() if name != "axis"}


def _without_places(result: Any, array: Any, places: Any) -> Order:
    """The order of what np.delete has made of ``array``, in C order: several places are left out by
    a mask, and the axis of an index comes first in memory."""
    given = places if _is_traced(places) or isinstance(places, slice) else np.asarray(places)
    if isinstance(given, slice) or math.prod(given.shape) == 1 and given.dtype.kind in "iu":
        return None
    changed = [d for d, (n, m) in enumerate(zip(np.shape(array), result.shape)) if n != m]
    if len(changed) != 1:
        return UNKNOWN
    axis, shape = changed[0], tuple(map(int, result.shape))
    first, *rest = _dense((shape[axis], *shape[:axis], *shape[axis + 1 :]), 1)
    return None if axis == 0 else (*rest[:axis], first, *rest[axis:])


def settle_index(result: Any, array: Any, key: Any) -> None:
    """The same for ``array[key]`` with arrays in the key: NumPy moves the axes that they make to
    where they belong after it has filled the result."""
    if not _is_traced(result) or result.ndim < 2 or result._view is not None:
        return
    parts = key if isinstance(key, tuple) else (key,)
    plain = [isinstance(p, slice) or p is None or p is Ellipsis for p in parts]
    leads = sorted(plain) == plain  # the arrays come first
    is_c = leads and all(order_of(v) is None for v in (array, *parts))
    set_order(result, None if is_c else UNKNOWN)


def copied_in(order: str, copy: Any, value: Any) -> Any:
    """``copy``, an array of its own with the elements of ``value``, in NumPy's order ``order``."""
    if _is_complex(copy):
        order = order if order == "K" else resolved(order, value)
        for part, other in zip(copy._parts, getattr(value, "_parts", (value, value)), strict=True):
            copied_in(order, part, other)
        return copy
    if not _is_traced(copy) or copy.ndim < 2:
        return copy
    if order == "K":
        set_order(copy, None)
        keep_order(copy, [value], is_copy=True)
    else:
        set_order(copy, _fortran(copy.shape) if resolved(order, value) == "F" else None)
    return copy


def resolved(order: str, value: Any) -> str:
    """ "C" or "F" for what NumPy calls ``order``: "A" is "F" for arrays that lie in that."""
    if order != "A":
        return order
    is_c, is_fortran = is_in_order(value, "C"), is_in_order(value, "F")
    if is_c is None:
        raise UnsupportedError(_NOT_KNOWN.format(order))
    return "F" if is_fortran and not is_c else "C"


def axes_in_memory(value: Any) -> tuple[int, ...]:
    """The axes of ``value`` in the order in which ``np.ravel(value, order="K")`` follows them: that
    along which neighbours lie farthest apart first. UnsupportedError where that is not known."""
    if is_in_order(value, "C"):
        return tuple(range(value.ndim))
    part = value._parts[0] if _is_complex(value) else value
    found = layout(part) if _is_traced(part) else np.asarray(part)
    if found is None:
        raise UnsupportedError(_NOT_KNOWN.format("K"))
    apart = [abs(step) for step in found.strides]
    if any(size > 1 and not step for size, step in zip(found.shape, apart, strict=True)):
        raise UnsupportedError(
            "order='K' of an array that is broadcast, whose elements share memory, cannot be "
            "traced; name 'C' or 'F'"
        )
    return tuple(sorted(range(value.ndim), key=lambda axis: -apart[axis]))


def is_in_order(value: Any, order: str) -> bool | None:
    """Whether the elements of ``value`` follow each other in memory in order "C" or "F"; None if
    that is not known."""
    if _is_complex(value):
        part = value._parts[0]
        found = layout(part) if _is_traced(part) else np.zeros(value.shape)
        apart = steps_of(part)
        return None if found is None else is_dense_part(found if order == "C" else found.T, apart)
    if _is_traced(value) and _is_plain(value) and order == "C":
        return True
    found = layout(value) if _is_traced(value) else np.asarray(value)
    if found is None:
        return None
    return bool(found.flags.f_contiguous if order == "F" else found.flags.c_contiguous)


def steps_of(part: Any) -> tuple[int, ...]:
    """How far neighbours are apart in a part of complex elements that follow each other: 2 where
    the other parts are between them."""
    return (2 if _is_traced(part) and part._cell.is_joined else 1,)


def is_dense_part(part: Array, apart: tuple[int, ...] = (1, 2)) -> bool:
    """Whether the complex elements that ``part`` is one part of follow each other: its own are
    ``apart``, each of which will do."""
    if 0 in part.shape:
        return True
    steps = _dense(part.shape, part.itemsize)
    pairs = [p for p in zip(part.shape, part.strides, steps, strict=True) if p[0] != 1]
    return any(all(found == k * step for _, found, step in pairs) for k in apart)


def is_as_asked(value: Any, order: str | None) -> bool:
    """Whether ``value`` is what NumPy gives that asks for ``order``, without a copy."""
    if order in ("K", None):
        return True
    if order == "A":
        return bool(is_in_order(value, "C") or is_in_order(value, "F"))
    found = is_in_order(value, str(order))
    if found is None:
        raise UnsupportedError(
            f"whether order={order!r} gives the array itself or a copy depends on the order of its "
            f"elements in memory, which is not known while tracing; make a .copy() before"
        )
    return found


def _fortran(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(reversed(_dense(tuple(reversed(shape)), 1)))


def _is_traced(value: Any) -> bool:
    return hasattr(type(value), "_cell")


def _is_other(value: Any) -> bool:
    """Whether an array is complex, or of open length."""
    return _is_complex(value) or is_open(np.shape(value))


def _is_complex(value: Any) -> bool:
    return hasattr(type(value), "_parts") and hasattr(type(value), "_pair")


def _is_plain(value: Any) -> bool:
    """Whether nothing says that a traced array is in another order than C's."""
    return (
        value._view is None
        and value._cell.strides is None
        and bool(value._cell.is_ordered)
        and value._step == 1
    )


def _arrays(inputs: Sequence[Any]) -> list[Array]:
    return [v for v in leaves_of(list(inputs)) if isinstance(v, np.ndarray)]
