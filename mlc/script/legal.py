"""What is asked of a whole program once it is traced: that it is what it says it is."""

from __future__ import annotations

from ..errors import BoundsError, NotProvenError, ScheduleError, SourceLocation
from ..ir.expr import Var
from ..ir.program import Block, For, LoopKind, Program, walk
from ..schedules.legality import block_violation, bounds_violation, carried_dependence
from ..schedules.refusal import Refusal
from ..schedules.steps.vectorize import is_fold


def check_legal(
    program: Program, loops: dict[Var, SourceLocation | None], check_bounds: bool
) -> None:
    """Refuses a block whose axes are not what it declares, and a parallel or vectorized loop whose
    iterations depend on each other.

    ``loops`` says where the loops stand. With ``check_bounds``, indices are proven to stay in their
    buffers. What cannot be proven within the budget raises :class:`NotProvenError`; a program that
    is marked ``attrs={"unsafe": (reason,)}`` is not asked.
    """
    if check_bounds:
        refusal = bounds_violation(program)
        if refusal is not None and refusal.proven:
            raise BoundsError(f"program {program.name}: {refusal}")
        _refuse(refusal, f"program {program.name}", None)
    for stmt in walk(program.body):
        if isinstance(stmt, Block):
            _refuse(block_violation(program, stmt), f"block {stmt.name!r}", stmt.location)
        elif isinstance(stmt, For) and stmt.extent > 1:
            if stmt.kind is LoopKind.PARALLEL or (
                stmt.kind is LoopKind.VECTORIZED and not is_fold(program, stmt)
            ):
                refusal = carried_dependence(program, stmt.var)
                what = f"{stmt.kind.value} loop {stmt.var.name}"
                _refuse(refusal, what, loops.get(stmt.var))


def _refuse(refusal: Refusal | None, what: str, location: SourceLocation | None) -> None:
    if refusal is None:
        return
    if refusal.proven:
        raise ScheduleError(f"{what} is refused: {refusal}", location, refusal)
    raise NotProvenError(
        f"{what}: {refusal}. If you know better, mark the program: "
        f'@T.program(attrs={{"unsafe": ("reason",)}})',
        location,
        refusal,
    )
