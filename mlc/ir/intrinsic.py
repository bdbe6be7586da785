"""Intrinsics: instructions and library kernels as programs that are their meaning.

::

    Intrinsic("tmm16", meaning)       meaning: a program over buffers of constant shapes
    Evaluate("tmm16", (region, ...))  its call: one region for each parameter of the meaning

**A call means what the meaning does on the elements of the regions**, so every call can be written
out (`expand_call`), and runs everywhere. What may stand in its place on one machine are the
*implementations*; they take for each operand the address of its first element and its strides.

A region fits a parameter if both have the same extents once every dimension of extent 1 is left
out of both: ``A[i, k0:k0 + 16, 3]`` (extents 1, 16, 1) is an operand of shape ``(16,)``. The
dimensions that are left keep their order; their strides may be any.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import field, replace
from typing import Any

from ..errors import ArgumentError
from ..records import cached_property, dataclass
from .call_names import all_intrinsics as all_intrinsics
from .call_names import intrinsic_named as intrinsic_named
from .call_names import is_intrinsic as is_intrinsic
from .call_names import known as known
from .call_names import register as register
from .expr import Const, Expr, Load, Var, const, load, select
from .program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    seq,
    walk,
)
from .rewrite import rewrite

PAST, SEEN = "llvm past", "llvm seen"
TEAMS = (1, 32, 128)  # threads that may do a call together
TARGETS = ("llvm", PAST, SEEN, "c", "cuda", "program")


@dataclass(eq=False)
class Intrinsic:
    """``meaning`` is what a call does: its params are the operands, inputs first, and the last
    ``meaning.outputs`` of them are written (and read too where the meaning reads them).

    ``implementations`` holds by target: "llvm", the text of LLVM functions, one of them called like
    the intrinsic; "llvm past", the same with a function ``<name>_past`` that stores what no cache
    will hold past the caches and does not wait for it; "llvm seen", one with ``<name>_seen`` for
    processors that see rows coming, which need not be asked for; "c", C source with such a
    function; "cuda", CUDA C source with such a function for the device; "program", a Program with
    the same params.
    A native function returns nothing and takes for each operand a pointer to its first element and
    then an int64 for each dimension that is not 1: the stride in elements.

    Native code is called where the processor has what it ``needs``, features as LLVM names them,
    and so many last dimensions of the operands in ``near`` are contiguous; else the meaning runs.

    The others are about "cuda". So many ``threads`` do a call together: 1, or a warp of 32 that
    count as threadIdx.x. Of an operand in ``held`` each of them holds so many elements of its own,
    a fragment; the function gets those, without strides, and only calls may touch such a buffer.
    ``rows`` are operands whose last dimension is contiguous, and the number of bytes of which the
    address of each of their rows is a multiple. In ``mixes`` are those of rows of 16 bytes that the
    function reads as a whole, each by ``operand + place``, an object that becomes the address: the
    tile may then lie in an order that no two of its rows share banks in. Those in ``zeros`` may
    reach past the ends of their arrays, where a call reads 0.
    """

    name: str
    meaning: Program
    implementations: dict[str, str | Program] = field(default_factory=dict)
    threads: int = 1
    held: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    mixes: frozenset[str] = frozenset()
    zeros: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    near: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or not self.name.isascii():
            raise ArgumentError(f"an intrinsic's name must be an identifier, got {self.name!r}")
        if not self.meaning.outputs:
            raise ArgumentError(f"intrinsic {self.name} writes nothing: its meaning has no outputs")
        for buffer in self.meaning.params:
            if buffer.strides is not None:
                raise ArgumentError(
                    f"operand {buffer.name} of intrinsic {self.name} has fixed strides; a region "
                    f"brings its own, so declare the shape alone"
                )
        self._check_threads()

    def _check_threads(self) -> None:
        """What is said of threads and operands must fit together."""
        if self.threads not in TEAMS:
            raise ArgumentError(
                f"a call of intrinsic {self.name} is done by one thread, a warp of 32 or four of "
                f"them, 128, got threads={self.threads}"
            )
        sizes = {b.name: b.size for b in self.operands}
        lists = {"held": self.held, "rows": self.rows, "mixes": self.mixes, "zeros": self.zeros,
                 "near": self.near}  # fmt: skip
        for what, names in lists.items():
            for name in names:
                if name not in sizes:
                    raise ArgumentError(
                        f"{what} of intrinsic {self.name} names {name!r}, and its operands are "
                        f"{', '.join(sizes)}"
                    )
        for name, held in self.held.items():
            if held * self.threads < sizes[name]:
                raise ArgumentError(
                    f"operand {name} of intrinsic {self.name} has {sizes[name]} elements, and "
                    f"{self.threads} threads that hold {held} each have room for "
                    f"{held * self.threads}"
                )

    def __repr__(self) -> str:
        return f"<intrinsic {self.name}({', '.join(map(repr, self.operands))})>"

    @property
    def operands(self) -> tuple[Buffer, ...]:
        """The params of the meaning."""
        return self.meaning.params

    @property
    def written(self) -> tuple[Buffer, ...]:
        """The operands that a call writes."""
        return self.operands[len(self.operands) - self.meaning.outputs :]

    @cached_property
    def read(self) -> tuple[Buffer, ...]:
        """The operands whose elements a call reads: all inputs, and what is accumulated onto."""
        from .program import reads_of

        sources = {node.source for node in reads_of(self.meaning.body)}
        for stmt in walk(self.meaning.body):
            if isinstance(stmt, Accumulate):
                sources.update(stmt.buffers)
            elif isinstance(stmt, Evaluate):
                sources.update(region.buffer for region in call_effects(stmt)[0])
        started = _initialised(self.meaning.body)
        inputs = self.operands[: len(self.operands) - self.meaning.outputs]
        return (*inputs, *(b for b in self.written if b in sources and b not in started))

    @cached_property
    def meaning_key(self) -> str:
        """The meaning up to names."""
        from .structural import structural_key

        return structural_key(self.meaning)

    @property
    def definition_key(self) -> str:
        """What the intrinsic is, its implementations aside."""
        parts = [f"intrinsic {self.name}", self.meaning_key]
        if self.threads != 1:
            parts.append(f"{self.threads} threads, {dict(self.held)}, {dict(self.rows)}")
            parts.append(f"mixes {sorted(self.mixes)}")
        if self.zeros:
            parts.append(f"zeros {sorted(self.zeros)}")
        if self.needs or self.near:
            parts.append(f"needs {sorted(self.needs)}, near {sorted(self.near.items())}")
        return "\n".join(parts)

    @property
    def key(self) -> str:
        """A text that changes with what the intrinsic does and how: part of every cache key."""
        from .structural import structural_key

        parts = [self.definition_key]
        for target, content in sorted(self.implementations.items()):
            text = structural_key(content) if isinstance(content, Program) else content
            parts.append(f"{target}: {text}")
        return "\n".join(parts)

    def implement(self, target: str, content: str | Program) -> None:
        """Adds the implementation for ``target``, or replaces it."""
        if target not in TARGETS:
            raise ArgumentError(
                f"an intrinsic is implemented for one of {', '.join(TARGETS)}; got {target!r}"
            )
        if isinstance(content, Program) != (target == "program"):
            wanted = "a T.program" if target == "program" else f"{target} source as a string"
            raise ArgumentError(
                f"the implementation of {self.name} for {target!r} must be {wanted}, got "
                f"{type(content).__name__}"
            )
        if isinstance(content, Program):
            mine = [(b.shape, b.dtype) for b in self.operands]
            theirs = [(b.shape, b.dtype) for b in content.params]
            if mine != theirs or content.outputs != self.meaning.outputs:
                raise ArgumentError(
                    f"the implementation of {self.name} takes {content.params} and writes "
                    f"{content.outputs}, its meaning takes {self.operands} and writes "
                    f"{self.meaning.outputs}"
                )
        self.implementations[target] = content


def kept_dimensions(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions that count when a region is compared with an operand: those that are not 1."""
    return tuple(d for d, extent in enumerate(shape) if extent != 1)


