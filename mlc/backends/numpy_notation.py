"""Scalar expressions as Python over NumPy scalars, exact in their dtypes.

Index arithmetic is plain Python ints. A number stands bare next to a NumPy scalar, which gives it
its type; elsewhere the type is spelled out: ``0.0 if c else x`` would be a float now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..dtypes import DType, bfloat16, boolean
from ..ir.bounds import interval
from ..ir.expr import Apply, Cast, Const, Expr, Load, Select, Var
from ..ir.index_range import magnitude
from ..ir.notation import (
    ATOM,
    TERNARY,
    UNARY,
    Text,
    call,
    identifier,
    infix,
    number_text,
    prefix,
    subscript,
    wrapped,
)
from ..ir.rewrite import loads_of
from ..ir.scalar import SCALAR_FNS

NOT = 5  # how tightly `not` binds
_ON_BOOL = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "bitand", "bitor", "bitxor"})
_PLACE = "from mlc.ir.places import place"


class Notation:
    """Writes expressions. ``helpers`` collects definitions of functions that NumPy lacks."""

    def __init__(self, names: Mapping[Any, str]) -> None:
        self.names = names
        self.extents: dict[Var, int] = {}
        self.helpers: dict[str, str] = {}
        self.magnitudes: dict[Expr, int | None] = {}

    def bind(self, var: Var, extent: int) -> None:
        """``var`` runs over ``range(extent)`` from here on."""
        if self.extents.get(var, extent) != extent:
            self.magnitudes.clear()
        self.extents[var] = extent

    def is_index(self, node: Expr) -> bool:
        """Whether ``node`` is written as arithmetic of Python ints."""
        return magnitude(node, self.extents, self.magnitudes) is not None

    def is_typed(self, node: Expr) -> bool:
        """Whether the text of ``node`` is a NumPy scalar when it runs."""
        return not isinstance(node, Const) and not self.is_index(node)

    def typed(self, node: Expr, text: Text) -> Text:
        """``text`` as a NumPy scalar."""
        return text if self.is_typed(node) else call(self.dtype(node.dtype), text)

    def dtype(self, dtype: DType) -> str:
        """The scalar type's name in the text."""
        if dtype is bfloat16:
            self.helpers["bfloat16"] = "from ml_dtypes import bfloat16"
            return "bfloat16"
        return "np.bool_" if dtype is boolean else f"np.{dtype.name}"

    def rule(self, node: Expr, parts: tuple[Text, ...]) -> Text:
        """The text of ``node`` from those of its children; see :func:`mlc.ir.notation.render`."""
        match node:
            case Const(value=value):
                text = number_text(value, node.dtype, "np.")
                return Text(text, UNARY if text.startswith("-") else ATOM)
            case Var(name=name):
                return Text(self.names.get(node, name), ATOM)
            case Load(source=source, indices=indices):
                name = self.names.get(source) or identifier(source.name)
                return subscript(name, tuple(map(self.place, indices, parts, source.shape)))
            case Select(condition=_, then=a, otherwise=b):
                test, then, otherwise = parts[0], self.typed(a, parts[1]), self.typed(b, parts[2])
                sides = wrapped(then, TERNARY + 1), wrapped(otherwise, TERNARY)
                text = f"{sides[0]} if {wrapped(test, TERNARY + 1)} else {sides[1]}"
                return Text(text, TERNARY)
            case Cast(value=value):
                return self.cast(node.dtype, value, parts[0])
            case Apply(fn=fn, args=args):
                return self.apply(node, fn, args, parts)
        raise AssertionError(type(node))

    def place(self, index: Expr, text: Text, extent: int) -> Text:
        """``text`` of an index: NumPy counts a negative one, that the data decide, from the end."""
        if not loads_of(index) or interval(index, {})[0] >= 0:
            return text
        self.helpers["place"] = _PLACE
        return call("place", text, str(extent))

    def cast(self, dtype: DType, value: Expr, text: Text) -> Text:
        """Integers convert with ``astype``, which wraps where the constructor would refuse."""
        if dtype.is_float or dtype is boolean or value.dtype is boolean:
            return call(self.dtype(dtype), text)
        bound = magnitude(value, self.extents, self.magnitudes)
        if bound is not None and bound <= dtype.highest and dtype.kind == "i":
            return call(self.dtype(dtype), text)
        return Text(f"{wrapped(self.typed(value, text), ATOM)}.astype({self.dtype(dtype)})", ATOM)

    def apply(self, node: Expr, fn: str, args: tuple[Expr, ...], parts: tuple[Text, ...]) -> Text:
        row, operand = SCALAR_FNS[fn], args[0].dtype
        if self.is_index(node) or (
            row.result == "bool" and row.infix and all(map(self.is_index, args))
        ):
            if row.infix:
                return infix(row.infix, *parts)
            return prefix("-", parts[0]) if fn == "neg" else call(fn[:3], *parts)
        if fn == "invert" and operand is boolean:
            return Text(f"not {wrapped(parts[0], NOT)}", NOT)
        if operand is bfloat16 or not any(map(self.is_typed, args)):
            parts = tuple(map(self.typed, args, parts))
        if row.infix and (operand is not boolean or fn in _ON_BOOL):
            return infix(row.infix, *parts)
        if fn == "neg" and operand is not boolean:
            return prefix("-", parts[0])
        if fn == "bitcast":
            return Text(f"{wrapped(parts[0], ATOM)}.view({self.dtype(node.dtype)})", ATOM)
        if isinstance(row.numpy, np.ufunc) and self.is_plain(fn, operand):
            return call(f"np.{row.numpy.__name__}", *parts)
        return call(self.helper(fn, node.dtype, operand), *parts)

    @staticmethod
    def is_plain(fn: str, operand: DType) -> bool:
        """Whether NumPy's own function has the language's meaning and result type."""
        if operand is bfloat16:
            return fn not in ("cbrt", "fmod")
        if operand is boolean:
            return fn in ("add", "mul", "minimum", "maximum")
        return operand.is_float or fn in ("minimum", "maximum", "abs", "invert", "fmin", "fmax")

    def helper(self, fn: str, dtype: DType, operand: DType) -> str:
        """The name of a function that is defined above the program."""
        name = f"{fn}_{operand.name}"
        self.helpers["scalar_function"] = "from mlc.ir.arithmetic import scalar_function"
        self.helpers["as_dtype"] = "from mlc.dtypes import as_dtype"
        types = f'as_dtype("{dtype.name}"), as_dtype("{operand.name}")'
        self.helpers[name] = f'{name} = scalar_function("{fn}", {types})'
        return name
