"""What can be handed to ``mlc.tune``, and the workloads and arrays that are in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from ..compile import Compiled
from ..compile_device import DEVICE_TARGETS, device_host
from ..config import config
from ..errors import ArgumentError, UnsupportedError
from ..ir.program import Program
from .workload import Array, Workload, workloads_of

MEASURED = ("cpu", *DEVICE_TARGETS)


def workloads_for(
    what: Any, args: Sequence[Any], kwargs: Mapping[str, Any], target: str | None = None
) -> list[Workload]:
    """The workloads of a function called with these arguments, or of a program.

    Jitted functions, and plain ones, which are jitted first, need their arguments; programs and
    what `mlc.build` made take arrays for their parameters, or none. They are compiled for
    ``target``, or for what they say themselves. Arrays on a card stand for arrays drawn by chance.
    """
    if target is not None:
        check_target(target)
    if hasattr(what, "_parameters") or isinstance(what, FunctionType):
        return _of_function(what, args, kwargs, target)
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
        return workloads_for(what.template, args, {}, target)
    compiled = getattr(what, "_compiled", None)
    if compiled is not None and target not in (None, compiled.target):
        raise ArgumentError(
            f"{compiled.name} was built for target {compiled.target!r}, and cannot be tuned for "
            f"{target!r}; build it for that one, or tune the program that it was built from"
        )
    if compiled is not None:
        check_target(compiled.target)
    arrays = [np.asarray(a) for a in args]
    found = _untuned(compiled)
    return workloads_of(what if found is None else found, arrays or None, target)


def check_target(target: str) -> None:
    """:class:`ArgumentError` for a target that nothing is measured for; UnsupportedError where it
    is a card and none is here, which says what to do instead."""
    if target not in MEASURED:
        known = ", ".join(map(repr, MEASURED))
        raise ArgumentError(f"mlc.tune measures for the targets {known}, got {target!r}")
    if target == "cuda":
        try:
            device_host(target)
        except UnsupportedError as error:
            raise UnsupportedError(
                f"mlc.tune for target 'cuda' measures on a card: {error.message}; "
                "mlc.tune.rank_for_gpu orders schedules by a model, without a card"
            ) from error


def _of_function(
    what: Any, args: Sequence[Any], kwargs: Mapping[str, Any], target: str | None
) -> list[Workload]:
    from ..runtime.cuda.arrays import is_on_card
    from ..tracer import tree

    if not hasattr(what, "_parameters"):
        from ..jit import jit

        what = jit(what, target=target or "cpu")
    elif target not in (None, what._target):
        from ..jit import jit

        static = sorted(what._parameters.static)
        what = jit(what._function, target=target, static_argnames=static, dynamic=what._dynamic)
    target = what._target
    check_target(target)
    with config.override(tuned=False):
        compiled = what.lower(*args, **kwargs).compiled
        if compiled is None:
            raise ArgumentError(f"{what.__name__} computes nothing: there is nothing to tune")
        arrays = None
        if not any(map(is_on_card, tree.flatten((args, kwargs))[0])):
            arranged, named = what._parameters.arrange(tuple(args), dict(kwargs))
            _, arrays = what._parameters.keys(arranged, named)
        found = of_compiled(compiled, arrays)
    if not found:
        raise ArgumentError(
            f"{what.__name__} has no kernel to tune: what runs on a card calls libraries, or was "
            "written for its grid with no number left open"
        )
    return under_own_names(found, what.__wrapped__, args, kwargs, target)


def under_own_names(
    found: list[Workload], function: Any, args: Sequence[Any], kwargs: Mapping[str, Any],
    target: str = "cpu",
) -> list[Workload]:  # fmt: skip
    """``found``, the workloads of ``function`` called so, able to print schedules of the function
    under the names of its author, where it is one kernel."""
    if len(found) == 1 and found[0].count == 1 and isinstance(function, FunctionType):
        return [replace(found[0], whole=partial(_whole_program, function, args, kwargs, target))]
    return found


def _whole_program(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], target: str
) -> Program:
    """The program that a schedule above ``function`` is given."""
    from ..jit import jit
    from ..schedules.decorator import schedule

    seen = []

    def see(s: Any) -> None:
        seen.append(s.program)

    jit(schedule(see)(function), target=target).lower(*args, **kwargs)
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
