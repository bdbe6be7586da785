"""From tensor expressions to tensor programs: one block per compute, in naive loops."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.expr import Expr, Load, Reduce, Var, const, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    For,
    Iter,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
)
from ..ir.rewrite import loads_of, substitute_loads
from ..records import dataclass
from .tensor import Compute, Placeholder, Tensor


@dataclass(frozen=True, eq=False)
class Nest:
    """One loop nest to be: ``tensors`` are filled as ``compute`` says."""

    tensors: tuple[Tensor, ...]
    compute: Compute


@dataclass(frozen=True)
class Tiling:
    """How the nests share loops: axis d < len(sizes) of every nest runs in tiles of ``sizes[d]``.

    ``order`` lists those axes from the outermost loop inwards; by default they are in order. The
    nests number ``start`` to ``stop - 1``, for a pair of ``together``, share the loops within a
    tile, too: all of them run for one point of those axes before the next, and what only they use
    exists for the point at hand.
    """

    sizes: tuple[int, ...] = ()
    order: tuple[int, ...] | None = None
    together: tuple[tuple[int, int], ...] = ()

    def depth(self, nest: int) -> int:
        """How many loops around that number ``nest`` shares with others."""
        within = any(start <= nest < stop for start, stop in self.together)
        return len(self.sizes) + (1 if within and self.sizes[-1] > 1 else 0)


def create_program(
    name: str,
    nests: Sequence[Nest],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    tiling: Tiling | None = None,
    before: Sequence[Nest] = (),
    scratch: Sequence[Tensor] = (),
    local_scope: Scope = Scope.STACK,
) -> Program:
    """A program that runs ``nests`` in order; params are ``inputs``, ``scratch`` and ``outputs``.

    With ``tiling``, the first axes of all nests run in common outer loops, tile by tile, and a
    tensor that is neither input nor output exists only for the tile at hand. Every load of such a
    tensor must then use the common axes unchanged as its first indices. Without it each nest is a
    loop nest of its own. The nests in ``before`` run first, each in loops of its own; what they
    make is in ``scratch``, or else allocated around everything. What exists for a tile lives in
    ``local_scope``.
    """
    params = (*inputs, *scratch)
    builder = _Builder(name, nests, params, outputs, tiling or Tiling(), local_scope, before)
    return builder.build(before)


class _Builder:
    def __init__(
        self,
        name: str,
        nests: Sequence[Nest],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        tiling: Tiling,
        local_scope: Scope,
        before: Sequence[Nest],
    ) -> None:
        tiles = tiling.sizes
        self.name = name
        self.nests = nests
        self.inputs, self.outputs = inputs, outputs
        self.tiles = tiles
        taken: dict[str, int] = {}
        self.buffers: dict[Tensor, Buffer] = {}
        for tensor in (*inputs, *outputs):
            self.buffers.setdefault(tensor, _buffer(tensor, _unique(tensor.name, taken)))
        self.held: list[Buffer] = []  # while the program runs
        for tensor in (t for nest in before for t in nest.tensors):
            if tensor not in self.buffers:
                self.buffers[tensor] = _buffer(tensor, _unique(tensor.name, taken))
                self.held.append(self.buffers[tensor])
        self.local: list[Buffer] = []
        self.inner: dict[Buffer, int] = {}  # those that exist for a point, by the start of a pair
        homes = _homes(nests, tiling.together)
        for tensor in (t for nest in nests for t in nest.tensors):
            if tensor not in self.buffers:
                home = homes.get(tensor)
                lead = tiles if home is None else (1,) * len(tiles)
                label = _unique(tensor.name, taken)
                shape = lead + tensor.shape[len(tiles) :]
                buffer = Buffer(label, shape, tensor.dtype, scope=local_scope)
                self.buffers[tensor] = buffer
                if home is None:
                    self.local.append(buffer)
                else:
                    self.inner[buffer] = home
        self.locals = {*self.local, *self.inner}
        self.outer: list[tuple[Var, int]] = []
        if tiles:
            first = nests[0].compute
            for d, tile in enumerate(tiles):
                axis = first.axes[d]
                label = axis.name if tile == 1 else f"{axis.name}o"
                self.outer.append((Var(label), -(-axis.extent // tile)))
        self.order = tiling.order or tuple(range(len(tiles)))
        self.together = tiling.together
        self.common: dict[int, Var] = {}  # loops within the tile at hand that nests share
        self.blocks: dict[str, int] = {}

    def build(self, before: Sequence[Nest]) -> Program:
        self.names = {nest: self.block_name(nest) for nest in (*before, *self.nests)}
        parts: list[Stmt] = []
        done = 0
        for start, stop in self.together:
            parts.extend(map(self.nest, self.nests[done:start]))
            parts.append(self.shared_rows(start, stop))
            done = stop
        parts.extend(map(self.nest, self.nests[done:]))
        body = seq(*parts)
        if self.local:
            body = Allocate(tuple(self.local), body)
        for d in reversed(self.order):
            body = For(*self.outer[d], body)
        tiles, self.tiles = self.tiles, ()
        body = seq(*map(self.nest, before), body)
        if self.held:
            body = Allocate(tuple(self.held), body)
        self.tiles = tiles
        params = tuple(self.buffers[t] for t in (*self.inputs, *self.outputs))
        return Program(self.name, params, body, len(self.outputs))

    def shared_rows(self, start: int, stop: int) -> Stmt:
        """The blocks of several computes inside common loops over the tile."""
        nests = self.nests[start:stop]
        axes = nests[0].compute.axes
        self.common = {d: Var(f"{axes[d].name}i") for d, tile in enumerate(self.tiles) if tile > 1}
        body = seq(*map(self.nest, nests))
        held = tuple(buffer for buffer, home in self.inner.items() if home == start)
        if held:
            body = Allocate(held, body)
        for d, var in reversed(self.common.items()):
            body = For(var, self.tiles[d], body)
        self.common = {}
        return body

    def nest(self, nest: Nest) -> Stmt:
        """The block of one compute inside its own loops."""
        op = nest.compute
        iters: list[Iter] = []
        loops: list[tuple[Var, int]] = []
        predicate: Expr | None = None
        for d, axis in enumerate(op.axes):
            if d < len(self.tiles):
                tile, (outer, count) = self.tiles[d], self.outer[d]
                binding: Expr = outer
                if tile > 1:
                    inner = self.common.get(d)
                    if inner is None:
                        inner = Var(f"{axis.name}i")
                        loops.append((inner, tile))
                    binding = outer * tile + inner
                    if count * tile != axis.extent:
                        test = binding < axis.extent
                        predicate = test if predicate is None else predicate & test
            else:
                binding = Var(axis.name)
                loops.append((binding, axis.extent))
            iters.append(Iter(axis, binding))
        root = op.body[0]
        if isinstance(root, Reduce):
            for axis in root.axes:
                var = Var(axis.name)
                loops.append((var, axis.extent))
                iters.append(Iter(axis, var))
        init, body = self.block_body(nest.tensors, op)
        out: Stmt = Block(self.names[nest], tuple(iters), body, init, predicate, op.location)
        for var, extent in reversed(loops):
            out = For(var, extent, out)
        return out

    def block_name(self, nest: Nest) -> str:
        """A name no other block has, after the tensor that the nest makes."""
        return _unique(nest.tensors[0].name.split(".")[0], self.blocks)

    def block_body(self, tensors: tuple[Tensor, ...], op: Compute) -> tuple[Stmt | None, Stmt]:
        buffers = tuple(self.buffers[t] for t in tensors)
        points = [self.indices(buffer, tuple(op.axes)) for buffer in buffers]
        root = op.body[0]
        if isinstance(root, Reduce):
            combiner = root.combiner
            assert len(tensors) == len(combiner.dtypes), "a nest fills every part of its reduction"
            values = tuple(self.value(v) for v in root.values)
            init = seq(
                *(
                    Store(b, p, e)
                    for b, p, e in zip(buffers, points, combiner.identity, strict=True)
                )
            )
            return init, Accumulate(combiner, buffers, points[0], values)
        parts = [
            Store(b, p, self.value(e)) for b, p, e in zip(buffers, points, op.body, strict=True)
        ]
        return None, seq(*parts)

    def value(self, expr: Expr) -> Expr:
        """``expr`` reading buffers instead of tensors."""

        def on_load(node: Load) -> Expr | None:
            if not isinstance(node.source, Tensor):
                return None
            buffer = self.buffers[node.source]
            return load(buffer, self.indices(buffer, node.indices))

        return substitute_loads(expr, on_load)

    def indices(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        """Indices into a tile-local buffer count from the start of the tile."""
        if buffer not in self.locals or not self.tiles:
            return indices
        out = []
        for d, index in enumerate(indices):
            if d < len(self.tiles):
                tile = buffer.shape[d]
                out.append(const(0) if tile == 1 else index % tile)
            else:
                out.append(index)
        return tuple(out)


def _homes(nests: Sequence[Nest], together: Sequence[tuple[int, int]]) -> dict[Tensor, int]:
    """The tensors that one run of nests makes and no other nest reads, with its start."""
    homes: dict[Tensor, int] = {}
    for start, stop in together:
        homes.update((t, start) for nest in nests[start:stop] for t in nest.tensors)
    for number, nest in enumerate(nests):
        for part in nest.compute.body:
            for node in loads_of(part):
                start = homes.get(node.source, -1)
                if start >= 0 and not any(s == start <= number < stop for s, stop in together):
                    del homes[node.source]
    return homes


def _buffer(tensor: Tensor, name: str) -> Buffer:
    if isinstance(tensor.op, Placeholder):
        return Buffer(
            name, tensor.shape, tensor.dtype, tensor.op.strides, aligned=tensor.op.aligned
        )
    aligned = not isinstance(tensor.op, Compute) or tensor.op.aligned
    return Buffer(name, tensor.shape, tensor.dtype, aligned=aligned)


def _unique(wish: str, taken: dict[str, int]) -> str:
    """``wish``, numbered if it is taken already."""
    count = taken.get(wish, 0)
    taken[wish] = count + 1
    return wish if count == 0 else _unique(f"{wish}_{count}", taken)
