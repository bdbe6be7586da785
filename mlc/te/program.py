"""From tensor expressions to tensor programs: one block per compute, in naive loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..ir.expr import Axis, Expr, Load, Reduce, Var, const, load
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
from ..ir.rewrite import substitute_loads
from .tensor import Compute, Placeholder, Tensor

Stage = tuple[Tensor, ...]  # the outputs of one Compute


@dataclass(frozen=True)
class Tiling:
    """How the stages share loops: axis d < len(sizes) of every stage runs in tiles of ``sizes[d]``."""

    sizes: tuple[int, ...] = ()


def create_program(
    name: str,
    stages: Sequence[Stage],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    tiling: Tiling | None = None,
) -> Program:
    """A program that runs ``stages`` in order; params are ``inputs`` then ``outputs``.

    With ``tiling``, the first axes of all stages run in common outer loops, tile by tile, and a tensor
    that is neither input nor output exists only for the tile at hand. Every load of such a tensor must then
    use the common axes unchanged as its first indices. Without it each stage is a loop nest of its own.
    """
    shared = (tiling or Tiling()).sizes
    return _Builder(name, stages, inputs, outputs, shared).build()


class _Builder:
    def __init__(
        self,
        name: str,
        stages: Sequence[Stage],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        tiles: tuple[int, ...],
    ) -> None:
        self.name = name
        self.stages = stages
        self.inputs, self.outputs = inputs, outputs
        self.tiles = tiles
        taken: dict[str, int] = {}
        self.buffers: dict[Tensor, Buffer] = {}
        for tensor in (*inputs, *outputs):
            self.buffers.setdefault(tensor, _buffer(tensor, _unique(tensor.name, taken)))
        self.local: list[Buffer] = []
        for tensor in (t for stage in stages for t in stage):
            if tensor not in self.buffers:
                shape = tiles + tensor.shape[len(tiles) :]
                scope = Scope.STACK
                buffer = Buffer(_unique(tensor.name, taken), shape, tensor.dtype, scope=scope)
                self.buffers[tensor] = buffer
                self.local.append(buffer)
        self.locals = {b for b in self.local}
        self.outer: list[tuple[Var, int]] = []
        if tiles:
            first = stages[0][0]
            for d, tile in enumerate(tiles):
                wish = _compute(first).axes[d].name
                label = wish if tile == 1 else f"{wish}o"
                self.outer.append((Var(label), -(-first.shape[d] // tile)))
        self.taken = taken

    def build(self) -> Program:
        body = seq(*(self.stage(stage) for stage in self.stages))
        if self.local:
            body = Allocate(tuple(self.local), body)
        for var, extent in reversed(self.outer):
            body = For(var, extent, body)
        params = tuple(self.buffers[t] for t in (*self.inputs, *self.outputs))
        return Program(self.name, params, body, len(self.outputs))

    def stage(self, stage: Stage) -> Stmt:
        """The block of one compute inside its own loops."""
        op = _compute(stage[0])
        iters: list[Iter] = []
        loops: list[tuple[Var, int]] = []
        predicate: Expr | None = None
        for d, axis in enumerate(op.axes):
            if d < len(self.tiles):
                tile, (outer, count) = self.tiles[d], self.outer[d]
                binding: Expr = outer
                if tile > 1:
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
        name = _unique(stage[0].name.split(".")[0], self.taken, claim=stage[0].name)
        init, body = self.block_body(stage, op)
        out: Stmt = Block(name, tuple(iters), body, init, predicate, op.location)
        for var, extent in reversed(loops):
            out = For(var, extent, out)
        return out

    def block_body(self, stage: Stage, op: Compute) -> tuple[Stmt | None, Stmt]:
        buffers = tuple(self.buffers[t] for t in stage)
        points = [self.indices(buffer, tuple(op.axes)) for buffer in buffers]
        root = op.body[0]
        if isinstance(root, Reduce):
            combiner = root.combiner
            targets = tuple(buffers) if len(stage) == len(combiner.dtypes) else ()
            assert targets, "every part of a reduction is an output of its stage"
            values = tuple(self.value(v) for v in root.values)
            init = seq(
                *(Store(b, p, e) for b, p, e in zip(buffers, points, combiner.identity, strict=True))
            )
            return init, Accumulate(combiner, targets, points[0], values)
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
                tile = self.tiles[d]
                out.append(const(0) if tile == 1 else index - self.outer[d][0] * tile)
            else:
                out.append(index)
        return tuple(out)


def _compute(tensor: Tensor) -> Compute:
    assert isinstance(tensor.op, Compute)
    return tensor.op


def _buffer(tensor: Tensor, name: str) -> Buffer:
    if isinstance(tensor.op, Placeholder):
        return Buffer(
            name, tensor.shape, tensor.dtype, tensor.op.strides, aligned=tensor.op.aligned
        )
    return Buffer(name, tensor.shape, tensor.dtype)


def _unique(wish: str, taken: dict[str, int], claim: str | None = None) -> str:
    """``wish``, numbered if it is taken. A block may carry the name of the tensor it makes."""
    if claim is not None:
        return wish
    count = taken.get(wish, 0)
    taken[wish] = count + 1
    return wish if count == 0 else _unique(f"{wish}_{count}", taken)


def spatial_axes(stage: Stage) -> tuple[Axis, ...]:
    """The axes of the stage's outputs."""
    return _compute(stage[0]).axes
