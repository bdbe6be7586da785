"""Reads of variables that may have no value, in a function whose branches may become native.

::

    if c: p = x                     if c: p = x
    p += 1                 ->       p = __mlc__.bound(lambda: p, "p", False); p += 1
    return lambda: p                return lambda: __mlc__.bound(lambda: p, "p", True)

Variables that are surely bound before each read stay as they are.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable
from typing import Any

from .certainty import SURE
from .names import assigned, exposed
from .nodes import walk

RAW = "mlc_raw"  # attribute of lambdas that hand a variable on, whatever it holds
PART = "mlc_part"  # attribute of lambdas and functions that are parts of the function around
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def doubtful(function: ast.FunctionDef) -> set[str]:
    """The variables of ``function``, and of functions in it, that may be read without a value, or
    are None at times."""
    found: set[str] = set()
    for node in walk(function):
        match node:
            case ast.FunctionDef(body=body, args=args):
                given = {a.arg for a in walk(args) if isinstance(a, ast.arg)}
                shared = _shared(body)
                found |= exposed(body) & (set(assigned(body)) - given | shared)
            case ast.Name(id=name, ctx=ast.Del()) | ast.ExceptHandler(name=str(name)):
                found.add(name)
    return found | made_none(walk(function))


def made_none(nodes: Iterable[ast.AST]) -> set[str]:
    """The variables that are made None among ``nodes``, or asked whether they are, and those that
    get their values."""
    found: set[str] = set()
    copies: list[tuple[str, str]] = []
    tested: set[str] = set()
    called: set[str] = set()
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _give(target, value, found, copies)
                    if isinstance(value, ast.Call) and isinstance(target, ast.Name):
                        called.add(target.id)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _give(target, value, found, copies)
            case ast.NamedExpr(target=target, value=value):
                _give(target, value, found, copies)
            case ast.Compare(
                ast.Name(id=name) | ast.NamedExpr(ast.Name(id=name)),
                [ast.Is() | ast.IsNot()],
                [ast.Constant(None)],
            ):
                found.add(name)
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                tested |= _tested(test)
    found |= tested & called  # a function may return None
    while more := {to for to, source in copies if source in found} - found:
        found |= more
    return found


def _tested(test: ast.expr) -> set[str]:
    """The variables that ``test`` asks whether they are anything."""
    match test:
        case ast.Name(id=name):
            return {name}
        case ast.BoolOp(values=values):
            return set().union(*map(_tested, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _tested(operand)
    return set()


def _give(target: ast.expr, value: ast.expr, found: set[str], copies: list[Any]) -> None:
    """Note which variables are None after ``target = value``, and which are other ones."""
    match target, value:
        case ast.Name(id=name), ast.Constant(value=None):
            found.add(name)
        case ast.Name(id=name), ast.Name(id=source):
            copies.append((name, source))
        case ast.Name(), ast.IfExp(body=first, orelse=second):
            _give(target, first, found, copies)
            _give(target, second, found, copies)
        case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
            for n, v in zip(names, values):
                _give(n, v, found, copies)


def _shared(body: list[ast.stmt]) -> set[str]:
    """The variables that functions in ``body`` bind for the functions around them."""
    parts = (part for stmt in body for part in walk(stmt))
    return {name for part in parts if isinstance(part, ast.Nonlocal) for name in part.names}


def guard_reads(
    function: ast.FunctionDef, names: set[str], trusted: Collection[str] = ()
) -> None:  # fmt: skip
    """The rewrite above, in place, for ``names``, and for those ``trusted`` to have a value."""
    if names or trusted:
        own = _own(function)
        guard = _Guard(names, own, trusted)
        function.body = [part for stmt in function.body for part in _listed(guard.visit(stmt))]


def _own(function: ast.FunctionDef) -> set[str]:
    """The variables that belong to ``function`` itself."""
    given = {a.arg for a in walk(function.args) if isinstance(a, ast.arg)}
    outer: set[str] = set()
    for node in function.body:
        if isinstance(node, (ast.Nonlocal, ast.Global)):
            outer.update(node.names)
    return (given | set(assigned(function.body))) - outer


def _listed(made: Any) -> list[Any]:
    return made if isinstance(made, list) else [made]


class _Guard(ast.NodeTransformer):
    def __init__(self, names: set[str], own: set[str], trusted: Collection[str]) -> None:
        self.names, self.own = names.union(trusted), own
        self.trusted = set(trusted) - names

    def inside(self, node: ast.AST, own: set[str]) -> ast.AST:
        """What is in ``node``, which is a function with variables ``own``."""
        outer, self.own = self.own, own
        self.generic_visit(node)
        self.own = outer
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if hasattr(node, RAW):
            return node
        return self.inside(node, self.own if hasattr(node, PART) else _own(node))

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        if hasattr(node, RAW):
            return node
        return self.inside(node, self.own if hasattr(node, PART) else set())

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self.comprehension(node, set())

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self.comprehension(node, self.own if sys.version_info >= (3, 12) else set())

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self.comprehension(node, self.own if sys.version_info >= (3, 12) else set())

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self.comprehension(node, self.own if sys.version_info >= (3, 12) else set())

    def comprehension(self, node: Any, own: set[str]) -> ast.AST:
        first = self.visit(node.generators[0].iter)  # which is evaluated outside
        node.generators[0].iter = ast.Constant(None)
        self.inside(node, own)
        node.generators[0].iter = first
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.AST:
        if node.guard is not None:
            node.guard = self.visit(node.guard)
        node.body = [part for stmt in node.body for part in _listed(self.visit(stmt))]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self.names or not isinstance(node.ctx, ast.Load):
            return node
        return self.guarded(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        match node.target:
            case ast.Name(id=name) as target if name in self.names:
                read = self.guarded(ast.copy_location(ast.Name(name, ast.Load()), target))
                first = ast.Assign([ast.Name(name, ast.Store())], read)
                return [_placed(first, node), node]
        return node

    def visit_Delete(self, node: ast.Delete) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        found = [part for target in node.targets for part in walk(target)]
        reads = [
            _placed(ast.Expr(self.guarded(ast.Name(part.id, ast.Load()))), node)
            for part in found
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Del)
        ]
        return [*reads, node]

    def guarded(self, node: ast.Name) -> ast.expr:
        nothing = ast.arguments([], [], None, [], [], None, [])
        name = "sure" if hasattr(node, SURE) else "bound"
        name = "trusted" if node.id in self.trusted else name
        helper = ast.Attribute(ast.Name("__mlc__", ast.Load()), name, ast.Load())
        is_free = node.id not in self.own
        args = [ast.Lambda(nothing, node), ast.Constant(node.id), ast.Constant(is_free)]
        return _placed(ast.Call(helper, args, []), node)


def _placed(node: Any, where: ast.AST) -> Any:
    for part in walk(node):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, where)
    return node
