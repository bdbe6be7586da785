"""Python source in which loops and branches may become native.

::

    for i in range(n):          def body(item):
        s = s + x[i]                nonlocal i, s
                                    i = item
                          ->        s = s + x[i]
                                __mlc__.for_(range(n), body, ...)

Lines stay, so that errors name the user's. What stands in the place of a statement decides when it
runs: over what is known while tracing it is Python's own loop or branch.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from . import comprehensions
from .attempts import lower_attempts
from .certainty import mark_certain
from .compare_nodes import Comparisons
from .exits import DONE, FLAGS, LATE_VALUE, TAKEN, VALUE, lower_exits
from .failing import rewrite_exits, rewrite_raises
from .failing_values import caught_body
from .handing import as_test, hand_parts, hand_to, may_take
from .kept_lists import mark_kept
from .list_names import as_grown, as_table, asked, growing, is_steady, with_lists
from .matching import lower_matches
from .matters import matters, of_numpy, own_nodes, taken_at_once
from .names import assigned, changed, exposed, exposed_after, loads, touched, weight
from .nodes import walk
from .reads import PART as INNER
from .reads import RAW, doubtful, guard_reads, made_none
from .syntax import (
    HELPER,
    Unannotated,
    called,
    constant,
    ends_in_error,
    fill,
    filled,
    flags_test,
    is_computed,
    is_docstring,
    placed,
    raw,
    thunk,
    variable,
    without_slices,
)

PART = "_mlc_part"  # begins the names of the functions that loops and branches become
ASKED = "_mlc_asked"  # those of what is asked later, and binds names: `a and (b := c)`
_LATER = ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef
_COMPOUND = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)
_NUMPY = ("np", "numpy", HELPER)
_LISTS = (ast.List, ast.Tuple, ast.ListComp)
_STATES = ("errstate", "seterr")
NONE: Mapping[Any, Any] = MappingProxyType({})
_REFUSED = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)


def transform(
    function: ast.FunctionDef, failing: bool = False, is_last: bool = False,
    loops: Mapping[ast.FunctionDef, tuple[str, bool]] = NONE,
) -> bool:  # fmt: skip
    """Rewrite ``function`` in place; False, and untouched, if there is nothing to do in it.

    With ``failing`` its errors can be noted by native code, see `failing`. Nobody writes to
    anything after one that ``is_last``. Functions that call themselves become ``loops``: each has a
    name, and may be a method, see `machines`.
    """
    mark_certain(function)
    lower_matches(function)
    mark_kept(function)
    names = doubtful(function)
    trusted: set[str] = set()
    if loops:
        from .machines import as_machine  # few functions call themselves

        for node, (name, is_method) in loops.items():
            trusted |= as_machine(node, name, is_method)
        names |= doubtful(function) - trusted
    is_made = _transform(function, failing, is_last)
    if is_made:
        guard_reads(function, names, trusted)
    return is_made


def _transform(function: ast.FunctionDef, failing: bool, is_last: bool) -> bool:
    rewrite_exits(function)
    own = list(own_nodes(function))
    if any(isinstance(node, _REFUSED) for node in own) or not any(map(matters, own)):
        return False
    lists = growing([function])  # before functions in it become something else
    for node in own:
        if isinstance(node, ast.FunctionDef) and node is not function:
            _transform(node, failing, is_last=False)
    if any(isinstance(node, ast.Try) for node in own):
        lower_attempts(function)
    if failing:
        rewrite_raises(function)
    lower_exits(function, is_last)
    function.body = [Unannotated().visit(stmt) for stmt in function.body]
    body = function.body
    worker = _Worker(function, lists)
    everything = assigned(body)  # before the targets of loops go to functions of their own
    made = worker.block(body)
    if worker.takes:
        taken = ast.parse(f"{TAKEN} = __mlc__.takes_none()").body[0]
        made.insert(is_docstring(made[0]), placed(taken, body[0]))
    names = [n for n in everything if n not in worker.shared]
    parameters = {a.arg for a in walk(function.args) if isinstance(a, ast.arg)}
    bound = [n for n in names if n not in parameters]
    head: list[ast.stmt] = []
    if bound and worker.count:
        # Never run: it says that these are variables of this function.
        text = f"if False:\n    {' = '.join(bound)} = None"
        head = [placed(ast.parse(text).body[0], body[0])]
    if made and is_docstring(made[0]):
        function.body = [made[0], *head, *made[1:]]
    else:
        function.body = [*head, *made]
    return True


class _Worker(Comparisons):
    """Rewrites the statements and expressions of one function."""

    def __init__(self, function: ast.FunctionDef, lists: set[str]) -> None:
        self.growing = lists  # names of lists that may grow
        self.count = 0
        self.tried = 0  # how many try statements are around
        self.lambdas = 0  # how many lambdas and comprehensions are
        self.hoisted: list[ast.stmt] = []  # what has to stand before the current statement
        self.shared: set[str] = set()  # names of other scopes
        self.globals: set[str] = set()
        own = own_nodes(function)
        for node in own:
            if isinstance(node, (ast.Global, ast.Nonlocal)):
                self.shared.update(node.names)
            if isinstance(node, ast.Global):
                self.globals.update(node.names)
        self.at_once = taken_at_once(own)
        self.nones = made_none(own)
        at_once = {
            n.args[0] for n in own if isinstance(n, ast.Call) and comprehensions.is_consumed(n)
        }
        inner = [n for n in own if isinstance(n, _LATER) and n not in at_once]
        # What is read after the current block, or at a time that is not known.
        self.live: set[str] = {VALUE, LATE_VALUE, DONE, *self.shared, *loads(inner)}
        self.after: set[str] = set(self.live)  # what is read after the current statement

    def block(self, stmts: Sequence[ast.stmt], live: set[str] | None = None) -> list[ast.stmt]:
        """``stmts`` rewritten, where ``live`` is read after them."""
        outer = self.live, self.after
        self.live = self.live if live is None else live
        out: list[ast.stmt] = []
        behind = exposed_after(stmts, _COMPOUND)
        for n, stmt in enumerate(stmts):
            if n in behind:
                read, surely = behind[n]
                self.after = read | (self.live - surely)
            around, self.hoisted = self.hoisted, []
            made = self.visit(stmt)
            out += self.hoisted
            self.hoisted = around
            out += made if isinstance(made, list) else [made]
        self.live, self.after = outer
        return out

    def visit_With(self, node: ast.With) -> ast.AST:
        node.items = [self.visit(item) for item in node.items]
        node.body = self.block(node.body, self.after)
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST:
        live = self.after | set(loads([node]))
        self.tried += 1
        node.body = self.block(node.body, live)
        self.tried -= 1
        for handler in node.handlers:
            handler.body = self.block(handler.body, live)
        node.orelse = self.block(node.orelse, live)
        node.finalbody = self.block(node.finalbody, live)
        if node.handlers:
            kinds = [thunk(h.type) for h in node.handlers if h.type is not None]
            node.body = [caught_body(node)]
            first = ast.ExceptHandler(called("refusals", kinds), None, [ast.Raise()])
            fill(first, node.handlers[0])
            node.handlers.insert(0, first)
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        node.subject = self.visit(node.subject)
        live = self.after | set(loads([node]))
        for case in node.cases:
            case.body = self.block(case.body, live)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # transformed already

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node

    # Statements

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        return self.imported(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        return self.imported(node)

    def imported(self, node: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
        """An import of NumPy, which traced code sees through a stand-in."""
        out: list[ast.stmt] = [node]
        for name in of_numpy(node):
            value = called("stand_in", [variable(name)])
            made = ast.Assign([ast.Name(name, ast.Store())], value)
            fill(made, node)
            out.append(made)
        return out

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        self.generic_visit(node)
        if len(node.targets) == 1:
            node.value = hand_to(node.targets[0], node.value, self.nones, self.shared)
        return with_lists(node, self.growing)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        node.values = list(map(as_grown, node.values))
        return as_table(node)

    def visit_Set(self, node: ast.Set) -> ast.AST:
        self.generic_visit(node)
        return as_table(node)

    def visit_Raise(self, node: ast.Raise) -> Any:
        if self.tried:
            return self.generic_visit(node)
        self.generic_visit(node)
        return [self.call("before_raise", [], node), node]

    def visit_Assert(self, node: ast.Assert) -> Any:
        self.generic_visit(node)
        message = constant(None) if node.msg is None else thunk(node.msg)
        return self.call("assert_", [node.test, message], node)

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        after = self.after
        both = [*node.body, *node.orelse]
        names = self.needed(both, after)
        first = exposed(node.body) | exposed(node.orelse)
        again = {*self.needed(both, first), *self.spent(both, names)}
        spent = [n for n in assigned(both) if n in again and n not in names]
        raises = ends_in_error(node.body), ends_in_error(node.orelse)
        hosts = [*self.hosts(both), constant(len(spent))]
        test = self.visit(asked(as_test(node.test, self.nones)))
        then = self.function(node.body, node, after)
        other = self.function(node.orelse, node, after)
        state = self.state([*names, *spent], node)
        call = self.call("if_", [test, variable(then[0]), variable(other[0]), *state,
                                 constant(raises), *hosts], node)  # fmt: skip
        return [*then[1], *other[1], *self.getters, call]

    def visit_For(self, node: ast.For) -> list[ast.stmt]:
        flags = getattr(node, FLAGS, [])
        again = exposed(node.body, set(assigned([node.target])))
        live = self.after | again | set(flags)
        names = self.needed([node.target, *node.body], live)
        lists, cost = self.lists(node.body), weight(node.body)
        spent = self.spent(node.body, names)
        hosts = [*self.hosts(node.body), constant(len(spent)), constant(is_steady(node.body))]
        source = self.visit(node.iter)
        item = ast.Assign([node.target], ast.Name("_mlc_item", ast.Load()))
        ast.copy_location(item, node)
        body = self.function([item, *node.body], node, live, "_mlc_item")
        state = self.state([*names, *spent], node)
        call = self.call("for_", [source, variable(body[0]), *state,
                                  flags_test(flags), lists, constant(cost), *hosts],
                         node)  # fmt: skip
        return [*body[1], *self.getters, call]

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        flags = getattr(node, FLAGS, [])
        again = exposed([ast.If(node.test, node.body, [])])
        live = self.after | again | set(flags)
        names = self.needed(node.body, live)
        lists, cost = self.lists(node.body), weight(node.body)
        spent = self.spent(node.body, names)
        hosts = [*self.hosts([ast.Expr(node.test), *node.body]), constant(len(spent))]
        test = self.later(self.visit(asked(as_test(node.test, self.nones))))
        body = self.function(node.body, node, live)
        state = self.state([*names, *spent], node)
        call = self.call("while_", [test, variable(body[0]), *state,
                                    flags_test(flags), lists, constant(cost), *hosts],
                         node)  # fmt: skip
        return [*body[1], *self.getters, call]

    def needed(self, block: Sequence[ast.AST], live: set[str]) -> list[str]:
        """The names that ``block`` assigns and whose values are needed after it."""
        return [n for n in assigned(block) if n in live and n not in self.globals]

    def spent(self, body: Sequence[ast.stmt], names: Sequence[str]) -> list[str]:
        """What loops and branches in the ``body`` of a loop assign and nobody reads after an
        iteration: each trace of the body is to find it as the first one did."""
        inner = [stmt for stmt in body if isinstance(stmt, _COMPOUND)]
        return [n for n in assigned(inner) if n not in names and n not in self.globals]

    def lists(self, stmts: Sequence[ast.stmt]) -> ast.expr:
        """A function that gives the values that ``stmts`` might change as Python objects."""
        names = [n for n in changed(stmts) if n not in assigned(stmts)]
        return ast.Tuple([raw(n) for n in names], ast.Load())

    def hosts(self, stmts: Sequence[ast.stmt]) -> list[ast.expr]:
        """The names of what ``stmts`` might change inside of, and functions that read them."""
        names = touched(stmts)
        reads = [raw(n) for n in names]
        return [constant(tuple(names)), ast.Tuple(reads, ast.Load())]

    def function(
        self, stmts: Sequence[ast.stmt], where: ast.AST, live: set[str], parameter: str = ""
    ) -> tuple[str, list[ast.stmt]]:
        """``stmts`` as a function of its own that shares all variables."""
        self.count += 1
        name = f"{PART}{self.count}"
        bound = assigned(stmts)
        body = self.block(stmts, live) or [ast.Pass()]
        head: list[ast.stmt] = []
        outer = [n for n in bound if n not in self.globals]
        if outer:
            head.append(ast.Nonlocal(outer))
        if inner := [n for n in bound if n in self.globals]:
            head.append(ast.Global(inner))
        body = [s for s in body if not isinstance(s, (ast.Nonlocal, ast.Global))] or [ast.Pass()]
        made = ast.parse(f"def {name}({parameter}): pass").body[0]
        assert isinstance(made, ast.FunctionDef)
        made.body = [*head, *body]
        setattr(made, INNER, True)
        fill(made, where)
        return name, [made]

    def state(self, names: Sequence[str], where: ast.AST) -> list[ast.expr]:
        """How the values of ``names`` are read and written: names, thunks, and a function."""
        self.getters: list[ast.stmt] = []
        thunks = ast.Tuple([raw(n) for n in names], ast.Load())
        labels = constant(tuple(names))
        if not names:
            return [labels, thunks, ast.Constant(None)]
        self.count += 1
        put = f"_mlc_put{self.count}"
        lines = [f"def {put}(_mlc_values):", f"    nonlocal {', '.join(names)}"]
        lines.append(f"    ({', '.join(names)},) = _mlc_values")
        for name in names:
            lines.append(f"    if {name} is {HELPER}.UNDEFINED: del {name}")
        self.getters = [placed(ast.parse("\n".join(lines)).body[0], where)]
        setattr(self.getters[0], RAW, True)
        return [labels, thunks, variable(put)]

    def later(self, value: ast.expr) -> ast.expr:
        """A function that asks for ``value``, which may bind names with ``:=``."""
        found = [part.target.id for part in walk(value) if isinstance(part, ast.NamedExpr)]
        if not found:
            return thunk(value)
        self.count += 1
        name = f"{ASKED}{self.count}"
        made = ast.parse(f"def {name}(): return").body[0]
        assert isinstance(made, ast.FunctionDef)
        names = dict.fromkeys(found)
        if outer := [n for n in names if n not in self.globals]:
            made.body.insert(0, ast.Nonlocal(outer))
        if inner := [n for n in names if n in self.globals]:
            made.body.insert(0, ast.Global(inner))
        made.body[-1] = ast.Return(value)
        setattr(made, INNER, True)
        fill(made, value)
        self.hoisted.append(made)
        return variable(name)

    def call(self, name: str, args: Sequence[ast.expr], where: ast.AST) -> ast.stmt:
        stmt = ast.Expr(called(name, args))
        fill(stmt, where)
        return stmt

    # Expressions

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self.inside(node)

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        if not comprehensions.is_loop(node):
            return self.inside(node)
        cost, names = comprehensions.cost_of(node), comprehensions.names_of(node)
        self.inside(node)
        return comprehensions.as_loop(node, cost, names)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self.table(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self.table(node)

    def table(self, node: ast.SetComp | ast.DictComp) -> ast.AST:
        """A comprehension of a dict or set, by way of a list where data might choose its items."""
        found = comprehensions.items_of(node)
        if found is not None:
            made: Any = self.visit_ListComp(found[1])
            return filled(called(found[0], [made]), node)
        self.inside(node)
        return as_table(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self.inside(node)

    def inside(self, node: ast.AST) -> ast.AST:
        self.lambdas += 1
        self.generic_visit(node)
        self.lambdas -= 1
        return node

    def is_bound_inside(self, node: ast.AST) -> bool:
        """Whether a part of ``node`` binds a name in a lambda or a comprehension, which nothing
        that is hoisted can do: it stays Python's."""
        return bool(self.lambdas) and any(isinstance(n, ast.NamedExpr) for n in walk(node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if comprehensions.is_consumed(node):
            items: Any = node.args[0]
            cost, names = comprehensions.cost_of(items), comprehensions.names_of(items)
            self.generic_visit(node)
            return comprehensions.as_consumed(node, cost, names)
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node
        if isinstance(node.func, ast.Name) and node.func.id == "dict":
            for keyword in node.keywords:
                keyword.value = as_grown(keyword.value)
        if may_take(node.func):
            node.args = [hand_parts(arg, self.nones, self.shared) for arg in node.args]
        node.func = filled(called("call", [node.func]), node.func)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.BinOp(left=ast.List(elts=[_]), op=ast.Mult(), right=right) if is_computed(
                right
            ):
                node.right = filled(called("times", [right]), right)
            case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod()):
                return filled(called("formatted", [node.left, node.right]), node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        has_values = is_computed(node.slice)
        self.generic_visit(node)
        if not has_values or not isinstance(node.ctx, ast.Load):
            return node
        return filled(called("item", [node.value, without_slices(node.slice)]), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node.test = asked(as_test(node.test, self.nones))
        self.generic_visit(node)
        if self.is_bound_inside(node):
            return node
        parts = [node.test, self.later(node.body), self.later(node.orelse)]
        choice = called("if_expression", parts)
        if node in self.at_once:
            choice.keywords.append(ast.keyword("is_taken", ast.Constant(True)))
        return filled(choice, node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self.is_bound_inside(node):
            return node
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        first, *rest = node.values
        return filled(called(name, [first, *map(self.later, rest)]), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.Not):
            return node
        return filled(called("not_", [node.operand]), node)
