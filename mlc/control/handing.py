"""What a function returns that is a value or None, as the data choose, handed to its caller.

::

    def find(x):                        def find(x):
        for i in range(len(x)):             taken = __mlc__.takes_none()
            if x[i] > 0:                    ...                  # value = i, or None
                return i                    return __mlc__.returned(lambda: value, taken)
        return None             ->
    i = find(x)                         i = __mlc__.call_taking(find)(x)
    if i is not None: ...               if not __mlc__.is_none(lambda: i): ...

Only a caller that asks of the variable whether it is None gets what may be None; to all others such
a call gives the value, and the run raises an error where there is none.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Any

from ..ops.moving import is_inside_loop
from .calls import call
from .certainty import SURE
from .exits import LATE_VALUE, VALUE
from .logic import and_, not_
from .perhaps import Perhaps, is_or_none
from .syntax import called, constant, filled, raw
from .truths import truth
from .unbound import certain, held_by

_OTHERS = "np", "numpy", "math", "__mlc__"
_TAKES = "takes_none"
_IS_TAKEN: ContextVar[bool] = ContextVar("none taken", default=False)


def call_taking(function: Any) -> Any:
    """What to call in the place of ``function``, whose result goes to a variable that may be
    None."""
    made = call(function)
    code = getattr(made, "__code__", None)
    if code is None or _TAKES not in code.co_names:
        return made

    def run(*args: Any, **kwargs: Any) -> Any:
        token = _IS_TAKEN.set(True)
        try:
            return made(*args, **kwargs)
        finally:
            _IS_TAKEN.reset(token)

    return run


def takes_none() -> bool:
    """Whether the caller of the function that begins here takes what may be None; not those of
    functions that it calls."""
    is_taken = _IS_TAKEN.get()
    if is_taken:
        _IS_TAKEN.set(False)
    return is_taken


def returned(value: Callable[[], Any], is_taken: bool = False) -> Any:
    """What a function returns that may have ended without a return statement."""
    try:
        found = value()
    except NameError:
        return None
    return _given(found, "the result of a call", is_taken)


def given(found: Any, is_taken: bool) -> Any:
    """What a function returns, a value or None."""
    return _given(found, "the result of a call", is_taken)


def handed_on(read: Callable[[], Any], name: str, is_free: bool, is_taken: bool = True) -> Any:
    """What the variable ``name`` holds, for one that may be None as well."""
    return _given(held_by(read, name, is_free), name, is_taken, is_free)


def _given(found: Any, name: str, is_taken: bool, is_free: bool = False) -> Any:
    if type(found) is not Perhaps or is_taken and is_or_none(found) and is_inside_loop():
        return found
    return certain(found, name, is_free)


def hand_over(value: ast.expr, nones: Collection[str], free: Collection[str]) -> ast.expr:
    """What stands for ``value``, transformed already, where it goes to a variable that may be None:
    for another one of ``nones``, some of which are ``free`` ones, and for the result of a call."""
    match value:
        case ast.Name(id=name) if name in nones and not hasattr(value, SURE):
            args = [raw(name), constant(name), constant(name in free)]
            return filled(called("handed_on", args), value)
        case ast.Call(
            func=ast.Call(
                func=ast.Attribute(value=ast.Name(id="__mlc__"), attr="call") as helper,
                args=[function],
            )
        ) if not _is_ours(function):
            helper.attr = call_taking.__name__
    return value


def hand_parts(value: ast.expr, nones: Collection[str], free: Collection[str]) -> ast.expr:
    """What stands for ``value``, which is kept or passed on: variables in it may be None."""
    match value:
        case ast.Name():
            return hand_over(value, nones, free)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            value.elts = [hand_parts(part, nones, free) for part in parts]
    return value


def hand_to(
    target: ast.expr, value: ast.expr, nones: Collection[str], free: Collection[str]
) -> ast.expr:  # fmt: skip
    """What stands for ``value`` in ``target = value``."""
    match target, value:
        case ast.Name(id=name), _ if name in nones or name in (VALUE, LATE_VALUE):
            return hand_over(value, nones, free)
        case ((ast.Subscript() | ast.Attribute()), _):
            return hand_parts(value, nones, free)
        case (ast.Tuple(elts=targets), ast.Tuple(elts=values)) if len(targets) == len(values):
            value.elts = [
                hand_to(t, v, nones, free) if isinstance(v, (ast.Name, ast.Call)) else v
                for t, v in zip(targets, values)
            ]
    return value


def may_take(function: ast.expr) -> bool:
    """Whether what ``function`` names may be given what is None at times: functions and methods of
    the user's, and those that put something into a list or a dict."""
    is_builtin = isinstance(function, ast.Name) and hasattr(builtins, function.id)
    return not (is_builtin or _is_ours(function))


def is_handed(value: ast.expr) -> bool:
    """Whether ``value`` is the result of a call as `hand_over` leaves it."""
    match value:
        case ast.Call(func=ast.Call(func=ast.Attribute(value=ast.Name(id="__mlc__"), attr=name))):
            return name == call_taking.__name__
    return False


def _is_ours(function: ast.expr) -> bool:
    """Whether ``function`` is one of NumPy or of these helpers, which return no None."""
    while isinstance(function, ast.Attribute):
        function = function.value
    return isinstance(function, ast.Name) and function.id in _OTHERS


def as_test(node: ast.expr, nones: Collection[str]) -> ast.expr:
    """The condition ``node``, where variables of ``nones`` are asked whether they are anything."""
    match node:
        case ast.Name(id=name) if name in nones:
            return filled(called("is_something", [raw(name), constant(name)]), node)
        case ast.BoolOp(values=values):
            node.values = [as_test(value, nones) for value in values]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            node.operand = as_test(operand, nones)
    return node


def is_something(read: Callable[[], Any], name: str) -> Any:
    """The variable ``name`` as a condition."""
    found = held_by(read, name, False)
    if not is_or_none(found) or not is_inside_loop():
        return truth(_given(found, name, False))
    return and_(found._mlc_bound, lambda: not_(not_(found._mlc_value)))


def is_nothing(value: Any) -> Any:
    """``value is None``."""
    return not_(value._mlc_bound) if is_or_none(value) else value is None
