"""Whether two accesses can touch the same element in two iterations, and which ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...ir.affine import Sum, as_sum
from ...ir.expr import Expr, Var
from ...ir.integer_system import ONE, Form, Unknown, plus, solve
from ..refusal import Point as WitnessPoint
from ..refusal import Witness
from .accesses import Access
from .space import Point, Space

# How far the second iteration is ahead of the first in a loop: (least, most); None is no limit.
Steps = Mapping[Var, tuple[int | None, int | None]]

_ACTIONS = {"read": "reads", "write": "writes", "combine": "combines into"}
_sums: dict[Expr, Sum] = {}
_MOST_SUMS = 4096


@dataclass(frozen=True)
class Conflict:
    """Two iterations that touch one element. ``is_certain`` is False where that depends on data;
    ``witness`` is None where the budget was spent and nothing is known."""

    witness: Witness | None
    is_certain: bool


def commute(a: Access, b: Access) -> bool:
    """Whether two accesses of one element may change places: updates with one commutative
    combiner, and reads."""
    if not a.changes and not b.changes:
        return True
    return (
        a.kind == b.kind == "combine"
        and a.combiner is b.combiner
        and a.combiner is not None
        and a.combiner.commutative
    )


def conflict(
    a: Access, b: Access, steps: Steps, ahead: Sequence[tuple[Expr, Expr, int, int]] = ()
) -> Conflict | None:
    """Two iterations in which ``a`` and ``b`` touch the same element, ``b``'s ahead of ``a``'s by
    ``steps`` in the loops that are around both; None if there are none.

    Loops around both that ``steps`` does not mention may stand anywhere in either iteration. Each
    ``(x, y, least, most)`` of ``ahead`` asks that ``y`` at the second iteration minus ``x`` at the
    first lies within these bounds.
    """
    if not a.changes and not b.changes or a.buffer is not b.buffer:
        return None
    shared = 0
    for x, y in zip(a.loops, b.loops):
        if x is not y:
            break
        if x.extent == 0:
            return None
        shared += 1
    private = min(a.private, b.private)
    limits: list[tuple[int, int]] = []
    for depth in range(shared):
        loop = a.loops[depth]
        least, most = steps.get(loop.var, (None, None))
        low = 1 - loop.extent if least is None else max(least, 1 - loop.extent)
        high = loop.extent - 1 if most is None else min(most, loop.extent - 1)
        if depth < private:
            low, high = max(low, 0), min(high, 0)
        if low > high:
            return None
        limits.append((low, high))
    if _is_apart(a, b, shared, limits):
        return None
    return _solved(a, b, shared, limits, ahead)


def _is_apart(a: Access, b: Access, shared: int, limits: list[tuple[int, int]]) -> bool:
    """Whether the same affine index keeps the two apart in one of the loops that must differ.

    ``i * 16 + j`` with ``j < 16`` does for ``i``: one step of ``i`` is more than all others make.
    """
    moving = [n for n, (low, high) in enumerate(limits) if low > 0 or high < 0]
    if not moving:
        return False
    steps = {a.loops[n].var: limits[n] for n in range(shared)}
    for x, y, n, m in zip(a.indices, b.indices, a.extents, b.extents):
        if x is not y:
            continue
        total = _sums.get(x)
        if total is None:
            if len(_sums) >= _MOST_SUMS:
                _sums.clear()
            total = _sums[x] = as_sum(x)
        reach, low, high = max(n, m) - 1, 0, 0
        for atom, c in total.terms:
            limit = steps.get(atom) if isinstance(atom, Var) else None
            if limit is None:
                break
            least, most = limit
            low += c * (least if c > 0 else most)
            high += c * (most if c > 0 else least)
        else:
            if low > reach or high < -reach:
                return True
    return False


def _solved(
    a: Access,
    b: Access,
    shared: int,
    limits: list[tuple[int, int]],
    ahead: Sequence[tuple[Expr, Expr, int, int]],
) -> Conflict | None:
    space = Space()
    system = space.system
    moves = [None if low == high else system.variable(low, high) for low, high in limits]
    first: dict[Var, Form] = {}
    for loop in a.loops:
        first[loop.var] = {system.variable(0, loop.extent - 1): 1}
    second: dict[Var, Form] = {}
    for depth, loop in enumerate(b.loops):
        if depth >= shared:
            second[loop.var] = {system.variable(0, loop.extent - 1): 1}
            continue
        low, step = limits[depth][0], moves[depth]
        own = first[loop.var]
        if step is None and low == 0:
            second[loop.var] = own
            continue
        moved = plus(own, {ONE: low} if step is None else {step: 1})
        second[loop.var] = moved
        system.nonnegative(moved)
        system.nonnegative(plus({ONE: loop.extent - 1}, moved, -1))
    p = Point(space, first)
    q = Point(space, second, p)
    pairs = []
    for x, y, n, m in zip(a.indices, b.indices, a.extents, b.extents):
        f, g = p.form(x), q.form(y)
        pairs.append((f, g))
        difference = plus(g, f, -1)
        if n == 1 and m == 1:
            system.zero(difference)
        else:
            system.nonnegative(plus(difference, {ONE: m - 1}))
            system.nonnegative(plus({ONE: n - 1}, difference, -1))
        if system.is_empty:
            return None
    for left, right, least, most in ahead:
        difference = plus(q.form(right), p.form(left), -1)
        system.nonnegative(plus(difference, {ONE: -least}))
        system.nonnegative(plus({ONE: most}, difference, -1))
    for guard in a.guards:
        p.require(guard)
    for guard in b.guards:
        q.require(guard)
    found = solve(system)
    if found is None:
        return None
    if isinstance(found, Unknown):
        return Conflict(None, False)
    element = tuple(max(_value(f, found), _value(g, found)) for f, g in pairs)
    witness = Witness(_point(a, first, found), _point(b, second, found), a.buffer.name, element)
    return Conflict(witness, space.is_exact)


def _value(form: Form, point: list[int]) -> int:
    return sum(c * (1 if v == ONE else point[v]) for v, c in form.items())


def _point(access: Access, values: dict[Var, Form], point: list[int]) -> WitnessPoint:
    shown = tuple((loop.var.name, _value(values[loop.var], point)) for loop in access.loops)
    return WitnessPoint(access.block, shown, _ACTIONS[access.kind])
