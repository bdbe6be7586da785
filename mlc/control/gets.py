"""``x = d.get(k)``, which gives None where the key is missing, as a branch.

::

    x = d.get(f(k))     ->      key = f(k)
                                if __mlc__.asks_data(d, key):
                                    x = None
                                    if key in d: x = d[key]
                                else: x = d.get(key)
"""

from __future__ import annotations

import ast
from typing import Any

from ..ops.op import CURRENT
from .dicts import TableCounter, TableDefault, TableDict
from .nodes import walk
from .syntax import called, constant, variable
from .tables import is_chosen

_KEY = "_mlc_key"


def asks_data(table: Any, key: Any) -> bool:
    """Whether data decide what ``table.get(key)`` is."""
    if CURRENT.get() is None or not isinstance(table, (TableDict, TableDefault, TableCounter)):
        return False
    return table.is_native or not table.rigid and is_chosen(key)


def lower_gets(function: ast.FunctionDef) -> bool:
    """The rewrite above, in place, in ``function`` and the functions in it; whether there was
    anything like it."""
    found = any(_parts(node) is not None for node in walk(function))
    if found:
        _Lowering().generic_visit(function)
    return found


def _parts(node: ast.AST) -> tuple[str, ast.expr, ast.expr] | None:
    """The variable, the table and the key of ``x = d.get(k)``; None for any other statement."""
    match node:
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key], keywords=[]),
        ) if _is_path(table) and not isinstance(key, ast.Starred):
            return name, table, key
    return None


class _Lowering(ast.NodeTransformer):
    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node  # whose methods are not transformed

    def visit_Assign(self, node: ast.Assign) -> Any:
        parts = _parts(node)
        return node if parts is None else _branch(node, *parts)


def _is_path(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _branch(node: ast.Assign, name: str, table: ast.expr, key: ast.expr) -> list[ast.stmt]:
    source = ast.unparse(table)

    def table_again() -> ast.expr:
        return ast.parse(source, mode="eval").body

    def put(value: ast.expr) -> ast.stmt:
        return ast.Assign([ast.Name(name, ast.Store())], value)

    first = ast.Assign([ast.Name(_KEY, ast.Store())], key)
    has = ast.Compare(variable(_KEY), [ast.In()], [table_again()])
    found = ast.If(has, [put(ast.Subscript(table_again(), variable(_KEY), ast.Load()))], [])
    get = ast.Call(ast.Attribute(table_again(), "get", ast.Load()), [variable(_KEY)], [])
    asked = called("asks_data", [table_again(), variable(_KEY)])
    made: list[ast.stmt] = [first, ast.If(asked, [put(constant(None)), found], [put(get)])]
    for stmt in made:
        for part in walk(stmt):
            if "lineno" in part._attributes and part is not key:
                ast.copy_location(part, node)
    return made
