"""Expressions as Python closures over a frame: what the interpreter evaluates with.

A *frame* is a list that holds the arrays, the variables and the shared sub-expressions, each in
the slot given to it here. Index arithmetic runs on Python ints, everything else on NumPy scalars.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..dtypes import DType, boolean
from ..errors import BoundsError, CompileError, SourceLocation, refused
from .arithmetic import convert, scalar_function
from .bounds import interval
from .expr import Apply, Cast, Const, Expr, Load, Select, Var
from .index_range import magnitude
from .notation import Text, call, infix, prefix, render
from .program import Buffer
from .scalar import SCALAR_FNS
from .sharing import shared_nodes

Frame = list[Any]
Value = Callable[[Frame], Any]
Action = Callable[[Frame], None]

# Operators on NumPy scalars do what the functions do on arrays, and are several times faster.
_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le,
    "gt": operator.gt, "ge": operator.ge, "bitand": operator.and_, "bitor": operator.or_,
    "bitxor": operator.xor, "neg": operator.neg,
}  # fmt: skip
_ON_BOOL = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "bitand", "bitor", "bitxor"})


class Closures:
    """Compiles the expressions of one program. With ``check``, arrays have shadows that say what
    has been written, in the slots of ``("written", buffer)``."""

    def __init__(self, check: bool, script: Callable[[], str]) -> None:
        self.check = check
        self.script = script
        self.slots: dict[Any, int] = {}
        self.extents: dict[Var, int] = {}
        self.magnitudes: dict[Expr, int | None] = {}
        self.named: dict[Expr, int] = {}  # shared sub-expressions of the current statement: slot
        self.location: SourceLocation | None = None  # of the current block
        self.refusals: Mapping[str, tuple[str, str]] = {}  # see `Program`

    def slot(self, thing: Any) -> int:
        """The place of ``thing`` in the frame."""
        return self.slots.setdefault(thing, len(self.slots))

    def bind(self, var: Var, extent: int) -> int:
        """``var`` runs over ``range(extent)`` from here on; returns its slot."""
        if self.extents.get(var, extent) != extent:
            self.magnitudes.clear()
        self.extents[var] = extent
        return self.slot(var)

    def share(self, *exprs: Expr) -> list[Action]:
        """Begins a statement over ``exprs``: what to do first, for what they have in common."""
        self.named = {}
        before: list[Action] = []
        for node in shared_nodes(exprs, lazy=True):
            slot = self.slot(("shared", len(self.slots)))
            before.append(assign(slot, self.value(node)))
            self.named[node] = slot
        return before

    def is_index(self, expr: Expr) -> bool:
        return magnitude(expr, self.extents, self.magnitudes) is not None

    def value(self, expr: Expr) -> Value:
        """A closure for ``expr``: a Python int if it is index arithmetic, else a NumPy scalar."""
        if expr in self.named:
            return reader(self.named[expr])
        if self.is_index(expr):
            return self.index(expr)
        match expr:
            case Const(value=value):
                number = np.asarray(value, expr.dtype.numpy)[()]
                return lambda frame: number
            case Var():
                return reader(self.slot(expr))
            case Apply(fn=fn, args=args):
                return self.application(fn, expr.dtype, args)
            case Cast(value=value):
                inner, dtype = self.scalar(value), expr.dtype
                return lambda frame: convert(inner(frame), dtype)
            case Select(condition=condition, then=a, otherwise=b):
                test, then, otherwise = self.value(condition), self.scalar(a), self.scalar(b)
                return lambda frame: then(frame) if test(frame) else otherwise(frame)
            case Load(source=source, indices=indices):
                return self.element(source, indices)
        raise AssertionError(type(expr))

    def scalar(self, expr: Expr) -> Value:
        """Like ``value``, but always a NumPy scalar of the expression's dtype."""
        value = self.value(expr)
        if not self.is_index(expr):
            return value
        return lambda frame: np.int64(value(frame))

    def index(self, expr: Expr) -> Value:
        """Index arithmetic as one compiled Python lambda."""
        return eval(f"lambda f: {self.index_text(expr)}")  # type: ignore[no-any-return]

    def index_text(self, expr: Expr) -> str:
        """Index arithmetic as Python over the frame ``f``."""

        def rule(node: Expr, parts: tuple[Text, ...]) -> Text:
            match node:
                case Const(value=value):
                    return Text(repr(value), 20 if value >= 0 else 13)
                case Var():
                    return Text(f"f[{self.slot(node)}]", 20)
                case Apply(fn="neg"):
                    return prefix("-", parts[0])
                case Apply(fn="minimum" | "maximum" as fn):
                    return call(fn[:3], *parts)
                case Apply(fn=fn):
                    return infix(SCALAR_FNS[fn].infix, *parts)
            raise AssertionError(type(node))

        done = {node: Text(f"f[{slot}]", 20) for node, slot in self.named.items()}
        return render(expr, rule, done).text

    def function(self, fn: str, dtype: DType, operand: DType) -> Callable[..., Any]:
        """The fastest Python function for ``fn`` on scalars."""
        if fn in _OPERATORS and (operand is not boolean or fn in _ON_BOOL):
            return _OPERATORS[fn]
        return scalar_function(fn, dtype, operand)

    def application(self, fn: str, dtype: DType, args: tuple[Expr, ...]) -> Value:
        operand = args[0].dtype
        compares = SCALAR_FNS[fn].result == "bool" and fn in _OPERATORS
        if compares and all(self.is_index(arg) for arg in args):
            function = _OPERATORS[fn]
            left, right = self.value(args[0]), self.value(args[1])
            return lambda frame: np.bool_(function(left(frame), right(frame)))
        function = self.function(fn, dtype, operand)
        values = [self.scalar(arg) for arg in args]
        if len(values) == 1:
            (only,) = values
            return lambda frame: function(only(frame))
        if len(values) == 2:
            a, b = values
            return lambda frame: function(a(frame), b(frame))
        return lambda frame: function(*[value(frame) for value in values])

    def element(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Value:
        """A closure that loads one element."""
        slot = self.slot(buffer)
        if not self.check and self.is_safe(buffer, indices):
            at = ", ".join(map(self.index_text, indices)) or "()"
            return eval(f"lambda f: f[{slot}][{at}]")  # type: ignore[no-any-return]
        point = self.point(buffer, indices)
        if not self.check:
            return lambda frame: frame[slot][point(frame)]
        shadow, location = self.slot(("written", buffer)), self.location

        def read(frame: Frame) -> Any:
            at = point(frame)
            if not frame[shadow][at]:
                raise CompileError(
                    f"element {_tuple_text(at)} of {buffer.name} is read before it is written"
                    + (f"\n  in the block from {location}" if location else ""),
                    self.script(),
                )
            return frame[slot][at]

        return read

    def store(self, buffer: Buffer, indices: tuple[Expr, ...], value: Value) -> Action:
        """An action that stores one element."""
        slot = self.slot(buffer)
        point = self.point(buffer, indices)
        if not self.check:

            def write(frame: Frame) -> None:
                frame[slot][point(frame)] = value(frame)

            return write
        shadow = self.slot(("written", buffer))

        def write_and_mark(frame: Frame) -> None:
            at = point(frame)
            frame[slot][at] = value(frame)
            frame[shadow][at] = True

        return write_and_mark

    def is_safe(self, buffer: Buffer, indices: tuple[Expr, ...]) -> bool:
        """Whether the ranges of the variables keep ``indices`` inside ``buffer``."""
        return all(map(self.is_within, indices, buffer.shape))

    def is_within(self, index: Expr, size: int) -> bool:
        """Whether ``index`` is index arithmetic that always falls into ``range(size)``."""
        if not self.is_index(index):
            return False
        low, high = interval(index, self.extents)
        return low >= 0 and high < size

    def point(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Value:
        """The index tuple, checked unless it is safe."""
        if self.is_safe(buffer, indices):
            items = "".join(f"{self.index_text(index)}, " for index in indices)
            return eval(f"lambda f: ({items})")  # type: ignore[no-any-return]
        shape, location = buffer.shape, self.location
        refusal = self.refusals.get(buffer.name)
        values = [self.value(index) for index in indices]

        def checked(frame: Frame) -> Any:
            at = tuple([value(frame) for value in values])
            for i, size in zip(at, shape, strict=True):
                if not 0 <= i < size:
                    _refuse(buffer, at, location, refusal)
            return at

        return checked


def _refuse(
    buffer: Buffer,
    at: tuple[Any, ...],
    location: SourceLocation | None,
    refusal: tuple[str, str] | None,
) -> None:
    for axis, (i, size) in enumerate(zip(at, buffer.shape, strict=True)):
        if not 0 <= i < size:
            if refusal is not None:
                raise refused(*refusal, int(i), location)
            raise BoundsError(
                f"index {int(i)} is out of bounds for axis {axis} of {buffer.name} with "
                f"size {size} (element {_tuple_text(at)})",
                location,
            )


def _tuple_text(at: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(i)) for i in at)}]"


def assign(slot: int, value: Value) -> Action:
    """Puts ``value`` into ``slot``."""

    def run(frame: Frame) -> None:
        frame[slot] = value(frame)

    return run


def reader(slot: int) -> Value:
    """The content of ``slot``."""
    return operator.itemgetter(slot)
