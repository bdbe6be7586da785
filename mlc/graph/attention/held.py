"""Scores of an attention that stay in registers, where the product leaves them, and what becomes of
them there: lanes that hold a tile together, 16 rows for each warp, share two rows each with three
others (see :mod:`mlc.intrinsics.mma_rows`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from math import e as euler
from math import inf, isinf, log2
from typing import TYPE_CHECKING

from ...dtypes import DType, float32
from ...intrinsics.mma_rows import HALVES, MmaRows, place_of
from ...ir.expr import Apply, Cast, Const, Expr, Load, Select, apply, cast, const, select
from ...ir.program import Buffer, Region
from .diagonals import diagonals, without, worst
from .grid import box, whens
from .parts import Attention, narrow, over, with_load

if TYPE_CHECKING:
    from .kernel import AttentionKernel

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
        case Select(condition=condition, then=then, otherwise=Const(value=hidden) as other):
            if isinf(float(hidden)):
                then, factor = scaled(then, product)
                return select(condition, then, other), factor
        case Select(condition=condition, then=Const(value=hidden) as then, otherwise=other):
            if isinf(float(hidden)):
                other, factor = scaled(other, product)
                return select(condition, then, other), factor
    return score, 1.0


class Held(ABC):
    """Tiles of ``high`` rows, of which there are ``blocks``; ``parts`` of ``across`` keys, and
    results of ``over`` columns. ``lanes`` threads hold a tile together."""

    def __init__(
        self, kernel: AttentionKernel, lanes: int, high: int, across: int, over: int
    ) -> None:
        self.kernel = kernel
        found = kernel.found
        assert isinstance(found.kind, DType)
        self.dtype = narrow(found.query).dtype
        self.lanes, self.high, self.across, self.over = lanes, high, across, over
        self.blocks = kernel.own // high
        self.rows: MmaRows  # of scores
        self.out_rows: MmaRows
        self.out: Buffer
        score, factor = scaled(widened(found.score), found.product)
        self.score, self.factor = score, const(factor * log2(euler), float32)

    @contextmanager
    def each(self, *extents: int) -> Iterator[tuple[Expr, ...]]:
        """Loops that are written out, in each thread: ``lane``, then their variables."""
        w = self.kernel.w
        with w.bound(self.lanes, "threadIdx.x", "lane") as lane:
            if len(extents) == 2:
                with w.loop(extents[0], "m", "unrolled") as m:
                    with w.loop(extents[1], "h", "unrolled") as h:
                        yield lane, m, h
            else:
                with w.loop(extents[0], "m", "unrolled") as m:
                    with w.loop(extents[1], "n", "unrolled") as n:
                        with w.loop(extents[2], "e", "unrolled") as e:
                            yield lane, m, n, e

    @abstractmethod
    def body(self) -> None:
        """What the threads of a tile of rows do."""

    @abstractmethod
    def default_ahead(self) -> int:
        """How many tiles of keys and values come before they are needed."""

    def begin_rows(self, scope: str, fill: str, columns: int) -> None:
        """Sums of ``columns``, and what is known of rows, before any key."""
        k, w = self.kernel, self.kernel.w
        self.out = w.place("sums", (k.own, columns), float32, scope)
        self.fill(self.out, fill, self.over)
        shape = (self.blocks, self.lanes, HALVES)
        self.peak = w.place("largest", shape, float32, "local")
        self.total = w.place("total", shape, float32, "local")
        with self.each(self.blocks, HALVES) as (lane, m, h):
            w.store(self.peak, (m, lane, h), const(-inf, float32))
            w.store(self.total, (m, lane, h), const(0, float32))

    def fill(self, made: Buffer, fill: str, columns: int) -> None:
        """Zeros, in tiles of so many columns."""
        w = self.kernel.w
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(made.shape[1] // columns, "n", "unrolled") as n:
                w.run_on(fill, self.tile(made, m, n, columns))

    def tile(self, buffer: Buffer, i: Expr | int, j: Expr | int, columns: int) -> Region:
        """The tile ``i, j`` of a matrix."""
        return box(buffer, i * self.high, j * columns, self.high, columns)

    def of_lanes(self, buffer: Buffer, *places: Expr) -> Region:
        """What the threads hold of a tile."""
        starts = (*(cast(p, "int64") for p in places), const(0), const(0))
        return Region(buffer, starts, (*(1 for _ in places), *buffer.shape[-2:]))

    def exponents(self, start: Expr, made: Buffer) -> tuple[Buffer, Buffer]:
        """What 2 is raised to for the weights of ``made``, products with keys from ``start`` on;
        and what is made of the rows so far by a greater one: their factors."""
        w, rows = self.kernel.w, self.rows
        shape = (self.blocks, self.lanes, HALVES)
        parts, held = made.shape[1] // self.across, self.across // HALVES
        scores = w.place("scores", (self.blocks, parts, self.lanes, held), float32, "local")
        best = w.place("best", shape, float32, "local")
        new = w.place("new", shape, float32, "local")
        factor = w.place("factor", shape, float32, "local")
        with self.tiles(parts) as (m, n):
            w.run_on(rows.part, self.tile(made, m, n, self.across), self.of_lanes(scores, m, n))
        self.pointwise(start, scores)
        with self.each(self.blocks, HALVES) as (lane, m, h):
            w.store(best, (m, lane, h), self.peak[m, lane, h])
        with self.tiles(parts) as (m, n):
            w.run_on(rows.peak, self.of_lanes(scores, m, n), self.of_lanes(best, m))
        with w.loop(self.blocks, "m", "unrolled") as m:
            w.run_on(rows.greatest, self.of_lanes(best, m), self.of_lanes(new, m))
        with self.each(self.blocks, HALVES) as (lane, m, h):
            at = (m, lane, h)
            none = apply("eq", new[at], const(-inf, float32))  # where nothing counts yet
            w.store(best, at, select(none, const(0, float32), new[at] * self.factor))
            w.store(factor, at, apply("exp2", self.peak[at] * self.factor - best[at]))
            w.store(self.total, at, self.total[at] * factor[at])
            w.store(self.peak, at, new[at])
        with self.each(self.blocks, parts, held) as (lane, m, n, e):
            exponent = scores[m, n, lane, e] * self.factor - best[m, lane, e // 2 % 2]
            w.store(scores, (m, n, lane, e), exponent)
        return scores, factor

    def rescale(self, factor: Buffer) -> None:
        """Sums so far, by the factors of their rows."""
        w = self.kernel.w
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(self.out.shape[1] // self.over, "n", "unrolled") as n:
                w.run_on(
                    self.out_rows.scale,
                    self.of_lanes(factor, m),
                    self.tile(self.out, m, n, self.over),
                )

    def weights(self, scores: Buffer, scope: str, first: int, parts: int) -> Buffer:
        """The weights of ``parts`` of ``scores`` from ``first`` on, counted, as an operand."""
        k, w = self.kernel, self.kernel.w
        weights = w.place("weight_tiles", (k.own, parts * self.across), self.dtype, scope)
        with self.tiles(parts) as (m, n):
            exponents, total = self.of_lanes(scores, m, first + n), self.of_lanes(self.total, m)
            w.run_on(self.rows.weigh, exponents, total, self.tile(weights, m, n, self.across))
        return weights

    @contextmanager
    def tiles(self, parts: int) -> Iterator[tuple[Expr, Expr]]:
        w = self.kernel.w
        with w.loop(self.blocks, "m", "unrolled") as m:
            with w.loop(parts, "n", "unrolled") as n:
                yield m, n

    def pointwise(self, start: Expr, scores: Buffer) -> None:
        """Products become scores; where no key is, -inf. Of a tile that no diagonal of a mask goes
        through, and that has all its keys, nothing is compared."""
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        ends = k.splits * k.steps * k.width > found.key.extent
        masks = diagonals(self.score, found.product, found.row, found.key)
        rows = (k.first, k.first + (k.rows - 1))
        keys = (start, start + (k.width - 1))
        tests = [keys[1] < found.key.extent] if ends else []
        for each in masks:
            put = {
                found.row: worst(each.shown, found.row, rows),
                found.key: worst(each.shown, found.key, keys),
            }
            tests.append(k.at(each.shown, put))
        if not tests:
            self.scored(self.score, start, scores, ends)
            return
        is_plain = tests[0]
        for test in tests[1:]:
            is_plain = is_plain & test
        plain = without(self.score, masks)
        if self.is_product(plain):
            with w.when(apply("invert", is_plain)):
                self.scored(self.score, start, scores, ends)
            return
        with w.when(is_plain):
            self.scored(plain, start, scores, False)
        with w.otherwise():
            self.scored(self.score, start, scores, ends)

    def is_product(self, score: Expr) -> bool:
        """Whether nothing is done to the products."""
        return isinstance(score, Load) and score.source is self.kernel.found.product.source

    def scored(self, score: Expr, start: Expr, scores: Buffer, ends: bool) -> None:
        """``score`` of the products in ``scores``; ``ends`` where some may have no key."""
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        if self.is_product(score) and not ends:
            return
        with self.each(*scores.shape[:2], scores.shape[3]) as (lane, m, n, e):
            at = (m, n, lane, e)
            i, j = place_of(lane, e)
            row = k.first + k.warp * k.own + m * self.high + i
            key = start + n * self.across + j
            made = k.at(score, {found.row: row, found.key: key})
            made = with_load(made, found.product, scores[at])
            inside = [key < found.key.extent] if ends else []
            if found.masks and found.row.extent % k.rows:
                inside.append(row < found.row.extent)
            for test in inside:
                made = select(test, made, const(-inf, float32))
            w.store(scores, at, made)

    def finish(self) -> None:
        """Sums divided by those of weights, from registers to where they belong."""
        k, w, found = self.kernel, self.kernel.w, self.kernel.found
        whole = w.place("whole", (self.blocks, self.lanes, HALVES), float32, "local")
        with w.loop(self.blocks, "m", "unrolled") as m:
            w.run_on(self.rows.whole, self.of_lanes(self.total, m), self.of_lanes(whole, m))
        parts = k.made_in_parts
        with self.each(self.blocks, HALVES) as (lane, m, h):
            at = (m, lane, h)
            if parts is None:
                w.store(whole, at, const(1, float32) / whole[at])
            else:  # four lanes share a row, and know the same
                row = k.first + k.warp * k.own + m * self.high + place_of(lane, h * 2)[0]
                with w.when((lane % 4 < 1) & (row < found.row.extent)):
                    w.store(parts.totals, (k.number, k.split, row), whole[at])
                    peak = self.peak[at] * self.factor
                    w.store(parts.peaks, (k.number, k.split, row), peak)
        held = self.over // HALVES
        shape = (self.blocks, self.out.shape[1] // self.over, self.lanes, held)
        result = w.place("result", shape, float32, "local")
        with w.loop(shape[0], "m", "unrolled") as m, w.loop(shape[1], "n", "unrolled") as n:
            w.run_on(
                self.out_rows.part,
                self.tile(self.out, m, n, self.over),
                self.of_lanes(result, m, n),
            )
        rows, columns = found.row.extent, found.column.extent
        pairs = columns % 2 == 0
        with self.each(shape[0], shape[1], held // 2) as (lane, m, n, p):
            i, j = place_of(lane, p * 2)
            row = k.first + k.warp * k.own + m * self.high + i
            column = n * self.over + j
            tests = [row < rows] if rows % k.rows else []
            if pairs and columns < self.out.shape[1]:
                tests.append(column < columns)
            inside = tests and [tests[0] & tests[1] if len(tests) > 1 else tests[0]]
            with whens(w, inside), w.loop(2, "v", "lanes" if pairs else "unrolled") as v:
                with whens(w, [] if pairs else [column + v < columns]):
                    value = result[m, n, lane, p * 2 + v]
                    if parts is None:
                        put = {**k.batch, found.row: row, found.column: column + v}
                        places = [over(place, put, {}) for place in found.places]
                        w.store(k.result, places, value * whole[m, lane, p % 2])
                    else:
                        w.store(parts.sums, (k.number, k.split, row, column + v), value)
