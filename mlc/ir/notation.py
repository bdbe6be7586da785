"""Expressions as Python text, with as few parentheses as Python allows.

A *rule* turns one node and the texts of its children into a text; :func:`render` applies it without
recursion. ``script_rule`` is the notation of `mlc.script` and `mlc.te`; code generators that print
Python bring a rule of their own and share the precedences.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import DType, bfloat16, float64, int64
from .expr import Apply, Axis, Cast, Const, Expr, Load, Reduce, Select, Var
from .scalar import SCALAR_FNS


class Text(NamedTuple):
    """A piece of Python and how tightly its outermost operator binds."""

    text: str
    precedence: int


ATOM, UNARY, TERNARY = 20, 13, 1
PRECEDENCE = {
    "==": 6, "!=": 6, "<": 6, "<=": 6, ">": 6, ">=": 6, "|": 7, "^": 8, "&": 9,
    "<<": 10, ">>": 10, "+": 11, "-": 11, "*": 12, "/": 12, "//": 12, "%": 12,
}  # fmt: skip
SCRIPT_NAMES = {"maximum": "max", "minimum": "min"}  # what the script calls some of the functions

Rule = Callable[[Expr, "tuple[Text, ...]"], Text]


def render(root: Expr, rule: Rule, done: dict[Expr, Text]) -> Text:
    """The text of ``root``; ``done`` holds what is known already and grows."""
    stack = [root]
    while stack:
        node = stack[-1]
        missing = [child for child in node.children if child not in done]
        if node in done:
            stack.pop()
        elif missing:
            stack.extend(missing)
        else:
            done[node] = rule(node, tuple(done[child] for child in node.children))
    return done[root]


def infix(symbol: str, left: Text, right: Text) -> Text:
    """``left symbol right``, parenthesised where needed. Comparisons do not chain."""
    own = PRECEDENCE[symbol]
    a = wrapped(left, own + (own == 6))
    return Text(f"{a} {symbol} {wrapped(right, own + 1)}", own)


def prefix(symbol: str, value: Text) -> Text:
    """``symbol value`` for a unary operator."""
    return Text(symbol + wrapped(value, UNARY), UNARY)


def wrapped(value: Text, least: int) -> str:
    """``value`` in parentheses if it binds less tightly than ``least``."""
    return value.text if value.precedence >= least else f"({value.text})"


def call(function: str, *args: Text | str) -> Text:
    """``function(args...)``."""
    parts = (arg if isinstance(arg, str) else arg.text for arg in args)
    return Text(f"{function}({', '.join(parts)})", ATOM)


def subscript(name: str, indices: tuple[Text, ...]) -> Text:
    """``name[indices]``; ``name[()]`` where there are none."""
    return Text(f"{name}[{', '.join(i.text for i in indices) or '()'}]", ATOM)


def number_text(value: Any, dtype: DType, namespace: str = "") -> str:
    """A constant that reads back as the same ``dtype`` value; ``namespace`` has inf and nan."""
    if not dtype.is_float:
        return repr(value)
    if value != value:
        return f"{namespace}nan"
    if value in (float("inf"), float("-inf")):
        return f"{namespace}inf" if value > 0 else f"-{namespace}inf"
    if dtype is not float64:
        short = str(np.float32(value) if dtype is bfloat16 else dtype.numpy.type(value))
        if float(dtype.numpy.type(float(short))) == value:
            return repr(float(short))  # NumPy's versions differ in where exponents begin
    return repr(value)


def constant_text(node: Const) -> str:
    """A constant that stands alone: with its type, unless that follows from the number."""
    text = number_text(node.value, node.dtype, "np.")
    return text if _is_default(node.dtype) else f"T.{node.dtype.name}({text})"


def _constant(node: Const, prefix: str) -> Text:
    text = number_text(node.value, node.dtype, prefix)
    return Text(text, UNARY if text.startswith("-") else ATOM)


def _is_default(dtype: DType) -> bool:
    return dtype is int64 or dtype is float64  # two Python bools together count as integers


def script_rule(namespace: str, names: Mapping[Any, str]) -> Rule:
    """The rule for ``namespace`` = ``"T."``, ``"te."`` or, for messages, ``""``.

    ``names`` says what variables and sources are called; what it lacks goes by its own name.
    Numbers stand bare where their neighbour gives them their type.
    """

    def typed(node: Expr, text: Text, always: bool = False) -> Text:
        """A constant whose type does not follow from the text around it."""
        if not namespace or not isinstance(node, Const) or _is_default(node.dtype) > always:
            return text
        if namespace == "te.":
            return call("te.const", text, f'"{node.dtype.name}"')
        return call(f"{namespace}{node.dtype.name}", text)

    def rule(node: Expr, parts: tuple[Text, ...]) -> Text:
        match node:
            case Const():
                return _constant(node, "np." if namespace else "")
            case Var(name=name):
                return Text(names.get(node, name), ATOM)
            case Apply(fn=fn, args=args):
                row = SCALAR_FNS[fn]
                symbol = row.infix or fn in ("neg", "invert")
                if all(isinstance(arg, Const) for arg in args) or (
                    row.result == "bool" and row.infix and isinstance(args[0], Const)
                ):  # Python turns `3 < x` round to `x > 3` if 3 is no expression
                    parts = tuple(typed(a, p, bool(symbol)) for a, p in zip(args, parts))
                if namespace and row.result == "bool" and row.infix and type(args[0]) is Var:
                    if isinstance(args[1], Axis):  # of `loop < axis` Python makes `axis > loop`
                        return call(namespace + fn, *parts)
                if row.infix:
                    return infix(row.infix, *parts)
                if symbol:
                    return prefix("-" if fn == "neg" else "~", parts[0])
                if fn == "bitcast":
                    return call(f"{namespace}bitcast", *parts, f'"{node.dtype.name}"')
                return call(namespace + SCRIPT_NAMES.get(fn, fn), *parts)
            case Cast(value=value):
                part = typed(value, parts[0])
                if namespace == "te.":
                    return call("te.cast", part, f'"{node.dtype.name}"')
                return call(f"{namespace}{node.dtype.name}", part)
            case Select(then=a, otherwise=b):
                test, then, otherwise = parts
                if isinstance(a, Const) and isinstance(b, Const):
                    then, otherwise = typed(a, then), typed(b, otherwise)
                return call(f"{namespace}select", test, then, otherwise)
            case Load(source=source):
                return subscript(names.get(source) or identifier(source.name), parts)
            case Reduce(combiner=combiner, values=values, axes=axes, index=index):
                parts = tuple(map(typed, values, parts))
                bound = ", ".join(names.get(axis, axis.name) for axis in axes)
                over = f"axis={bound}" if len(axes) == 1 else f"axis=({bound})"
                if combiner.fn:
                    return call(namespace + combiner.name, *parts, over)
                folded = parts[0].text if len(parts) == 1 else _tuple(parts)
                out = call(identifier(combiner.name), folded, over)
                return out if len(parts) == 1 else Text(f"{out.text}[{index}]", ATOM)
        raise AssertionError(type(node))

    return rule


def _tuple(parts: tuple[Text, ...]) -> str:
    return f"({', '.join(part.text for part in parts)})"


def identifier(name: str) -> str:
    """``name`` as a Python identifier."""
    text = re.sub(r"\W", "_", name) or "_"
    return f"_{text}" if text[0].isdigit() or keyword.iskeyword(text) else text


def expr_text(expr: Expr, limit: int = 400) -> str:
    """``expr`` in Python's notation, for messages: cut to about ``limit`` characters."""
    rule = script_rule("", {})

    def short(node: Expr, parts: tuple[Text, ...]) -> Text:
        out = rule(node, parts)
        return out if len(out.text) <= limit else Text(f"{out.text[:limit]}...", ATOM)

    return render(expr, short, {}).text
