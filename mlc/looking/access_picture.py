"""The course's picture: which elements of each buffer one iteration of a loop touches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.expr import Apply, Cast, Const, Expr, Select, Var
from ..ir.program import Buffer, Program
from ..ir.rewrite import loads_of, variables_of
from ..ir.scalar import SCALAR_FNS
from ..ir.show import Names
from ..schedules.legality.accesses import Access
from .machine import bytes_text
from .nests import Nest, nest_of
from .svg import FAINT, LINE, Canvas, Picture, text_width

_MOST_CELLS = 64  # in a row or column; more elements share cells
_MOST_POINTS = 1 << 18  # of the loops inside that are looked at one by one
_MOST_ABREAST = 4  # buffers in a row
_SIDE = 208  # pixels of a grid's longer side
READ, WRITE = 1, 2
_NAMES = {READ: "read", WRITE: "written", READ | WRITE: "read and written"}
_FIRST = {READ: "#4285f4", WRITE: "#ef6c1a", READ | WRITE: "#9334c2"}
_NEXT = {READ: "#c6dafc", WRITE: "#fcd9bd", READ | WRITE: "#e6ccf3"}


@dataclass(frozen=True, eq=False)
class _Grid:
    """A buffer as a table of cells: what the first iteration and the next do to each."""

    buffer: Buffer
    name: str
    first: np.ndarray[Any, Any]
    after: np.ndarray[Any, Any]
    per_cell: tuple[int, int]
    count: int
    is_open: bool  # an index is loaded: it may be any of these

    @property
    def cell(self) -> float:
        """The side of a cell in pixels."""
        return max(min(_SIDE / max(self.first.shape), 22.0), 3.0)

    @property
    def width(self) -> float:
        return max(self.first.shape[1] * self.cell, *(text_width(t, 11) for t in self.captions))

    @property
    def captions(self) -> tuple[str, ...]:
        kinds = int(np.bitwise_or.reduce(self.first.ravel(), initial=0))
        size = bytes_text(self.count * self.buffer.dtype.itemsize)
        count = f"any of {self.count}" if self.is_open else f"{self.count}"
        touched = f"{count} {_NAMES[kinds]}, {size}" if kinds else "not touched at first"
        rows, columns = self.per_cell
        scale = (f"a cell is {rows} x {columns}",) if rows * columns > 1 else ()
        return touched, *scale


def access_picture(program: Program, loop: Var) -> Picture:
    """The buffers that one iteration of ``loop`` touches, each as a grid of its elements.

    Dark cells are those of the first iteration, all loops around it at 0; light ones those of the
    next iteration, striped ones those of both. Buffers of more than two dimensions are shown as
    rows of the last one, and buffers of more than 64 rows or columns with several elements to a
    cell. Raises :class:`ArgumentError` if the program has no such loop.
    """
    nest = next((n for n in nest_of(program).nests() if n.loop and n.loop.var is loop), None)
    if nest is None or nest.loop is None:
        raise ArgumentError(f"no loop {loop.name!r} in {program.name!r}")
    names = Names()
    for buffer in program.params:
        names.add(buffer)
    grids = [_grid(nest, buffer, names) for buffer in _in_order(nest, program)]
    extent = nest.loop.extent
    around = [p.var.name for p in nest.accesses[0].loops] if nest.accesses else []
    outer = "".join(f", {name} = 0" for name in around[: around.index(loop.name)])
    title = f"{program.name}: one iteration of {loop.name} (of {extent}){outer}"
    return _drawn(grids, title, loop.name, extent > 1)


def _in_order(nest: Nest, program: Program) -> list[Buffer]:
    """The buffers touched: outputs first, then what is local, then inputs, as in C = A op B."""
    found = list(dict.fromkeys(row.buffer for row in nest.accesses))
    written = {row.buffer for row in nest.accesses if row.changes}
    places = {buffer: n for n, buffer in enumerate(program.params)}
    return sorted(found, key=lambda b: (b not in written, places.get(b, len(places))))


def _grid(nest: Nest, buffer: Buffer, names: Names) -> _Grid:
    rows = [row for row in nest.accesses if row.buffer is buffer]
    shape = buffer.shape if buffer.ndim > 1 else (1, *buffer.shape) if buffer.ndim else (1, 1)
    flat = (prod(shape[:-1]), shape[-1])
    assert nest.loop is not None
    first = _touched(rows, nest, 0).reshape(flat)
    after = _touched(rows, nest, 1).reshape(flat) if nest.loop.extent > 1 else first * 0
    per_cell = tuple(max(-(-n // _MOST_CELLS), 1) for n in flat)
    name = names.get(buffer) or names.add(buffer)
    small = [_coarser(part, per_cell[0], per_cell[1]) for part in (first, after)]
    count = int(np.count_nonzero(first))
    is_open = any(loads_of(index) for row in rows for index in row.indices)
    return _Grid(buffer, name, small[0], small[1], (per_cell[0], per_cell[1]), count, is_open)


def _coarser(cells: np.ndarray[Any, Any], rows: int, columns: int) -> np.ndarray[Any, Any]:
    height, width = (-(-n // step) for n, step in zip(cells.shape, (rows, columns), strict=True))
    padded = np.zeros((height * rows, width * columns), np.uint8)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    tiles = padded.reshape(height, rows, width, columns)
    return np.bitwise_or.reduce(np.bitwise_or.reduce(tiles, axis=3), axis=1)


def _touched(rows: Sequence[Access], nest: Nest, iteration: int) -> np.ndarray[Any, Any]:
    """READ and WRITE for each element, in iteration number ``iteration`` of the nest's loop."""
    buffer = rows[0].buffer
    out = np.zeros(buffer.shape, np.uint8)
    assert nest.loop is not None
    for row in rows:
        kind = {"read": READ, "write": WRITE}.get(row.kind, READ | WRITE)
        used = {v for e in (*row.indices, *row.guards) for v in variables_of(e)}
        inner = [v for v in nest.inside if v in used]
        values: dict[Var, Any] = {loop.var: np.int64(0) for loop in row.loops}
        values[nest.loop.var] = np.int64(iteration)
        if prod(nest.inside[v] for v in inner) > _MOST_POINTS:
            out[_box(row, nest, values)] |= np.uint8(kind)
            continue
        axes = np.ix_(*(np.arange(nest.inside[v]) for v in inner)) if inner else ()
        values.update(zip(inner, axes, strict=True))
        _mark(out, row, values, kind)
    return out


