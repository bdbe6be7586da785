"""Index maps: where each element of a buffer, or each point of a block, goes.

A map is given as a Python function and kept as text, ``lambda i, j: (i // 16, j, i % 16)``, so that
a step that holds it can be printed and stored. Text is read by a parser that knows sums, products,
quotients and remainders of integers and nothing else; it is never run.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..dtypes import int64
from ..errors import ScheduleError
from ..ir.affine import Sum, as_sum
from ..ir.bounds import interval
from ..ir.expr import Apply, Const, Expr, Var, apply, as_expr, const
from ..ir.rewrite import postorder, substitute
from ..ir.show import expr_text
from ..ir.simplify import simplify
from .digits import Digit, digit_of

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
}
_NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "neg": np.negative,
}
MOST_POINTS = 1 << 20  # that are tried one by one


@dataclass(frozen=True, eq=False)
class IndexMap:
    """``results`` are expressions of ``params``."""

    params: tuple[Var, ...]
    results: tuple[Expr, ...]

    @property
    def text(self) -> str:
        """The map as a Python lambda."""
        names = ", ".join(p.name for p in self.params)
        shown = [expr_text(r) for r in self.results]
        inside = shown[0] + "," if len(shown) == 1 else ", ".join(shown)
        return f"lambda {names}: ({inside})"

    def __call__(self, indices: Sequence[Expr], ranges: Mapping[Var, int] | None = None) -> Indices:
        """The results at ``indices``, simplified within ``ranges``."""
        at: dict[Var, Expr] = dict(zip(self.params, indices, strict=True))
        return tuple(simplify(substitute(r, at), ranges) for r in self.results)

    def extents(self, extents: Sequence[int]) -> tuple[int, ...] | str:
        """How far each result goes when the params run over ``extents``; or what is wrong."""
        ranges = dict(zip(self.params, extents, strict=True))
        out = []
        for result in self.results:
            low, high = interval(simplify(result, ranges), ranges)
            if low < 0 or high == float("inf"):
                return f"{expr_text(result)} of the index map goes from {low} to {high}"
            out.append(int(high) + 1)
        return tuple(out)

    def inverse(self, extents: Sequence[int], results: Sequence[Expr]) -> Indices | None:
        """The params in terms of ``results``; None where the map is no change of digits.

        Shown by taking every result for a number in a mixed radix whose digits are digits of the
        params, and finding all digits of each param.
        """
        ranges: dict[Var, int] = dict(zip(self.params, extents, strict=True))
        known: dict[Digit, Expr] = {}
        for result, value in zip(self.results, results, strict=True):
            terms = _terms(result, ranges)
            if terms is None:
                return None
            for n, (c, digit) in enumerate(terms):
                part = value // c if c > 1 else value
                if n + 1 < len(terms):
                    above = terms[n + 1][0]
                    if above % c or above // c < digit.extent:
                        return None
                    part = part % (above // c)
                known.setdefault(digit, part)
        return _assembled(self.params, ranges, known)

    def digits(self, extents: Sequence[int]) -> list[Digit] | None:
        """The digits of the params in the order in which loops over the results count them."""
        ranges: dict[Var, int] = dict(zip(self.params, extents, strict=True))
        out: list[Digit] = []
        for result in self.results:
            terms = _terms(result, ranges)
            if terms is None:
                return None
            out += [digit for _, digit in reversed(terms)]
        return out

    def collision(self, extents: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """Two points that the map takes to one, among the first million."""
        shape = list(extents)
        while np.prod(shape, dtype=float) > MOST_POINTS:
            longest = int(np.argmax(shape))
            shape[longest] = -(-shape[longest] // 2)
        points = np.indices(shape).reshape(len(shape), -1)
        env = dict(zip(self.params, points, strict=True))
        images = np.stack(
            [np.broadcast_to(_numbers(r, env), points[0].shape) for r in self.results]
        )
        _, first, which = np.unique(images, axis=1, return_index=True, return_inverse=True)
        again = np.flatnonzero(first[which.reshape(-1)] != np.arange(points.shape[1]))
        if not again.size:
            return None
        second = int(again[0])
        one = int(first[which.reshape(-1)[second]])
        return tuple(map(int, points[:, one])), tuple(map(int, points[:, second]))


Indices = tuple[Expr, ...]


def _terms(result: Expr, ranges: Mapping[Var, int]) -> list[tuple[int, Digit]] | None:
    """``result`` as digits with their weights, least first; None if it is not a plain sum."""
    total = as_sum(simplify(result, ranges))
    if total.constant:
        return None
    terms: list[tuple[int, Digit]] = []
    for atom, c in total.terms:
        digit = digit_of(atom, ranges)
        if digit is None or c < 0:
            return None
        if digit.extent > 1:
            terms.append((c, digit))
    terms.sort(key=lambda term: term[0])
    reach = 0
    for c, digit in terms:
        if c <= reach:
            return None
        reach += c * (digit.extent - 1)
    return terms


def _assembled(
    params: Sequence[Var], ranges: Mapping[Var, int], known: Mapping[Digit, Expr]
) -> Indices | None:
    out: list[Expr] = []
    for param in params:
        reached, value = 1, Sum((), 0).expr()
        for digit in sorted((d for d in known if d.var is param), key=lambda d: d.low):
            if digit.low != reached:
                return None
            reached = digit.low * digit.extent
            value = known[digit] * digit.low + value
        if reached < ranges[param]:
            return None
        out.append(simplify(value))
    return tuple(out)


def _numbers(root: Expr, env: Mapping[Var, Any]) -> Any:
    done: dict[Expr, Any] = {}
    for node in postorder(root):
        match node:
            case Var():
                done[node] = env[node]
            case Const(value=value):
                done[node] = np.int64(value)
            case Apply(fn=fn, args=args):
                done[node] = _NUMPY[fn](*(done[a] for a in args))
    return done[root]


def index_map(given: Callable[..., Any] | str, arity: int) -> IndexMap:
    """The map that a function or a text stands for; it must take ``arity`` indices."""
    if isinstance(given, str):
        found = parsed(given)
    else:
        found = traced(given, arity)
    if len(found.params) != arity:
        raise ScheduleError(
            f"the index map must take an index for each axis, which are {arity}, and takes "
            f"{len(found.params)}: {found.text}"
        )
    return found


def traced(function: Callable[..., Any], arity: int) -> IndexMap:
    """The map that ``function`` computes from ``arity`` variables."""
    kinds = inspect.Parameter
    params = list(inspect.signature(function).parameters.values())
    names = [p.name for p in params if p.kind is not kinds.VAR_POSITIONAL]
    if any(p.kind is kinds.VAR_POSITIONAL for p in params):
        names += [f"i{n}" for n in range(len(names), arity)]
    if len(names) != arity:
        raise ScheduleError(
            f"the index map must take an index for each axis, which are {arity}, and takes "
            f"{len(names)}: {', '.join(names)}"
        )
    variables = tuple(map(Var, names))
    out = function(*variables)
    results = tuple(as_expr(r) for r in (out if isinstance(out, (tuple, list)) else (out,)))
    for result in results:
        for node in postorder(result):
            fits = isinstance(node, Const) or any(node is v for v in variables)
            if node.dtype is not int64 or not (
                fits or isinstance(node, Apply) and node.fn in _NUMPY
            ):
                raise ScheduleError(
                    f"an index map is made of sums, products, quotients and remainders of its "
                    f"indices and of integers; it has {node!r}"
                )
    return IndexMap(variables, results)


def parsed(text: str) -> IndexMap:
    """The map that ``text``, a Python lambda, stands for."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise ScheduleError(f"an index map is written as a lambda, got {text!r}") from None
    if not isinstance(tree, ast.Lambda) or tree.args.vararg or tree.args.kwonlyargs:
        raise ScheduleError(f"an index map is written as a lambda, got {text!r}")
    names = {arg.arg: Var(arg.arg) for arg in tree.args.args}

    def read(node: ast.expr) -> Expr:
        match node:
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.Constant(value=int(value)) if type(value) is int:
                return const(value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return apply("neg", read(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return apply(_OPERATORS[type(op)], read(left), read(right))
        raise ScheduleError(
            f"an index map is made of sums, products, quotients and remainders of its indices and "
            f"of integers; {text!r} has {ast.unparse(node)!r}"
        )

    body = tree.body
    parts = body.elts if isinstance(body, (ast.Tuple, ast.List)) else [body]
    return IndexMap(tuple(names.values()), tuple(map(read, parts)))
