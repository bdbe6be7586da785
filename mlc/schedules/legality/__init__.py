"""When a step keeps the meaning: the questions that steps ask of a program.

Each answer is None, or a :class:`~mlc.schedules.refusal.Refusal` with two iterations that show why
not, or one that is not proven.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.parts import buffers_around, parts_of
from ...ir.program import Buffer, For, LoopKind, Program, Scope, Stmt, walk
from ..step import find_loop

if TYPE_CHECKING:
    from ..refusal import Refusal
    from .accesses import Access, accesses_of
    from .blocks import block_kind, block_violation
    from .dependence import carried_dependence
    from .exhaustive import Difference, Same, TooLarge, same_meaning
    from .orders import fission_violation, merge_violation, order_violation, reorder_violation
    from .threads import shared_violation, thread_violation
    from .verification import verify
    from .within import bounds_violation

# Where each question is answered. Imported when it is asked: few programs need them all.
_PLACES = {
    "Access": "accesses", "accesses_of": "accesses", "block_kind": "blocks",
    "block_violation": "blocks", "carried_dependence": "dependence",
    "fission_violation": "orders", "merge_violation": "orders",
    "order_violation": "orders", "reorder_violation": "orders",
    "Difference": "exhaustive", "Same": "exhaustive", "TooLarge": "exhaustive",
    "same_meaning": "exhaustive", "shared_violation": "threads", "thread_violation": "threads",
    "verify": "verification", "bounds_violation": "within",
}  # fmt: skip

__all__ = [
    "Access",
    "Difference",
    "Same",
    "TooLarge",
    "accesses_of",
    "block_kind",
    "block_violation",
    "bounds_violation",
    "carried_dependence",
    "fission_violation",
    "is_shared",
    "is_thread",
    "merge_violation",
    "order_violation",
    "parallel_violation",
    "reorder_violation",
    "same_meaning",
    "shared_violation",
    "shares_memory",
    "thread_of",
    "thread_violation",
    "verify",
]


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{place}"), name)
    globals()[name] = value
    return value


def is_shared(buffer: Buffer) -> bool:
    """Whether threads of a block may have one copy of it."""
    return buffer.scope in (Scope.SHARED, Scope.WARP)


def thread_of(loop: Stmt) -> str:
    """The thread that ``loop`` is bound to; empty for other loops."""
    if isinstance(loop, For) and loop.kind is LoopKind.BOUND:
        return str(dict(loop.annotations).get("thread", ""))
    return ""


def is_thread(loop: Stmt) -> bool:
    """Whether the iterations of ``loop`` are threads of one block of the grid."""
    thread = thread_of(loop)
    return bool(thread) and not thread.startswith("blockIdx")


def shares_memory(program: Program) -> bool:
    """Whether ``program`` allocates memory that threads of a block share."""
    inside = (buffer for part in parts_of(program) for buffer in part.buffers)
    return any(map(is_shared, inside)) or any(map(is_shared, buffers_around(program)))


def parallel_violation(program: Program, loop: For | Var) -> Refusal | str | None:
    """Why the iterations of ``loop`` must not run on several threads."""
    var = loop if isinstance(loop, Var) else loop.var
    from .dependence import carried_dependence

    inside = walk(find_loop(program, var).body)
    if any(isinstance(n, For) and n.kind is LoopKind.PARALLEL for n in inside):
        return f"loop {var.name} holds a parallel loop already; one level of parallelism only"
    return carried_dependence(program, var)
