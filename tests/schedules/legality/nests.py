"""Small random loop nests with affine, divided, wrapped, clamped and chosen indices."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mlc.dtypes import float32
from mlc.ir.combiner import make_combiner, reducer
from mlc.ir.expr import Axis, Expr, Var, apply, const, load, select
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    For,
    If,
    Iter,
    Program,
    Seq,
    Stmt,
    Store,
    seq,
)

SUM, PRODUCT = reducer("sum", float32), reducer("prod", float32)
LAST = make_combiner("last", lambda a, b: b, (0.0,), (float32,), commutative=False)


@st.composite
def indices(draw: Any, variables: list[Var]) -> Expr:
    """An index over some of ``variables``."""
    total: Expr = const(draw(st.integers(0, 3)))
    for var in variables:
        factor = draw(st.sampled_from([0, 0, 1, 1, 1, 2, 3, -1]))
        if factor:
            total = total + var * factor
    match draw(st.integers(0, 9)):
        case 0:
            return total // draw(st.integers(2, 4))
        case 1:
            return total % draw(st.integers(2, 4))
        case 2:
            divisor = draw(st.integers(2, 3))
            return total // divisor * divisor + (total + 1) % divisor
        case 3:
            return apply("minimum", total, const(draw(st.integers(0, 4))))
        case 4:
            return apply("maximum", total, draw(indices(variables[:1])))
        case 5 if variables:
            return select(draw(tests(variables)), total, total - 1)
        case _:
            return total


@st.composite
def tests(draw: Any, variables: list[Var]) -> Expr:
    """A condition on ``variables``."""
    left: Expr = draw(st.sampled_from(variables)) if variables else const(1)
    fn = draw(st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]))
    right: Expr = const(draw(st.integers(0, 3)))
    if len(variables) > 1 and draw(st.booleans()):
        right = draw(st.sampled_from(variables))
    out = apply(fn, left, right)
    if draw(st.integers(0, 3)) == 0:
        out = apply(draw(st.sampled_from(["bitand", "bitor"])), out, draw(tests(variables)))
    return ~out if draw(st.integers(0, 5)) == 0 else out


class Drawer:
    """Draws statements over a few shared buffers."""

    def __init__(self, draw: Any, wrapped: bool = False) -> None:
        self.draw = draw
        self.wrapped = wrapped  # whether every index stays within its buffer
        self.shared = [Buffer("X", (8,), float32), Buffer("Y", (8, 8), float32)]
        self.blocks = 0

    def places(self, buffer: Buffer, variables: list[Var]) -> tuple[Expr, ...]:
        found = [self.draw(indices(variables)) for _ in buffer.shape]
        return tuple(i % n if self.wrapped else i for i, n in zip(found, buffer.shape))

    def value(self, variables: list[Var]) -> Expr:
        out: Expr = const(1.0, float32)
        if self.draw(st.booleans()):
            source = self.draw(st.sampled_from(self.shared))
            out = out * load(source, self.places(source, variables))
            if variables and self.draw(st.integers(0, 4)) == 0:
                out = select(self.draw(tests(variables)), out, const(0.0, float32))
        return out

    def leaf(self, variables: list[Var]) -> Stmt:
        buffer = self.draw(st.sampled_from(self.shared))
        at = self.places(buffer, variables)
        if self.draw(st.booleans()):
            return Store(buffer, at, self.value(variables))
        combiner = self.draw(st.sampled_from([SUM, SUM, PRODUCT, LAST]))
        return Accumulate(combiner, (buffer,), at, (self.value(variables),))

    def block(self, loops: list[For]) -> Stmt:
        """A block whose axes are bound to the loops, straight or joined."""
        iters = []
        rest = list(loops)
        while rest and len(iters) < 3:
            loop = rest.pop(0)
            binding: Expr = loop.var
            extent = loop.extent
            if rest and self.draw(st.integers(0, 2)) == 0:
                inner = rest.pop(0)
                binding, extent = binding * inner.extent + inner.var, extent * inner.extent
            is_reduce = self.draw(st.integers(0, 2)) == 0
            iters.append(Iter(Axis(f"v{len(iters)}", extent, is_reduce), binding))
        axes: list[Var] = [it.axis for it in iters]
        spatial: list[Var] = [it.axis for it in iters if not it.axis.is_reduce]
        predicate = None
        if loops and self.draw(st.integers(0, 4)) == 0:
            predicate = self.draw(tests([loop.var for loop in loops]))
        self.blocks += 1
        name = f"B{self.blocks}"
        if self.draw(st.booleans()):
            return Block(name, tuple(iters), self.leaf(axes), predicate=predicate)
        buffer = self.draw(st.sampled_from(self.shared))
        at = self.places(buffer, spatial)
        body = Accumulate(
            self.draw(st.sampled_from([SUM, LAST])), (buffer,), at, (self.value(axes),)
        )
        init = Store(buffer, at, const(0.0, float32))
        return Block(name, tuple(iters), body, init, predicate)

    def statement(self, loops: list[For]) -> Stmt:
        variables = [loop.var for loop in loops]
        match self.draw(st.integers(0, 5)):
            case 0:
                return If(
                    self.draw(tests(variables)),
                    self.leaf(variables),
                    self.leaf(variables) if self.draw(st.booleans()) else None,
                )
            case 1 | 2 | 3:
                return self.block(loops)
            case _:
                return self.leaf(variables)

    def body(self, loops: list[For], count: int) -> Stmt:
        """``count`` statements, perhaps with a buffer that lives among them."""
        if self.draw(st.integers(0, 4)):
            return seq(*(self.statement(loops) for _ in range(count)))
        own = Buffer("T", (4,), float32)
        outer, self.shared = self.shared, [*self.shared, own]
        out = seq(*(self.statement(loops) for _ in range(count)))
        self.shared = outer
        return Allocate((own,), out)

    def loop(self, name: str, most: int = 4) -> For:
        return For(Var(name), self.draw(st.integers(1, most)), Seq(()))


def nested(loops: list[For], body: Stmt) -> Stmt:
    """``body`` in ``loops``; the loops are the same objects with a body each."""
    for loop in reversed(loops):
        object.__setattr__(loop, "body", body)
        body = loop
    return body


@st.composite
def chains(draw: Any, wrapped: bool = False) -> tuple[Program, list[For]]:
    """A program that is one chain of perfectly nested loops, and the chain."""
    drawer = Drawer(draw, wrapped)
    loops = [drawer.loop(name) for name in "ijk"[: draw(st.integers(1, 3))]]
    body = drawer.body(loops, draw(st.integers(1, 2)))
    return Program("f", tuple(drawer.shared), nested(loops, body), 2), loops


@st.composite
def cuts(draw: Any) -> tuple[Program, For, int]:
    """A loop with two to three statements, in another loop, and where to cut it."""
    drawer = Drawer(draw)
    loops = [drawer.loop("o", 2), drawer.loop("i")]
    inner = drawer.loop("x", 3)
    parts = [drawer.statement(loops) for _ in range(draw(st.integers(1, 2)))]
    parts.append(nested([inner], drawer.statement([*loops, inner])))
    position = draw(st.integers(1, len(parts) - 1))
    return (
        Program("f", tuple(drawer.shared), nested(loops, Seq(tuple(parts))), 2),
        loops[1],
        position,
    )


@st.composite
def neighbours(draw: Any, wrapped: bool = False) -> tuple[Program, For, For]:
    """Two loops of one extent, one after the other, in another loop."""
    drawer = Drawer(draw, wrapped)
    outer, first = drawer.loop("o", 2), drawer.loop("i")
    second = For(Var("j"), first.extent, Seq(()))
    pair = [nested([loop], drawer.body([outer, loop], 1)) for loop in (first, second)]
    return Program("f", tuple(drawer.shared), nested([outer], seq(*pair)), 2), first, second
