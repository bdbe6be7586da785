"""bind_device_threads: a loop nest over threads becomes what one thread does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from ...errors import UnsupportedError
from ...ir.expr import Expr, Var, apply, const, load
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    seq,
    walk,
)
from ...ir.rewrite import loads_of, variables_of
from ..replace_buffers import Place, replace_buffers
from ..simplify_program import substitute_all
from .fold_threads import TEAM, Team, fold_of, fold_threads, own_part, refuse_fold
from .kernel import BARRIER, BOUNDARY, MOST_THREADS, PER_BLOCK, PRIVATE, WARP, Thread
from .share_fragments import together
from .spread_virtual import VIRTUAL
from .touching import buffers_made, buffers_read, buffers_written, loops_in

_MOST_UNROLLED = 16
_ORDER = tuple(f"{kind}.{d}" for kind in ("blockIdx", "threadIdx") for d in "zyx")
_FROM_X = ("threadIdx.x", "threadIdx.y", "threadIdx.z")
_MOST_BLOCKS = {"blockIdx.x": (1 << 31) - 1, "blockIdx.y": 65535, "blockIdx.z": 65535}
Guards = tuple[Expr, ...]


def bind_device_threads(nest: Stmt, name: str) -> tuple[Stmt, tuple[Thread, ...]]:
    """``for bx in blockIdx.x: (for tx in threadIdx.x(64): s; for tx in threadIdx.x(8): t)`` ->
    ``s; boundary; if tx < 8: t``, for the thread that ``bx`` and ``tx`` name.

    As many threads are started as the longest loops need. What stands outside of thread loops and
    writes memory that threads have in common is done by one of them. A ``boundary`` stands wherever
    loops over threads begin and end. Raises :class:`UnsupportedError` for what no grid can run.
    """
    threads = _threads(nest, name)
    binder = _Binder(name, {t.tag: t for t in threads})
    return binder.statement(nest, {}, ()), threads


def thread_of(loop: For) -> str:
    """The thread that a bound loop runs on."""
    return str(dict(loop.annotations).get("thread", "threadIdx.x"))


def _threads(nest: Stmt, name: str) -> tuple[Thread, ...]:
    extents: dict[str, int] = {}
    names: dict[str, set[str]] = {}
    for loop in loops_in(nest):
        if loop.kind is not LoopKind.BOUND:
            continue
        tag = thread_of(loop)
        extents[tag] = max(extents.get(tag, 1), loop.extent)
        names.setdefault(tag, set()).add(loop.var.name)
    if (team := together(nest)) is not None:
        if extents.setdefault("threadIdx.x", team.threads) != team.threads:
            raise UnsupportedError(
                f"{team.name} is done by {team.threads} threads together, and {name} has "
                f"{extents['threadIdx.x']} in threadIdx.x; bind loops of {team.threads} to it, and "
                f"the others to threadIdx.y"
            )
        names.setdefault("threadIdx.x", {"lane"})
    else:
        _whole_warps(nest, extents)
    total = 1
    for tag in _ORDER:
        total *= extents.get(tag, 1) if tag.startswith("threadIdx") else 1
        if extents.get(tag, 1) > _MOST_BLOCKS.get(tag, 1 << 31):
            raise UnsupportedError(
                f"{name} has {extents[tag]} blocks in {tag}, and a grid has at most "
                f"{_MOST_BLOCKS[tag]} there; split that loop, or bind it to blockIdx.x"
            )
    if total > MOST_THREADS:
        parts = [str(extents[t]) for t in reversed(_ORDER) if t in extents and "thr" in t]
        shown = f"{' x '.join(parts)} = {total}" if len(parts) > 1 else str(total)
        raise UnsupportedError(
            f"{name} has {shown} threads in a block, and a block has at most "
            f"{MOST_THREADS}; split a loop further, and bind the outer part to blocks"
        )
    if extents.get("threadIdx.z", 1) > 64:
        raise UnsupportedError(
            f"{name} has {extents['threadIdx.z']} threads in threadIdx.z, and a block has at most "
            f"64 there; bind that loop to threadIdx.x"
        )
    called = {tag: _called(tag, loops) for tag, loops in names.items()}
    return tuple(Thread(t, Var(called[t]), extents[t]) for t in _ORDER if t in extents)


def _whole_warps(nest: Stmt, extents: dict[str, int]) -> None:
    """Threads that fold together, as many more as make whole warps of them, or equal parts of one:
    what they have is handed on by shuffles then. A card starts whole warps anyway."""
    for loop in loops_in(nest):
        if TEAM not in dict(loop.annotations) or (fold := fold_of(loop)) is None:
            continue
        own = {thread_of(each) for each in fold.threads}
        first = next((t for t in _FROM_X if extents.get(t, 1) > 1), "")
        wide = [t for t in own if extents[t] > 1]
        if wide != [first]:
            continue
        count = extents[first]
        whole = -(-count // WARP) * WARP if count > WARP else 1 << (count - 1).bit_length()
        others = prod(n for tag, n in extents.items() if tag in _FROM_X and tag != first)
        if whole * others <= MOST_THREADS and (first != "threadIdx.z" or whole <= 64):
            extents[first] = whole


def _called(tag: str, loops: set[str]) -> str:
    """What a thread is called whose ``loops`` have these names: as they are, if that is one word,
    or ``tx``, ``by`` and so on."""
    (name, *others) = loops
    return name if name.isalpha() and not others else f"{tag[0]}{tag[-1]}"


@dataclass(frozen=True, eq=False)
class _Binder:
    name: str
    threads: dict[str, Thread]

    def statement(self, stmt: Stmt, active: dict[str, tuple[int, Expr]], guards: Guards) -> Stmt:
        """``stmt`` for one thread. ``active`` holds the extents and variables of the threads whose
        loops are around it, ``guards`` what must hold for the thread to take part."""
        if not _is_structure(stmt) and not _is_mixed(stmt):
            return self.leaf(stmt, active, guards)
        match stmt:
            case For(kind=LoopKind.BOUND):
                return self.bound(stmt, active, guards)
            case For(kind=LoopKind.PARALLEL):
                raise UnsupportedError(
                    f"loop {stmt.var.name} of {self.name} is parallel, on the threads of the "
                    f"processor, and has loops over threads of a grid in it; bind it to blockIdx.x"
                )
            case For() | While():
                self.refuse_grid(stmt, stmt.body)
                if isinstance(stmt, While):
                    self.refuse_divergent(stmt.condition, stmt)
                body = seq(_boundary(), self.statement(stmt.body, active, guards), _boundary())
                return seq(_boundary(), replace(stmt, body=body), _boundary())
            case If():
                return self.branch(stmt, active, guards)
            case Seq(stmts=stmts):
                self.refuse_siblings(stmts)
                return seq(*(self.statement(s, active, guards) for s in stmts))
            case Allocate(buffers=buffers, body=body):
                return self.allocation(buffers, body, active, guards)
            case _:
                return stmt  # a barrier

    def bound(self, loop: For, active: dict[str, tuple[int, Expr]], guards: Guards) -> Stmt:
        tag = thread_of(loop)
        if tag.startswith("vthread"):
            return self.virtual(loop, tag, active, guards)
        thread = self.threads[tag]
        if TEAM in dict(loop.annotations) and tag not in active:
            return self.fold(loop, active, guards)
        held, var = active.get(tag, (thread.extent, thread.var))
        if loop.extent > held:
            raise UnsupportedError(
                f"loop {loop.var.name} of {self.name} has {loop.extent} iterations on {tag}, but "
                f"the loop around it started {held} of them: iterations {held} to "
                f"{loop.extent - 1} never run; give the outer loop as many, or split this one"
            )
        if loop.extent < held:
            guards = (*guards, apply("lt", var, const(loop.extent)))
        inner = {**active, tag: (loop.extent, var)}
        body = self.statement(substitute_all(loop.body, {loop.var: var}), inner, guards)
        if thread.is_block:
            return body
        return seq(_boundary(), body, _boundary())

    def fold(self, loop: For, active: dict[str, tuple[int, Expr]], guards: Guards) -> Stmt:
        """Threads that fold together. All take part in that, whatever the conditions around: those
        are asked where a thread makes its own part, and where the result goes."""
        fold = fold_of(loop)
        if fold is None or any(thread_of(each) in active for each in fold.threads):
            raise refuse_fold(loop, self.name)
        guards = (*guards, *fold.guards)
        parts, mine = own_part(fold)
        mapping: dict[Var, Expr] = {}
        for each in fold.threads:
            thread = self.threads[thread_of(each)]
            mapping[each.var] = thread.var
            if each.extent < thread.extent:
                mine = If(apply("lt", thread.var, const(each.extent)), mine)
        mine = substitute_all(mine, mapping)
        for guard in reversed(guards):
            mine = If(guard, mine)
        ordered = [self.threads[t] for t in _FROM_X if t in self.threads]
        team = Team(tuple(ordered), frozenset(map(thread_of, fold.threads)))
        needed = any(b.scope in PRIVATE for b in fold.update.buffers)
        made = fold_threads(fold.update, mine, parts, team, needed)
        totals = tuple(load(part, (const(0),)) for part in parts)
        result = self.leaf(fold.finish(totals), active, guards)
        inner = seq(_boundary(), made.body, result, _boundary())
        return replace(made, body=inner)

    def virtual(
        self, loop: For, tag: str, active: dict[str, tuple[int, Expr]], guards: Guards
    ) -> Stmt:
        """A virtual thread: one thread does its iterations, those of statements between which
        threads wait side by side. A loop bound to it again is one that each of them does."""
        if tag in active or not _is_structure(loop.body):
            body = self.statement(loop.body, active, guards)
            return _written_out(
                loop, seq(_boundary(), body, _boundary()) if tag in active else body
            )
        inner = {**active, tag: (loop.extent, loop.var)}
        body = seq(_boundary(), self.statement(loop.body, inner, guards), _boundary())
        made = replace(_written_out(loop, body), annotations=((VIRTUAL, True),))
        return seq(_boundary(), made, _boundary())

    def branch(self, stmt: If, active: dict[str, tuple[int, Expr]], guards: Guards) -> Stmt:
        """A condition around loops over threads: kept where all threads agree about it, else asked
        by each statement inside."""
        self.refuse_grid(stmt, stmt.then)
        if self.is_uniform(stmt.condition):
            other = stmt.otherwise
            then = seq(_boundary(), self.statement(stmt.then, active, guards), _boundary())
            if other is not None:
                other = seq(_boundary(), self.statement(other, active, guards), _boundary())
            return seq(_boundary(), If(stmt.condition, then, other), _boundary())
        waits = any(isinstance(s, Evaluate) and s.name == BARRIER for s in walk(stmt))
        read = {load.source for load in loads_of(stmt.condition)}
        if waits or read & buffers_written(stmt):
            self.refuse_divergent(stmt.condition, stmt)
        then = self.statement(stmt.then, active, (*guards, stmt.condition))
        if stmt.otherwise is None:
            return then
        test = apply("invert", stmt.condition)
        return seq(then, self.statement(stmt.otherwise, active, (*guards, test)))

    def leaf(self, stmt: Stmt, active: dict[str, tuple[int, Expr]], guards: Guards) -> Stmt:
        """A statement without loops over threads, for the threads that it is meant for. What one of
        them writes for all outside of such loops is touched by others before it and after it."""
        missing = [
            t for t in self.threads.values()
            if not t.is_block and t.tag not in active and t.extent > 1
        ]  # fmt: skip
        if missing and isinstance(stmt, Seq):
            return seq(*(self.leaf(part, active, guards) for part in stmt.stmts))
        done = _private(stmt)
        team = together(done)
        if team is not None and "threadIdx.x" in active:
            raise UnsupportedError(
                f"{team.name} is done by {team.threads} threads together, and its call in "
                f"{self.name} stands inside a loop over threadIdx.x, where each is alone; move it "
                f"outside of that loop"
            )
        if missing:
            done = self.alone(done, missing)
        for guard in reversed(guards):
            done = If(guard, done)
        alone = missing and any(b.scope not in PRIVATE for b in buffers_written(done))
        return seq(_boundary(), done, _boundary()) if alone else done

    def alone(self, stmt: Stmt, missing: Sequence[Thread]) -> Stmt:
        """``stmt`` as one of the threads ``missing`` does it; on all of them as far as it writes
        their own memory."""
        if together(stmt) is not None:
            return self.by_team(stmt, missing)
        made = buffers_made(stmt)
        written = {b for b in buffers_written(stmt) if b not in made}
        common = {b for b in written if b.scope not in PRIVATE}
        if not common:
            return stmt
        own = written - common
        if own and isinstance(stmt, Seq):
            return seq(*(self.alone(s, missing) for s in stmt.stmts))
        if own and isinstance(stmt, For) and not common & buffers_read(stmt):
            return replace(stmt, body=self.alone(stmt.body, missing))
        if own:
            names = ", ".join(sorted(b.name for b in own))
            raise UnsupportedError(
                f"{self.name} writes {names}, which every thread has of its own, together with "
                f"{', '.join(sorted(b.name for b in common))} outside of loops over "
                f"{missing[0].tag}: one thread alone would do that; write them in statements of "
                f"their own, or inside a loop over {missing[0].tag}"
            )
        for thread in missing:
            stmt = If(apply("eq", thread.var, const(0)), stmt)
        return stmt

    def by_team(self, stmt: Stmt, missing: Sequence[Thread]) -> Stmt:
        """``stmt``, whose calls all threads of threadIdx.x do together."""
        match stmt:
            case Seq(stmts=stmts):
                return seq(*(self.alone(s, missing) for s in stmts))
            case Allocate() | For():
                return replace(stmt, body=self.alone(stmt.body, missing))
            case If(condition=condition, otherwise=otherwise) if not any(
                load.source.scope in PRIVATE for load in loads_of(condition)
            ):
                other = None if otherwise is None else self.alone(otherwise, missing)
                return If(condition, self.alone(stmt.then, missing), other)
            case Evaluate():
                if all(b.scope in PRIVATE for b in buffers_written(stmt)):
                    return stmt
                for thread in missing:
                    if thread.tag != "threadIdx.x":
                        stmt = If(apply("eq", thread.var, const(0)), stmt)
                return stmt
        team = together(stmt)
        assert team is not None
        raise UnsupportedError(
            f"{team.name} is done by {team.threads} threads together, and they would part at a "
            f"condition around its call in {self.name}; move the condition elsewhere"
        )

    def allocation(
        self,
        buffers: tuple[Buffer, ...],
        body: Stmt,
        active: dict[str, tuple[int, Expr]],
        guards: Guards,
    ) -> Stmt:
        """Memory in its place: a thread's own, or common to a block."""
        in_thread = any(tag.startswith("threadIdx") for tag in active)
        places: dict[Buffer, Place] = {}
        for b in buffers:
            shape = b.shape
            before: tuple[Expr, ...] = ()
            scope = Scope.SHARED
            strides = b.strides
            if b.scope in (Scope.LOCAL, Scope.REGISTER) or in_thread and b.scope not in PER_BLOCK:
                scope = Scope.LOCAL
            elif b.scope is Scope.WARP:
                count, number = self.warps()
                if count > 1:
                    shape, before, strides = (count, *b.shape), (number,), None
            places[b] = Place(Buffer(b.name, shape, b.dtype, strides, scope), before)
        inner = self.statement(replace_buffers(body, places), active, guards)
        return Allocate(tuple(p.buffer for p in places.values()), inner)

    def warps(self) -> tuple[int, Expr]:
        """How many warps a block has, and the number of a thread's own."""
        count, number = 1, const(0)
        total: Expr = number
        for tag in ("threadIdx.x", "threadIdx.y", "threadIdx.z"):
            if tag in self.threads:
                total = total + self.threads[tag].var * count
                count *= self.threads[tag].extent
        return -(-count // WARP), total // WARP

    def is_uniform(self, condition: Expr) -> bool:
        """Whether all threads of a block agree about ``condition``."""
        own = {t.var for t in self.threads.values() if not t.is_block}
        if own.intersection(variables_of(condition)):
            return False
        return all(load.source.scope not in PRIVATE for load in loads_of(condition))

    def refuse_grid(self, stmt: Stmt, body: Stmt) -> None:
        """A grid is launched once: no statement but its own loops may stand around it."""
        for loop in loops_in(body):
            if loop.kind is LoopKind.BOUND and thread_of(loop).startswith("blockIdx"):
                what = {For: "a loop", While: "a loop", If: "a condition"}.get(
                    type(stmt), "a block"
                )
                raise UnsupportedError(
                    f"{what} stands around loop {loop.var.name} of {self.name}, which is bound to "
                    f"{thread_of(loop)}: the blocks of a grid are started all at once; move the "
                    f"loops over blocks to the outside"
                )

    def refuse_siblings(self, stmts: Sequence[Stmt]) -> None:
        if len(stmts) < 2:
            return
        for stmt in stmts:
            for loop in loops_in(stmt):
                if loop.kind is LoopKind.BOUND and thread_of(loop).startswith("blockIdx"):
                    raise UnsupportedError(
                        f"loop {loop.var.name} of {self.name} is bound to {thread_of(loop)} and "
                        f"has statements beside it in its nest; loops over blocks must be around "
                        f"all that their kernel does: split the nest there"
                    )

    def refuse_divergent(self, condition: Expr, stmt: Stmt) -> None:
        if self.is_uniform(condition):
            return
        what = "loop" if isinstance(stmt, While) else "condition"
        raise UnsupportedError(
            f"threads of a block of {self.name} would part at the {what} {condition!r}, and loops "
            f"over threads stand inside, where they must come together; move the {what} inside "
            f"those loops"
        )


def _is_structure(stmt: Stmt) -> bool:
    """Whether loops over threads, or barriers, are in ``stmt``."""
    return any(
        isinstance(s, For) and s.kind is LoopKind.BOUND
        or isinstance(s, Evaluate) and s.name == BARRIER
        for s in walk(stmt)
    )  # fmt: skip


def _written_out(loop: For, body: Stmt) -> For:
    kind = LoopKind.UNROLLED if loop.extent <= _MOST_UNROLLED else LoopKind.SERIAL
    return For(loop.var, loop.extent, body, kind)


def _is_mixed(stmt: Stmt) -> bool:
    """Whether threads do something together in ``stmt``, and one of them something for all."""
    if together(stmt) is None:
        return False
    parts = [s for s in walk(stmt) if isinstance(s, (Store, Accumulate, Evaluate))]
    own = buffers_made(stmt)
    return any(
        together(part) is None
        and any(b.scope not in PRIVATE and b not in own for b in buffers_written(part))
        for part in parts
    )


def _private(stmt: Stmt) -> Stmt:
    """``stmt`` with what it allocates in the memory of a thread, and parallel loops serial."""
    match stmt:
        case Allocate(buffers=buffers, body=body):
            places = {
                b: Place(Buffer(b.name, b.shape, b.dtype, b.strides, Scope.LOCAL))
                for b in buffers
                if b.scope not in PER_BLOCK
            }
            held = tuple(places[b].buffer if b in places else b for b in buffers)
            return Allocate(held, _private(replace_buffers(body, places)))
        case For(kind=LoopKind.PARALLEL):
            return replace(stmt, body=_private(stmt.body), kind=LoopKind.SERIAL)
        case For() | While():
            return replace(stmt, body=_private(stmt.body))
        case Seq(stmts=stmts):
            return seq(*map(_private, stmts))
        case If(otherwise=otherwise):
            other = None if otherwise is None else _private(otherwise)
            return replace(stmt, then=_private(stmt.then), otherwise=other)
        case _:
            return stmt


def _boundary() -> Evaluate:
    return Evaluate(BOUNDARY, ())
