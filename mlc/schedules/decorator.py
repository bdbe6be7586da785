"""``@mlc.schedule``: a function over a schedule as a value."""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError
from ..ir.program import Program
from .schedule import Schedule


class ScheduleFunction:
    """A schedule as a value: a function over ``s``, and values for its other parameters.

    ::

        tiled(program)                     a new program
        tiled(s, factor=4)                 takes the steps on the schedule s: a composite step
        tiled.with_options(factor=4)       the same schedule with other parameters
        tiled >> vectorized                one after the other
        @tiled  over a @T.program          the scheduled program; of a template, a template
        @mlc.jit @tiled  over a function   the schedule for the function's program
    """

    def __init__(
        self, function: Callable[..., Any], options: Mapping[str, Any] | None = None, name: str = ""
    ) -> None:
        self.function = function
        self.options = dict(options or {})
        self.__name__ = name or getattr(function, "__name__", "schedule")
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.source = ""  # the Python that takes its steps, where they are known without a program
        self._check_options(self.options)

    def __call__(self, target: Any = None, *args: Any, **options: Any) -> Any:
        """On a Program: the program after the steps. On a template: a template whose programs are
        scheduled so. On a Schedule: takes the steps, all or none, and returns what the function
        returns. On a function: that function, with this schedule in ``__mlc_schedule__``. On
        nothing: :meth:`with_options`."""
        match target:
            case Program():
                schedule = Schedule(target)
                self.function(schedule, *args, **{**self.options, **options})
                return schedule.program
            case Schedule():
                with target.part(self._call_text(args, options)):
                    return self.function(target, *args, **{**self.options, **options})
            case None if not args:
                return self.with_options(**options)
            case types.FunctionType():
                return _carrying(target, self.with_options(**options) if options else self)
            case _ if hasattr(target, "scheduled"):
                return target.scheduled(self.with_options(**options) if options else self)
        raise ArgumentError(
            f"the schedule {self.__name__} is called with a program, a schedule or a function, "
            f"not {type(target).__name__}"
        )

    def __rshift__(self, after: ScheduleFunction) -> ScheduleFunction:
        """This schedule, then ``after``."""
        if not isinstance(after, ScheduleFunction):
            return NotImplemented
        first = self

        def both(s: Schedule) -> None:
            first(s)
            after(s)

        both.__doc__ = f"{first!r}, then {after!r}."
        return ScheduleFunction(both, name=f"{self.__name__} >> {after.__name__}")

    def __repr__(self) -> str:
        return self._call_text((), {})

    def __str__(self) -> str:
        return self.source or repr(self)

    def with_options(self, **options: Any) -> ScheduleFunction:
        """The same schedule with other values for its parameters."""
        return ScheduleFunction(self.function, {**self.options, **options}, self.__name__)

    def on(self, program: Program, seed: int | None = None) -> Schedule:
        """A schedule of ``program`` with the steps taken, for its trace and source."""
        schedule = Schedule(program, seed)
        self.function(schedule, **self.options)
        return schedule

    def _call_text(self, args: tuple[Any, ...], options: Mapping[str, Any]) -> str:
        shown = [repr(arg) for arg in args]
        shown += [f"{key}={value!r}" for key, value in {**self.options, **options}.items()]
        return f"{self.__name__}({', '.join(shown)})" if shown else self.__name__

    def _check_options(self, options: Mapping[str, Any]) -> None:
        parameters = inspect.signature(self.function).parameters.values()
        if not parameters:
            raise ArgumentError(
                f"the schedule {self.__name__} takes no schedule; write def {self.__name__}(s): ..."
            )
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return
        known = [p.name for p in list(parameters)[1:]]
        for key in options:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise ArgumentError(
                    f"the schedule {self.__name__} has no parameter {key!r}; "
                    f"it has {', '.join(known) or 'none'}"
                    + (f"; did you mean {near[0]!r}?" if near else "")
                )


def schedule(function: Callable[..., Any]) -> ScheduleFunction:
    """Makes a schedule of a function over ``s``, which takes steps as methods of ``s``.

    ::

        @mlc.schedule
        def tiled(s, factor=8):
            i, j, k = s.loops("C")
            j0, j1 = s.split(j, [None, factor])
            s.reorder(i, j0, k, j1)
            s.vectorize(j1)

        faster = tiled(mm, factor=16)
    """
    if not callable(function):
        raise ArgumentError(
            f"mlc.schedule decorates a function over a schedule, not {type(function).__name__}"
        )
    return ScheduleFunction(function)


def copied(function: types.FunctionType) -> types.FunctionType:
    """Another function that does the same, for marks that the first is not to have."""
    out = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    out.__kwdefaults__ = function.__kwdefaults__
    out.__annotations__ = function.__annotations__
    out.__doc__ = function.__doc__
    out.__module__ = function.__module__
    out.__qualname__ = function.__qualname__
    out.__dict__.update(function.__dict__)
    return out


def _carrying(function: types.FunctionType, value: ScheduleFunction) -> types.FunctionType:
    """A function that does what ``function`` does and names the schedule for its program."""
    inner = getattr(function, "__mlc_schedule__", None)
    out = copied(function)
    carried = value if inner is None else inner >> value
    out.__dict__["schedule"] = out.__dict__["__mlc_schedule__"] = carried
    return out
