"""``try`` around what LAPACK may refuse: the failure is a condition of the data. So are those of
expressions that Python ends with an error (`failing_values`): they are computed in one piece, by
``__mlc__.tried(lambda: a / b, lambda: ZeroDivisionError)``.

::

    try:                                      failed = None
        w = f(np.linalg.solve(a, b))          try:
        rest                                      x, failed = __mlc__.attempt(np.linalg.solve, a, b)
    except np.linalg.LinAlgError:      ->     except np.linalg.LinAlgError:
        handle                                    handle
                                              if failed is not None:
                                                  if failed: handle
                                                  else: try: w = f(x); rest
                                                        except np.linalg.LinAlgError: handle

Compiled code cannot go from the middle of an expression to a handler. A statement that calls such
a function is cut behind the call; what NumPy refuses while tracing goes to the handler as ever.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from ..records import dataclass
from .failing_values import attempted, first_handler, names_of, value_of, without
from .nodes import children, walk
from .syntax import called, filled

FUNCTIONS = frozenset({
    "solve", "inv", "cholesky", "eig", "eigh", "eigvals", "eigvalsh", "svd", "lstsq", "pinv",
    "tensorinv", "tensorsolve", "matrix_power", "cond", "matrix_rank", "svdvals", "solve_banded",
})  # fmt: skip
_CATCHING = frozenset({"LinAlgError", "ValueError", "Exception", "BaseException"})
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)
_LATER = (
    ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp, ast.BoolOp,
)  # fmt: skip


def lower_attempts(function: ast.FunctionDef) -> None:
    """The rewrite above, in place, for each ``try`` that has a handler for such an error."""
    lowering = _Lowering()
    function.body = lowering.block(function.body)


class _Lowering(ast.NodeTransformer):
    def __init__(self) -> None:
        self.count = 0

    def block(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for stmt in stmts:
            made = self.visit(stmt)
            out += made if isinstance(made, list) else [made]
        return out

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # lowered on its own

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST | list[ast.stmt]:
        at, cut = next(
            ((n, cut) for n, s in enumerate(node.body) if (cut := _cut(node, s)) is not None),
            (0, None),
        )
        if cut is None or node.finalbody or not _can_be_copied(cut.handler):
            self.generic_visit(node)
            return node
        handler, stmt = cut.handler, node.body[at]
        self.count += 1
        value, failed = f"_mlc_made{self.count}", f"_mlc_failed{self.count}"
        error = f"_mlc_error{self.count}"
        text = f"{failed} = None\n({value}, {failed}, {error}) = None"
        first, tried = _parsed(text, stmt)
        assert isinstance(tried, ast.Assign)
        tried.value = filled(copy.deepcopy(cut.call), stmt)
        again = copy.deepcopy(handler)
        if again.name:
            body = [_Renamed(again.name, error).visit(s) for s in again.body]
        else:
            body = again.body
        if cut.part is None:
            assert cut.value is not None
            left = without(stmt, cut.value, value)
        else:
            left = _Replaced(cut.part, value).visit(stmt)
        inner = ast.Try([left, *node.body[at + 1 :]], copy.deepcopy(node.handlers), node.orelse, [])
        outer = ast.Try([*node.body[:at], tried], node.handlers, [], [])
        (asked,) = _parsed(f"if {failed} is not None:\n    if {failed}: pass", stmt)
        assert isinstance(asked, ast.If) and isinstance(asked.body[0], ast.If)
        asked.body[0].body = self.block(body)
        asked.body[0].orelse = self.block([inner])
        for made in (inner, outer):
            ast.copy_location(made, stmt)
        outer.handlers = [self.visit(h) for h in outer.handlers]
        return [first, outer, asked]


@dataclass(frozen=True)
class _Cut:
    """Where a statement is cut: behind ``part`` of it or, if that is None, behind its ``value``;
    ``call`` makes that and says whether it has failed."""

    handler: ast.ExceptHandler
    call: ast.expr
    part: ast.Call | None = None
    value: ast.expr | None = None


def _cut(node: ast.Try, stmt: ast.stmt) -> _Cut | None:
    if not isinstance(stmt, _SIMPLE):
        return None
    call = _first_call(stmt)
    handler = next((h for h in node.handlers if names_of(h) & _CATCHING), None)
    if call is not None and handler is not None:
        made = called("attempt", [call.func, *call.args])
        made.keywords = call.keywords  # type: ignore[attr-defined]
        return _Cut(handler, made, part=call)
    value = value_of(stmt)
    handler = None if value is None else first_handler(node, value)
    if value is None or handler is None:
        return None
    return _Cut(handler, attempted(stmt, value, handler), value=value)


class _Replaced(ast.NodeTransformer):
    def __init__(self, call: ast.Call, name: str) -> None:
        self.call, self.name = call, name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if node is self.call:
            return ast.copy_location(ast.Name(self.name, ast.Load()), node)
        return self.generic_visit(node)


class _Renamed(ast.NodeTransformer):
    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return (
            ast.copy_location(ast.Name(self.new, node.ctx), node) if node.id == self.old else node
        )


def _can_be_copied(handler: ast.ExceptHandler) -> bool:
    """A handler that raises what it has caught, or defines anything, stays where it is."""
    kinds = (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp, ast.ListComp)
    for part in walk(handler):
        if isinstance(part, kinds) or isinstance(part, ast.Raise) and part.exc is None:
            return False
    return True


def _first_call(stmt: ast.stmt) -> ast.Call | None:
    """The first call in a statement, in the order of evaluation, that LAPACK may refuse."""
    if not isinstance(stmt, _SIMPLE):
        return None
    found: list[ast.Call] = []

    def look(node: ast.AST) -> None:
        if isinstance(node, _LATER):
            return
        for child in children(node):
            look(child)
        if isinstance(node, ast.Call) and _name(node.func) in FUNCTIONS:
            found.append(node)

    value = stmt.value
    if value is not None:
        look(value)
    return found[0] if found else None


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def _parsed(text: str, where: ast.stmt) -> list[ast.stmt]:
    """The statements of ``text``, all of them at the place of ``where``."""
    module = ast.parse(text)
    for part in walk(module):
        if "lineno" in part._attributes:
            ast.copy_location(part, where)
    return module.body
