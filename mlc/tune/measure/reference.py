"""The right results of a workload: from the interpreter, the naive program or the default one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import CompileError, MlcError
from ...ir.program import Program
from ...ir.work import statements_run
from .arena import Arena
from .checking import Reference, make_reference
from .data import ARGUMENTS, coarsest_epsilon, poison, reduction_depth
from .runner import DEFAULT, FailureError, Runner

Array = np.ndarray[Any, Any]
INTERPRETED = 4_000  # statements: some 10 ms
NAIVE = 3e7  # statements: some 0.1 s
NAIVE_KEY = 1
_DOUBT = 50.0  # times the rounding that is granted, by which the default may differ


def find_references(
    program: Program,
    runner: Runner,
    arena: Arena,
    sets: Sequence[str],
    outputs: dict[str, list[Array]],
    inputs: dict[str, list[Array]],
    has_naive: bool,
) -> tuple[dict[str, Reference], str]:
    """The reference for each data set on which the default schedule runs, and, as a sentence, how
    the default's results differ from it by more than rounding ("" if they do not).

    Raises :class:`CompileError` if the default does not run on the arguments.
    """
    depth, epsilon = reduction_depth(program), coarsest_epsilon(program)
    found: dict[str, Reference] = {}
    doubt = ""
    for number, name in enumerate(sets):
        ours = _outputs(runner, DEFAULT, number, name, outputs[name])
        if isinstance(ours, FailureError):
            if name == ARGUMENTS:
                raise CompileError(
                    f"{program.name} cannot be measured: its default schedule does not run on the "
                    f"arguments ({ours.status}: {ours.detail})"
                )
            continue
        right = _interpreted(program, inputs[name], outputs[name], name)
        if right is None and has_naive:
            run = _outputs(runner, NAIVE_KEY, number, name, outputs[name])
            right = None if isinstance(run, FailureError) else run
        if right is None:
            right = ours
        made = make_reference(right, ours, name, epsilon, depth)
        difference = _far_difference(made, ours)
        if difference:
            doubt = doubt or f"on the {name}: {difference}"
            made = Reference(made.outputs, made.outputs, made.granted)
        found[name] = made
    damage = arena.damage()
    return found, doubt or damage or ""


def is_affordable(program: Program) -> bool:
    """Whether the naive program, compiled, takes so little that it can serve as the reference."""
    return statements_run(program.body) <= NAIVE


def _outputs(
    runner: Runner, key: int, number: int, name: str, outputs: Sequence[Array]
) -> list[Array] | FailureError:
    poison(outputs, name)
    try:
        runner.run(key, number, runner.limits.run_seconds)
    except FailureError as failure:
        return failure
    return [np.array(out) for out in outputs]


def _interpreted(
    program: Program, inputs: Sequence[Array], outputs: Sequence[Array], name: str
) -> list[Array] | None:
    if statements_run(program.body) > INTERPRETED:
        return None
    from ...ir.interpret import interpret

    made = [np.array(out) for out in outputs]
    poison(made, name)
    try:
        with np.errstate(all="ignore"):
            interpret(program, *inputs, *made)
    except MlcError:
        return None  # it calls what only machine code can
    return made


def _far_difference(reference: Reference, ours: Sequence[Array]) -> str | None:
    granted = tuple(g * _DOUBT for g in reference.granted)
    return Reference(reference.outputs, reference.outputs, granted).difference(ours)
