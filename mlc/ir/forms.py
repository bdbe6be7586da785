"""Executable forms: what a stage may assume of the program it gets.

They are for us: tests run them after every pass, production does not. A violation raises
:class:`CompileError` with a sentence and the program's text.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..dtypes import boolean, int64
from ..errors import CompileError
from .bounds import interval
from .expr import Expr, Load, Reduce, Var
from .program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    expressions_of,
    regions_of,
    walk,
)
from .rewrite import postorder, variables_of


def check_blocks(program: Program, parts: bool = False) -> None:
    """The form that schedules rewrite and `lower` receives.

    Everything of the common form, and: all work is done in blocks; a block's body speaks of its own
    axes alone (a block in it is bound to them and to its loops); each binding stays within its
    axis, or a predicate guards it; each spatial axis is covered by what it is bound to; only a
    reduction has an init, which writes what the body does. With ``parts`` a block may do a part of
    a spatial axis, as after a loop was cut.
    """
    _Checker(program, blocks=True, parts=parts).run()


def check_flat(program: Program) -> None:
    """The form that a code generator receives.

    Everything of the common form, and: no blocks; memory that is allocated is STACK or REGISTER; a
    VECTORIZED loop holds no loop but UNROLLED ones and allocates nothing; a REGISTER buffer is
    indexed by constants and UNROLLED variables, except that its last index may be the variable of a
    VECTORIZED loop over exactly that dimension.
    """
    _Checker(program, blocks=False).run()


class _Checker:
    """The common form: names are bound before use, dtypes agree, PARALLEL loops do not nest."""

    def __init__(self, program: Program, blocks: bool, parts: bool = False) -> None:
        self.program = program
        self.blocks = blocks
        self.parts = parts
        self.buffers: set[Buffer] = set(program.params)
        self.loops: dict[Var, For] = {}
        self.extents: dict[Var, int] = {}  # of everything that may stand in an expression here
        self.block: Block | None = None

    def run(self) -> None:
        params = self.program.params
        if len(self.buffers) != len(params):
            self.fail("two parameters are the same buffer")
        if not 0 <= self.program.outputs <= len(params):
            self.fail(f"outputs={self.program.outputs}, but there are {len(params)} parameters")
        for buffer in params:
            if buffer.scope is not Scope.GLOBAL:
                self.fail(f"parameter {buffer.name} has scope {buffer.scope.value}, not global")
        self.statement(self.program.body)

    def fail(self, message: str) -> None:
        text = self.program.script()
        form = "block" if self.blocks else "flat"
        raise CompileError(f"not in {form} form: {message}\n{text}", text)

    def statement(self, stmt: Stmt) -> None:
        for expr in expressions_of(stmt):
            self.expression(expr)
        match stmt:
            case Seq(stmts=stmts):
                for part in stmts:
                    if isinstance(part, Seq):
                        self.fail("a Seq stands in a Seq; build them with seq()")
                    self.statement(part)
            case For():
                self.loop(stmt)
            case Allocate(buffers=buffers, body=body):
                self.allocation(buffers)
                self.statement(body)
                self.buffers.difference_update(buffers)
            case While(condition=condition, body=body):
                if condition.dtype is not boolean:
                    self.fail(f"the condition {condition!r} is {condition.dtype}, not bool")
                if any(loop.kind is LoopKind.VECTORIZED for loop in self.loops.values()):
                    self.fail("a While stands inside a vectorized loop")
                self.statement(body)
            case If(condition=condition, then=then, otherwise=otherwise):
                if condition.dtype is not boolean:
                    self.fail(f"the condition {condition!r} is {condition.dtype}, not bool")
                self.statement(then)
                if otherwise is not None:
                    self.statement(otherwise)
            case Block():
                if not self.blocks:
                    self.fail(f"block {stmt.name} is left over")
                self.enter_block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                self.write(buffer, indices, value)
            case Accumulate(combiner=combiner, buffers=buffers, indices=indices, values=values):
                if not len(buffers) == len(values) == len(combiner.dtypes):
                    self.fail(
                        f"{combiner!r} updates {len(buffers)} buffers with {len(values)} values"
                    )
                for buffer, value in zip(buffers, values):
                    self.write(buffer, indices, value)
            case Evaluate(args=args):
                for arg in args:
                    if isinstance(arg, Region):
                        self.region(arg)
                    elif isinstance(arg, Buffer):
                        self.declared(arg)

    def loop(self, stmt: For) -> None:
        var, around = stmt.var, self.loops.values()
        if var in self.loops:
            self.fail(f"loop variable {var.name} is bound twice on the way to the same statement")
        if type(stmt.extent) is not int or stmt.extent < 0:
            self.fail(f"loop {var.name} has extent {stmt.extent!r}; extents are integers >= 0")
        kinds = {loop.kind for loop in around}
        if stmt.kind is LoopKind.PARALLEL and LoopKind.PARALLEL in kinds:
            self.fail(f"parallel loop {var.name} stands inside another parallel loop")
        if LoopKind.VECTORIZED in kinds and (
            stmt.kind is not LoopKind.UNROLLED and not (self.blocks and self.block is not None)
        ):
            self.fail(f"{stmt.kind.value} loop {var.name} stands inside a vectorized loop")
        self.loops[var] = stmt
        self.extents[var] = stmt.extent
        self.statement(stmt.body)
        del self.loops[var], self.extents[var]

    def allocation(self, buffers: Iterable[Buffer]) -> None:
        for buffer in buffers:
            if buffer in self.buffers:
                self.fail(f"buffer {buffer.name} is allocated while it exists")
            self.buffers.add(buffer)
            if self.blocks:
                continue
            if buffer.scope is Scope.GLOBAL:
                self.fail(f"allocated buffer {buffer.name} is global; make it a parameter")
            if any(loop.kind is LoopKind.VECTORIZED for loop in self.loops.values()):
                self.fail(f"buffer {buffer.name} is allocated inside a vectorized loop")

    def write(self, buffer: Buffer, indices: tuple[Expr, ...], value: Expr) -> None:
        self.declared(buffer)
        self.indexed(buffer, indices)
        if value.dtype is not buffer.dtype:
            self.fail(f"{buffer.name} holds {buffer.dtype} but is given {value!r}: {value.dtype}")
        if self.blocks and self.block is None:
            self.fail(f"{buffer.name} is written outside of every block")

    def declared(self, buffer: Buffer) -> None:
        if buffer not in self.buffers:
            self.fail(f"{buffer.name} is neither a parameter nor allocated here")

    def region(self, region: Region) -> None:
        self.declared(region.buffer)
        self.indexed(region.buffer, region.starts)
        if len(region.extents) != region.buffer.ndim or any(n < 1 for n in region.extents):
            self.fail(f"a region of {region.buffer!r} has extents {region.extents}")
        for start in region.starts:
            self.expression(start)

    def expression(self, root: Expr) -> None:
        for node in postorder(root):
            match node:
                case Load(source=Buffer() as buffer, indices=indices):
                    self.declared(buffer)
                    self.indexed(buffer, indices)
                case Load(source=source):
                    self.fail(f"{node!r} reads a {type(source).__name__}, not a buffer")
                case Reduce():
                    self.fail(f"the reduction {node!r} has not been made a block")
                case Var(name=name) if node not in self.extents:
                    self.fail(f"variable {name} is not bound here (in {root!r})")

    def indexed(self, buffer: Buffer, indices: tuple[Expr, ...]) -> None:
        if len(indices) != buffer.ndim:
            self.fail(f"{buffer!r} has {buffer.ndim} dimensions and gets {len(indices)} indices")
        for index in indices:
            if index.dtype is not int64:
                self.fail(f"index {index!r} of {buffer.name} is {index.dtype}, not int64")
        if self.blocks or buffer.scope is not Scope.REGISTER:
            return
        for position, index in enumerate(indices):
            loops = [self.loops[v] for v in variables_of(index)]
            if all(loop.kind is LoopKind.UNROLLED for loop in loops):
                continue
            is_lane = (
                position + 1 == buffer.ndim
                and index is loops[0].var
                and loops[0].kind is LoopKind.VECTORIZED
            )
            if not is_lane:
                self.fail(
                    f"register buffer {buffer.name} has index {index!r}; wanted are constants, "
                    f"unrolled variables, and in the last place the lane"
                )
            if loops[0].extent != buffer.shape[-1]:
                self.fail(
                    f"{loops[0].extent} lanes index the last dimension of register buffer "
                    f"{buffer.name}, which has {buffer.shape[-1]} elements"
                )

    def enter_block(self, block: Block) -> None:
        for it in block.iters:
            self.binding(block, it.axis, it.binding)
        if block.predicate is not None and block.predicate.dtype is not boolean:
            self.fail(f"the predicate of block {block.name} is not bool")
        outer = self.loops, self.extents, self.block
        self.block = block
        if block.init is not None:
            if not block.is_reduction:
                self.fail(f"block {block.name} has an init but reduces nothing")
            updated = {b for s in walk(block.body) if isinstance(s, Accumulate) for b in s.buffers}
            for call in walk(block.body):
                if isinstance(call, Evaluate):  # it may combine into what it is given
                    updated |= {arg.buffer for arg in call.args if isinstance(arg, Region)}
            for stmt in walk(block.init):
                if isinstance(stmt, Store) and stmt.buffer not in updated:
                    self.fail(f"the init of {block.name} writes {stmt.buffer.name}, its body not")
            spatial = [it.axis for it in block.iters if not it.axis.is_reduce]
            self.loops, self.extents = {}, {axis: axis.extent for axis in spatial}
            self.statement(block.init)
        self.loops, self.extents = {}, {it.axis: it.axis.extent for it in block.iters}
        for region in regions_of(block):
            self.region(region)
        self.statement(block.body)
        self.loops, self.extents, self.block = outer

    def binding(self, block: Block, axis: Var, binding: Expr) -> None:
        extent = getattr(axis, "extent", 0)
        low, high = interval(binding, self.extents)
        empty = any(loop.extent == 0 for loop in self.loops.values())
        what = f"axis {axis.name} of block {block.name}, bound to {binding!r},"
        if block.predicate is None and not empty and (low < 0 or high >= extent):
            self.fail(f"{what} leaves its range({extent}) and no predicate guards it")
        is_whole = getattr(axis, "is_reduce", False) or self.parts
        if not is_whole and not empty and (low > 0 or high < extent - 1):
            self.fail(f"{what} does not cover its range({extent})")
