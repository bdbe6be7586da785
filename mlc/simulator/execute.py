"""Statements as actions over frames: one frame, or one for each lane of a vectorized loop.

Statements in which threads wait for each other are coroutines; see `routines.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import UnsupportedError
from ..ir.closures import Frame, assign
from ..ir.expr import Expr
from ..ir.intrinsic import expand_call, is_intrinsic
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    While,
)
from ..schedules.legality.teams import is_atomic_fold, is_team_fold
from .accesses import LANE, LANES, TASK, WatchedClosures
from .lanes import Lanes
from .leaves import Frames, Run, accumulate, store
from .machine import Machine
from .task import Concurrent

BARRIER = "barrier"

Filter = Callable[[Frames], Frames]  # does something to frames and keeps those that go on


class Executor:
    """Compiles the statements of one program for ``machine``."""

    def __init__(self, program: Program, machine: Machine) -> None:
        self.machine = machine
        self.exprs = WatchedClosures(machine, program.script)
        self.threads: list[str] = []  # the tags of the bound loops around
        self.in_call = False

    def statement(self, stmt: Stmt) -> Run:
        """``stmt`` as an action. Threads that wait for each other do so within it."""
        match stmt:
            case Seq(stmts=stmts):
                return in_order([self.statement(s) for s in stmts])
            case For():
                return self.loop(stmt)
            case Allocate(buffers=buffers, body=body):
                enter, leave = self.allocation(buffers)
                inner = self.statement(body)

                def allocate(frames: Frames) -> None:
                    enter(frames)
                    inner(frames)
                    leave(frames)

                return allocate
            case While():
                raise UnsupportedError(
                    "the simulator runs no loop whose end the data decide; use the interpreter"
                )
            case If(condition=condition, then=then, otherwise=otherwise):
                split = self.test(condition)
                yes = self.statement(then)
                no = None if otherwise is None else self.statement(otherwise)

                def branch(frames: Frames) -> None:
                    holds, fails = split(frames)
                    if holds:
                        yes(holds)
                    if fails and no is not None:
                        no(fails)

                return branch
            case Block():
                return self.block(stmt)
            case Store():
                return store(self.exprs, stmt)
            case Accumulate():
                return accumulate(self.exprs, stmt)
            case Evaluate(name=name):
                if name == BARRIER:
                    return self.joined_barrier()
                return self.call(stmt)
        raise AssertionError(type(stmt))

    def joined_barrier(self) -> Run:
        """A barrier outside of all thread loops: every thread of the block is there already."""
        machine = self.machine

        def run(frames: Frames) -> None:
            machine.barriers += 1
            for frame in frames:
                frame[TASK] = frame[TASK].after_barrier()

        return run

    def call(self, stmt: Evaluate) -> Run:
        """The meaning of an intrinsic; it counts as a part of the block around it."""
        if not is_intrinsic(stmt.name):
            raise UnsupportedError(
                f"the simulator cannot call {stmt.name!r}: it is no intrinsic, so its meaning is "
                f"unknown; simulate the program as it was before this call took the place of plain "
                f"statements, or declare the function with mlc.intrinsic"
            )
        outer, self.in_call = self.in_call, True
        run = self.statement(expand_call(stmt))
        self.in_call = outer
        return run

    def test(self, condition: Expr) -> Callable[[Frames], tuple[Frames, Frames]]:
        """Splits frames by ``condition``."""
        before = self.exprs.share(condition)
        value = self.exprs.value(condition)
        in_lanes = self.exprs.in_lanes

        def split(frames: Frames) -> tuple[Frames, Frames]:
            if in_lanes:
                frames[0][LANES].clock += 1
            holds: Frames = []
            fails: Frames = []
            for frame in frames:
                for action in before:
                    action(frame)
                (holds if value(frame) else fails).append(frame)
            return holds, fails

        return split

    def allocation(self, buffers: Sequence[Buffer]) -> tuple[Run, Run]:
        """What makes the memories of ``buffers``, and what lets them go."""
        rows = [(self.exprs.slot(b), b) for b in buffers]
        machine = self.machine

        def enter(frames: Frames) -> None:
            for frame in frames:
                for slot, buffer in rows:
                    frame[slot] = machine.allocate(buffer, frame[TASK])

        def leave(frames: Frames) -> None:
            for frame in frames:
                for slot, _ in rows:
                    machine.release(frame[slot])

        return enter, leave

    def block(self, stmt: Block) -> Run:
        """Predicate, bindings, init, body."""
        exprs = self.exprs
        outer = exprs.block, exprs.location
        if not self.in_call:
            exprs.block, exprs.location = stmt.name, stmt.location or exprs.location
        enter = self.bindings(stmt)
        is_first = self.is_first(stmt)
        init = None if stmt.init is None else self.statement(stmt.init)
        body = self.statement(stmt.body)
        exprs.block, exprs.location = outer

        def run(frames: Frames) -> None:
            frames = enter(frames)
            if init is not None and (first := is_first(frames)):
                init(first)
            if frames:
                body(frames)

        return run

    def bindings(self, stmt: Block) -> Filter:
        """Keeps the frames where the predicate holds and gives them the values of the axes."""
        exprs, findings = self.exprs, self.machine.findings
        split = None if stmt.predicate is None else self.test(stmt.predicate)
        actions = exprs.share(*(it.binding for it in stmt.iters))
        values = [exprs.value(it.binding) for it in stmt.iters]
        slots = [exprs.bind(it.axis, it.axis.extent) for it in stmt.iters]
        actions += [assign(slot, value) for slot, value in zip(slots, values, strict=True)]
        checks = [
            (slot, it.axis)
            for slot, it in zip(slots, stmt.iters, strict=True)
            if not exprs.is_within(it.binding, it.axis.extent)
        ]
        names, loop_values = exprs.loop_values()
        location = exprs.location

        def is_inside(frame: Frame) -> bool:
            for slot, axis in checks:
                if not 0 <= frame[slot] < axis.extent:
                    at = ", ".join(f"{n}={v}" for n, v in zip(names, loop_values(frame)))
                    findings.add(
                        (stmt.name, axis),
                        "bounds",
                        f"{at}: axis {axis.name} of block {stmt.name!r} is {frame[slot]}, outside "
                        f"its range({axis.extent})",
                        location,
                    )
                    return False
            return True

        def enter(frames: Frames) -> Frames:
            if split is not None:
                frames = split(frames)[0]
            for frame in frames:
                for action in actions:
                    action(frame)
            return [f for f in frames if is_inside(f)] if checks else frames

        return enter

    def is_first(self, stmt: Block) -> Filter:
        """Keeps the frames where all reduce axes stand at 0."""
        slots = [self.exprs.slot(it.axis) for it in stmt.iters if it.axis.is_reduce]
        return lambda frames: [f for f in frames if not any(f[slot] for slot in slots)]

    def loop(self, stmt: For) -> Run:
        """Any loop in which no thread waits."""
        self.refuse_nesting(stmt)
        if stmt.kind is LoopKind.VECTORIZED:
            return self.vector(stmt)
        slot = self.open_loop(stmt)
        team = self.team_of(stmt)
        in_team = self.exprs.folding is not None
        body = self.statement(stmt.body)
        tag = self.close_loop(stmt)
        extent, machine = stmt.extent, self.machine
        if team is not None:
            self.exprs.folding = None
        if stmt.kind in (LoopKind.SERIAL, LoopKind.UNROLLED):

            def serial(frames: Frames) -> None:
                for i in range(extent):
                    for frame in frames:
                        frame[slot] = i
                    body(frames)

            return serial
        again = self.again(stmt, tag)
        loop = Concurrent(stmt.var.name, tag, is_atomic_fold(stmt))

        def concurrent(frames: Frames) -> None:
            (frame,) = frames
            task, run = frame[TASK], machine.new_run()
            if team is not None:  # threads fold in a fixed order
                frame[team] = task
            for i in range(extent) if in_team else machine.iterations(extent):
                frame[slot] = i
                frame[TASK] = machine.enter(task, loop, run, i, extent)
                body(frames)
            frame[TASK] = task

        def own(frames: Frames) -> None:
            (frame,) = frames
            index = again(frame) if again else 0
            if index is not None:
                frame[slot] = index
                body(frames)

        return own if again else concurrent

    def team_of(self, stmt: For) -> int | None:
        """The slot of the task that threads work for which fold together in ``stmt``, if they do:
        for what they combine into they are one."""
        if self.exprs.folding is not None or not is_team_fold(stmt):
            return None
        if thread_of(stmt) in self.threads[:-1]:
            return None
        self.exprs.folding = self.exprs.slot(("team", stmt))
        return self.exprs.folding

    def refuse_nesting(self, stmt: For) -> None:
        """Raises for loops that no hardware runs: concurrent ones in lanes."""
        serial = stmt.kind in (LoopKind.SERIAL, LoopKind.UNROLLED)
        if self.exprs.in_lanes and not serial:
            vector = next(f for f in self.exprs.loops if f.kind is LoopKind.VECTORIZED)
            raise UnsupportedError(
                f"the {stmt.kind.value} loop {stmt.var.name} stands in the vectorized loop "
                f"{vector.var.name}, which may hold serial and unrolled ones only; vectorize the "
                f"innermost loop"
            )

    def open_loop(self, stmt: For) -> int:
        """Goes into a loop; returns the slot of its variable."""
        slot = self.exprs.bind(stmt.var, stmt.extent)
        self.exprs.loops.append(stmt)
        if stmt.kind is LoopKind.BOUND:
            self.threads.append(thread_of(stmt))
        return slot

    def close_loop(self, stmt: For) -> str:
        """Comes out of it; returns the thread that it is bound to, or ""."""
        self.exprs.loops.pop()
        return self.threads.pop() if stmt.kind is LoopKind.BOUND else ""

    def again(self, stmt: For, tag: str) -> Callable[[Frame], int | None] | None:
        """For a loop bound to the thread of a loop around it: the one iteration that a thread runs,
        None for a thread that the loop has no iteration for."""
        if tag not in self.threads:
            return None
        extent, findings = stmt.extent, self.machine.findings
        name, location = stmt.var.name, self.exprs.location

        def index_of(frame: Frame) -> int | None:
            index, count = next(c[1:] for c in frame[TASK].coordinates if c[0] == tag)
            if extent > count:
                text = (
                    f"loop {name} has {extent} iterations on {tag}, but the loop around it started "
                    f"{count} of them: iterations {count} to {extent - 1} never run"
                )
                findings.add(id(stmt), "barrier", text, location)
            return index if index < extent else None

        return index_of

    def vector(self, stmt: For) -> Run:
        """Each lane gets a frame of its own."""
        slot = self.open_loop(stmt)
        self.exprs.in_lanes = True
        body = self.statement(stmt.body)
        self.exprs.in_lanes = False
        self.close_loop(stmt)
        extent, machine, name = stmt.extent, self.machine, stmt.var.name

        def run(frames: Frames) -> None:
            (frame,) = frames
            frame[LANES] = Lanes(machine, name)
            lanes = []
            for i in range(extent):
                lane = list(frame)
                lane[slot] = lane[LANE] = i
                lanes.append(lane)
            if lanes:
                body(lanes)

        return run


def thread_of(loop: For) -> str:
    """The thread that a bound loop runs on."""
    return str(dict(loop.annotations).get("thread", "threadIdx.x"))


def in_order(runs: Sequence[Run]) -> Run:
    """One after the other."""

    def run(frames: Frames) -> None:
        for each in runs:
            each(frames)

    return run
