"""Buffers of a program: finding them, and putting others in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from ..errors import ScheduleError
from ..ir.expr import Expr, Load, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    Program,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    seq,
    walk,
)
from ..ir.rewrite import substitute_loads
from ..records import dataclass
from .regions import block_reads, block_writes
from .step import find_block, rebuild

Indices = tuple[Expr, ...]
Regions = tuple[Region, ...] | None


def allocations_of(program: Program) -> tuple[Buffer, ...]:
    """The buffers that the program allocates, in program order."""
    return tuple(b for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers)


def buffer_key(program: Program, buffer: Buffer) -> str:
    """What a step calls ``buffer``: its name; ``#n`` follows for those that share it."""
    same = [b for b in (*program.params, *allocations_of(program)) if b.name == buffer.name]
    position = next((n for n, b in enumerate(same) if b is buffer), None)
    if position is None:
        raise ScheduleError(f"buffer {buffer.name} is not one of program {program.name!r}")
    return buffer.name if position == 0 else f"{buffer.name}#{position}"


def find_buffer(program: Program, key: str) -> Buffer:
    """The buffer that :func:`buffer_key` calls so."""
    found = _buffers_called(program, key)
    if not found:
        known = dict.fromkeys(b.name for b in (*program.params, *allocations_of(program)))
        raise ScheduleError(f"no buffer {key!r} in {program.name!r}; it has {', '.join(known)}")
    return found[0]


def has_buffer(program: Program, key: str) -> bool:
    """Whether :func:`find_buffer` finds one."""
    return bool(_buffers_called(program, key))


def _buffers_called(program: Program, key: str) -> tuple[Buffer, ...]:
    name, _, number = key.partition("#")
    known = (*program.params, *allocations_of(program))
    same = tuple(b for b in known if b.name == name)
    return same[int(number) :] if number.isdigit() else same if not number else ()


def chosen_buffer(program: Program, block: Block, buffer: Buffer | str | int, word: str) -> str:
    """The key of the buffer that ``block`` reads or writes (``word``), named or counted."""
    regions = block_reads(block) if word == "reads" else block_writes(block)
    touched = list(dict.fromkeys(region.buffer for region in regions))
    names = ", ".join(b.name for b in touched) or "nothing"
    if isinstance(buffer, int):
        if not 0 <= buffer < len(touched):
            raise ScheduleError(f"block {block.name!r} {word} {names}; there is no number {buffer}")
        return buffer_key(program, touched[buffer])
    if isinstance(buffer, Buffer):
        found = [b for b in touched if b is buffer]
    else:
        found = [b for b in touched if buffer in (b.name, buffer_key(program, b))]
    if len(found) > 1:
        found = [b for b in found if buffer_key(program, b) == buffer]
    if not found:
        wanted = buffer if isinstance(buffer, str) else buffer.name
        raise ScheduleError(f"block {block.name!r} {word} {names}, not {wanted}")
    return buffer_key(program, found[0])


def untouched(program: Program, name: str, buffer: Buffer, *words: str) -> str | None:
    """Why a step about what the block called ``name`` "reads" or "writes" (``words``) does not
    concern ``buffer``; None if it does."""
    block = find_block(program, name)
    touched: dict[Buffer, None] = {}
    for word in words:
        regions = block_reads(block) if word == "reads" else block_writes(block)
        touched |= dict.fromkeys(region.buffer for region in regions)
    if buffer in touched:
        return None
    names = ", ".join(b.name for b in touched) or "nothing"
    return f"block {name!r} {' or '.join(words)} {names}, not {buffer.name}"


def replace_buffer(program: Program, old: Buffer, new: Buffer) -> Program:
    """The program with an allocated buffer in the place of another of the same shape."""
    return program.with_body(Redirect(old, new)(program.body))


def fresh_buffer_name(program: Program, wish: str) -> str:
    """``wish``, numbered if a buffer of ``program`` has that name."""
    taken = {b.name for b in (*program.params, *allocations_of(program))}
    name, count = wish, 1
    while name in taken:
        name, count = f"{wish}_{count}", count + 1
    return name


def allocated_violation(program: Program, buffer: Buffer, what: str) -> str | None:
    """Why ``what`` cannot be done to ``buffer``: it is not the program's own."""
    if any(b is buffer for b in program.params):
        return (
            f"{buffer.name} is a parameter of {program.name!r}, and who calls it decides {what}; "
            "use s.cache_read or s.cache_write first, and take the step on the cache"
        )
    return None


def scope_violation(scope: str) -> str | None:
    """Why ``scope`` names no memory."""
    try:
        Scope(scope)
    except ValueError:
        return f"{scope!r} names no memory; give one such as 'local', 'shared' or 'global.tile'"
    return None


def cached_twin(program: Program, buffer: Buffer, scope: str) -> Buffer:
    """A fresh buffer like ``buffer`` in the memory ``scope``, called after both."""
    name = fresh_buffer_name(program, f"{buffer.name}_{scope.replace('.', '_')}")
    return Buffer(name, buffer.shape, buffer.dtype, scope=Scope(scope))


