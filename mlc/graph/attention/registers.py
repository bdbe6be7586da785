"""Products of an attention that each thread makes in its registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...ir.expr import Expr, const
from ...ir.program import Buffer
from .grid import WARP

if TYPE_CHECKING:
    from .kernel import AttentionKernel

VECTOR = 16  # bytes that a thread reads at once


class Registers:
    """Products by each thread: its rows are those of its warp, its columns every 32nd."""

    def __init__(self, kernel: AttentionKernel) -> None:
        self.kernel = kernel
        self.dtype = kernel.acc
        self.lanes = VECTOR // self.dtype.itemsize
        found = kernel.found
        self.depth = -(-found.depth.extent // self.lanes) * self.lanes
        self.columns = -(-found.column.extent // WARP) * WARP

    def default_ahead(self) -> int:
        """Nothing is fetched ahead."""
        return 0

    def come_ahead(self, start: Expr) -> None:
        """Nothing."""

    def begin(self) -> None:
        shape = (self.kernel.rows, self.depth)
        self.query = self.kernel.w.place("query", shape, self.dtype, "shared")

    def start(self) -> None:
        k, w = self.kernel, self.kernel.w
        found = k.found
        k.fetch(self.query, found.query, found.row, found.depth, k.first)
        shape = (k.own, self.columns // WARP, WARP)
        self.out = w.place("sums", shape, self.dtype, "local")
        self._zero(self.out)

    def _zero(self, made: Buffer) -> None:
        w = self.kernel.w
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            with w.loop(made.shape[0], "r", "unrolled") as r:
                with w.loop(made.shape[1], "c", "unrolled") as c:
                    w.store(made, (r, c, lane), const(0, self.dtype))

    def scores(self, start: Expr) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        self.made = w.place("products", (k.own, k.parts, WARP), self.dtype, "local")
        self._zero(self.made)
        tile = w.place("keys", (k.width, self.depth), self.dtype, "shared")
        k.fetch(tile, found.keys, found.key, found.depth, start)
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            with w.loop(self.depth // self.lanes, "d") as d:
                near = w.place("near", (k.parts, self.lanes), self.dtype, "local")
                self._take(near, lambda n, v: tile[n * WARP + lane, d * self.lanes + v])
                own = w.place("own", (1, self.lanes), self.dtype, "local")
                with w.loop(k.own, "r", "unrolled") as r:
                    row = k.warp * k.own + r
                    self._take(own, lambda _, v: self.query[row, d * self.lanes + v])
                    with w.loop(k.parts, "n", "unrolled") as n:
                        with w.loop(self.lanes, "v", "unrolled") as v:
                            old = self.made[r, n, lane]
                            w.store(self.made, (r, n, lane), old + own[0, v] * near[n, v])

    def _take(self, target: Buffer, source: Callable[[int, Expr], Expr]) -> None:
        """Rows of ``target``, several elements at once."""
        w = self.kernel.w
        for n in range(target.shape[0]):
            with w.loop(self.lanes, "v", "lanes") as v:
                w.store(target, (n, v), source(n, v))

    def product(self, r: Expr, n: int, lane: Expr) -> Expr:
        return self.made[r, n, lane]

    def rescale(self, r: Expr, factor: Expr) -> None:
        w = self.kernel.w
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            with w.loop(self.out.shape[1], "c", "unrolled") as c:
                w.store(self.out, (r, c, lane), self.out[r, c, lane] * factor)

    def combine(self, start: Expr, weights: Buffer) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        tile = w.place("values", (k.width, self.columns), self.dtype, "shared")
        k.fetch(tile, found.values, found.key, found.column, start)
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            with w.loop(k.width // self.lanes, "d") as d:
                near = w.place("near", (k.own, self.lanes), self.dtype, "local")
                for r in range(k.own):
                    row = k.warp * k.own + r
                    with w.loop(self.lanes, "v", "lanes") as v:
                        w.store(near, (r, v), weights[row, d * self.lanes + v])
                with w.loop(self.lanes, "v", "unrolled") as v:
                    with w.loop(self.out.shape[1], "c", "unrolled") as c:
                        value = w.place("value", (1,), self.dtype, "local")
                        w.store(value, (0,), tile[d * self.lanes + v, c * WARP + lane])
                        with w.loop(k.own, "r", "unrolled") as each:
                            old = self.out[each, c, lane]
                            new = old + near[each, v] * value[0]
                            w.store(self.out, (each, c, lane), new)

    def end(self) -> None:
        pass

    def sum(self, r: Expr, n: int, lane: Expr) -> Expr:
        return self.out[r, n, lane]
