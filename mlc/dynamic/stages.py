"""The kernels of a template: static parts, and passes over a fixed number of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .. import te
from ..compile import CallSpec, Compiled, compile_graph
from ..ir.expr import Axis, Const, Expr, Load, Reduce, load, reduce, select
from ..ir.rewrite import postorder, rewrite, substitute
from ..te.tensor import Call, Compute, Constant, Tensor
from .chunks import SIZE, Chunks, NotChunked, Space, local_index, reduce_of, space_of
from .programs import ROWS

_CHUNK_BYTES, _SMALL_BYTES = 8 << 20, 4 << 10  # of a part: the greatest and the smallest
_LEAST, _MOST = 64, 1 << 21
_RATIO, _CLOSE_RATIO = 32, 8  # between the numbers of rows
_MATRIX = 1 << 12  # elements


@dataclass(frozen=True, eq=False)
class Kernel:
    """Compiled code over arrays that ``sources`` name: (what, of which tensor or number)."""

    compiled: Compiled
    sources: tuple[tuple[str, Any], ...]
    rows: int


@dataclass(frozen=True, eq=False)
class Static:
    """A part that does not depend on the size; it computes ``results``."""

    kernel: Kernel
    results: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Pass:
    """A pass over the rows of ``space``: ``results`` row by row, and what ``folds`` combine.

    Each of ``whole`` computes its number of rows, the greatest first; ``tail`` fewer than it has,
    told how many.
    """

    space: Space
    results: tuple[Tensor, ...]
    folds: tuple[Compute, ...]
    whole: tuple[Kernel, ...]
    tail: Kernel


def build_stages(
    chunks: Chunks, name: str, target: str, debug: bool, most: int | None
) -> list[Any]:
    """The parts in the order they run."""
    levels = chunks.levels
    last = max(levels[t] for t in chunks.order)
    parts: list[Any] = []
    options = {"name": name, "target": target, "debug": debug}
    static = _static_results(chunks)
    for level in range(last + 1):
        results = tuple(t for t in static if levels[t] == level)
        if results:
            parts.append(Static(_static_kernel(chunks, results, level, options), results))
        for op in dict.fromkeys(t.op for t in chunks.order if levels[t] == level):
            if isinstance(op, Call) and op in chunks.calls:
                parts.append(_call_part(chunks, op, level, options))
        spaces: dict[Space, tuple[list[Tensor], list[Compute]]] = {}
        for tensor in chunks.order:
            op = tensor.op
            if not isinstance(op, Compute):
                continue
            if op in chunks.folds and levels[tensor] == level + 1:
                found = spaces.setdefault(chunks.folds[op][0], ([], []))[1]
                if op not in found:
                    found.append(op)
            elif tensor in chunks.stored and levels[tensor] == level:
                spaces.setdefault(chunks.spaces[tensor][0], ([], []))[0].append(tensor)
        for space, (kept, folds) in spaces.items():
            parts.append(_pass(chunks, space, level, tuple(kept), tuple(folds), options, most))
    return parts


def _static_results(chunks: Chunks) -> list[Tensor]:
    """What parts that do not depend on the size compute for others."""

    def is_static(tensor: Tensor) -> bool:
        is_made = isinstance(tensor.op, (Compute, Call))
        is_made = is_made and tensor.op not in chunks.folds and tensor.op not in chunks.calls
        return is_made and tensor not in chunks.spaces

    needed = set(chunks.template.traced.outputs)
    for user in chunks.order:
        outside = not is_static(user)
        for tensor in user.inputs:
            if outside or chunks.levels[tensor] < chunks.levels[user]:
                needed.add(tensor)
    return [t for t in chunks.order if t in needed and is_static(t)]


def _call_part(chunks: Chunks, op: Call, level: int, options: dict[str, Any]) -> Static:
    """A program that depends on the size, over whole arrays."""
    results = {t.index: t for t in chunks.order if t.op is op}
    if len(results) != len(op.outputs):
        raise NotChunked(f"not all results of {op.op} are used")
    builder = _Builder(chunks, level, 0, False, SIZE)
    given = [builder.whole(t) if t in chunks.spaces else builder.tensor(t) for t in op.inputs]
    numbers = [n for n, (owner, _) in enumerate(chunks.template.numbers) if owner is op]
    fresh = chunks.calls[op]
    params = fresh.program.params
    places = params[len(given) : len(given) + len(numbers)]
    given += [
        builder.source("number", n, (), place.dtype, "number")
        for n, place in zip(numbers, places, strict=True)
    ]
    made = replace(fresh, inputs=tuple(given))
    ordered = tuple(results[i] for i in sorted(results))
    outputs = [
        Tensor(t.name, buffer.shape, t.dtype, made, t.index)
        for t, buffer in zip(ordered, made.outputs, strict=True)
    ]
    return Static(builder.kernel(outputs, options), ordered)


def _pass(
    chunks: Chunks, space: Space, level: int, kept: tuple[Tensor, ...], folds: tuple[Compute, ...],
    options: dict[str, Any], most: int | None,
) -> Pass:  # fmt: skip
    row_bytes = _row_bytes(chunks, kept, folds)
    rows = max(min(_CHUNK_BYTES // row_bytes, _MOST), _LEAST)
    if most is not None:
        rows = min(rows, max(int(space[0] * most + space[1]), 1))
    rows = 1 << (rows.bit_length() - 1)
    sizes = [rows]
    few = max(_SMALL_BYTES // row_bytes, 1)
    while sizes[-1] > 4 * few:
        step = _CLOSE_RATIO if folds or _is_product(chunks) else _RATIO
        sizes.append(max(sizes[-1] // step, 1))

    def made(count: int, partial: bool) -> Kernel:
        builder = _Builder(chunks, level, count, partial, space)
        outputs = [builder.tensor(t) for t in kept]
        for op in folds:
            outputs += builder.folded(op)
        return builder.kernel(outputs, options)

    whole = tuple(made(count, False) for count in sizes)
    return Pass(space, kept, folds, whole, made(sizes[-1], True))


def _is_product(chunks: Chunks) -> bool:
    """Whether a pass reads a matrix again for every few rows, so that those should be many."""
    for tensor in chunks.order:
        op = tensor.op
        if isinstance(op, Compute) and op.reduction is not None and tensor in chunks.spaces:
            if any(t not in chunks.spaces and t.size > _MATRIX for t in op.inputs):
                return True
    return False


def _row_bytes(chunks: Chunks, kept: tuple[Tensor, ...], folds: tuple[Compute, ...]) -> int:
    """Roughly what a row takes in all arrays that a pass reads and writes."""
    seen: set[Tensor] = set()
    pending = [*kept, *(t for op in folds for t in op.inputs)]
    total = 0
    while pending:
        tensor = pending.pop()
        if tensor in seen or tensor not in chunks.spaces:
            continue
        seen.add(tensor)
        _, dim, count = chunks.spaces[tensor]
        at_edge = not isinstance(tensor.op, Compute) or tensor in chunks.stored
        if at_edge:
            others = [n for d, n in enumerate(tensor.shape) if d != dim]
            size = count * tensor.dtype.itemsize
            for n in others:
                size *= n
            total += size
        if isinstance(tensor.op, Compute):
            pending += tensor.op.inputs
    return max(total, 1)


def _static_kernel(
    chunks: Chunks, results: tuple[Tensor, ...], level: int, options: dict[str, Any]
) -> Kernel:
    builder = _Builder(chunks, level, 0, False, None)
    return builder.kernel([builder.tensor(t) for t in results], options)


class _Builder:
    """Rebuilds a part of the graph over other sizes."""

    def __init__(
        self, chunks: Chunks, level: int, rows: int, partial: bool, space: Space | None
    ) -> None:
        self.chunks, self.level, self.rows, self.partial = chunks, level, rows, partial
        self.space = space
        self.numbers = {place: n for n, place in enumerate(chunks.template.numbers)}
        self.sources: dict[tuple[str, Any], Tensor] = {}
        self.made: dict[Tensor, Tensor] = {}
        self.computes: dict[Compute, Compute] = {}

    def kernel(self, outputs: list[Tensor], options: dict[str, Any]) -> Kernel:
        call = CallSpec(returns="list", out="never")
        compiled = compile_graph(tuple(self.sources.values()), outputs, call=call, **options)
        return Kernel(compiled, tuple(self.sources), self.rows)

    def source(self, what: str, of: Any, shape: tuple[int, ...], dtype: Any, name: str) -> Tensor:
        found = self.sources.get((what, of))
        if found is None:
            found = self.sources[what, of] = te.placeholder(shape, dtype, name)
        return found

    def scalar(self, what: str) -> Expr:
        return load(self.source(what, None, (), "int64", what), ())

    def tensor(self, tensor: Tensor) -> Tensor:
        """``tensor`` here: rows of it, or all if it does not depend on the size."""
        found = self.made.get(tensor)
        if found is None:
            # Inputs first, from the deepest: bodies may be nested far.
            for needed in self._needed(tensor):
                self.made[needed] = self._made(needed)
            found = self.made[tensor]
        return found

    def _needed(self, tensor: Tensor) -> list[Tensor]:
        order: list[Tensor] = []
        seen: set[Tensor] = set()
        pending: list[tuple[Tensor, bool]] = [(tensor, False)]
        while pending:
            node, done = pending.pop()
            if done:
                order.append(node)
            elif node not in self.made and node not in seen:
                seen.add(node)
                pending.append((node, True))
                if self._is_computed(node):
                    op = node.op
                    assert isinstance(op, (Compute, Call))
                    pending += [(t, False) for t in self._read(op)]
        return order

    def _read(self, op: Compute | Call) -> list[Tensor]:
        if isinstance(op, Call):
            return list(op.inputs)
        whole = {node.source for node in self.chunks.whole.get(op, ())}
        aligned = {
            node.source
            for part in op.body
            for node in postorder(part)
            if isinstance(node, Load) and node not in self.chunks.whole.get(op, ())
        }
        return [t for t in op.inputs if t in aligned or t not in whole]

    def _is_computed(self, tensor: Tensor) -> bool:
        op = tensor.op
        if not isinstance(op, (Compute, Call)) or op in self.chunks.folds:
            return False
        if op in self.chunks.calls:
            return False
        mine = self.chunks.levels[tensor] == self.level
        if tensor in self.chunks.spaces:
            return mine or tensor not in self.chunks.stored
        return mine and self.space is None

    def _made(self, tensor: Tensor) -> Tensor:
        if self._is_computed(tensor):
            return self._computed(tensor)
        if isinstance(tensor.op, Constant) and tensor not in self.chunks.template.arrays:
            return tensor
        if tensor in self.chunks.spaces:
            return self.source("rows", tensor, self.shape(tensor), tensor.dtype, tensor.name)
        return self.source("all", tensor, tensor.shape, tensor.dtype, tensor.name)

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        place = self.chunks.spaces.get(tensor)
        if place is None:
            return tensor.shape
        _, dim, count = place
        return (*tensor.shape[:dim], count * self.rows, *tensor.shape[dim + 1 :])

    def whole(self, tensor: Tensor) -> Tensor:
        _, dim, _ = self.chunks.spaces[tensor]
        rest = tuple(n for d, n in enumerate(tensor.shape) if d != dim)
        return self.source("whole", tensor, (ROWS, *rest), tensor.dtype, tensor.name)

    def _computed(self, tensor: Tensor) -> Tensor:
        op = tensor.op
        if isinstance(op, Call):
            made: Any = replace(op, inputs=tuple(self.made[t] for t in op.inputs))
            return Tensor(tensor.name, tensor.shape, tensor.dtype, made, tensor.index)
        assert isinstance(op, Compute)
        made = self.computes.get(op)
        if made is None:
            axes, body = self._translated(op)
            root = op.reduction
            if root is not None:
                folded = tuple(axes[a] for a in root.axes)
                values = tuple(body(v) for v in root.values)
                numbers = [part.index for part in op.body if isinstance(part, Reduce)]
                bodies = tuple(reduce(root.combiner, values, folded, n) for n in numbers)
            else:
                bodies = tuple(map(body, op.body))
            made = self.computes[op] = Compute(
                tuple(axes[a] for a in op.axes), bodies, op.op, (), op.location
            )
        return Tensor(tensor.name, self.shape(tensor), tensor.dtype, made, tensor.index)

    def _translated(self, op: Compute) -> tuple[dict[Axis, Axis], Callable[[Expr], Expr]]:
        """The axes of ``op`` here, and how its expressions read here."""
        extents = self.chunks.template.extents
        root = op.reduction
        own: Axis | None = None
        rows = 0
        axes: dict[Axis, Axis] = {}
        for axis in (*op.axes, *(() if root is None else root.axes)):
            extent = axis.extent
            if extents[axis][0]:
                own, (_, rows) = axis, space_of(extents[axis])
                extent = rows * self.rows
            axes[axis] = Axis(axis.name, extent, axis.is_reduce)
        mapping: dict[Any, Expr] = dict(axes)
        if own is not None and self._needs_start(op, own):
            place: Expr = axes[own]
            if self.partial:
                place = te.min(place, self.scalar("count") * rows - 1)
            mapping[own] = place + self.scalar("start") * rows
        whole = self.chunks.whole.get(op, set())
        memo: dict[Expr, Expr] = {}

        def rule(node: Expr) -> Expr | None:
            if isinstance(node, Const):
                number = self.numbers.get((op, node))
                if number is None:
                    return None
                return load(self.source("number", number, (), node.dtype, "number"), ())
            return mapping.get(node) if isinstance(node, Axis) else None

        def body(expr: Expr) -> Expr:
            for node in postorder(expr):
                if isinstance(node, Load) and node not in memo:
                    indices = [rewrite(i, rule, memo) for i in node.indices]
                    memo[node] = self._load(node, indices, node in whole, own, rows, axes)
            return rewrite(expr, rule, memo)

        return axes, body

    def _needs_start(self, op: Compute, own: Axis) -> bool:
        """Whether anything but rows of aligned arrays depends on where the chunk is."""
        whole = self.chunks.whole.get(op, set())
        pending: list[Expr] = [*(op.body if op.reduction is None else op.reduction.values)]
        seen: set[Expr] = set()
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            if node is own:
                return True
            if isinstance(node, Load) and node not in whole and node.source in self.chunks.spaces:
                dim = self.chunks.spaces[node.source][1]
                pending += [c for d, c in enumerate(node.indices) if d != dim]
            else:
                pending += node.children
        return False

    def _load(
        self, node: Load, indices: list[Expr], whole: bool, own: Axis | None, rows: int,
        axes: dict[Axis, Axis],
    ) -> Expr:  # fmt: skip
        source = node.source
        place = self.chunks.spaces.get(source)
        if place is None:
            return load(self.made[source], tuple(indices))
        dim = place[1]
        if whole:
            at = indices.pop(dim)
            return load(self.whole(source), (at, *indices))
        assert own is not None
        index = local_index(self.chunks, node, own, rows)
        mapping: Any = axes
        indices[dim] = substitute(index, mapping)
        return load(self.made[source], tuple(indices))

    def folded(self, op: Compute) -> list[Tensor]:
        """What was combined before, combined with the rows of this chunk."""
        for tensor in self._read(op):
            self.tensor(tensor)
        axes, body = self._translated(op)
        root = reduce_of(op)
        _, own, rows = self.chunks.folds[op]
        values = tuple(body(v) for v in root.values)
        if self.partial:
            inside = axes[own] < self.scalar("count") * rows
            pairs = zip(values, root.combiner.identity, strict=True)
            values = tuple(select(inside, value, identity) for value, identity in pairs)
        folded = tuple(axes[a] for a in root.axes)
        spatial = tuple(axes[a] for a in op.axes)
        shape = tuple(a.extent for a in spatial)
        kinds = root.combiner.dtypes
        parts = tuple(reduce(root.combiner, values, folded, n) for n in range(len(kinds)))
        # A place is one in all rows: what searches in these alone must not know the operator again.
        name = Compute.op if self._needs_start(op, own) else op.op
        made = Compute(spatial, parts, name, (), op.location)
        fresh = [Tensor("part", shape, kind, made, n) for n, kind in enumerate(kinds)]
        before = [
            self.source("before", (op, n), shape, kind, "before") for n, kind in enumerate(kinds)
        ]
        points = tuple(Axis(a.name, a.extent) for a in spatial)
        combined = root.combiner.combine(
            tuple(load(t, points) for t in before), tuple(load(t, points) for t in fresh)
        )
        total = Compute(points, combined)
        return [Tensor("total", shape, kind, total, n) for n, kind in enumerate(kinds)]
