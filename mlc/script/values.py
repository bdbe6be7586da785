"""What a traced function handles: buffers, their elements and boxes of them.

``C[i]`` is an :class:`Element`, which computes as the expression that loads it. It is an object of
its own so that ``C[i] += v`` and ``C[i] = T.max(C[i], v)`` are seen for what they are: updates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..dtypes import DType, as_dtype, boolean, int64
from ..errors import ArgumentError, DTypeError, ShapeError, TracerBoolError
from ..ir.array_functions import (
    no_float,
    no_integer,
    refuse_array_functions,
    scalar_function,
    scalar_ufunc,
)
from ..ir.combiner import Combiner, reducer
from ..ir.expr import Const, Expr, as_expr, cast, const, load
from ..ir.program import Buffer, Region
from ..ir.simplify import simplify

if TYPE_CHECKING:
    from .trace import Trace


class Value:
    """A number that the program computes where it is used: ``expr``."""

    __slots__ = ("_expr",)
    __array_ufunc__ = scalar_ufunc
    __array_function__ = scalar_function
    __index__ = __int__ = no_integer
    __float__ = no_float

    def __init__(self, expr: Expr) -> None:
        self._expr = expr

    @property
    def expr(self) -> Expr:
        """What is computed."""
        return self._expr

    def __mlc_element__(self) -> Expr:
        return self.expr

    def __repr__(self) -> str:
        return repr(self._expr)

    def __bool__(self) -> NoReturn:
        raise TracerBoolError(
            f"{self.expr!r} has no truth value while the program is traced: use "
            f"`with T.when(condition):` or T.select(condition, a, b) instead of if, "
            f"and & | ~ instead of and, or, not"
        )

    @property
    def dtype(self) -> DType:
        """The type of the number."""
        return self._expr.dtype

    def astype(self, dtype: Any) -> Expr:
        """This value converted to ``dtype``."""
        return cast(self.expr, dtype)


def _forward(name: str) -> Callable[..., Expr]:
    def operator(self: Value, *others: Any) -> Expr:
        return getattr(self.expr, name)(*others)  # type: ignore[no-any-return]

    operator.__name__ = name
    return operator


for _symbol in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift",
    "rshift", "radd", "rsub", "rmul", "rtruediv", "rfloordiv", "rmod", "rpow", "rand", "ror",
    "rxor", "rlshift", "rrshift", "lt", "le", "gt", "ge", "eq", "ne", "neg", "invert", "abs",
):  # fmt: skip
    setattr(Value, f"__{_symbol}__", _forward(f"__{_symbol}__"))
Value.__hash__ = object.__hash__  # type: ignore[method-assign]


class Element(Value):
    """``buffer[indices]``: computes as what is there, and can be updated."""

    __slots__ = ("_trace", "_when", "buffer", "indices")

    def __init__(self, buffer: Buffer, indices: tuple[Expr, ...], trace: Trace) -> None:
        super().__init__(load(buffer, indices))
        self.buffer = buffer
        self.indices = indices
        self._trace = trace
        self._when = trace.note_read(self._expr)

    @property
    def expr(self) -> Expr:
        """The expression that loads it; refused if something was written there since."""
        self._trace.expect_unwritten(self._expr, self._when)
        return self._expr

    def _update(self, name: str, plain: Expr, value: Any) -> Value:
        dtype = self.buffer.dtype
        if plain.dtype is not dtype or (name in ("any", "all") and dtype is not boolean):
            return Value(plain)
        combiner = reducer(name, dtype)
        return Update(combiner, (self,), (cast(as_expr(value, dtype), dtype),), 0, plain)

    # fmt: off
    def __iadd__(self, other: Any) -> Value: return self._update("sum", self.expr + other, other)
    def __imul__(self, other: Any) -> Value: return self._update("prod", self.expr * other, other)
    def __ior__(self, other: Any) -> Value: return self._update("any", self.expr | other, other)
    def __iand__(self, other: Any) -> Value: return self._update("all", self.expr & other, other)
    # fmt: on


class Update(Value):
    """Part number ``part`` of ``combiner(targets, values)``; assigned to its target, an update."""

    __slots__ = ("combiner", "part", "targets", "values")

    def __init__(
        self,
        combiner: Combiner,
        targets: tuple[Element, ...],
        values: tuple[Expr, ...],
        part: int,
        plain: Expr,
    ) -> None:
        super().__init__(plain)
        self.combiner = combiner
        self.targets = targets
        self.values = values
        self.part = part


class Box:
    """``A[0:16, vi:vi + 1]``: some elements of a buffer, for T.reads, T.writes and T.call."""

    __slots__ = ("region",)

    def __init__(self, region: Region) -> None:
        self.region = region

    def __repr__(self) -> str:
        ends = (f"{a!r} by {n}" for a, n in zip(self.region.starts, self.region.extents))
        return f"{self.region.buffer.name}[{', '.join(ends)}]"


class Handle:
    """A buffer as the traced function sees it: ``A[i, j]``, ``A.shape``, ``A.dtype``."""

    __slots__ = ("buffer", "trace")

    def __init__(self, buffer: Buffer, trace: Trace) -> None:
        self.buffer = buffer
        self.trace = trace

    def __repr__(self) -> str:
        return repr(self.buffer)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes, as Python integers."""
        return self.buffer.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.buffer.ndim

    @property
    def dtype(self) -> DType:
        """The type of the elements."""
        return self.buffer.dtype

    @property
    def name(self) -> str:
        """What the buffer is called."""
        return self.buffer.name

    def __len__(self) -> int:
        raise ArgumentError(f"{self.name} has no len() in a program; use {self.name}.shape[0]")

    def __iter__(self) -> NoReturn:
        raise ArgumentError(
            f"{self.name} cannot be iterated over; write `for i in T.serial({self.name}.shape[0]):`"
        )

    def __getitem__(self, index: Any) -> Any:
        items = index if isinstance(index, tuple) else (index,)
        if any(isinstance(item, slice) for item in items):
            return Box(region_of(self.buffer, items))
        return Element(self.buffer, indices_of(self.buffer, items), self.trace)

    def __setitem__(self, index: Any, value: Any) -> None:
        items = index if isinstance(index, tuple) else (index,)
        if any(isinstance(item, slice) for item in items):
            raise ArgumentError(
                f"a slice of {self.name} cannot be assigned to: a program writes one element at a "
                f"time; write a loop, `for i in T.serial(n): {self.name}[i] = ...`"
            )
        self.trace.assign(self.buffer, indices_of(self.buffer, items), value)


