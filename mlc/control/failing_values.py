"""Expressions that Python ends with an error because of a value: ``a / b``, ``math.log(a)``."""

from __future__ import annotations

import ast
import copy

from .nodes import walk
from .syntax import called, fill, thunk

_ALL = ("Exception", "BaseException")
_DIVIDING = ("ZeroDivisionError", "ArithmeticError", *_ALL)
_COMPUTING = ("ValueError", "OverflowError", "ArithmeticError", *_ALL)
_LOOKING = ("IndexError", "LookupError", *_ALL)
_QUOTIENTS = {ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod", ast.Pow: "pow"}
_OF_MATH = frozenset({
    "sqrt", "exp", "log", "log2", "log10", "log1p", "expm1", "exp2", "pow", "acos", "asin",
    "atanh", "acosh", "fmod", "int", "sinh", "cosh",
})  # fmt: skip
# What only computes: an expression of these may be computed though it is not needed.
_PURE = frozenset({
    "abs", "bool", "float", "int", "len", "max", "min", "pow", "round", "sum", "divmod", "sqrt",
    "exp", "log", "log2", "log10", "log1p", "expm1", "exp2", "sin", "cos", "tan", "asin", "acos",
    "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "fmod", "hypot", "floor",
    "ceil", "fabs", "mean", "std", "var", "dot", "array", "zeros", "ones", "item", "copy", "norm",
})  # fmt: skip
_LATER = (
    ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr, ast.Await,
    ast.Yield, ast.YieldFrom, ast.IfExp, ast.BoolOp,
)  # fmt: skip


def first_handler(node: ast.Try, value: ast.expr) -> ast.ExceptHandler | None:
    """The first handler that takes, as far as its text says, an error that ``value`` may end with;
    None for a value that may do more than that, too."""
    kinds: set[str] = set()
    for part in walk(value):
        match part:
            case ast.BinOp(op=op) if type(op) in _QUOTIENTS:
                kinds |= {*_DIVIDING, *(_COMPUTING if isinstance(op, ast.Pow) else ())}
            case ast.Subscript(ctx=ast.Load()):
                kinds |= {*_LOOKING} if _is_asked(part.slice) else set()
            case ast.Call(func=function):
                name = getattr(function, "attr", getattr(function, "id", ""))
                if name not in _PURE:
                    return None
                kinds |= {*_COMPUTING} if name in _OF_MATH else set()
            case _ if isinstance(part, _LATER):
                return None
    return next((h for h in node.handlers if names_of(h) & {*kinds}), None) if kinds else None


def names_of(handler: ast.ExceptHandler) -> set[str]:
    """What classes a handler names; one without any takes all."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {
        "BaseException" if kind is None else getattr(kind, "attr", getattr(kind, "id", ""))
        for kind in kinds
    }


def caught_body(node: ast.Try) -> ast.stmt:
    """The body of a ``try``, in which it is known what the handlers catch."""
    kinds = [ast.Name("BaseException", ast.Load()) if h.type is None else copy.deepcopy(h.type)
             for h in node.handlers]  # fmt: skip
    made = ast.With([ast.withitem(called("catching", [*map(thunk, kinds)]), None)], node.body)
    fill(made, node)
    return made


def _is_asked(key: ast.expr) -> bool:
    """Whether a key may be traced, and is no slice."""
    parts = [*walk(key)]
    return any(isinstance(p, (ast.Name, ast.Subscript, ast.Attribute, ast.Call)) for p in parts)


def value_of(stmt: ast.stmt) -> ast.expr | None:
    """What a statement computes before it does anything else; of ``x /= y`` that is ``x / y``."""
    match stmt:
        case ast.AugAssign(target=ast.Name(id=name), op=op, value=value) if type(op) in _QUOTIENTS:
            first = ast.copy_location(ast.Name(name, ast.Load()), stmt)
            return ast.copy_location(ast.BinOp(first, op, value), stmt)
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Expr() | ast.Return():
            return stmt.value
    return None


def attempted(stmt: ast.stmt, value: ast.expr, handler: ast.ExceptHandler) -> ast.expr:
    """The call that computes ``value`` of ``stmt`` and says whether it has ended with an error."""
    if isinstance(stmt, ast.AugAssign) and value is not stmt.value:
        name = f"i{_QUOTIENTS[type(stmt.op)]}"  # of arrays it changes the array
        value = called(name, [value.left, value.right])  # type: ignore[attr-defined]
    caught = ast.Name("BaseException", ast.Load()) if handler.type is None else handler.type
    return called("tried", [thunk(value), thunk(caught)])


def without(stmt: ast.stmt, value: ast.expr, name: str) -> ast.stmt:
    """``stmt`` with the variable ``name`` in the place of its ``value``."""
    found = ast.copy_location(ast.Name(name, ast.Load()), value)
    if isinstance(stmt, ast.AugAssign) and value is not stmt.value:
        return ast.copy_location(ast.Assign([stmt.target], found), stmt)
    stmt.value = found  # type: ignore[attr-defined]
    return stmt
