"""A function with the same behaviour, whose loops and branches may become native."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import re
import sys
import tokenize
import types
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ..tracer.again import MACHINES
from ..tracer.plain_code import plain_code
from ..tracer.trace import FAILING, PLAIN
from .host_changes import PARTS
from .kinds import by_class
from .nodes import settle_places, walk
from .source_blocks import definition_at

CALL = "__call__"
_PACKAGE = str(Path(__file__).parent.parent)
_FOREIGN = tuple({_PACKAGE, os.path.dirname(os.__file__), sys.prefix + "/lib"})
# by whether errors under traced conditions are noted, whether a function is last, and the names of
# those in its file that become loops
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_Key = tuple[bool, bool, frozenset[str]]
_codes: dict[tuple[types.CodeType, _Key], types.CodeType | None] = {}
_made: dict[_Key, WeakKeyDictionary[types.FunctionType, types.FunctionType]] = {}


def converted(function: Any, is_last: bool = False) -> Any:
    """``function``, or what stands for it while tracing; nobody writes to anything after one that
    ``is_last``.

    Functions of libraries, of C, without source, and generators stay what they are.
    """
    if PLAIN.get():
        return function
    match function:
        case types.MethodType():
            inner = converted(function.__func__, is_last)
            if inner is function.__func__:
                return function
            return types.MethodType(inner, function.__self__)
        case partial():
            inner = converted(function.func, is_last)
            if inner is function.func:
                return function
            return partial(inner, *function.args, **function.keywords)
        case types.FunctionType():
            if (chosen := by_class(function)) is not None:
                return chosen
            file = function.__code__.co_filename
            names = frozenset(name for place, name in MACHINES.get() if place == file)
            key = FAILING.get(), is_last, names
            made = _made.setdefault(key, WeakKeyDictionary())
            found = made.get(function)
            if found is None:
                found = made[function] = _convert(function, key)
            if found.__defaults__ is not function.__defaults__:  # somebody has set others
                found.__defaults__ = function.__defaults__
            if found.__kwdefaults__ is not function.__kwdefaults__:
                found.__kwdefaults__ = function.__kwdefaults__
            return found
    own = getattr(type(function), CALL, None)
    if isinstance(own, types.FunctionType):  # an object that can be called
        inner = converted(own, is_last)
        return function if inner is own else types.MethodType(inner, function)
    return function


def has_source(function: Any) -> bool:
    """Whether the source of ``function`` is at hand."""
    plain = inspect.unwrap(function)
    try:
        text = inspect.getsource(plain)
    except (OSError, TypeError):
        return False
    name = getattr(plain, "__name__", "")
    if name == "<lambda>":
        return True
    # Of code from exec, Python 3.13 shows lines of ``python -c``.
    return re.search(rf"\b(def|class)\s+{re.escape(name)}\b", text) is not None


def _convert(function: types.FunctionType, key: _Key) -> types.FunctionType:
    code = function.__code__
    if (code, key) not in _codes:
        _codes[code, key] = _compiled(function, key)
    fresh = _codes[code, key]
    if fresh is None:
        return function
    cells = dict(zip(code.co_freevars, function.__closure__ or ()))
    from . import runtime

    cells["__mlc__"] = types.CellType(runtime)
    closure = tuple(cells[name] for name in fresh.co_freevars)
    made = types.FunctionType(
        fresh, function.__globals__, function.__name__, function.__defaults__, closure
    )
    made.__kwdefaults__ = function.__kwdefaults__
    made.__dict__.update(function.__dict__)
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    return made


def _compiled(function: types.FunctionType, key: _Key) -> types.CodeType | None:
    """The code of the function, transformed; None if there is nothing to do, or no way."""
    code = function.__code__
    plain = plain_code(code)
    if plain is not None and not (plain.calls or plain.modules):
        if plain.is_certain(of_arrays=False):
            return None  # else what it calls may become another function
    from .syntax import HELPER

    if code.co_filename.startswith(_FOREIGN) or "site-packages" in code.co_filename:
        return None
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return None
    if HELPER in code.co_freevars:  # it stands in a function that was transformed as a whole
        return None
    used = set(code.co_names)
    if "@py_builtins" in used:  # an assert that pytest has rewritten
        used.discard("locals")
    if {"locals", "eval", "exec"} & used:
        return None
    if code.co_name == "<lambda>":
        from .lambdas import lambda_at  # few functions are, and it takes time to load

        found = lambda_at(code, function.__globals__)
        module = ast.Module([], [])
        return None if found is None else _of_node(function, found, module, 1, key)
    try:
        # `inspect.getsourcelines` looks at every module before it looks at the file.
        linecache.checkcache(code.co_filename)
        source = linecache.getlines(code.co_filename, function.__globals__)
        first = code.co_firstlineno
        module = definition_at(source, first - 1)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        return None
    node = module.body[0] if module.body else None
    if not isinstance(node, ast.FunctionDef) or node.name != code.co_name:
        return None
    if "super" in used and not _names_class(node):
        return None
    return _of_node(function, node, module, first, key)


def _of_node(
    function: types.FunctionType,
    node: ast.FunctionDef,
    module: ast.Module,
    first: int,
    key: _Key,
) -> types.CodeType | None:
    """The code of ``node``, which is ``function`` and stands at the line ``first``, transformed."""
    from .syntax import HELPER
    from .transform import transform

    code = function.__code__
    _mangle(node, function)
    node.decorator_list = []
    node.name = "__mlc_function__"  # within the factory its own name must not hide the global one
    lambdas = {n.lineno + first - 1 for n in walk(node) if isinstance(n, ast.Lambda)}
    failing, is_last, recursive = key
    path = function.__qualname__.split(".")
    is_method = len(path) > 1 and path[-2] != "<locals>"
    loops = {node: (code.co_name, is_method)} if code.co_name in recursive else {}
    inner = [n for n in walk(node) if isinstance(n, ast.FunctionDef) and n is not node]
    loops |= {n: (n.name, False) for n in inner if n.name in recursive}
    if not transform(node, failing, is_last, loops):
        return None
    for argument in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
        ast.copy_location(argument, node)
    node.args.defaults = [ast.Constant(None, lineno=1, col_offset=0) for _ in node.args.defaults]
    node.args.kw_defaults = [
        None if d is None else ast.Constant(None, lineno=1, col_offset=0)
        for d in node.args.kw_defaults
    ]
    for part in walk(node.args):
        if isinstance(part, ast.arg):
            part.annotation = None
    node.returns = None
    names = [*code.co_freevars, HELPER]
    factory = ast.parse(f"def factory({', '.join(names)}): pass").body[0]
    assert isinstance(factory, ast.FunctionDef)
    factory.body = [node]
    module.body = [factory]
    settle_places(module, node, first - 1)
    futures = code.co_flags & annotations.compiler_flag  # inner functions' annotations stay texts
    whole = compile(module, code.co_filename, "exec", futures, dont_inherit=True)
    outer = next(c for c in whole.co_consts if isinstance(c, types.CodeType))
    made = next(
        c for c in outer.co_consts if isinstance(c, types.CodeType) and c.co_name == node.name
    )
    old = getattr(made, "co_qualname", "")
    return _renamed(made, code, old, getattr(code, "co_qualname", ""), lambdas)


def _renamed(
    made: types.CodeType, code: types.CodeType, old: str, top: str, lambdas: Collection[int]
) -> types.CodeType:
    """``made`` called as ``code`` is, and what is defined in it as in ``top``, not ``old``; parts
    that loops, branches and conditions became bear the name of the function, which errors show.
    The user's own lambdas are in the lines ``lambdas``."""
    from .transform import ASKED, PART

    def inside(const: Any) -> Any:
        if not isinstance(const, types.CodeType):
            return const
        is_made = const.co_name == "<lambda>" and const.co_firstlineno not in lambdas
        if not (is_made or const.co_name.startswith((PART, ASKED))):
            return _renamed(const, const, old, top, lambdas)
        part = _renamed(const, code, old, top, lambdas)
        if const.co_name.startswith(PART):
            PARTS.add(part)
        return part

    inner = tuple(map(inside, made.co_consts))
    made = made.replace(co_name=code.co_name, co_consts=inner)
    if sys.version_info < (3, 11):
        return made
    return made.replace(co_qualname=code.co_qualname.replace(old, top, 1))


