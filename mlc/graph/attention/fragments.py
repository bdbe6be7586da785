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

from collections.abc import Iterator
from contextlib import contextmanager
from math import e as euler
from math import inf, log2
from typing import TYPE_CHECKING

from ...dtypes import DType, float32
from ...intrinsics.mma import Mma, mma
from ...intrinsics.mma_rows import HALVES, HELD, mma_rows
from ...ir.expr import Apply, Cast, Const, Expr, Load, Select, apply, cast, const, select
from ...ir.program import Buffer, Region, Scope
from .grid import GAP, ROOM, WARP, box, whens
from .parts import Attention, narrow, over, with_load

if TYPE_CHECKING:
    from .kernel import AttentionKernel

STEP = 16  # rows, columns and steps of a tile
SUMS = 32 * 64  # sums of a warp that leave it room for the scores of 64 keys
# A sum is not among them: what is lost of its smaller part may be meant to be.
_SMOOTH = frozenset({"mul", "div", "neg", "abs", "minimum", "maximum", "tanh"})


def is_held(found: Attention) -> bool:
    """Whether weights can be made in registers, and float32 is as wide as all that is asked for."""
    wide = max(found.score.dtype.itemsize, found.total.itemsize)
    return isinstance(found.kind, DType) and wide <= float32.itemsize


def widened(expr: Expr) -> Expr:
    """``expr``, of floats, in float32 and without the roundings to 16 bits in between."""
    match expr:
        case Cast(value=value) if value.dtype is float32 or _is_narrow(value.dtype):
            return widened(value)
        case Apply(fn=fn, args=args) if fn in _SMOOTH:
            return apply(fn, *map(widened, args))
        case Select(condition=condition, then=then, otherwise=otherwise):
            return select(condition, widened(then), widened(otherwise))
    return cast(expr, float32)


def _is_narrow(dtype: DType) -> bool:
    return dtype.is_float and dtype.bits < 32


def scaled(score: Expr, product: Load) -> tuple[Expr, float]:
    """``score`` as another one and a positive number that it is multiplied by."""
    match score:
        case Apply(fn="mul" | "div", args=(Load(source=source) as left, Const(value=factor))):
            if source is product.source and 0 < factor < inf:
                return left, float(factor) if score.fn == "mul" else 1 / float(factor)
        case Apply(fn="mul", args=(Const(value=factor), Load(source=source) as right)):
            if source is product.source and 0 < factor < inf:
                return right, float(factor)
    return score, 1.0


