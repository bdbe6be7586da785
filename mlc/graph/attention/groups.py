"""Attention on Hopper's tensor cores: groups of four warps have 64 rows each, and products take
keys and values right from the boxes that bring them.

::

    scores = query @ keys.T of the first tile; their weights
    for each tile of 128 keys after that:       boxes of them come some tiles ahead
        scores = query @ keys.T
        out = out + weights @ values            of the tile before, while ...
        best, factor, powers of scores          ... weights of this one are made
        out = out * factor
        weights = powers
    out = out + weights @ values                of the last tile

The query, scores and weights are in registers from beginning to end: the right operands alone are
read from shared memory. Both products are started before anything is done to scores. Boxes are
asked for after that, at a place where a group may wait for another one that is half a tile behind;
what branches there also keeps the compiler from waiting for values before it has made powers. What
is done to scores is that of :mod:`mlc.graph.attention.held`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dtypes import DType, float32
from ...intrinsics.boxes import ROW_BYTES, WIDE, load_box
from ...intrinsics.mma_rows import mma_rows
from ...intrinsics.wgmma import ROWS, THREADS
from ...intrinsics.wgmma_held import wgmma_held
from ...ir.affine import linear_in
from ...ir.expr import Axis, Expr, Load, cast, const
from ...ir.program import Buffer, Region
from ...ir.rewrite import variables_of
from ...te.tensor import Placeholder
from .held import Held, is_held
from .parts import Attention, narrow, over

if TYPE_CHECKING:
    from .kernel import AttentionKernel

ARCHITECTURE = "sm_90a"
HALF = 64  # keys of a product
TILE = 2 * HALF
DEPTHS = COLUMNS = (64, 128)
MOST_SLOTS = 4
SLOT_ROOM = 200 << 10  # bytes of shared memory for boxes


def is_grouped(found: Attention, architecture: str) -> bool:
    """Whether groups of four warps do it: keys and values are arrays that boxes can be taken of,
    and there are enough of them to come ahead."""
    if architecture != ARCHITECTURE or not is_held(found):
        return False
    if found.depth.extent not in DEPTHS or found.column.extent not in COLUMNS:
        return False
    if found.row.extent <= ROWS or found.key.extent <= TILE:
        return False
    key, depth, column = found.key, found.depth, found.column
    return _has_boxes(found.keys, key, depth) and _has_boxes(found.values, key, column)


def _has_boxes(expr: Expr, key: Axis, inner: Axis) -> bool:
    """Whether rows of ``expr``, along ``inner``, come as boxes; past the last key with zeros."""
    node = narrow(expr)
    if not isinstance(node, Load) or not 2 <= len(node.indices) <= 5:
        return False
    op, shape = node.source.op, node.source.shape
    if isinstance(op, Placeholder) and (op.strides is not None or not op.aligned):
        return False
    *outer, last = node.indices
    if linear_in(last, inner) != 1 or key in set(variables_of(last)):
        return False
    places = [d for d, index in enumerate(outer) if key in set(variables_of(index))]
    if len(places) != 1 or any(inner in set(variables_of(index)) for index in outer):
        return False
    (d,) = places
    ends = outer[d] is key and shape[d] == key.extent
    whole = linear_in(outer[d], key) == 1 and key.extent % TILE == 0
    aligned = all(n * node.dtype.itemsize % ROW_BYTES == 0 for n in shape[-1:])
    return (ends or whole) and aligned


class Groups(Held):
    """The kernel between the loops over blocks and what a group stores."""

    def __init__(self, kernel: AttentionKernel) -> None:
        found = kernel.found
        self.columns = found.column.extent
        super().__init__(kernel, THREADS, ROWS, HALF, self.columns)
        assert isinstance(found.kind, DType)
        self.kind = found.kind
        self.first = wgmma_held(found.kind, TILE, "nk")
        self.second = wgmma_held(found.kind, self.columns, "kn")
        self.rows = mma_rows(found.kind, THREADS // 32, HALF)
        self.out_rows = mma_rows(found.kind, THREADS // 32, self.columns)
        self.depth = found.depth.extent

    def body(self) -> None:
        w, found, ahead = self.kernel.w, self.kernel.found, self.kernel.ahead
        self.start()
        with w.staged(self.kernel.steps, "keys") as (step, late):
            first = step * TILE
            with late(0, 3):
                keys = self.boxes("keys", found.keys, found.depth, first)
            with late(1, 4):
                values = self.boxes("values", found.values, found.column, first)
            with late(ahead, 0):
                made = w.place("product_tiles", (ROWS, TILE), float32, self.first.scope_c)
                self.multiply(keys, made)
            with late(ahead, 2):
                scores, factor = self.exponents(first, made)
                with self.tiles(TILE // HALF) as (m, n):
                    exponents, total = self.of_lanes(scores, m, n), self.of_lanes(self.total, m)
                    w.run_on(self.rows.raised, exponents, total)
            with late(ahead, 5):
                self.rescale(factor)
                weights = w.place("weight_tiles", (ROWS, TILE), self.dtype, self.second.scope_a)
                with self.tiles(TILE // HALF) as (m, n):
                    part = self.tile(weights, m, n, HALF)
                    w.run_on(self.rows.operand, self.of_lanes(scores, m, n), part)
            with late(ahead + 1, 1):
                for half in range(TILE // HALF):
                    extents = (self.columns // WIDE, HALF, WIDE)
                    w.run_on(
                        self.second.product, self.tile(weights, 0, half, HALF),
                        _part(values, 0, half, extents), self.tile(self.out, 0, 0, self.columns),
                    )  # fmt: skip
        self.finish()

    def default_ahead(self) -> int:
        """As many tiles as there is room for."""
        slots = SLOT_ROOM // (TILE * (self.depth + self.columns) * self.dtype.itemsize)
        return min(MOST_SLOTS, slots) - 1

    def start(self) -> None:
        """The rows of a group go to registers, and stay there."""
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        query = w.place("query", (k.rows, self.depth), self.dtype, "shared")
        k.fetch(query, narrow(found.query), found.row, found.depth, k.first)
        self.query = w.place("query_tiles", (ROWS, self.depth), self.dtype, self.first.scope_a)
        with w.loop(self.depth // WIDE, "d", "unrolled") as d:
            w.run_on(self.first.load_a, self.tile(query, k.warp, d, WIDE),
                     self.tile(self.query, 0, d, WIDE))  # fmt: skip
        self.begin_rows(self.first.scope_c, self.second.fill, self.columns)

    def boxes(self, name: str, expr: Expr, inner: Axis, start: Expr) -> Buffer:
        """A tile of keys or values, in boxes of 64 elements of each row."""
        k, w = self.kernel, self.kernel.w
        node = narrow(expr)
        assert isinstance(node, Load)
        count = inner.extent // WIDE
        made = w.place(name, (count, TILE, WIDE), self.dtype, "shared")
        with w.loop(count, "c") as c:
            put = {**k.batch, k.found.key: start, inner: c * WIDE}
            places = [over(index, put, {}) for index in node.indices]
            extents = [
                TILE if k.found.key in set(variables_of(i)) else 1 for i in node.indices[:-1]
            ]
            starts = tuple(cast(place, "int64") for place in places)
            source = Region(k.buffers[node.source], starts, (*extents, WIDE))
            w.run_on(load_box(self.kind, TILE), source, _part(made, c, 0, (1, TILE, WIDE)))
        return made

    def multiply(self, keys: Buffer, made: Buffer) -> None:
        """Products with a tile of keys."""
        for d in range(self.depth // WIDE):
            part = _part(keys, d, 0, (1, TILE, WIDE))
            call = self.first.product if d else self.first.begin
            query, sums = self.tile(self.query, 0, d, WIDE), self.tile(made, 0, 0, TILE)
            self.kernel.w.run_on(call, query, part, sums)


def _part(tiles: Buffer, c: Expr | int, half: int, extents: tuple[int, ...]) -> Region:
    """Of boxes side by side, those from ``c`` on, and of them the rows of a half."""
    return Region(tiles, (cast(c, "int64"), const(half * HALF), const(0)), extents)
