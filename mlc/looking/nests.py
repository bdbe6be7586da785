"""A program as the loops that run, with what each touches: blocks dissolved, calls written out.

A loop that runs until something holds counts as if it ran once: nobody knows how often it will.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import gcd, prod

from ..ir.affine import linear_in
from ..ir.expr import Expr, Var, const
from ..ir.intrinsic import expand_calls
from ..ir.program import (
    Accumulate,
    Block,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Region,
    Stmt,
    Store,
    children_of,
)
from ..ir.rewrite import variables_of
from ..ir.simplify import simplify
from ..records import cached_property
from ..schedules.legality.accesses import Access, accesses_of
from ..schedules.regions import union
from .compacted import made_small
from .machine import LINE_BYTES

STATIC = (LoopKind.VECTORIZED, LoopKind.UNROLLED)


@dataclass(eq=False)
class Nest:
    """The loop ``loop`` (None: the program itself), and what is inside, in program order.

    ``accesses`` are all those inside it.
    """

    loop: For | None
    parts: list[Nest | Leaf] = field(default_factory=list)
    accesses: list[Access] = field(default_factory=list)

    @cached_property
    def inside(self) -> dict[Var, int]:
        """The loops inside, with their extents."""
        return {n.loop.var: n.loop.extent for n in self.nests() if n is not self and n.loop}

    @property
    def inclusive(self) -> dict[Var, int]:
        """The loops inside and this one."""
        own = {} if self.loop is None else {self.loop.var: self.loop.extent}
        return {**self.inside, **own}

    @cached_property
    def one_iteration(self) -> dict[Buffer, Footprint]:
        """What one iteration touches."""
        return footprints(self.accesses, self.inside)

    @cached_property
    def whole(self) -> dict[Buffer, Footprint]:
        """What running the loop from start to end touches."""
        return self.one_iteration if not self.loop else footprints(self.accesses, self.inclusive)

    def nests(self) -> Iterator[Nest]:
        """This and all nests inside, in program order."""
        yield self
        for part in self.parts:
            if isinstance(part, Nest):
                yield from part.nests()

    def leaves(self) -> Iterator[Leaf]:
        """All statements inside, in program order."""
        for part in self.parts:
            if isinstance(part, Nest):
                yield from part.leaves()
            else:
                yield part


@dataclass(frozen=True, eq=False)
class Leaf:
    """A statement, the loops around it (outermost first), and the block that it stands in.

    ``times`` is how often it runs: an init only where its block's reduce axes are 0.
    """

    stmt: Store | Accumulate | Evaluate
    loops: tuple[For, ...]
    block: str
    is_init: bool
    times: int


@dataclass(frozen=True, eq=False)
class Footprint:
    """The box of a buffer that something touches. ``lines`` is its size in whole cache lines.

    Where loops that were fused walk through a part of the box alone, ``steps`` are the distances of
    neighbours along each loop, in elements, and the number of these.
    """

    region: Region
    read: bool
    written: bool
    steps: tuple[tuple[int, int], ...] | None = None

    @cached_property
    def bytes(self) -> int:
        """The size of the elements alone."""
        region, total = self.region, self.region.buffer.dtype.itemsize
        if self.steps is not None:
            return total * prod(extent for _, extent in self.steps)
        for extent, size in zip(region.extents, region.buffer.shape, strict=True):
            total *= min(extent, size)
        return total

    @cached_property
    def _shape(self) -> tuple[int, int, int, int]:
        """Bytes of a run of neighbours, the number of runs, bytes from the start of one run to that
        of the next, and bytes from the first element to the last."""
        buffer = self.region.buffer
        item = buffer.dtype.itemsize
        cut = map(min, self.region.extents, buffer.shape)
        box = zip(map(abs, buffer.element_strides), cut, strict=True)
        dims = [(stride, extent) for stride, extent in self.steps or box if extent > 1]
        run, rows, gap, span = 1, 1, 0, 1
        for stride, extent in sorted(dims):
            if stride <= run and rows == 1:
                run = stride * (extent - 1) + run
            else:
                rows, gap = rows * extent, gap or stride
            span += stride * (extent - 1)
        return run * item, rows, gap * item, span * item

    @cached_property
    def lines(self) -> int:
        """The bytes of the cache lines that hold the elements."""
        run, rows, _, span = self._shape
        return min(rows * _whole_lines(run), _whole_lines(span))

    @property
    def is_alone(self) -> bool:
        """Whether lines come without their neighbours, so that nothing fetches them in advance."""
        run, rows, gap, _ = self._shape
        return rows > 1 and run <= LINE_BYTES < gap

    def crowded(self, sets: int) -> int:
        """``lines``, times how many times fewer of a cache's ``sets`` can hold them than there are:
        runs that are a multiple of 4 KiB apart fall into the same ones."""
        run, rows, gap, _ = self._shape
        if rows == 1 or gap % LINE_BYTES:
            return self.lines
        shared = gcd(gap // LINE_BYTES, sets) * LINE_BYTES // _whole_lines(run)
        return self.lines * max(shared, 1)


def _whole_lines(size: int) -> int:
    return -(-size // LINE_BYTES) * LINE_BYTES


def footprints(accesses: Iterable[Access], inner: Mapping[Var, int]) -> dict[Buffer, Footprint]:
    """The box of each buffer that ``accesses`` touch for all values of the ``inner`` loops."""
    rows: dict[Buffer, list[Access]] = {}
    for row in accesses:
        rows.setdefault(row.buffer, []).append(row)
    out = {}
    for buffer, mine in rows.items():
        box = union([Region(buffer, row.indices, row.extents) for row in mine], inner)
        assert box is not None
        kinds = {row.kind for row in mine}
        steps = _steps(mine, inner)
        out[buffer] = Footprint(box, bool(kinds - {"write"}), bool(kinds - {"read"}), steps)
    return out


def _steps(rows: list[Access], inner: Mapping[Var, int]) -> tuple[tuple[int, int], ...] | None:
    """What :class:`Footprint` says of fused loops; None where whole boxes are walked through, or
    the rows do not go the same way."""
    ways = set()
    for row in rows:
        walked = {v for index in row.indices for v in variables_of(index)}.intersection(inner)
        points = prod(inner[v] for v in walked)
        own = union([Region(row.buffer, row.indices, row.extents)], inner)
        assert own is not None
        if prod(row.extents) != 1 or points >= prod(map(min, own.extents, row.buffer.shape)):
            return None
        apart = [(linear_in(_address(row), v), inner[v]) for v in walked]
        if any(step is None for step, _ in apart):  # no two of them in one cache line
            apart = [(LINE_BYTES // row.buffer.dtype.itemsize, points)]
        ways.add(tuple(sorted((abs(step), count) for step, count in apart if step)))
    return ways.pop() if len(ways) == 1 else None


def nest_of(program: Program) -> Nest:
    """The loops of ``program``, with calls of intrinsics written out."""
    body = expand_calls(program.body)
    plain = program if body is program.body else program.with_body(body)
    root = Nest(None)
    by_loop: dict[For, Nest] = {}
    _fill(root, body, _Place(), by_loop)
    accesses = accesses_of(plain).rows
    small = made_small(accesses, plain.params)
    for found in accesses:
        if found.buffer in small:
            found = replace(found, buffer=small[found.buffer])
        loops = tuple(loop for loop in found.loops if loop in by_loop)
        row = found if len(loops) == len(found.loops) else replace(found, loops=loops)
        root.accesses.append(row)
        for loop in row.loops:
            by_loop[loop].accesses.append(row)
    return root


@dataclass(frozen=True, eq=False)
class _Place:
    """Where a statement stands: ``axes`` maps those of the blocks around it to the loops that they
    are bound to, ``skipped`` are the loops of which an init runs one iteration only."""

    loops: tuple[For, ...] = ()
    axes: dict[Var, frozenset[Var]] = field(default_factory=dict)
    block: str = ""
    skipped: frozenset[Var] | None = None


def _fill(nest: Nest, stmt: Stmt, place: _Place, found: dict[For, Nest]) -> None:
    match stmt:
        case For():
            inner = found[stmt] = Nest(stmt)
            nest.parts.append(inner)
            _fill(inner, stmt.body, replace(place, loops=(*place.loops, stmt)), found)
        case Block(name=name, body=body, init=init):
            axes: dict[Var, frozenset[Var]] = {
                it.axis: _loops_of(it.binding, place.axes) for it in stmt.iters
            }
            here = replace(place, axes={**place.axes, **axes}, block=name)
            if init is not None:
                reduced = [axes[it.axis] for it in stmt.iters if it.axis.is_reduce]
                skipped = (place.skipped or frozenset()).union(*reduced)
                _fill(nest, init, replace(here, skipped=skipped), found)
            _fill(nest, body, here, found)
        case Store() | Accumulate() | Evaluate():
            skipped = place.skipped or frozenset()
            times = prod(1 if loop.var in skipped else loop.extent for loop in place.loops)
            is_init = place.skipped is not None
            nest.parts.append(Leaf(stmt, place.loops, place.block, is_init, times))
        case _:
            for part in children_of(stmt):
                _fill(nest, part, place, found)


def _loops_of(binding: Expr, axes: Mapping[Var, frozenset[Var]]) -> frozenset[Var]:
    """The loops that a binding speaks of, directly or through the axes of blocks around."""
    return frozenset[Var]().union(*(axes.get(v, {v}) for v in variables_of(binding)))


def depends(row: Access, var: Var) -> bool:
    """Whether another iteration of the loop over ``var`` may touch another element."""
    return any(v is var for index in row.indices for v in variables_of(index))


def stride_along(row: Access, var: Var) -> int | None:
    """Elements between what two neighbouring iterations touch; None where that varies."""
    return linear_in(_address(row), var)


@lru_cache(maxsize=1024)  # one is asked about along each of its loops
def _address(row: Access) -> Expr:
    """How many elements after the first one of its buffer the access begins."""
    total: Expr = const(0)
    for stride, index, size in zip(
        row.buffer.element_strides, row.indices, row.buffer.shape, strict=True
    ):
        if size > 1:
            total = total + index * stride
    return simplify(total, {loop.var: loop.extent for loop in row.loops})
