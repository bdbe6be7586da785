"""Programs that read all of a value before they write any of it.

NumPy's ufuncs and plain assignments do so where memory overlaps. ``x[mask] = x[::-1]``,
``np.fill_diagonal(x[1:], x)`` and ``np.concatenate([x[1:], x[:1]], out=x)`` read what they have
just written instead, element by element in an order of their own; mlc reads first there, too.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

_TAKEN = "_taken"
_WRITING = frozenset({"fill_diagonal", "put", "place", "putmask", "put_along_axis"})


def taken(value: Any) -> Any:
    """``value`` with memory of its own; so are arrays in lists and tuples."""
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if type(value) in (list, tuple):
        return type(value)(map(taken, value))
    return value


class _ReadFirst(ast.NodeTransformer):
    """Takes what is assigned to elements, and the arguments of calls that write to another."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if any(isinstance(target, ast.Subscript) for target in node.targets):
            node.value = _as_taken(node.value)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.target, ast.Subscript):
            node.value = _as_taken(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _WRITING:
            node.args[1:] = [_as_taken(a) for a in node.args[1:]]
        if any(keyword.arg == "out" for keyword in node.keywords):
            node.args = [a if isinstance(a, ast.Starred) else _as_taken(a) for a in node.args]
        return node


def _as_taken(value: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(_TAKEN, ast.Load()), [value], [])


def reading_first(source: str) -> tuple[str, dict[str, Any]]:
    """``source`` in which all is read before any of it is written, and the names it needs."""
    tree = ast.fix_missing_locations(_ReadFirst().visit(ast.parse(source)))
    return ast.unparse(tree), {_TAKEN: taken}
