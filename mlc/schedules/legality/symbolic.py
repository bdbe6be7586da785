"""Expressions as Python functions of a frame: indices are computed, values become terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...dtypes import boolean
from ...ir.bounds import interval
from ...ir.expr import Apply, Cast, Const, Expr, Load, Select, Var
from ...ir.program import Buffer
from ...ir.rewrite import loads_of
from ...ir.scalar import SCALAR_FNS
from .terms import UNWRITTEN, NotCovered, Terms

_LONGEST = 20_000  # characters of one function

_INFIX = frozenset(
    {"add", "sub", "mul", "lt", "le", "gt", "ge", "eq", "ne", "bitand", "bitor", "bitxor"}
)


class Values:
    """Compiles expressions; ``slots`` says where in the frame a variable or a buffer stands."""

    def __init__(self, terms: Terms) -> None:
        self.slots: dict[Any, int] = {}
        self.extents: dict[Var, int] = {}
        self.names: dict[str, Any] = {
            "apply_": terms.apply,
            "cast_": terms.cast,
            "select_": terms.select,
            "constant_": lambda value, dtype: terms.constant(value, dtype),
            "load_": _load,
            "divide_": lambda a, b: a // b if b else 0,
            "remainder_": lambda a, b: a % b if b else 0,
        }
        self.compiled: dict[str, Callable[[list[Any]], Any]] = {}

    def slot(self, owner: Any) -> int:
        """The place of a variable or a buffer in the frame."""
        return self.slots.setdefault(owner, len(self.slots))

    def bind(self, var: Var, extent: int) -> int:
        """The place of a variable that runs over ``range(extent)``."""
        self.extents[var] = extent
        return self.slot(var)

    def index(self, expr: Expr) -> Callable[[list[Any]], Any]:
        """An index or a condition on indices as a function."""
        text = self._concrete(expr)
        if text is None:
            raise NotCovered(f"{expr!r} depends on data, or is no arithmetic of indices")
        return self._function(text)

    def value(self, expr: Expr) -> Callable[[list[Any]], int]:
        """A value as a function that makes its term."""
        return self._function(self._term(expr))

    def offset(self, buffer: Buffer, indices: tuple[Expr, ...]) -> Callable[[list[Any]], int]:
        """The position of an element in the list of its buffer's elements."""
        return self._function(self._offset(buffer, indices))

    def is_inside(self, buffer: Buffer, indices: tuple[Expr, ...]) -> bool:
        """Whether bounds alone show that the indices stay within the buffer."""
        for index, extent in zip(indices, buffer.shape, strict=True):
            low, high = interval(index, self.extents)
            if low < 0 or high >= extent:
                return False
        return True

    def _function(self, text: str) -> Callable[[list[Any]], Any]:
        if len(text) > _LONGEST:
            raise NotCovered("an expression is too long")
        found = self.compiled.get(text)
        if found is None:
            function: Callable[[list[Any]], Any] = eval(f"lambda f: {text}", self.names)
            found = self.compiled[text] = function
        return found

    def _offset(self, buffer: Buffer, indices: tuple[Expr, ...]) -> str:
        text = "0"
        for index, extent in zip(indices, buffer.shape, strict=True):
            part = self._concrete(index)
            if part is None:
                raise NotCovered(f"index {index!r} of {buffer.name} depends on data")
            text = part if text == "0" else f"({text}) * {extent} + {part}"
        return text

    def _concrete(self, expr: Expr) -> str | None:
        """Python for an expression of indices alone; None if it is something else."""
        if expr.dtype is not boolean and not expr.dtype.is_integer:
            return None
        match expr:
            case Const(value=value):
                return repr(value) if value >= 0 else f"({value!r})"
            case Var():
                slot = self.slots.get(expr)
                if slot is None:
                    raise NotCovered(f"{expr.name} is bound to nothing here")
                return f"f[{slot}]"
            case Apply(fn=fn, args=args):
                parts = [self._concrete(arg) for arg in args]
                if None in parts:
                    return None
                return _python(fn, [str(part) for part in parts], expr)
            case Select(condition=c, then=a, otherwise=b):
                texts = (self._concrete(c), self._concrete(a), self._concrete(b))
                if None in texts:
                    return None
                return f"({texts[1]} if {texts[0]} else {texts[2]})"
            case Cast(value=value) if value.dtype is boolean or value.dtype.is_integer:
                text = self._concrete(value)
                if text is None:
                    return None
                if expr.dtype is boolean:
                    return f"({text} != 0)"
                low, high = (0.0, 1.0) if value.dtype is boolean else interval(value, self.extents)
                if expr.dtype.lowest <= low and high <= expr.dtype.highest:
                    return f"int({text})" if value.dtype is boolean else text
        return None

    def _term(self, expr: Expr) -> str:
        """Python for the term of a value."""
        if not loads_of(expr):
            text = self._concrete(expr)
            if text is not None:
                return f"constant_({text}, {expr.dtype.name!r})"
        match expr:
            case Const(value=value):
                shown = f"float({str(value)!r})" if isinstance(value, float) else repr(value)
                return f"constant_({shown}, {expr.dtype.name!r})"
            case Load(source=source, indices=indices):
                offset = self._offset(source, indices)
                slot = self.slots.get(source)
                if slot is None:
                    raise NotCovered(f"buffer {source.name} is not there")
                if self.is_inside(source, indices):
                    return f"load_(f[{slot}], {offset})"
                tests = " and ".join(
                    f"0 <= {self._concrete(index)} < {extent}"
                    for index, extent in zip(indices, source.shape)
                )
                return f"(load_(f[{slot}], {offset}) if {tests} else {UNWRITTEN})"
            case Apply(fn=fn, args=args):
                parts = ", ".join(map(self._term, args))
                operand = args[0].dtype.name
                return f"apply_({fn!r}, {expr.dtype.name!r}, {operand!r}, {parts})"
            case Cast(value=value):
                return f"cast_({expr.dtype.name!r}, {self._term(value)})"
            case Select(condition=c, then=a, otherwise=b):
                test = None if loads_of(c) else self._concrete(c)
                if test is not None:
                    return f"({self._term(a)} if {test} else {self._term(b)})"
                return f"select_({self._term(c)}, {self._term(a)}, {self._term(b)})"
            case _:
                raise NotCovered(f"{expr!r} is not covered")


def _python(fn: str, args: list[str], expr: Apply) -> str | None:
    if fn in _INFIX:
        return f"({args[0]} {SCALAR_FNS[fn].infix} {args[1]})"
    match fn:
        case "floordiv" | "mod":
            divisor = expr.args[1]
            if isinstance(divisor, Const) and divisor.value:
                return f"({args[0]} {'//' if fn == 'floordiv' else '%'} {args[1]})"
            return f"{'divide_' if fn == 'floordiv' else 'remainder_'}({args[0]}, {args[1]})"
        case "minimum" | "maximum":
            return f"{fn[:3]}({args[0]}, {args[1]})"
        case "neg":
            return f"(-{args[0]})"
        case "abs":
            return f"abs({args[0]})"
        case "invert":
            return f"(not {args[0]})" if expr.dtype is boolean else f"(~{args[0]})"
        case "shl" | "shr" if isinstance(expr.args[1], Const) and 0 <= expr.args[1].value < 63:
            return f"({args[0]} {'<<' if fn == 'shl' else '>>'} {args[1]})"
    return None


def _load(cells: list[Any], offset: int) -> int:
    held = cells[offset]
    return held if held.__class__ is int else held.term()  # type: ignore[no-any-return]
