"""The source of a lambda, which several may share a line with."""

from __future__ import annotations

import ast
import bisect
import dis
import linecache
import types
from typing import Any

from .nodes import walk

_parsed: dict[str, tuple[list[str], list[ast.Lambda]]] = {}  # by file: its lines, its lambdas
_FILES = 16  # that are kept parsed
_HOW_CALLED = "PUSH_", "COPY_FREE", "RESUME", "PRECALL", "CALL", "CACHE"
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


def lambda_at(code: types.CodeType, spaces: dict[str, Any]) -> ast.FunctionDef | None:
    """The lambda with this ``code`` as a function that returns its body; None if it cannot be told
    which one it is. ``spaces`` are the globals of its module."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, spaces)
    count = code.co_argcount + code.co_kwonlyargcount
    found = [
        node
        for node in _lambdas(code.co_filename, lines)
        if node.lineno == code.co_firstlineno
        and tuple(a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
        == code.co_varnames[:count]
    ]
    if len(found) > 1:  # those of the same code do the same
        found = [node for node in found if _is_code_of(node, code)]
    if not found:
        return None
    node = found[0]
    made = ast.parse("def function(): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.args, made.body = _copied(node.args), [ast.Return(_copied(node.body))]
    ast.copy_location(made, node)
    ast.copy_location(made.body[0], node.body)
    return made


def _copied(node: Any) -> Any:
    """``node`` and all below it anew: what is made of a lambda is rewritten in place."""
    fields = {
        name: [_copied(v) if isinstance(v, ast.AST) else v for v in value]
        if isinstance(value, list)
        else _copied(value) if isinstance(value, ast.AST) else value
        for name, value in ast.iter_fields(node)
    }  # fmt: skip
    return ast.copy_location(type(node)(**fields), node)


def _lambdas(name: str, lines: list[str]) -> list[ast.Lambda]:
    known = _parsed.get(name)
    if known is not None and known[0] == lines:
        return known[1]
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:  # what a notebook adds to Python
        return []
    found = [node for node in walk(tree) if isinstance(node, ast.Lambda)]
    while len(_parsed) >= _FILES:
        _parsed.pop(next(iter(_parsed)))
    _parsed[name] = lines, found
    return found


def _is_code_of(node: ast.Lambda, code: types.CodeType) -> bool:
    """Whether ``node`` compiles to ``code``, in a function with the same free variables."""
    outer = ast.parse(f"def factory({', '.join(code.co_freevars)}): return 0").body[0]
    assert isinstance(outer, ast.FunctionDef) and isinstance(outer.body[0], ast.Return)
    outer.body[0].value = node
    whole = compile(ast.fix_missing_locations(ast.Module([outer], [])), "", "exec")
    for const in whole.co_consts[0].co_consts:
        if isinstance(const, types.CodeType):
            return const.co_freevars == code.co_freevars and are_alike(const, code)
    return False


def are_alike(one: types.CodeType, two: types.CodeType) -> bool:
    """Whether both do the same, apart from how names are read: that differs between scopes, and
    whether a module was imported in them."""
    return (
        one.co_names == two.co_names
        and one.co_varnames == two.co_varnames
        and _plain(one.co_consts) == _plain(two.co_consts)
        and _steps(one) == _steps(two)
    )


def _plain(consts: tuple[Any, ...]) -> list[str]:
    return [repr(c) for c in consts if not isinstance(c, types.CodeType)]


def _steps(code: types.CodeType) -> list[tuple[str, Any]]:
    """What ``code`` does, and with which names, numbers and places in the list."""
    kept = [i for i in dis.get_instructions(code) if not i.opname.startswith(_HOW_CALLED)]
    places = [step.offset for step in kept]
    found: list[tuple[str, Any]] = []
    for step in kept:
        if step.opname.startswith("LOAD_"):
            is_code = isinstance(step.argval, types.CodeType)
            found.append(("LOAD", None if is_code else step.argval))
        elif step.opcode in _JUMPS:
            found.append((step.opname, bisect.bisect_left(places, step.argval)))
        else:
            found.append((step.opname, step.argrepr))
    return found
