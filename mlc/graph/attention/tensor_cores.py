"""Products of an attention that run on tensor cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...intrinsics.mma import Mma, mma
from ...ir.expr import Expr
from ...ir.program import Buffer, Region
from .grid import ROOM, SUMS_GAP, WARP, box
from .parts import narrow

if TYPE_CHECKING:
    from .kernel import AttentionKernel


class TensorCores:
    """Products on tensor cores: 16 rows for each warp."""

    def __init__(self, kernel: AttentionKernel) -> None:
        self.kernel = kernel
        found = kernel.found
        assert found.kind is not None
        self.first: Mma = mma(found.kind, 16, "mk", "nk")
        self.second: Mma = mma(found.kind, 16, "mk", "kn")
        self.dtype = narrow(found.query).dtype
        step = max(self.first.depth, 16)
        self.depth = -(-found.depth.extent // step) * step
        self.columns = -(-found.column.extent // 16) * 16

    def begin(self) -> None:
        k = self.kernel
        self.factors = k.w.place("factors", (k.rows,), k.acc, "shared")

    def start(self) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        own, size = k.own, self.first.depth
        query = w.place("query", (k.rows, self.depth), self.dtype, "shared")
        k.fetch(query, narrow(found.query), found.row, found.depth, k.first)
        self.query = w.place("query_tiles", (own, self.depth), self.dtype, self.first.scope_a)
        with w.loop(self.depth // size, "d", "unrolled") as d:
            row = k.warp * own
            w.run_on(self.first.load_a, box(query, row, d * size, own, size),
                     box(self.query, 0, d * size, own, size))  # fmt: skip
        self.out = w.place("sums", (own, self.columns), k.acc, self.first.scope_c)
        self._fill(self.out)

    def _fill(self, made: Buffer) -> None:
        w = self.kernel.w
        with w.loop(made.shape[1] // 16, "n", "unrolled") as n:
            w.run_on(self.first.fill, box(made, 0, n * 16, 16, 16))

    def _multiply(self, family: Mma, a: Buffer, b: Buffer, order: str, c: Buffer) -> None:
        """``c += a b``, of which ``a`` and ``c`` are fragments, ``b`` lies in shared memory."""
        w, size = self.kernel.w, family.depth
        with w.loop(a.shape[1] // size, "d", "unrolled") as d:
            with w.loop(c.shape[1] // 16, "n", "unrolled") as n:
                shape = (16, size) if order == "nk" else (size, 16)
                tile = w.place("tile", shape, self.dtype, family.scope_b)
                at = (n * 16, d * size) if order == "nk" else (d * size, n * 16)
                w.run_on(family.load_b, box(b, *at, *shape), box(tile, 0, 0, *shape))
                w.run_on(family.product, box(a, 0, d * size, 16, size),
                         box(tile, 0, 0, *shape), box(c, 0, n * 16, 16, 16))  # fmt: skip

    def _store(self, c: Buffer, target: Buffer) -> None:
        k, w = self.kernel, self.kernel.w
        with w.loop(c.shape[1] // 16, "n", "unrolled") as n:
            w.run_on(self.first.store, box(c, 0, n * 16, 16, 16),
                     box(target, k.warp * 16, n * 16, 16, 16))  # fmt: skip

    def default_ahead(self) -> int:
        """Tiles are fetched while those before them are multiplied, if two of each fit."""
        k, size = self.kernel, self.dtype.itemsize
        held = 2 * k.width * (self.depth + self.columns) * size  # of keys and values
        used = k.rows * k.width * (k.acc.itemsize + size)  # by products and weights
        return 1 if k.steps > 2 and held + used <= ROOM else 0

    def come_ahead(self, start: Expr) -> None:
        """Both tiles of a step."""
        k, found = self.kernel, self.kernel.found
        self.keys = k.w.place("keys", (k.width, self.depth), self.dtype, "shared")
        self.values = k.w.place("values", (k.width, self.columns), self.dtype, "shared")
        k.fetch(self.keys, narrow(found.keys), found.key, found.depth, start)
        k.fetch(self.values, narrow(found.values), found.key, found.column, start)

    def scores(self, start: Expr) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        self.made = w.place("products", (k.rows, k.width), k.acc, "shared", SUMS_GAP)
        if not k.ahead:
            self.keys = w.place("keys", (k.width, self.depth), self.dtype, "shared")
            k.fetch(self.keys, narrow(found.keys), found.key, found.depth, start)
        made = w.place("product_tiles", (16, k.width), k.acc, self.first.scope_c)
        self._fill(made)
        self._multiply(self.first, self.query, self.keys, "nk", made)
        self._store(made, self.made)

    def product(self, r: Expr, n: int, lane: Expr) -> Expr:
        return self.made[self.kernel.warp * self.kernel.own + r, n * WARP + lane]

    def rescale(self, r: Expr, factor: Expr) -> None:
        k = self.kernel
        k.w.store(self.factors, (k.warp * k.own + r,), factor)

    def combine(self, start: Expr, weights: Buffer) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        size = self.second.depth
        if not k.ahead:
            self.values = w.place("values", (k.width, self.columns), self.dtype, "shared")
            k.fetch(self.values, narrow(found.values), found.key, found.column, start)
        with w.loop(self.columns // 16, "n", "unrolled") as n:
            part = Region(self.factors, (k.warp * 16,), (16,))
            w.run_on(self.first.scale, part, box(self.out, 0, n * 16, 16, 16))
        own = w.place("weight_tiles", (16, k.width), self.dtype, self.second.scope_a)
        with w.loop(k.width // size, "d", "unrolled") as d:
            w.run_on(self.second.load_a, box(weights, k.warp * 16, d * size, 16, size),
                     box(own, 0, d * size, 16, size))  # fmt: skip
        self._multiply(self.second, own, self.values, "kn", self.out)

    def end(self) -> None:
        k = self.kernel
        self.stored = k.w.place("result", (k.rows, self.columns), k.acc, "shared", SUMS_GAP)
        self._store(self.out, self.stored)

    def sum(self, r: Expr, n: int, lane: Expr) -> Expr:
        return self.stored[self.kernel.warp * self.kernel.own + r, n * WARP + lane]
