"""Kernels that differ in numbers alone, compiled once.

A function whose Python loop runs over arrays of other lengths each time, ``x = x[:-1] + x[1:]``,
has a kernel for each. Those of one element at a time are the same but for lengths, strides, offsets
and constants, and such a *family* becomes one program that reads the numbers which differ::

    for i in range(199): y[i] = x[i] + x[i+1]           n = numbers[0]
    for i in range(198): z[i] = y[i] + y[i+1]    ->     for i in range(n): b[i] = a[i] + a[i+1]
    ...

Each call of it gets a row of numbers, which is part of the module. Elements are computed by the
same operations in the same order as they would be apart, so that results are the same bit by bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from .control.nests import Span, store_nest
from .dtypes import DType, float32, float64, int64
from .graph.kernel import Kernel
from .ir.expr import Apply, Axis, Cast, Const, Expr, Load, Select, apply, cast, const, load, select
from .ir.program import Allocate, Buffer, Program, Scope, Stmt, Store, contiguous_strides, seq
from .ir.rewrite import postorder
from .ir.simplify import simplify
from .kernel_code import STATEMENT_NS, KernelCode
from .records import dataclass
from .schedules.schedule import Schedule
from .te.tensor import Constant, Placeholder, Tensor

LEAST = 8  # kernels, from which one for all of them is worth while
_MOST_POINTS = 1 << 14  # of a kernel: beyond, one made for its size pays
_MOST_NODES = 256  # of an expression as a tree
# Constants among the operands of these may be numbers that are read.
_PLAIN = frozenset({
    "add", "sub", "mul", "div", "lt", "le", "gt", "ge", "eq", "ne", "maximum", "minimum",
})  # fmt: skip
_READ = (int64, float64, float32)  # dtypes of numbers that may be read

Number = tuple[DType, int | float]


@dataclass(frozen=True, eq=False)
class Outline:
    """A kernel as a ``text`` in which numbers are left out, and these ``numbers`` in order."""

    text: str
    numbers: tuple[Number, ...]


class _TooLarge(Exception):
    """An expression that is not outlined."""


def outline(kernel: Kernel) -> Outline | None:
    """The outline of a kernel; None for one that is no loop over elements of one tensor, or has
    too many."""
    stage = kernel.stages[0]
    if len(kernel.stages) > 1 or stage.call is not None or len(stage.tensors) != 1:
        return None
    (tensor,) = stage.tensors
    shape = tensor.shape
    if (
        stage.compute.reduction is not None
        or any(type(n) is not int for n in shape)
        or not 0 < math.prod(shape) <= _MOST_POINTS
        or kernel.outputs != (tensor,)
    ):
        return None
    body = stage.compute.body[tensor.index]
    if any(isinstance(t.op, Constant) for t in kernel.inputs) and _has_work_ahead(body):
        return None
    outlined = _Outlining({t: n for n, t in enumerate(kernel.inputs)}, stage.compute.axes)
    heads = []
    for read in kernel.inputs:
        strides = _strides(read)
        if any(type(n) is not int for n in read.shape) or min(strides, default=0) < 0:
            return None
        aligned = not isinstance(read.op, Placeholder) or read.op.aligned
        heads.append(f"{read.dtype.name}{read.ndim}{aligned}")
    outlined.numbers += [(int64, n) for n in (*shape, *contiguous_strides(shape))]
    try:
        text = outlined.text(body)
    except _TooLarge:
        return None
    head = f"{len(shape)} {tensor.dtype.name} {' '.join(heads)}: "
    return Outline(head + text, tuple(outlined.numbers))


def _has_work_ahead(body: Expr) -> bool:
    """Whether a part of ``body`` that is no mere element depends on captured arrays alone."""
    depends: dict[Expr, set[bool]] = {}  # True: captured
    for node in postorder(body):
        found = set().union(*(depends[child] for child in node.children))
        if isinstance(node, Load):
            found = {isinstance(node.source.op, Constant)}
        elif found == {True}:
            return True
        depends[node] = found
    return False


def _strides(tensor: Tensor) -> tuple[int, ...]:
    op = tensor.op
    if isinstance(op, Placeholder) and op.strides is not None:
        return op.strides
    return contiguous_strides(tensor.shape)


class _Outlining:
    """The text of an expression as a tree, and the numbers that are left out in it."""

    def __init__(self, inputs: dict[Tensor, int], axes: Sequence[Axis]) -> None:
        self.inputs = inputs
        self.axes = {axis: n for n, axis in enumerate(axes)}
        self.numbers: list[Number] = []
        self.nodes = 0

    def text(self, node: Expr, is_plain: bool = True) -> str:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise _TooLarge
        match node:
            case Const(value=value, dtype=dtype):
                if is_plain and dtype in _READ:
                    self.numbers.append((dtype, value))
                    return f"#{dtype.name}"
                return f"{dtype.name}{value!r}"
            case Apply(fn=fn, args=args):
                plain = fn in _PLAIN
                inside = ",".join([self.text(arg, plain) for arg in args])
                return f"{fn}({inside}:{node.dtype.name})"
            case Load(source=source, indices=indices):
                inside = ",".join([self.text(index) for index in indices])
                self.numbers += [(int64, stride) for stride in _strides(source)]
                return f"L{self.inputs[source]}[{inside}]"
            case Cast(value=value):
                return f"{node.dtype.name}({self.text(value, False)})"
            case Select(condition=test, then=then, otherwise=otherwise):
                return f"S({self.text(test)},{self.text(then)},{self.text(otherwise)})"
            case Axis():
                return f"i{self.axes[node]}"
        raise _TooLarge


def _rebuilt(
    node: Expr, numbers: Iterator[Expr], element: Callable[[Load, list[Expr], list[Expr]], Expr],
    axes: dict[Axis, Expr], is_plain: bool = True,
) -> Expr:  # fmt: skip
    """``node`` with its ``numbers`` replaced, in the order in which `_Outlining` has met them."""

    def visit(node: Expr, is_plain: bool = True) -> Expr:
        match node:
            case Const(dtype=dtype):
                return next(numbers) if is_plain and dtype in _READ else node
            case Apply(fn=fn, args=args):
                plain = fn in _PLAIN
                return apply(fn, *[visit(arg, plain) for arg in args], dtype=node.dtype)
            case Load(indices=indices):
                at = [visit(index) for index in indices]
                return element(node, at, [next(numbers) for _ in indices])
            case Cast(value=value):
                return cast(visit(value, False), node.dtype)
            case Select(condition=test, then=then, otherwise=otherwise):
                return select(visit(test), visit(then), visit(otherwise))
            case Axis():
                return axes[node]
        raise AssertionError(type(node))

    return visit(node, is_plain)


@dataclass(frozen=True, eq=False)
class _Family:
    """The code of all members, and which numbers each of its rows has."""

    code: KernelCode
    columns: tuple[tuple[DType, tuple[int, ...]], ...]  # numbers of the outline, by dtype

    def member(self, kernel: Kernel, numbers: Sequence[Number]) -> KernelCode:
        """The code of one kernel."""
        rows = [tuple(numbers[c][1] for c in columns) for _, columns in self.columns]
        params = self.code.arguments[len(kernel.inputs) : -1]
        arguments = (*kernel.inputs, *params, *kernel.outputs)
        return replace(
            self.code, arguments=arguments, like=self.code, numbers=tuple(rows),
            nanoseconds=_nanoseconds(kernel),
        )  # fmt: skip


def families(kernels: Sequence[Kernel]) -> dict[int, KernelCode]:
    """The code of those of ``kernels``, by their number, that are `LEAST` of one family at
    least."""
    if len(kernels) < LEAST:
        return {}
    outlines = [outline(kernel) for kernel in kernels]
    groups: dict[str, list[int]] = {}
    for number, found in enumerate(outlines):
        if found is not None:
            groups.setdefault(found.text, []).append(number)
    codes: dict[int, KernelCode] = {}

    def apart(n: int) -> int:
        """Equal kernels are compiled once anyhow, unless they read arrays that were captured."""
        captures = any(isinstance(t.op, Constant) for t in kernels[n].inputs)
        return n if captures else -1

    for members in groups.values():
        numbers = {n: made.numbers for n in members if (made := outlines[n]) is not None}
        if len({(made, apart(n)) for n, made in numbers.items()}) < LEAST:
            continue
        family = _family([kernels[n] for n in members], list(numbers.values()))
        codes.update({n: family.member(kernels[n], numbers[n]) for n in members})
    return codes


def _nanoseconds(kernel: Kernel) -> float:
    return STATEMENT_NS * kernel.outputs[0].size


def _family(kernels: Sequence[Kernel], rows: Sequence[tuple[Number, ...]]) -> _Family:
    """One program for ``kernels``, whose outlines have the numbers ``rows``."""
    first = kernels[0]
    columns = list(zip(*rows))
    registers: list[Buffer] = []
    read: dict[DType, list[int]] = {}  # columns that are read
    known: dict[tuple[DType, tuple[float | str, ...]], tuple[Expr, float]] = {}
    exprs: list[Expr] = []
    for c, column in enumerate(columns):
        (dtype, start), values = column[0], [value for _, value in column]
        if all(_same(value, start) for value in values):
            exprs.append(const(start, dtype))
            continue
        is_index = dtype is int64
        key = dtype, tuple(v - start if is_index else float(v).hex() for v in values)
        if key not in known:
            made = Buffer(f"n{len(registers)}", (), dtype, scope=Scope.REGISTER)
            registers.append(made)
            read.setdefault(dtype, []).append(c)
            known[key] = load(made, ()), start
        expr, base = known[key]
        # One that is always as much greater as another needs no number of its own.
        exprs.append(expr + const(int(start - base)) if is_index and start != base else expr)
    inputs = [
        Buffer(f"a{n}", *_flat(tensors), aligned=_is_aligned(tensors[0]))
        for n, tensors in enumerate(zip(*(k.inputs for k in kernels)))
    ]
    out = Buffer("out", *_flat([k.outputs[0] for k in kernels]))
    given = [Buffer(f"numbers_{d.name}", (len(cs),), d) for d, cs in read.items()]
    places = [load(b, (const(n),)) for b in given for n in range(b.shape[0])]
    order = [c for cs in read.values() for c in cs]
    by_column = dict(zip(sorted(order), registers))
    loads: list[Stmt] = [Store(by_column[c], (), place) for c, place in zip(order, places)]
    nest = _nest(first, kernels, exprs, inputs, out)
    body = Allocate(tuple(registers), seq(*loads, nest))
    program = Program(first.name, (*inputs, *given, out), body, 1, {"unsafe": True})
    tensors = [Tensor(b.name, b.shape, b.dtype, Placeholder()) for b in given]
    arguments = (*first.inputs, *tensors, *first.outputs)
    code = KernelCode(
        program, program, Schedule(program), arguments, 0.0, is_call=True, numbers=()
    )  # fmt: skip
    return _Family(code, tuple((d, tuple(cs)) for d, cs in read.items()))


def _same(a: float, b: float) -> bool:
    """Bit for bit, as far as constants of an expression go."""
    return a == b and math.copysign(1, a) == math.copysign(1, b) or a != a and b != b


def _is_aligned(tensor: Tensor) -> bool:
    return not isinstance(tensor.op, Placeholder) or tensor.op.aligned


def _flat(tensors: Sequence[Tensor]) -> tuple[tuple[int, ...], DType]:
    """The shape, of one axis at most, and the dtype of a buffer that may hold any of these."""
    if not tensors[0].shape:
        return (), tensors[0].dtype
    spans = [1 + sum((n - 1) * s for n, s in zip(t.shape, _strides(t))) for t in tensors]
    return (max(spans),), tensors[0].dtype


def _nest(
    first: Kernel, kernels: Sequence[Kernel], exprs: Sequence[Expr], inputs: Sequence[Buffer],
    out: Buffer,
) -> Stmt:  # fmt: skip
    compute = first.stages[0].compute
    (tensor,) = first.stages[0].tensors
    number = {t: n for n, t in enumerate(first.inputs)}
    ndim = tensor.ndim

    def at(indices: Sequence[Expr], strides: Sequence[Expr]) -> tuple[Expr, ...]:
        total: Expr = const(0)
        for index, stride in zip(indices, strides):
            total = total + index * stride
        return (simplify(total),) if indices else ()

    def element(node: Load, indices: list[Expr], strides: list[Expr]) -> Expr:
        return load(inputs[number[node.source]], at(indices, strides))

    def make(indices: list[Expr]) -> Stmt:
        rest = iter(exprs[2 * ndim :])
        axes: dict[Axis, Expr] = dict(zip(compute.axes, indices))
        value = simplify(_rebuilt(compute.body[tensor.index], rest, element, axes))
        return Store(out, at(indices, exprs[ndim : 2 * ndim]), value)

    spans = []
    for d, expr in enumerate(exprs[:ndim]):
        most = max(kernel.outputs[0].shape[d] for kernel in kernels)
        spans.append(Span(most, None if isinstance(expr, Const) else expr))
    return store_nest(spans, make)