class Fragments:
    """The kernel between the loops over blocks and what a warp stores."""

    def __init__(self, kernel: AttentionKernel) -> None:
        self.kernel = kernel
        found = kernel.found
        assert isinstance(found.kind, DType)
        self.first: Mma = mma(found.kind, STEP, "mk", "nk")
        self.second: Mma = mma(found.kind, STEP, "mk", "kn")
        self.rows = mma_rows(found.kind)
        self.dtype = narrow(found.query).dtype
        self.depth = -(-found.depth.extent // STEP) * STEP
        self.columns = -(-found.column.extent // STEP) * STEP
        self.blocks, self.parts = kernel.own // STEP, kernel.width // STEP
        score, factor = scaled(widened(found.score), found.product)
        self.score, self.factor = score, const(factor * log2(euler), float32)

    def body(self) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        self.start()
        steps = -(-found.key.extent // k.width)
        ahead = 2 if steps > 2 and self.fits() else 0
        loop = w.overlapped(steps, "keys", ahead) if ahead else w.loop(steps, "keys")
        with loop as step:
            first = step * k.width
            keys = self.fetched("keys", found.keys, self.depth, first)
            if ahead:
                values = self.fetched("values", found.values, self.columns, first)
            made = w.place("product_tiles", (k.own, k.width), float32, self.first.scope_c)
            self.fill(made)
            self.multiply(self.first, self.query, keys, "nk", made)
            weights = self.weights(first, made)
            if not ahead:
                values = self.fetched("values", found.values, self.columns, first)
            self.multiply(self.second, weights, values, "kn", self.out)
        self.finish()

    def fits(self) -> bool:
        """Whether shared memory has room for two tiles of keys and of values, beside queries that
        stay there."""
        gap = GAP // self.dtype.itemsize
        kept = self.kernel.rows * (self.depth + gap) if self.query.scope is Scope.SHARED else 0
        moving = 2 * self.kernel.width * (self.depth + self.columns + 2 * gap)
        return (kept + moving) * self.dtype.itemsize <= ROOM

    def fetched(self, name: str, expr: Expr, columns: int, start: Expr) -> Buffer:
        k, found = self.kernel, self.kernel.found
        inner = found.depth if name == "keys" else found.column
        made = k.w.place(name, (k.width, columns), self.dtype, "shared")
        k.fetch(made, narrow(expr), found.key, inner, start)
        return made

    @contextmanager
    def each(self, *extents: int) -> Iterator[tuple[Expr, ...]]:
        """Loops that are written out, in each thread of a warp: ``lane``, then their variables."""
        w = self.kernel.w
        with w.bound(WARP, "threadIdx.x", "lane") as lane:
            if len(extents) == 2:
                with w.loop(extents[0], "m", "unrolled") as m:
                    with w.loop(extents[1], "h", "unrolled") as h:
                        yield lane, m, h
            else:
                with w.loop(extents[0], "m", "unrolled") as m:
                    with w.loop(extents[1], "n", "unrolled") as n:
                        with w.loop(extents[2], "e", "unrolled") as e:
                            yield lane, m, n, e

    def start(self) -> None:
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        query = w.place("query", (k.rows, self.depth), self.dtype, "shared")
        k.fetch(query, narrow(found.query), found.row, found.depth, k.first)
        self.query = query
        if k.own * self.depth <= SUMS:
            self.hold_query()
        self.out = w.place("sums", (k.own, self.columns), float32, self.first.scope_c)
        self.fill(self.out)
        shape = (self.blocks, WARP, HALVES)
        self.peak = w.place("largest", shape, float32, "local")
        self.total = w.place("total", shape, float32, "local")
        with self.each(self.blocks, HALVES) as (lane, m, h):
            w.store(self.peak, (m, lane, h), const(-inf, float32))
            w.store(self.total, (m, lane, h), const(0, float32))

    def hold_query(self) -> None:
        """The rows of a warp go to registers, and stay there."""
        k, w, query = self.kernel, self.kernel.w, self.query
        self.query = w.place("query_tiles", (k.own, self.depth), self.dtype, self.first.scope_a)
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(self.depth // STEP, "d", "unrolled") as d:
                w.run_on(self.first.load_a, self.tile(query, k.warp * self.blocks + m, d),
                         self.tile(self.query, m, d))  # fmt: skip

    def tile(self, buffer: Buffer, i: Expr | int, j: Expr | int) -> Region:
        """The tile ``i, j`` of a matrix."""
        return box(buffer, i * STEP, j * STEP, STEP, STEP)

    def lanes(self, buffer: Buffer, *places: Expr) -> Region:
        """What the threads of a warp hold of a tile."""
        starts = (*(cast(p, "int64") for p in places), const(0), const(0))
        return Region(buffer, starts, (*(1 for _ in places), *buffer.shape[-2:]))

    def fill(self, made: Buffer) -> None:
        w = self.kernel.w
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(made.shape[1] // STEP, "n", "unrolled") as n:
                w.run_on(self.first.fill, self.tile(made, m, n))

    def multiply(self, family: Mma, a: Buffer, b: Buffer, order: str, c: Buffer) -> None:
        """``c += a b``, of which ``a`` and ``c`` are fragments, ``b`` lies in shared memory."""
        w = self.kernel.w
        with w.loop(a.shape[1] // STEP, "d", "unrolled") as d:
            if a.scope is Scope.SHARED:
                own = w.place("rows", (self.kernel.own, STEP), self.dtype, family.scope_a)
                with w.loop(self.blocks, "m", "unrolled") as m:
                    row = self.kernel.warp * self.blocks + m
                    w.run_on(family.load_a, self.tile(a, row, d), self.tile(own, m, 0))
                left, step = own, d * 0
            else:
                left, step = a, d
            with w.loop(c.shape[1] // STEP, "n", "unrolled") as n:
                part = w.place("tile", (STEP, STEP), self.dtype, family.scope_b)
                at = (n, d) if order == "nk" else (d, n)
                w.run_on(family.load_b, self.tile(b, *at), self.tile(part, 0, 0))
                with w.loop(self.blocks, "m", "unrolled") as m:
                    w.run_on(family.product, self.tile(left, m, step), self.tile(part, 0, 0),
                             self.tile(c, m, n))  # fmt: skip

    def weights(self, start: Expr, made: Buffer) -> Buffer:
        """The weights of a tile as an operand, and what that makes of the rows so far."""
        k, w, rows = self.kernel, self.kernel.w, self.rows
        shape = (self.blocks, WARP, HALVES)
        scores = w.place("scores", (self.blocks, self.parts, WARP, HELD), float32, "local")
        best = w.place("best", shape, float32, "local")
        new = w.place("new", shape, float32, "local")
        factor = w.place("factor", shape, float32, "local")
        with self.tiles() as (m, n):
            w.run_on(rows.part, self.tile(made, m, n), self.lanes(scores, m, n))
        self.pointwise(start, scores)
        with self.each(self.blocks, HALVES) as (lane, m, h):
            w.store(best, (m, lane, h), self.peak[m, lane, h])
        with self.tiles() as (m, n):
            w.run_on(rows.peak, self.lanes(scores, m, n), self.lanes(best, m))
        with w.loop(self.blocks, "m", "unrolled") as m:
            w.run_on(rows.greatest, self.lanes(best, m), self.lanes(new, m))
        with self.each(self.blocks, HALVES) as (lane, m, h):
            at = (m, lane, h)
            none = apply("eq", new[at], const(-inf, float32))  # where nothing counts yet
            w.store(best, at, select(none, const(0, float32), new[at] * self.factor))
            w.store(factor, at, apply("exp2", self.peak[at] * self.factor - best[at]))
            w.store(self.total, at, self.total[at] * factor[at])
            w.store(self.peak, at, new[at])
        with self.each(self.blocks, self.parts, HELD) as (lane, m, n, e):
            exponent = scores[m, n, lane, e] * self.factor - best[m, lane, e // 2 % 2]
            w.store(scores, (m, n, lane, e), exponent)
        weights = w.place("weight_tiles", (k.own, k.width), self.dtype, self.second.scope_a)
        with self.tiles() as (m, n):
            w.run_on(rows.weigh, self.lanes(scores, m, n), self.lanes(self.total, m),
                     self.tile(weights, m, n))  # fmt: skip
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(self.columns // STEP, "n", "unrolled") as n:
                w.run_on(rows.scale, self.lanes(factor, m), self.tile(self.out, m, n))
        return weights

    @contextmanager
    def tiles(self) -> Iterator[tuple[Expr, Expr]]:
        w = self.kernel.w
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(self.parts, "n", "unrolled") as n:
                yield m, n

    def pointwise(self, start: Expr, scores: Buffer) -> None:
        """Products become scores; where no key is, -inf."""
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        is_product = isinstance(self.score, Load) and self.score.source is found.product.source
        if is_product and found.key.extent % k.width == 0:
            return
        with self.each(self.blocks, self.parts, HELD) as (lane, m, n, e):
            at = (m, n, lane, e)
            row = k.first + k.warp * k.own + m * STEP + lane // 4 + e // 2 % 2 * 8
            key = start + n * STEP + lane % 4 * 2 + e % 2 + e // 4 * 8
            made = k.at(self.score, {found.row: row, found.key: key})
            made = with_load(made, found.product, scores[at])
            inside = [key < found.key.extent] if found.key.extent % k.width else []
            if found.masks and found.row.extent % k.rows:
                inside.append(row < found.row.extent)
            for test in inside:
                made = select(test, made, const(-inf, float32))
            w.store(scores, at, made)

    def finish(self) -> None:
        """Sums divided by those of weights, from registers to where they belong."""
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        whole = w.place("whole", (self.blocks, WARP, HALVES), float32, "local")
        with w.loop(self.blocks, "m", "unrolled") as m:
            w.run_on(self.rows.whole, self.lanes(self.total, m), self.lanes(whole, m))
        shape = (self.blocks, self.columns // STEP, WARP, HELD)
        result = w.place("result", shape, float32, "local")
        with w.loop(shape[0], "m", "unrolled") as m, w.loop(shape[1], "n", "unrolled") as n:
            w.run_on(self.rows.part, self.tile(self.out, m, n), self.lanes(result, m, n))
        rows, columns = found.row.extent, found.column.extent
        pairs = columns % 2 == 0
        with self.each(shape[0], shape[1], HELD // 2) as (lane, m, n, p):
            row = k.first + k.warp * k.own + m * STEP + lane // 4 + p % 2 * 8
            column = n * STEP + lane % 4 * 2 + p // 2 * 8
            tests = [row < rows] if rows % k.rows else []
            if pairs and columns % STEP:
                tests.append(column < columns)
            inside = tests and [tests[0] & tests[1] if len(tests) > 1 else tests[0]]
            with whens(w, inside), w.loop(2, "v", "lanes" if pairs else "unrolled") as v:
                with whens(w, [] if pairs else [column + v < columns]):
                    put = {**k.batch, found.row: row, found.column: column + v}
                    value = result[m, n, lane, p * 2 + v] / whole[m, lane, p % 2]
                    w.store(k.result, [over(place, put, {}) for place in found.places], value)
