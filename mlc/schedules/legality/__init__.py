"""When a step keeps the meaning: the questions that steps ask of a program.

Each answer is None, or a :class:`~mlc.schedules.refusal.Refusal` with two iterations that show why
not, or one that is not proven.
"""

from __future__ import annotations

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, walk
from ..refusal import Refusal
from ..step import find_loop
from .accesses import Access, accesses_of
from .blocks import block_kind, block_violation
from .dependence import (
    carried_dependence,
    fission_violation,
    merge_violation,
    order_violation,
    reorder_violation,
)
from .exhaustive import Difference, Same, TooLarge, same_meaning
from .threads import shared_violation, thread_violation
from .verification import verify
from .within import bounds_violation

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
    "merge_violation",
    "order_violation",
    "parallel_violation",
    "reorder_violation",
    "same_meaning",
    "shared_violation",
    "thread_violation",
    "verify",
]


def parallel_violation(program: Program, loop: For | Var) -> Refusal | str | None:
    """Why the iterations of ``loop`` must not run on several threads."""
    var = loop if isinstance(loop, Var) else loop.var
    inside = walk(find_loop(program, var).body)
    if any(isinstance(n, For) and n.kind is LoopKind.PARALLEL for n in inside):
        return f"loop {var.name} holds a parallel loop already; one level of parallelism only"
    return carried_dependence(program, var)
