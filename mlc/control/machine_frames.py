"""What a function that calls itself needs after each call, and hands on to it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from .matters import own_nodes
from .names import assigned, changed, exposed, loads
from .nodes import walk
from .reads import doubtful
from .syntax import called, filled, placed

_GIVEN = "mlc_given"  # attribute of what gives the parameters of a call their values
DEPTH = "_mlc_depth"  # how many calls have not returned
_STACK = "_mlc_of_"  # begins the names of the lists with what variables held before calls


class NoMachineError(Exception):
    """The function has a part that no loop can stand for."""


class Site:
    """A call: what stands for it keeps the variables that are read after it, and takes them back
    at ``label``."""

    def __init__(self, label: int, where: ast.AST) -> None:
        self.label, self.where = label, where
        self.push, self.pop = _part(where), _part(where)


def _part(where: ast.AST) -> ast.If:
    made = ast.If(ast.Constant(True), [], [])
    placed(made, where)
    return made


class Frames:
    """The parameters of a function called ``name``, those ``varied`` from call to call above all,
    and its calls of itself: ``sites``, and how many ``tails``, after which nothing is done."""

    def __init__(self, function: ast.FunctionDef, name: str, is_method: bool) -> None:
        given = function.args
        names = [a.arg for a in (*given.posonlyargs, *given.args)]
        if given.vararg or given.kwarg or given.kwonlyargs or is_method and not names:
            raise NoMachineError
        self.name, self.object = name, names[0] if is_method else ""
        self.parameters = names[1:] if is_method else names
        first = len(names) - len(given.defaults)
        self.defaults = dict(zip(names[first:], given.defaults))
        self.shared: set[str] = set()  # names of other scopes
        for node in own_nodes(function):
            if isinstance(node, (ast.Nonlocal, ast.Global)):
                self.shared.update(node.names)
        bound = set(assigned(function.body))
        if name in bound - self.shared or not is_method and name in names or self.object in bound:
            raise NoMachineError
        self.locals = (bound | set(names)) - self.shared
        own = [node for node in own_nodes(function) if isinstance(node, ast.Call)]
        handed = [self.bound(node) for node in own if self.is_own(node)]
        self.varied = [
            p for p in self.parameters
            if p in bound or not all(_is_name(values[p], p) for values in handed)
        ]  # fmt: skip
        if set(self.varied) & set(changed(function.body)):  # their callers are to see it
            raise NoMachineError
        self.result = self._result(function)
        self.doubtful = doubtful(function)
        self.sites: list[Site] = []
        self.tails = 0

    def _result(self, function: ast.FunctionDef) -> str:
        """The parameter that all calls get and return as it is, such as an array to be sorted in
        place; "" if there is none."""
        given = [node.value for node in own_nodes(function) if isinstance(node, ast.Return)]
        names = {v.id if isinstance(v, ast.Name) else "" for v in given if not self._is_call(v)}
        name = names.pop() if len(names) == 1 else ""
        return name if name in self.parameters and name not in self.varied else ""

    def _is_call(self, value: ast.expr | None) -> bool:
        return value is not None and self.is_own(value)

    def is_own(self, node: ast.AST) -> bool:
        """Whether ``node`` calls the function itself."""
        match node:
            case ast.Call(func=ast.Name(id=name)):
                return not self.object and name == self.name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
                return bool(self.object) and owner == self.object and name == self.name
        return False

    def calls(self, node: ast.AST) -> bool:
        """Whether it is called anywhere in ``node``."""
        return any(map(self.is_own, walk(node)))

    def is_stable(self, node: ast.expr) -> bool:
        """Whether no call changes what ``node`` is."""
        return isinstance(node, ast.Constant) or (
            isinstance(node, ast.Name) and node.id not in self.shared
        )

    def bound(self, node: ast.Call) -> dict[str, ast.expr]:
        """The value of each parameter in a call."""
        if len(node.args) > len(self.parameters) or any(
            isinstance(a, ast.Starred) for a in node.args
        ):
            raise NoMachineError
        found = dict(zip(self.parameters, node.args))
        for keyword in node.keywords:
            if keyword.arg not in self.parameters or keyword.arg in found:
                raise NoMachineError
            found[keyword.arg] = keyword.value
        for name in self.parameters:
            if name not in found:
                default = self.defaults.get(name)
                if not isinstance(default, ast.Constant):
                    raise NoMachineError
                found[name] = default
        return found

    def arguments(self, node: ast.Call, where: ast.AST) -> ast.stmt:
        """``p, q = a, b``: the parameters get what a call hands them."""
        values = self.bound(node)
        if not self.varied:
            return placed(ast.Pass(), where)
        parts = [_copied(values[p]) for p in self.varied]
        targets: list[ast.expr] = [ast.Name(p, ast.Store()) for p in self.varied]
        made = ast.Assign([ast.Tuple(targets, ast.Store())], ast.Tuple(parts, ast.Load()))
        ast.fix_missing_locations(ast.copy_location(made, where))
        setattr(made, _GIVEN, True)
        return made

    def settle(self, blocks: Sequence[tuple[int, list[ast.stmt]]], calls: str) -> list[str]:
        """Let all sites keep what is read after them; the names of the lists that they use, of
        which ``calls`` says where to go on."""
        needed = self._needed(dict(blocks))
        stacks = {calls: None} if self.sites else {}
        for site in self.sites:
            names = sorted(needed[site.label])
            if set(names) & self.doubtful:
                raise NoMachineError
            names.append(DEPTH)
            stacks.update({_STACK + name: None for name in names})
            pairs = [(calls, str(site.label)), *((_STACK + name, name) for name in names)]
            keep = [f"__mlc__.pushing({', '.join(f'({a}, {b})' for a, b in pairs)})"]
            keep += [f"{stack}.append({value})" for stack, value in pairs]
            take = [f"{name} = {_STACK}{name}.pop()" for name in names]
            for part, lines in (site.push, keep), (site.pop, take):
                part.body = [placed(ast.parse(line).body[0], site.where) for line in lines]
        return list(stacks)

    def _needed(self, blocks: dict[int, list[ast.stmt]]) -> dict[int, set[str]]:
        """The variables whose values from before each of ``blocks`` may be read in it, or later."""
        ends = {site.push: site.label for site in self.sites}
        inner = {
            name
            for stmts in blocks.values()
            for stmt in stmts
            for node in walk(stmt)
            if isinstance(node, (ast.Lambda, ast.GeneratorExp))
            for name in loads([node])
        }
        lambdas: dict[int, set[str]] = {}
        for label, stmts in blocks.items():
            surely: set[str] = set()
            exposed([_seen(stmt) for stmt in stmts], surely)
            lambdas[label] = inner & surely if inner & self.locals else set()
        found: dict[int, set[str]] = {label: set() for label in blocks}
        is_new = True
        while is_new:
            is_new = False
            for label, stmts in blocks.items():
                read = _read_first(stmts, ends, found) | lambdas[label]
                live = {n for n in read if n in self.locals or n.startswith("_mlc_t")}
                live -= {p for p in self.parameters if p not in self.varied} | {self.object}
                if live != found[label]:
                    found[label], is_new = live, True
        return found


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _copied(value: ast.expr) -> ast.expr:
    """``value``, a copy if it is a list that may have another name."""
    if isinstance(value, (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Compare)):
        return value
    return filled(called("handed", [value]), value)


def _seen(stmt: ast.stmt) -> ast.stmt:
    """``stmt`` as its own variables see it: what a call gives to parameters is another's."""
    match stmt:
        case ast.Assign(value=value) if hasattr(stmt, _GIVEN):
            return ast.Expr(value)
        case ast.If(test=test, body=body, orelse=orelse):
            return ast.If(test, list(map(_seen, body)), list(map(_seen, orelse)))
    return stmt


def _read_first(
    stmts: Sequence[ast.stmt], ends: dict[ast.If, int], found: dict[int, set[str]],
    after: Collection[str] = (),
) -> set[str]:  # fmt: skip
    """The variables that are read on some way through ``stmts`` before they are set: in them, where
    they jump to or go on after a call, of which ``found`` says it, or ``after`` them."""
    live = set(after)
    for stmt in reversed(stmts):
        surely: set[str] = set()
        match stmt:
            case ast.Assign(targets=[ast.Name(id="_mlc_at")], value=ast.Constant(value=int(label))):
                live = set(found.get(label, ())) if label else set()
            case ast.If() if stmt in ends:
                live |= found[ends[stmt]]
            case ast.If(test=test, body=body, orelse=orelse):
                ways = [_read_first(way, ends, found, live) for way in (body, orelse)]
                read = exposed([ast.Expr(test)], surely)
                live = read | (set().union(*ways) - surely)
            case _:
                read = exposed([_seen(stmt)], surely)
                live = read | (live - surely)
    return live
