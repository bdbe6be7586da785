"""Random loop nests as people write them: several blocks in a loop, bindings that divide and wrap,
guards, allocations at any depth, updates in place, and iterations that depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from ..dtypes import DType, as_dtype, int64
from ..ir.combiner import Combiner, make_combiner, reducer
from ..ir.expr import Axis, Expr, Var, apply, cast, const, load, select
from ..ir.outputs import count_outputs
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    For,
    If,
    Iter,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    reads_of,
    seq,
    writes_of,
)
from .choices import Choices

DTYPES = ("float32", "float32", "int32", "float64", "int64", "float16")
Indices = tuple[Expr, ...]

POINTS = 150  # iterations of one nest
LEAVES = 5  # blocks of a program
SCOPES = (Scope.GLOBAL, Scope.LOCAL, Scope.SHARED, Scope("global.tile"))


def draw_nest(choices: Choices) -> Program | None:
    """A program of one to three loop nests over shared buffers, perhaps not a legal one; None if it
    writes nothing that its caller sees."""
    nests = _Nests(choices)
    body = nests.allocated([], lambda: seq(*(nests.nest() for _ in range(choices.between(1, 3)))))
    written = {buffer for buffer, _ in writes_of(body)}
    read = {node.source for node in reads_of(body)}
    inputs = [b for b in nests.params if b not in written and b in read]
    outputs = [b for b in nests.params if b in written]
    if not outputs:
        return None
    params = (*inputs, *outputs)
    count = count_outputs(params, body)
    assert isinstance(count, int), count
    return Program("nest", params, body, count)


class _Nests:
    def __init__(self, choices: Choices) -> None:
        c = self.c = choices
        self.dtype = as_dtype(c.pick(DTYPES))
        n, m = c.pick((4, 3, 5, 6)), c.pick((3, 4, 2, 5))
        self.sizes = (n, m)
        self.params = [
            Buffer("A", (n, m), self.dtype),
            Buffer("B", (n,), self.dtype),
            Buffer("I", (n,), int64),
            Buffer("X", (n, m), self.dtype),
            Buffer("Y", (n,), self.dtype),
            Buffer("Z", (1,), self.dtype),
        ]
        self.targets = self.params[3:]
        self.readable = [b for b in self.params if b.name != "I"]
        self.blocks = self.loops = self.buffers = 0

    def allocated(self, loops: list[For], make: Callable[[], Stmt]) -> Stmt:
        """What ``make()`` gives, perhaps inside an allocation."""
        c = self.c
        if not c.one_in(2):
            return make()
        self.buffers += 1
        shape = c.pick((self.sizes, self.sizes[:1], (1,), (self.sizes[1], self.sizes[0])))
        buffer = Buffer(f"T{self.buffers}", shape, self.dtype, scope=c.pick(SCOPES))
        saved = self.targets, self.readable
        self.targets = [*self.targets, buffer, buffer]
        self.readable = [*self.readable, buffer, buffer]
        fill = seq()
        if c.below(4):
            fill = self.filled(buffer)
        body = make()
        self.targets, self.readable = saved
        return Allocate((buffer,), seq(fill, body))

    def filled(self, buffer: Buffer) -> Stmt:
        """A nest that writes all of ``buffer``."""
        loops = [self.loop(n) for n in buffer.shape]
        axes = [Axis(f"v{d}", n) for d, n in enumerate(buffer.shape)]
        iters = tuple(Iter(axis, loop.var) for axis, loop in zip(axes, loops))
        saved = self.readable
        self.readable = [b for b in saved if b is not buffer]
        body = Store(buffer, tuple(axes), self.value(list(axes)))
        self.readable = saved
        return nested(loops, Block(self.block_name(), iters, body))

    def block_name(self) -> str:
        self.blocks += 1
        return f"b{self.blocks}"

    def loop(self, extent: int | None = None) -> For:
        if extent is None:
            extent = self.c.pick((*self.sizes, 2, 1, 3, 4, *self.sizes))
            if extent == 1 and self.c.one_in(4):
                extent = 0
        name = "ijklmnopqrstuvw"[self.loops % 15]
        self.loops += 1
        return For(Var(name), extent, Seq(()))

    def marked(self, loop: For, is_innermost: bool = False) -> For:
        """``loop``, once in a while of another kind."""
        if not self.c.one_in(12):
            return loop
        kinds = [LoopKind.PARALLEL, LoopKind.UNROLLED, LoopKind.VECTORIZED][: 2 + is_innermost]
        return replace(loop, kind=self.c.pick(kinds))

    def nest(self) -> Stmt:
        """One loop nest at the top."""
        loops = [self.loop() for _ in range(self.c.between(1, 2))]
        loops[0] = self.marked(loops[0])
        return nested(loops, self.body(loops))

    def body(self, around: list[For]) -> Stmt:
        """One to three statements inside the loops ``around``."""
        c = self.c
        count = c.pick((1, 1, 2, 1, 3, 2))
        if self.blocks >= LEAVES:
            count = 1
        if count > 1 and c.one_in(3):
            return self.allocated(around, lambda: self.statements(around, count))
        return self.statements(around, count)

    def statements(self, around: list[For], count: int) -> Stmt:
        return seq(*(self.statement(around) for _ in range(count)))

    def statement(self, around: list[For]) -> Stmt:
        c = self.c
        kind = c.below(10)
        loops = [self.loop() for _ in range(c.between(1, 2))] if kind > 4 else []
        if prod(loop.extent for loop in (*around, *loops)) > POINTS:
            loops = []
        inside = [*around, *loops]
        if kind == 9 and inside:
            condition = self.condition([loop.var for loop in inside])
            other = self.block(inside) if c.one_in(2) else None
            return nested(loops, If(condition, self.block(inside), other))
        if kind == 8 and self.blocks < LEAVES:
            return nested(loops, self.body(inside))
        if kind == 7 and inside:
            return nested(loops, self.block_of_blocks(inside))
        if loops:
            loops[-1] = self.marked(loops[-1], is_innermost=True)
        return nested(loops, self.block(inside))

    def bindings(self, loops: list[For]) -> tuple[list[Iter], Expr | None]:
        """Axes bound to ``loops``, and a predicate where they need one."""
        c, rest = self.c, list(loops)
        iters: list[Iter] = []
        predicate: Expr | None = None
        while rest:
            loop = rest.pop(0)
            var, extent = loop.var, loop.extent
            is_reduce = c.one_in(4)
            kind = c.below(12)
            binding: Expr = var
            if kind in (6, 7) and rest:
                inner = rest.pop(0)
                binding, extent = var * inner.extent + inner.var, extent * inner.extent
                if kind == 7 and extent > 2:
                    extent -= 1
                    test = binding < extent
                    predicate = test if predicate is None else predicate & test
            elif kind == 8 and extent % 2 == 0 and extent:
                iters.append(self.axis(iters, extent // 2, is_reduce, var // 2))
                binding, extent = var % 2, 2
            elif kind == 9 and extent > 1:
                extent -= 1
                predicate = var < extent if predicate is None else predicate & (var < extent)
            elif kind == 10 and extent:
                binding = const(extent - 1) - var
            elif kind == 11 and len(loops) > 1:
                continue
            iters.append(self.axis(iters, max(extent, 1), is_reduce, binding))
        if loops and c.one_in(8):
            test = self.condition([loop.var for loop in loops])
            predicate = test if predicate is None else predicate & test
        return iters, predicate

    def axis(self, iters: list[Iter], extent: int, is_reduce: bool, binding: Expr) -> Iter:
        return Iter(Axis(f"v{len(iters)}", extent, is_reduce), binding)

    def condition(self, variables: list[Var]) -> Expr:
        c = self.c
        left = c.pick(variables)
        right: Expr = const(c.below(4))
        if len(variables) > 1 and c.one_in(3):
            right = c.pick(variables)
        return apply(c.pick(("lt", "ge", "ne", "le", "eq")), left, right)

    def block(self, loops: list[For]) -> Stmt:
        iters, predicate = self.bindings(loops)
        spatial: list[Var] = [it.axis for it in iters if not it.axis.is_reduce]
        axes: list[Var] = [it.axis for it in iters]
        extents: dict[Var, int] = {it.axis: it.axis.extent for it in iters}
        name = self.block_name()
        target, at = self.target(spatial, extents)
        if len(spatial) == len(axes):
            body: Stmt = Store(target, at, self.value(axes))
            if self.c.one_in(5):
                body = Accumulate(self.combiner(), (target,), at, (self.value(axes),))
            elif self.c.one_in(8):
                other, place = self.target(spatial, extents)
                body = seq(body, Store(other, place, self.value(axes)))
            return Block(name, tuple(iters), body, predicate=predicate)
        combiner = self.combiner()
        init: Stmt | None = Store(target, at, combiner.identity[0])
        if self.c.one_in(5):
            init = None
        body = Accumulate(combiner, (target,), at, (self.value(axes),))
        return Block(name, tuple(iters), body, init, predicate)

    def block_of_blocks(self, loops: list[For]) -> Stmt:
        """A block that holds others, whose axes are bound to its own."""
        iters = tuple(
            Iter(Axis(f"w{n}", max(loop.extent, 1), self.c.one_in(6)), loop.var)
            for n, loop in enumerate(loops)
        )
        name = self.block_name()
        around = [For(it.axis, it.axis.extent, Seq(())) for it in iters]
        inner = [self.loop(self.c.pick((2, 3)))]
        if prod(loop.extent for loop in (*around, *inner)) > POINTS:
            inner = []
        return Block(name, iters, nested(inner, self.block([*around, *inner])))

    def combiner(self) -> Combiner:
        c = self.c
        kind = c.below(6)
        if kind == 5:
            return latest(self.dtype)
        return reducer(("sum", "sum", "max", "min", "sum")[kind], self.dtype)

    def target(self, spatial: list[Var], extents: dict[Var, int]) -> tuple[Buffer, Indices]:
        """A buffer, and an element of it for each point of ``spatial``, most of the time one that
        no other point has."""
        c = self.c
        for buffer in c.some(self.targets, 3):
            at = self.places(buffer, spatial, extents)
            if at is not None:
                return buffer, at
        shape = tuple(extents[v] for v in spatial) or (1,)
        buffer = Buffer(f"X{len(self.params)}", shape, self.dtype)
        self.params.append(buffer)
        self.targets.append(buffer)
        self.readable.append(buffer)
        return buffer, tuple(spatial) or (const(0),)

    def places(self, buffer: Buffer, spatial: list[Var], extents: dict[Var, int]) -> Indices | None:
        """Indices that tell the points of ``spatial`` apart; None if the buffer is too small."""
        c = self.c
        count = prod(extents[v] for v in spatial)
        if len(spatial) > 1 and buffer.ndim == 1 and buffer.shape[0] >= count:
            flat: Expr = spatial[0]
            for var in spatial[1:]:
                flat = flat * extents[var] + var
            return (flat,)
        at: list[Expr] = []
        rest = list(spatial)
        for n in buffer.shape:
            fitting = [v for v in rest if extents[v] <= n]
            if not fitting:
                at.append(const(c.below(n)))
                continue
            var = c.pick(fitting)
            rest = [v for v in rest if v is not var]
            slack = n - extents[var]
            at.append(var + c.below(slack + 1) if slack and c.one_in(3) else var)
        return None if any(extents[v] > 1 for v in rest) and not c.one_in(25) else tuple(at)

    def element(self, variables: list[Var]) -> Expr:
        """Something that is read."""
        c = self.c
        buffer = c.pick(self.readable)
        at: list[Expr] = []
        guard: Expr | None = None
        for n in buffer.shape:
            if not variables:
                at.append(const(c.below(n)))
                continue
            var = c.pick(variables)
            extent = getattr(var, "extent", n)
            kind = c.below(12)
            index: Expr = var
            if kind == 7:
                index = const(extent - 1) - var
            elif kind == 8 and n > 1:
                test = var > 0
                guard = test if guard is None else guard & test
                index = var - 1
            elif kind == 9:
                index = var // 2
            elif kind == 10:
                index = var * 2 + c.pick(variables)
            elif kind == 11:
                table = self.params[2]
                index = load(table, (var % table.shape[0],))
                at.append(index % n)
                continue
            elif kind == 6:
                index = var + 1
            if kind in (6, 10) or extent > n:
                if c.one_in(2):
                    index = apply("minimum", index, const(n - 1))
                else:
                    index = index % n
            at.append(index)
        found: Expr = load(buffer, tuple(at))
        return found if guard is None else select(guard, found, const(1, self.dtype))

    def value(self, variables: list[Var]) -> Expr:
        c = self.c
        out = self.element(variables)
        match c.below(8):
            case 1:
                return out + self.element(variables)
            case 2:
                return apply("maximum", out, const(1, self.dtype))
            case 3:
                return out - self.element(variables)
            case 4 if variables:
                return out + cast(c.pick(variables), self.dtype)
            case 5 if variables:
                return select(self.condition(variables), out, const(2, self.dtype))
            case 6:
                return select(out > self.element(variables), out, const(c.below(3), self.dtype))
            case _:
                return out + const(1, self.dtype)


def latest(dtype: DType) -> Combiner:
    """The last value that is not 0: a fold whose order counts."""
    zero = const(0, dtype)
    return make_combiner(
        "latest", lambda a, b: select(apply("ne", b, zero), b, a), (0,), (dtype,), commutative=False
    )


def nested(loops: list[For], body: Stmt) -> Stmt:
    """``body`` inside ``loops``."""
    for loop in reversed(loops):
        body = For(loop.var, loop.extent, body, loop.kind)
    return body
