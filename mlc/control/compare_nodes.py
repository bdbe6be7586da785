"""Comparisons in source as calls: chains, memberships, and what may be None or traced, which is
handed on as it is.

::

    a < f(x) < b        ->  (lambda left, right: and_(left < right, lambda: right < b))(a, f(x))
    v in found          ->  __mlc__.in_(v, lambda: found, False)
    best is None        ->  __mlc__.is_none(lambda: best)
    x.__class__         ->  __mlc__.class_(x)
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TypeGuard

from .exits import TAKEN
from .handing import hand_over, is_handed
from .matters import MEMBERS, is_class
from .nodes import walk
from .syntax import called, constant, filled, is_simple, raw, thunk, variable

_IDENTITY = (ast.Is, ast.IsNot)


class Comparisons(ast.NodeTransformer):
    """Rewrites comparisons and what is handed on; ``nones`` are the variables that are None at
    times."""

    nones: set[str]
    shared: set[str]  # names of other scopes
    takes = False  # whether to ask if the caller takes a result that may be None

    def is_bound_inside(self, node: ast.AST) -> bool:
        """Whether a part of ``node`` binds a name where nothing hoisted can."""
        raise NotImplementedError

    def later(self, value: ast.expr) -> ast.expr:
        """A function that asks for ``value``."""
        raise NotImplementedError

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None:
            value = hand_over(node.value, self.nones, self.shared)
            if value is not node.value or is_handed(value):
                value = called("given", [value, variable(TAKEN)])
                self.takes = True
            node.value = filled(value, node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        self.takes |= node.id == TAKEN
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        self.generic_visit(node)
        if node.target.id in self.nones:
            node.value = hand_over(node.value, self.nones, self.shared)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if not is_class(node):
            return node
        return filled(called("class_", [node.value]), node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        can_repeat = all(map(is_simple, node.comparators[:-1]))
        self.generic_visit(node)
        if self.is_bound_inside(node):
            return node
        if len(node.ops) == 1:
            return filled(self.compared(node.left, node.ops[0], node.comparators[0]), node)
        if not can_repeat:
            if any(isinstance(part, ast.NamedExpr) for part in walk(node)):
                return node
            return filled(self.chain(node.left, node.ops, node.comparators), node)
        sides = [node.left, *node.comparators]
        parts = [self.compared(a, op, b) for a, op, b in zip(sides, node.ops, sides[1:])]
        return filled(called("and_", [parts[0], *map(self.later, parts[1:])]), node)

    def chain(
        self, left: ast.expr, ops: Sequence[ast.cmpop], sides: Sequence[ast.expr]
    ) -> ast.expr:
        """``left < f(x) < y``, each side computed once, and only if what is before it holds:
        ``(lambda a, b: and_(a < b, lambda: b < y))(left, f(x))``."""
        if len(ops) == 1:
            return self.compared(left, ops[0], sides[0])
        names = [f"_mlc_{side}{len(ops)}" for side in ("left", "right")]
        first, middle = map(variable, names)
        rest = self.chain(middle, ops[1:], sides[1:])
        both = thunk(called("and_", [self.compared(first, ops[0], middle), thunk(rest)]))
        assert isinstance(both, ast.Lambda)
        both.args.args = [ast.arg(name) for name in names]
        return ast.Call(both, [left, sides[0]], [])

    def compared(self, a: ast.expr, op: ast.cmpop, b: ast.expr) -> ast.expr:
        """One comparison; a membership is asked of what may be traced."""
        if isinstance(op, _IDENTITY):
            if not isinstance(b, ast.Constant) or b.value is not None:
                test = called("is_same", [a, b])
            elif isinstance(a, ast.Name):
                test = called("is_none", [raw(a.id)])
            elif isinstance(a, ast.Constant):
                return ast.Compare(a, [op], [b])
            else:
                test = called("is_nothing", [hand_over(a, (), ())])
            return test if isinstance(op, ast.Is) else called("not_", [test])
        if isinstance(op, (ast.Eq, ast.NotEq)) and any(map(self.is_none_at_times, (a, b))):
            reads = [raw(s.id) if self.is_none_at_times(s) else thunk(s) for s in (a, b)]
            return called("equal_or_none", [*reads, constant(type(op).__name__)])
        if not isinstance(op, MEMBERS):
            return called("compared", [a, b, constant(type(op).__name__)])
        return called("in_", [a, self.later(b), constant(isinstance(op, ast.NotIn))])

    def is_none_at_times(self, node: ast.expr) -> TypeGuard[ast.Name]:
        """Whether ``node`` is a variable that an assignment makes None."""
        return isinstance(node, ast.Name) and node.id in self.nones
