"""What the data choose: nonzero, argwhere, extract, compress.

How much is found depends on the data, and shapes must be known while tracing: ``size=`` says how
much room there is. What is left of it gets ``fill_value``; what does not fit ends the call with
BoundsError. Arrays known while tracing need no ``size``, and in jitted functions, outside of native
loops, there may be none: then there is code for each number of elements that was met.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..dtypes import boolean, int64
from ..errors import ArgumentError, BoundsError, DomainError, ShapeError, UnsupportedError
from ..intrinsics.holding import BLOCK
from ..intrinsics.holding import elements_where as elements_where_intrinsic
from ..intrinsics.holding import places_where as places_where_intrinsic
from ..intrinsics.sorting import has_compress
from ..ir.expr import Expr, cast, const
from ..ir.grids import Grid
from ..ir.program import Buffer, Program, Region
from . import arithmetic, logic
from .broadcast import as_axis, as_tensor, shape_of, size_of
from .closing import closed
from .create import zeros
from .elementwise import astype
from .index import getitem, take
from .join import stack
from .moving import is_inside_loop
from .op import CURRENT, implements, op, why_unrolled
from .programs import Writer
from .promotion import dtype_of
from .shape import ravel, reshape


def is_known(*values: Any) -> bool:
    """Whether no value is traced."""
    return not any(isinstance(v, te.Tensor) or hasattr(type(v), "__mlc_lift__") for v in values)


def chosen_by_data(function: Any) -> Callable[[Any], Any]:
    """`implements`, for a function whose implementation takes ``size``: without one, arrays that
    are known while tracing are left to NumPy."""

    def register(implementation: Any) -> Any:
        @functools.wraps(implementation)
        def choose(*args: Any, **options: Any) -> Any:
            if options.get("size") is None and is_known(*args, *options.values()):
                options.pop("size", None)
                options.pop("fill_value", None)
                return function(
                    *(np.asarray(a) if hasattr(a, "dtype") else a for a in args), **options
                )
            return implementation(*args, **options)

        implements(function)(choose)
        return choose

    return register


def _plain(value: Any) -> Any:
    return np.asarray(value) if hasattr(value, "dtype") else value


def room_for(name: str, size: Any) -> int:
    """``size``, checked; without one an error says why it is needed."""
    if size is None:
        text = "finds as much as the data decide, and shapes must be known while tracing"
        raise UnsupportedError(
            f"np.{name} of traced values {text}; give size=, which leaves room for that many, or "
            f"use np.where(mask, new, old){why_unrolled(text)}"
        )
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 0:
        raise ArgumentError(f"np.{name}: size must be a number of elements, got {size!r}")
    return int(size)


def room_found(name: str, size: Any, count: Callable[[], Any]) -> tuple[int | None, int | None]:
    """(how much room there is, None), or, without ``size``, (None, how much ``count`` says that
    there is) where a trace finds that out."""
    if size is None:
        ask = getattr(CURRENT.get(), "room", None)
        found = None if ask is None else ask(count)
        if found is not None:
            return None, found
    return room_for(name, size), None


def no_room(name: str, size: int) -> str:
    """The sentence for more than there is room for."""
    return f"np.{name}: more is found than size={size} has room for; give a larger size"


@op
def places_where(x: Any, *, size: int, fill: int | None, name: str) -> Any:
    """The places in the 1-d ``x`` that are not 0, in order, then ``fill``, or anything at all if
    that is None. More than there is room for end the call, or are left out if ``name``, which says
    of what, is empty."""
    x = as_tensor(x)
    n = x.shape[0]
    if size == 0 and not name:
        return te.compute((0,), lambda i: cast(i, int64), name="nonzero")
    w = Writer("nonzero")
    source, out = w.input("x", x.shape, x.dtype), w.output("out", (size,), int64)
    full = w.guard("BoundsError", no_room(name, size)) if name and size < n else None
    count = w.variable("count", const(0))
    if x.dtype is boolean and n >= BLOCK and size > 1:
        state = w.memory("state", (1,), int64)
        named = places_where_intrinsic(n, size, lambda name: _meaning(name, n, size)).name
        w.run_on(named, *(Region(b, (const(0),), b.shape) for b in (source, out, state)))
        w.set(count, state[0])
    else:
        _write_places(w, source, out, count)
    if full is not None:
        w.insist(full, count[()] <= size)
    if fill is not None:
        with w.repeat(count[()] < size):
            w.store(out, (count[()],), const(fill))
            w.set(count, count[()] + 1)
    sentence = "" if full is None else no_room(name, size)
    given = x.dtype

    def on_grid() -> Grid:
        from .grid_places import places_on_grid

        return places_on_grid(n, given, size, fill or 0, sentence)

    return w.call(x, on_grid=on_grid if n and size else None)


@op
def elements_where(values: Any, mask: Any, *, size: int) -> Any:
    """The first ``size`` elements of the 1-d ``values`` where ``mask`` holds: there are as many."""
    values, mask = as_tensor(values), as_tensor(mask)
    n, dtype = values.shape[0], values.dtype
    if size == 0:
        return te.compute((0,), lambda i: const(0, dtype), name="chosen")

    def write(w: Writer, at: Buffer, source: Buffer, out: Buffer) -> Buffer:
        count = w.variable("count", const(0))
        with w.loop(n, "i") as i, w.when(at[i]):
            with w.when(count[()] < size):
                w.store(out, (count[()],), source[i])
            w.set(count, count[()] + 1)
        return count

    def params(w: Writer) -> tuple[Buffer, Buffer, Buffer]:
        at, source = w.input("mask", (n,), boolean), w.input("x", (n,), dtype)
        return at, source, w.output("out", (size,), dtype)

    def meaning(name: str) -> Program:
        inner = Writer(name)
        parts = params(inner)
        state = inner.output("state", (1,), int64)
        inner.store(state, (0,), write(inner, *parts)[()])
        return inner.program()

    w = Writer("chosen")
    parts = params(w)
    if n >= BLOCK and size > 1 and has_compress(dtype):
        state = w.memory("state", (1,), int64)
        named = elements_where_intrinsic(dtype, n, size, meaning).name
        w.run_on(named, *(Region(b, (const(0),), b.shape) for b in (*parts, state)))
    else:
        write(w, *parts)

    def on_grid() -> Grid:
        from .grid_places import elements_on_grid

        return elements_on_grid(n, dtype, size)

    return w.call(mask, values, on_grid=on_grid if n and size else None)


def _write_places(w: Writer, source: Buffer, out: Buffer, count: Buffer) -> None:
    """The places of ``source`` that are not 0 to ``out``, as many as fit, and how many they are."""
    with w.loop(int(source.shape[0]), "i") as i, w.when(cast(source[i], boolean)):
        with w.when(count[()] < int(out.shape[0])):
            w.store(out, (count[()],), i)
        w.set(count, count[()] + 1)


def _meaning(name: str, n: int, size: int) -> Program:
    """What the intrinsic does, as a program."""
    w = Writer(name)
    source = w.input("mask", (n,), boolean)
    out, state = w.output("out", (size,), int64), w.output("state", (1,), int64)
    count = w.variable("count", const(0))
    _write_places(w, source, out, count)
    w.store(state, (0,), count[()])
    return w.program()


def places_held(name: str, a: Any, size: Any, fill: int) -> Any:
    """The places of what is not 0 in ``a`` for the function ``name``, then ``fill`` where ``size``
    leaves more room; without it there are as many as the data decide."""
    from .reduce import count_nonzero

    flat = astype(ravel(a), dtype=boolean)
    if size is None and is_inside_loop():
        flat = closed(flat, fill=False)
        places = places_where(flat, size=shape_of(flat)[0], fill=None, name="")
        return getitem(places, slice(None, count_nonzero(flat)))
    room, found = room_found(name, size, lambda: count_nonzero(flat))
    if room is not None:
        return places_where(flat, size=room, fill=int(fill), name=name)
    # Where another number is found than in the trace, the call goes to other code in the end.
    return places_where(flat, size=found, fill=int(fill), name="")


def elements_held(whole: Any, mask: Any) -> Any:
    """The elements of ``whole`` where ``mask`` holds, in a native loop: as many as it says. The
    first of ``whole`` belong to the mask, in C order."""
    from .reduce import count_nonzero

    held = closed(astype(ravel(mask), dtype=boolean), fill=False)
    room = shape_of(held)[0]
    made = elements_where(getitem(ravel(whole), slice(room)), held, size=room)
    return getitem(made, slice(None, count_nonzero(held)))


@chosen_by_data(np.flatnonzero)
def flatnonzero(a: Any, *, size: Any = None, fill_value: int = 0) -> Any:
    """np.flatnonzero."""
    return places_held("flatnonzero", a, size, fill_value)


@chosen_by_data(np.nonzero)
def nonzero(a: Any, *, size: Any = None, fill_value: int = 0) -> Any:
    """np.nonzero."""
    places = places_held("nonzero", a, size, -1)
    if size is None and len(shape_of(a)) == 1:
        return (places,)
    return _unraveled(places, shape_of(a), int(fill_value))


def _unraveled(places: Any, shape: tuple[int, ...], fill: int) -> tuple[Any, ...]:
    """Places counted in C order as an index for each axis; ``fill`` where they are -1."""
    if not shape:
        raise ShapeError("np.nonzero: needs at least one dimension; use np.atleast_1d")
    return tuple(
        index_of(places, step=size_of(shape[d + 1 :]), extent=n if d else 0, fill=fill)
        for d, n in enumerate(shape)
    )


@op
def index_of(places: Any, *, step: int, extent: int, fill: int) -> Any:
    """``places // step % extent`` (0: no end); ``fill`` for -1."""
    places = as_tensor(places)

    def body(*index: Expr) -> Expr:
        place = te.max(places[index], 0)
        place = place // step if step > 1 else place
        place = place % extent if extent > 1 else place if not extent else const(0)
        return te.select(places[index] < 0, const(fill), place)

    return te.compute(places.shape, body, name="index")


