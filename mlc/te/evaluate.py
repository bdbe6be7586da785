"""The reference meaning of tensor expressions: evaluation with vectorised NumPy.

Each compute is evaluated on a grid with one dimension per axis, spatial axes first; an expression
that does not depend on an axis keeps extent 1 there. Large grids are cut into pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, BoundsError, DTypeError, ShapeError
from ..ir.affine import as_sum
from ..ir.arithmetic import convert, scalar_function, silent
from ..ir.combiner import Combiner
from ..ir.expr import Apply, Axis, Cast, Const, Expr, Load, Reduce, Select, Var
from ..ir.rewrite import postorder
from ..ir.scalar import SCALAR_FNS
from .tensor import Call, Compute, Constant, Placeholder, Tensor

Array = Any  # np.ndarray or a NumPy scalar
PIECE = 1 << 21  # grid points evaluated at once
SEQUENTIAL = 512  # general combiners fold this many steps one by one, more as a tree


def evaluate(outputs: Sequence[Tensor], feeds: Mapping[Tensor, Any]) -> list[np.ndarray[Any, Any]]:
    """The values of ``outputs``, given those of the placeholders (or of any other tensor).

    Results are new C-contiguous arrays, except that a fed or constant tensor is returned as it is.
    Raises :class:`BoundsError` for an index that leaves its tensor where no select guards it.
    """
    done: dict[Tensor, np.ndarray[Any, Any]] = {t: _checked(t, a) for t, a in feeds.items()}
    with silent():
        for tensor in _unfinished(outputs, done):
            match tensor.op:
                case Constant(array=array):
                    done[tensor] = array
                case Placeholder():
                    raise ArgumentError(f"no value was given for the input {tensor!r}")
                case Call() as op:
                    made = _called(op, done)
                    for sibling in _siblings(tensor, outputs, done):
                        done[sibling] = made[sibling.index]
                    done[tensor] = made[tensor.index]
                case Compute() as op:
                    results = _Evaluator(tensor.name, op, done).results(tensor.shape)
                    for sibling in _siblings(tensor, outputs, done):
                        done[sibling] = results[sibling.index]
                    done[tensor] = results[tensor.index]
    return [done[tensor] for tensor in outputs]


def _called(op: Call, done: Mapping[Tensor, Any]) -> list[np.ndarray[Any, Any]]:
    """What the program of ``op`` writes."""
    from ..ir.interpret import interpret

    results = [np.empty(b.shape, b.dtype.numpy) for b in op.outputs]
    interpret(op.program, *(done[t] for t in op.inputs), *results)
    return results


def _checked(tensor: Tensor, value: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(value)
    if array.shape != tensor.shape:
        raise ShapeError(f"expected shape {tensor.shape} for {tensor.name}, got {array.shape}")
    if array.dtype != tensor.dtype.numpy:
        raise DTypeError(f"expected {tensor.dtype} for {tensor.name}, got {array.dtype.name}")
    return array


def _unfinished(outputs: Sequence[Tensor], done: Mapping[Tensor, Any]) -> Iterator[Tensor]:
    """The tensors that ``outputs`` need and that are not in ``done`` yet, inputs first."""
    stack = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, expanded = stack.pop()
        if tensor in done:
            continue
        if expanded:
            yield tensor
        else:
            stack.append((tensor, True))
            stack.extend((source, False) for source in reversed(tensor.inputs))


def _siblings(
    tensor: Tensor, outputs: Sequence[Tensor], done: Mapping[Tensor, Any]
) -> list[Tensor]:
    """Other results of the same operation among ``outputs``: they come for free."""
    return [t for t in outputs if t.op is tensor.op and t not in done]


def pieces(extents: Sequence[int], limit: int) -> Iterator[tuple[slice, ...]]:
    """Boxes that cover ``extents`` in order, each of at most ``limit`` points, the last axes whole
    for as long as possible."""
    if not extents:
        yield ()
        return
    inner = math.prod(extents[1:])
    step = max(1, limit // max(inner, 1))
    for start in range(0, extents[0], step):
        first = slice(start, min(start + step, extents[0]))
        if inner <= limit:
            yield (first, *(slice(0, extent) for extent in extents[1:]))
        else:
            for rest in pieces(extents[1:], limit):
                yield (first, *rest)


class _Evaluator:
    """Evaluates one compute, piece by piece."""

    def __init__(self, name: str, op: Compute, values: Mapping[Tensor, Any]) -> None:
        self.name = name
        self.op = op
        self.values = values
        reduction = op.reduction
        self.reduced: tuple[Axis, ...] = () if reduction is None else reduction.axes
        self.axes = op.axes + self.reduced
        self.position = {axis: d for d, axis in enumerate(self.axes)}

    def results(self, shape: tuple[int, ...]) -> list[np.ndarray[Any, Any]]:
        """One array per output."""
        out = [np.empty(shape, part.dtype.numpy) for part in self.op.body]
        reduction = self.op.reduction
        reduced = tuple(axis.extent for axis in self.reduced)
        whole = tuple(slice(0, extent) for extent in shape)
        small = math.prod(shape) * math.prod(reduced) <= PIECE
        for box in (
            (whole,) if small else pieces(shape, max(PIECE // max(math.prod(reduced), 1), 1))
        ):
            if any(s.start == s.stop for s in box):
                continue
            if reduction is None:
                parts = self._points(self.op.body, box)
            else:
                parts = self._folded(reduction, box, reduced)
                parts = [parts[r.index] for r in self.op.body if isinstance(r, Reduce)]
            for array, part in zip(out, parts, strict=True):
                array[box] = part
        return out

    def _folded(
        self, reduction: Reduce, box: tuple[slice, ...], reduced: tuple[int, ...]
    ) -> list[Array]:
        combiner = reduction.combiner
        spatial = tuple(s.stop - s.start for s in box)
        total: list[Array] | None = None
        if math.prod(reduced):
            limit = max(PIECE // max(math.prod(spatial), 1), 1)
            for inner in pieces(reduced, limit):
                grid = spatial + tuple(s.stop - s.start for s in inner)
                values = [
                    np.broadcast_to(v, grid) for v in self._points(reduction.values, (*box, *inner))
                ]
                part = _fold(combiner, values, len(spatial))
                total = part if total is None else _combine(combiner, total, part)
        if total is None:
            total = [np.asarray(c.value, c.dtype.numpy) for c in combiner.identity]
        return total

    def _points(self, roots: tuple[Expr, ...], box: tuple[slice, ...]) -> list[Array]:
        """The values of ``roots`` on ``box``, each broadcastable to its shape."""
        values: dict[Expr, Array] = {}
        faults: dict[Expr, Array] = {}  # where evaluating a node breaks bounds: number of the load
        loads: list[Load] = []
        ndim = len(box)
        for root in roots:
            for node in postorder(root):
                if node in values:
                    continue
                match node:
                    case Axis() if node in self.position:
                        d = self.position[node]
                        steps = np.arange(box[d].start, box[d].stop)
                        values[node] = steps.reshape(*(-1 if e == d else 1 for e in range(ndim)))
                    case Load():
                        values[node] = self._load(node, box, values, faults, loads)
                    case _:
                        values[node] = _apply(node, values)
                        _merge_faults(node, values, faults)
            if root in faults and np.any(faults[root]):
                self._report(faults[root], loads, values, box)
        return [values[root] for root in roots]

    def _load(
        self,
        node: Load,
        box: tuple[slice, ...],
        values: dict[Expr, Array],
        faults: dict[Expr, Array],
        loads: list[Load],
    ) -> Array:
        array = self.values[node.source]
        view = self._view(node, array, box)
        if view is not None:
            return view
        indices = [values[index] for index in node.indices]
        outside: Array = False
        for index, extent in zip(indices, array.shape, strict=True):
            if index.size and (index.min() < 0 or index.max() >= extent):
                outside = outside | (index < 0) | (index >= extent)
        _merge_faults(node, values, faults)
        if outside is not False:
            loads.append(node)
            faults[node] = np.maximum(np.where(outside, len(loads), 0), faults.get(node, 0))
            if array.size == 0:
                return node.dtype.numpy.type(0)
            indices = [
                np.clip(i, 0, extent - 1) for i, extent in zip(indices, array.shape, strict=True)
            ]
        return array[tuple(indices)]

    def _view(self, node: Load, array: Array, box: tuple[slice, ...]) -> Array | None:
        """The load as a strided view, where every index is ``step * axis + start`` in range."""
        picks: list[Any] = []
        dims: list[int] = []
        for index, extent in zip(node.indices, array.shape, strict=True):
            total = as_sum(index)
            if not total.terms:
                if not 0 <= total.constant < extent:
                    return None
                picks.append(total.constant)
                continue
            axis, step = total.terms[0]
            d = self.position.get(axis) if isinstance(axis, Axis) else None
            if len(total.terms) > 1 or d is None or d in dims or step <= 0:
                return None
            first = box[d].start * step + total.constant
            last = (box[d].stop - 1) * step + total.constant
            if first < 0 or last >= extent:
                return None
            picks.append(slice(first, last + 1, step))
            dims.append(d)
        view = array[tuple(picks)]
        view = view.transpose([dims.index(d) for d in sorted(dims)])
        return view.reshape(
            [box[d].stop - box[d].start if d in dims else 1 for d in range(len(box))]
        )

    def _report(
        self, fault: Array, loads: list[Load], values: dict[Expr, Array], box: tuple[slice, ...]
    ) -> None:
        grid = tuple(s.stop - s.start for s in box)
        fault = np.broadcast_to(fault, grid)
        at = tuple(int(n[0]) for n in np.nonzero(fault))
        node = loads[int(fault[at]) - 1]
        for dimension, (index, extent) in enumerate(
            zip(node.indices, node.source.shape, strict=True)
        ):
            value = int(np.broadcast_to(values[index], grid)[at])
            if not 0 <= value < extent:
                point = ", ".join(
                    f"{axis.name}={s.start + i}"
                    for axis, s, i in zip(self.axes, box, at, strict=True)
                )
                raise BoundsError(
                    f"index {value} is out of bounds for axis {dimension} of "
                    f"{node.source.name} with size {extent}: "
                    f"{index!r} in {self.name!r}" + (f" at {point}" if point else ""),
                    self.op.location,
                )
        raise AssertionError("a fault without a cause")


def _apply(node: Expr, values: Mapping[Expr, Array]) -> Array:
    match node:
        case Const(value=value):
            return np.asarray(value, node.dtype.numpy)
        case Apply(fn=fn, args=args):
            function = scalar_function(fn, node.dtype, args[0].dtype)
            return function(*(values[arg] for arg in args))
        case Cast(value=value):
            return convert(values[value], node.dtype)
        case Select(condition=c, then=a, otherwise=b):
            return np.where(values[c], values[a], values[b])
        case Var(name=name):
            raise ArgumentError(f"index {name!r} belongs to no axis of this te.compute")
    raise AssertionError(type(node))


def _merge_faults(node: Expr, values: Mapping[Expr, Array], faults: dict[Expr, Array]) -> None:
    """A node breaks bounds where a child of it does; a select only on the side it takes."""
    found: Array = None
    for child in node.children:
        fault = faults.get(child)
        if fault is None:
            continue
        if isinstance(node, Select) and child is not node.condition:
            taken = values[node.condition]
            if node.then is not node.otherwise:
                fault = np.where(taken if child is node.then else ~taken, fault, 0)
        found = fault if found is None else np.maximum(found, fault)
    if found is not None and np.any(found):
        faults[node] = found


def _fold(combiner: Combiner, values: list[Array], spatial: int) -> list[Array]:
    """``values`` combined over all dimensions from ``spatial`` on, in row-major order."""
    if combiner.fn:
        function = SCALAR_FNS[combiner.fn].numpy
        (value,) = values
        axes = tuple(range(spatial, value.ndim))
        dtype = combiner.dtypes[0].numpy
        start = dtype.type(combiner.identity[0].value)
        return [function.reduce(value, axis=axes, dtype=dtype, initial=start)]  # type: ignore[attr-defined]
    flat = [np.reshape(value, (*value.shape[:spatial], -1)) for value in values]
    while (count := flat[0].shape[-1]) > SEQUENTIAL:
        even, odd = count // 2 * 2, count % 2
        pairs = _combine(
            combiner, [v[..., 0:even:2] for v in flat], [v[..., 1:even:2] for v in flat]
        )
        flat = [
            np.concatenate([p, v[..., even:]], axis=-1) if odd else p
            for p, v in zip(pairs, flat, strict=True)
        ]
    total: list[Array] = [
        np.full(v.shape[:-1], c.value, c.dtype.numpy)
        for v, c in zip(flat, combiner.identity, strict=True)
    ]
    for step in range(count):
        total = _combine(combiner, total, [v[..., step] for v in flat])
    return total


def _combine(combiner: Combiner, left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
    values: dict[Expr, Array] = dict(zip(combiner.lhs + combiner.rhs, (*left, *right), strict=True))
    for part in combiner.result:
        for node in postorder(part):
            if node not in values:
                values[node] = _apply(node, values)
    shape = np.shape(left[0])
    return [np.broadcast_to(values[part], shape) for part in combiner.result]
