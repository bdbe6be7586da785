"""``@mlc.autotune``: a function or program that is tuned the first time it is called."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..compile import Compiled
from ..errors import ArgumentError
from ..ir.program import Program
from ..schedules import tuned
from ..schedules.decorator import copied
from ..schedules.schedule import Schedule
from ..tracer import tree
from .candidate import DEFAULT, STORED, Candidate
from .options import Options
from .result import KernelResult, Schedules, TuningResult
from .tuner import keep, tune, tune_workloads
from .workload import Workload


class Tuned:
    """What hangs on a function below ``mlc.jit``: tunes each signature before it is compiled.

    Kernels that have a stored schedule, in a lock file or a database, are not tuned again.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.results: list[TuningResult] = []
        self.kernels: dict[str, KernelResult] = {}

    def __call__(
        self, inputs: Sequence[Any], outputs: Sequence[Any], arrays: Sequence[Any], name: str,
        function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], target: str = "cpu",
    ) -> None:  # fmt: skip
        """Tunes the kernels of a traced graph that are not known yet; what is found is used by all
        that is compiled later in this process, and by later ones if there is a database. The graph
        is that of ``function`` called with ``args`` and ``kwargs``, and compiled for ``target``:
        for a card its arrays stand for some that are drawn by chance."""
        from .targets import check_target, of_compiled, under_own_names

        check_target(target)
        if self.options.target not in (None, target):
            raise ArgumentError(
                f"{name} is compiled for target {target!r}, and mlc.autotune was told "
                f"{self.options.target!r}; leave it out there"
            )
        compiled = Compiled(name, target, tuple(inputs), tuple(outputs), False, {})
        workloads = of_compiled(compiled, None if target == "cuda" else arrays)
        if not workloads:
            return
        blank, named = _alike((args, kwargs))
        workloads = under_own_names(workloads, function, blank, named, target)
        known = tuned.known_traces([w.key for w in workloads], workloads[0].host)
        missing = [w for w in workloads if w.key not in known]
        for w in workloads:
            if w.key in known and w.key not in self.kernels:
                self.kernels[w.key] = _stored(replace(w, inputs=None), known[w.key])
        if missing:
            result = tune_workloads(missing, self.options, name)
            self.results.append(result)
            self.kernels.update((kernel.workload.key, kernel) for kernel in result)
            keep(result, self.options, None, ())

    @property
    def best_schedule(self) -> Any:
        """The best schedules that were found, now or by earlier tuning; they print as source."""
        if not self.kernels:
            raise ArgumentError("nothing was tuned yet: the first call with new shapes does it")
        kernels = list(self.kernels.values())
        if len(kernels) == 1:
            return kernels[0].best_schedule
        return Schedules([kernel.best_schedule for kernel in kernels])


def _alike(values: Any) -> Any:
    """``values`` with arrays of no content in the place of arrays, so that none is kept alive."""
    leaves, structure = tree.flatten(values)
    blank = [np.empty_like(leaf) if type(leaf) is np.ndarray else leaf for leaf in leaves]
    return tree.unflatten(structure, blank)


def _stored(workload: Workload, trace: str) -> KernelResult:
    """What earlier tuning found: ``trace``, or the default schedule where it is empty or does not
    fit any more."""
    fits = trace and tuned.tuned_schedule(workload.program, trace, workload.name) is not None
    best = Candidate("trace", trace, origin=STORED) if fits else DEFAULT
    return KernelResult(workload, best=best)


class AutotunedProgram:
    """A tensor program that is tuned on its first call: ``f(*arrays)``, as `mlc.build` has it."""

    def __init__(self, program: Any, options: Options) -> None:
        self.program = program
        self.options = options
        self.result: TuningResult | None = None
        self._built: Any = None
        self.__name__ = getattr(program, "name", type(program).__name__)

    def __repr__(self) -> str:
        state = "not tuned yet" if self.result is None else str(self.result.speedup)
        return f"<mlc.autotune {self.__name__}, {state}>"

    def __call__(self, *arrays: Any) -> None:
        if self._built is None:
            self.tune(*arrays)
        self._built(*arrays)

    def tune(self, *arrays: Any) -> TuningResult:
        """Tunes now, on these arrays if there are some; returns the result."""
        from ..build import build

        given = [np.asarray(a) for a in arrays]
        self.result = tune(self.program, *given, **_given(self.options))
        self._built = build(self.result.program, target=self.options.target or "cpu")
        return self.result

    @property
    def best_schedule(self) -> Any:
        """The best schedule that was found; prints as source."""
        if self.result is None:
            raise ArgumentError(
                f"{self.__name__} was not tuned yet: call it, or {self.__name__}.tune(*arrays)"
            )
        return self.result.best_schedule


def autotune(what: Any = None, **options: Any) -> Any:
    """Tune a function or program when it is called for the first time.

    ::

        @mlc.jit
        @mlc.autotune(budget=60)
        def attention(q, k, v): ...

        attention.best_schedule

    The options are those of `mlc.tune`. Below ``mlc.jit`` each new signature is tuned before it is
    compiled; over a ``T.program`` the first call tunes and builds it. ``f.tune(*args)`` does so
    ahead of the call.
    """
    unknown = sorted(options.keys() - set(Options.names()))
    if unknown:
        known = ", ".join(Options.names())
        raise ArgumentError(f"mlc.autotune has no option {unknown[0]!r}; it has {known}")
    chosen = Options(**options)
    if what is None:
        return lambda wrapped: _autotuned(wrapped, chosen)
    return _autotuned(what, chosen)


def _autotuned(what: Any, options: Options) -> Any:
    if isinstance(what, (Program, Schedule)):
        return AutotunedProgram(what, options)
    if hasattr(what, "_parameters"):
        raise ArgumentError(
            "write mlc.jit above mlc.autotune: it is the plain function that is marked, and tuned "
            "when mlc.jit compiles it"
        )
    if not isinstance(what, types.FunctionType):
        raise ArgumentError(
            f"mlc.autotune takes a function below mlc.jit, a program or a schedule, got "
            f"{type(what).__name__}"
        )
    made = copied(what)
    made.__dict__["__mlc_autotune__"] = Tuned(options)
    return made


def _given(options: Options) -> dict[str, Any]:
    return {name: getattr(options, name) for name in Options.names()}