def regions_of_call(call: Evaluate) -> tuple[Region, ...]:
    """The regions of a call of an intrinsic, checked against its operands."""
    intrinsic = intrinsic_named(call.name)
    regions: list[Region] = []
    if len(call.args) != len(intrinsic.operands):
        raise ArgumentError(
            f"intrinsic {call.name} takes {len(intrinsic.operands)} regions, one for each of "
            f"{', '.join(b.name for b in intrinsic.operands)}; the call has {len(call.args)}"
        )
    for operand, arg in zip(intrinsic.operands, call.args, strict=True):
        if isinstance(arg, Buffer):
            arg = Region(arg, tuple(const(0) for _ in arg.shape), arg.shape)
        if not isinstance(arg, Region):
            raise ArgumentError(
                f"operand {operand.name} of intrinsic {call.name} must be a region such as "
                f"A[i:i + 16, 0:16], got {arg!r}"
            )
        if arg.buffer.dtype is not operand.dtype:
            raise ArgumentError(
                f"operand {operand.name} of intrinsic {call.name} is {operand.dtype}, but "
                f"{arg.buffer.name} is {arg.buffer.dtype}"
            )
        given = tuple(arg.extents[d] for d in kept_dimensions(arg.extents))
        wanted = tuple(operand.shape[d] for d in kept_dimensions(operand.shape))
        if operand.name in intrinsic.held and given == (intrinsic.held[operand.name],):
            wanted = given  # the part of one thread, in its own memory
        if given != wanted:
            raise ArgumentError(
                f"operand {operand.name} of intrinsic {call.name} has shape {operand.shape}, but "
                f"the region of {arg.buffer.name} has extents {arg.extents}"
            )
        regions.append(arg)
    return tuple(regions)


