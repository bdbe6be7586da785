"""``raise`` and ``assert`` under conditions on traced values.

::

    if x.sum() > 3:                         if x.sum() > 3:
        raise ValueError("big")      ->         return __mlc__.failed(lambda: ValueError("big"))
    return x                                return x

Compiled code raises nothing. It notes which error was the first, in a number that it hands out with
the results, and the call raises the error. A function is rewritten so only once a trace has shown
that it is needed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import TracedRaiseError, UnsupportedError, visible
from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT
from ..tracer.trace import FAILING
from .carry import UNDEFINED, NotNative, current
from .nodes import walk
from .reads import PART
from .tries import caught, is_tried

_OTHERS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Try)


def rewrite_raises(function: ast.FunctionDef) -> None:
    """The rewrite above, in place; what a ``try`` may catch stays."""
    function.body = [_Rewrite().visit(stmt) for stmt in function.body]


class _Rewrite(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, _OTHERS) else super().visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if node.exc is None:
            return node
        return _failed(node, node.exc, node.cause)

    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        args = [] if node.msg is None else [node.msg]
        error = ast.Call(ast.Name("AssertionError", ast.Load()), args, [])
        test = ast.UnaryOp(ast.Not(), node.test)
        return _placed(ast.If(test, [_failed(node, error, None)], []), node)


class _Exits(ast.NodeTransformer):
    """``sys.exit(x)`` as the ``raise SystemExit(x)`` that it is."""

    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, _OTHERS[:-1]) else super().visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        match node.value:
            case ast.Call(ast.Attribute(ast.Name("sys"), "exit") as exits, args, []):
                error = ast.Call(ast.Name("SystemExit", ast.Load()), args, [])
                helper = ast.Attribute(ast.Name("__mlc__", ast.Load()), "exits", ast.Load())
                raised = _placed(ast.Raise(error, None), node)
                return _placed(ast.If(ast.Call(helper, [exits], []), [raised], [node]), node)
        return node


def rewrite_exits(function: ast.FunctionDef) -> None:
    """Have ``sys.exit`` seen as an error, in place."""
    function.body = [_Exits().visit(stmt) for stmt in function.body]


def exits(function: Any) -> bool:
    """Whether ``function`` is Python's ``sys.exit``."""
    return function is sys.exit


def _failed(where: ast.stmt, error: ast.expr, cause: ast.expr | None) -> ast.stmt:
    nothing = ast.arguments([], [], None, [], [], None, [])
    thunks: list[ast.expr] = [ast.Lambda(nothing, e) for e in (error, cause) if e is not None]
    for thunk in thunks:
        setattr(thunk, PART, True)
    helper = ast.Attribute(ast.Name("__mlc__", ast.Load()), "failed", ast.Load())
    return _placed(ast.Return(ast.Call(helper, thunks, [])), where)


def _placed(node: ast.stmt, where: ast.AST) -> ast.stmt:
    for part in walk(node):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, where)
    return node


def before_raise() -> None:
    """Stands before each ``raise`` of a function that was not rewritten."""
    if CURRENT.get() is not None and is_inside_loop():
        needs_flag()


def needs_flag() -> None:
    """Has the function traced again; refuses if that is what goes on."""
    if FAILING.get():
        raise UnsupportedError(
            "an error under a condition on traced values cannot be raised by compiled code where "
            "a try statement is around it; check outside of the jitted function, or return a flag"
        )
    raise TracedRaiseError


def failed(make: Callable[[], Any], cause: Callable[[], Any] | None = None) -> Any:
    """Raises the error, or, in native code, notes it; the function ends here in both cases."""
    error = make()
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error()
    _show(error)
    code = make.__code__
    if cause is not None:
        error.__cause__ = cause()
    if CURRENT.get() is None or not is_inside_loop():
        raise error
    if is_tried():
        raise NotNative(caught(error))
    note((code.co_filename, code.co_firstlineno, type(error), str(error)), error)
    return UNDEFINED


def note(key: tuple[Any, ...], error: BaseException, test: Any = True) -> None:
    """Has native code note ``error``, which ``key`` tells from others, if it comes here first and
    ``test`` holds."""
    trace = current()
    failure: Any = trace.failure
    if failure is None:
        needs_flag()
    _show(error)
    key = tuple(visible(part) if isinstance(part, str) else part for part in key)
    number, _ = trace.errors.setdefault(key, (len(trace.errors) + 1, error))
    is_first = failure == 0
    comes = is_first if test is True else np.logical_and(is_first, test)
    failure[...] = np.where(comes, np.int32(number), failure)


def _show(error: BaseException) -> None:
    """Take out of the texts of ``error`` what tells traced values in them apart."""
    error.args = tuple(visible(arg) if isinstance(arg, str) else arg for arg in error.args)
