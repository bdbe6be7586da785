"""What can be handed to ``mlc.tune``, and the workloads and arrays that are in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from ..compile import Compiled
from ..compile_device import DEVICE_TARGETS
from ..config import config
from ..errors import ArgumentError
from ..ir.program import Program
from .workload import Array, Workload, workloads_of


def workloads_for(what: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Workload]:
    """The workloads of a function called with these arguments, or of a program.

    Jitted functions, and plain ones, which are jitted first, need their arguments; programs and
    what `mlc.build` made take arrays for their parameters, or none.
    """
    if hasattr(what, "_parameters") or isinstance(what, FunctionType):
        return _of_function(what, args, kwargs)
    if kwargs:
        name = getattr(what, "__name__", type(what).__name__)
        raise ArgumentError(
            f"{name} takes arrays in order, or none; unknown keyword {next(iter(kwargs))!r}"
        )
    if hasattr(what, "specialize") and not isinstance(what, Program):
        if not args:
            raise ArgumentError(
                f"{what.name} has open sizes: pass arrays, or tune {what.name}.at(...)"
            )
        what = what.specialize(tuple(map(np.shape, args)))
    if getattr(what, "template", None) is not None:
        return workloads_for(what.template, args, {})
    arrays = [np.asarray(a) for a in args]
    found = _untuned(getattr(what, "_compiled", None))
    return workloads_of(what if found is None else found, arrays or None)


def _of_function(what: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Workload]:
    if not hasattr(what, "_parameters"):
        from ..jit import jit

        what = jit(what)
    target = getattr(what, "_target", "cpu")
    if target in DEVICE_TARGETS:
        raise ArgumentError(
            f"{what.__name__} is compiled for target {target!r}, and mlc.tune measures on the "
            "processor; mlc.tune.rank_for_gpu orders schedules for graphics processors by a model"
        )
    with config.override(tuned=False):
        compiled = what.lower(*args, **kwargs).compiled
        if compiled is None:
            raise ArgumentError(f"{what.__name__} computes nothing: there is nothing to tune")
        arranged, named = what._parameters.arrange(tuple(args), dict(kwargs))
        _, arrays = what._parameters.keys(arranged, named)
        found = of_compiled(compiled, arrays)
    return under_own_names(found, what.__wrapped__, args, kwargs)


def under_own_names(
    found: list[Workload], function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Workload]:
    """``found``, the workloads of ``function`` called so, able to print schedules of the function
    under the names of its author, where it is one kernel."""
    if len(found) == 1 and found[0].count == 1 and isinstance(function, FunctionType):
        return [replace(found[0], whole=partial(_whole_program, function, args, kwargs))]
    return found


def _whole_program(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Program:
    """The program that a schedule above ``function`` is given."""
    from ..jit import jit
    from ..schedules.decorator import schedule

    seen = []

    def see(s: Any) -> None:
        seen.append(s.program)

    jit(schedule(see)(function)).lower(*args, **kwargs)
    program: Program = seen[0]
    return program


def of_compiled(compiled: Any, arrays: Sequence[Array] | None) -> list[Workload]:
    """The workloads of something compiled, with their default schedules: not those that earlier
    tuning found."""
    fresh = _untuned(compiled)
    with config.override(tuned=False):
        return workloads_of(compiled if fresh is None else fresh, arrays)


def _untuned(compiled: Any) -> Compiled | None:
    """A graph's compilation up to its kernels, made anew."""
    if not isinstance(compiled, Compiled):
        return None
    return Compiled(
        compiled.name, compiled.target, compiled.inputs, compiled.outputs, compiled.debug, {}
    )