@chosen_by_data(np.argwhere)
def argwhere(a: Any, *, size: Any = None, fill_value: int = 0) -> Any:
    """np.argwhere."""
    if not shape_of(a):
        room, count = room_found("argwhere", size, lambda: logic.not_equal(a, 0))
        return zeros((count if room is None else room, 0), dtype="int64")
    found = _unraveled(places_held("argwhere", a, size, -1), shape_of(a), int(fill_value))
    return stack(list(found), axis=1)


@chosen_by_data(np.extract)
def extract(condition: Any, arr: Any, *, size: Any = None, fill_value: Any = 0) -> Any:
    """np.extract."""
    if is_known(condition):
        return take(ravel(arr), np.flatnonzero(condition))
    return compress(ravel(condition), ravel(arr), 0, size=size, fill_value=fill_value)


@chosen_by_data(np.compress)
def compress(
    condition: Any, a: Any, axis: Any = None, out: None = None, *,
    size: Any = None, fill_value: Any = 0,
) -> Any:  # fmt: skip
    """np.compress."""
    if len(shape_of(condition)) != 1:
        raise ShapeError(f"np.compress: condition must be 1-d, got shape {shape_of(condition)}")
    a, axis = (ravel(a), 0) if axis is None else (a, as_axis("compress", axis, len(shape_of(a))))
    if is_known(condition):
        return take(a, np.flatnonzero(condition), axis)
    count = shape_of(condition)[0]
    if count > shape_of(a)[axis]:
        raise BoundsError(
            f"np.compress: {count} conditions for an axis of size {shape_of(a)[axis]}"
        )
    if size is None and len(shape_of(a)) == 1:
        return a[:count][astype(condition, dtype=boolean)]
    places = places_held("compress", condition, size, -1)
    if size is None:
        return take(a, places, axis)
    chosen = take(a, arithmetic.maximum(places, 0), axis)
    spread = tuple(-1 if d == axis else 1 for d in range(len(shape_of(a))))
    from .elementwise import select_where

    filled = select_where(reshape(logic.less(places, 0), spread), fill_value, chosen)
    return astype(filled, dtype=dtype_of(a))


