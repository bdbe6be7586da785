"""One set of kernels for arrays of any number of rows, on a card or emulated.

The graph is built once more with a great number of rows in the place of the size. Its kernels are
told at each call how many there are: `lower.cuda.bound_rows` keeps them from the others, and the
grid is as large as that number needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import te
from ..dtypes import int64
from ..errors import MlcError
from ..ir.expr import Axis, Const, Expr, Load, Reduce, const, load, reduce, select
from ..ir.program import Buffer
from ..ir.rewrite import rewrite
from ..records import replace
from ..te.key import topological
from ..te.tensor import Call, Compute, Constant, Placeholder, Tensor
from ..tracer.traced import Traced
from .chunks import NotChunked, reduce_of
from .template import Line, Mismatch, Template

if TYPE_CHECKING:
    from ..backends.cuda.device import DeviceModule, Launch, TensorMap

Array = np.ndarray[Any, Any]
_MOST_ELEMENTS = 1 << 30  # of an array, so that places are 32 bits wide
# What stands for a size is 1024 times one of these primes: no tile is left over, and extents that
# are joined are no multiples of it.
_PRIMES = (
    262139, 131071, 65521, 32749, 16381, 8191, 4093, 2039, 1021, 509, 251, 127, 61, 31, 13, 7,
)  # fmt: skip
_UNIT = 1024
_PART = 512  # elements that a step of a fold over rows takes for one of the next step
_MOST_STEPS = 4  # of a fold
_ALIGNMENT = 256  # bytes, of what lies in the workspace


@dataclass(frozen=True)
class _Size:
    """``(slope * n + offset) / part``, rounded up; ``stand_in`` is the extent that stands for it,
    if that is not what it is for the rows that stand for the size."""

    line: Line
    part: int = 1
    stand_in: int = 0

    def at(self, rows: int) -> int:
        slope, offset = self.line
        return -(-int(slope * rows + offset) // self.part)


class DeviceFamily:
    """The kernels for all sizes up to ``most``."""

    def __init__(self, template: Template, name: str, target: str) -> None:
        self.template = template
        self.target = target
        self.most = _rows_for(template)
        graph = _Graph(template, self.most)
        self.sizes = graph.sizes
        try:
            self._build(graph, name, target)
        except MlcError as error:
            raise NotChunked(error.message) from error

    def _build(self, graph: _Graph, name: str, target: str) -> None:
        from ..compile import compile_graph
        from ..compile_device import gpu_kernel, graph_device_module, module_for_cards
        from ..graph.kernel import Slot
        from ..graph.memory import nbytes
        from ..lower.cuda.bound_rows import Rows

        inputs = graph.inputs
        module = module_for_cards(inputs, graph.outputs, name, target)
        self.extents = [size.stand_in or size.at(self.most) for size in self.sizes]
        numbers = {extent: n for n, extent in enumerate(self.extents)}
        rows = Rows(Buffer("sizes", (len(self.sizes),), int64), numbers)
        slots, total = dict(module.slots), 0
        self.pieces: dict[int, tuple[Tensor, int | None]] = {}  # by place: what, and which size
        for tensor, slot in module.slots.items():
            number = rows.number(Buffer(tensor.name, tensor.shape, tensor.dtype))
            if slot.kind == "workspace":
                slots[tensor] = Slot("workspace", total, slot.nbytes)
                self.pieces[total] = tensor, number
                total += -(-nbytes(tensor) // _ALIGNMENT) * _ALIGNMENT
        module = replace(module, slots=slots, workspace_bytes=total)
        self.kernels = tuple(gpu_kernel(kernel, target, True) for kernel in module.kernels)
        self.module: DeviceModule = graph_device_module(
            module, self.kernels, compile_graph, rows=(rows, len(inputs) - 1)
        )
        if self.module.checks or self.module.host_calls:
            raise NotChunked("what refuses its data, or calls libraries, is compiled for each size")
        self.first_temporary = total
        self.uploaded: dict[tuple[int, int], Any] = {}  # constants on cards, for all sizes
        self.constants = [
            np.ascontiguousarray(t.op.array) for t in module.constants if isinstance(t.op, Constant)
        ]

    def member(
        self, traced: Traced, size: int, numbers: list[Any], arrays: list[Array]
    ) -> DeviceMember:
        """The family at one size."""
        if size > self.most:
            raise Mismatch(f"there are kernels for up to {self.most} rows")
        for mine, tensor in zip(self.template.traced.inputs, traced.inputs, strict=True):
            moving = any(self.template.extents[mine, d][0] for d in range(mine.ndim))
            op = tensor.op
            if (
                moving
                and isinstance(op, Placeholder)
                and (op.strides is not None or not op.aligned)
            ):
                raise Mismatch(f"{tensor.name} does not lie row after row")
        return DeviceMember(self, traced, size, numbers, arrays)


class DeviceMember:
    """A family at one size: what :class:`mlc.compile.Compiled` is for a function of one size."""

    executable = None
    from_cache = False

    def __init__(
        self, family: DeviceFamily, traced: Traced, size: int, numbers: list[Any],
        arrays: list[Array],
    ) -> None:  # fmt: skip
        self.family, self.inputs, self.outputs = family, traced.inputs, traced.outputs
        self.values = tuple(each.at(size) for each in family.sizes)
        places = family.template.numbers
        told = [
            np.asarray(value, getattr(node, "dtype", int64).numpy)
            for (_, node), value in zip(places, numbers, strict=True)
        ]
        arrays = [np.ascontiguousarray(array) for array in arrays]
        sizes = np.array(self.values, np.int64)
        self.constants: list[Array] = [*arrays, *told, sizes, *family.constants]
        self.common, self.uploaded = len(family.constants), family.uploaded

    @cached_property
    def device_module(self) -> DeviceModule:
        """The kernels, with launches for this size."""
        from ..backends.cuda.device import Argument

        family = self.family
        places, total = {}, 0
        for first, (tensor, number) in family.pieces.items():
            places[first] = total
            shape = [self._extent(n, number) for n in tensor.shape]
            total += -(-prod(shape) * tensor.dtype.itemsize // _ALIGNMENT) * _ALIGNMENT
        moved = total - family.first_temporary

        def place(old: Argument) -> Argument:
            if old.kind != "workspace":
                return old
            return replace(old, number=places.get(old.number, old.number + moved))

        def argument(old: Argument | TensorMap) -> Argument | TensorMap:
            return place(old) if isinstance(old, Argument) else replace(old, array=place(old.array))

        def launch(old: Launch) -> Launch:
            grid = old.grid if old.grid_for is None else old.grid_for(self.values)
            return replace(old, grid=grid, arguments=tuple(map(argument, old.arguments)))

        module = family.module
        return replace(
            module, launches=tuple(map(launch, module.launches)),
            workspace_bytes=module.workspace_bytes + moved,
        )  # fmt: skip

    def _extent(self, extent: int, number: int | None) -> int:
        if number is None or extent != self.family.extents[number]:
            return extent
        return self.values[number]

    @cached_property
    def _runner(self) -> Any:
        from ..compile_device import device_runner

        return device_runner(self.family.target, lambda: self.device_module)

    def run(self, arrays: Sequence[Array], out: Sequence[Array] | None = None) -> list[Array]:
        """The outputs for ``arrays``; written to ``out`` if that is given."""
        made = [np.empty(t.shape, t.dtype.numpy) for t in self.outputs]
        self._runner.run([*arrays, *self.constants], made)
        if out is None:
            return made
        for place, result in zip(out, made, strict=True):
            place[...] = result
        return list(out)

    @property
    def kernels(self) -> tuple[Any, ...]:
        return self.family.kernels

    @property
    def programs(self) -> tuple[Any, ...]:
        return tuple(kernel.scheduled for kernel in self.kernels)

    @property
    def graph_text(self) -> str:
        from ..te.show import graph_text

        return graph_text(self.outputs)

    @property
    def cuda(self) -> str:
        """The CUDA C of all kernels."""
        return self.family.module.source


def _rows_for(template: Template) -> int:
    """A number of rows that stands for the size: great enough to be like nothing that does
    not depend on it. Raises :class:`NotChunked`."""
    shapes: dict[Tensor, list[Line]] = {}
    fixed, lines = [1], set[Line]()
    for key, line in template.extents.items():
        if isinstance(key, tuple) and isinstance(key[0], Tensor):
            shapes.setdefault(key[0], []).append(line)
        lines.add(line) if line[0] else fixed.append(int(line[1]))
    if any(offset.denominator != 1 or slope <= 0 for slope, offset in lines):
        raise NotChunked("there are sizes that are no whole number of rows")
    sizes = _fixed_sizes(template)
    for prime in _PRIMES:
        rows = _UNIT * prime
        extents = [int(slope * rows + offset) for slope, offset in lines]
        whole = all((slope * rows).denominator == 1 for slope, _ in lines)
        most = max(
            (prod(int(a * rows + b) for a, b in shape) for shape in shapes.values()), default=1
        )
        if whole and most <= _MOST_ELEMENTS:
            if len(set(extents)) == len(lines) and min(extents) > max(fixed):
                if all(size % extent for size in sizes for extent in extents):
                    return rows
    raise NotChunked("rows are too long, or too few, beside the other sizes")


def _in_rows(tensor: Tensor) -> bool:
    op = tensor.op
    return not isinstance(op, Placeholder) or (op.strides is None and op.aligned)


def _fixed_sizes(template: Template) -> set[int]:
    """The elements of arrays that do not depend on the size: no extent that stands for one may
    divide them, so that none is like axes of theirs, joined or not."""
    traced = template.traced
    tensors = (*traced.inputs, *topological(traced.outputs))
    moving = {k[0] for k, line in template.extents.items() if isinstance(k, tuple) and line[0]}
    return {max(t.size, 1) for t in tensors if t not in moving}


class _Graph:
    """The graph of ``template`` with ``rows`` in the place of its size. Inputs are those of the
    function, then arrays and numbers that change with the size, then the sizes."""

    def __init__(self, template: Template, rows: int) -> None:
        self.template, self.rows = template, rows
        extents = template.extents
        lines = [line for line in dict.fromkeys(extents.values()) if line[0]]
        self.sizes = [_Size(line) for line in lines]
        fixed = max((int(b) for a, b in extents.values() if not a), default=1)
        taken = {self.extent(line) for line in lines}
        sizes = _fixed_sizes(template)
        self.free = [  # extents that may stand for numbers of parts
            n for n in (_UNIT * prime for prime in reversed(_PRIMES))
            if n > fixed and n not in taken and all(size % n for size in sizes)
        ]  # fmt: skip
        traced = template.traced
        self.made: dict[Tensor, Tensor] = {}
        self.computes: dict[Compute, tuple[Tensor, ...]] = {}
        order = topological(traced.outputs)
        for tensor in (*traced.inputs, *template.arrays):
            op = tensor.op if isinstance(tensor.op, Placeholder) else Placeholder()
            moving = any(extents[tensor, d][0] for d in range(tensor.ndim))
            if moving and not _in_rows(tensor):
                raise NotChunked(f"{tensor.name} does not lie row after row")
            self.made[tensor] = Tensor(tensor.name, self.shape(tensor), tensor.dtype, op)
        self.numbers = {
            place: te.placeholder((), getattr(place[1], "dtype", int64), "number")
            for place in template.numbers
        }
        folds = sum(
            any(extents[a][0] for a in op.reduction.axes)
            for op in dict.fromkeys(t.op for t in order)
            if isinstance(op, Compute) and op.reduction is not None
        )
        self.told = te.placeholder((len(self.sizes) + folds * _MOST_STEPS,), int64, "sizes")
        for tensor in order:
            if tensor not in self.made:
                self.made[tensor] = self.tensor(tensor)
        self.sizes += [self.sizes[0]] * (self.told.shape[0] - len(self.sizes))
        self.outputs = [self.made[t] for t in traced.outputs]
        first = [self.made[t] for t in (*traced.inputs, *template.arrays)]
        self.inputs = [*first, *self.numbers.values(), self.told]

    def extent(self, line: Line) -> int:
        return int(line[0] * self.rows + line[1])

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        return tuple(self.extent(self.template.extents[tensor, d]) for d in range(tensor.ndim))

    def size(self, size: _Size) -> Expr:
        """What the kernels are told of it."""
        if size not in self.sizes:
            self.sizes.append(size)
        return load(self.told, (const(self.sizes.index(size)),))

    def tensor(self, tensor: Tensor) -> Tensor:
        match tensor.op:
            case Compute() as op:
                made = self.computes.get(op)
                if made is None:
                    made = self.computes[op] = self.compute(op)
                part = made[tensor.index]
                return Tensor(tensor.name, part.shape, part.dtype, part.op, part.index)
            case Call() as op:
                moving = any(self.template.extents[tensor, d][0] for d in range(tensor.ndim))
                moving = moving or any(self.shape(t) != t.shape for t in op.inputs)
                if moving or any(owner is op for owner, _ in self.template.numbers):
                    raise NotChunked(f"{op.op} has a program of its own for each size")
                given: Any = replace(op, inputs=tuple(self.made[t] for t in op.inputs))
                return Tensor(tensor.name, tensor.shape, tensor.dtype, given, tensor.index)
        return tensor

    def compute(self, op: Compute) -> tuple[Tensor, ...]:
        extents = self.template.extents
        root = op.reduction
        folded = () if root is None else root.axes
        if sum(bool(extents[a][0]) for a in (*op.axes, *folded)) > 1:
            raise NotChunked(f"two axes of {op.op} depend on the size")
        axes = {a: Axis(a.name, self.extent(extents[a]), a.is_reduce) for a in (*op.axes, *folded)}
        spatial = tuple(axes[a] for a in op.axes)
        own = next((a for a in folded if extents[a][0]), None)
        if own is not None:
            return self.fold(op, own, axes)
        body = self.translated(op, axes)
        if root is None:
            bodies = tuple(map(body, op.body))
        else:
            values = tuple(map(body, root.values))
            bodies = tuple(
                reduce(root.combiner, values, tuple(axes[a] for a in folded), part.index)
                for part in op.body
                if isinstance(part, Reduce)
            )
        return _results(Compute(spatial, bodies, op.op, (), op.location))

    def fold(self, op: Compute, own: Axis, axes: dict[Axis, Axis]) -> tuple[Tensor, ...]:
        """A reduction over rows in several steps: each folds as many elements as a part has, for as
        many parts as there are, until few are left."""
        root, line = reduce_of(op), self.template.extents[own]
        combiner = root.combiner
        every = range(len(combiner.identity))
        size, extent = _Size(line), axes[own].extent
        made: tuple[Tensor, ...] | None = None
        while True:
            is_last = made is not None and extent <= _PART
            spatial = tuple(Axis(a.name, axes[a].extent) for a in op.axes)
            inner = Axis(own.name, extent if is_last else _PART, True)
            fewer = -(-extent // _PART)
            stand_in = 0 if is_last else self.stand_in(fewer)
            part = Axis("part", stand_in)
            row: Expr = inner if is_last else part * _PART + inner
            folded: tuple[Axis, ...] = (inner,)
            if made is None:
                body = self.translated(op, {**axes, **dict(zip(op.axes, spatial)), own: row})
                values = tuple(map(body, root.values))
                folded = tuple(inner if a is own else axes[a] for a in root.axes)
            else:
                values = tuple(load(each, (row, *spatial)) for each in made)
            inside = row < self.size(size)
            values = tuple(
                select(inside, value, neutral)
                for value, neutral in zip(values, combiner.identity, strict=True)
            )
            if is_last:
                numbers = [p.index for p in op.body if isinstance(p, Reduce)]
                bodies = tuple(reduce(combiner, values, folded, n) for n in numbers)
                return _results(Compute(spatial, bodies, op.op, (), op.location))
            bodies = tuple(reduce(combiner, values, folded, n) for n in every)
            made = _results(Compute((part, *spatial), bodies, op.op, (), op.location))
            size, extent = _Size(line, size.part * _PART, stand_in), fewer
            self.size(size)

    def stand_in(self, least: int) -> int:
        """An extent that stands for a number of parts, ``least`` or more, and for nothing else."""
        found = next((n for n in self.free if n >= least), None)
        if found is None:
            raise NotChunked("there are too many folds over rows")
        self.free.remove(found)
        return found

    def translated(
        self, op: Compute, axes: dict[Any, Expr] | dict[Axis, Axis]
    ) -> Callable[[Expr], Expr]:
        mapping: dict[Any, Expr] = dict(axes)
        memo: dict[Expr, Expr] = {}

        def rule(node: Expr) -> Expr | None:
            match node:
                case Const():
                    number = self.numbers.get((op, node))
                    return None if number is None else load(number, ())
                case Axis():
                    return mapping.get(node)
                case Load(source=Tensor() as source):
                    return load(self.made[source], node.indices)
            return None

        return lambda expr: rewrite(expr, rule, memo)


def _results(op: Compute) -> tuple[Tensor, ...]:
    shape = tuple(axis.extent for axis in op.axes)
    return tuple(Tensor(op.op, shape, part.dtype, op, n) for n, part in enumerate(op.body))
