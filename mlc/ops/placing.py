"""``x[places] = value`` and ``np.add.at``: writes to where index arrays say.

Places known while tracing become a table of who writes last, and the result an expression for
each element, which fuses. Places that the data decide are written one after the other, in the
order of the index arrays: of equal ones the last wins, as in NumPy. One outside the array ends
the call with BoundsError before anything is written for the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import te
from ..config import config
from ..dtypes import DType, boolean, int64
from ..errors import UnsupportedError
from ..ir.expr import Expr, cast, const, select
from ..ir.grids import Grid
from ..te.extent import Extent
from ..te.inline import resolve_loads
from ..te.tensor import Compute
from .broadcast import Shape, as_tensor, broadcast_shape, element, shape_of, size_of
from .closing import closed
from .elementwise import astype
from .index import Items, result_layout
from .op import UFUNCS, Op, op
from .programs import Writer, beside, nested, threads
from .promotion import dtype_of, ufunc_dtypes

TABLE_LIMIT = 1 << 22  # bytes of a table of writers that is built in while tracing
BLOCK = 64  # places that are looked at together before something is written to them
TOGETHER = 4  # of them are written out
FEW_PLACES = 4 * BLOCK  # fewer are looked at one by one
COMBINE: dict[np.ufunc, Callable[[Expr, Expr], Expr]] = {
    np.add: lambda a, b: a + b,
    np.subtract: lambda a, b: a - b,
    np.multiply: lambda a, b: a * b,
    np.divide: lambda a, b: a / b,
    np.maximum: lambda a, b: te.max(a, b),
    np.minimum: lambda a, b: te.min(a, b),
    np.bitwise_and: lambda a, b: a & b,
    np.bitwise_or: lambda a, b: a | b,
    np.bitwise_xor: lambda a, b: a ^ b,
    np.logical_and: lambda a, b: cast(a, boolean) & cast(b, boolean),
    np.logical_or: lambda a, b: cast(a, boolean) | cast(b, boolean),
}


def put(x: Any, indices: Sequence[Any], value: Any, items: Items) -> Any:
    """``x`` with ``value``, of its dtype, at ``items``; see `mlc.ops.index`."""
    extents = [s for item, s in _axes(items, shape_of(x)) if _is_array(item)]
    is_known = all(isinstance(index, np.ndarray) for index in indices)
    if is_known and size_of(extents) * 8 <= TABLE_LIMIT and not _has_number(items):
        spread = broadcast_shape("indexing", *(np.shape(index) for index in indices))
        table = np.full(size_of(extents), -1, np.int64)
        places = np.broadcast_arrays(*indices)
        table[np.ravel_multi_index([p.ravel() for p in places], extents)] = np.arange(
            size_of(spread)
        )
        table.flags.writeable = False
        return put_known(x, table, value, items=items, spread=spread)
    return put_at(x, list(indices), value, items=items, ufunc=None)


def accumulate_at(ufunc: np.ufunc, x: Any, indices: Sequence[Any], value: Any, items: Items) -> Any:
    """What ``x`` is after ``ufunc.at(x, key, value)``, or ``ufunc.at(x, key)``, where the value
    does not matter."""
    if ufunc.nin == 1:
        _applied(ufunc, te.placeholder((), dtype_of(x))[()])  # or says why it cannot be
    elif ufunc not in COMBINE:
        known = ", ".join(f"np.{f.__name__}" for f in COMBINE)
        raise UnsupportedError(f"np.{ufunc.__name__}.at cannot be traced; it works for {known}")
    return put_at(x, list(indices), value, items=items, ufunc=ufunc)


def _is_array(item: Any) -> bool:
    return isinstance(item, tuple) and isinstance(item[0], str)


def _has_number(items: Items) -> bool:
    return any(isinstance(item, int) for item in items)


def _axes(items: Items, shape: Shape) -> list[tuple[Any, int]]:
    """The items that stand for axes of the array, with their sizes."""
    return list(zip([item for item in items if item is not None], shape, strict=True))


@op
def put_known(x: Any, table: Any, value: Any, *, items: Items, spread: Shape) -> Any:
    """``x`` with ``value`` at ``items``; ``table`` tells for each place of the indexed axes which
    element of the index arrays, of shape ``spread``, writes it, -1 for none."""
    from .update import guarded, offset

    x, table = as_tensor(x), as_tensor(table)
    _, at, part = result_layout(items, [spread])
    if not x.size or not size_of(part):
        return x

    def body(*index: Expr) -> Expr:
        tests: list[Expr] = []
        linear: Expr = const(0)
        rest: list[Expr] = []
        axes = iter(zip(index, x.shape, strict=True))
        for item in items:
            if item is None:
                rest.append(const(0))
                continue
            i, extent = next(axes)
            if _is_array(item):
                linear = linear * extent + i
            else:
                rest.append(offset(i, item, extent, tests))
        writer = table[linear]
        tests.append(writer >= 0)
        place = te.max(writer, 0)
        chosen: list[Expr] = []
        for n in range(len(spread)):
            below = size_of(spread[n + 1 :])
            here = place // below if below > 1 else place
            chosen.append(here % spread[n] if n else here)
        source = [*rest[:at], *chosen, *rest[at:]]
        return guarded(tests, element(value, source, part, x.dtype), x[index])

    return te.compute(x.shape, body, name="put")


@op
def put_at(x: Any, indices: Any, value: Any, *, items: Items, ufunc: Any) -> Any:
    """``x`` with ``value`` put, or combined by ``ufunc``, at ``items``, place after place."""
    x, tensors = as_tensor(x), [as_tensor(t) for t in indices]
    value, length = as_tensor(value), _open_length([t.shape for t in tensors])
    if length is not None:
        tensors = [as_tensor(closed(t, fill=None)) for t in tensors]
        value = as_tensor(closed(value, fill=None))
    spread, at, part = result_layout(items, [t.shape for t in tensors])
    is_put = ufunc is None or ufunc.nin == 1
    value = as_tensor(astype(value, dtype=x.dtype) if is_put else _typed(ufunc, x, value))
    if broadcast_shape("assignment", value.shape, part) != part:
        raise UnsupportedError(f"values of shape {value.shape} do not fit places of shape {part}")
    if not x.size or not size_of(part):
        return x
    kinds = [(t.shape, t.dtype) for t in tensors]
    given, dtype, shape, of = x.shape, x.dtype, value.shape, value.dtype

    def begun() -> PutAt:
        """The program with its params, before anything is done."""
        return PutAt(x.name, given, dtype, kinds, shape, of, items, ufunc, length is not None)

    def on_grid() -> Grid:
        from .grid_put import put_on_grid

        return put_on_grid(begun)

    made = begun()
    w = made.w
    _copy(w, made.old, made.out)
    near: dict[int, Any] = {}

    with nested(w, part[:at], "b") as before, nested(w, spread[:-1], "p") as outer:

        def write(chosen: Sequence[Expr], at_axis: Mapping[int, Expr]) -> None:
            with beside(w, part[at + len(spread) :], "r") as after:
                made.write(before, chosen, after, at_axis)

        def together(start: Expr) -> None:
            with w.loop(BLOCK, "l", "lanes") as l:
                for axis in made.searched:
                    w.store(near[axis], (l,), made.found(axis, [*outer, start + l]))
            with w.loop(BLOCK // TOGETHER, "k") as k, w.loop(TOGETHER, "u", "unrolled") as u:
                n = k * TOGETHER + u
                write([*outer, start + n], {a: near[a][n] for a in made.searched})

        def one(*last: Expr) -> None:
            chosen = [*outer, *last]
            write(chosen, {axis: made.found(axis, chosen) for axis in made.searched})

        if spread and made.searched and spread[-1] >= FEW_PLACES:
            near.update({axis: w.memory(f"near{axis}", (BLOCK,), int64) for axis in made.searched})
            _in_blocks(w, made.count, together, one)
        elif spread and length is not None:
            with w.loop(spread[-1], "p") as last, w.when(last < made.count):
                one(last)
        elif spread:
            with w.loop(spread[-1], "p") as last:
                one(last)
        else:
            one()
    if length is not None:
        return w.call(x, *tensors, value, length)
    return w.call(x, *tensors, value, on_grid=on_grid)


def _open_length(shapes: Sequence[Sequence[Any]]) -> te.Tensor | None:
    """How many places there are, where the running loop alone knows that; else None."""
    open_ones = [size for shape in shapes for size in shape if isinstance(size, Extent)]
    if not open_ones:
        return None
    if any(len(shape) > 1 for shape in shapes) or any(n != open_ones[0] for n in open_ones):
        open_ones[0]._refuse()
    return open_ones[0].length


class PutAt:
    """`put_at` while its program is written: ``old`` goes to ``out``, and ``values`` to the places
    in it that ``items`` and the index arrays name, or are combined with what is there."""

    def __init__(
        self, name: str, shape: Shape, dtype: DType, indices: Sequence[tuple[Shape, DType]],
        given: Shape, of: DType, items: Items, ufunc: np.ufunc | None, counted: bool = False,
    ) -> None:  # fmt: skip
        self.items, self.ufunc = items, ufunc
        self.spread, self.at, self.part = result_layout(items, [s for s, _ in indices])
        w = self.w = Writer("put" if ufunc is None else f"{ufunc.__name__}_at")
        self.old = w.input("x", shape, dtype)
        self.places = [w.input(f"i{n}", *kind) for n, kind in enumerate(indices)]
        self.values = w.input("value", given, of)
        self.count: Any = self.spread[-1] if self.spread else 1
        if counted:
            self.count = w.input("count", (), int64)[()]
        self.out = w.output("out", shape, dtype)
        # A size in the sentence would make the program one for this size alone.
        told = [f" of {name} with size {n}" if config.debug else "" for n in shape]
        self.axes = [item for item in items if item is not None]
        self.searched = [axis for axis, item in enumerate(self.axes) if _is_array(item)]
        self.outside = {
            axis: w.guard(
                "BoundsError", f"index {{index}} is out of bounds for axis {axis}{told[axis]}"
            )
            for axis in self.searched
            if self.axes[axis][0] != "sure"
        }

    def found(self, axis: int, chosen: Sequence[Expr]) -> Expr:
        """The place along ``axis`` that the index arrays name at ``chosen``, checked."""
        how, number, *_ = self.axes[axis]
        place = cast(_at(self.places[number], chosen, self.spread), int64)
        if how == "sure":
            return place
        extent = self.out.shape[axis]
        inside = (place >= -extent) & (place < extent)
        self.w.store(self.outside[axis], (select(inside, const(0), place),), 0)
        return select(place < 0, place + extent, place)

    def target(
        self, before: Sequence[Expr], after: Sequence[Expr], at_axis: Mapping[int, Expr]
    ) -> list[Expr]:
        """The place in ``out`` that is ``at_axis`` along the axes with index arrays."""
        rest, target = iter([*before, *after]), list[Expr]()
        for item in self.items:
            if item is None:
                next(rest)
            elif isinstance(item, int):
                target.append(const(item))
            elif _is_array(item):
                target.append(at_axis[len(target)])
            else:
                i, (start, step, _) = next(rest), item
                target.append(i * step + start)
        return target

    def value(self, before: Sequence[Expr], chosen: Sequence[Expr], after: Sequence[Expr]) -> Expr:
        """What goes to a place."""
        return _at(self.values, [*before, *chosen, *after], self.part)

    def write(
        self,
        before: Sequence[Expr],
        chosen: Sequence[Expr],
        after: Sequence[Expr],
        at_axis: Mapping[int, Expr],
    ) -> None:
        """One element to its place."""
        target, fresh = self.target(before, after, at_axis), self.value(before, chosen, after)
        if self.ufunc is not None and self.ufunc.nin == 1:
            fresh = _applied(self.ufunc, self.out[tuple(target)])
        elif self.ufunc is not None:
            old = cast(self.out[tuple(target)], fresh.dtype)
            fresh = COMBINE[self.ufunc](old, fresh)
        self.w.store(self.out, target, cast(fresh, self.out.dtype))


def _copy(w: Writer, source: Any, target: Any) -> None:
    """All of ``source`` to ``target``."""
    if len(source.shape) != 1:
        if not source.shape:
            w.store(target, (), source[()])
            return
        rows, *rest = source.shape
        with w.loop(rows, "i", threads(rows, source.size)) as i, beside(w, rest, "c") as inner:
            here = (i, *inner)
            w.store(target, here, source[here])
        return

    def block(start: Expr) -> None:
        with w.loop(BLOCK, "l", "lanes") as l:
            w.store(target, (start + l,), source[start + l])

    _in_blocks(w, source.shape[0], block, lambda i: w.store(target, (i,), source[i]))


def _in_blocks(
    w: Writer, count: Any, block: Callable[[Expr], None], one: Callable[[Expr], None]
) -> None:
    """``block(i)`` for BLOCK places from ``i`` on, ``one`` for each of those that are left. The
    program is the same for many counts."""
    i = w.variable("i", const(0))
    with w.repeat(i[()] + BLOCK <= count):
        block(i[()])
        w.set(i, i[()] + BLOCK)
    with w.repeat(i[()] < count):
        one(i[()])
        w.set(i, i[()] + 1)


def _applied(ufunc: np.ufunc, old: Expr) -> Expr:
    """``ufunc`` of one element."""
    made, blank = UFUNCS.get(ufunc), te.placeholder((), old.dtype)
    found = made.body(blank) if isinstance(made, Op) else None
    if found is blank:
        return old
    if not isinstance(found, te.Tensor) or not isinstance(found.op, Compute):
        raise UnsupportedError(
            f"np.{ufunc.__name__}.at cannot be traced; where no place is met twice, write "
            f"x[key] = np.{ufunc.__name__}(x[key])"
        )
    return resolve_loads(found.op.body[0], lambda load: old if load.source is blank else None)


def _typed(ufunc: np.ufunc, x: te.Tensor, value: Any) -> Any:
    """``value`` in the dtype that ``ufunc`` computes in."""
    (_, right), _ = ufunc_dtypes(ufunc, (x, value))
    return astype(value, dtype=right)


def _at(buffer: Any, index: Sequence[Expr], shape: Shape) -> Expr:
    """The element of ``buffer`` at ``index`` of the shape it is broadcast to."""
    offset = len(shape) - len(buffer.shape)
    at = [
        index[offset + d] if extent == shape[offset + d] else const(0)
        for d, extent in enumerate(buffer.shape)
    ]
    made: Expr = buffer[tuple(at)]
    return made
