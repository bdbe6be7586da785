"""Whether every index stays within its buffer, and every binding within its axis."""

from __future__ import annotations

from ...ir.bounds import interval
from ...ir.expr import Expr, Var
from ...ir.integer_system import ONE, Form, Unknown, plus, solve
from ...ir.program import For, Program
from ...ir.rewrite import loads_of
from ..refusal import Refusal
from .accesses import Access, accesses_of
from .space import Point, Space

_VERBS = {"read": "reads", "write": "writes", "combine": "combines into"}


def bounds_violation(program: Program) -> Refusal | None:
    """An access outside of its buffer, or a binding outside of its axis, with the loop values that
    lead to it; None if there is none.

    Guards, predicates and selects count. Indices that depend on data are not judged.
    """
    found = accesses_of(program)
    unproven: Refusal | None = None
    for bound in found.bound:
        for it, binding in zip(bound.block.iters, bound.bindings):
            what = f"axis {it.axis.name} of block {bound.block.name!r}"
            limit = it.axis.extent
            refusal = _outside(binding, limit, bound.loops, bound.guards, (what, None))
            if refusal is not None and refusal.proven:
                return refusal
            unproven = unproven or refusal
    for row in found.rows:
        for index, size, extent in zip(row.indices, row.buffer.shape, row.extents):
            refusal = _outside(index, size - extent + 1, row.loops, row.guards, ("", row))
            if refusal is not None and refusal.proven:
                return refusal
            unproven = unproven or refusal
    return unproven


def _outside(
    expr: Expr,
    limit: int,
    loops: tuple[For, ...],
    guards: tuple[Expr, ...],
    what: tuple[str, Access | None],
) -> Refusal | None:
    low, high = interval(expr, {loop.var: loop.extent for loop in loops})
    if low >= 0 and high < limit or loads_of(expr):
        return None
    space = Space()
    system = space.system
    values: dict[Var, Form] = {loop.var: {system.variable(0, loop.extent - 1): 1} for loop in loops}
    point = Point(space, values)
    form = point.form(expr)
    element = [] if what[1] is None else [point.form(index) for index in what[1].indices]
    below = (plus({ONE: -1}, form, -1), False)
    above = (plus(form, {ONE: -limit}), False)
    for guard in guards:
        point.require(guard)
    system.choose((above,), (below,))
    answer = solve(system)
    if answer is None:
        return None
    name, row = what
    if isinstance(answer, Unknown):
        subject = name or (f"an index of {row.buffer.name}" if row is not None else "")
        return Refusal(
            f"it could not be proven within the budget that {subject} stays within its range",
            proven=False,
        )

    def value(of: Form) -> int:
        return sum(c * (1 if v == ONE else answer[v]) for v, c in of.items())

    at = ", ".join(f"{loop.var.name}={value(values[loop.var])}" for loop in loops)
    place = f"at {at}" if at else "always"
    if row is None:
        rule = f"{name} is {value(form)} {place}, outside of its range({limit})"
        fix = "bind it within its range, or give the block a predicate"
        return Refusal(rule, fix=fix, proven=space.is_exact)
    shown = ", ".join(str(value(index)) for index in element)
    subject = f"block {row.block!r}" if row.block else "a statement"
    rule = (
        f"{subject} {_VERBS[row.kind]} {row.buffer.name}[{shown}] {place}, outside of its shape "
        f"{row.buffer.shape}"
    )
    fix = "guard it with a predicate or a select, or make the buffer larger"
    return Refusal(rule, fix=fix, proven=space.is_exact)
