"""Two iterations in which two accesses touch the same element, as a system over the integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir.expr import Expr, Var
from ...ir.integer_system import ONE, Form, Unknown, plus, solve
from .accesses import Access
from .conflict import Conflict
from .space import Point, Space

if TYPE_CHECKING:
    from ..refusal import Point as WitnessPoint

_ACTIONS = {"read": "reads", "write": "writes", "combine": "combines into"}


class Pair:
    """The system of two iterations in which two accesses touch the same element."""

    def __init__(self, a: Access, b: Access, limits: list[tuple[int, int]]) -> None:
        self.a, self.b = a, b
        self.space = Space()
        system = self.system = self.space.system
        # Differences come first: a search settles them first, and near 0.
        self.moves = [None if low == high else system.variable(low, high) for low, high in limits]
        first: dict[Var, Form] = {}
        for loop in a.loops:
            first[loop.var] = {system.variable(0, loop.extent - 1): 1}
        second: dict[Var, Form] = {}
        for depth, loop in enumerate(b.loops):
            if depth >= len(limits):
                second[loop.var] = {system.variable(0, loop.extent - 1): 1}
                continue
            low, move = limits[depth][0], self.moves[depth]
            own = first[loop.var]
            if move is None and low == 0:
                second[loop.var] = own
                continue
            moved = plus(own, {ONE: low} if move is None else {move: 1})
            second[loop.var] = moved
            system.nonnegative(moved)
            system.nonnegative(plus({ONE: loop.extent - 1}, moved, -1))
        self.p = Point(self.space, first)
        self.q = Point(self.space, second, self.p)
        self.starts: list[tuple[Form, Form]] = []
        for x, y, n, m in zip(a.indices, b.indices, a.extents, b.extents):
            f, g = self.p.form(x), self.q.form(y)
            self.starts.append((f, g))
            difference = plus(g, f, -1)
            if n == 1 and m == 1:
                system.zero(difference)
            else:
                system.nonnegative(plus(difference, {ONE: m - 1}))
                system.nonnegative(plus({ONE: n - 1}, difference, -1))

    def require(self, ahead: Sequence[tuple[Expr, Expr, int, int]]) -> None:
        """The guards of both accesses, and differences of expressions."""
        for left, right, least, most in ahead:
            difference = plus(self.q.form(right), self.p.form(left), -1)
            self.system.nonnegative(plus(difference, {ONE: -least}))
            self.system.nonnegative(plus({ONE: most}, difference, -1))
        for guard in self.a.guards:
            self.p.require(guard)
        for guard in self.b.guards:
            self.q.require(guard)

    def answer(self) -> Conflict | None:
        """Two such iterations; None if there are none."""
        found = solve(self.system)
        if found is None:
            return None
        if isinstance(found, Unknown):
            return Conflict(None, False)
        from ..refusal import Witness  # few programs are refused

        element = tuple(max(_value(f, found), _value(g, found)) for f, g in self.starts)
        points = (
            _point(self.a, self.p.values, found),
            _point(self.b, self.q.values, found),
        )
        return Conflict(Witness(*points, self.a.buffer.name, element), self.space.is_exact)


def _value(form: Form, point: list[int]) -> int:
    return sum(c * (1 if v == ONE else point[v]) for v, c in form.items())


def _point(access: Access, values: dict[Var, Form], point: list[int]) -> WitnessPoint:
    from ..refusal import Point as WitnessPoint

    shown = tuple((loop.var.name, _value(values[loop.var], point)) for loop in access.loops)
    return WitnessPoint(access.block, shown, _ACTIONS[access.kind])
