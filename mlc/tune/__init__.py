"""Autotuning: the fastest of many schedules of a program, each proven legal, measured, checked.

The module is the function too: ``mlc.tune(f, *args, budget=60)`` is :func:`mlc.tune.tuner.tune`,
and ``mlc.tune.database`` one of its parts. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# name: (module, name in it)
_LATER = {
    "autotune": ("decorator", "autotune"),
    "Candidate": ("candidate", "Candidate"),
    "rank_for_gpu": ("ranking", "rank_for_gpu"),
    "TuningResult": ("result", "TuningResult"),
    "Workload": ("workload", "Workload"),
    "workloads_of": ("workload", "workloads_of"),
}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATER[name]
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


class _TuneModule(ModuleType):
    """A module that can be called: ``mlc.tune`` is it, whichever part was imported first."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """See :func:`mlc.tune.tuner.tune`."""
        from .tuner import tune

        return tune(*args, **options)


sys.modules[__name__].__class__ = _TuneModule
