"""Which lists of a function may grow, as its source tells."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from .comprehensions import is_comprehended
from .names import HEAPS
from .nodes import walk
from .syntax import called, filled

_MAKERS = frozenset({"list", "deque", "sorted"})
_GROWING = frozenset({
    "append", "extend", "insert", "pop", "remove", "clear", "appendleft", "popleft", "extendleft",
    "rotate",
})  # fmt: skip
CHANGING = _GROWING | {"sort", "reverse"}  # what changes a list
_LOOPS = (ast.For, ast.While)
_LISTS = (ast.List, ast.ListComp)


def is_listing(value: ast.expr) -> bool:
    """Whether ``value`` makes a list or a deque."""
    match value:
        case ast.List() | ast.ListComp():
            return True
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return any(isinstance(v, _LISTS) or is_comprehended(v) for v in (left, right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return is_listing(left) or is_listing(right)
        case _ if is_comprehended(value):
            return True
        case ast.Call(func=ast.Call(args=[made, *_])):  # what stands for a function
            return _name(made) in _MAKERS
    return False


def listed(target: ast.expr, value: ast.expr, names: set[str]) -> ast.expr:
    """``value``, or what stands for it if it is a list that may grow where loops change what
    ``target`` names."""
    match target, value:
        case ((ast.Tuple(elts=targets) | ast.List(elts=targets)), ast.Tuple(elts=values)):
            if len(targets) == len(values):
                value.elts = [listed(t, v, names) for t, v in zip(targets, values)]
        case ast.Name(id=name), ast.Call() if f"{name}[]" in names and not is_listing(value):
            return filled(called("returned_", [value]), value)
        case (ast.Name(id=name), _) if name not in names:
            if f"{name}[]" in names and is_listing(value):
                return filled(called("nested_", [value]), value)
        case (ast.Name() | ast.Attribute() | ast.Subscript(), _):
            return as_grown(value)
    return value


def as_grown(value: ast.expr) -> ast.expr:
    """``value``, or what stands for it if it makes a list."""
    return filled(called("list_", [value]), value) if is_listing(value) else value


def as_table(node: ast.Dict | ast.Set | ast.DictComp | ast.SetComp) -> ast.expr:
    """What stands for a dict or set that may become a table, made of what goes through its items;
    the node itself where its keys cannot be carried as numbers."""
    match node:
        case ast.Dict(keys=keys):
            if any(key is None or _is_no_key(key) for key in keys):
                return node
            return filled(called("dict_", [node]), node)
        case ast.Set(elts=elements):
            if any(map(_is_no_key, elements)):
                return node
            return filled(called("set_of", [ast.Tuple(elements, ast.Load())]), node)
        case ast.DictComp(key=key, value=value, generators=parts):
            pair: ast.expr = ast.Tuple([key, as_grown(value)], ast.Load())
            return filled(called("dict_of", [ast.GeneratorExp(pair, parts)]), node)
    return filled(called("set_of", [ast.GeneratorExp(node.elt, node.generators)]), node)


def _is_no_key(key: ast.expr) -> bool:
    if isinstance(key, ast.Constant):
        return isinstance(key.value, (bytes, type(None)))
    return isinstance(key, ast.JoinedStr)


def holds_listing(node: ast.Assign | ast.AnnAssign | ast.Dict) -> bool:
    """Whether ``node`` puts a list that it makes into an object or a dict."""
    match node:
        case ast.Dict(values=values):
            return any(map(is_listing, values))
        case ast.Assign(targets=targets, value=value):
            pass
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            targets = [target]
        case _:
            return False
    parts = [part for target in targets for part in _parts(target)]
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return any(isinstance(p, (ast.Attribute, ast.Subscript)) for p in parts) and any(
        map(is_listing, values)
    )


def _parts(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]


def with_lists(node: ast.Assign, names: set[str]) -> ast.Assign:
    """``node`` with what stands for lists that may grow."""
    for target in node.targets:
        node.value = listed(target, node.value, names)
    return node


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def growing(nodes: Iterable[ast.AST]) -> set[str]:
    """The names of lists that methods change, or that are passed to functions, in ``nodes``, or
    that conditions ask for; and those that stand for such ones."""
    found: set[str] = set()
    pairs: list[tuple[str, str]] = []
    for node in nodes:
        for part in walk(node):
            match part:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if (
                    attr in _GROWING
                ):
                    found.add(name)
                case ast.Call(
                    func=ast.Attribute(value=ast.Subscript(value=ast.Name(id=name)), attr=attr),
                    args=args,
                ) if attr in _GROWING:
                    found.update([f"{name}[]", *(a.id for a in args if isinstance(a, ast.Name))])
                case ast.Call(args=args):
                    found.update(a.id for a in args if isinstance(a, ast.Name))
                case ast.AugAssign(target=ast.Name(id=name), op=ast.Add()):
                    found.add(name)
                case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                    found.add(name)
                case ast.Subscript(
                    value=ast.Subscript(value=ast.Name(id=name)), ctx=ast.Store() | ast.Del()
                ):
                    found.add(f"{name}[]")
                case ast.While(test=ast.Name(id=name)):
                    found.add(name)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)):
                    pairs += [(name, other), (other, name)]
    for _ in pairs:
        found.update(a for a, b in pairs if b in found)
    return found


def is_steady(body: Sequence[ast.stmt]) -> bool:
    """Whether each run of ``body`` does the same to lists: it appends, and nothing else."""
    plain = [stmt for stmt in body if _is_append(stmt)]
    rest = [stmt for stmt in body if not _is_append(stmt)]
    return bool(plain) and not any(_changes(stmt) for stmt in rest)


def _is_append(stmt: ast.stmt) -> bool:
    match stmt:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="append"), args=args)):
            return not any(_changes(a) for a in args)
    return False


def _changes(node: ast.AST) -> bool:
    for part in walk(node):
        match part:
            case ast.Call(func=ast.Attribute(attr=attr)) if attr in _GROWING or attr in HEAPS:
                return True
            case ast.Delete():
                return True
    return False


def asked(test: ast.expr) -> ast.expr:
    """A condition in which the sides of ``and`` and ``or`` say whether a list holds something."""
    match test:
        case ast.BoolOp(values=values):
            test.values = [_truth(asked(value)) for value in values]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            test.operand = asked(operand)
    return test


def _truth(value: ast.expr) -> ast.expr:
    if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript)):
        return filled(called("truth", [value]), value)
    return value