@dataclass(frozen=True, eq=False)
class Redirect:
    """Accesses of ``old`` go to ``new``; ``at`` says where an element lies there.

    Without ``at`` at the same place. ``reads`` and ``writes`` say which accesses; an accumulation
    is a write. Regions of calls are redirected as they are, so ``at`` must be None for those.
    """

    old: Buffer
    new: Buffer
    at: Callable[[Indices], Indices] | None = None
    reads: bool = True
    writes: bool = True

    def __call__(self, stmt: Stmt) -> Stmt:
        """``stmt`` with its accesses redirected, and with ``new`` allocated where ``old`` was."""
        changed: Stmt
        match stmt:
            case Allocate(buffers=buffers):
                body = self(stmt.body)
                if self.reads and self.writes and self.old in buffers:
                    return Allocate(tuple(self.new if b is self.old else b for b in buffers), body)
                return stmt if body is stmt.body else replace(stmt, body=body)
            case For():
                body = self(stmt.body)
                return stmt if body is stmt.body else replace(stmt, body=body)
            case Seq():
                parts = [self(s) for s in stmt.stmts]
                same = all(a is b for a, b in zip(parts, stmt.stmts, strict=True))
                return stmt if same else seq(*parts)
            case While():
                changed = While(self.expr(stmt.condition), self(stmt.body))
            case If():
                other = None if stmt.otherwise is None else self(stmt.otherwise)
                changed = If(self.expr(stmt.condition), self(stmt.then), other)
            case Block():
                changed = self.block(stmt)
            case Store(buffer=buffer, indices=indices):
                indices = tuple(map(self.expr, indices))
                if self.writes and buffer is self.old:
                    buffer, indices = self.new, self.place(indices)
                changed = Store(buffer, indices, self.expr(stmt.value))
            case Accumulate(buffers=buffers, indices=indices):
                indices = tuple(map(self.expr, indices))
                if self.writes and self.old in buffers:
                    buffers = tuple(self.new if b is self.old else b for b in buffers)
                    indices = self.place(indices)
                values = tuple(map(self.expr, stmt.values))
                changed = Accumulate(stmt.combiner, buffers, indices, values)
            case Evaluate(name=name, args=args):
                changed = Evaluate(name, tuple(map(self.argument, args)))
        return stmt if _is_same(stmt, changed) else changed

    def block(self, stmt: Block) -> Block:
        """One block: its body, its init, and what it declares."""
        iters = tuple(Iter(it.axis, self.expr(it.binding)) for it in stmt.iters)
        kept = all(a.binding is b.binding for a, b in zip(iters, stmt.iters, strict=True))
        changed = replace(
            stmt,
            iters=stmt.iters if kept else iters,
            predicate=None if stmt.predicate is None else self.expr(stmt.predicate),
            init=None if stmt.init is None else self(stmt.init),
            body=self(stmt.body),
            reads=self.regions(stmt.reads, self.reads),
            writes=self.regions(stmt.writes, self.writes),
        )
        return stmt if _is_same(stmt, changed) else changed

    def expr(self, expr: Expr) -> Expr:
        """One expression; its own loads are redirected."""
        if not self.reads:
            return expr

        def on_load(node: Load) -> Expr | None:
            return load(self.new, self.place(node.indices)) if node.source is self.old else None

        return substitute_loads(expr, on_load)

    def place(self, indices: Indices) -> Indices:
        return indices if self.at is None else self.at(indices)

    def regions(
        self, regions: tuple[Region, ...] | None, wanted: bool
    ) -> tuple[Region, ...] | None:
        if regions is None or not wanted:
            return regions
        if not any(r.buffer is self.old for r in regions):
            return regions
        return tuple(replace(r, buffer=self.new) if r.buffer is self.old else r for r in regions)

    def argument(self, arg: Expr | Buffer | Region) -> Expr | Buffer | Region:
        match arg:
            case Region(buffer=buffer):
                return replace(arg, buffer=self.new) if buffer is self.old else arg
            case Expr():
                return self.expr(arg)
            case _:
                return self.new if arg is self.old else arg


def _is_same(one: Stmt, two: Stmt) -> bool:
    """Whether the fields of two nodes of one type are the same objects, or tuples of the same."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            if any(x is not y for x, y in zip(a, b, strict=True)):
                return False
        elif a is not b:
            return False
    return True


def redirect_blocks(stmt: Stmt, names: set[str], redirect: Redirect) -> Stmt:
    """``redirect`` inside the blocks called so; what is declared around them is kept true."""

    def on(node: Stmt) -> Stmt | None:
        if not isinstance(node, Block):
            return None
        if node.name in names:
            return redirect.block(node)
        body = rebuild(node.body, on)
        if body is node.body:
            return node
        return replace(node, body=body, reads=_both(node.reads, redirect))

    return rebuild(stmt, on)


def _both(regions: Regions, redirect: Redirect) -> Regions:
    if regions is None:
        return None
    added = [replace(r, buffer=redirect.new) for r in regions if r.buffer is redirect.old]
    return (*regions, *added)


def is_called_with(stmt: Stmt, buffer: Buffer) -> bool:
    """Whether a call in ``stmt`` gets ``buffer``, or a region of it."""
    return any(
        (arg.buffer if isinstance(arg, Region) else arg) is buffer
        for node in walk(stmt)
        if isinstance(node, Evaluate)
        for arg in node.args
    )


def is_passed(stmt: Stmt, buffer: Buffer) -> bool:
    """Whether ``buffer`` occurs in a call or a declared region: as a box, not by its elements."""
    for node in walk(stmt):
        if isinstance(node, Evaluate) and is_called_with(node, buffer):
            return True
        if isinstance(node, Block):
            if any(r.buffer is buffer for r in (*(node.reads or ()), *(node.writes or ()))):
                return True
    return False
