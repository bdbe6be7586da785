"""Expressions to values, scalar and vector alike: a value knows its lanes."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import DType, boolean, float16, float32, float64
from ...errors import CompileError
from ...ir.bounds import interval
from ...ir.expr import Apply, Cast, Const, Expr, Load, Select, is_product
from .addressing import emit_load
from .builder import plain_integer
from .emitter import Emitter
from .facts import MATH_CALLS
from .floats import FLOAT_FNS
from .types import Value, constant, is_half

# Of the bits alone, so that the half types need no detour through float32.
_ON_BITS = frozenset({"bitcast", "nextafter"})
# Of numbers that a half type holds these give such numbers, which need no rounding.
_EXTREMES = frozenset({"minimum", "maximum", "fmin", "fmax"})
_ORDERS = frozenset({"lt", "le", "gt", "ge"})
_MANY = 32  # lanes; fewer places are compared as quickly as told by one number
_EXACT = _EXTREMES | {"neg", "abs", "copysign", "floor", "ceil", "trunc", "rint"}


def emit_expr(e: Emitter, expr: Expr) -> Value:
    """Write the value of ``expr`` at the current place. Reached through ``e.value``, which
    remembers."""
    match expr:
        case Apply():
            return _apply(e, expr)
        case Load():
            if e.lanes and any(isinstance(index, Select) for index in expr.indices):
                from .lane_tests import load_of_either

                either = load_of_either(e, expr)
                if either is not None:
                    return e.value(either)
            return emit_load(e, expr)
        case Cast(value=value):
            from .casts import convert

            return convert(e, e.value(value), expr.dtype)
        case Select():
            return _select(e, expr)
    raise CompileError(f"LLVM code cannot be generated for {type(expr).__name__} {expr!r}")


def _apply(e: Emitter, expr: Apply) -> Value:
    fn = expr.fn
    if fn in ("add", "sub"):
        fused = contract(e, fn, expr.args)
        if fused is not None:
            return fused
    if fn == "bitor" and expr.dtype is not boolean:
        from .joined import joined

        found = joined(e, expr)
        if found is not None:
            return found
    if e.lanes >= _MANY and fn in _ORDERS:
        from .lane_tests import test_lanes

        tested = test_lanes(e, fn, expr.args)
        if tested is not None:
            return tested
    args = [e.value(arg) for arg in expr.args]
    if fn in ("floordiv", "mod"):
        from .constant_divisors import divide, is_by_constant
        from .integers import divide_unsigned

        if is_by_constant(e, expr, args[0]):
            return divide(e, expr, args[0])
        if _is_natural(e, expr):
            return divide_unsigned(e, fn, args)
    return call(e, fn, args, expr.dtype)


def contract(e: Emitter, fn: str, args: Sequence[Expr], left: Value | None = None) -> Value | None:
    """``a * b + c`` and ``c - a * b`` rounded once, where the processor can; else None.

    ``left`` is given where the left argument is a value already. What two products make is left:
    ``a * d - b * c`` is 0 where both are the same number, which it would not be with one of the
    two rounded, and sides of lines and orders of points are asked for so.
    """
    dtype = args[-1].dtype
    if not e.has_fma or not (dtype is float32 or dtype is float64):
        return None
    right, first = args[-1], args[0]
    if left is None and is_product(right) and is_product(first):
        return None
    if is_product(right):
        a, b = (e.value(arg) for arg in right.args)
        if fn == "sub":
            a = e.op(f"fneg {a}", dtype, a.lanes)
        return e.intrinsic("fma", (a, b, e.value(args[0]) if left is None else left))
    if left is None and is_product(first):
        a, b = (e.value(arg) for arg in first.args)
        c = e.value(right)
        if fn == "sub":
            c = e.op(f"fneg {c}", dtype, c.lanes)
        return e.intrinsic("fma", (a, b, c))
    return None


def call(e: Emitter, fn: str, args: Sequence[Value], dtype: DType) -> Value:
    """The scalar function ``fn`` of ``args`` in every lane; ``dtype`` is that of the result."""
    if fn in ("rarely", "rounded"):
        return args[0]
    if fn == "lookup16":
        from .lookups import look_up  # few kernels have such

        return look_up(e, args[0], args[1:])
    if fn == "scale":
        from .scaling import scale

        return scale(e, *e.unify(args))
    if fn == "unless_below":
        from .scaling import unless_below

        return unless_below(e, *e.unify(args))
    if fn == "div":
        from .quotients import divide, is_by_one_number

        if is_by_one_number(e, *args):
            return divide(e, *args)
    args = e.unify(args)
    operand = args[-1].dtype
    if is_half(operand) and fn not in _ON_BITS:
        if operand is float16 and fn in _EXTREMES:
            args = args[::-1]  # of zeros NumPy gives the first in float16 only, else the second
        result = call(e, fn, [_widened(e, arg) for arg in args], float32)
        if result.dtype is not float32:
            return result
        from .halves import narrow

        return narrow(e, result, dtype, fn in _EXACT)
    if fn == "bitcast":
        return e.bitcast(args[0], dtype)
    if operand.is_float:
        row = FLOAT_FNS.get(fn)
        if row is not None:
            return row(e, args)
        if fn in MATH_CALLS:
            from .math_code import call_math

            return call_math(e, fn, args)
    else:
        plain = None if operand is boolean else plain_integer(e, fn, args)
        if plain is not None:
            return plain
        from .integers import BOOL_FNS, INTEGER_FNS

        row = (BOOL_FNS if operand is boolean else INTEGER_FNS).get(fn)
        if row is not None:
            return row(e, args)
    raise CompileError(f"there is no LLVM code for {fn} of {operand}; convert the argument first")


def _widened(e: Emitter, value: Value) -> Value:
    """A half as float32, made once."""
    from .halves import widen

    if value.const is not None:
        return widen(e, value)
    level = min(e.home.get(value.text, 99), len(e.regions) - 1)
    return e.at(level, ("widen", value.text), lambda: widen(e, value))


def _is_natural(e: Emitter, expr: Apply) -> bool:
    """Whether a division is of a number that is never negative by a positive constant."""
    divisor = expr.args[1]
    if not isinstance(divisor, Const) or expr.dtype.kind != "i" or divisor.value <= 0:
        return False
    return interval(expr.args[0], e.facts.ranges)[0] >= 0


def _select(e: Emitter, expr: Select) -> Value:
    test = e.value(expr.condition)
    if test.const is not None:
        return e.value(expr.then if test.const else expr.otherwise)
    sides = expr.then, expr.otherwise
    known = [e.facts.of(side) for side in sides]
    if not any(side.guarded or side.costly for side in known):
        return e.select(test, e.value(expr.then), e.value(expr.otherwise))
    from .selects import branch, if_any, needed_by_both

    for shared in needed_by_both(e, *sides):
        e.value(shared)
    if not test.lanes:
        return branch(e, test, expr)
    values = []
    outer = e.mask, e.mask_level
    for side, facts, is_then in zip(sides, known, (True, False)):
        if facts.guarded or facts.costly:
            e.mask = both(e, outer[0], test if is_then else invert(e, test))
            e.mask_level = len(e.regions) - 1
        values.append(if_any(e, e.mask, side) if facts.costly and e.mask else e.value(side))
        e.mask, e.mask_level = outer
    return e.select(test, *values)


def both(e: Emitter, mask: Value | None, test: Value) -> Value:
    """The lanes that run in ``mask`` and pass ``test``."""
    if mask is None:
        return test
    key = ("and", mask.text, test.text)
    narrow = e.at(len(e.regions) - 1, key, lambda: e.binary("and", mask, test))
    if narrow.text != mask.text:
        e.wider[narrow.text] = mask.text
    return narrow


def invert(e: Emitter, test: Value) -> Value:
    """Where ``test`` does not hold."""
    true = constant(True, boolean, test.lanes)
    level = len(e.regions) - 1
    return e.at(level, ("not", test.text), lambda: e.binary("xor", test, true))
