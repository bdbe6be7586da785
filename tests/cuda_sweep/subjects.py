"""What is swept: a name for each subject, and how it is run and judged."""

from __future__ import annotations

import contextlib
import io
import random
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import mlc

_PHASES = (Phase.generate,)
TARGET = "cuda-emulated"
KINDS = ("operator", "program", "graph", "nest", "numpy", "example")
SEEDS = 100  # random programs of each kind, unless told otherwise
ROOT = Path(__file__).resolve().parents[2]
_PROCESSOR_ONLY = {  # examples of the processor's machine code, or that choose targets themselves
    "04_every_level", "22_micro_kernels", "40_gpu_vector_add", "41_gpu_window_sum", "42_gpu_matmul",
    "43_gpu_tensor_cores", "30_stochastic_schedule", "31_random_search", "32_tuned_model",
}  # fmt: skip


class Different(AssertionError):
    """The target computes something else than NumPy."""


def names(kind: str, seeds: int = SEEDS) -> list[str]:
    """The subjects of a kind."""
    match kind:
        case "operator":
            from tests.ops.cases import all_cases

            found = [case.name for case in all_cases()]
        case "program":
            from benchmarks.programs.table import names_of_programs

            found = names_of_programs()
        case "example":
            found = [path.stem for path in sorted((ROOT / "examples").glob("[0-9]*.py"))]
            found = [name for name in found if name not in _PROCESSOR_ONLY]
        case "graph" | "nest" | "numpy":
            found = [str(number) for number in range(seeds)]
        case _:
            raise ValueError(f"expected one of {', '.join(KINDS)}, got {kind!r}")
    return [f"{kind}/{name}" for name in found]


def run(subject: str, target: str = TARGET, examples: int = 2) -> None:
    """Runs a subject. Raises :class:`Different` where ``target`` is wrong, or what it raises."""
    kind, _, name = subject.partition("/")
    _RUN[kind](name, target, examples)


def _operator(name: str, target: str, examples: int) -> None:
    from tests.ops.cases import all_cases, check

    case = next(case for case in all_cases() if case.name == name)

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, phases=_PHASES,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case.inputs)
    def on(arrays: tuple[Any, ...]) -> None:
        results = mlc.jit(case.function, target=target)(*arrays)
        with _judged():
            check(case, arrays, results)

    on()


def _program(name: str, target: str, examples: int) -> None:
    from benchmarks.programs.table import copied, difference, effects, program

    p = program(name)
    args = p.make(p.tiny)
    mine, theirs = copied(args), copied(args)
    with np.errstate(all="ignore"):
        expected = effects(p.function(*theirs), theirs)
    got = effects(mlc.jit(p.function, target=target)(*mine), mine)
    if found := difference(got, expected, p.tolerance):
        raise Different(found)


def _numpy(name: str, target: str, examples: int) -> None:
    from tests.differential.compare import check
    from tests.differential.program import draw_program

    outcome = check(draw_program(int(name)), target)
    if outcome.kind == "refused":
        raise mlc.UnsupportedError(outcome.text)
    if outcome.kind == "different":
        raise Different(outcome.text)


def _drawn(kind: str) -> Callable[[str, str, int], None]:
    def run_one(name: str, target: str, examples: int) -> None:
        from mlc.ir.interpret import interpret
        from mlc.testing.checking import arrays_for, is_close
        from mlc.testing.choices import Choices
        from mlc.testing.draw import draw_program

        source = random.Random(int(name))
        program = draw_program(Choices(source.randrange), kind)
        got = arrays_for(program, int(name))
        want = [array.copy() for array in got]
        interpret(program, *want)
        mlc.build(program, target=target)(*got)
        for buffer, a, b in zip(program.params, got, want, strict=True):
            if not is_close(a, b, 256):
                raise Different(f"{buffer.name}\n{a}\n{b}")

    return run_one


def _example(name: str, target: str, examples: int) -> None:
    jit, build = mlc.jit, mlc.build

    def jit_there(function: Any = None, **options: Any) -> Any:
        options.setdefault("target", target)
        return jit(function, **options)

    def build_there(program: Any, *args: Any, **options: Any) -> Any:
        options.setdefault("target", target)
        return build(program, *args, **options)

    with (
        mock.patch.object(mlc, "jit", jit_there),
        mock.patch.object(mlc, "build", build_there),
        mock.patch.object(sys, "argv", [name]),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")


_RUN: dict[str, Callable[[str, str, int], None]] = {
    "operator": _operator, "program": _program, "numpy": _numpy, "graph": _drawn("graph"),
    "nest": _drawn("nest"), "example": _example,
}  # fmt: skip


@contextlib.contextmanager
def _judged() -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise Different(str(error)) from error
