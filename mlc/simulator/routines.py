"""Statements in which threads wait: coroutines that yield at barriers.

Every thread of a block runs up to the barrier, then all go on. A barrier that only some of them
reach is divergent: on hardware it waits forever, or lets threads through too early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import UnsupportedError
from ..ir.closures import Frame
from ..ir.program import (
    Allocate,
    Block,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    While,
    children_of,
)
from ..schedules.legality.teams import is_atomic_fold
from ..schedules.legality.threads import fill_nests
from .accesses import TASK
from .execute import BARRIER, Executor, Frames, Run, thread_of
from .machine import Machine
from .task import Concurrent


@dataclass(frozen=True, eq=False)
class Wait:
    """A place where threads wait: the statement ``barrier`` and the loops around it.

    ``implied`` barriers stand around a loop bound to the thread of a loop around it.
    """

    barrier: Stmt
    implied: bool
    names: tuple[str, ...]
    values: Callable[[Frame], tuple[int | None, ...]]

    def where(self, frame: Frame) -> str:
        """The thread of ``frame``, and the iterations of the loops around it that it knows."""
        pairs = zip(self.names, self.values(frame), strict=True)
        return ", ".join(f"{name}={value}" for name, value in pairs if value is not None)


Waits = Iterator[Wait]
Routine = Callable[[Frames], Waits]


class ThreadExecutor(Executor):
    """An executor whose threads can wait for each other."""

    def __init__(self, program: Program, machine: Machine) -> None:
        super().__init__(program, machine)
        self.can_wait: dict[tuple[Stmt, tuple[str, ...]], bool] = {}
        self.fills = fill_nests(program) if machine.implicit else frozenset()

    def loop(self, stmt: For) -> Run:
        """A loop over threads that wait for each other runs them in turns."""
        if not self.waits(stmt.body, self._inside(stmt)):
            return super().loop(stmt)
        if not (stmt.kind is LoopKind.BOUND and _is_thread(thread_of(stmt))):
            return super().loop(stmt)
        routine = self.threads_loop(stmt)

        def run(frames: Frames) -> None:
            for _ in routine(frames):
                self.machine.barriers += 1

        return run

    def waits(self, stmt: Stmt, threads: tuple[str, ...]) -> bool:
        """Whether the threads ``threads`` wait for others somewhere in ``stmt``."""
        key = (stmt, threads)
        if key not in self.can_wait:
            self.can_wait[key] = self._waits(stmt, threads)
        return self.can_wait[key]

    def _waits(self, stmt: Stmt, threads: tuple[str, ...]) -> bool:
        match stmt:
            case _ if stmt in self.fills and any(map(_is_thread, threads)):
                return True
            case Evaluate(name=name):
                return name == BARRIER and any(map(_is_thread, threads))
            case For(kind=LoopKind.BOUND):
                if self.machine.implicit and _is_thread(tag := thread_of(stmt)) and tag in threads:
                    return True
                return self.waits(stmt.body, (*threads, thread_of(stmt)))
            case _:
                return any(self.waits(child, threads) for child in children_of(stmt))

    def _inside(self, stmt: For) -> tuple[str, ...]:
        extra = (thread_of(stmt),) if stmt.kind is LoopKind.BOUND else ()
        return (*self.threads, *extra)

    def part(self, stmt: Stmt) -> Routine:
        """``stmt`` as a coroutine, whether it waits or not."""
        if self.waits(stmt, tuple(self.threads)):
            return self.routine(stmt)
        return _plain(self.statement(stmt))

    def routine(self, stmt: Stmt) -> Routine:
        """``stmt``, in which threads wait."""
        if stmt in self.fills and not self.exprs.in_fill:
            return self.fill(stmt)
        match stmt:
            case Seq(stmts=stmts):
                return _in_order([self.part(s) for s in stmts])
            case For():
                return self.waiting_loop(stmt)
            case Allocate(buffers=buffers, body=body):
                enter, leave = self.allocation(buffers)
                inner = self.part(body)

                def allocate(frames: Frames) -> Waits:
                    enter(frames)
                    yield from inner(frames)
                    leave(frames)

                return allocate
            case While():
                raise UnsupportedError(
                    "the simulator runs no loop whose end the data decide; use the interpreter"
                )
            case If(condition=condition, then=then, otherwise=otherwise):
                split = self.test(condition)
                yes = self.part(then)
                no = None if otherwise is None else self.part(otherwise)

                def branch(frames: Frames) -> Waits:
                    holds, fails = split(frames)
                    if holds:
                        yield from yes(holds)
                    elif no is not None:
                        yield from no(fails)

                return branch
            case Block():
                return self.waiting_block(stmt)
            case Evaluate():
                return self.barrier(stmt, implied=False)
        raise AssertionError(type(stmt))

    def fill(self, stmt: Stmt) -> Routine:
        """All threads fill shared memory with the same values, or each does a part of it: all wait
        before and after."""
        fence = self.barrier(stmt, implied=True)
        self.exprs.in_fill = True
        waits = isinstance(stmt, (Seq, For, Allocate, If, Block))
        inner = self.routine(stmt) if waits else _plain(self.statement(stmt))
        self.exprs.in_fill = False
        return _in_order([fence, inner, fence])

    def barrier(self, stmt: Stmt, implied: bool) -> Routine:
        """The thread waits; afterwards it is in the next phase."""
        here = Wait(stmt, implied, *self.exprs.loop_values())

        def wait(frames: Frames) -> Waits:
            (frame,) = frames
            yield here
            frame[TASK] = frame[TASK].after_barrier()

        return wait

    def waiting_block(self, stmt: Block) -> Routine:
        exprs = self.exprs
        outer = exprs.block, exprs.location
        exprs.block, exprs.location = stmt.name, stmt.location or exprs.location
        enter, is_first = self.bindings(stmt), self.is_first(stmt)
        init = None if stmt.init is None else self.part(stmt.init)
        body = self.part(stmt.body)
        exprs.block, exprs.location = outer

        def run(frames: Frames) -> Waits:
            frames = enter(frames)
            if init is not None and (first := is_first(frames)):
                yield from init(first)
            if frames:
                yield from body(frames)

        return run

    def waiting_loop(self, stmt: For) -> Routine:
        """A loop inside a thread, in which it waits for others."""
        if stmt.kind is LoopKind.BOUND and _is_thread(thread_of(stmt)):
            return self.threads_loop(stmt)
        if stmt.kind not in (LoopKind.SERIAL, LoopKind.UNROLLED):
            raise UnsupportedError(
                f"a barrier stands in the {stmt.kind.value} loop {stmt.var.name} inside a thread; "
                f"only serial loops may lie between a barrier and the threads that wait at it"
            )
        slot = self.open_loop(stmt)
        body = self.part(stmt.body)
        self.close_loop(stmt)
        extent = stmt.extent

        def run(frames: Frames) -> Waits:
            (frame,) = frames
            for i in range(extent):
                frame[slot] = i
                yield from body(frames)

        return run

    def threads_loop(self, stmt: For) -> Routine:
        """Threads that run in turns, or the own iteration of a thread that runs already."""
        slot = self.open_loop(stmt)
        body = self.part(stmt.body)
        tag = self.close_loop(stmt)
        again = self.again(stmt, tag)
        if again is not None:
            return self.own_iteration(stmt, slot, body, again)
        machine, extent = self.machine, stmt.extent
        loop = Concurrent(stmt.var.name, tag, is_atomic_fold(stmt))

        def run(frames: Frames) -> Waits:
            (frame,) = frames
            number = machine.new_run()
            order = machine.iterations(extent)
            threads: list[tuple[Frame, Waits]] = []
            for i in order:
                mine = list(frame)
                mine[slot] = i
                mine[TASK] = machine.enter(frame[TASK], loop, number, i, extent)
                threads.append((mine, body([mine])))
            while True:
                waiting = [(mine, next(rest, None), rest) for mine, rest in threads]
                stopped = [(mine, wait) for mine, wait, _ in waiting if wait is not None]
                self.check_divergence(loop, slot, [(m, w) for m, w, _ in waiting])
                if not stopped:
                    return
                yield stopped[0][1]  # type: ignore[misc]
                frame[TASK] = frame[TASK].after_barrier()
                threads = [(mine, rest) for mine, wait, rest in waiting if wait is not None]

        return run

    def own_iteration(
        self, stmt: For, slot: int, body: Routine, again: Callable[[Frame], int | None]
    ) -> Routine:
        """``for tx_1 in T.thread_binding(n, "threadIdx.x")`` inside a loop over the same threads:
        each runs one iteration, and all wait before and after, where barriers are implied."""
        alone = self.machine.implicit and not self.exprs.in_fill
        fence = self.barrier(stmt, implied=True) if alone else None

        def run(frames: Frames) -> Waits:
            (frame,) = frames
            if fence is not None:
                yield from fence(frames)
            index = again(frame)
            if index is not None:
                frame[slot] = index
                yield from body(frames)
            if fence is not None:
                yield from fence(frames)

        return run

    def check_divergence(
        self, loop: Concurrent, slot: int, threads: Sequence[tuple[Frame, Wait | None]]
    ) -> None:
        """Some threads wait where others do not come."""
        barriers = {wait.barrier if wait else None for _, wait in threads}
        if len(barriers) < 2:
            return
        ordered = sorted(threads, key=lambda thread: thread[0][slot])
        thread, first = next((f, wait) for f, wait in ordered if wait is not None)
        other = next(t for t in ordered if t[1] is None or t[1].barrier is not first.barrier)
        kind = "the barrier that the loop implies" if first.implied else "a barrier"
        does = "never reaches it" if other[1] is None else "waits at another one"
        self.machine.findings.add(
            first.barrier,
            "barrier",
            f"divergent barrier in loop {loop.name} ({loop.tag}): "
            f"{first.where(thread)} waits at {kind}, "
            f"{loop.name}={other[0][slot]} {does}; move it out of the condition",
        )


def _plain(action: Run) -> Routine:
    """``action``, in which nobody waits, as a coroutine."""

    def run(frames: Frames) -> Waits:
        action(frames)
        return iter(())

    return run


def _in_order(parts: Sequence[Routine]) -> Routine:
    def run(frames: Frames) -> Waits:
        for part in parts:
            yield from part(frames)

    return run


def _is_thread(tag: str) -> bool:
    return bool(tag) and not tag.startswith("blockIdx")
