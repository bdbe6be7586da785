"""What must hold of a program and a schedule of it, checked by running both every way there is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ..config import config
from ..errors import ArgumentError, CompileError
from ..ir.arithmetic import silent
from ..ir.forms import check_blocks, check_flat
from ..ir.interpret import interpret
from ..ir.notation import identifier
from ..ir.program import Buffer, For, LoopKind, Program, Scope, walk
from ..ir.structural import assert_structural_equal
from ..schedules.buffers import allocations_of, replace_buffer
from ..schedules.refusal import Refusal
from ..schedules.schedule import Schedule

Array = np.ndarray[Any, Any]

WAYS = (
    "interpret", "symbols", "proof", "lowered", "llvm", "debug", "numpy", "simulate", "script",
    "replay",
)  # fmt: skip
"""The ways in which :func:`check_schedule` runs, or reads back, a scheduled program."""

WRONG = ("bounds", "barrier", "race", "lanes", "input", "order", "meaning")
"""What the simulator may find in no scheduled program. Memories that hardware would not share are
for the user to choose, and what is read unwritten shows where it matters."""

TRIES = 4  # inputs that are drawn where indices lead to memory that was never written

SYMBOLS = 60_000  # statements that are run symbolically


def check_schedule(
    program: Program,
    schedule: Schedule | Callable[[Program], Any],
    ways: Collection[str] = WAYS,
    seed: int = 0,
) -> None:
    """Raises AssertionError, with both programs, unless ``schedule`` keeps what ``program`` means.

    ``schedule`` is one that was taken of ``program``, or a schedule function, which is applied. Its
    program is compared with ``program`` on whole numbers drawn with ``seed``: as it stands, with
    its parallel loops reversed, lowered, compiled with and without bounds checks, as low-level
    NumPy, and on the simulator; symbolically, for all inputs, where it is small. No iterations that
    run at once may be shown to meet; and its script, its source and its JSON must lead back to it.
    ``ways`` names some of :data:`WAYS` alone.
    """
    require_ways("check_schedule", ways)
    if not isinstance(schedule, Schedule):
        if not callable(schedule):
            raise ArgumentError(
                f"check_schedule wants a program and then a schedule of it, or a function that is "
                f"one, got {schedule!r}"
            )
        taken = schedule.on(program) if hasattr(schedule, "on") else schedule(program)
        if isinstance(taken, Program):
            made = Schedule(program)
            made.program = taken
            ways = [way for way in ways if way != "replay"]
            taken = made
        schedule = taken
    assert isinstance(schedule, Schedule)
    Subject(program, seed).check(schedule, ways)


def require_ways(check: str, ways: Collection[str]) -> None:
    """ArgumentError for ways to check a schedule that there are not, or none."""
    if isinstance(ways, str) or not ways or not set(ways) <= set(WAYS):
        raise ArgumentError(f"{check}: ways= takes some of {', '.join(WAYS)}, got {ways!r}")


class Subject:
    """A program, inputs for it, and what it makes of them."""

    def __init__(self, program: Program, seed: int = 0) -> None:
        self.program = program
        self.arrays = _telling_arrays(program, seed)
        self.wanted = self.outputs_of(lambda *arrays: interpret(program, *arrays))
        self.terms = max([8, *(n.extent for n in walk(program.body) if isinstance(n, For))])

    def outputs_of(self, run: Callable[..., Any]) -> list[Array]:
        """What ``run`` leaves in the outputs."""
        arrays = _copies(self.arrays)
        with silent():
            run(*arrays)
        return arrays[len(arrays) - self.program.outputs :]

    def check(self, schedule: Schedule, ways: Collection[str]) -> None:
        """Checks what :func:`check_schedule` says, in the order of :data:`WAYS`."""
        after = schedule.program
        check_blocks(after, parts=True)
        for way in WAYS:
            if way not in ways:
                continue
            try:
                problem = getattr(self, f"by_{way}")(after, schedule)
            except AssertionError as error:
                problem = str(error) or "an assertion failed"
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem:
                raise AssertionError(
                    f"{way}: {problem}\n\n# before\n{self.program.script()}\n# steps\n"
                    f"{schedule.source()}\n# after\n{after.script()}"
                )

    def differs(self, run: Callable[..., Any]) -> str:
        """How what ``run`` computes is another result; empty if it is none."""
        params = self.program.params[len(self.arrays) - self.program.outputs :]
        for buffer, got, want in zip(params, self.outputs_of(run), self.wanted, strict=True):
            if not is_close(got, want, self.terms):
                at = tuple(map(int, np.argwhere(~(_same(got, want)))[0]))
                return f"{buffer.name}{list(at)} is {got[at]} instead of {want[at]}"
        return ""

    def by_interpret(self, after: Program, schedule: Schedule) -> str:
        known = replace(after, outputs=0)  # what outputs hold at first may be read
        try:
            problem = self.differs(
                lambda *arrays: interpret(known, *arrays, check_uninitialised=True)
            )
        except CompileError:  # read, but is it used? memory holds what shows
            problem = self.differs(lambda *arrays: interpret(after, *arrays))
        return problem or self.differs(
            lambda *arrays: interpret(after, *arrays, reverse_parallel=True)
        )

    def by_symbols(self, after: Program, schedule: Schedule) -> str:
        from ..schedules.legality import Difference, same_meaning

        found = same_meaning(self.program, after, SYMBOLS)
        if isinstance(found, Difference):
            return (
                f"{found.output}{list(found.element)} is {found.after_term} "
                f"instead of {found.before_term}"
            )
        return ""

    def by_proof(self, after: Program, schedule: Schedule) -> str:
        from ..schedules.legality import carried_dependence
        from ..schedules.legality.teams import atomic_violation, is_atomic_fold, is_team_fold
        from ..schedules.steps.vectorize import is_fold

        for loop in walk(after.body):
            if not isinstance(loop, For) or loop.kind in (LoopKind.SERIAL, LoopKind.UNROLLED):
                continue
            if loop.extent < 2 or loop.kind is LoopKind.VECTORIZED and is_fold(after, loop):
                continue
            if is_team_fold(loop):
                continue
            is_atomic = is_atomic_fold(loop)
            refusal = (
                atomic_violation(after, loop) if is_atomic else carried_dependence(after, loop.var)
            )
            if isinstance(refusal, Refusal) and refusal.proven:
                return f"{loop.kind.value} loop {loop.var.name}: {refusal}"
        return ""

    def by_lowered(self, after: Program, schedule: Schedule) -> str:
        from ..lower.pipeline import lower

        flat = lower(after)
        check_flat(flat)
        if len(flat.params) != len(after.params):
            return ""  # the workspace is a parameter then
        return self.differs(lambda *arrays: interpret(flat, *arrays))

    def by_llvm(self, after: Program, schedule: Schedule) -> str:
        return self.compiled(after, debug=False)

    def by_debug(self, after: Program, schedule: Schedule) -> str:
        return self.compiled(after, debug=True)

    def compiled(self, after: Program, debug: bool) -> str:
        """Runs it natively."""
        from ..build import build

        with config.override(debug=debug):
            return self.differs(build(after))

    def by_numpy(self, after: Program, schedule: Schedule) -> str:
        from ..build import build

        return self.differs(build(after, target="numpy"))

    def by_simulate(self, after: Program, schedule: Schedule) -> str:
        from ..simulator.run import simulate

        kept = [b.name for b in after.params[len(after.params) - after.outputs :]]
        if is_bound(after):
            after = _in_global_memory(after)  # whose memory it is was chosen, too
        found: list[Any] = []

        def run(*arrays: Array) -> None:
            report = simulate(after, *arrays, in_out=kept, raise_on_findings=False)
            found.extend(report.findings)

        problem = self.differs(run)
        return problem or "\n".join(str(f) for f in found if f.kind in WRONG)

    def by_script(self, after: Program, schedule: Schedule) -> str:
        from .. import script

        names: dict[str, Any] = {"T": script, "np": np}
        exec(compile(after.script(), "<script>", "exec"), names)
        assert_structural_equal(names[identifier(after.name)], after)
        return ""

    def by_replay(self, after: Program, schedule: Schedule) -> str:
        import mlc

        scope: dict[str, Any] = {"mlc": mlc}
        exec(schedule.source(), scope)
        function = next(v for v in scope.values() if hasattr(v, "with_options"))
        assert_structural_equal(function(self.program), after)
        again = Schedule.from_json(self.program, schedule.to_json())
        assert_structural_equal(again.program, after)
        return ""


def arrays_for(program: Program, seed: int = 0) -> list[Array]:
    """Small whole numbers for each parameter, so that the order of summing makes no difference."""
    generator = np.random.default_rng(seed)
    arrays = []
    for buffer in program.params:
        dtype = buffer.dtype.numpy
        if buffer.dtype.name == "bool":
            arrays.append(generator.integers(0, 2, buffer.shape).astype(bool))
        else:
            arrays.append(generator.integers(-4, 5, buffer.shape).astype(dtype))
    return arrays


def _telling_arrays(program: Program, seed: int) -> list[Array]:
    """Inputs, of those drawn with ``seed`` and the next numbers, for which ``program`` reads
    nothing that was never written: such an output may be anything. Those of ``seed`` if all do."""
    for number in range(seed, seed + TRIES):
        arrays = arrays_for(program, number)
        try:
            interpret(replace(program, outputs=0), *_copies(arrays), check_uninitialised=True)
        except CompileError:
            continue
        return arrays
    return arrays_for(program, seed)


def _copies(arrays: list[Array]) -> list[Array]:
    return [array.copy() for array in arrays]


def is_bound(program: Program) -> bool:
    """Whether loops of ``program`` run on the threads of a grid."""
    return any(isinstance(n, For) and n.kind is LoopKind.BOUND for n in walk(program.body))


def _in_global_memory(program: Program) -> Program:
    for old in allocations_of(program):
        if old.scope is not Scope.GLOBAL:
            new = Buffer(old.name, old.shape, old.dtype, old.strides, aligned=old.aligned)
            program = replace_buffer(program, old, new)
    return program


def is_close(got: Array, want: Array, terms: int) -> bool:
    """Whether both are equal, up to what summing ``terms`` floats in another order may change."""
    if np.array_equal(got, want, equal_nan=got.dtype.kind == "f"):
        return True
    if got.dtype.kind != "f":
        return False
    unit = 4 * terms * float(np.finfo(got.dtype).eps)
    finite = want[np.isfinite(want)]
    scale = float(np.abs(finite).max()) if finite.size else 0.0
    return np.allclose(got, want, rtol=unit, atol=unit * scale, equal_nan=True)


def _same(got: Array, want: Array) -> Any:
    same = got == want
    return same | (np.isnan(got) & np.isnan(want)) if got.dtype.kind == "f" else same
