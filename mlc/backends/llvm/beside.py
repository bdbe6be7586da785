"""Long loops of a kernel as modules of their own, which LLVM compiles on another core while Python
writes the rest of the kernel, and beside that.

::

    for j: (for a: s; for b: t)     ->      for j: (part(ctx); for b: t)

    part(ctx): for a: s

To call a part costs nothing beside what it does: it is a loop that holds much code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...ir.expr import Apply
from ...ir.program import (
    Accumulate,
    Allocate,
    Evaluate,
    For,
    LoopKind,
    Scope,
    Stmt,
    Store,
    children_of,
)
from ...ir.rewrite import postorder
from .emitter import Emitter, function_text
from .parallel import EmitLoop, passed_on, put_into_record

# Gets the functions of a part, and the lines that they need once.
HandOn = Callable[[list[str], dict[str, None]], None]

LONG = 120  # operations in the text of a loop of which some are compiled beside the others
_MOST = 0.62  # of them that are: that core begins first, and both are done at about the same time
_LEAST = 0.1  # of them that make a part, and how many at least: each costs a module of its own
_FEW = 30
_CALL = 60  # what an intrinsic is counted as, whose own text comes along


def beside(loop: For, hand_on: HandOn) -> Beside | None:
    """What compiles some of ``loop`` beside the rest of it, if that is worth it."""
    lengths: dict[int, int] = {}
    whole = _length(loop.body, lengths)
    if whole < LONG:
        return None
    found, taken = set(), 0
    for inner in _candidates(loop.body, whole, lengths):
        if taken + lengths[id(inner)] <= _MOST * whole:
            found.add(id(inner))
            taken += lengths[id(inner)]
    return Beside(hand_on, found) if found else None


def _candidates(stmt: Stmt, whole: int, lengths: dict[int, int]) -> Iterator[For]:
    """Serial loops long enough, none inside of another."""
    if isinstance(stmt, For):
        if stmt.kind is not LoopKind.SERIAL:
            return
        length = lengths[id(stmt)]
        if length < max(_LEAST * whole, _FEW):
            return
        if stmt.extent > 1 and length <= _MOST * whole:
            yield stmt
            return
    if isinstance(stmt, Allocate) and any(b.scope is Scope.REGISTER for b in stmt.buffers):
        return
    for child in children_of(stmt):
        yield from _candidates(child, whole, lengths)


def _length(stmt: Stmt, lengths: dict[int, int]) -> int:
    """How many operations the text of ``stmt`` has, about; those of the loops in it are put into
    ``lengths``, by id."""
    match stmt:
        case Accumulate(values=values):
            return len(values)
        case Evaluate():
            return _CALL
        case Store(value=value):
            return 1 + sum(isinstance(node, Apply) for node in postorder(value))
    total = sum(_length(child, lengths) for child in children_of(stmt))
    if isinstance(stmt, For):
        lengths[id(stmt)] = total
    return total


def may_stand_apart(e: Emitter, loop: For) -> bool:
    """Whether ``loop``, at this place, uses nothing but memory and numbers."""
    is_plain = e.lane is None and e.mask is None and not (e.rare or e.volatile)
    is_simple = e.sites is None and not e.passing
    return is_plain and is_simple and e.registers.keys().isdisjoint(e.facts.uses(loop)[0])


class Beside:
    """The loops of one function that are compiled beside the rest of it, as one module: for each,
    another core would have one thread more to share."""

    def __init__(self, hand_on: HandOn, loops: set[int]) -> None:
        self.hand_on = hand_on
        self.left = loops
        self.functions: list[str] = []
        self.declarations: dict[str, None] = {}

    def emit(self, e: Emitter, loop: For, emit_loop: EmitLoop) -> bool:
        """Write ``loop`` as a function, and call that, where it is to be one and can be."""
        if id(loop) not in self.left:
            return False
        self.left.remove(id(loop))
        is_apart = may_stand_apart(e, loop)
        if is_apart:
            self._write(e, loop, emit_loop)
        if not self.left:
            self.done()
        return is_apart

    def _write(self, e: Emitter, loop: For, emit_loop: EmitLoop) -> None:
        symbol = f"{e.symbol}_part{len(self.left)}"
        body = Emitter(e.facts, e.target, self.declarations, self.functions, symbol, e.emit)
        body.parallel, body.fixed = e.parallel, dict(e.fixed)
        record = passed_on(e, body, loop)
        emit_loop(body, loop, "0", str(loop.extent))
        body.line("ret void")
        head = f"define hidden void @{symbol}(ptr noalias %ctx)"
        self.functions.append(function_text(body, head))
        context = put_into_record(e, record)
        e.declare(f"declare hidden void @{symbol}(ptr)")
        e.line(f"call void @{symbol}(ptr {context})")
        for buffer in e.facts.written(loop):
            e.stored(buffer)

    def done(self) -> None:
        """Hand on what there is; the function is at its end, or there is nothing more to come."""
        if self.functions:
            self.hand_on(self.functions, self.declarations)
        self.left, self.functions, self.declarations = set(), [], {}
