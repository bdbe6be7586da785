"""Attention as one kernel of a grid: a block of threads has a tile of rows, goes over the keys
once, tile by tile, and keeps the largest score and the sum of weights of each row as it goes::

    for tile of keys:
        s = score(query @ keys.T)                        never in global memory
        new = maximum(largest, max(s)); f = exp(largest - new)
        w = exp(s - new)
        total = total * f + sum(w)
        out = out * f + w @ values
        largest = new
    out / total

Warps have rows of their own, and lanes the keys. Products run on tensor cores, out of tiles in
shared memory, or in registers. Of 16-bit floats the scores are fragments: see
:mod:`mlc.graph.attention.fragments`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from ...dtypes import DType
from ...intrinsics.wgmma import ROWS, THREADS
from ...ir import grids
from ...ir.expr import Axis, Expr, apply, cast, const, select
from ...ir.program import Buffer, Program
from ...ops.programs import unflattened
from ...te.classify import points
from .fragments import SUMS, Fragments
from .grid import ROOM, WARP, Grid, whens
from .groups import TILE, Groups, is_grouped
from .held import Held, is_held
from .numbers import check_room, knobs_of
from .parts import Attention, is_row, over, put_in, with_load
from .registers import Registers
from .split import Parts, places_for_parts, put_together, split_count
from .tensor_cores import TensorCores

WARPS = 4
VECTOR = 16  # bytes that a thread fetches at once
WIDE = 128  # elements of a row; wider ones leave less room for keys, and for sums


def attention_program(
    found: Attention, architecture: str = "", numbers: Mapping[str, int] = {}
) -> Program:
    """The kernel, whose params are ``found.tensors`` and the result; for ``architecture`` alone, or
    for any card. ``numbers`` are some of what :func:`attention_grid` leaves open."""
    made = AttentionKernel(found, architecture, numbers).program()
    if numbers and {**numbers, **_defaults(found, architecture)} != numbers:
        check_room(made, architecture)
    return made


def _defaults(found: Attention, architecture: str) -> dict[str, int]:
    knobs = knobs_of(AttentionKernel(found, architecture))
    return {each.name: each.default for each in knobs}


def attention_grid(found: Attention, architecture: str = "") -> grids.Grid:
    """The kernel with the numbers that a schedule may choose."""

    def write(**numbers: int) -> Program:
        return attention_program(found, architecture, numbers)

    return grids.Grid(write, lambda: knobs_of(AttentionKernel(found, architecture)))


class AttentionKernel:
    """A kernel that is being written, and what all of its parts know.

    ``kind`` says what products are made by: "groups", "fragments", "tensor cores" or "registers".
    """

    def __init__(
        self, found: Attention, architecture: str = "", numbers: Mapping[str, int] = {}
    ) -> None:
        self.found = found
        self.is_grouped = is_grouped(found, architecture)
        self.kind = "tensor cores" if found.kind is not None else "registers"
        if is_held(found):
            self.kind = "groups" if self.is_grouped else "fragments"
        self.lanes = THREADS if self.is_grouped else WARP  # threads of a warp, or of a group
        self.splits = numbers.get("parts", split_count(found))
        self.made_in_parts: Parts | None = None
        self.w = w = Grid("attention")
        self.buffers = {t: w.input(t.name, t.shape, t.dtype) for t in found.tensors}
        self.result = w.output("out", found.shape, found.out)
        self.acc: DType = found.product.dtype
        self.tile: Registers | TensorCores | Held
        own, width = self.sizes()
        self.own = numbers.get("rows", own)  # rows of a warp
        self.width = numbers.get("keys", width)  # keys of a tile
        self.warps = min(numbers.get("warps", self.most_warps()), -(-found.row.extent // self.own))
        self.rows = self.own * self.warps
        self.parts = self.width // WARP
        self.steps = -(-found.key.extent // (self.width * self.splits))  # of a block
        self.split: Expr = const(0)
        match self.kind:
            case "groups":
                self.tile = Groups(self)
            case "fragments":
                self.tile = Fragments(self)
            case "tensor cores":
                self.tile = TensorCores(self)
            case _:
                self.tile = Registers(self)
        # How many tiles of keys and values come before they are needed.
        wanted = numbers.get("ahead", self.tile.default_ahead())
        self.ahead = max(min(wanted, self.steps - 1), 0)

    def sizes(self) -> tuple[int, int]:
        """Rows of a warp and keys of a tile: the most of them that leave room in registers and in
        the shared memory of a block."""
        found = self.found
        depth, columns = found.depth.extent, found.column.extent
        if self.is_grouped:
            return ROWS, TILE
        wide = max(depth, columns)
        if is_held(found):
            many = found.row.extent > 16 * WARPS and wide <= WIDE and not found.masks
            own = 32 if many else 16
            return own, WARP if own * wide > SUMS or found.key.extent <= WARP else 64
        if found.kind is not None:
            return 16, 32 if wide > WIDE or found.key.extent <= WARP else 64
        for own, width in ((16, 64), (16, 32), (8, 32)):
            rows = own * WARPS
            count = rows * depth + rows * width + width * wide
            if count * self.acc.itemsize > ROOM or (own == 16 and columns > WIDE):
                continue
            if width == WARP or found.key.extent > WARP:
                break
        return own, width

    def most_warps(self) -> int:
        """Warps of a block, or groups, two of which share the registers of a processor."""
        return 2 if self.is_grouped else WARPS

    def program(self) -> Program:
        w, found = self.w, self.found
        tiles = -(-found.row.extent // self.rows)
        batches = points(found.batch)
        if self.splits > 1:
            self.made_in_parts = places_for_parts(self)
        with w.bound(batches, "blockIdx.y", "batch") as batch:
            places = unflattened(batch, [a.extent for a in found.batch])
            self.number, self.batch = batch, dict(zip(found.batch, places, strict=True))
            with w.bound(tiles * self.splits, "blockIdx.x", "tile") as tile:
                self.first, self.split = tile * self.rows, const(0)
                if self.splits > 1:  # all rows are in one tile
                    self.first, self.split = const(0), tile
                if not isinstance(self.tile, Held):
                    self.tile.begin()
                with w.bound(self.warps, "threadIdx.y", "warp") as warp:
                    self.warp = warp
                    if isinstance(self.tile, Held):
                        self.tile.body()
                    else:
                        self.body(self.tile)
        if self.made_in_parts is not None:
            put_together(self, self.made_in_parts)
        return w.program()

    def body(self, tile: Registers | TensorCores) -> None:
        w, found = self.w, self.found
        peak = w.place("largest", (self.own,), self.acc, "local")
        total = w.place("total", (self.own, WARP), found.total, "local")
        tile.start()
        with w.loop(self.own, "r", "unrolled") as r:
            w.store(peak, (r,), const(-inf, self.acc))
            with w.bound(WARP, "threadIdx.x", "lane") as lane:
                w.store(total, (r, lane), const(0, found.total))
        steps = -(-found.key.extent // self.width)
        is_ahead = self.ahead > 0
        loop = w.overlapped(steps, "keys", 2, self.ahead) if is_ahead else w.loop(steps, "keys")
        with loop as step:
            start = step * self.width
            if is_ahead:
                tile.come_ahead(start)
            tile.scores(start)
            weights = w.place("weights", (self.rows, self.width), tile.dtype, "shared")
            with w.loop(self.own, "r", "unrolled") as r:
                self.softmax(tile, r, start, weights, peak, total)
            tile.combine(start, weights)
        self.finish(tile, total)

    def softmax(
        self,
        tile: Registers | TensorCores,
        r: Expr,
        start: Expr,
        weights: Buffer,
        peak: Buffer,
        total: Buffer,
    ) -> None:
        """The weights of a row of a tile, and what that makes of the row so far."""
        w, found = self.w, self.found
        row = self.first + self.warp * self.own + r
        score = w.place("score", (self.parts, WARP), found.score.dtype, "local")
        part = w.place("part", (WARP,), found.score.dtype, "local")
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            for n in range(self.parts):
                key = start + (n * WARP + lane)
                inside = (key < found.key.extent) & (row < found.row.extent)
                with w.when(inside):
                    made = self.at(found.score, {found.row: row, found.key: key})
                    made = with_load(made, found.product, tile.product(r, n, lane))
                    w.store(score, (n, lane), made)
                with w.otherwise():
                    w.store(score, (n, lane), const(-inf, score.dtype))
            value = score[0, lane]
            for n in range(1, self.parts):
                value = apply("maximum", value, score[n, lane])
            w.store(part, (lane,), value)
        best = w.place("best", (1,), found.score.dtype, "local")
        w.fold("max", best, part)
        new = w.place("new", (1,), self.acc, "local")
        w.store(new, (0,), apply("maximum", peak[r], cast(best[0], self.acc)))
        base = w.place("base", (1,), self.acc, "local")  # where nothing counts yet, any number
        none = apply("eq", new[0], const(-inf, self.acc))
        w.store(base, (0,), select(none, const(0, self.acc), new[0]))
        factor = w.place("factor", (1,), self.acc, "local")
        w.store(factor, (0,), apply("exp", peak[r] - base[0]))
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            w.store(total, (r, lane), total[r, lane] * cast(factor[0], found.total))
            for n in range(self.parts):
                largest = cast(base[0], found.largest.dtype)
                put = {found.score: score[n, lane], found.largest: largest}
                weight, counted = (put_in(e, put) for e in (found.weight, found.counted))
                place = (self.warp * self.own + r, n * WARP + lane)
                w.store(weights, place, cast(weight, found.rounded))
                w.store(total, (r, lane), total[r, lane] + counted)
        w.store(peak, (r,), new[0])
        tile.rescale(r, factor[0])

    def finish(self, tile: Registers | TensorCores, total: Buffer) -> None:
        w, found = self.w, self.found
        tile.end()
        with w.loop(self.own, "r", "unrolled") as r:
            part = w.place("part", (WARP,), found.total, "local")
            with w.bound(WARP, "threadIdx.x", "lane") as lane:
                w.store(part, (lane,), total[r, lane])
            whole = w.place("whole", (1,), found.total, "local")
            w.fold("sum", whole, part)
            row = self.first + self.warp * self.own + r
            with w.bound(WARP, "threadIdx.x", "lane") as lane:
                for n in range(-(-found.column.extent // WARP)):
                    column = lane + n * WARP
                    put = {**self.batch, found.row: row, found.column: column}
                    inside = (row < found.row.extent) & (column < found.column.extent)
                    with w.when(inside):
                        value = tile.sum(r, n, lane) / cast(whole[0], self.acc)
                        w.store(self.result, [over(p, put, {}) for p in found.places], value)

    def at(self, expr: Expr, places: Mapping[Axis, Expr]) -> Expr:
        """``expr`` over what is in memory."""
        return over(expr, {**self.batch, **places}, self.buffers)

    def fetch(
        self, target: Buffer, expr: Expr, outer: Axis, inner: Axis, start: Expr | int
    ) -> None:
        """``target[i, j] = expr[start + i, j]``, by all threads together; zeros where it ends."""
        w = self.w
        rows, width = target.shape
        lanes = VECTOR // target.dtype.itemsize
        while lanes > 1 and (inner.extent % lanes or width % lanes or not is_row(expr, inner)):
            lanes //= 2
        team = self.warps * self.lanes
        count = rows * width // lanes
        with w.loop(-(-count // team), "turn") as turn:
            with w.bound(self.warps, "threadIdx.y", "y") as y:
                with w.bound(self.lanes, "threadIdx.x", "x") as x:
                    flat = (turn * self.warps + y) * self.lanes + x
                    per = width // lanes
                    i, j = flat // per, flat % per * lanes
                    tests = [flat < count] if count % team else []
                    with whens(w, tests):
                        inside = start + i < outer.extent
                        if inner.extent < width:
                            inside = inside & (j < inner.extent)
                        with w.when(inside), w.loop(lanes, "v", "lanes") as v:
                            put = {outer: start + i, inner: j + v}
                            w.store(target, (i, j + v), self.at(expr, put))
                        with w.otherwise(), w.loop(lanes, "v", "lanes") as v:
                            w.store(target, (i, j + v), const(0, target.dtype))
