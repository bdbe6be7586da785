"""A template's kernels run over arrays of one size."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compile import Compiled
from ..dtypes import int64
from ..ir.expr import Reduce
from ..runtime.executor import Executable, address_of
from ..te.tensor import Compute, Constant, Tensor
from ..tracer.traced import Traced
from .chunks import SIZE, Chunks, reduce_of
from .stages import Kernel, Pass, Static
from .template import Template

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class Family:
    """The kernels for all sizes."""

    chunks: Chunks
    stages: tuple[Any, ...]

    @property
    def template(self) -> Template:
        return self.chunks.template

    def member(self, traced: Traced, size: int, numbers: list[Any], arrays: list[Array]) -> Member:
        """The family at one size."""
        return Member(self, traced, size, numbers, arrays)

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(s.kernel if isinstance(s, Static) else s.whole[0] for s in self.stages)


class Member:
    """A family at one size: what :class:`mlc.compile.Compiled` is for a function of one size."""

    executable: Executable | None = None

    def __init__(
        self, family: Family, traced: Traced, size: int, numbers: list[Any], arrays: list[Array]
    ) -> None:
        self.family, self.size = family, size
        self.outputs = traced.outputs
        template = family.chunks.template
        self.numbers = [
            np.asarray(value, getattr(node, "dtype", int64).numpy)
            for (_, node), value in zip(template.numbers, numbers, strict=True)
        ]
        self.arrays = arrays
        self.from_cache = all(kernel.compiled.from_cache for kernel in family.kernels)

    def run(self, arrays: Sequence[Array], out: Sequence[Array] | None = None) -> list[Array]:
        """The outputs for ``arrays``; written to ``out`` if that is given."""
        results = [] if out is None else list(out)
        if out is None:
            results = [np.empty(t.shape, t.dtype.numpy) for t in self.outputs]
        _Run(self, arrays, results).run()
        return results

    def _joined(self, text: Callable[[Compiled], str]) -> str:
        return "\n\n".join(text(kernel.compiled) for kernel in self.family.kernels)

    @property
    def kernels(self) -> tuple[Any, ...]:
        return tuple(k for kernel in self.family.kernels for k in kernel.compiled.kernels)

    @property
    def programs(self) -> tuple[Any, ...]:
        return tuple(kernel.scheduled for kernel in self.kernels)

    @property
    def graph_text(self) -> str:
        from ..te.show import graph_text

        return graph_text(self.outputs)

    @property
    def llvm(self) -> str:
        return self._joined(lambda compiled: compiled.llvm)

    @property
    def asm(self) -> str:
        return self._joined(lambda compiled: compiled.asm)


class _Run:
    """One call. ``known`` holds the arrays there are, by the tensor of the template."""

    def __init__(self, member: Member, arrays: Sequence[Array], outputs: Sequence[Array]) -> None:
        self.member = member
        self.chunks = member.family.chunks
        template = self.chunks.template
        traced = template.traced
        self.known: dict[Tensor, Array] = dict(zip(traced.inputs, arrays, strict=True))
        for tensor, array in zip(template.arrays, member.arrays, strict=True):
            self.known[tensor] = array
        for tensor, array in zip(traced.outputs, outputs, strict=True):
            self.known[tensor] = array
        self.wholes: dict[Tensor, Array] = {}
        self.folded: dict[tuple[Compute, int], Array] = {}
        self.outputs = set(traced.outputs)

    def run(self) -> None:
        for stage in self.member.family.stages:
            if isinstance(stage, Static):
                made = [self._place(t, self._shape(t)) for t in stage.results]
                self._call(stage.kernel, 0, 0, made)
            else:
                self._pass(stage)

    def _shape(self, tensor: Tensor) -> tuple[int, ...]:
        extents = self.chunks.template.extents
        pairs = (extents[tensor, d] for d in range(tensor.ndim))
        return tuple(int(slope * self.member.size + offset) for slope, offset in pairs)

    def _place(self, tensor: Tensor, shape: tuple[int, ...]) -> Array:
        found = self.known.get(tensor)
        if found is None:
            found = self.known[tensor] = np.empty(shape, tensor.dtype.numpy)
        return found

    def _pass(self, stage: Pass) -> None:
        total = self.member.size
        if stage.space != SIZE:
            total = int(stage.space[0] * total + stage.space[1])
        for tensor in stage.results:
            _, dim, count = self.chunks.spaces[tensor]
            shape = (*tensor.shape[:dim], count * total, *tensor.shape[dim + 1 :])
            self._place(tensor, shape)
        spare: dict[tuple[Compute, int], Array] = {}
        for op in stage.folds:
            shape = tuple(axis.extent for axis in op.axes)
            for n, identity in enumerate(reduce_of(op).combiner.identity):
                first = np.full(shape, identity.value, identity.dtype.numpy)
                self.folded[op, n] = first
                spare[op, n] = np.empty_like(first)
        for segment in segments(stage, total):
            if not self._run_many(stage, segment, spare):
                self._run_each(stage, segment, spare)
        for tensor in self.chunks.order:
            made = tensor.op
            if isinstance(made, Compute) and made in stage.folds:
                root = made.body[tensor.index]
                assert isinstance(root, Reduce)
                value = self.folded[made, root.index]
                if tensor in self.outputs:
                    self.known[tensor][...] = value
                else:
                    self.known[tensor] = value

    def _run_each(self, stage: Pass, segment: Segment, spare: dict[Any, Array]) -> None:
        """The parts of a segment one by one, with copies of what does not lie as a kernel wants."""
        kernel, count = segment.kernel, segment.count
        for k in range(segment.times):
            start = segment.start + k * count
            made = [self._rows(t, start, count) for t in stage.results]
            pairs = zip(made, stage.results, strict=True)
            targets = [_target(view, t, kernel, self.chunks) for view, t in pairs]
            self._call(kernel, start, count, [*targets, *spare.values()])
            for key, fresh in spare.items():
                spare[key], self.folded[key] = self.folded[key], fresh
            for view, target, tensor in zip(made, targets, stage.results, strict=True):
                if target is not view:
                    dim = self.chunks.spaces[tensor][1]
                    view[...] = target[along(dim, 0, view.shape[dim])]

    def _run_many(self, stage: Pass, segment: Segment, spare: dict[Any, Array]) -> bool:
        """The parts of a segment in one native loop, if all lies as a kernel wants."""
        kernel = segment.kernel
        executable = kernel.compiled.executable
        if executable is None or segment.count != kernel.rows:
            return False
        arrays: list[Array] = []
        steps: list[int] = []
        first = np.array(segment.start, np.int64)
        before: dict[Any, int] = {}
        for what, of in kernel.sources:
            if what == "rows" and not self._lies_in_rows(of):
                return False
            if what == "before":
                before[of] = len(arrays)
            plain = first if what == "start" else self._array(of) if what == "rows" else None
            arrays.append(
                self._source(kernel, what, of, 0, segment.count) if plain is None else plain
            )
            steps.append(self._row_bytes(of) if what == "rows" else 0)
        arrays += executable.constants
        steps += [0] * len(executable.constants)
        for tensor in stage.results:
            if not self._lies_in_rows(tensor):
                return False
            arrays.append(self.known[tensor])
            steps.append(self._row_bytes(tensor))
        swaps: list[int] = []
        for key, array in spare.items():
            swaps += (before[key], len(arrays))
            arrays.append(array)
            steps.append(0)
        places = [
            address_of(array) + segment.start * step
            for array, step in zip(arrays, steps, strict=True)
        ]
        n = len(places)
        executable.enter_many(
            (ctypes.c_void_p * n)(*places),
            (ctypes.c_int64 * n)(*(step * kernel.rows for step in steps)),
            (ctypes.c_int64 * len(swaps))(*swaps),
            address_of(first),
            kernel.rows,
            segment.times,
        )
        if segment.times % 2:
            for key, fresh in spare.items():
                spare[key], self.folded[key] = self.folded[key], fresh
        return True

    def _lies_in_rows(self, tensor: Tensor) -> bool:
        dim = self.chunks.spaces[tensor][1]
        array = self._array(tensor)
        return _is_plain(array) and (dim == 0 or all(n == 1 for n in array.shape[:dim]))

    def _row_bytes(self, tensor: Tensor) -> int:
        _, dim, rows = self.chunks.spaces[tensor]
        array = self._array(tensor)
        return rows * math.prod(array.shape[dim + 1 :]) * array.itemsize

    def _rows(self, tensor: Tensor, start: int, count: int) -> Array:
        _, dim, rows = self.chunks.spaces[tensor]
        return self.known[tensor][along(dim, start * rows, (start + count) * rows)]

    def _whole(self, tensor: Tensor) -> Array:
        found = self.wholes.get(tensor)
        if found is None:
            dim = self.chunks.spaces[tensor][1]
            array = np.moveaxis(self._array(tensor), dim, 0)
            found = self.wholes[tensor] = np.require(array, requirements=("C", "A"))
        return found

    def _array(self, tensor: Tensor) -> Array:
        found = self.known.get(tensor)
        if found is None:
            assert isinstance(tensor.op, Constant)
            found = self.known[tensor] = tensor.op.array
        return found

    def _source(self, kernel: Kernel, what: str, of: Any, start: int, count: int) -> Array:
        match what:
            case "rows":
                self._array(of)
                return _filled(self._rows(of, start, count), of, kernel, self.chunks)
            case "whole":
                return self._whole(of)
            case "all":
                return np.require(self._array(of), requirements=("C", "A"))
            case "number":
                return self.member.numbers[of]
            case "before":
                return self.folded[of]
            case "start":
                return np.asarray(start, np.int64)
            case "count":
                return np.asarray(count, np.int64)
        raise AssertionError(what)

    def _call(self, kernel: Kernel, start: int, count: int, made: list[Array]) -> None:
        sources = [self._source(kernel, w, of, start, count) for w, of in kernel.sources]
        compiled = kernel.compiled
        executable = compiled.executable
        if executable is None:
            compiled.run(sources, made)
            return
        arrays = (*sources, *executable.constants, *made)
        buffers = (ctypes.c_void_p * max(len(arrays), 1))(*map(address_of, arrays))
        executable.enter(buffers)


@dataclass(frozen=True)
class Segment:
    """``times`` parts of ``count`` rows each, from ``start`` on."""

    kernel: Kernel
    start: int
    count: int
    times: int


def segments(stage: Pass, total: int) -> list[Segment]:
    """Parts that cover all rows. Where nothing is folded, rows may be computed twice: the last
    part then ends where the array does."""
    found: list[Segment] = []
    at = 0
    for kernel in stage.whole:
        rows = kernel.rows
        if total - at >= rows:
            times = (total - at) // rows
            found.append(Segment(kernel, at, rows, times))
            at += times * rows
        is_last = kernel is stage.whole[-1]
        if at < total and total >= rows and not stage.folds and (
            is_last or (total - at) * 2 > rows
        ):  # fmt: skip
            found.append(Segment(kernel, total - rows, rows, 1))
            return found
    few = stage.tail.rows
    if total - at >= few:
        times = (total - at) // few
        found.append(Segment(stage.tail, at, few, times))
        at += times * few
    if at < total:
        found.append(Segment(stage.tail, at, total - at, 1))
    return found


def along(dim: int, start: int, stop: int | None) -> tuple[slice, ...]:
    """The index of ``[start:stop]`` along an axis."""
    return (*(slice(None),) * dim, slice(start, stop))


def _is_plain(view: Array) -> bool:
    return view.flags.c_contiguous and view.flags.aligned


def _filled(view: Array, tensor: Tensor, kernel: Kernel, chunks: Chunks) -> Array:
    """The rows as a kernel wants them: contiguous, and as many as it works on; the last one is
    repeated."""
    _, dim, rows = chunks.spaces[tensor]
    missing = kernel.rows * rows - view.shape[dim]
    if not missing:
        return view if _is_plain(view) else np.require(view, requirements=("C", "A"))
    shape = (*view.shape[:dim], kernel.rows * rows, *view.shape[dim + 1 :])
    full = np.empty(shape, view.dtype)
    full[along(dim, 0, view.shape[dim])] = view
    full[along(dim, view.shape[dim], None)] = view[along(dim, -1, None)]
    return full


def _target(view: Array, tensor: Tensor, kernel: Kernel, chunks: Chunks) -> Array:
    """Where a kernel may write its rows: ``view`` itself if it fits."""
    _, dim, rows = chunks.spaces[tensor]
    if view.shape[dim] == kernel.rows * rows and _is_plain(view):
        return view
    shape = (*view.shape[:dim], kernel.rows * rows, *view.shape[dim + 1 :])
    return np.empty(shape, view.dtype)
