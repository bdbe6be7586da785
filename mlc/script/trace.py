"""The program being traced: open scopes, and the statements in them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..dtypes import boolean
from ..errors import (
    ArgumentError,
    BoundsError,
    DTypeError,
    MlcError,
    SourceLocation,
    TracerLeakError,
    user_location,
)
from ..ir.expr import Axis, Expr, Load, Var, as_expr
from ..ir.intrinsic import reads_past_ends
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    If,
    Iter,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    expressions_of,
    seq,
)
from ..ir.rewrite import loads_of, substitute, variables_of
from ..ir.simplify import simplify
from .bounds import check_bounds
from .values import Update, same_nodes, stored_value

_active = threading.local()


@dataclass(eq=False)
class Draft:
    """A block while its body is traced."""

    name: str
    iters: list[Iter] = field(default_factory=list)
    places: list[SourceLocation | None] = field(default_factory=list)  # of the axes
    parts: set[Axis] = field(default_factory=set)  # those that are covered in part, on purpose
    predicate: Expr | None = None
    annotations: dict[str, Any] = field(default_factory=dict)
    reads: tuple[Region, ...] | None = None
    writes: tuple[Region, ...] | None = None
    read_place: SourceLocation | None = None  # where it says what it reads
    init: Stmt | None = None


@dataclass(eq=False)
class Level:
    """An open scope: what ``with`` or ``for`` opened, and the statements in it so far."""

    what: str  # "program", "loop", "block", "init", "when", "otherwise", "scope"
    location: SourceLocation | None = None
    variables: dict[Var, int] = field(default_factory=dict)  # with their extents
    condition: Expr | None = None
    draft: Draft | None = None
    opened: int = 0
    items: list[Stmt | Buffer] = field(default_factory=list)  # a Buffer: allocated from here on
    last_when: If | None = None  # the statement before, if T.otherwise may follow
    carried: list[tuple[Load, SourceLocation | None]] = field(default_factory=list)
    written: set[Buffer] = field(default_factory=set)


class Trace:
    """One run of a function that becomes a program."""

    def __init__(self, name: str, sizes: Mapping[str, int], unsafe: bool = False) -> None:
        self.name = name
        self.sizes = sizes
        self.unsafe = unsafe
        self.levels = [Level("program")]
        self.buffers: set[Buffer] = set()
        self.block_names: set[str] = set()
        self.loops: dict[Var, SourceLocation | None] = {}  # where each stands
        self.is_undecided = False  # whether an index may leave its buffer, as far as is known
        self.writers: dict[Buffer, SourceLocation | None] = {}  # where each was first written
        self.clock = 0
        self.read_at: dict[Load, int] = {}
        self.written_at: dict[Buffer, tuple[int, SourceLocation | None]] = {}
        self.updating: tuple[Update, int] | None = None
        self.ended: dict[Var, str] = {}
        self.broken: MlcError | None = None

    def __enter__(self) -> Trace:
        stack = _stack()
        stack.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _stack().pop()

    @property
    def level(self) -> Level:
        """The innermost open scope."""
        return self.levels[-1]

    def block(self) -> Level | None:
        """The innermost open block."""
        return next((level for level in reversed(self.levels) if level.what == "block"), None)

    def visible(self) -> dict[Var, int]:
        """The variables that may stand in an expression here, with their extents."""
        found: dict[Var, int] = {}
        is_init = False
        for level in reversed(self.levels):
            found.update(level.variables)
            is_init = is_init or level.what == "init"
            if level.what == "block":
                if is_init:
                    return {v: n for v, n in found.items() if not getattr(v, "is_reduce", False)}
                break
        return found

    def guards(self) -> list[tuple[Expr, bool]]:
        """The conditions around here, up to the block, and what each is."""
        found: list[tuple[Expr, bool]] = []
        for level in reversed(self.levels):
            if level.condition is not None:
                found.append((level.condition, level.what == "when"))
            if level.what == "block":
                break
        return found

    def open(self, level: Level) -> Level:
        """Enters a scope."""
        self.expect_whole()
        self.clock += 1
        level.opened = self.clock
        level.location = level.location or user_location()
        self.levels.append(level)
        return level

    def close(self, level: Level) -> Stmt:
        """Leaves the innermost scope, which must be ``level``; its statements as one."""
        self.expect_whole()
        if self.level is not level:
            raise ArgumentError(
                f"the {level.what} ends while a {self.level.what} in it is open; "
                f"leave scopes in the order they were opened, without break"
            )
        self.levels.pop()
        for load, place in level.carried if level.what == "loop" else ():
            if load.source in level.written:
                raise ArgumentError(_stale(load, "an iteration of a loop in between"), place)
        if self.levels:
            self.level.written |= level.written
        for item in level.items:
            if isinstance(item, Buffer):
                self.buffers.discard(item)
        self.ended.update((v, level.what) for v in level.variables)
        return folded(level.items)

    def expect_whole(self) -> None:
        """Raises what went wrong where it could not be raised, and what was left half done."""
        if self.broken is not None:
            raise self.broken
        if self.updating is not None:
            update, done = self.updating
            raise ArgumentError(
                f"{update.combiner.name} updates {len(update.targets)} elements at once, and "
                f"{done} of them was assigned; assign all in one statement: "
                f"{', '.join(map(repr, update.targets))} = {update.combiner.name}(...)"
            )

    def allocate(self, buffer: Buffer) -> None:
        """``buffer`` exists until the innermost scope is left."""
        self.expect_whole()
        self.level.last_when = None
        self.buffers.add(buffer)
        self.level.items.append(buffer)

    def emit(self, stmt: Stmt) -> None:
        """Appends a finished statement."""
        self.expect_whole()
        self.level.last_when = None
        self.level.items.append(stmt)

    def emit_all(self, stmt: Stmt) -> None:
        """Appends the statements of a scope that has been left."""
        for part in stmt.stmts if isinstance(stmt, Seq) else (stmt,):
            self.emit(part)

    def note_read(self, load: Expr) -> int:
        """The user's code asks for an element now; the time this is."""
        assert isinstance(load, Load)
        self.expect_buffer(load.source)
        self.read_at[load] = self.clock
        return self.clock

    def expect_unwritten(self, load: Expr, since: int) -> None:
        """Refuses a value that was read at the time ``since`` and has changed."""
        assert isinstance(load, Load)
        when, place = self.written_at.get(load.source, (-1, None))
        if when > since:
            raise ArgumentError(_stale(load, f"line {place.line if place else '?'}"))

    def assign(self, buffer: Buffer, indices: tuple[Expr, ...], value: Any) -> None:
        """``buffer[indices] = value``."""
        if isinstance(value, Update):
            target = value.targets[value.part]
            if target.buffer is buffer and same_nodes(target.indices, indices):
                self.update(value)
                return
        self.expect_whole()
        self.write(Store(buffer, indices, stored_value(buffer, value)), (buffer,))

    def update(self, update: Update) -> None:
        """One target of an update is assigned; the statement is written with the last one."""
        done = 0
        if self.updating is not None:
            first, done = self.updating
            if first.values is not update.values:
                self.expect_whole()
        if update.part != done:
            raise ArgumentError(
                f"{update.combiner.name} updates {', '.join(map(repr, update.targets))} in this "
                f"order; assign all of them in one statement"
            )
        if done + 1 < len(update.targets):
            self.updating = (update, done + 1)
            return
        self.updating = None
        buffers = tuple(target.buffer for target in update.targets)
        stmt = Accumulate(update.combiner, buffers, update.targets[0].indices, update.values)
        self.write(stmt, buffers)

    def write(self, stmt: Store | Accumulate, buffers: tuple[Buffer, ...]) -> None:
        """Checks and appends a statement that writes elements."""
        location = user_location()
        for buffer in buffers:
            self.expect_buffer(buffer)
        self.use(expressions_of(stmt), location)
        if not self.unsafe:
            ranges, guards = self.visible(), self.guards()
            for buffer in buffers:
                self.inside(buffer, stmt.indices, ranges, guards, location)
        self.emit(stmt)
        self.wrote(buffers, location)

    def wrote(self, buffers: Iterable[Buffer], location: SourceLocation | None) -> None:
        """The statement that was just appended may write ``buffers``."""
        self.clock += 1
        for buffer in buffers:
            self.writers.setdefault(buffer, location)
            self.written_at[buffer] = (self.clock, location)
            self.level.written.add(buffer)

    def call(self, name: str, args: tuple[Expr | Buffer | Region, ...]) -> None:
        """Appends a call."""
        location = user_location()
        stmt = Evaluate(name, args)
        self.use(expressions_of(stmt), location)
        touched = []
        padded = reads_past_ends(stmt)
        for arg in args:
            if isinstance(arg, Region):
                self.expect_region(arg, location, arg.buffer in padded)
                touched.append(arg.buffer)
            elif isinstance(arg, Buffer):
                self.expect_buffer(arg)
                touched.append(arg)
        self.emit(stmt)
        self.clock += 1
        for buffer in touched:
            self.written_at[buffer] = (self.clock, location)
            self.level.written.add(buffer)

    def expect_region(
        self, region: Region, location: SourceLocation | None, past: bool = False
    ) -> None:
        """Refuses a region that leaves its buffer; one that begins outside, if it may go ``past``
        the end."""
        self.expect_buffer(region.buffer)
        self.use(region.starts, location)
        if self.unsafe:
            return
        ranges, guards = self.visible(), self.guards()
        reach = zip(region.starts, region.extents, strict=True)
        ends = tuple(simplify(start + (extent - 1)) for start, extent in reach)
        for corner in (region.starts,) if past else (region.starts, ends):
            self.inside(region.buffer, corner, ranges, guards, location)

    def inside(
        self,
        buffer: Buffer | None,
        exprs: Sequence[Expr],
        ranges: Mapping[Var, int],
        guards: Sequence[tuple[Expr, bool]],
        location: SourceLocation | None,
    ) -> None:
        """Refuses an index that leaves its buffer, and notes one that may."""
        try:
            is_certain = check_bounds(buffer, exprs, ranges, guards, location)
        except BoundsError as error:
            if all(level.draft is None or level.draft.predicate is None for level in self.levels):
                raise
            try:  # a guard may keep the loops from reaching all points of the axes
                mapping, loops, around = self.reached()
                moved = [substitute(expr, mapping) for expr in exprs]
                is_certain = check_bounds(buffer, moved, loops, around, location)
            except BoundsError:
                raise error from None
        self.is_undecided |= not is_certain

    def reached(self) -> tuple[dict[Var, Expr], dict[Var, int], list[tuple[Expr, bool]]]:
        """What the axes of all blocks around are bound to over loops, those loops with their
        extents, and the conditions over them under which this place is reached."""
        mapping: dict[Var, Expr] = {}
        loops: dict[Var, int] = {}
        guards: list[tuple[Expr, bool]] = []
        for level in self.levels:
            if level.draft is None:
                loops.update(level.variables)
            else:
                if level.draft.predicate is not None:
                    guards.append((substitute(level.draft.predicate, mapping), True))
                mapping |= {it.axis: substitute(it.binding, mapping) for it in level.draft.iters}
            if level.condition is not None:
                guards.append((substitute(level.condition, mapping), level.what == "when"))
        return mapping, loops, guards

    def condition(self, value: Any, name: str) -> Expr:
        """``value`` as a condition that is evaluated here."""
        test = as_expr(value)
        if test.dtype is not boolean:
            raise DTypeError(
                f"{name} wants a condition, got {test!r}, which is {test.dtype}: "
                f"compare it with something"
            )
        self.use((test,), user_location())
        return test

    def expect_buffer(self, buffer: Buffer) -> None:
        """Refuses a buffer that does not exist here."""
        if buffer not in self.buffers:
            raise TracerLeakError(
                f"buffer {buffer.name} does not exist here: it belongs to another program, or to a "
                f"scope that has been left"
            )

    def use(self, exprs: Iterable[Expr], location: SourceLocation | None) -> None:
        """Checks what a statement evaluates: variables, bounds, and that no value is stale."""
        exprs = tuple(exprs)
        ranges = self.visible()
        for expr in exprs:
            for variable in variables_of(expr):
                if variable not in ranges:
                    raise TracerLeakError(self.invisible(variable), location)
            for load in loads_of(expr):
                self.expect_buffer(load.source)
                self.expect_fresh(load, location)
        if not self.unsafe:
            guards = self.guards()
            for expr in exprs:
                self.inside(None, (expr,), ranges, guards, location)

    def expect_fresh(self, load: Load, location: SourceLocation | None) -> None:
        """A value is read where it is used: refuses one that has changed since it was named."""
        asked = self.read_at.get(load, self.clock)
        self.expect_unwritten(load, asked)
        for level in reversed(self.levels):
            if level.opened <= asked:
                break
            level.carried.append((load, location))

    def invisible(self, variable: Var) -> str:
        """Why ``variable`` cannot be used here."""
        name, block = variable.name, self.block()
        open_levels = [level for level in self.levels if variable in level.variables]
        if isinstance(variable, Axis):
            if open_levels and block is open_levels[-1]:
                return (
                    f"the initial value of block {block.draft.name!r} depends on the reduce axis "  # type: ignore[union-attr]
                    f"{name}; T.init() runs once for each point of the spatial axes alone"
                )
            return (
                f"axis {name} is used outside its block; axes belong to their block: bind new ones "
                f"with T.axis.spatial(extent, binding) or T.remap"
            )
        if open_levels and block is not None and block.draft is not None:
            return (
                f"loop variable {name} is used in the body of block {block.draft.name!r}, which "
                f"speaks of its own axes alone: bind it, "
                f"v{name} = T.axis.spatial({open_levels[-1].variables[variable]}, {name}), "
                f"and use v{name}"
            )
        if variable in self.ended:
            return f"loop variable {name} is used after its loop has ended"
        return f"variable {name} belongs to another program"


