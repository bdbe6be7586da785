"""Whether a block computes what an intrinsic means, and on which regions.

Both are brought to one form, *nests*: loops around a statement or around several nests, with blocks
dissolved, loops of one iteration gone and an init before its reduction. Two nests agree if some
assignment of loops to loops makes every statement the same but for names, for the order of
operands that commute, and for where each operand begins in its buffer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..ir.affine import Sum, as_sum
from ..ir.bounds import interval
from ..ir.expr import Apply, Cast, Const, Expr, Load, Select, Var, const
from ..ir.intrinsic import Intrinsic, kept_dimensions
from ..ir.program import (
    Accumulate,
    Buffer,
    Region,
    Scope,
    Stmt,
    Store,
)
from ..ir.rewrite import conjuncts, substitute, variables_of
from ..ir.simplify import simplify
from .tensor_nests import Leaf, Mismatch, Nest, any_order, element_text, nests_of, texts_of

_COMMUTES = frozenset({"add", "mul", "minimum", "maximum", "bitand", "bitor", "bitxor"})
_MOST_ORDERS = 5040


@dataclass(frozen=True, eq=False)
class Place:
    """Where an operand lies: its dimensions in the buffer, and its first element."""

    buffer: Buffer
    dimensions: tuple[int, ...]
    starts: tuple[Sum, ...]


def match_intrinsic(
    intrinsic: Intrinsic, body: Stmt, ranges: Mapping[Var, int]
) -> tuple[Region, ...] | str:
    """The regions for a call in the place of ``body``, or what differs, as a sentence.

    ``ranges`` holds the extents of the variables that ``body`` takes from around it.
    """
    try:
        inside = dict(ranges)
        wanted = nests_of(intrinsic.meaning.body, {}, (), {})
        found = nests_of(body, {}, (), inside)
        places = _Matcher(intrinsic, inside).run(wanted, found)
    except Mismatch as mismatch:
        return mismatch.message
    regions = []
    for operand in intrinsic.operands:
        place = places[operand]
        extents = [1] * place.buffer.ndim
        for d, n in zip(place.dimensions, kept_dimensions(operand.shape), strict=True):
            extents[d] = operand.shape[n]
        regions.append(Region(place.buffer, tuple(s.expr() for s in place.starts), tuple(extents)))
    return _unsafe(intrinsic, regions, ranges) or tuple(regions)


def _unsafe(intrinsic: Intrinsic, regions: list[Region], ranges: Mapping[Var, int]) -> str | None:
    """What a call could break although the loops that it replaces do not."""
    for name, region in zip((b.name for b in intrinsic.operands), regions, strict=True):
        for start, extent, size in zip(
            region.starts, region.extents, region.buffer.shape, strict=True
        ):
            low, high = interval(start, ranges)
            if low < 0 or high + extent > size:
                if low >= 0 and name in intrinsic.zeros:
                    continue
                return (
                    f"the whole operand would lie at {start!r} up to {start + extent!r} in "
                    f"{region.buffer!r}, which is not proven to be inside"
                )
    outputs = regions[len(regions) - intrinsic.meaning.outputs :]
    for position, output in enumerate(regions):
        if not any(output is o for o in outputs):
            continue
        for other, region in enumerate(regions):
            if other != position and region.buffer is output.buffer:
                return (
                    f"operands {intrinsic.operands[position].name} and "
                    f"{intrinsic.operands[other].name} of {intrinsic.name} would both lie in "
                    f"{output.buffer.name}, and what is written must not overlap; read a copy "
                    f"(cache_read) instead"
                )
    return None


def _is_free(total: Sum, inner: Mapping[Var, object]) -> bool:
    for atom, _ in total.terms:
        if isinstance(atom, Var):
            if atom in inner:
                return False
        elif any(v in inner for v in variables_of(atom)):
            return False
    return True


class _Matcher:
    """Backtracks over the assignments of loops; keeps the furthest mismatch."""

    def __init__(self, intrinsic: Intrinsic, ranges: Mapping[Var, int]) -> None:
        self.intrinsic = intrinsic
        self.ranges = ranges
        self.operands = set(intrinsic.operands)
        self.simpler: dict[Expr, Expr] = {}
        self.progress = 0

    def run(self, wanted: Nest, found: Nest) -> dict[Buffer, Place]:
        best: Mismatch | None = None
        for number, loops in enumerate(self.assignments(wanted, found)):
            if number >= _MOST_ORDERS:
                break
            self.progress = 0
            places: dict[Buffer, Place] = {}
            try:
                self.inside(wanted, found, loops, places)
            except Mismatch as mismatch:
                if best is None or mismatch.progress > best.progress:
                    best = mismatch
                continue
            return places
        assert best is not None
        raise best

    def fail(self, message: str | Callable[[], str]) -> Mismatch:
        return Mismatch(message, self.progress)

    def assignments(self, wanted: Nest, found: Nest) -> Iterator[dict[Var, Var]]:
        """Every way to give each loop of the meaning one of the block's with the same extent."""
        mine, theirs = found.loops, wanted.loops
        if sorted(n for _, n in mine) != sorted(n for _, n in theirs):
            raise Mismatch(
                f"{self.intrinsic.name} runs over loops {_extents(theirs)}, the block over "
                f"{_extents(mine)}",
                0,
            )
        inner: list[list[dict[Var, Var]]] = []
        if isinstance(wanted.inside, tuple) and isinstance(found.inside, tuple):
            if len(wanted.inside) != len(found.inside):
                raise self.count_mismatch(wanted.inside, found.inside)
            for a, b in zip(wanted.inside, found.inside, strict=True):
                inner.append(list(itertools.islice(self.assignments(a, b), _MOST_ORDERS)))
        elif isinstance(wanted.inside, tuple) or isinstance(found.inside, tuple):
            parts = [n.inside if isinstance(n.inside, tuple) else (n,) for n in (wanted, found)]
            raise self.count_mismatch(*parts)
        if not any_order(wanted) and any(a[1] != b[1] for a, b in zip(mine, theirs, strict=True)):
            raise Mismatch(
                f"{self.intrinsic.name} runs over loops {_extents(theirs)}, the block over "
                f"{_extents(mine)}, whose order matters",
                0,
            )
        for order in itertools.permutations(mine):
            if any(a[1] != b[1] for a, b in zip(order, theirs, strict=True)):
                continue
            outer = {b[0]: a[0] for a, b in zip(order, theirs, strict=True)}
            keeps_order = all(a is b for a, b in zip(order, mine, strict=True))
            if not keeps_order and not any_order(wanted):
                continue
            for parts_of in itertools.product(*inner):
                yield {**outer, **{k: v for part in parts_of for k, v in part.items()}}

    def count_mismatch(self, wanted: tuple[Nest, ...], found: tuple[Nest, ...]) -> Mismatch:
        return Mismatch(
            f"{self.intrinsic.name} consists of {len(wanted)} statements, the block of "
            f"{len(found)}:\n  expected {texts_of(wanted)}\n  found    {texts_of(found)}",
            0,
        )

    def inside(
        self, wanted: Nest, found: Nest, loops: dict[Var, Var], places: dict[Buffer, Place]
    ) -> None:
        if isinstance(wanted.inside, tuple):
            assert isinstance(found.inside, tuple)
            for a, b in zip(wanted.inside, found.inside, strict=True):
                self.inside(a, b, loops, places)
            return
        assert not isinstance(found.inside, tuple)
        self.leaf(wanted.inside, found.inside, loops, places)

    def leaf(
        self, wanted: Leaf, found: Leaf, loops: dict[Var, Var], places: dict[Buffer, Place]
    ) -> None:
        try:
            self.statement(wanted, found, loops, places)
        except Mismatch as mismatch:
            mismatch.leaves = wanted, found
            raise

    def statement(
        self, wanted: Leaf, found: Leaf, loops: dict[Var, Var], places: dict[Buffer, Place]
    ) -> None:
        match wanted, found:
            case Store(), Store():
                targets = [(wanted.buffer, found.buffer)]
                values = [(wanted.value, found.value)]
            case Accumulate(), Accumulate():
                a, b = wanted.combiner, found.combiner
                same = a is b or (bool(a.fn) and a.fn == b.fn and len(a.dtypes) == len(b.dtypes))
                if not same:
                    raise self.fail("the statements combine differently")
                targets = list(zip(wanted.buffers, found.buffers, strict=True))
                values = list(zip(wanted.values, found.values, strict=True))
            case _:
                raise self.fail("the statements are of different kinds")
        for param, buffer in targets:
            self.access(param, wanted.indices, buffer, found.indices, loops, places)
        self.progress += 1
        for mine, theirs in values:
            self.value(mine, theirs, loops, places)

    def value(
        self, wanted: Expr, found: Expr, loops: dict[Var, Var], places: dict[Buffer, Place]
    ) -> None:
        if wanted.dtype is not found.dtype:
            raise self.fail(
                lambda: f"expected {wanted.dtype} in {wanted!r}, found {found.dtype} in {found!r}"
            )
        match wanted, found:
            case Const(), Const() if wanted is found:
                pass
            case Var(), Expr() if loops.get(wanted, wanted) is found:
                pass
            case Load(), Load():
                self.access(
                    wanted.source, wanted.indices, found.source, found.indices, loops, places
                )
            case Load(), Select(then=Load() as inside) if self.is_zero_outside(wanted, found):
                self.value(wanted, inside, loops, places)
            case Cast(value=a), Cast(value=b):
                self.value(a, b, loops, places)
            case Select(), Select():
                for a, b in zip(wanted.children, found.children, strict=True):
                    self.value(a, b, loops, places)
            case Apply(fn=fn, args=(a, b)), Apply(args=(c, d)) if fn == found.fn:
                self.operands_of(fn, (a, b), (c, d), loops, places)
            case Apply(fn=fn), Apply() if fn == found.fn:
                for a, b in zip(wanted.children, found.children, strict=True):
                    self.value(a, b, loops, places)
            case _:
                raise self.fail(lambda: f"expected {wanted!r}, found {found!r}")
        self.progress += 1

    def is_zero_outside(self, wanted: Load, found: Select) -> bool:
        """Whether ``found`` is 0 past the ends of the array that it reads, where the operand that
        ``wanted`` is an element of is 0 too."""
        inside = found.then
        if wanted.source.name not in self.intrinsic.zeros or not isinstance(inside, Load):
            return False
        ends = [
            (self.index(index), size)
            for index, size in zip(inside.indices, inside.source.shape, strict=True)
        ]

        def is_end(test: Expr) -> bool:
            match test:
                case Apply(fn="lt", args=(place, Const(value=limit))):
                    apart = [at.plus(self.index(place), -1) for at, n in ends if n == limit]
                    return any(not gap.terms and gap.constant == 0 for gap in apart)
            return False

        is_zero = found.otherwise is const(0, found.dtype)
        return is_zero and all(map(is_end, conjuncts(found.condition)))

    def operands_of(
        self,
        fn: str,
        wanted: tuple[Expr, Expr],
        found: tuple[Expr, Expr],
        loops: dict[Var, Var],
        places: dict[Buffer, Place],
    ) -> None:
        before, progress = dict(places), self.progress
        try:
            self.value(wanted[0], found[0], loops, places)
            self.value(wanted[1], found[1], loops, places)
            return
        except Mismatch as mismatch:
            if fn not in _COMMUTES:
                raise
            first = mismatch
        places.clear()
        places.update(before)
        self.progress = progress
        try:
            self.value(wanted[0], found[1], loops, places)
            self.value(wanted[1], found[0], loops, places)
        except Mismatch as second:
            raise max((first, second), key=lambda m: m.progress) from None

    def access(
        self,
        param: Buffer,
        wanted: tuple[Expr, ...],
        buffer: Buffer,
        found: tuple[Expr, ...],
        loops: dict[Var, Var],
        places: dict[Buffer, Place],
    ) -> None:
        """``param[wanted]`` is ``buffer[found]``: finds where the operand begins, or compares."""
        if param not in self.operands:
            raise self.fail(f"{param.name} is not an operand of {self.intrinsic.name}")
        self.same_kind(param, buffer)
        inner = dict.fromkeys(loops.values())
        indices = [as_sum(substitute(w, loops)) for w in wanted]
        have = [self.index(f) for f in found]
        kept = kept_dimensions(param.shape)
        place = places.get(param)
        moving = tuple(d for d, total in enumerate(have) if not _is_free(total, inner))

        def shown() -> str:
            return f"expected {element_text(param, wanted)}, found {element_text(buffer, found)}"

        if place is None:
            if len(moving) != len(kept):
                raise self.fail(lambda: f"the accesses differ: {shown()}")
            dimensions = moving
        else:
            if place.buffer is not buffer:
                raise self.fail(
                    f"operand {param.name} is {place.buffer.name} in one place and {buffer.name} "
                    f"in another"
                )
            dimensions = place.dimensions
        starts = list(have)
        for d, n in zip(dimensions, kept, strict=True):
            starts[d] = have[d].plus(indices[n], -1)
        if not all(_is_free(start, inner) for start in starts):
            raise self.layout_mismatch(param, buffer, indices, have, kept, moving, inner, shown)
        if place is None:
            places[param] = Place(buffer, dimensions, tuple(starts))
        elif any(
            a.plus(b, -1).terms or a.constant != b.constant
            for a, b in zip(starts, place.starts, strict=True)
        ):
            raise self.fail(lambda: f"operand {param.name} begins at two places: {shown()}")
        self.progress += 1

    def index(self, expr: Expr) -> Sum:
        """An index as a sum; ``(vi_o * 4 + i_1) // 4`` is ``vi_o``."""
        total = as_sum(expr)
        return total if total.is_affine else as_sum(simplify(expr, self.ranges, self.simpler))

    def same_kind(self, param: Buffer, buffer: Buffer) -> None:
        if param.dtype is not buffer.dtype:
            raise self.fail(
                f"operand {param.name} of {self.intrinsic.name} is {param.dtype}, but "
                f"{buffer.name} is {buffer.dtype}"
            )
        if param.scope is not Scope.GLOBAL and param.scope is not buffer.scope:
            raise self.fail(
                f"operand {param.name} of {self.intrinsic.name} lives in {param.scope.value}, but "
                f"{buffer.name} lives in {buffer.scope.value}; cache_read or cache_write it with "
                f"the scope {param.scope.value!r} first"
            )

    def layout_mismatch(
        self,
        param: Buffer,
        buffer: Buffer,
        indices: list[Sum],
        have: list[Sum],
        kept: tuple[int, ...],
        moving: tuple[int, ...],
        inner: Mapping[Var, object],
        shown: Callable[[], str],
    ) -> Mismatch:
        """Says so if only the order of the dimensions is wrong."""
        for order in itertools.permutations(moving):
            pairs = zip(order, kept, strict=False)
            if len(moving) == len(kept) and all(
                _is_free(have[d].plus(indices[n], -1), inner) for d, n in pairs
            ):
                self.progress += 1
                return self.fail(
                    f"{buffer.name} has the dimensions of operand {param.name} in another order "
                    f"(layout {order} instead of {moving}); transform_layout or cache_read it into "
                    f"the order of {self.intrinsic.name}: {shown()}"
                )
        return self.fail(lambda: f"the accesses differ: {shown()}")


def _extents(loops: tuple[tuple[Var, int], ...]) -> str:
    return "(" + ", ".join(f"{var.name}: {extent}" for var, extent in loops) + ")"