def _one_at_a_time(handle: Any, what: str) -> str:
    index = ", ".join("ijlm"[: handle.ndim]) if handle.ndim <= 4 else "..."
    return (
        f"{what} is for arrays, and {handle.name} is a buffer of a program, which computes with "
        f"one element at a time: write loops, and {handle.name}[{index}] in them"
    )


refuse_array_functions(Handle, _one_at_a_time)


def same_nodes(left: tuple[Expr, ...], right: tuple[Expr, ...]) -> bool:
    """Whether both hold the same expressions: ``==`` on them would build another."""
    return len(left) == len(right) and all(a is b for a, b in zip(left, right))


def indices_of(buffer: Buffer, items: tuple[Any, ...]) -> tuple[Expr, ...]:
    """``items`` as indices of ``buffer``: int64 expressions, one for each axis."""
    if len(items) != buffer.ndim:
        axes = "axis" if buffer.ndim == 1 else "axes"
        raise ShapeError(
            f"{buffer.name} has {buffer.ndim} {axes}, shape {buffer.shape}, but gets {len(items)} "
            f"{'index' if len(items) == 1 else 'indices'}"
        )
    return tuple(_index(buffer, item) for item in items)


def _index(buffer: Buffer, item: Any) -> Expr:
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return const(int(item), int64)
    if isinstance(item, (bool, float)):
        raise DTypeError(f"{item!r} is no index of {buffer.name}: indices are integers")
    expr = as_expr(item)
    if expr.dtype is int64:
        return expr
    if not expr.dtype.is_integer or expr.dtype.name == "uint64":  # the others fit
        raise DTypeError(
            f"the index {expr!r} of {buffer.name} is {expr.dtype}, and indices are int64: "
            f"write T.int64({expr!r})"
        )
    return cast(expr, int64)


def region_of(buffer: Buffer, items: tuple[Any, ...]) -> Region:
    """``buffer[items]``, slices or single indices, as a region."""
    whole = slice(None)
    bounds = [item if isinstance(item, slice) else whole for item in items]
    first = [0 if s.start is None else s.start for s in bounds]
    singles = [a if isinstance(item, slice) else item for a, item in zip(first, items)]
    starts = indices_of(buffer, tuple(singles))
    extents = []
    for item, start, size in zip(items, starts, buffer.shape, strict=True):
        if not isinstance(item, slice):
            extents.append(1)
            continue
        if item.step is not None:
            raise ArgumentError(f"a slice of {buffer.name} has a step; regions are dense boxes")
        stop = const(size) if item.stop is None else _index(buffer, item.stop)
        extent = simplify(stop - start)
        if not isinstance(extent, Const) or extent.value < 1:
            raise ShapeError(
                f"the slice {start!r}:{stop!r} of {buffer.name} has the size {extent!r}; "
                f"the size of a region is a constant >= 1"
            )
        extents.append(int(extent.value))
    return Region(buffer, starts, tuple(extents))


def as_region(value: Any) -> Region:
    """A box, an element or a whole buffer as a region."""
    match value:
        case Box(region=region):
            return region
        case Element(buffer=buffer, indices=indices):
            return Region(buffer, indices, (1,) * len(indices))
        case Handle(buffer=buffer):
            return Region(buffer, (const(0),) * buffer.ndim, buffer.shape)
        case _:
            raise ArgumentError(
                f"expected elements of a buffer such as A[0:16, i:i + 1], got {value!r}"
            )


def stored_value(buffer: Buffer, value: Any) -> Expr:
    """``value`` as something that ``buffer`` can hold. Only Python numbers are converted."""
    dtype = buffer.dtype
    if isinstance(value, (Handle, Box, tuple, list)):
        raise ArgumentError(
            f"{buffer.name} holds numbers and is given {value!r}; assign one element at a time"
        )
    try:
        expr = as_expr(value, dtype)
    except OverflowError as problem:
        raise DTypeError(f"{buffer.name} holds {dtype}: {problem}") from None
    if expr.dtype is not dtype:
        raise DTypeError(
            f"{buffer.name} holds {dtype} but is given {expr!r}, which is {expr.dtype}: "
            f"write T.{dtype.name}({'...' if len(repr(expr)) > 40 else repr(expr)})"
        )
    return expr


def number_of(dtype_name: str) -> Callable[[Any], Expr]:
    """The conversion ``T.<dtype_name>``."""
    dtype = as_dtype(dtype_name)

    def convert(value: Any) -> Expr:
        if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
            if dtype.is_integer and isinstance(value, float):
                return cast(const(value), dtype)
            return const(value, dtype)
        return cast(as_expr(value), dtype)

    convert.__name__ = convert.__qualname__ = dtype_name
    convert.__doc__ = f"``value`` converted to {dtype_name}, with NumPy's meaning."
    return convert
