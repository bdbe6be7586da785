"""mlc: NumPy functions, traced, fused, scheduled and compiled.

::

    @mlc.jit                    compile a function written in NumPy, once for each signature
    mlc.op, mlc.implements      declare an operator by its tensor expression
    mlc.te, mlc.build           tensor expressions, and functions from them
    mlc.script                  loop programs by hand: from mlc import script as T
    mlc.intrinsic               an instruction by its meaning, with native code for it
    mlc.assert_structural_equal two programs are the same up to names
    mlc.numpy                   NumPy's names, for code that creates arrays
    mlc.random                  random numbers that are functions of a key, the same everywhere
    mlc.nn                      softmax, layer_norm, conv2d and others that NumPy has no name for
    mlc.schedule, mlc.Schedule  loops transformed by hand, each step proven legal
    mlc.simulate                a scheduled program as hardware would run it, every access watched
    mlc.draw                    pictures of loop nests, and of what one iteration touches
    mlc.tune, mlc.autotune      the fastest of many schedules, searched for and checked
    mlc.testing                 does it what NumPy does: comparisons, and strategies for hypothesis
    mlc.doctor                  what works on this machine, and what to do about the rest
    mlc.dim                     a size that may change without a new compilation
    mlc.config, mlc.set_num_threads, mlc.time
"""

from . import loading  # before all others, which it makes faster

# isort: split
from typing import TYPE_CHECKING

# Modules and functions of the same name: the function is the public one, and must be bound last.
from . import eager, errors, te
from .build import build
from .config import config
from .errors import (
    ArgumentError,
    BoundsError,
    CacheWarning,
    CompileError,
    DeviceError,
    DeviceMemoryError,
    DeviceWarning,
    DTypeError,
    MlcError,
    NotProvenError,
    ScheduleError,
    ShapeError,
    SimulationError,
    TracerBoolError,
    TracerLeakError,
    UnsupportedError,
)
from .ops.op import implements, op

if not TYPE_CHECKING:
    from .jit import jit
else:
    from .typed import jit

__version__ = "0.1.0.dev0"

# name: (module, name in it or "" for the module itself); imported when first asked for.
_LATER = {
    "schedule": ("schedules.decorator", "schedule"),
    "Schedule": ("schedules.schedule", "Schedule"),
    "numpy": ("numpy", ""),
    "nn": ("nn", ""),
    "random": ("random", ""),
    "script": ("script", ""),
    "intrinsic": ("script.intrinsics", "intrinsic"),
    "assert_structural_equal": ("ir.structural", "assert_structural_equal"),
    "set_num_threads": ("runtime.threads", "set_num_threads"),
    "get_num_threads": ("runtime.threads", "get_num_threads"),
    "time": ("runtime.timing", "time"),
    "release_memory": ("runtime.result_memory", "release_memory"),
    "simulate": ("simulator", "simulate"),
    "tune": ("tune", ""),
    "testing": ("testing", ""),
    "autotune": ("tune.decorator", "autotune"),
    "draw": ("looking.draw", "draw"),
    "fori_loop": ("control.forms", "fori_loop"),
    "while_loop": ("control.forms", "while_loop"),
    "cond": ("control.forms", "cond"),
    "switch": ("control.forms", "switch"),
    "scan": ("control.forms", "scan"),
    "map": ("control.forms", "map"),
    "range": ("control.runtime", "native_range"),
    "dim": ("dynamic.dims", "dim"),
    "device_put": ("runtime.cuda.arrays", "device_put"),
    "doctor": ("doctor", ""),
}

if TYPE_CHECKING:  # the same for type checkers
    from . import doctor as doctor
    from . import nn as nn
    from . import numpy as numpy
    from . import random as random
    from . import script as script
    from . import testing as testing
    from . import tune as tune
    from .control.forms import cond as cond
    from .control.forms import fori_loop as fori_loop
    from .control.forms import map as map
    from .control.forms import scan as scan
    from .control.forms import switch as switch
    from .control.forms import while_loop as while_loop
    from .control.runtime import native_range as range
    from .dynamic.dims import dim as dim
    from .ir.structural import assert_structural_equal as assert_structural_equal
    from .looking.draw import draw as draw
    from .runtime.cuda.arrays import device_put as device_put
    from .runtime.result_memory import release_memory as release_memory
    from .runtime.threads import get_num_threads as get_num_threads
    from .runtime.threads import set_num_threads as set_num_threads
    from .runtime.timing import time as time
    from .schedules.decorator import schedule as schedule
    from .schedules.schedule import Schedule as Schedule
    from .script.intrinsics import intrinsic as intrinsic
    from .simulator import simulate as simulate
    from .tune.decorator import autotune as autotune

__all__ = [
    "ArgumentError", "BoundsError", "CacheWarning", "CompileError", "DeviceError",
    "DeviceMemoryError", "DeviceWarning", "DTypeError", "MlcError",
    "NotProvenError", "ScheduleError", "ShapeError", "SimulationError",
    "TracerBoolError", "TracerLeakError",
    "UnsupportedError", "build", "config", "errors", "implements", "jit", "op", "te", *_LATER,
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _LATER:
        from .synonyms import hint

        near = "" if name.startswith("__") else hint("mlc", name, __all__, "mlc.")
        raise AttributeError(f"module 'mlc' has no attribute {name!r}{near}")
    from importlib import import_module

    module_name, attribute = _LATER[name]
    module = import_module(f"{__name__}.{module_name}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
