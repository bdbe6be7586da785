"""Where two statements touch the same elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..ir.affine import Sum, as_sum
from ..ir.bounds import Interval, interval
from ..ir.expr import Expr, Var
from ..ir.program import Accumulate, Buffer, For, Stmt, Store, expressions_of, walk
from ..ir.rewrite import loads_of, variables_of

Touch = tuple[Buffer, tuple[Expr, ...]]


def touches(stmt: Stmt) -> Iterator[Touch]:
    """What ``stmt`` reads and writes, calls aside: the buffers, and the indices."""
    yield from writes(stmt)
    for part in walk(stmt):
        for expr in expressions_of(part):
            yield from ((n.source, n.indices) for n in loads_of(expr))


def writes(stmt: Stmt) -> Iterator[Touch]:
    """What ``stmt`` writes, calls aside: the buffers, and the indices."""
    for part in walk(stmt):
        match part:
            case Store(buffer=buffer, indices=indices):
                yield buffer, indices
            case Accumulate(buffers=buffers, indices=indices):
                yield from ((buffer, indices) for buffer in buffers)


def extents_in(*stmts: Stmt) -> dict[Var, int]:
    """The extents of all loops in ``stmts``."""
    return {s.var: s.extent for stmt in stmts for s in walk(stmt) if isinstance(s, For)}


def depends_on_writes(one: Stmt, other: Stmt) -> bool:
    """Whether a place that either touches depends on what one of them changes."""
    changed = {b for stmt in (one, other) for b, _ in writes(stmt)}
    return any(
        n.source in changed
        for stmt in (one, other)
        for _, indices in set(touches(stmt))
        for index in indices
        for n in loads_of(index)
    )


def meetings(one: Stmt, other: Stmt) -> Iterator[tuple[tuple[Expr, ...], tuple[Expr, ...]]]:
    """Where both touch a buffer that one of them changes: the indices of either, in pairs."""
    changed = {b for stmt in (one, other) for b, _ in writes(stmt)}
    after = set(touches(other))
    for buffer, here in set(touches(one)):
        for that, there in after if buffer in changed else ():
            if that is buffer:
                yield here, there


def meet_once(one: Expr, other: Expr, var: Var, inside: Mapping[Var, int]) -> bool:
    """Whether two indices, ``one`` at some iteration over ``var`` and ``other`` at another, are
    only equal where the two are the same. The loops ``inside`` are anywhere in either."""
    here, there = as_sum(one), as_sum(other)
    step = here.coefficient(var)
    if not step or there.coefficient(var) != step:
        return False
    apart = _apart(here, there, var, inside)
    return apart is not None and -abs(step) < apart[0] and apart[1] < abs(step)


def never_meet(one: Expr, other: Expr, inside: Mapping[Var, int]) -> bool:
    """Whether two indices are never equal, wherever the loops ``inside`` are in either."""
    apart = _apart(as_sum(one), as_sum(other), None, inside)
    return apart is not None and (apart[0] > 0 or apart[1] < 0)


def _apart(here: Sum, there: Sum, var: Var | None, inside: Mapping[Var, int]) -> Interval | None:
    """What ``here`` less ``there`` may be without the terms of ``var``; None if ``var`` hides in
    another term, or something from outside of the loops remains."""
    low = high = float(here.constant - there.constant)
    rest: dict[Expr, int] = {}
    for total, sign in ((here, 1), (there, -1)):
        for atom, c in total.terms:
            if atom is var:
                continue
            used = variables_of(atom)
            if any(v is var for v in used):
                return None
            if any(v in inside for v in used):
                least, most = interval(atom, inside)
                ends = sign * c * least, sign * c * most
                low, high = low + min(ends), high + max(ends)
            else:
                rest[atom] = rest.get(atom, 0) + sign * c
    return None if any(rest.values()) else (low, high)
