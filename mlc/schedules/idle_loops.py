"""Steps on programs with loops of no iterations, of which nothing runs but inits of reductions."""

from __future__ import annotations

from collections import Counter
from math import prod

from ..ir.empty_loops import fill_empty_reductions
from ..ir.program import Accumulate, Block, For, Program, Stmt, Store, children_of, writes_of
from .buffers import allocations_of
from .refusal import Refusal


def lost_init(before: Program, after: Program) -> Refusal | None:
    """Why a step must not turn ``before``, in which a loop has no iterations, into ``after``.

    Proofs ask for iterations that clash, and here there are none; but the init of a reduction over
    nothing runs, and must go on to do so. Both programs are run symbolically; where they are too
    large for that, whatever the step's own proof has shown, each buffer must still be written as
    often as before.
    """
    from .legality.exhaustive import Difference, TooLarge, same_meaning

    match same_meaning(before, after):
        case Difference(output=output, element=element) as found:
            place = f"{output}[{', '.join(map(str, element)) or '()'}]"
            return Refusal(
                f"a reduction over nothing must leave its init, and {place} would be "
                f"{found.after_term} instead of {found.before_term}",
                fix="take the step on loops that have iterations",
            )
        case TooLarge(reason=reason):
            old, new = writes_run(before), writes_run(after)
            kept = {b.name for b in (*after.params, *allocations_of(after))}
            other = next((n for n in old if n in kept and new.get(n, 0) != old[n]), None)
            if other is not None:
                return Refusal(
                    f"{other} would be written {new.get(other, 0)} times instead of {old[other]}, "
                    f"and {reason}",
                    proven=False,
                )
    return None


def writes_run(program: Program) -> dict[str, int]:
    """How often elements of each buffer are written, by its name. Predicates are taken to keep
    axes in their ranges, other conditions to hold, and inits of reductions over something not to
    run."""
    program = fill_empty_reductions(program)
    counts: Counter[str] = Counter()

    def visit(stmt: Stmt, times: int) -> None:
        match stmt:
            case For(extent=extent, body=body):
                visit(body, times * extent)
            case Block(iters=iters, body=body, predicate=predicate):
                points = prod(it.axis.extent for it in iters)
                visit(body, times if predicate is None else min(times, points))
            case Store() | Accumulate():
                counts.update({buffer.name: times for buffer, _ in writes_of(stmt)})
            case _:
                for part in children_of(stmt):
                    visit(part, times)

    visit(program.body, 1)
    return dict(counts)
