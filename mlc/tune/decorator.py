"""``@mlc.autotune``: a function or program that is tuned the first time it is called."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compile import Compiled
from ..errors import ArgumentError
from ..ir.program import Program
from ..kernel_code import tuning_host
from ..schedules import tuned
from ..schedules.decorator import copied
from ..schedules.schedule import Schedule
from .options import Options
from .result import KernelResult, Schedules, TuningResult
from .tuner import keep, tune, tune_workloads


class Tuned:
    """What hangs on a function below ``mlc.jit``: tunes each signature before it is compiled.

    Kernels that have a stored schedule, in a lock file or a database, are not tuned again.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.results: list[TuningResult] = []

    def __call__(
        self, inputs: Sequence[Any], outputs: Sequence[Any], arrays: Sequence[Any], name: str
    ) -> None:
        """Tunes the kernels of a traced graph that are not known yet; what is found is used by all
        that is compiled later in this process, and by later ones if there is a database."""
        from .targets import of_compiled

        compiled = Compiled(name, "cpu", tuple(inputs), tuple(outputs), False, {})
        workloads = of_compiled(compiled, arrays)
        known = tuned.known_traces([w.key for w in workloads], tuning_host())
        missing = [w for w in workloads if w.key not in known]
        if missing:
            result = tune_workloads(missing, self.options, name)
            self.results.append(result)
            keep(result, self.options, None, ())

    @property
    def best_schedule(self) -> Any:
        """The best schedules that were found; they print as source."""
        if not self.results:
            raise ArgumentError(
                "nothing was tuned yet: the first call with new shapes does it, unless the best "
                "schedules of all kernels are known already"
            )
        kernels: list[KernelResult] = [k for result in self.results for k in result]
        if len(kernels) == 1:
            return kernels[0].best_schedule
        return Schedules([kernel.best_schedule for kernel in kernels])


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
        self._built = build(self.result.program)
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
