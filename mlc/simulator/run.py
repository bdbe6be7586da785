"""``mlc.simulate``: the program in several orders, and the comparison of what came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import ArgumentError, SimulationError
from ..ir.arithmetic import silent
from ..ir.closures import Frame
from ..ir.empty_loops import fill_empty_reductions
from ..ir.interpret import check_array, interpret, poisoned
from ..ir.intrinsic import expand_calls
from ..ir.program import Allocate, Buffer, Evaluate, Program, Stmt, children_of, walk
from ..schedules.schedule import Schedule
from .accesses import TASK
from .event import element_text
from .execute import BARRIER
from .machine import Machine
from .memory import Memory
from .report import Report
from .routines import ThreadExecutor

Array = np.ndarray[Any, Any]
Item = TypeVar("Item")

MOST_SHOWN = 3  # findings in the message of the exception


def simulate(
    program: Program | Schedule,
    *arrays: Array,
    orders: int = 3,
    implicit_barriers: bool = True,
    in_out: Iterable[str] = (),
    scratch: Iterable[str] = (),
    raise_on_findings: bool = True,
) -> Report:
    """Runs a scheduled program as hardware would and looks for what hardware would get wrong.

    ``arrays`` are one for each parameter; outputs are written in place, elements that the program
    does not write keep their values. Found are: indices out of bounds, reads of what was never
    written, conflicts between iterations that run at once, lanes that differ from the serial loop,
    divergent barriers, memory that is used beyond its scope, results that depend on the order of
    the iterations, and results that are not the serial program's.

    The program runs in ``orders`` orders of its concurrent iterations: forward, reverse, then
    seeded shuffles. With ``implicit_barriers`` thread loops that follow each other under one block
    of the grid are apart, as lowering makes them; without, only ``T.barrier()`` keeps them apart.
    ``in_out`` names the outputs that hold values at the start, ``scratch`` the other parameters
    that the program works in: they hold nothing at the start, and their arrays stay as they are.

    Raises :class:`SimulationError` with all the findings unless ``raise_on_findings`` is False.
    """
    if isinstance(program, Schedule):
        program = program.program
    if not isinstance(program, Program):
        raise ArgumentError(
            f"mlc.simulate wants a T.program or a Schedule, got {type(program).__name__}"
        )
    if orders < 1:
        raise ArgumentError(f"orders must be at least 1, got {orders}")
    _check_arguments(program, arrays)
    first_output = len(program.params) - program.outputs
    kept = _names(program, "in_out", in_out, "output", program.params[first_output:])
    work = _names(program, "scratch", scratch, "input", program.params[:first_output])
    machine = Machine(implicit_barriers)
    run = _Simulation(program, machine, kept, work)
    named = ["forward", "reverse", *(f"shuffle {i}" for i in range(1, orders - 1))][:orders]
    results = [run.once(order, arrays) for order in named[:1]]
    report = run.report(named)
    results += [run.once(order, arrays) for order in named[1:]]
    run.compare_orders(named, results)
    if not machine.findings.found:
        run.compare_serial(arrays, results[0])
    for array, (values, written) in zip(run.outputs(arrays), results[0], strict=True):
        array[written] = values[written]
    findings = machine.findings.ordered()
    if findings and raise_on_findings:
        shown = "\n".join(f"  {n}. {f}" for n, f in enumerate(findings[:MOST_SHOWN], 1))
        more = len(findings) - MOST_SHOWN
        raise SimulationError(
            f"{program.name} would go wrong on hardware:\n{shown}"
            + (f"\n  and {more} more, see .findings" if more > 0 else ""),
            findings=findings,
        )
    return report(findings)


class _Simulation:
    """One program, compiled once and run in several orders."""

    def __init__(
        self,
        program: Program,
        machine: Machine,
        in_out: frozenset[Buffer],
        scratch: frozenset[Buffer],
    ) -> None:
        self.program = program
        self.machine = machine
        self.in_out = in_out
        self.scratch = scratch
        executor = ThreadExecutor(program, machine)
        self.exprs = executor.exprs
        self.slots = [self.exprs.slot(buffer) for buffer in program.params]
        self.body = executor.statement(fill_empty_reductions(program).body)
        self.unwritten: dict[str, int] = {}

    def outputs(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those of one thing per parameter that belong to outputs."""
        return items[len(items) - self.program.outputs :]

    def once(self, order: str, arrays: Sequence[Array]) -> list[tuple[Array, Array]]:
        """Runs in one order; returns values and what was written for each output."""
        machine, program = self.machine, self.program
        frame: Frame = [None] * len(self.exprs.slots)
        frame[TASK] = machine.begin(order)
        first_output = len(program.params) - program.outputs
        memories: list[Memory] = []
        for position, (buffer, array) in enumerate(zip(program.params, arrays, strict=True)):
            is_output = position >= first_output
            is_input = not is_output and buffer not in self.scratch
            ready = is_input or buffer in self.in_out
            content = np.array(array) if ready else poisoned(buffer.shape, buffer.dtype)
            memories.append(Memory(buffer, content, ready, is_input))
            frame[self.slots[position]] = memories[-1]
        with silent():
            self.body([frame])
        results = []
        for position, memory in enumerate(memories):
            machine.release(memory)
            if position >= first_output:
                written = np.zeros(memory.buffer.shape, bool)
                for at in memory.writers:
                    written[at] = True
                results.append((memory.array, written))
                missing = written.size - int(written.sum())
                if missing and memory.buffer not in self.in_out:
                    self.unwritten[memory.buffer.name] = missing
        return results

    def report(self, orders: Sequence[str]) -> Any:
        """The report of the run just made, as a function of the findings still to come."""
        sites = self.exprs.sites
        reads = sum(s.count for s in sites if s.action != "writes")
        writes = sum(s.count for s in sites if s.action != "reads")
        barriers = self.machine.barriers
        allocations = [s for s in walk(self.program.body) if isinstance(s, Allocate)]
        touched: dict[str, int] = {}
        for b in (*self.program.params, *(b for s in allocations for b in s.buffers)):
            touched[b.name] = touched.get(b.name, 0) + self.machine.touched.get(b, 0)
        return lambda findings: Report(
            self.program.name, tuple(orders), reads, writes, barriers, touched,
            peak_bytes(self.program), self.unwritten, findings,
        )  # fmt: skip

    def compare_orders(
        self, orders: Sequence[str], results: Sequence[list[tuple[Array, Array]]]
    ) -> None:
        """Every order must give the same bits."""
        buffers = self.outputs(self.program.params)
        for order, result in zip(orders[1:], results[1:], strict=True):
            for buffer, (a, _), (b, _) in zip(buffers, results[0], result, strict=True):
                at = _difference(a, b)
                if at is not None:
                    place = element_text(buffer, at)
                    self.machine.findings.add(
                        buffer,
                        "order",
                        f"{place} is {a[at]} with the iterations in {orders[0]} order, {b[at]} in "
                        f"{order} order",
                    )

    def compare_serial(self, arrays: Sequence[Array], result: list[tuple[Array, Array]]) -> None:
        """The serial meaning must come out, but for the rounding of sums folded in lanes."""
        program = self.program
        if any(isinstance(s, Evaluate) and s.name == BARRIER for s in walk(program.body)):
            return
        copies = [np.array(array) for array in arrays]
        interpret(program.with_body(expand_calls(program.body)), *copies)
        for buffer, (got, written), want in zip(
            self.outputs(program.params),
            result,
            self.outputs(copies),
            strict=True,
        ):
            got = np.where(written, got, want)
            if self.machine.folds_lanes and got.dtype.kind not in "biu":
                close = np.isclose(
                    got.astype("float64"), want.astype("float64"), 1e-2, 1e-2, equal_nan=True
                )
                got = np.where(close, want, got)
            at = _difference(want, got)
            if at is not None:
                place = element_text(buffer, at)
                text = f"{place} is {got[at]}, but the serial program computes {want[at]}"
                self.machine.findings.add(buffer, "meaning", text)


