"""What in the source of a function may become native, or is to be seen through a stand-in."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from ..tracer.plain_code import REDUCING, SCALARS
from .comprehensions import is_choosing, is_loop
from .list_names import holds_listing
from .nodes import children, walk
from .syntax import HELPER, is_computed

MEMBERS = (ast.In, ast.NotIn)
_NUMPY = ("np", "numpy", HELPER)
_LISTS = (ast.List, ast.Tuple, ast.ListComp)
_HELPED = {*SCALARS, *REDUCING, "errstate", "seterr", "apply_along_axis", "as_strided"}


def own_nodes(function: ast.FunctionDef) -> list[ast.AST]:
    """The nodes of ``function`` without those of functions in it."""
    found: list[ast.AST] = []
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        found.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stack.extend(children(node))
    return found


def taken_at_once(nodes: Iterable[ast.AST]) -> set[ast.AST]:
    """The ``a if test else b`` among ``nodes`` whose value an operator or a write to items takes
    before anything else can be written, and nobody keeps."""
    found: set[ast.AST] = set()
    for node in nodes:
        match node:
            case ast.BinOp(left=left, right=right):
                found |= _choices(right) | (set() if _calls(right) else _choices(left))
            case ast.UnaryOp(operand=value) | ast.AugAssign(value=value):
                found |= _choices(value)
            case ast.Compare(left=left, comparators=[other]):
                found |= _choices(other) | (set() if _calls(other) else _choices(left))
            case ast.Assign(targets=[ast.Subscript() as place], value=value) if not _calls(place):
                found |= _choices(value)
    return found


def _choices(value: ast.expr) -> set[ast.AST]:
    if not isinstance(value, ast.IfExp):
        return set()
    return {value} | _choices(value.body) | _choices(value.orelse)


def _calls(node: ast.AST) -> bool:
    return any(isinstance(part, (ast.Call, ast.NamedExpr)) for part in walk(node))


def matters(node: ast.AST) -> bool:
    match node:
        case ast.For() | ast.While() | ast.If() | ast.IfExp() | ast.BoolOp() | ast.FunctionDef():
            return True
        case ast.Raise() | ast.Assert() | ast.Try():
            return True
        case ast.Import() | ast.ImportFrom():
            return bool(of_numpy(node))
        case ast.ListComp():
            return is_loop(node)
        case ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
            return is_choosing(node)
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Attribute():
            return is_class(node)
        case ast.Assign() | ast.AnnAssign() | ast.Dict():
            return holds_listing(node)
        case ast.Subscript(ctx=ast.Load()):
            return is_computed(node.slice)
        case ast.Call(func=function, args=args):
            return not _is_numpy(function) or any(isinstance(a, _LISTS) for a in args)
        case ast.Compare(ops=ops, comparators=sides):
            is_one = len(ops) == 1 and not isinstance(ops[0], MEMBERS)
            is_identity = isinstance(ops[0], (ast.Is, ast.IsNot))
            return not is_one or is_identity or isinstance(sides[0], _LISTS)
    return False


def is_class(node: ast.Attribute) -> bool:
    """Whether ``node`` asks for the class of something."""
    return node.attr == "__class__" and isinstance(node.ctx, ast.Load)


def _is_numpy(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute) and function.attr.rstrip("_") in _HELPED:
        return False
    while isinstance(function, ast.Attribute):
        if function.attr == "testing":
            return False
        function = function.value
    return isinstance(function, ast.Name) and function.id in _NUMPY


def of_numpy(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The names that ``node`` binds to NumPy or to parts of it."""
    if isinstance(node, ast.ImportFrom):
        is_numpy = not node.level and (node.module or "").split(".")[0] == "numpy"
        return [a.asname or a.name for a in node.names if is_numpy and a.name != "*"]
    found = [a for a in node.names if a.name.split(".")[0] == "numpy"]
    return [a.asname or "numpy" for a in found]