def call_effects(call: Evaluate) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """(reads, writes) of a call of an intrinsic, as regions."""
    intrinsic = intrinsic_named(call.name)
    regions = dict(zip(intrinsic.operands, regions_of_call(call), strict=True))
    return (
        tuple(regions[b] for b in intrinsic.read),
        tuple(regions[b] for b in intrinsic.written),
    )


def reads_past_ends(stmt: Stmt) -> frozenset[Buffer]:
    """The buffers past whose ends ``stmt``, if it is a call of an intrinsic, reads 0."""
    if not isinstance(stmt, Evaluate) or not is_intrinsic(stmt.name):
        return frozenset()
    intrinsic = intrinsic_named(stmt.name)
    pairs = zip(intrinsic.operands, regions_of_call(stmt) if intrinsic.zeros else ())
    return frozenset(r.buffer for operand, r in pairs if operand.name in intrinsic.zeros)


def expand_call(call: Evaluate, body: Program | None = None) -> Stmt:
    """What a call of an intrinsic does, written out: its meaning over the regions' elements.

    ``body`` is another program over the same operands to write out instead. Loops, axes and
    buffers in it are new ones.
    """
    intrinsic = intrinsic_named(call.name)
    chosen = intrinsic.meaning if body is None else body
    regions = dict(zip(chosen.params, regions_of_call(call), strict=True))
    ends = zip(intrinsic.operands, chosen.params, strict=True)
    zeros = {own for operand, own in ends if operand.name in intrinsic.zeros}
    return _Expansion(regions, zeros).statement(chosen.body)


def expand_calls(stmt: Stmt) -> Stmt:
    """``stmt`` with every call of an intrinsic written out; without any, ``stmt`` itself."""
    if not any(isinstance(s, Evaluate) and is_intrinsic(s.name) for s in walk(stmt)):
        return stmt
    return _expanded(stmt)


def _expanded(stmt: Stmt) -> Stmt:
    match stmt:
        case Evaluate(name=name) if is_intrinsic(name):
            return expand_calls(expand_call(stmt))
        case Allocate() | For() | While():
            return replace(stmt, body=_expanded(stmt.body))
        case Seq(stmts=stmts):
            return seq(*map(_expanded, stmts))
        case If():
            other = None if stmt.otherwise is None else _expanded(stmt.otherwise)
            return If(stmt.condition, _expanded(stmt.then), other)
        case Block():
            init = None if stmt.init is None else _expanded(stmt.init)
            return replace(stmt, body=_expanded(stmt.body), init=init)
        case _:
            return stmt


