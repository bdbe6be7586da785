"""Functions that call themselves, as loops over lists of what is left to do.

::

    def f(n):                             at = 0
        if n < 2:                         while at >= 0:
            return n                          if at == 0:
        return f(n - 1) + f(n - 2)                if n < 2: got = n; at = 1
                                                  else: calls += [2]; ns += [n]; n = n - 1; at = 0
                                     ->       if at == 2:
                                                  n = ns.pop(); first = got
                                                  calls += [3]; firsts += [first]; n = n - 2; at = 0
                                              if at == 3:
                                                  first = firsts.pop(); got = first + got; at = 1
                                              if at == 1:
                                                  at = calls.pop() if calls else -1
                                          return got

Each ``if`` is a part of the function that no call interrupts. What it needs after a call is put on
lists, one for each variable, and taken from there when the call is done. Parameters that each call
hands on as they are stay what they are.

This is tried where data decide how deep a function calls itself: both sides of such a condition are
traced, and that would not end (`recursion`).
"""

from __future__ import annotations

import ast
import copy
import itertools
import sys
from collections.abc import Sequence

from .exits import _gives, _leaves
from .machine_frames import DEPTH, Frames, NoMachineError, Site
from .machine_sources import source_of
from .names import assigned
from .nodes import walk
from .syntax import called, filled, placed

AT, GOT, CALLS = "_mlc_at", "_mlc_got", "_mlc_calls"
_ENTRY, _END = 0, 1
_LOOPS = (ast.For, ast.While)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_ALL = {"list": None, "sum": None, "any": True, "all": False}  # what generators are handed to


def as_machine(function: ast.FunctionDef, name: str, is_method: bool) -> set[str]:
    """Rewrite ``function``, which is called ``name``, in place; the variables of the loop that it
    becomes, none where it cannot become one, and is untouched then."""
    try:
        machine = _Machine(function, Frames(function, name, is_method))
        body, names = machine.made()
    except NoMachineError:
        return set()
    function.body = body
    return names