def _stale(load: Load, where: str) -> str:
    return (
        f"{load!r} was read before {where} wrote {load.source.name}, and is used after: a program "
        f"reads an element where it is used; read it again, or keep the old value in a T.alloc"
    )


def folded(items: list[Stmt | Buffer]) -> Stmt:
    """``items`` as one statement: what follows an allocation is its body."""
    body: list[Stmt] = []
    buffers: list[Buffer] = []
    for item in reversed(items):
        if isinstance(item, Buffer):
            buffers.insert(0, item)
            continue
        if buffers:
            body, buffers = [Allocate(tuple(buffers), seq(*reversed(body)))], []
        body.append(item)
    if buffers:
        return Allocate(tuple(buffers), seq(*reversed(body)))
    return seq(*reversed(body)) if body else Seq(())


def new_buffer(
    name: str, shape: Any, dtype: Any, strides: Any, scope: Any, aligned: bool
) -> Buffer:
    """A buffer, its parts checked."""
    from ..dtypes import as_dtype
    from ..te.construct import as_shape

    sizes = as_shape(shape)
    steps = None if strides is None else tuple(int(s) for s in strides)
    if steps is not None and len(steps) != len(sizes):
        raise ArgumentError(f"{name} has shape {sizes} and strides {steps}; give one per axis")
    try:
        place = Scope(scope)
    except ValueError:
        raise ArgumentError(
            f"{scope!r} is no memory; scopes are names such as 'global', 'shared', 'local' or "
            f"'global.accumulator'"
        ) from None
    return Buffer(name, sizes, as_dtype(dtype), steps, place, aligned)


def _stack() -> list[Trace]:
    stack: list[Trace] | None = getattr(_active, "stack", None)
    if stack is None:
        stack = _active.stack = []
    return stack


def tracing() -> Trace | None:
    """The program being traced on this thread, if there is one."""
    stack = _stack()
    return stack[-1] if stack else None


def current(name: str) -> Trace:
    """The program being traced; ``name`` is what asks for it."""
    found = tracing()
    if found is None:
        raise ArgumentError(
            f"{name} stands outside of a program; it belongs in a function under @T.program"
        )
    return found
