"""Where a variable is surely not None, as the tests around tell.

::

    while node is not None:            while node is not None:
        path.append(node)       ->         path.append(__mlc__.sure(lambda: node, ...))
        node = before[node]                node = before[__mlc__.sure(lambda: node, ...)]

Such reads are marked before anything is rewritten; `reads` makes calls of them.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .names import assigned
from .nodes import children, walk

SURE = "mlc_sure"  # attribute of names that are surely not None where they are read
_Names = frozenset[str]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_VALUES = (ast.BinOp, ast.Tuple, ast.List, ast.Compare)  # what is never None
_NONE: _Names = frozenset()


def mark_certain(function: ast.FunctionDef) -> None:
    """Mark reads in ``function``, and in functions in it."""
    nodes = list(walk(function))
    if not any(isinstance(n, ast.Constant) and n.value is None for n in nodes):
        return
    _Marking(nodes).block(function.body, _NONE)


class _Marking:
    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        # What others may bind at any time.
        self.shared: set[str] = set()
        for node in nodes:
            match node:
                case ast.Nonlocal(names=names) | ast.Global(names=names):
                    self.shared.update(names)
                case ast.NamedExpr(target=ast.Name(id=name)):
                    self.shared.add(name)

    def block(self, stmts: Sequence[ast.stmt], sure: _Names) -> _Names:
        """What is sure after ``stmts``, before which ``sure`` is."""
        for stmt in stmts:
            sure = self.statement(stmt, sure)
        return sure

    def statement(self, stmt: ast.stmt, sure: _Names) -> _Names:
        match stmt:
            case ast.If(test=test, body=body, orelse=other):
                yes, no = self.test(test, sure)
                first, second = self.block(body, yes), self.block(other, no)
                if _leaves(body) or _leaves(other):
                    return second if _leaves(body) else first
                return first & second
            case ast.While(test=test, body=body, orelse=other):
                inner = sure.difference(assigned(body))
                yes, no = self.test(test, inner)
                self.block(body, yes)
                self.block(other, no)
                return inner.difference(assigned(other))
            case ast.For(target=target, iter=source, body=body, orelse=other):
                self.expression(source, sure)
                inner = sure.difference(assigned([target, *body, *other]))
                self.block(body, inner)
                self.block(other, inner)
                return inner
            case ast.Assign(targets=targets, value=value):
                return self.assignment(targets, value, sure)
            case ast.AugAssign(target=target, value=value):
                self.expression(value, sure)
                self.expression(target, sure)
                return sure
            case _ if isinstance(stmt, _FUNCTIONS):
                self.block(getattr(stmt, "body", []), _NONE)
                return sure.difference(assigned([stmt]))
        inner = sure.difference(assigned([stmt]))
        for part in children(stmt):
            self.part(part, inner)
        return inner

    def part(self, part: ast.AST, sure: _Names) -> None:
        """A part of a statement of which nothing else is known."""
        if isinstance(part, ast.stmt):
            self.statement(part, sure)
        elif isinstance(part, ast.expr):
            self.expression(part, sure)
        else:
            for inner in children(part):
                self.part(inner, sure)

    def assignment(
        self, targets: Sequence[ast.expr], value: ast.expr, sure: _Names
    ) -> _Names:  # fmt: skip
        self.expression(value, sure)
        for target in targets:
            self.expression(target, sure)
        is_value = isinstance(value, _VALUES)
        is_value |= isinstance(value, ast.Constant) and value.value is not None
        is_value |= isinstance(value, ast.Name) and value.id in sure
        names = _NONE.union(assigned(targets))
        match targets:
            case [ast.Name(id=name)] if is_value and name not in self.shared:
                return sure | {name}
        return sure - names

    def test(self, test: ast.expr, sure: _Names) -> tuple[_Names, _Names]:
        """What is sure where ``test`` holds, and where it does not."""
        match test:
            case ast.Name(id=name):
                self.expression(test, sure)
                return self.added(name, sure), sure
            case ast.Compare(ast.Name(id=name), [op], [ast.Constant(None)]):
                some = self.added(name, sure)
                return (sure, some) if isinstance(op, (ast.Is, ast.Eq)) else (some, sure)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yes, no = self.test(operand, sure)
                return no, yes
            case ast.BoolOp(op=op, values=values):
                ways: list[_Names] = []
                for value in values:
                    yes, no = self.test(value, sure)
                    sure, other = (yes, no) if isinstance(op, ast.And) else (no, yes)
                    ways.append(other)
                left = ways[0].intersection(*ways)
                return (sure, left) if isinstance(op, ast.And) else (left, sure)
        self.expression(test, sure)
        return sure, sure

    def added(self, name: str, sure: _Names) -> _Names:
        return sure if name in self.shared else sure | {name}

    def expression(self, node: ast.expr, sure: _Names) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                if name in sure:
                    setattr(node, SURE, True)
                return
            case ast.IfExp(test=test, body=body, orelse=other):
                yes, no = self.test(test, sure)
                self.expression(body, yes)
                self.expression(other, no)
                return
            case ast.BoolOp():
                self.test(node, sure)
                return
            case ast.Lambda():
                sure = _NONE
        if isinstance(node, _COMPREHENSIONS):
            sure = sure.difference(assigned([part.target for part in node.generators]))
        for part in children(node):
            self.part(part, sure)


def _leaves(stmts: Sequence[ast.stmt]) -> bool:
    """Whether nothing runs after ``stmts``."""
    ends = (ast.Return, ast.Raise, ast.Break, ast.Continue)
    return bool(stmts) and isinstance(stmts[-1], ends)
