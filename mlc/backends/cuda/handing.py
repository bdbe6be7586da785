"""What lanes hand each other, as part of the expression that takes it."""

from __future__ import annotations

from ...dtypes import boolean
from ...ir.expr import Apply, Expr, Load, load
from ...ir.program import (
    Accumulate,
    Buffer,
    Evaluate,
    Region,
    Seq,
    Stmt,
    Store,
    expressions_of,
    walk,
)
from ...ir.rewrite import loads_of
from ...lower.cuda.fold_threads import SHUFFLE_DOWN
from ...lower.cuda.touching import buffers_touched
from .functions import is_half

_ONCE = frozenset({"add", "mul", "maximum", "minimum"})  # their text has each operand once


def handed_on(body: Stmt) -> set[Buffer]:
    """Buffers that nothing touches but pairs of ``other = shuffle_down(part, n); part += other``,
    which need no name for it."""
    pairs: dict[Buffer, int] = {}
    for node in walk(body):
        if isinstance(node, Seq):
            for buffer in _pairs(node.stmts):
                pairs[buffer] = pairs.get(buffer, 0) + 2
    if not pairs:
        return set()
    touches = dict.fromkeys(pairs, 0)
    for node in walk(body):
        for buffer in _touched_by(node) & pairs.keys():
            touches[buffer] += 1
    return {b for b, count in pairs.items() if touches[b] == count}


def _touched_by(stmt: Stmt) -> set[Buffer]:
    """What a statement touches itself, without its parts."""
    if isinstance(stmt, (Store, Accumulate, Evaluate)):
        return buffers_touched(stmt)
    return {node.source for expr in expressions_of(stmt) for node in loads_of(expr)}


def _pairs(stmts: tuple[Stmt, ...]) -> list[Buffer]:
    """What shuffles fill that the accumulation right after them takes, each once."""
    found: list[Buffer] = []
    waiting: dict[Buffer, Buffer] = {}
    for stmt in stmts:
        match stmt:
            case Evaluate(name=name, args=(Region(to), Region(source), *_)) if name == SHUFFLE_DOWN:
                waiting[to] = source
                continue
            case Accumulate(buffers=parts, values=values) if waiting:
                others = [value.source for value in values if isinstance(value, Load)]
                if len(others) == len(values) and [waiting.get(o) for o in others] == [*parts]:
                    olds = tuple(load(part, stmt.indices) for part in parts)
                    if all(map(_takes_once, stmt.combiner.combine(olds, values), olds, values)):
                        found += others
        waiting = {}
    return found


def _takes_once(new: Expr, old: Expr, other: Expr) -> bool:
    """Whether the text of ``new`` has both, each once, whatever they are."""
    match new:
        case Apply(fn=fn, args=(a, b)) if fn in _ONCE and not is_half(new.dtype):
            if new.dtype is boolean:
                return False  # a lane that has true would not take part
            return old is not other and {a, b} == {old, other}
    return False
