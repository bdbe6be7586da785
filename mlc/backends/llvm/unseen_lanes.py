"""Vector registers whose lanes nobody looks at where a condition does not hold.

What accumulates the last columns of a matrix fills some lanes only, and stores those alone. The
other lanes may hold anything, so that they need not be kept as they are at every step::

    if lane < left: acc[lane] += x[lane]          acc += x
    ...                                       ->  ...
    if lane < left: y[lane] = acc[lane]           if lane < left: y[lane] = acc[lane]
"""

from __future__ import annotations

from ...ir.expr import Expr, Var
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    For,
    If,
    LoopKind,
    Stmt,
    Store,
    children_of,
    expressions_of,
    walk,
)
from ...ir.rewrite import conjuncts, loads_of, substitute, variables_of

_LANE = Var("lane")  # stands for the lanes of every vector loop
_Tests = frozenset[Expr]


def unseen_lanes(scope: Allocate) -> frozenset[Buffer]:
    """The buffers of ``scope`` all of whose loads stand under the conditions on lanes under which
    they are written, if those conditions do not change from a write to a load.

    The buffers are indexed alike by all vector loops: lane ``n`` of one is lane ``n`` of another.
    """
    loops = [n for n in walk(scope.body) if isinstance(n, For)]
    vectors = [n for n in loops if n.kind is LoopKind.VECTORIZED]
    if not any(isinstance(n, If) for loop in vectors for n in walk(loop.body)):
        return frozenset()
    changing = {n.var for n in loops if n.kind is not LoopKind.VECTORIZED}
    written: dict[Buffer, _Tests] = {}
    seen: dict[Buffer, _Tests] = {}
    unclear: set[Buffer] = set()
    stack: list[tuple[Stmt, Var | None, _Tests]] = [(scope.body, None, frozenset())]
    while stack:
        node, lane, tests = stack.pop()
        for buffer in {x.source for e in expressions_of(node) for x in loads_of(e)}:
            seen[buffer] = seen.get(buffer, tests) & tests
        match node:
            case Store(buffer=buffer):
                written[buffer] = written.get(buffer, frozenset()) | tests
            case Accumulate(buffers=buffers):
                for buffer in buffers:
                    written[buffer] = written.get(buffer, frozenset()) | tests
            case For(kind=LoopKind.VECTORIZED):
                lane = node.var
            case If():
                parts = _named(node.condition, lane)
                held = frozenset(part for part in parts if not _may_change(part, changing))
                if any(_LANE in _variables(part) for part in parts - held):
                    unclear |= _written_in(node)
                stack.append((node.then, lane, tests | held))
                if node.otherwise is not None:
                    unclear |= _written_in(node.otherwise) if lane is not None else set()
                    stack.append((node.otherwise, lane, tests))
                continue
        stack.extend((child, lane, tests) for child in children_of(node))

    def is_unseen(buffer: Buffer) -> bool:
        masks = {t for t in written.get(buffer, ()) if _LANE in _variables(t)}
        return buffer not in unclear and bool(masks) and masks <= seen.get(buffer, masks)

    return frozenset(filter(is_unseen, scope.buffers))


def _named(test: Expr, lane: Var | None) -> _Tests:
    """The parts of a condition, the lane by one name for all."""
    mapping: dict[Var, Expr] = {} if lane is None else {lane: _LANE}
    return frozenset(substitute(part, mapping) for part in conjuncts(test))


def _may_change(test: Expr, changing: set[Var]) -> bool:
    return not changing.isdisjoint(variables_of(test)) or bool(loads_of(test))


def _variables(test: Expr) -> set[Var]:
    return set(variables_of(test))


def _written_in(stmt: Stmt) -> set[Buffer]:
    out: set[Buffer] = set()
    for node in walk(stmt):
        match node:
            case Store(buffer=buffer):
                out.add(buffer)
            case Accumulate(buffers=buffers):
                out.update(buffers)
    return out
