"""What a loop with calls in it goes through, by numbers that are kept while the calls are made."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from ..records import dataclass
from .machine_frames import Frames

_PATHS = (ast.Name, ast.Attribute, ast.Subscript)


@dataclass(frozen=True)
class Source:
    """``begin``; as long as ``test`` holds, an ``item`` is taken, and ``advance`` done."""

    begin: tuple[str, ...]
    test: ast.expr
    item: ast.expr
    advance: tuple[str, ...]


def source_of(
    node: ast.expr, temporary: Callable[[], str], frames: Frames
) -> Source | None:  # fmt: skip
    """How to go through ``node``; None for what only iterators of Python's do."""
    match node:
        case ast.Call(func=ast.Name(id="range"), args=args, keywords=[]) if 0 < len(args) < 4:
            return _of_range(args, temporary)
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *rest], keywords=[]):
            found = source_of(inner, temporary, frames)
            if found is None or len(rest) > 1:
                return None
            at = temporary()
            begin = f"{at} = {ast.unparse(rest[0])}" if rest else f"{at} = 0"
            pair = ast.Tuple([_expr(at), found.item], ast.Load())
            return Source((*found.begin, begin), found.test, pair, (*found.advance, f"{at} += 1"))
        case ast.Call(func=ast.Name(id="zip"), args=[_, *_] as args, keywords=[]):
            parts = [source_of(arg, temporary, frames) for arg in args]
            if None in parts:
                return None
            return _zipped([part for part in parts if part is not None])
        case ast.Call(func=ast.Name(id="reversed"), args=[inner], keywords=[]):
            return _backwards(inner, temporary, frames)
    return _of_items(node, temporary)


def _expr(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _of_range(args: Sequence[ast.expr], temporary: Callable[[], str]) -> Source | None:
    step = ast.literal_eval(args[2]) if len(args) == 3 and _is_number(args[2]) else 1
    if len(args) == 3 and not _is_number(args[2]) or not step:
        return None
    at, stop = temporary(), temporary()
    first = "0" if len(args) == 1 else ast.unparse(args[0])
    last = ast.unparse(args[0] if len(args) == 1 else args[1])
    test = _expr(f"{at} < {stop}" if step > 0 else f"{at} > {stop}")
    return Source((f"{at}, {stop} = {first}, {last}",), test, _expr(at), (f"{at} += {step}",))


def _is_number(node: ast.expr) -> bool:
    try:
        return isinstance(ast.literal_eval(node), int)
    except ValueError:
        return False


def _of_items(node: ast.expr, temporary: Callable[[], str]) -> Source:
    at, text = temporary(), ast.unparse(node)
    begin: tuple[str, ...] = (f"{at} = 0",)
    if not _is_literal(node):
        if _is_path(node):
            begin = (f"__mlc__.in_order({text})", *begin)
        else:
            held = temporary()
            begin, text = (f"{held} = list({text})", *begin), held
    test, item = _expr(f"{at} < len({text})"), _expr(f"({text})[{at}]")
    return Source(begin, test, item, (f"{at} += 1",))


def _is_literal(node: ast.expr) -> bool:
    """Whether ``node`` is a list or tuple of numbers."""
    try:
        return isinstance(ast.literal_eval(node), (list, tuple))
    except ValueError:
        return False


def _is_path(node: ast.expr) -> bool:
    """Whether ``node`` names something: a variable, an attribute or an item."""
    match node:
        case ast.Name() | ast.Constant():
            return True
        case ast.Attribute(value=value):
            return _is_path(value)
        case ast.Subscript(value=value, slice=key):
            return _is_path(value) and _is_path(key)
    return False


def _zipped(parts: Sequence[Source]) -> Source:
    test = parts[0].test if len(parts) == 1 else ast.BoolOp(ast.And(), [p.test for p in parts])
    return Source(
        tuple(line for p in parts for line in p.begin), test,
        ast.Tuple([p.item for p in parts], ast.Load()),
        tuple(line for p in parts for line in p.advance),
    )  # fmt: skip


def _backwards(
    node: ast.expr, temporary: Callable[[], str], frames: Frames
) -> Source | None:  # fmt: skip
    match node:
        case ast.Call(func=ast.Name(id="range"), args=[stop], keywords=[]):
            return _of_range([ast.BinOp(stop, ast.Sub(), ast.Constant(1)), ast.Constant(-1),
                              ast.Constant(-1)], temporary)  # fmt: skip
        case ast.Call(func=ast.Name(id="range"), args=[start, stop], keywords=[]):
            one = ast.Constant(1)
            first, last = ast.BinOp(stop, ast.Sub(), one), ast.BinOp(start, ast.Sub(), one)
            return _of_range([first, last, ast.Constant(-1)], temporary)
    held = ast.Call(ast.Name("list", ast.Load()), [node], [])
    return _of_items(ast.Call(ast.Name("list", ast.Load()), [
        ast.Call(ast.Name("reversed", ast.Load()), [held], [])], []), temporary)  # fmt: skip