def _mark(out: np.ndarray[Any, Any], row: Access, values: Mapping[Var, Any], kind: int) -> None:
    """``kind`` at each point that the guards let through; a loaded index may be any."""
    if not row.indices:
        out[()] |= np.uint8(kind)
        return
    guards = [_value(g, values) for g in row.guards if not loads_of(g)]
    places: list[Any] = []
    for index, extent, size in zip(row.indices, row.extents, out.shape, strict=True):
        start = np.arange(size) if loads_of(index) else _value(index, values)
        width = 1 if loads_of(index) else extent
        wider = np.asarray(start)[..., None] + np.arange(width)
        places.append((wider, 1 if not loads_of(index) else 0, size))
    count = len(places)
    at: list[Any] = []
    mask: Any = np.bool_(True)
    for guard in guards:
        mask = mask & np.asarray(guard).reshape(np.shape(guard) + (1,) * count)
    for d, (wider, is_point, size) in enumerate(places):
        lead = wider.shape[:-1] if is_point else ()
        own = wider.shape[-1] if is_point else wider.size
        tail = tuple(own if n == d else 1 for n in range(count))
        index = wider.reshape(lead + tail)
        mask = mask & (index >= 0) & (index < size)
        at.append(index)
    full = np.broadcast_arrays(mask, *at)
    chosen = full[0]
    out[tuple(index[chosen] for index in full[1:])] |= np.uint8(kind)


def _box(row: Access, nest: Nest, values: Mapping[Var, Any]) -> tuple[slice, ...]:
    """The box around what is touched, where the points are too many to look at."""
    from ..ir.program import Region
    from ..schedules.regions import union

    found = union([Region(row.buffer, row.indices, row.extents)], nest.inside)
    assert found is not None
    starts = [int(_value(s, values)) if not loads_of(s) else 0 for s in found.starts]
    return tuple(slice(max(a, 0), a + n) for a, n in zip(starts, found.extents, strict=True))


def _value(expr: Expr, values: Mapping[Var, Any]) -> Any:
    """An index expression over arrays of its variables' values."""
    match expr:
        case Const(value=value):
            return np.asarray(value)
        case Var():
            return values[expr]
        case Apply(fn=fn, args=args):
            return SCALAR_FNS[fn].numpy(*(_value(a, values) for a in args))
        case Cast(value=value):
            return np.asarray(_value(value, values)).astype(expr.dtype.numpy)
        case Select(condition=test, then=then, otherwise=other):
            return np.where(_value(test, values), _value(then, values), _value(other, values))
        case _:
            raise ArgumentError(f"an index that holds {expr} cannot be drawn")


