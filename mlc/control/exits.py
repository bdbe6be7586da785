"""break, continue and early return as flags, so that only loops and conditions are left.

::

    for i in r:                 stop = False
        if c: break       ->    for i in r (while not stop):
        s                           if c: stop = True
                                    else: s
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from .endless import end_loops
from .nodes import children, walk

DONE, VALUE = "_mlc_done", "_mlc_value"
LATE_VALUE = "_mlc_value_late"  # the result, where a `finally` or a caller may write to it
TAKEN = "_mlc_taken"  # whether the caller takes a result that may be None, see `handing`
FLAGS = "mlc_flags"  # attribute of a loop: the flags that end it
_LOOPS = (ast.For, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_BLOCKS = ("body", "orelse", "finalbody")


def lower_exits(function: ast.FunctionDef, is_last: bool = False) -> bool:
    """Rewrite ``function`` in place where it has exits from loops or branches; says whether the
    function returns by flags."""
    end_loops(function)
    for loop in [n for n in walk(function) if isinstance(n, ast.While) and not n.orelse]:
        if any(isinstance(n, ast.NamedExpr) for n in walk(loop.test)):
            _ask_inside(loop)
    function.body = [_Nones().visit(stmt) for stmt in function.body]
    body = function.body
    early = any(_has(s, ast.Return) for s in body if not isinstance(s, ast.Return))
    if not early and not any(_has(s, (ast.Break, ast.Continue)) or _has_else(s) for s in body):
        return False
    gives = any(_gives(s) for s in body)
    if early and gives and not _always(body):  # then None is what it returns at its end
        body.append(_at(ast.parse("return None").body[0], body[-1]))
    ends = any(isinstance(n, ast.Try) and n.finalbody for n in walk(function))
    value = VALUE if is_last and not ends else LATE_VALUE
    lowering = _Lowering(early, gives, value)
    function.body = lowering.block(body)
    if early:
        first = function.body[0] if function.body else function
        function.body = [_set(DONE, False, first), *function.body]
        last = ast.parse(f"return __mlc__.returned(lambda: {value}, {TAKEN})").body[0]
        function.body.append(_at(last, body[-1]))
    return early


def spoken(name: str) -> str:
    """A variable ``name``, or what is called by it, as messages call it."""
    return name.replace(LATE_VALUE, "the result").replace(VALUE, "the result")


def _ask_inside(loop: ast.While) -> None:
    """``while (y := f()) > 0: s``  ->  ``while True: if not (y := f()) > 0: break; s``: statements
    bind names."""
    test = ast.UnaryOp(ast.Not(), loop.test)
    leave = ast.If(test, [ast.Break()], [])
    for part in (test, test.op, leave, leave.body[0]):
        ast.copy_location(part, loop.test)
    loop.body = [leave, *loop.body]
    loop.test = ast.copy_location(ast.Constant(True), loop.test)


class _Nones(ast.NodeTransformer):
    """``return x if c else None``  ->  ``if c: return x else: return None``, and ``y = ...``, too:
    statements can leave None."""

    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, (*_FUNCTIONS, ast.expr)) else super().visit(node)

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        return _chosen(node, node.value, ast.Return)

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        match node.targets:
            case [ast.Name(id=name)]:
                return _chosen(
                    node, node.value, lambda v: ast.Assign([ast.Name(name, ast.Store())], v)
                )
        return node


def _chosen(
    node: ast.stmt, value: ast.expr | None, make: Callable[[ast.expr], ast.stmt]
) -> ast.stmt:
    match value:
        case ast.IfExp(test=test, body=first, orelse=second) if any(
            isinstance(side, ast.Constant) and side.value is None for side in (first, second)
        ):
            sides = [_chosen(node, side, make) for side in (first, second)]
            made: ast.stmt = ast.If(test, [sides[0]], [sides[1]])
        case None:
            return node
        case _:
            made = make(value) if value is not getattr(node, "value", None) else node
    _at_only(made, node)
    return made


def _has(node: ast.AST, kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> bool:
    """Whether such a statement stands in ``node``, functions in it left out."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, kind):
            return True
        if not isinstance(here, _FUNCTIONS):
            stack.extend(children(here))
    return False


def _gives(node: ast.AST) -> bool:
    """Whether a function returns something but None in ``node``."""
    match node:
        case ast.Return(value=None | ast.Constant(value=None)):
            return False
        case ast.Return(value=ast.Call(func=ast.Attribute(value=ast.Name(id="__mlc__")))):
            return False  # an error, see `failing`
        case ast.Return():
            return True
    return not isinstance(node, _FUNCTIONS) and any(map(_gives, children(node)))


def _has_else(node: ast.AST) -> bool:
    """Whether a loop with an ``else`` stands in ``node``: that follows a loop without ``break``."""
    loops = (n for n in walk(node) if isinstance(n, _LOOPS))
    return any(loop.orelse for loop in loops)


def _leaves(node: ast.AST) -> set[str]:
    """The exits in ``node`` that lead out of it: "return", "break", "continue"."""
    found: set[str] = set()
    stack: list[tuple[ast.AST, bool]] = [(node, False)]
    while stack:
        here, looped = stack.pop()
        match here:
            case ast.Return():
                found.add("return")
            case ast.Break() | ast.Continue() if not looped:
                found.add("break" if isinstance(here, ast.Break) else "continue")
            case ast.For() | ast.While():
                stack.extend((s, True) for s in here.body)
                stack.extend((s, looped) for s in here.orelse)
            case _ if not isinstance(here, _FUNCTIONS):
                stack.extend((child, looped) for child in children(here))
    return found


