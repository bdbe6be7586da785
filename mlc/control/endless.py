"""``while True`` that an item ends, as a loop with a condition: one that goes on past the end of an
array is then seen, see `mlc.control.running_on`.

::

    while True:                       while not x[i] >= 3:
        if x[i] >= 3: break    ->         i += 1
        i += 1

    while True:                       i += 1
        i += 1                        while not x[i] >= 3:
        if x[i] >= 3: return i ->         s
        s                                 i += 1
                                      return i
"""

from __future__ import annotations

import ast
import copy

from .nodes import walk

_LOOPS = (ast.For, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody")
_PURE = (
    ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Compare, ast.BoolOp, ast.UnaryOp,
    ast.BinOp, ast.Tuple, ast.Load, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
_FUNCTIONS_OF_NUMBERS = frozenset({"abs", "len", "int", "float", "min", "max"})


def end_loops(function: ast.FunctionDef) -> None:
    """Rewrite the loops of ``function`` that have such an end, in place."""
    for node in walk(function):
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, [part for stmt in block for part in _ended(stmt)])


def _ended(loop: ast.stmt) -> list[ast.stmt]:
    is_endless = isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant)
    if not is_endless or not loop.test.value or loop.orelse:  # type: ignore[attr-defined]
        return [loop]
    assert isinstance(loop, ast.While)
    at = next((n for n, stmt in enumerate(loop.body) if not _is_step(stmt)), len(loop.body))
    before, rest = loop.body[:at], loop.body[at:]
    if not rest or not _asks(rest[0]):
        return [loop]
    end, after = rest[0], rest[1:]
    assert isinstance(end, ast.If)
    exits = _exits(after)
    is_return = isinstance(end.body[0], ast.Return)
    if before and ast.Continue in exits or is_return and ast.Break in exits:
        return [loop]
    test = ast.copy_location(ast.UnaryOp(ast.Not(), end.test), end.test)
    again = [*after, *copy.deepcopy(before)] or [ast.copy_location(ast.Pass(), end)]
    made = ast.copy_location(ast.While(test, again, []), loop)
    return [*before, made, *(end.body if is_return else [])]


def _is_step(stmt: ast.stmt) -> bool:
    """Whether it does no more than to compute a number, which costs nothing to write twice."""
    match stmt:
        case ast.AugAssign(target=ast.Name(), value=value):
            return _is_pure(value)
        case ast.Assign(targets=[ast.Name()], value=value):
            return _is_pure(value)
    return False


def _asks(stmt: ast.stmt) -> bool:
    """Whether it leaves the loop, and an item decides."""
    match stmt:
        case ast.If(test=test, body=[ast.Break() | ast.Return()], orelse=[]):
            return _is_pure(test) and any(isinstance(n, ast.Subscript) for n in walk(test))
    return False


def _is_pure(expression: ast.expr) -> bool:
    return all(
        isinstance(node, _PURE)
        or isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _FUNCTIONS_OF_NUMBERS
        for node in walk(expression)
    )


def _exits(block: list[ast.stmt]) -> set[type[ast.stmt]]:
    """The kinds of exits in ``block`` that belong to the loop around it."""
    found: set[type[ast.stmt]] = set()
    stack: list[ast.AST] = list(block)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Break, ast.Continue)):
            found.add(type(node))
        if isinstance(node, _LOOPS):
            stack += node.orelse
        elif not isinstance(node, _FUNCTIONS):
            stack += ast.iter_child_nodes(node)
    return found
