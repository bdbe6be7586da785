"""An attention of 16-bit floats whose scores stay in the registers that tensor cores left them in.

::

    for tile of keys:                                 copied ahead, both tiles
        t = query @ keys.T                            lane by lane, 2 rows each, in float32
        t = score(t)                                  point by point, -inf where no key is
        new = maximum(largest, greatest of 4 lanes)
        factor = 2**((largest - new) * c)
        t = t * c - new * c                           c holds log2(e), and a factor of the score
        total, a = total * factor + sum(2**t), 2**t   a is an operand where t was
        out = out * factor + a @ values

Nothing is rounded to 16 bits on the way but weights that are multiplied: the result is nearer to
the exact one than NumPy's, which rounds after each step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...dtypes import DType, float32
from ...intrinsics.mma import Mma, mma
from ...intrinsics.mma_rows import mma_rows
from ...ir.expr import Expr
from ...ir.program import Buffer, Scope
from .grid import GAP, ROOM, WARP
from .held import Held
from .parts import narrow

if TYPE_CHECKING:
    from .kernel import AttentionKernel

STEP = 16  # rows, columns and steps of a tile
SUMS = 32 * 64  # sums of a warp that leave it room for the scores of 64 keys


class Fragments(Held):
    """The kernel between the loops over blocks and what a warp stores."""

    def __init__(self, kernel: AttentionKernel) -> None:
        super().__init__(kernel, WARP, STEP, STEP, STEP)
        found = kernel.found
        assert isinstance(found.kind, DType)
        self.first: Mma = mma(found.kind, STEP, "mk", "nk")
        self.second: Mma = mma(found.kind, STEP, "mk", "kn")
        self.rows = self.out_rows = mma_rows(found.kind)
        self.depth = -(-found.depth.extent // STEP) * STEP
        self.columns = -(-found.column.extent // STEP) * STEP

    def body(self) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        self.start()
        steps = k.steps
        loop = w.overlapped(steps, "keys", 2, k.ahead) if k.ahead else w.loop(steps, "keys")
        with loop as step:
            first = (k.split * steps + step) * k.width
            keys = self.fetched("keys", found.keys, self.depth, first)
            if k.ahead:
                values = self.fetched("values", found.values, self.columns, first)
            made = w.place("product_tiles", (k.own, k.width), float32, self.first.scope_c)
            self.fill(made, self.first.fill, STEP)
            self.multiply(self.first, self.query, keys, "nk", made)
            scores, factor = self.exponents(first, made)
            self.rescale(factor)
            weights = self.weights(scores, self.second.scope_a, 0, k.width // STEP)
            if not k.ahead:
                values = self.fetched("values", found.values, self.columns, first)
            self.multiply(self.second, weights, values, "kn", self.out)
        self.finish()

    @property
    def holds_query(self) -> bool:
        """Whether a warp has room for its queries in registers."""
        return self.kernel.own * self.depth <= SUMS

    def default_ahead(self) -> int:
        """One tile of keys and values, where shared memory has room for two of each beside queries
        that stay there."""
        gap = GAP // self.dtype.itemsize
        kept = 0 if self.holds_query else self.kernel.rows * (self.depth + gap)
        moving = 2 * self.kernel.width * (self.depth + self.columns + 2 * gap)
        fits = (kept + moving) * self.dtype.itemsize <= ROOM
        return 1 if self.kernel.steps > 2 and fits else 0

    def fetched(self, name: str, expr: Expr, columns: int, start: Expr) -> Buffer:
        k, found = self.kernel, self.kernel.found
        inner = found.depth if name == "keys" else found.column
        made = k.w.place(name, (k.width, columns), self.dtype, "shared")
        k.fetch(made, narrow(expr), found.key, inner, start)
        return made

    def start(self) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        query = w.place("query", (k.rows, self.depth), self.dtype, "shared")
        k.fetch(query, narrow(found.query), found.row, found.depth, k.first)
        self.query = query
        if self.holds_query:
            self.hold_query()
        self.begin_rows(self.first.scope_c, self.first.fill, self.columns)

    def hold_query(self) -> None:
        """The rows of a warp go to registers, and stay there."""
        k, w, query = self.kernel, self.kernel.w, self.query
        self.query = w.place("query_tiles", (k.own, self.depth), self.dtype, self.first.scope_a)
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(self.depth // STEP, "d", "unrolled") as d:
                w.run_on(self.first.load_a, self.tile(query, k.warp * self.blocks + m, d, STEP),
                         self.tile(self.query, m, d, STEP))  # fmt: skip

    def multiply(self, family: Mma, a: Buffer, b: Buffer, order: str, c: Buffer) -> None:
        """``c += a b``, of which ``a`` and ``c`` are fragments, ``b`` lies in shared memory."""
        w = self.kernel.w
        with w.loop(a.shape[1] // STEP, "d", "unrolled") as d:
            if a.scope is Scope.SHARED:
                own = w.place("rows", (self.kernel.own, STEP), self.dtype, family.scope_a)
                with w.loop(self.blocks, "m", "unrolled") as m:
                    row = self.kernel.warp * self.blocks + m
                    w.run_on(family.load_a, self.tile(a, row, d, STEP), self.tile(own, m, 0, STEP))
                left, step = own, d * 0
            else:
                left, step = a, d
            with w.loop(c.shape[1] // STEP, "n", "unrolled") as n:
                part = w.place("tile", (STEP, STEP), self.dtype, family.scope_b)
                at = (n, d) if order == "nk" else (d, n)
                w.run_on(family.load_b, self.tile(b, *at, STEP), self.tile(part, 0, 0, STEP))
                with w.loop(self.blocks, "m", "unrolled") as m:
                    w.run_on(family.product, self.tile(left, m, step, STEP),
                             self.tile(part, 0, 0, STEP), self.tile(c, m, n, STEP))  # fmt: skip
