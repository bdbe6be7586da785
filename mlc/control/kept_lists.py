"""Lists that are put into others and changed afterwards, as the source tells.

::

    out.append(row)       out holds the list itself, so that the 1 is in it: where both are arrays
    row.append(1)         of compiled code, out would hold what row was before
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from .list_names import CHANGING
from .nodes import children, walk
from .syntax import called, filled

_PUTTING = frozenset({"append", "appendleft", "insert"})
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OTHER_TIMES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Names = frozenset[str]


def mark_kept(function: ast.FunctionDef) -> None:
    """Let ``kept`` look at each name that is put into a list where it may be changed afterwards,
    before it names another list."""
    found = _Found()
    found.block(function.body, frozenset())
    marked = {id(node) for name in found.changed for node in found.places.get(name, ())}
    if marked:
        function.body = [_Marking(marked).visit(stmt) for stmt in function.body]


class _Found:
    """``places`` where each name is put into a list, and the names that are ``changed`` after."""

    def __init__(self) -> None:
        self.places: dict[str, list[ast.Name]] = {}
        self.changed: set[str] = set()

    def block(self, stmts: Sequence[ast.stmt], kept: Names) -> Names:
        """Go through ``stmts``, before which the names ``kept`` are in lists; those that are
        then."""
        for stmt in stmts:
            kept = self.statement(stmt, kept)
        return kept

    def statement(self, stmt: ast.stmt, kept: Names) -> Names:
        match stmt:
            case ast.If(test=test, body=body, orelse=orelse):
                kept = self.expression(test, kept)
                return self.block(body, kept) | self.block(orelse, kept)
            case ast.For(target=target, iter=source, body=body, orelse=orelse):
                kept = self.expression(source, kept)
                for _ in range(2):  # the second round comes after the first
                    kept |= self.block(body, self.bound(target, kept))
                return self.block(orelse, kept)
            case ast.While(test=test, body=body, orelse=orelse):
                for _ in range(2):
                    kept = self.expression(test, kept)
                    kept |= self.block(body, kept)
                return self.block(orelse, kept)
            case ast.With(body=body):
                return self.block(body, kept)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                after = kept | self.block(body, kept)
                for handler in handlers:
                    after |= self.block(handler.body, after)
                return self.block(final, after | self.block(orelse, after))
            case ast.Match(subject=subject, cases=cases):
                kept = self.expression(subject, kept)
                return kept.union(*(self.block(case.body, kept) for case in cases))
            case ast.Assign(targets=targets, value=value):
                kept = self.expression(value, kept)
                if any(isinstance(t, ast.Subscript) and _is_place(t.slice) for t in targets):
                    kept = self.put(value, kept)
                for target in targets:
                    kept = self.bound(target, kept)
                return kept
            case ast.AugAssign(target=target, value=value):
                kept = self.expression(value, kept)
                self.change(target, kept)
                return kept
            case _ if isinstance(stmt, _LATER):
                return kept
        return self.expression(stmt, kept)

    def bound(self, target: ast.expr, kept: Names) -> Names:
        """An assignment to ``target``."""
        if isinstance(target, ast.Subscript):
            self.change(target, kept)
            return kept
        return kept - {n.id for n in walk(target) if isinstance(n, ast.Name)}

    def change(self, target: ast.expr, kept: Names) -> None:
        """Something is written to ``target``, or to an item of it."""
        if isinstance(target, ast.Subscript):
            target = target.value
        if isinstance(target, ast.Name) and target.id in kept:
            self.changed.add(target.id)

    def put(self, value: ast.expr, kept: Names) -> Names:
        """``value`` becomes an item, or the names in it do."""
        if isinstance(value, ast.Name):
            self.places.setdefault(value.id, []).append(value)
            return kept | {value.id}
        if isinstance(value, (ast.List, ast.Tuple)):
            for part in value.elts:
                kept = self.put(part, kept)
        return kept

    def expression(self, node: ast.AST, kept: Names) -> Names:
        if isinstance(node, _OTHER_TIMES):
            return kept
        for part in children(node):
            kept = self.expression(part, kept)
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=method), args=args):
                if method in CHANGING:
                    self.change(owner, kept)
                for arg in args if method in _PUTTING else ():
                    kept = self.put(arg, kept)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.change(target, kept)
        return kept


def _is_place(key: ast.expr) -> bool:
    """Whether what is written there becomes an item, not each of its items."""
    return not isinstance(key, ast.Slice)


class _Marking(ast.NodeTransformer):
    def __init__(self, marked: set[int]) -> None:
        self.marked = marked

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return filled(called("kept", [node]), node) if id(node) in self.marked else node