def _names_class(node: ast.FunctionDef) -> bool:
    """Whether each ``super()`` in ``node`` is now ``super(__class__, self)``, which may stand in
    the functions that loops and branches become."""
    inner = [n for n in walk(node) if isinstance(n, _SCOPES) and n is not node]
    hidden = {id(part) for scope in inner for part in walk(scope)}
    first = [*node.args.posonlyargs, *node.args.args][:1]
    for part in walk(node):
        if not isinstance(part, ast.Name) or part.id != "super":
            continue
        if id(part) in hidden or not first:
            return False
    for part in walk(node):
        match part:
            case ast.Call(func=ast.Name(id="super"), args=[]):
                part.args = [_name("__class__", part), _name(first[0].arg, part)]
    return True


def _name(name: str, where: ast.expr) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Load()), where)


def _mangle(node: ast.FunctionDef, function: types.FunctionType) -> None:
    """Names such as ``__x`` as the class around the method spells them."""
    path = function.__qualname__.split(".")
    if len(path) < 2 or path[-2] == "<locals>":
        return
    prefix = "_" + path[-2].lstrip("_")
    for part in walk(node):
        for field in ("attr", "id"):
            name = getattr(part, field, "")
            if isinstance(name, str) and name.startswith("__") and not name.endswith("__"):
                setattr(part, field, prefix + name)
