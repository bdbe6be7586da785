"""Nests over boxes of elements: copies and fills."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ..ir.bounds import interval
from ..ir.expr import Axis, Const, Expr, Var, const, load
from ..ir.program import (
    Block,
    Buffer,
    For,
    Iter,
    Program,
    Region,
    Stmt,
    Store,
)
from ..ir.simplify import simplify
from ..records import dataclass
from .buffers import Indices
from .step import fresh_block_name


@dataclass(frozen=True, eq=False)
class Box:
    """Elements ``starts[d] <= i[d] < starts[d] + extents[d]`` that lie below ``bounds[d]`` too."""

    starts: tuple[Expr, ...]
    extents: tuple[int, ...]
    bounds: tuple[int, ...]

    @staticmethod
    def whole(buffer: Buffer) -> Box:
        """All of ``buffer``."""
        zeros: tuple[Expr, ...] = (const(0),) * buffer.ndim
        return Box(zeros, buffer.shape, buffer.shape)

    @staticmethod
    def of(region: Region, around: Mapping[Var, int]) -> Box:
        """The elements of ``region`` that exist; all of a dimension where its start is unbounded.

        ``around`` are the extents of the variables in the starts.
        """
        shape = region.buffer.shape
        starts, extents = list(region.starts), list(region.extents)
        for d, start in enumerate(starts):
            low, high = interval(start, around)
            if not math.isfinite(high - low):
                starts[d], extents[d] = const(0), shape[d]
        return Box(tuple(starts), tuple(extents), shape)


def copy_nest(
    name: str, source: Buffer, target: Buffer, box: Box, around: Mapping[Var, int]
) -> Stmt:
    """``target[i] = source[i]`` over a box, as a block with one spatial axis for each dimension.

    ``around`` are the extents of the variables in the starts. An axis runs over the whole dimension
    where the iterations around it together reach all of it.
    """

    def body(indices: Indices) -> Stmt:
        return Store(target, indices, load(source, indices))

    return box_nest(name, body, box, around)


def box_nest(
    name: str,
    body: Callable[[Indices], Stmt],
    box: Box,
    around: Mapping[Var, int],
    where: Callable[[Indices, Mapping[Var, int]], Expr | None] | None = None,
) -> Stmt:
    """A block ``name`` that runs ``body`` at each element of ``box``.

    ``where`` says at which of them: it gets the element in terms of the loops, and their extents.
    """
    iters: list[Iter] = []
    extents: dict[Var, int] = {}
    indices: list[Expr] = []
    places: list[Expr] = []
    tests: list[Expr] = []
    for d, (start, extent, bound) in enumerate(
        zip(box.starts, box.extents, box.bounds, strict=True)
    ):
        if isinstance(start, Const):
            extent = min(extent, bound - int(start.value))
        var = Var(f"ax{d}")
        extents[var] = extent
        place = simplify(start + var)
        first, last = interval(place, {**around, var: extent})
        low, high = int(max(first, 0)), int(min(last, bound - 1))
        tests += [place >= 0] * (first < 0) + [place < bound] * (last >= bound)
        axis = Axis(f"v{d}", high - low + 1)
        iters.append(Iter(axis, simplify(place - low)))
        indices.append(simplify(axis + low))
        places.append(place)
    test = None if where is None else where(tuple(places), {**around, **extents})
    out: Stmt = Block(name, tuple(iters), body(tuple(indices)), None, all_of(*tests, test))
    for var, extent in reversed(extents.items()):
        out = For(var, extent, out)
    return out


def all_of(*tests: Expr | None) -> Expr | None:
    """The conjunction of those that are not None; None for nothing."""
    out: Expr | None = None
    for test in tests:
        if test is not None:
            out = test if out is None else out & test
    return out


def unique_name(wish: str, taken: set[str]) -> str:
    """``wish``, numbered if it is among ``taken``, to which the name is added."""
    name, count = wish, 1
    while name in taken:
        name, count = f"{wish}_{count}", count + 1
    taken.add(name)
    return name


def copy_name(program: Program, twin: Buffer) -> str:
    """The name of the block that fills or empties the cache ``twin``."""
    return fresh_block_name(program, twin.name)