class _Machine:
    """``out`` is where the next statement goes: None after a jump."""

    def __init__(self, function: ast.FunctionDef, frames: Frames) -> None:
        self.function, self.frames = function, frames
        self.labels, self.temporaries = itertools.count(2), itertools.count(1)
        self.blocks: list[tuple[int, list[ast.stmt]]] = []
        self.loops: list[tuple[int, int]] = []  # where continue and break lead
        self.where: ast.AST = function.body[0]
        self.head: list[ast.stmt] = []  # declarations
        self.gives = any(map(_gives, function.body)) and not frames.result
        self.out: list[ast.stmt] | None = self.start(_ENTRY)
        error = "RecursionError('maximum recursion depth exceeded')"
        self.line(f"if {DEPTH} > {sys.getrecursionlimit()}: raise {error}")

    def made(self) -> tuple[list[ast.stmt], set[str]]:
        """The body of the function, and the variables in it."""
        self.sequence(self.function.body)
        if self.out is not None:
            if self.frames.result:
                raise NoMachineError
            if self.gives:
                self.line(f"{GOT} = None")
            self.go(_END)
        if not self.frames.sites and not self.frames.tails:
            raise NoMachineError
        self.where = self.function.body[0]
        kept = self.frames.settle(self.blocks, CALLS)
        begin = [f"{p} = __mlc__.handed({p})" for p in self.frames.varied]
        begin += [f"{AT} = {_ENTRY}", f"{DEPTH} = 1", *(f"{stack} = []" for stack in kept)]
        end = f"{AT} = {CALLS}.pop() if {CALLS} else -1" if kept else f"{AT} = -1"
        loop = self.parsed(f"while {AT} >= 0: pass")
        assert isinstance(loop, ast.While)
        loop.body = []
        for label, body in [*self.blocks, (_END, [self.parsed(end)])]:
            part = self.parsed(f"if {AT} == {label}: pass")
            assert isinstance(part, ast.If)
            part.body = body or part.body
            loop.body.append(part)
        _fill_empty(loop)
        body = [*self.head, *map(self.parsed, begin), loop]
        if self.gives or self.frames.result:
            body.append(self.parsed(f"return {self.frames.result or GOT}"))
        return body, set(assigned(body)) - self.frames.shared - {AT, *kept}

    # Where statements go

    def parsed(self, text: str) -> ast.stmt:
        return placed(ast.parse(text).body[0], self.where)

    def start(self, label: int) -> list[ast.stmt]:
        body: list[ast.stmt] = []
        self.blocks.append((label, body))
        return body

    def put(self, stmt: ast.stmt) -> None:
        assert self.out is not None
        self.out.append(stmt)

    def line(self, text: str) -> None:
        self.put(self.parsed(text))

    def go(self, label: int) -> None:
        """Jump to ``label``."""
        self.line(f"{AT} = {label}")
        self.out = None

    def temporary(self) -> str:
        return f"_mlc_t{next(self.temporaries)}"

    def assign(self, name: str, value: ast.expr) -> None:
        """``name = value``, a value that has calls in it, perhaps."""
        self.statement(self.assignment(name, value))

    def assignment(self, name: str, value: ast.expr) -> ast.Assign:
        made = ast.Assign([ast.Name(name, ast.Store())], value)
        ast.fix_missing_locations(ast.copy_location(made, self.where))
        return made

    # Statements

    def sequence(self, stmts: Sequence[ast.stmt]) -> None:
        for stmt in stmts:
            if self.out is None:
                return
            self.statement(stmt)

    def statement(self, stmt: ast.stmt) -> None:
        self.where = stmt
        calls = self.frames.calls(stmt)
        exits = _leaves(stmt)
        if isinstance(stmt, _SCOPES):
            raise NoMachineError
        if isinstance(stmt, (ast.Nonlocal, ast.Global)):
            self.head.append(stmt)
            return
        if not calls and not exits:
            self.put(stmt)
            return
        match stmt:
            case ast.Return(value=value):
                self.return_(value)
            case ast.Break():
                self.go(self.loops[-1][1])
            case ast.Continue():
                self.go(self.loops[-1][0])
            case ast.If():
                self.if_(stmt)
            case ast.For() | ast.While() if not calls:
                self.left_early(stmt)
            case ast.While():
                self.while_(stmt)
            case ast.For():
                self.for_(stmt)
            case ast.Expr(value=ast.Call() as call) if self.frames.is_own(call):
                self.call(call)
            case ast.AugAssign(target=target, op=op, value=value):
                self.augmented(target, op, value)
            case ast.Assign() | ast.AnnAssign() | ast.Expr():
                targets = getattr(stmt, "targets", [getattr(stmt, "target", None)])
                if any(t is not None and self.frames.calls(t) for t in targets):
                    raise NoMachineError
                if stmt.value is not None:
                    stmt.value = self.value(stmt.value)
                self.put(stmt)
            case _:
                raise NoMachineError

    def return_(self, value: ast.expr | None) -> None:
        match value:
            case ast.Call() if self.frames.is_own(value):
                self.operands(value)
                self.frames.tails += 1
                self.put(self.frames.arguments(value, self.where))
                self.line(f"{DEPTH} += 1")
                self.go(_ENTRY)
                return
            case None:
                if self.gives:
                    self.line(f"{GOT} = None")
            case _ if not self.frames.result:
                made = self.value(value)
                self.put(self.assignment(GOT, filled(called("handed", [made]), value)))
        self.go(_END)

    def if_(self, stmt: ast.If) -> None:
        test = self.value(stmt.test)
        made = ast.copy_location(ast.If(test, [], []), stmt)
        self.put(made)
        around = self.out
        ends = []
        for body, into in ((stmt.body, made.body), (stmt.orelse, made.orelse)):
            self.out = into
            self.sequence(body)
            ends.append(self.out)
        alive = [end for end in ends if end is not None]
        if len(alive) < 2:
            self.out = alive[0] if alive else None
        elif ends[0] is made.body and ends[1] is made.orelse:
            self.out = around
        else:
            self.join(alive)

    def join(self, ends: Sequence[list[ast.stmt]]) -> None:
        """Go on at one place from all of ``ends``."""
        label = next(self.labels)
        for end in ends:
            self.out = end
            self.go(label)
        self.out = self.start(label)

    def while_(self, stmt: ast.While) -> None:
        head, leave = next(self.labels), next(self.labels)
        self.go(head)
        self.out = self.start(head)
        if not (isinstance(stmt.test, ast.Constant) and stmt.test.value):
            made = ast.copy_location(ast.If(self.value(stmt.test), [], []), stmt)
            self.put(made)
            self.out = made.orelse
            self.sequence(stmt.orelse)
            if self.out is not None:
                self.go(leave)
            self.out = made.body
        self.loops.append((head, leave))
        self.sequence(stmt.body)
        if self.out is not None:
            self.go(head)
        self.loops.pop()
        self.out = self.start(leave)

    def for_(self, stmt: ast.For) -> None:
        source = source_of(self.value(stmt.iter), self.temporary, self.frames)
        if source is None:
            raise NoMachineError
        self.sequence([placed(ast.parse(line).body[0], stmt) for line in source.begin])
        for part in (*walk(source.test), *walk(source.item)):
            if "lineno" in part._attributes:
                ast.copy_location(part, stmt.iter)
        take = ast.Assign([stmt.target], source.item)
        steps = [placed(ast.parse(line).body[0], stmt) for line in source.advance]
        loop = ast.While(source.test, [take, *steps, *stmt.body], stmt.orelse)
        ast.fix_missing_locations(ast.copy_location(loop, stmt))
        ast.fix_missing_locations(ast.copy_location(take, stmt))
        self.while_(loop)

    def left_early(self, stmt: ast.For | ast.While) -> None:
        """A loop without calls that is left by ``return``."""
        flag = self.temporary()
        self.line(f"{flag} = False")
        self.put(_Leaving(flag, self.gives).visit(stmt))
        test = self.parsed(f"if {flag}: {AT} = {_END}")
        assert isinstance(test, ast.If)
        self.put(test)
        if _leaves(stmt) - {"return"}:
            raise NoMachineError
        self.out = test.orelse

    def augmented(self, target: ast.expr, op: ast.operator, value: ast.expr) -> None:
        """``target += value``: what the target holds is read before the calls in ``value``."""
        if self.frames.calls(target):
            raise NoMachineError
        if isinstance(target, ast.Name) and target.id not in self.frames.shared:
            made = self.value(value)
            self.put(ast.copy_location(ast.AugAssign(target, op, made), self.where))
            return
        name, load = self.temporary(), copy.deepcopy(target)
        for part in walk(load):
            if isinstance(getattr(part, "ctx", None), ast.Store):
                part.ctx = ast.Load()  # type: ignore[attr-defined]
        self.put(self.assignment(name, load))
        stmt = self.where
        made = self.value(value)
        left = ast.copy_location(ast.Name(name, ast.Store()), stmt)
        self.put(ast.copy_location(ast.AugAssign(left, op, made), stmt))
        store = ast.Assign([target], ast.copy_location(ast.Name(name, ast.Load()), stmt))
        self.put(ast.copy_location(store, stmt))

    # Expressions

    def call(self, node: ast.Call) -> None:
        """Call the function: what follows is done when it is done."""
        self.operands(node)
        site = Site(next(self.labels), self.where)
        self.frames.sites.append(site)
        self.put(site.push)
        self.put(self.frames.arguments(node, self.where))
        self.line(f"{DEPTH} += 1")
        self.go(_ENTRY)
        self.out = self.start(site.label)
        self.put(site.pop)

    def value(self, node: ast.expr) -> ast.expr:
        """``node`` without calls, which are made before."""
        if not self.frames.calls(node):
            return node
        match node:
            case ast.Call() if self.frames.is_own(node):
                if not self.gives and not self.frames.result:
                    raise NoMachineError
                self.call(node)
                if self.frames.result:
                    return self.named(self.frames.result)
                name = self.temporary()
                self.line(f"{name} = {GOT}")
                return self.named(name)
            case ast.BoolOp(op=op, values=values):
                return self.logic(op, values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                name = self.temporary()
                then, other = self.assignment(name, body), self.assignment(name, orelse)
                self.statement(ast.copy_location(ast.If(test, [then], [other]), node))
                return self.named(name)
            case ast.ListComp(elt=element, generators=loops):
                return self.gathered("list", element, loops)
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as items], keywords=[]):
                if name in _ALL:
                    return self.gathered(name, items.elt, items.generators)
                node.args = [self.gathered("list", items.elt, items.generators)]
                return node
            case ast.Compare(comparators=[_, *rest]) if any(map(self.frames.calls, rest)):
                raise NoMachineError
            case _ if isinstance(node, (*_SCOPES, ast.GeneratorExp, ast.SetComp, ast.DictComp,
                                        ast.NamedExpr, ast.Dict, ast.Await)):  # fmt: skip
                raise NoMachineError
        self.operands(node)
        return node

    def named(self, name: str) -> ast.expr:
        return ast.copy_location(ast.Name(name, ast.Load()), self.where)

    def logic(self, op: ast.boolop, values: Sequence[ast.expr]) -> ast.expr:
        """``and`` or ``or``, whose later sides run only where they are asked."""
        name = self.temporary()
        first, *rest = values
        whole: list[ast.stmt] = []
        for value in reversed(rest):
            test: ast.expr = self.named(name)
            test = test if isinstance(op, ast.And) else ast.UnaryOp(ast.Not(), test)
            whole = [ast.If(test, [self.assignment(name, value), *whole], [])]
            ast.fix_missing_locations(ast.copy_location(whole[0], self.where))
        self.assign(name, first)
        self.sequence(whole)
        return self.named(name)

    def gathered(
        self, what: str, element: ast.expr, loops: Sequence[ast.comprehension]
    ) -> ast.expr:
        """The list of all items, their sum, or whether any or all of them hold."""
        name, ends = self.temporary(), _ALL[what]
        begin = {"list": "[]", "sum": "0"}.get(what, str(not ends))
        body: list[ast.stmt]
        if ends is None:
            one = self.temporary()
            add = f"{name}.append({one})" if what == "list" else f"{name} = {name} + {one}"
            body = [self.assignment(one, element), self.parsed(add)]
        else:
            if len(loops) > 1:
                raise NoMachineError
            test = element if ends else ast.copy_location(ast.UnaryOp(ast.Not(), element), element)
            body = [ast.If(test, [self.parsed(f"{name} = {ends}"), ast.Break()], [])]
        for loop in reversed(loops):
            for test in reversed(loop.ifs):
                body = [ast.If(test, body, [])]
            body = [ast.For(loop.target, loop.iter, body, [])]
        ast.fix_missing_locations(ast.copy_location(body[0], self.where))
        self.line(f"{name} = {begin}")
        self.sequence(body)
        return self.named(name)

    def operands(self, node: ast.AST) -> None:
        """The parts of ``node`` without calls, in place, in the order of Python."""
        slots = _slots(node)
        last = max((n for n, slot in enumerate(slots) if self.frames.calls(slot.value)), default=-1)
        for n, slot in enumerate(slots[: last + 1]):
            made = self.value(slot.value) if self.frames.calls(slot.value) else slot.value
            if n < last and not self.frames.is_stable(made):
                name = self.temporary()
                self.put(self.assignment(name, made))
                made = self.named(name)
            slot.put(made)