def peak_bytes(program: Program) -> dict[str, int]:
    """The bytes alive at once on one path through the program, per scope."""
    peak: dict[str, int] = {}
    alive: dict[str, int] = {}

    def add(buffers: Iterable[Buffer], sign: int) -> None:
        for b in buffers:
            scope = str(b.scope.value)
            alive[scope] = alive.get(scope, 0) + sign * math.prod(b.shape) * b.dtype.itemsize
            peak[scope] = max(peak.get(scope, 0), alive[scope])

    def visit(stmt: Stmt) -> None:
        buffers = stmt.buffers if isinstance(stmt, Allocate) else ()
        add(buffers, 1)
        for child in children_of(stmt):
            visit(child)
        add(buffers, -1)

    add(program.params, 1)
    visit(program.body)
    return peak


def _difference(a: Array, b: Array) -> tuple[int, ...] | None:
    """The first element whose bits differ, NaNs aside."""
    with np.errstate(invalid="ignore"):
        differs = (a != b) & ~((a != a) & (b != b))
    places = np.argwhere(differs)
    return tuple(map(int, places[0])) if len(places) else None


def _check_arguments(program: Program, arrays: Sequence[Array]) -> None:
    params = program.params
    if len(arrays) != len(params):
        listed = ", ".join(b.name for b in params)
        raise ArgumentError(
            f"{program.name} takes {len(params)} arrays ({listed}), got {len(arrays)}"
        )
    for position, (buffer, array) in enumerate(zip(params, arrays, strict=True)):
        check_array(buffer, array, position >= len(params) - program.outputs)


def _names(
    program: Program, option: str, names: Iterable[str], kind: str, params: Sequence[Buffer]
) -> frozenset[Buffer]:
    """Those of ``params`` that an option names."""
    known = {b.name: b for b in params}
    for name in (chosen := [names] if isinstance(names, str) else list(names)):
        if name not in known:
            raise ArgumentError(
                f"{option} names {name!r}, which is no {kind} of {program.name}; its {kind}s are "
                f"{', '.join(known) or 'none'}"
            )
    return frozenset(known[name] for name in chosen)
