"""Vectors that overlap in memory: loaded end to end, and the others picked from two neighbours.

A vector as long as a cache line that does not begin with one is two loads. What neighbours in a
row read, such as those of a stencil or of a filter, is loaded once instead::

    x[j : j + 16], x[j + 1 : j + 17], x[j + 16 : j + 32], x[j + 17 : j + 33]
    ->  a, b, c = x[j : j + 16], x[j + 16 : j + 32], x[j + 17 : j + 33];  a, a|b, b, c

Loads alone keep such loops busy, so that nothing is left to ask for memory early.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ...ir.expr import Expr, Load, Var
from ...ir.program import Accumulate, Buffer, For, If, LoopKind, Seq, Stmt, Store, expressions_of
from ...ir.rewrite import loads_of, variables_of
from .addressing import address_of, alignment, gep, stored_as
from .emitter import Emitter
from .types import Value, memory_type, shuffle_mask

_LINE = 64  # bytes

# A place: a buffer, and what is added up for an element of it but the lane and a number.
Place = tuple[Buffer, tuple[tuple[Expr, int], ...]]
# For each place the numbers from which on vectors are loaded, and for which ones these will do.
Overlaps = dict[Place, dict[int, tuple[int, ...]]]


def overlaps_in(e: Emitter, stmts: Sequence[Stmt]) -> Overlaps:
    """What the vectors of ``stmts``, which run one after the other, load of the same lines. A
    result that lies where an argument does has its elements at the same places, so that no array
    whose neighbours are read is written under another name."""
    starts: dict[Place, set[int]] = {}
    lanes = 0
    for loop in stmts:
        if not isinstance(loop, For) or loop.kind is not LoopKind.VECTORIZED:
            continue
        if lanes and loop.extent != lanes:
            return {}
        lanes = loop.extent
        for load in _loads(loop.body):
            if lanes * load.source.dtype.itemsize != _LINE or load.source in e.registers:
                continue
            place = _place(e, load, loop.var)
            if place is not None:
                starts.setdefault(place[0], set()).add(place[1])
    written = frozenset[Buffer]().union(*map(e.facts.written, stmts))
    return {
        place: covers
        for place, found in starts.items()
        if len(found) > 1 and place[0] not in written and (covers := _covers(sorted(found), lanes))
    }


def _loads(stmt: Stmt) -> Iterable[Load]:
    """What ``stmt`` loads, if only for some lanes."""
    match stmt:
        case Store() | Accumulate():
            for expr in expressions_of(stmt):
                yield from loads_of(expr)
        case Seq(stmts=stmts):
            for part in stmts:
                yield from _loads(part)
        case If(then=then, otherwise=None):
            yield from _loads(then)


def _place(e: Emitter, load: Load, lane: Var) -> tuple[Place, int] | None:
    """Where a load begins; None where it is no whole vector, or may be outside."""
    buffer, indices = load.source, load.indices
    terms, start = e.facts.linear(buffer, indices)
    if buffer in e.parts or not e.facts.in_bounds(buffer, indices):
        return None
    step, others = 0, []
    for atom, c in terms:
        if atom is lane:
            step = c
        elif isinstance(atom, Var) and atom in e.fixed:
            start += c * e.fixed[atom]
        elif any(var is lane for var in variables_of(atom)):
            return None
        else:
            others.append((atom, c))
    return ((buffer, tuple(others)), start) if step == 1 else None


def _covers(starts: list[int], lanes: int) -> dict[int, tuple[int, ...]]:
    """For each of ``starts`` the vectors that it is picked from, where those are fewer."""
    runs = [[starts[0]]]
    for before, start in pairwise(starts):
        if start - before > lanes:
            runs.append([])
        runs[-1].append(start)
    covers: dict[int, tuple[int, ...]] = {}
    for run in runs:
        pieces = list(range(run[0], run[-1] + 1, lanes))
        if pieces[-1] != run[-1]:
            pieces.append(run[-1])
        if len(pieces) < len(run):
            for start in run:
                place = max(n for n, piece in enumerate(pieces) if piece <= start)
                exact = pieces[place] == start
                covers[start] = (start,) if exact else tuple(pieces[place : place + 2])
    return covers


def picked(e: Emitter, load: Load) -> Value | None:
    """The vector of a load of those that overlap; None where it is not one of them."""
    assert e.lane is not None
    place = _place(e, load, e.lane)
    pieces = None if place is None else e.overlaps.get(place[0], {}).get(place[1])
    if place is None or pieces is None:
        return None
    where = address_of(e, load.source, load.indices)
    buffer, lanes, start = load.source, e.lanes, place[1]
    kind, element = memory_type(buffer.dtype, lanes), memory_type(buffer.dtype)

    def piece(begin: int) -> Value:
        at = where.offset + begin - start

        def make() -> Value:
            pointer = gep(e, element, where.base, str(at)).text
            # Volatile: LLVM would see through the shuffles of those that lie end to end.
            text = f"load volatile {kind}, ptr {pointer}, align {alignment(buffer)}"
            return e.op(text, stored_as(buffer), lanes)

        return e.at(len(e.regions) - 1, ("piece", where.base, at, lanes), make)

    first, *second = map(piece, pieces)
    if not second:
        return first
    shift, apart = start - pieces[0], pieces[1] - pieces[0]
    lanes_of = [n + shift if n + shift < lanes else n + shift - apart + lanes for n in range(lanes)]
    text = f"shufflevector {first}, {second[0]}, {shuffle_mask(lanes_of)}"
    return e.op(text, stored_as(buffer), lanes)