@chosen_by_data(np.trim_zeros)
def trim_zeros(
    filt: Any, trim: str = "fb", axis: Any = None, *, size: Any = None, fill_value: Any = 0
) -> Any:
    """np.trim_zeros of one axis, a view; with ``size``, an array with ``fill_value`` in the room
    that is left."""
    if len(shape_of(filt)) != 1:
        raise UnsupportedError(
            f"np.trim_zeros of a traced array of {len(shape_of(filt))} dimensions cannot be "
            f"traced; call it outside the jitted function, or trim each axis by np.nonzero"
        )
    if trim.lower() not in ("f", "b", "fb", "bf"):
        raise DomainError(f"np.trim_zeros: trim must be made of f and b, got {trim!r}")
    if axis is not None:
        as_axis("np.trim_zeros", axis[0] if isinstance(axis, tuple) and axis else axis, 1)
    from .elementwise import select_where
    from .reduce import any as any_of
    from .reduce import argmax

    n = shape_of(filt)[0]
    if not n:
        return filt
    held = logic.not_equal(filt, 0)
    front = argmax(held) if "f" in trim.lower() else 0
    back = argmax(getitem(held, slice(None, None, -1))) if "b" in trim.lower() else 0
    left = select_where(any_of(held), arithmetic.subtract(n, arithmetic.add(front, back)), 0)
    room, found = room_found("trim_zeros", size, lambda: left)
    if room is None:
        assert found is not None
        # Where the data choose another number, the call goes to other code in the end.
        first = arithmetic.maximum(arithmetic.minimum(front, n - found), 0)
        return filt[first : first + found]
    places = np.arange(room)
    chosen = take(filt, arithmetic.minimum(arithmetic.add(front, places), n - 1))
    return astype(select_where(logic.less(places, left), chosen, fill_value), dtype=dtype_of(filt))
