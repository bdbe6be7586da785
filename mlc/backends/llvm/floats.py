"""float32 and float64: what processors have instructions for, and a little more, on their bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .builder import Builder
from .types import Value, constant

Args = Sequence[Value]


def _binary(opcode: str) -> Callable[[Builder, Args], Value]:
    return lambda e, args: e.binary(opcode, args[0], args[1])


def _compare(predicate: str) -> Callable[[Builder, Args], Value]:
    return lambda e, args: e.compare(predicate, args[0], args[1])


def _intrinsic(name: str) -> Callable[[Builder, Args], Value]:
    return lambda e, args: e.intrinsic(name, args)


def _extreme(predicate: str) -> Callable[[Builder, Args], Value]:
    """Minimum or maximum where NaN wins. One instruction if either side is a number for certain."""

    def emit(e: Builder, args: Args) -> Value:
        a, b = args
        if b.const is not None:
            a, b = b, a
        # The processor's minimum gives the second operand if either is NaN, as does this pair.
        best = e.select(e.compare(predicate, a, b), a, b)
        if a.const is not None and a.const == a.const:
            return best
        return e.select(e.compare("uno", a, a), a, best)

    return emit


def _number(predicate: str) -> Callable[[Builder, Args], Value]:
    """Minimum or maximum where NaN loses."""

    def emit(e: Builder, args: Args) -> Value:
        a, b = args
        best = e.select(e.compare(predicate, a, b), a, b)
        return e.select(e.compare("uno", b, b), a, best)

    return emit


def _fabs(e: Builder, args: Args) -> Value:
    return e.intrinsic("fabs", args)


def _finite(predicate: str) -> Callable[[Builder, Args], Value]:
    infinity = float("inf")
    return lambda e, args: e.compare(predicate, _fabs(e, args), constant(infinity, args[0].dtype))


def _rare(name: str) -> Callable[[Builder, Args], Value]:
    """The function of that name in `rare_floats`."""

    def emit(e: Builder, args: Args) -> Value:
        from . import rare_floats

        made: Value = getattr(rare_floats, name)(e, args)
        return made

    return emit


FLOAT_FNS: dict[str, Callable[..., Value]] = {
    "add": _binary("fadd"),
    "sub": _binary("fsub"),
    "mul": _binary("fmul"),
    "div": _binary("fdiv"),
    "fmod": _binary("frem"),
    "floordiv": _rare("floor_divide"),
    "mod": _rare("remainder"),
    "minimum": _extreme("olt"),
    "maximum": _extreme("ogt"),
    "fmin": _number("olt"),
    "fmax": _number("ogt"),
    "eq": _compare("oeq"),
    "ne": _compare("une"),
    "lt": _compare("olt"),
    "le": _compare("ole"),
    "gt": _compare("ogt"),
    "ge": _compare("oge"),
    "neg": lambda e, args: e.op(f"fneg {args[0]}", args[0].dtype, args[0].lanes),
    "abs": _fabs,
    "fma": lambda e, args: e.intrinsic("fma", args) if e.has_fma else _rare("fma")(e, args),
    "sqrt": _intrinsic("sqrt"),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "trunc": _intrinsic("trunc"),
    "rint": _intrinsic("roundeven"),
    "copysign": _intrinsic("copysign"),
    "isnan": lambda e, args: e.compare("uno", args[0], args[0]),
    "isinf": _finite("oeq"),
    "isfinite": _finite("olt"),
    "nextafter": _rare("next_after"),
    "signbit": _rare("sign_bit"),
}
