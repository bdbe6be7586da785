"""Whether a block computes what an intrinsic means, and on which regions.

Both are brought to one form, *nests*: loops around a statement or around several nests, with blocks
dissolved, loops of one iteration gone and an init before its reduction. Two nests agree if some
assignment of loops to loops makes every statement the same but for names, for the order of
operands that commute, and for where each operand begins in its buffer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..ir.affine import Sum, as_sum
from ..ir.bounds import decide, interval
from ..ir.expr import Apply, Cast, Const, Expr, Load, Select, Var, const
from ..ir.intrinsic import Intrinsic, kept_dimensions
from ..ir.program import (
    Accumulate,
    Block,
    Buffer,
    For,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    map_exprs,
    reads_of,
    walk,
)
from ..ir.rewrite import substitute, variables_of
from ..ir.scalar import SCALAR_FNS

_COMMUTES = frozenset({"add", "mul", "minimum", "maximum", "bitand", "bitor", "bitxor"})
_MOST_ORDERS = 5040

Leaf = Store | Accumulate


@dataclass(frozen=True, eq=False)
class Nest:
    """``loops`` (variable, extent), outermost first, around one statement or several nests."""

    loops: tuple[tuple[Var, int], ...]
    inside: Leaf | tuple[Nest, ...]


@dataclass(frozen=True, eq=False)
class Place:
    """Where an operand lies: its dimensions in the buffer, and its first element."""

    buffer: Buffer
    dimensions: tuple[int, ...]
    starts: tuple[Sum, ...]


class _Mismatch(Exception):
    """``progress`` says how much agreed before: the furthest attempt is the one to report.

    Most attempts are never reported, so the message may be a function that makes it.
    """

    def __init__(self, message: str | Callable[[], str], progress: int) -> None:
        super().__init__()
        self._message = message
        self.progress = progress
        self.leaves: tuple[Leaf, Leaf] | None = None

    @property
    def message(self) -> str:
        """What differs, and in which two statements."""
        text = self._message if isinstance(self._message, str) else self._message()
        if self.leaves is None:
            return text
        wanted, found = map(_text, self.leaves)
        return f"{text}:\n  expected {wanted}\n  found    {found}"


def match_intrinsic(
    intrinsic: Intrinsic, body: Stmt, ranges: Mapping[Var, int]
) -> tuple[Region, ...] | str:
    """The regions for a call in the place of ``body``, or what differs, as a sentence.

    ``ranges`` holds the extents of the variables that ``body`` takes from around it.
    """
    try:
        wanted = _nests(intrinsic.meaning.body, {}, (), {})
        found = _nests(body, {}, (), dict(ranges))
        places = _Matcher(intrinsic, ranges).run(wanted, found)
    except _Mismatch as mismatch:
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
    for region in regions:
        for start, extent, size in zip(
            region.starts, region.extents, region.buffer.shape, strict=True
        ):
            low, high = interval(start, ranges)
            if low < 0 or high + extent > size:
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


def _nests(
    stmt: Stmt,
    values: Mapping[Var, Expr],
    loops: tuple[tuple[Var, int], ...],
    ranges: dict[Var, int],
) -> Nest:
    """The canonical form of ``stmt`` inside ``loops``, with ``values`` for axes and unit loops."""
    match stmt:
        case For(var=var, extent=1):
            return _nests(stmt.body, {**values, var: const(0)}, loops, ranges)
        case For(var=var, extent=extent):
            ranges[var] = extent
            return _nests(stmt.body, values, (*loops, (var, extent)), ranges)
        case Seq(stmts=stmts):
            return Nest(loops, _flat(_nests(s, values, (), ranges) for s in stmts))
        case Block():
            return _block_nest(stmt, values, loops, ranges)
        case Store() | Accumulate():
            leaf = map_exprs(stmt, lambda e: substitute(e, values))
            assert isinstance(leaf, (Store, Accumulate))
            return Nest(loops, leaf)
        case _:
            kind = type(stmt).__name__
            raise _Mismatch(f"loops, blocks and assignments can be matched, not a {kind}", 0)


def _block_nest(
    block: Block,
    values: Mapping[Var, Expr],
    loops: tuple[tuple[Var, int], ...],
    ranges: dict[Var, int],
) -> Nest:
    bound: dict[Var, Expr] = {it.axis: substitute(it.binding, values) for it in block.iters}
    if block.predicate is not None:
        if decide(substitute(block.predicate, values), ranges) is not True:
            raise _Mismatch(f"block {block.name!r} has the condition {block.predicate!r}", 0)
    inner = {**values, **bound}
    body = _nests(block.body, inner, loops, ranges)
    if block.init is None:
        return body
    set_here = {s.buffer for s in walk(block.init) if isinstance(s, Store)}
    if any(node.source in set_here for node in reads_of(block.body)):
        raise _Mismatch(f"block {block.name!r} reads what its init sets", 0)
    reduced = {v for it in block.iters if it.axis.is_reduce for v in variables_of(bound[it.axis])}
    copies = {var: Var(var.name) for var, _ in loops if var not in reduced}
    fresh: dict[Var, Expr] = dict(copies)
    kept = tuple((copies[var], extent) for var, extent in loops if var not in reduced)
    ranges.update(kept)
    spatial: dict[Var, Expr] = {
        it.axis: substitute(bound[it.axis], fresh) for it in block.iters if not it.axis.is_reduce
    }
    init = _nests(block.init, {**values, **spatial}, kept, ranges)
    return Nest((), _flat((init, body)))


def _flat(nests: Iterable[Nest]) -> tuple[Nest, ...]:
    """Nests in order; those that are nothing but nests in order are opened."""
    out: list[Nest] = []
    for nest in nests:
        if not nest.loops and isinstance(nest.inside, tuple):
            out.extend(nest.inside)
        else:
            out.append(nest)
    return tuple(out)


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
        self.progress = 0

    def run(self, wanted: Nest, found: Nest) -> dict[Buffer, Place]:
        best: _Mismatch | None = None
        for number, loops in enumerate(self.assignments(wanted, found)):
            if number >= _MOST_ORDERS:
                break
            self.progress = 0
            places: dict[Buffer, Place] = {}
            try:
                self.inside(wanted, found, loops, places)
            except _Mismatch as mismatch:
                if best is None or mismatch.progress > best.progress:
                    best = mismatch
                continue
            return places
        assert best is not None
        raise best

    def fail(self, message: str | Callable[[], str]) -> _Mismatch:
        return _Mismatch(message, self.progress)

    def assignments(self, wanted: Nest, found: Nest) -> Iterator[dict[Var, Var]]:
        """Every way to give each loop of the meaning one of the block's with the same extent."""
        mine, theirs = found.loops, wanted.loops
        if sorted(n for _, n in mine) != sorted(n for _, n in theirs):
            raise _Mismatch(
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
        if not _any_order(found) and any(a[1] != b[1] for a, b in zip(mine, theirs, strict=True)):
            raise _Mismatch(
                f"{self.intrinsic.name} runs over loops {_extents(theirs)}, the block over "
                f"{_extents(mine)}, whose order matters",
                0,
            )
        for order in itertools.permutations(mine):
            if any(a[1] != b[1] for a, b in zip(order, theirs, strict=True)):
                continue
            outer = {b[0]: a[0] for a, b in zip(order, theirs, strict=True)}
            keeps_order = all(a is b for a, b in zip(order, mine, strict=True))
            if not keeps_order and not _any_order(found):
                continue
            for parts_of in itertools.product(*inner):
                yield {**outer, **{k: v for part in parts_of for k, v in part.items()}}

    def count_mismatch(self, wanted: tuple[Nest, ...], found: tuple[Nest, ...]) -> _Mismatch:
        return _Mismatch(
            f"{self.intrinsic.name} consists of {len(wanted)} statements, the block of "
            f"{len(found)}:\n  expected {_all_texts(wanted)}\n  found    {_all_texts(found)}",
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
        except _Mismatch as mismatch:
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
        except _Mismatch as mismatch:
            if fn not in _COMMUTES:
                raise
            first = mismatch
        places.clear()
        places.update(before)
        self.progress = progress
        try:
            self.value(wanted[0], found[1], loops, places)
            self.value(wanted[1], found[0], loops, places)
        except _Mismatch as second:
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
        have = [as_sum(f) for f in found]
        kept = kept_dimensions(param.shape)
        place = places.get(param)
        moving = tuple(d for d, total in enumerate(have) if not _is_free(total, inner))

        def shown() -> str:
            return f"expected {_element(param, wanted)}, found {_element(buffer, found)}"

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
    ) -> _Mismatch:
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


def _any_order(nest: Nest) -> bool:
    """Whether the iterations of ``nest.loops`` may run in any order: what is written to one element
    is combined commutatively or written once, and nothing else of the buffer is read."""
    leaf = nest.inside
    if isinstance(leaf, tuple):
        return False
    targets = leaf.buffers if isinstance(leaf, Accumulate) else (leaf.buffer,)
    for node in reads_of(leaf):
        if any(node.source is target for target in targets):
            return False
    if isinstance(leaf, Accumulate):
        return leaf.combiner.commutative
    # written once: each loop alone decides one index
    alone = {total.terms[0][0] for total in map(as_sum, leaf.indices) if len(total.terms) == 1}
    return all(var in alone for var, _ in nest.loops)


def _element(buffer: Buffer, indices: tuple[Expr, ...]) -> str:
    texts = [repr(as_sum(index).expr()) for index in indices]
    return f"{buffer.name}[{', '.join(texts) or '()'}]"


def _extents(loops: tuple[tuple[Var, int], ...]) -> str:
    return "(" + ", ".join(f"{var.name}: {extent}" for var, extent in loops) + ")"


def _text(leaf: Leaf) -> str:
    """One statement as in the script."""
    if isinstance(leaf, Store):
        return f"{_element(leaf.buffer, leaf.indices)} = {leaf.value!r}"
    targets = ", ".join(_element(buffer, leaf.indices) for buffer in leaf.buffers)
    values = ", ".join(map(repr, leaf.values))
    row = SCALAR_FNS.get(leaf.combiner.fn)
    if row is not None and row.infix:
        return f"{targets} {row.infix}= {values}"
    return f"{targets} = {leaf.combiner.name}({targets}, {values})"


def _all_texts(nests: tuple[Nest, ...]) -> str:
    parts = [
        _text(n.inside) if not isinstance(n.inside, tuple) else _all_texts(n.inside) for n in nests
    ]
    return "; ".join(parts)