def _drawn(grids: Sequence[_Grid], title: str, loop: str, has_next: bool) -> Picture:
    canvas = Canvas()
    canvas.parts.append(
        '<defs><pattern id="both" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="2" height="6" fill="#ffffff" '
        'fill-opacity="0.6"/></pattern></defs>'
    )
    canvas.text(16, 27, title, size=14, bold=True)
    x, top = 16.0, 48.0
    bottom = top
    widest = x
    for number, grid in enumerate(grids):
        if number and number % _MOST_ABREAST == 0:
            x, top = 16.0, bottom + 12
        shape = " x ".join(map(str, grid.buffer.shape)) or "scalar"
        canvas.text(x, top + 12, grid.name, size=14, bold=True)
        canvas.text(x + text_width(grid.name, 14) + 10, top + 12, shape, size=11, colour=FAINT)
        _draw_grid(canvas, grid, x, top + 22)
        y = top + 22 + grid.first.shape[0] * grid.cell + LINE
        for caption in grid.captions:
            canvas.text(x, y, caption, size=11, colour=FAINT)
            y += 15
        shape_width = text_width(grid.name, 14) + 10 + text_width(shape, 11)
        x += max(grid.width, shape_width) + 34
        bottom, widest = max(bottom, y), max(widest, x)
    y = bottom + 8
    x_legend, ends = 16.0, [y]
    for column in _legend(grids, loop, has_next):
        for number, (fill, is_both, text) in enumerate(column):
            at = y + number * LINE
            canvas.box(x_legend, at, 14, 12, fill, "#5b6472", kind="legend")
            if is_both:
                canvas.box(x_legend, at, 14, 12, "url(#both)", kind="legend")
            canvas.text(x_legend + 22, at + 10.5, text, size=11, colour=FAINT)
            ends.append(at + LINE)
        x_legend += max((text_width(t, 11) for _, _, t in column), default=0) + 46
    width = max(widest - 18, text_width(title, 14) + 32, x_legend - 8)
    return canvas.picture(width, max(ends) + 10, title)


def _draw_grid(canvas: Canvas, grid: _Grid, x: float, y: float) -> None:
    (rows, columns), cell = grid.first.shape, grid.cell
    canvas.box(x, y, columns * cell, rows * cell, "#f8f9fb", kind="grid")
    for row in range(rows):
        states = list(zip(grid.first[row].tolist(), grid.after[row].tolist(), strict=True))
        start = 0
        for column in range(1, columns + 1):
            if column < columns and states[column] == states[start]:
                continue
            now, later = states[start]
            place = (x + start * cell, y + row * cell, (column - start) * cell, cell)
            if now:
                canvas.box(*place, _FIRST[now], kind="first")
            elif later:
                canvas.box(*place, _NEXT[later], kind="next")
            if now and later:
                canvas.box(*place, "url(#both)", kind="both")
            start = column
    if cell >= 5:
        lines = [f"M{x + n * cell:g} {y:g}v{rows * cell:g}" for n in range(1, columns)]
        lines += [f"M{x:g} {y + n * cell:g}h{columns * cell:g}" for n in range(1, rows)]
        canvas.path("".join(lines), "rgba(31,36,48,0.13)", 0.8)
    if grid.buffer.ndim > 2 and grid.per_cell[0] == 1:
        plane = grid.buffer.shape[-2]
        lines = [f"M{x:g} {y + n * cell:g}h{columns * cell:g}" for n in range(plane, rows, plane)]
        canvas.path("".join(lines), "#5b6472")
    canvas.box(x, y, columns * cell, rows * cell, "none", "#5b6472", kind="frame")


_Legend = list[tuple[str, bool, str]]  # colour, whether it is striped, text


def _legend(grids: Sequence[_Grid], loop: str, has_next: bool) -> tuple[_Legend, _Legend]:
    """What is to be seen of the first iteration, and of the next."""
    seen = {int(k) for grid in grids for k in np.unique(grid.first) if k}
    first = [(_FIRST[k], False, f"{_NAMES[k]} where {loop} = 0") for k in sorted(seen)]
    if not has_next:
        return first, []
    new = [np.where(grid.first, 0, grid.after) for grid in grids]
    later = sorted({int(k) for part in new for k in np.unique(part) if k})
    after = [(_NEXT[k], False, f"{_NAMES[k]} where {loop} = 1") for k in later]
    both = [grid.first[(grid.first > 0) & (grid.after > 0)] for grid in grids]
    kinds = [int(part[0]) for part in both if part.size]
    if kinds:
        after.append((_FIRST[kinds[0]], True, f"touched again where {loop} = 1"))
    return first, after
