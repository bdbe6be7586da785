"""place_shared: the shared memory of a kernel in one pool, laid out by lifetimes."""

from __future__ import annotations

from dataclasses import replace

from ...errors import UnsupportedError
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    Seq,
    Stmt,
    While,
    children_of,
    seq,
)
from ..place_buffers import span_bytes
from .kernel import PER_BLOCK, SHARED_BYTES
from .touching import buffers_touched

ALIGNMENT = 32  # bytes: the widest access of a thread has 16, a tile of wmma 32
BOX_ALIGNMENT = 1024
SMALL = 4 << 10  # bytes, which leave a processor room for as many blocks as it can have
Life = tuple[int, int]


def place_shared(
    body: Stmt, name: str, boxed: frozenset[Buffer] = frozenset(), slots: Buffer | None = None
) -> tuple[Stmt, tuple[tuple[Buffer, int], ...], int]:
    """``with alloc(S, scope="shared"): s`` -> ``s``, with ``S`` at a place in the pool.

    Two buffers share bytes where one is done with before the other is needed, unless there is room
    for all side by side: threads would wait for each other before they use them again. What is in
    ``boxed`` begins at multiples of 1024 bytes; ``slots`` come last, in a place that is theirs
    alone. Returns the places in bytes, and the size of the pool. Raises :class:`UnsupportedError`
    where that is more than a block can have.
    """
    lives: dict[Buffer, Life] = {}
    _Clock(lives).visit(body)
    is_small = sum(-(-span_bytes(b) // ALIGNMENT) * ALIGNMENT for b in lives) <= SMALL
    placed: list[tuple[Buffer, int]] = []
    size = 0
    for buffer in sorted(lives, key=lambda b: (-span_bytes(b), lives[b])):
        taken = sorted(
            (at, at + span_bytes(other))
            for other, at in placed
            if is_small or _meet(lives[buffer], lives[other])
        )
        at, step = 0, BOX_ALIGNMENT if buffer in boxed else ALIGNMENT
        for low, high in taken:
            if at + span_bytes(buffer) <= low:
                break
            at = max(at, -(-high // step) * step)
        placed.append((buffer, at))
        size = max(size, at + span_bytes(buffer))
    last: tuple[tuple[Buffer, int], ...] = ()
    if slots is not None:
        size = -(-size // ALIGNMENT) * ALIGNMENT
        last = ((slots, size),)
        size += span_bytes(slots)
    if size > SHARED_BYTES:
        shown = ", ".join(f"{b.name} {span_bytes(b)}" for b in lives)
        raise UnsupportedError(
            f"{name} needs {size} bytes of shared memory in a block ({shown}), and a block has at "
            f"most {SHARED_BYTES}; stage less of it at a time"
        )
    order = list(lives)
    placed.sort(key=lambda row: order.index(row[0]))
    return _without(body), (*placed, *last), size


def overlap(a: tuple[Buffer, int], b: tuple[Buffer, int]) -> bool:
    """Whether two placed buffers have bytes in common."""
    return a[1] < b[1] + span_bytes(b[0]) and b[1] < a[1] + span_bytes(a[0])


def _meet(a: Life, b: Life) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


class _Clock:
    """Counts the places where threads can wait, in program order, and notes when shared buffers are
    used: what is used between two such places is used at once."""

    def __init__(self, lives: dict[Buffer, Life]) -> None:
        self.lives = lives
        self.now = 0
        self.open: dict[Buffer, int] = {}  # the number of loops around its allocation
        self.loops: list[int] = []  # when the loops around here began

    def visit(self, stmt: Stmt) -> None:
        match stmt:
            case Allocate(buffers=buffers, body=body):
                for buffer in buffers:
                    if buffer.scope in PER_BLOCK:
                        self.open[buffer] = len(self.loops)
                self.visit(body)
            case For(body=body) | While(body=body):
                began = self.now
                self.loops.append(began)
                self.visit(body)
                self.loops.pop()
                if isinstance(stmt, While):
                    self.use(stmt)
                for buffer in buffers_touched(stmt):
                    if self.open.get(buffer, 99) <= len(self.loops) and buffer in self.lives:
                        low, high = self.lives[buffer]
                        self.lives[buffer] = (min(low, began), max(high, self.now))
            case Seq() | If():
                if isinstance(stmt, If):
                    self.use(If(stmt.condition, Seq(())))
                for child in children_of(stmt):
                    self.visit(child)
            case Evaluate(name="boundary" | "barrier"):
                self.now += 1
            case _:
                self.use(stmt)

    def use(self, stmt: Stmt) -> None:
        for buffer in sorted(buffers_touched(stmt), key=lambda b: b.name):
            if buffer in self.open:
                low, high = self.lives.get(buffer, (self.now, self.now))
                self.lives[buffer] = (min(low, self.now), max(high, self.now))


def _without(stmt: Stmt) -> Stmt:
    """``stmt`` with no allocation of shared memory."""
    match stmt:
        case Allocate(buffers=buffers, body=body):
            kept = tuple(b for b in buffers if b.scope not in PER_BLOCK)
            inner = _without(body)
            return Allocate(kept, inner) if kept else inner
        case For() | While():
            return replace(stmt, body=_without(stmt.body))
        case Seq(stmts=stmts):
            return seq(*map(_without, stmts))
        case If(otherwise=otherwise):
            other = None if otherwise is None else _without(otherwise)
            return replace(stmt, then=_without(stmt.then), otherwise=other)
        case _:
            return stmt
