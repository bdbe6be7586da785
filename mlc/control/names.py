"""Which variables statements assign, and which values they need from before."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ..tracer.again import MACHINES
from .nodes import children, walk

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NUMPY = ("np", "numpy", "math", "__mlc__")
_CHANGING = frozenset(
    [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "clear",
        "sort",
        "reverse",
        "update",
        "add",
        "discard",
        "setdefault",
        "popitem",
        "appendleft",
        "rotate",
        "popleft",
        "extendleft",
    ]
)
_MACHINE = 200  # operations that a function which became a loop is taken for
HEAPS = frozenset({"heappush", "heappop", "heapify", "heapreplace", "heappushpop"})


def assigned(nodes: Iterable[ast.AST], with_nested: bool = True) -> list[str]:
    """The names that ``nodes`` bind, in order; those of nested functions are their own, but
    ``with_nested`` for the ``nonlocal`` ones: whoever runs ``nodes`` may call these functions."""
    found: dict[str, None] = {}
    stack = list(reversed(list(nodes)))
    while stack:
        node = stack.pop()
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                found[name] = None
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found[name] = None
                if with_nested:
                    found.update(dict.fromkeys(_rebound(node)))
                continue
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                found.update({(a.asname or a.name.split(".")[0]): None for a in names})
            case ast.ExceptHandler(name=str(name)):
                found[name] = None
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                found[name] = None
        if isinstance(node, _COMPREHENSIONS):
            stack.extend(c for c in walk(node) if isinstance(c, ast.NamedExpr))
            continue
        if not isinstance(node, _FUNCTIONS):
            stack.extend(reversed(list(children(node))))
    return list(found)


def _rebound(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """The variables around a function or class that functions in it, or it, declare as
    ``nonlocal``."""
    declared: dict[str, None] = {}
    inner: dict[str, None] = {}
    stack: list[ast.AST] = list(reversed(node.body))
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Nonlocal):
            declared.update(dict.fromkeys(part.names))
        elif isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            inner.update(dict.fromkeys(_rebound(part)))
        else:
            stack.extend(reversed(list(children(part))))
    if isinstance(node, ast.ClassDef):  # no scope of the functions in it
        return list({**declared, **inner})
    taken = node.args
    every = *taken.posonlyargs, *taken.args, *taken.kwonlyargs, taken.vararg, taken.kwarg
    own = {a.arg for a in every if a is not None} | set(assigned(node.body, False))
    return list({**declared, **{name: None for name in inner if name not in own}})


def loads(nodes: Iterable[ast.AST]) -> Counter[str]:
    """How often each name is read or deleted, in nested functions too; the variables of
    comprehensions are their own."""
    found: Counter[str] = Counter()
    for node in nodes:
        comprehensions = []
        for part in walk(node):
            if isinstance(part, ast.Name) and isinstance(part.ctx, (ast.Load, ast.Del)):
                found[part.id] += 1
            elif isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
                found[part.target.id] += 1
            elif isinstance(part, (ast.Nonlocal, ast.Global)):
                found.update(part.names)
            elif isinstance(part, _COMPREHENSIONS):
                comprehensions.append(part)
        for part in comprehensions:
            found -= _own_loads(part)
    return found


def _own_loads(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Counter[str]:
    """How often a comprehension reads its own variables, but in comprehensions in it that have
    variables of the same names."""
    first = node.generators[0].iter  # which is evaluated outside
    own = set(assigned([g.target for g in node.generators]))
    inside = loads(part for part in _parts(node) if part is not first)
    return Counter({name: inside[name] for name in own if inside[name]})


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    for part in children(node):
        yield from children(part) if isinstance(part, ast.comprehension) else (part,)


def exposed(stmts: Sequence[ast.stmt], defined: set[str] | None = None) -> set[str]:
    """The names whose values from before ``stmts`` may be read in them; ``defined`` gets those
    that are surely assigned at the end."""
    known: set[str] = set() if defined is None else defined
    found: set[str] = set()
    for stmt in stmts:
        match stmt:
            case ast.If(test=test, body=body, orelse=orelse):
                found |= set(loads([test])) - known
                left, right = set(known), set(known)
                found |= exposed(body, left) | exposed(orelse, right)
                known |= left & right
            case ast.For(target=target, iter=source, body=body, orelse=orelse):
                found |= set(loads([source])) - known
                inner = known | set(assigned([target]))
                found |= exposed(body, inner) | exposed(orelse, set(known))
            case ast.While(test=test, body=body, orelse=orelse):
                found |= set(loads([test])) - known
                found |= exposed(body, set(known)) | exposed(orelse, set(known))
            case ast.With(items=items, body=body):
                found |= set(loads(items)) - known
                known |= set(assigned(items))
                found |= exposed(body, known)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Expr():
                found |= set(loads([stmt])) - known
                known |= set(assigned([stmt])) - _perhaps(stmt)
            case _:
                found |= set(loads([stmt])) - known
    return found


def exposed_after(
    stmts: Sequence[ast.stmt], kinds: tuple[type, ...]
) -> dict[int, tuple[set[str], set[str]]]:
    """For each statement of one of ``kinds``, by its number, what those after it read from before
    them, and what they surely assign: see :func:`exposed`."""
    found: dict[int, tuple[set[str], set[str]]] = {}
    if not any(isinstance(stmt, kinds) for stmt in stmts):
        return found
    read: set[str] = set()
    surely: set[str] = set()
    for n in range(len(stmts) - 1, -1, -1):
        if isinstance(stmts[n], kinds):
            found[n] = set(read), set(surely)
        own: set[str] = set()
        first = exposed([stmts[n]], own)
        read -= own
        read |= first
        surely |= own
    return found


def _perhaps(stmt: ast.stmt) -> set[str]:
    """The names that ``:=`` binds in a statement, such as ``a and (b := c)``."""
    found = (part.target for part in walk(stmt) if isinstance(part, ast.NamedExpr))
    return {target.id for target in found}


def changed(stmts: Iterable[ast.AST]) -> list[str]:
    """The names of which a method such as append is called, or whose items are set; those of lists
    that ``+=`` makes longer."""
    found: dict[str, None] = {}
    for stmt in stmts:
        for node in walk(stmt):
            match node:
                case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in _CHANGING:
                    pass
                case ast.Call(
                    func=ast.Attribute(attr=attr) | ast.Name(id=attr), args=[value, *_]
                ) if attr in HEAPS:
                    pass
                case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                    pass
                case ast.AugAssign(target=value, op=ast.Add() | ast.Mult()):
                    pass
                case _:
                    continue
            while isinstance(value, (ast.Subscript, ast.Attribute)):
                value = value.value
            if isinstance(value, ast.Name):
                found[value.id] = None
    return list(found)


def touched(stmts: Iterable[ast.AST]) -> list[str]:
    """The names of what ``stmts`` may change without naming it anew: items and attributes that
    are set, objects whose methods are called, and what is passed to functions."""
    found: dict[str, None] = {}
    for stmt in stmts:
        for node in walk(stmt):
            values: list[ast.expr] = []
            match node:
                case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                    values = [value]
                case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
                    values = [value]
                case ast.AugAssign(target=ast.Name() as value, op=ast.Add() | ast.Mult()):
                    values = [value]
                case ast.Call(func=function, args=args, keywords=keywords):
                    if isinstance(function, ast.Attribute):
                        values = [function.value]
                    values += [*args, *(k.value for k in keywords)]
            for value in values:
                while isinstance(value, (ast.Subscript, ast.Attribute, ast.Starred)):
                    value = value.value
                if isinstance(value, ast.Name) and value.id not in _NUMPY:
                    found[value.id] = None
    return list(found)


def weight(stmts: Iterable[ast.AST]) -> int:
    """About how many operations ``stmts`` make of arrays."""
    total = 0
    machines = {name for _, name in MACHINES.get()}
    for stmt in stmts:
        for node in walk(stmt):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if (
                    name in machines
                ):
                    total += _MACHINE
                case ast.BinOp() | ast.Compare() | ast.UnaryOp() | ast.Subscript():
                    total += 1
                case ast.AugAssign():
                    total += 1
                case ast.Call():
                    total += 2
                case ast.For() | ast.While():
                    total += 8
    return max(total, 1)
