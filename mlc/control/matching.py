"""``match`` over values as the ``if`` statements that it is, which may become native.

::

    match state:                         if state == State.START:
        case State.START:                    ...
            ...                  ->      elif state == 1 or state == 2:
        case 1 | 2:                          ...
            ...                          elif n > 3:
        case n if n > 3:                     n = state
            ...                              ...
        case _:                          else:
            ...                              ...

So it is with ``match a, b:`` whose cases are pairs of such patterns. Where one of the cases takes
something apart, an object, a dict or a list, the statement stays Python's.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from .nodes import walk
from .syntax import fill


def lower_matches(function: ast.FunctionDef) -> None:
    """The rewrite above, in place, in functions inside of ``function``, too."""
    if any(isinstance(node, ast.Match) for node in walk(function)):
        _Lowering(function).visit(function)


_CHANGING = (ast.Call, ast.NamedExpr)


class _Open(Exception):
    """A pattern that is more than values and names for all there is."""


class _Lowering(ast.NodeTransformer):
    def __init__(self, function: ast.FunctionDef) -> None:
        self.function = function
        self.count = 0

    def visit_Match(self, node: ast.Match) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        guards = [case.guard for case in node.cases if case.guard is not None]
        steady = not any(isinstance(n, _CHANGING) for g in guards for n in ast.walk(g))
        subject, parts, before = self.subject(node.subject, steady)
        try:
            cases = [self.case(case, subject, parts, node.cases) for case in node.cases]
        except _Open:
            return node
        rest: list[ast.stmt] = []
        for test, body in reversed(cases):
            rest = body if test is None else [ast.If(test, body, rest)]
        made = [*before, *rest]
        for stmt in made:
            fill(stmt, node)
        return made

    def subject(
        self, node: ast.expr, steady: bool
    ) -> tuple[ast.expr, list[ast.expr], list[ast.stmt]]:
        """What is compared, its parts if it is a tuple that is written out, and what holds them:
        variables of the user's own are ``steady`` where no guard may change them."""
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        before: list[ast.stmt] = []
        held: list[ast.expr] = []
        for part in parts:
            if isinstance(part, ast.Starred):
                return node, [], []
            if not (steady and isinstance(part, ast.Name)):
                self.count += 1
                name = f"_mlc_match{self.count}"
                before.append(ast.Assign([ast.Name(name, ast.Store())], part))
                part = ast.Name(name, ast.Load())
            held.append(part)
        if isinstance(node, ast.Tuple):
            return ast.Tuple(held, ast.Load()), held, before
        return held[0], [], before

    def case(
        self,
        case: ast.match_case,
        subject: ast.expr,
        parts: Sequence[ast.expr],
        cases: Sequence[ast.match_case],
    ) -> tuple[ast.expr | None, list[ast.stmt]]:
        """What is asked, None for nothing, and what is done then."""
        bound: dict[str, ast.expr] = {}
        tests = _tests(case.pattern, subject, parts, bound)
        if case.guard is not None:
            if any(self.is_used_beside(name, cases) for name in bound):
                raise _Open  # Python binds names before it asks
            tests.append(_Named(bound).visit(copy.deepcopy(case.guard)))
        body = case.body
        if bound:  # all at once: `case (b, a):` of `match a, b:` swaps them
            targets: list[ast.expr] = [ast.Name(name, ast.Store()) for name in bound]
            values = [copy.deepcopy(value) for value in bound.values()]
            is_one = len(bound) == 1
            target = targets[0] if is_one else ast.Tuple(targets, ast.Store())
            value = values[0] if is_one else ast.Tuple(values, ast.Load())
            body = [ast.Assign([target], value), *body]
        if not tests:
            return None, body
        return tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests), body

    def is_used_beside(self, name: str, cases: Sequence[ast.match_case]) -> bool:
        """Whether there is a variable ``name`` beside those of the ``cases`` that bind it."""
        binding = [
            case
            for case in cases
            if any(getattr(part, "name", None) == name for part in walk(case.pattern))
        ]
        inner = {id(node) for case in binding for node in walk(case)}
        return any(
            isinstance(node, ast.Name) and node.id == name and id(node) not in inner
            for node in walk(self.function)
        )


def _tests(
    pattern: ast.pattern, subject: ast.expr, parts: Sequence[ast.expr], bound: dict[str, ast.expr]
) -> list[ast.expr]:
    """What must hold for ``pattern``, all of it; the names that it binds go to ``bound``."""
    match pattern:
        case ast.MatchAs(pattern=None, name=None):
            return []
        case ast.MatchAs(pattern=inner, name=str(name)):
            tests = [] if inner is None else _tests(inner, subject, parts, bound)
            bound[name] = subject
            return tests
        case ast.MatchValue(value=value):
            return [ast.Compare(copy.deepcopy(subject), [ast.Eq()], [value])]
        case ast.MatchSingleton(value=value):
            return [ast.Compare(copy.deepcopy(subject), [ast.Is()], [ast.Constant(value)])]
        case ast.MatchOr(patterns=patterns):
            ways = [_tests(each, subject, parts, bound) for each in patterns]
            if bound or not all(ways):
                raise _Open
            each = [way[0] if len(way) == 1 else ast.BoolOp(ast.And(), way) for way in ways]
            return [ast.BoolOp(ast.Or(), each)]
        case ast.MatchSequence(patterns=patterns) if parts and len(parts) == len(patterns):
            if any(isinstance(each, ast.MatchStar) for each in patterns):
                raise _Open
            pairs = zip(patterns, parts, strict=True)
            return [test for each, part in pairs for test in _tests(each, part, [], bound)]
    raise _Open


class _Named(ast.NodeTransformer):
    """Names that a pattern binds as what they are bound to."""

    def __init__(self, bound: dict[str, ast.expr]) -> None:
        self.bound = bound

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return copy.deepcopy(self.bound.get(node.id, node))
