"""Random programs that hold what the intrinsics of `mlc.testing` mean, or nearly so: tiles of a
few loops, cut out already or still to be cut out of longer ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..dtypes import as_dtype
from ..ir.combiner import reducer
from ..ir.expr import Axis, Expr, Var, apply, const, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    For,
    Iter,
    LoopKind,
    Program,
    Stmt,
    Store,
    seq,
)
from .choices import Choices

Dim = tuple[str, int, int, bool]  # name, number of tiles, size of one, whether it is reduced


def draw_tiles(choices: Choices) -> Program:
    """A program around one block that an intrinsic fits, with a copy of the result behind it."""
    return _Tiles(choices).program()


class _Tiles:
    def __init__(self, choices: Choices) -> None:
        self.c = choices
        self.dtype = as_dtype(choices.pick(("float32",) * 7 + ("float64",)))
        self.loops: list[For] = []
        self.inputs: list[Buffer] = []

    def program(self) -> Program:
        c = self.c
        kind = c.pick(("rows", "product", "sums"))
        tiles = c.between(1, 3)
        dims: list[Dim]
        match kind:
            case "rows":
                dims = [("i", c.between(1, 2), 1, False), ("j", tiles, 4, False)]
            case "product":
                dims = [("i", tiles, 2, False), ("j", c.between(1, 2), 2, False)]
                dims.append(("k", c.between(1, 2), 2, True))
            case _:
                dims = [("i", c.between(1, 3), 1, False), ("k", tiles, 4, True)]
        iters = self.iters(dims)
        axes = [it.axis for it in iters]
        spatial: list[Expr] = [axis for axis in axes if not axis.is_reduce]
        result = Buffer("C", tuple(a.extent for a in axes if not a.is_reduce), self.dtype)
        body, init = self.body(kind, axes, result, tuple(spatial))
        main: Stmt = Block("C", iters, body, init)
        for loop in reversed(self.loops):
            main = For(loop.var, loop.extent, main, loop.kind)
        if init is None and kind != "rows":
            main = seq(self.fill(result), main)
        return self.finished(main, result)

    def iters(self, dims: Sequence[Dim]) -> tuple[Iter, ...]:
        """Axes over whole tiles; the loops over tiles stand outside of those of one, most times."""
        c = self.c
        outer: list[For] = []
        inner: list[For] = []
        iters: list[Iter] = []
        cut = not c.one_in(4)
        for name, count, size, is_reduce in dims:
            axis = Axis(f"v{name}", count * size, is_reduce)
            if not cut or count == 1 or size == 1:
                loop = For(Var(name), count * size, seq())
                (inner if size > 1 else outer).append(loop)
                iters.append(Iter(axis, loop.var))
                continue
            one, two = For(Var(f"{name}0"), count, seq()), For(Var(f"{name}1"), size, seq())
            outer.append(one)
            inner.append(two)
            iters.append(Iter(axis, one.var * size + two.var))
        if c.one_in(3):
            inner = c.some(inner, len(inner))
        if outer and c.one_in(8):
            kind = LoopKind.UNROLLED
            outer[0] = For(outer[0].var, outer[0].extent, seq(), kind)
        self.loops = [*outer, *inner]
        return tuple(iters)

    def input(self, *axes: Axis) -> Expr:
        """An element of a new input, at ``axes``, perhaps with one more element around it."""
        margin = int(self.c.one_in(5))
        shape = tuple(a.extent + margin for a in axes)
        self.inputs.append(Buffer("AB"[len(self.inputs)], shape, self.dtype))
        return load(self.inputs[-1], tuple(a + margin if margin else a for a in axes))

    def body(
        self, kind: str, axes: list[Axis], result: Buffer, at: tuple[Expr, ...]
    ) -> tuple[Stmt, Stmt | None]:
        c = self.c
        match kind:
            case "rows":
                value = self.input(*axes) + const(2 if c.one_in(6) else 1, self.dtype)
                return Store(result, at, value), None
            case "product":
                i, j, k = axes
                one, two = self.input(i, k), self.input(*((j, k) if c.one_in(6) else (k, j)))
                value = two * one if c.one_in(4) else one * two
                if c.one_in(8):
                    value = apply("maximum", one, two)
            case _:
                value = self.input(*axes)
        combiner = reducer("max" if c.one_in(8) else "sum", self.dtype)
        init = Store(result, at, combiner.identity[0]) if c.one_in(2) else None
        return Accumulate(combiner, (result,), at, (value,)), init

    def fill(self, buffer: Buffer) -> Stmt:
        """Zeros in all of ``buffer``."""
        return self.nest("fill", buffer, lambda at: const(0, self.dtype))

    def nest(self, name: str, buffer: Buffer, value: Callable[[tuple[Expr, ...]], Expr]) -> Stmt:
        """``buffer[at] = value(at)`` everywhere."""
        axes = [Axis(f"v{n}", extent) for n, extent in enumerate(buffer.shape)]
        variables = [Var(f"x{n}") for n in range(buffer.ndim)]
        at: tuple[Expr, ...] = tuple(axes)
        iters = tuple(Iter(axis, var) for axis, var in zip(axes, variables))
        out: Stmt = Block(name, iters, Store(buffer, at, value(at)))
        for axis, var in reversed(list(zip(axes, variables))):
            out = For(var, axis.extent, out)
        return out

    def finished(self, main: Stmt, result: Buffer) -> Program:
        """The program, perhaps with the result in memory of its own and a block that reads it."""
        if self.c.one_in(2):
            return Program("tiles", (*self.inputs, result), main)
        out = Buffer("D", result.shape, self.dtype)
        after = self.nest("D", out, lambda at: load(result, at) + const(1, self.dtype))
        return Program("tiles", (*self.inputs, out), Allocate((result,), seq(main, after)))
