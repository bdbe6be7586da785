"""Expressions as CUDA C, with the meaning that the interpreter gives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from ...dtypes import (
    DType,
    boolean,
    float16,
    float32,
    float64,
    int32,
    int64,
    uint16,
)
from ...errors import CompileError
from ...ir.affine import Sum, as_sum
from ...ir.bounds import interval
from ...ir.expr import (
    Apply,
    Cast,
    Const,
    Expr,
    Load,
    Select,
    Var,
    apply,
    cast,
    const,
    is_product,
    load,
)
from ...ir.program import Buffer, Scope
from ...ir.rewrite import rewrite
from ...ir.simplify import simplify
from ...lower.cuda.mix_rows import mixing_period
from .functions import (
    AND,
    CHOICE,
    COMPARISONS,
    EQUAL,
    EXACT,
    INFIX,
    OR,
    PLUS,
    SAME,
    SMALL,
    TIMES,
    UNARY,
    Text,
    c_type,
    call,
    constant,
    fits,
    floating,
    is_half,
    other_integer,
    to_integer,
    wide,
)


class Expressions:
    """Prints expressions. ``names`` holds variables, buffers, and what was given a name."""

    def __init__(self) -> None:
        self.names: dict[object, Text] = {}
        self.ranges: dict[Var, int] = {}
        self.lines_of: dict[Buffer, Buffer] = {}
        self.lying: dict[Buffer, Buffer] = {}  # and back: index and place are the same there
        self.flattened: dict[Expr, Expr] = {}
        self.scalars: set[Buffer] = set()  # private buffers of one element, without brackets
        self.mixed: Mapping[Buffer, int] = {}  # in shared memory, with the bytes of a row

    def value(self, expr: Expr) -> Text:
        """C for ``expr``, of its C type (float for 16-bit floats, or int for small int64)."""
        return self._print(expr, False)

    def index(self, expr: Expr) -> Text:
        """C for an index: sums are known not to overflow."""
        return self._print(expr, True)

    def stored(self, expr: Expr) -> str:
        """C for ``expr``, to be stored in an element of its dtype."""
        if isinstance(expr, Load) and is_half(expr.dtype):
            if expr not in self.names:  # copied as it is
                return self.element(expr.source, expr.indices)
        made = self.value(expr)
        if is_half(expr.dtype):
            return f"{c_type(expr.dtype)}({made.text})"
        return made.text

    def element(self, buffer: Buffer, indices: tuple[Expr, ...]) -> str:
        """C for an element in memory."""
        held = self.lying.get(buffer, buffer)
        name = self.names[held].text
        if held in self.scalars:
            return name
        if held in self.mixed:
            whole, rest = self.mixed_place(held, self.place(buffer, indices))
            mix = f"mlc_mix<{self.mixed[held]}, {held.dtype.itemsize}>({self.index(rest).text})"
            start = self.index(whole)
            return f"{name}[{mix}]" if start.text == "0" else f"{name}[{start.at(PLUS)} + {mix}]"
        return f"{name}[{self.offset(buffer, indices).text}]"

    def mixed_place(self, buffer: Buffer, place: Expr) -> tuple[Expr, Expr]:
        """The place of an element of rows that are mixed as a sum: what the order within rows does
        not depend on, and the rest."""
        period = mixing_period(self.mixed[buffer]) // buffer.dtype.itemsize
        if place in self.names:
            return const(0), place
        total = as_sum(place)
        whole = tuple((atom, c) for atom, c in total.terms if c % period == 0)
        rest = tuple((atom, c) for atom, c in total.terms if c % period)
        steps, left = divmod(total.constant, period)
        return Sum(whole, steps * period).expr(), Sum(rest, left).expr()

    def offset(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Text:
        """C for the place of an element, in elements."""
        return self.index(self.place(buffer, indices))

    def place(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Expr:
        """The place of an element, in elements, as one expression."""
        if buffer in self.lying:
            return indices[0]
        return flat_index(buffer, tuple(map(self.flat, indices)), self.ranges)

    def flat(self, expr: Expr) -> Expr:
        """``expr`` with buffers of one dimension in place of all others, so that what their indices
        have in common can be seen."""

        def on(node: Expr) -> Expr | None:
            match node:
                case Load(source=source, indices=indices) if source not in self.lying:
                    return load(self.line_of(source), (flat_index(source, indices, self.ranges),))
            return None

        return rewrite(expr, on, self.flattened)

    def scalar(self, dtype: DType, text: str) -> Expr:
        """What reads the variable, or the part of one, that C calls ``text``."""
        buffer = Buffer(text, (1,), dtype, None, Scope.REGISTER)
        self.names[buffer] = Text(text)
        self.scalars.add(buffer)
        self.lying[buffer] = buffer
        return load(buffer, (const(0),))

    def line_of(self, buffer: Buffer) -> Buffer:
        """The buffer of one dimension that stands for ``buffer``."""
        found = self.lines_of.get(buffer)
        if found is None:
            found = Buffer(buffer.name, (buffer.size,), buffer.dtype, None, buffer.scope)
            self.lines_of[buffer] = found
            self.lying[found] = buffer
        return found

    def _print(self, expr: Expr, as_index: bool) -> Text:
        known = self.names.get(expr)
        if known is not None:
            return known
        match expr:
            case Const(value=value):
                return constant(value, expr.dtype)
            case Load(source=source, indices=indices):
                text = self.element(source, indices)
                if is_half(expr.dtype):
                    return Text(f"float({text})")
                return Text(text)
            case Cast(value=value):
                return self._cast(value, expr.dtype, as_index)
            case Select(condition=c, then=a, otherwise=b):
                return self._select(expr, c, a, b, as_index)
            case Apply():
                return self._apply(expr, as_index)
        raise CompileError(f"CUDA C cannot be generated for {type(expr).__name__} {expr!r}")

    def _operand(self, expr: Expr, as_index: bool) -> Text:
        """As :meth:`_print`, rounded."""
        made = self._print(expr, as_index)
        if made.loose:
            return Text(f"float({c_type(expr.dtype)}({made.text}))")
        return made

    def _select(self, expr: Expr, c: Expr, a: Expr, b: Expr, as_index: bool) -> Text:
        test = self._print(c, False)
        one, two = self._operand(a, as_index), self._operand(b, as_index)
        narrow = one.narrow and two.narrow
        if one.narrow != two.narrow:
            one, two = wide(one), wide(two)
        text = f"{test.at(CHOICE + 1)} ? {one.at(CHOICE)} : {two.at(CHOICE)}"
        return Text(text, CHOICE, narrow)

    def _cast(self, value: Expr, dtype: DType, as_index: bool) -> Text:
        source = value.dtype
        made = self._operand(value, as_index)
        if dtype is boolean:
            return Text(f"{made.at(EQUAL + 1)} != 0", EQUAL)
        if source.is_float and not dtype.is_float:
            return to_integer(made, dtype)
        if is_half(dtype):
            if source is float64 and dtype is float16:
                return Text(f"float(mlc_half({made.text}))")
            if is_half(source) or source is float32:
                return Text(made.text, made.level, loose=True)
            return Text(f"(float){made.at(UNARY)}", UNARY, loose=True)
        if is_half(source) and dtype is float32:
            return made
        if dtype is int64 and (source.kind == "i" or source is boolean) and source.bits <= 32:
            return Text(f"(int64_t){made.at(UNARY)}", UNARY)
        return Text(f"({c_type(dtype)}){made.at(UNARY)}", UNARY)

    def _apply(self, expr: Apply, as_index: bool) -> Text:
        fn, args = expr.fn, expr.args
        operand = args[-1].dtype
        if fn == "bitcast":
            return self._bitcast(args[0], expr.dtype)
        if fn == "nextafter" and is_half(operand):
            parts = ", ".join(f"{c_type(operand)}({self.value(a).text})" for a in args)
            is_first = str(operand is float16).lower()  # as NumPy's, and not ml_dtypes'
            return Text(f"float(mlc_nextafter<{c_type(operand)}, {is_first}>({parts}))")
        if operand is boolean:
            return self._boolean(fn, args)
        if fn == "exp_less":
            share, x, largest = args
            less = apply("sub", apply("rounded", x), largest)
            return self._apply(apply("mul", share, apply("exp", less)), as_index)  # type: ignore[arg-type]
        if fn == "rounded":
            if operand not in (float32, float64) or not is_product(args[0]):
                return self._operand(args[0], as_index)
            fn, args = "fma", (*args[0].children, const(-0.0, operand))
        if fn in ("add", "sub") and operand in (float32, float64) and all(map(is_product, args)):
            # As the LLVM backend does: each rounded, which the compiler would not leave so.
            args = tuple(apply("fma", *p.children, const(-0.0, operand)) for p in args)
        operands = [self._operand(arg, as_index) for arg in args]
        if fn == "fma" and operand in (float32, float64) and _is_negative_zero(args[2]):
            return Text(f"mlc_product({operands[0].text}, {operands[1].text})")
        if operand.is_float:
            made = floating(fn, operands, float32 if is_half(operand) else operand)
            if made is None:
                raise CompileError(f"there is no CUDA C for {fn} of {operand}")
            if is_half(expr.dtype) and fn not in EXACT:
                return Text(made.text, made.level, loose=True)
            return made
        return self._integer(expr, operands, as_index)

    def _bitcast(self, arg: Expr, dtype: DType) -> Text:
        source = self.value(arg)
        text = f"{c_type(arg.dtype)}({source.text})" if is_half(arg.dtype) else source.text
        if arg.dtype.is_integer:
            text = f"({c_type(arg.dtype)}){source.at(UNARY)}"
        made = f"mlc_bits<{c_type(dtype)}>({text})"
        return Text(f"float({made})" if is_half(dtype) else made)

    def _boolean(self, fn: str, args: tuple[Expr, ...]) -> Text:
        parts = [self.value(arg) for arg in args]
        a = parts[0]
        match fn:
            case "bitand" | "mul" | "minimum" | "fmin" | "floordiv":
                return Text(f"{a.at(AND)} && {parts[1].at(AND + 1)}", AND)
            case "bitor" | "add" | "maximum" | "fmax":
                return Text(f"{a.at(OR)} || {parts[1].at(OR + 1)}", OR)
            case "bitxor" | "sub" | "ne":
                return Text(f"{a.at(EQUAL)} != {parts[1].at(EQUAL + 1)}", EQUAL)
            case "eq" | "lt" | "le" | "gt" | "ge":
                op, level = INFIX[fn]
                return Text(f"{a.at(level)} {op} {parts[1].at(level + 1)}", level)
            case "invert":
                return Text(f"!{a.at(UNARY)}", UNARY)
            case "pow":
                return Text(f"{a.at(OR)} || !{parts[1].at(UNARY)}", OR)
            case "shr":
                return Text(f"{a.at(AND)} && !{parts[1].at(UNARY)}", AND)
            case "fma":
                product = f"{a.at(AND)} && {parts[1].at(AND + 1)}"
                return Text(f"({product}) || {parts[2].at(OR + 1)}", OR)
            case "neg" | "abs" | "shl" | "floor" | "ceil" | "trunc" | "rint":
                return a
            case "mod" | "fmod" | "isnan" | "isinf" | "signbit":
                return Text("false")
            case "isfinite":
                return Text("true")
        raise CompileError(f"there is no CUDA C for {fn} of bool")

    def _integer(self, expr: Apply, parts: list[Text], as_index: bool) -> Text:
        fn, dtype = expr.fn, expr.args[-1].dtype
        signed = dtype.kind == "i"
        name = c_type(dtype)
        narrow = False
        if dtype is int64:
            narrow = all(p.narrow for p in parts) and (fn in COMPARISONS or fits(expr, self.ranges))
            if not narrow and all(p.narrow for p in parts):
                parts = [wide(parts[0]), *parts[1:]]
        if fn in SAME:
            return parts[0]
        if fn in COMPARISONS or fn in ("bitand", "bitor", "bitxor"):
            op, level = INFIX[fn]
            text = f"{parts[0].at(level)} {op} {parts[1].at(level + 1)}"
            return Text(text, level, narrow and fn not in COMPARISONS)
        if fn in ("add", "sub", "mul"):
            plain = narrow or as_index or not signed and dtype.bits >= 32
            if plain or dtype.bits < 32:
                op, level = INFIX[fn]
                if narrow and fn == "add" and (less := _subtracted(expr)) is not None:
                    taken = self._operand(less, as_index)
                    text = f"{parts[1].at(level)} - {taken.at(level + 1)}"
                    return Text(text, level, narrow)
                text = f"{_factor(parts[0], fn, dtype)} {op} {parts[1].at(level + 1)}"
                if not plain:
                    return Text(f"({name})({text})", UNARY)
                return Text(text, level, narrow)
            return call(f"mlc_{fn}", parts, dtype, explicit=False)
        if fn == "fma":
            inner = call("mlc_mul", parts[:2], dtype, explicit=False)
            if not signed or dtype.bits < 32:
                product = f"{_factor(parts[0], 'mul', dtype)} * {parts[1].at(TIMES + 1)}"
                return Text(f"({name})({product} + {parts[2].at(PLUS + 1)})", UNARY)
            return call("mlc_add", [inner, parts[2]], dtype, explicit=False)
        if fn == "neg" and (narrow or as_index):
            return Text(f"-{parts[0].at(UNARY + 1)}", UNARY, narrow)
        plainly = self._division(fn, expr, parts, narrow)
        if plainly is not None:
            return plainly
        if narrow and fn in SMALL:
            return replace(other_integer(fn, parts, int32), narrow=True)
        return other_integer(fn, parts, dtype)

    def _division(self, fn: str, expr: Apply, parts: list[Text], narrow: bool) -> Text | None:
        """A quotient or remainder by a positive constant of what is never negative, as C has it."""
        if fn not in ("floordiv", "mod", "fmod"):
            return None
        divisor = expr.args[1]
        positive = isinstance(divisor, Const) and divisor.value > 0
        natural = expr.dtype.kind == "u" or interval(expr.args[0], self.ranges)[0] >= 0
        if not (positive and natural):
            return None
        op = "/" if fn == "floordiv" else "%"
        return Text(f"{parts[0].at(TIMES)} {op} {parts[1].at(TIMES + 1)}", TIMES, narrow)


def _subtracted(expr: Apply) -> Expr | None:
    """``3 * x`` of ``-3 * x + y``, which reads better as ``y - 3 * x``."""
    match expr.args[0]:
        case Apply(fn="mul", args=(value, Const(value=int() as factor))) if factor < 0:
            return value if factor == -1 else value * -factor
    return None


def flat_index(buffer: Buffer, indices: tuple[Expr, ...], ranges: Mapping[Var, int]) -> Expr:
    """The place of an element, in elements, as one expression."""
    total: Expr = const(0)
    for index, stride in zip(indices, buffer.element_strides, strict=True):
        total = total + cast(index, int64) * stride
    total = simplify(total, ranges)
    smaller = rewrite(total, _smaller_division)
    return total if smaller is total else simplify(smaller, ranges)


def _smaller_division(node: Expr) -> Expr | None:
    """``(4 * x + 1) // 8`` -> ``x // 2``, and ``(4 * x + 1) % 8`` -> ``x % 2 * 4 + 1``."""
    match node:
        case Apply(fn="floordiv" | "mod" as fn, args=(a, Const(value=d))) if (
            d > 0 and node.dtype is int64
        ):
            total = as_sum(a)
            shared = math.gcd(int(d), *(c for _, c in total.terms))
            if shared == 1 or not total.terms:
                return None
            more, rest = divmod(total.constant, shared)
            less = Sum(tuple((e, c // shared) for e, c in total.terms), more).expr()
            if fn == "floordiv":
                return less // (d // shared)
            return less % (d // shared) * shared + rest
    return None


def _is_negative_zero(expr: Expr) -> bool:
    match expr:
        case Const(value=float() as value):
            return value == 0 and math.copysign(1, value) < 0
    return False


def _factor(first: Text, fn: str, dtype: DType) -> str:
    """The first operand: C multiplies 16 bits as int, whose overflow is undefined."""
    if fn == "mul" and dtype is uint16:
        return f"(unsigned){first.at(UNARY)}"
    return first.at(INFIX[fn][1])
