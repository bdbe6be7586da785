"""Pieces of source that loops, branches and conditions become."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from .nodes import walk
from .reads import PART, RAW

HELPER = "__mlc__"


def is_docstring(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant)


def placed(node: ast.stmt, where: ast.AST) -> ast.stmt:
    for part in walk(node):
        if "lineno" in part._attributes:
            ast.copy_location(part, where)
    return node


def is_computed(key: ast.expr) -> bool:
    """Whether a key is more than numbers, and slices of numbers."""
    kinds = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)
    return any(isinstance(part, kinds) for part in walk(key))


def without_slices(key: ast.expr) -> ast.expr:
    """A key as it stands outside of brackets: ``a:b, 0`` is ``slice(a, b, None), 0``."""
    match key:
        case ast.Slice(lower=lower, upper=upper, step=step):
            return called("slice_", [part or constant(None) for part in (lower, upper, step)])
        case ast.Tuple(elts=parts):
            return ast.Tuple([without_slices(part) for part in parts], ast.Load())
    return key


def is_simple(node: ast.expr) -> bool:
    return not any(isinstance(n, (ast.Call, ast.NamedExpr)) for n in walk(node))


def constant(value: Any) -> ast.expr:
    return ast.Constant(value)


def ends_in_error(stmts: Sequence[ast.stmt]) -> bool:
    return bool(stmts) and isinstance(stmts[-1], (ast.Raise, ast.Assert))


def variable(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def called(name: str, args: Sequence[ast.expr]) -> ast.Call:
    return ast.Call(ast.Attribute(variable(HELPER), name, ast.Load()), list(args), [])


def thunk(body: ast.expr) -> ast.expr:
    """``lambda: body``, a part of the function around."""
    nothing = ast.arguments([], [], None, [], [], None, [])
    made = ast.Lambda(nothing, body)
    setattr(made, PART, True)
    return made


def raw(name: str) -> ast.expr:
    """A function that hands on what a variable holds."""
    made = thunk(variable(name))
    setattr(made, RAW, True)
    return made


def flags_test(flags: Sequence[str]) -> ast.expr:
    """A function that says whether a loop goes on; None if its flags are none."""
    if not flags:
        return ast.Constant(None)
    first, *rest = map(variable, flags)
    anywhere = first if not rest else called("or_", [first, *map(thunk, rest)])
    return thunk(called("not_", [anywhere]))


def filled(node: ast.expr, where: ast.AST) -> ast.expr:
    fill(node, where)
    return node


def fill(node: ast.AST, where: ast.AST) -> None:
    """Give the place of ``where`` to all that has none."""
    if "lineno" in node._attributes and not hasattr(node, "lineno"):
        ast.copy_location(node, where)
    for part in walk(node):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, where)


class Unannotated(ast.NodeTransformer):
    """Assignments without annotations: an annotated name can belong to one scope alone."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # what is in it is its own

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)