class _Expansion:
    """A copy of a meaning with regions for its params and new loops, axes and buffers."""

    def __init__(self, regions: Mapping[Buffer, Region], zeros: Set[Buffer]) -> None:
        self.regions = regions
        self.zeros = zeros
        self.buffers: dict[Buffer, Buffer] = {}
        self.variables: dict[Var, Expr] = {}
        self.memo: dict[Expr, Expr] = {}

    def place(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Buffer, tuple[Expr, ...]]:
        """Where element ``indices`` (already copied) of an operand lies."""
        region = self.regions.get(buffer)
        if region is None:
            return self.buffers.get(buffer, buffer), indices
        at = list(region.starts)
        mine, theirs = kept_dimensions(region.extents), kept_dimensions(buffer.shape)
        for d, n in zip(mine, theirs, strict=True):
            at[d] = at[d] + indices[n]
        return region.buffer, tuple(at)

    def expr(self, root: Expr) -> Expr:
        return rewrite(root, self._node, self.memo)

    def _node(self, node: Expr) -> Expr | None:
        if isinstance(node, Var):
            return self.variables.get(node)
        if isinstance(node, Load):
            source, at = self.place(node.source, node.indices)
            read = load(source, at)
            if node.source not in self.zeros:
                return read
            for place, extent in zip(at, source.shape, strict=True):
                if not isinstance(place, Const):
                    read = select(place < extent, read, const(0, read.dtype))
            return read
        return None

    def exprs(self, roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(map(self.expr, roots))

    def region(self, region: Region) -> Region:
        """A region of the meaning's, moved to where its buffer lies."""
        starts = self.exprs(region.starts)
        outer = self.regions.get(region.buffer)
        if outer is None:
            return Region(self.buffers.get(region.buffer, region.buffer), starts, region.extents)
        buffer, at = self.place(region.buffer, starts)
        extents = [1] * buffer.ndim
        mine, theirs = kept_dimensions(outer.extents), kept_dimensions(region.buffer.shape)
        for d, n in zip(mine, theirs, strict=True):
            extents[d] = region.extents[n]
        return Region(buffer, at, tuple(extents))

    def argument(self, arg: Expr | Buffer | Region) -> Any:
        match arg:
            case Region():
                return self.region(arg)
            case Buffer():
                if arg in self.regions:
                    return self.regions[arg]
                return self.buffers.get(arg, arg)
            case _:
                return self.expr(arg)

    def statement(self, stmt: Stmt) -> Stmt:
        match stmt:
            case Seq(stmts=stmts):
                return seq(*map(self.statement, stmts))
            case For(var=var):
                fresh = Var(var.name)
                self.variables[var] = fresh
                self.memo.clear()
                return replace(stmt, var=fresh, body=self.statement(stmt.body))
            case While(condition=condition, body=body):
                self.memo.clear()
                return While(self.expr(condition), self.statement(body))
            case If(condition=condition, then=then, otherwise=otherwise):
                test = self.expr(condition)
                other = None if otherwise is None else self.statement(otherwise)
                return If(test, self.statement(then), other)
            case Allocate(buffers=buffers, body=body):
                for b in buffers:
                    self.buffers[b] = Buffer(b.name, b.shape, b.dtype, b.strides, b.scope)
                self.memo.clear()
                return Allocate(tuple(self.buffers[b] for b in buffers), self.statement(body))
            case Block():
                return self.block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                target, at = self.place(buffer, self.exprs(indices))
                return Store(target, at, self.expr(value))
            case Accumulate():
                at = self.exprs(stmt.indices)
                places = [self.place(b, at) for b in stmt.buffers]
                values = self.exprs(stmt.values)
                return self._accumulate(stmt, places, values)
            case Evaluate(name=name, args=args):
                return Evaluate(name, tuple(map(self.argument, args)))

    def _accumulate(
        self,
        stmt: Accumulate,
        places: list[tuple[Buffer, tuple[Expr, ...]]],
        values: tuple[Expr, ...],
    ) -> Stmt:
        if any(
            len(at) != len(places[0][1]) or any(a is not b for a, b in zip(at, places[0][1]))
            for _, at in places
        ):
            raise ArgumentError(
                f"{', '.join(b.name for b in stmt.buffers)} are accumulated together, so an "
                f"intrinsic's call must give them regions that start at the same element"
            )
        return Accumulate(stmt.combiner, tuple(b for b, _ in places), places[0][1], values)

    def block(self, stmt: Block) -> Stmt:
        """Dissolved: its axes become what they are bound to, since a block's body may not speak of
        what the regions start at; a reduction starts at the first point of its reduce axes."""
        bound = self.exprs(tuple(it.binding for it in stmt.iters))
        guard = None if stmt.predicate is None else self.expr(stmt.predicate)
        for it, binding in zip(stmt.iters, bound, strict=True):
            self.variables[it.axis] = binding
        self.memo.clear()
        body = self.statement(stmt.body)
        if stmt.init is not None:
            first: Expr | None = None
            for it, binding in zip(stmt.iters, bound, strict=True):
                if it.axis.is_reduce:
                    test = binding < 1  # a form that loops are cut by
                    first = test if first is None else first & test
            init = self.statement(stmt.init)
            body = seq(init if first is None else If(first, init), body)
        return body if guard is None else If(guard, body)


def _initialised(body: Stmt) -> set[Buffer]:
    """The buffers that a block's init or a whole store sets before they are read."""
    return {
        stmt.buffer
        for node in walk(body)
        if isinstance(node, Block) and node.init is not None
        for stmt in walk(node.init)
        if isinstance(stmt, Store)
    }
