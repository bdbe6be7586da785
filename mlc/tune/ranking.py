"""Schedules for graphics processors, in the order of a guess: none of them was timed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compile_device import DEVICE_TARGETS, machine_for
from ..compile_program import compile_program
from ..errors import ArgumentError
from ..schedules.schedule import Schedule
from .candidate import Candidate
from .measure.checking import make_reference
from .measure.data import ARGUMENTS, coarsest_epsilon, reduction_depth
from .model.gpu import GpuGuess, gpu_guess
from .space import Fresh
from .spaces.gpu import gpu_space
from .workload import Workload, workloads_of


@dataclass(frozen=True)
class Ranked:
    """A schedule of a kernel and what a model guesses of it. ``checked`` says that it was built as
    CUDA C, run on the emulated card, and right."""

    workload: Workload
    candidate: Candidate
    guess: GpuGuess
    checked: bool = False

    @property
    def schedule(self) -> Schedule:
        """The schedule of the kernel's program."""
        return self.candidate.schedule(self.workload)

    def __str__(self) -> str:
        word = "right on the emulated card" if self.checked else "not run"
        return (
            f"{self.workload.name}: {self.guess.seconds * 1e6:.1f} us by a model, not measured; "
            f"{self.guess.kernels} kernels of {self.guess.threads} threads; {word}"
        )


def rank_for_gpu(
    what: Any, *args: Any, draws: int = 24, checked: int = 1, seed: int = 0
) -> list[list[Ranked]]:
    """For each kernel of a function jitted for a graphics processor its schedules, the most
    promising first by a model; **none is timed**, and nothing is stored.

    ``draws`` are drawn from the space of the default schedule's decisions; the first ``checked`` of
    each kernel are built for "cuda-emulated", run, and compared with the processor's results: what
    is wrong there is left out.
    """
    target = getattr(what, "_target", "")
    if target not in DEVICE_TARGETS:
        raise ArgumentError(
            "expected a function jitted with target='cuda' or 'cuda-emulated', got "
            f"{getattr(what, '__name__', type(what).__name__)}"
        )
    compiled = what.lower(*args).compiled
    return [_ranked(w, draws, checked, seed) for w in workloads_of(compiled, None)]


def _ranked(workload: Workload, draws: int, checked: int, seed: int) -> list[Ranked]:
    space, rng = gpu_space(workload, machine_for(workload.target)), random.Random(seed)
    fresh = Fresh(workload)
    drawn = [*space.seeds(rng), *(space.sample(rng) for _ in range(draws))]
    kept = [candidate for candidate in drawn if candidate is not None and fresh.is_new(candidate)]
    found = [Ranked(workload, c, gpu_guess(c.program(workload))) for c in kept]
    found.sort(key=lambda ranked: ranked.guess.seconds)
    sure: list[Ranked] = []
    inputs = workload.arguments() if checked and found else []
    wanted = compile_program(workload.program).run(inputs) if inputs else []
    while found and len(sure) < checked:
        best = found.pop(0)
        if _is_right(best, inputs, wanted):
            sure.append(Ranked(workload, best.candidate, best.guess, True))
    return [*sure, *found]


def _is_right(ranked: Ranked, inputs: Sequence[Any], wanted: Sequence[Any]) -> bool:
    program = ranked.workload.program
    scheduled = ranked.candidate.program(ranked.workload)
    made = compile_program(scheduled, target="cuda-emulated").run(list(inputs))
    epsilon, depth = coarsest_epsilon(program), reduction_depth(program)
    right = [np.asarray(a) for a in wanted]
    reference = make_reference(right, right, ARGUMENTS, epsilon, depth)
    return reference.difference([np.asarray(a) for a in made]) is None