def _always(stmts: Sequence[ast.stmt]) -> bool:
    """Whether the end of ``stmts`` is never reached."""
    if not stmts:
        return False
    match stmts[-1]:
        case ast.Return() | ast.Break() | ast.Continue() | ast.Raise():
            return True
        case ast.If(body=body, orelse=orelse):
            return _always(body) and _always(orelse)
        case ast.With(body=body):
            return _always(body)
        case ast.While(test=ast.Constant(value=True), body=body):
            return not any("break" in _leaves(s) for s in body)
        case ast.For(body=body, orelse=orelse) | ast.While(body=body, orelse=orelse):
            return _always(orelse) and not any("break" in _leaves(s) for s in body)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
            tried = _always([*body, *orelse]) and all(_always(h.body) for h in handlers)
            return tried or _always(final)
        case ast.Match(cases=cases):
            return all(_always(c.body) for c in cases) and any(map(_takes_all, cases))
    return False


def _takes_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern


def _at(node: ast.stmt, where: ast.AST) -> ast.stmt:
    for part in walk(node):
        ast.copy_location(part, where)
    return node


def _set(name: str, value: bool, where: ast.AST) -> ast.stmt:
    return _at(ast.parse(f"{name} = {value}").body[0], where)


class _Lowering:
    def __init__(self, early: bool, gives: bool, value: str) -> None:
        self.early, self.gives, self.value = early, gives, value
        self.count = 0
        self.loops: list[tuple[str, str]] = []  # names of the flags for break and continue

    def flags(self, exits: set[str]) -> list[str]:
        """The flags that say that one of ``exits`` was taken."""
        names = [DONE] if "return" in exits and self.early else []
        if self.loops:
            stop, skip = self.loops[-1]
            names += [stop] if "break" in exits else []
            names += [skip] if "continue" in exits else []
        return names

    def block(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for n, stmt in enumerate(stmts):
            rest = list(stmts[n + 1 :])
            exits = _leaves(stmt)
            match stmt:
                case ast.Return(value=value) if self.early:
                    result = value if value is not None else ast.Constant(None)
                    if not self.gives and not isinstance(result, ast.Call):
                        return [*out, _set(DONE, True, stmt)]
                    store = ast.Assign([ast.Name(self.value, ast.Store())], result)
                    _at_only(store, stmt)
                    return [*out, store, _set(DONE, True, stmt)]
                case ast.Break():
                    return [*out, _set(self.loops[-1][0], True, stmt)]
                case ast.Continue():
                    return [*out, _set(self.loops[-1][1], True, stmt)]
                case ast.If() if exits and rest and _always(stmt.body):
                    stmt.orelse = [*stmt.orelse, *rest]
                    rest = []
                case ast.If() if exits and rest and _always(stmt.orelse):
                    stmt.body = [*stmt.body, *rest]
                    rest = []
            out += self.statement(stmt)
            flags = self.flags(exits)
            if flags and rest:
                return [*out, *self.unless(flags, self.block(rest), rest[0])]
            if not rest:
                return out
        return out

    def statement(self, stmt: ast.stmt) -> list[ast.stmt]:
        if isinstance(stmt, _FUNCTIONS):
            return [stmt]
        if isinstance(stmt, _LOOPS):
            return self.loop(stmt)
        exits: set[str] = set()
        if isinstance(stmt, ast.Try) and stmt.orelse:  # the else runs where the body ended
            exits = exits.union(*map(_leaves, stmt.body))
        for field in _BLOCKS:
            part = getattr(stmt, field, None)
            if isinstance(part, list) and part and isinstance(part[0], ast.stmt):
                setattr(stmt, field, self.block(part) or [_at(ast.Pass(), stmt)])
        for part in (*getattr(stmt, "handlers", ()), *getattr(stmt, "cases", ())):
            part.body = self.block(part.body) or [_at(ast.Pass(), stmt)]
        if isinstance(stmt, ast.Try) and exits:
            stmt.orelse = self.unless(self.flags(exits), stmt.orelse)
        return [stmt]

    def unless(
        self, flags: list[str], stmts: list[ast.stmt], where: ast.stmt | None = None
    ) -> list[ast.stmt]:
        """``stmts``, where none of ``flags`` is set."""
        if not flags:
            return stmts
        where = where or stmts[0]
        test = ast.parse(f"not ({' or '.join(flags)})", mode="eval").body
        for part in walk(test):
            ast.copy_location(part, where)
        guard = ast.If(test, stmts, [])
        _at_only(guard, where)
        return [guard]

    def loop(self, stmt: ast.For | ast.While) -> list[ast.stmt]:
        exits: set[str] = set().union(*map(_leaves, stmt.body))
        self.count += 1
        stop, skip = f"_mlc_stop{self.count}", f"_mlc_skip{self.count}"
        self.loops.append((stop, skip))
        stmt.body = self.block(stmt.body) or [_at(ast.Pass(), stmt)]
        if "continue" in exits:
            stmt.body.insert(0, _set(skip, False, stmt.body[0]))
        self.loops.pop()
        flags = [DONE] if "return" in exits and self.early else []
        before: list[ast.stmt] = []
        if "break" in exits:
            flags.append(stop)
            before.append(_set(stop, False, stmt))
        setattr(stmt, FLAGS, flags)
        after: list[ast.stmt] = []
        if stmt.orelse:
            after, stmt.orelse = self.unless(flags, self.block(stmt.orelse)), []
        return [*before, stmt, *after]


def _at_only(node: ast.stmt, where: ast.AST) -> None:
    """Give the place of ``where`` to ``node`` and to what in it has none."""
    ast.copy_location(node, where)
    for part in walk(node):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, where)