class _Slot:
    """A place in a node where an expression stands."""

    def __init__(self, owner: ast.AST, field: str, index: int | None) -> None:
        self.owner, self.field, self.index = owner, field, index

    @property
    def value(self) -> ast.expr:
        found = getattr(self.owner, self.field)
        return found if self.index is None else found[self.index]  # type: ignore[no-any-return]

    def put(self, value: ast.expr) -> None:
        if self.index is None:
            setattr(self.owner, self.field, value)
        else:
            getattr(self.owner, self.field)[self.index] = value


def _slots(node: ast.AST) -> list[_Slot]:
    """The expressions right in ``node``; a method's own object stays where it is."""
    found: list[_Slot] = []
    for field, held in ast.iter_fields(node):
        for n, part in enumerate(held if isinstance(held, list) else [held]):
            if isinstance(part, (ast.keyword, ast.Slice, ast.Starred, ast.FormattedValue)):
                found += _slots(part)
            elif field == "func" and isinstance(part, (ast.Name, ast.Attribute)):
                continue
            elif isinstance(part, ast.expr):
                found.append(_Slot(node, field, n if isinstance(held, list) else None))
    return found


class _Leaving(ast.NodeTransformer):
    """A loop in which ``return x`` is ``got = x; flag = True; break``, and what follows a loop in
    it is not done once the flag is set."""

    def __init__(self, flag: str, gives: bool) -> None:
        self.flag, self.gives = flag, gives

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        lines = [f"{self.flag} = True", "break"]
        made = [placed(ast.parse(line).body[0], node) for line in lines[:1]]
        leave = ast.copy_location(ast.Break(), node)
        if not self.gives:
            return [*made, leave]
        value = node.value or ast.copy_location(ast.Constant(None), node)
        store = ast.Assign([ast.Name(GOT, ast.Store())], filled(called("handed", [value]), value))
        ast.fix_missing_locations(ast.copy_location(store, node))
        return [store, *made, leave]

    def visit_For(self, node: ast.For) -> ast.AST:
        return self.loop(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self.loop(node)

    def loop(self, node: ast.For | ast.While) -> ast.AST:
        node.body = self.block(node.body)
        node.orelse = self.block(node.orelse)
        return node

    def block(self, stmts: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for stmt in stmts:
            inner = isinstance(stmt, _LOOPS) and "return" in _leaves(stmt)
            made = self.visit(stmt)
            out += made if isinstance(made, list) else [made]
            if inner:
                leave = placed(ast.parse(f"if {self.flag}: pass").body[0], stmt)
                assert isinstance(leave, ast.If)
                leave.body = [ast.copy_location(ast.Break(), stmt)]
                out.append(leave)
        return out

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node


def _fill_empty(loop: ast.While) -> None:
    """Put ``pass`` where nothing is done."""
    for part in walk(loop):
        if isinstance(part, (ast.If, ast.For, ast.While)) and not part.body:
            part.body = [ast.copy_location(ast.Pass(), part)]
