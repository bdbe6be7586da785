"""Loop programs by hand: ``from mlc import script as T``.

::

    @T.program
    def mm(A: T.Buffer((128, 64)), B: T.Buffer((64, 128)), C: T.Buffer((128, 128))):
        for i, j, k in T.grid(128, 128, 64):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

The function runs once, and what it does is written down: a ``for`` over ``T.grid`` or one of the
other loops runs its body for a symbolic index, and assigning to an element makes a statement. What
is plain Python around that (functions, loops over integers, conditions on them) runs as such and
leaves no trace. ``mm`` is a program then: ``print(mm)`` shows it in this same notation, and
`mlc.build` compiles it.

Beside the names below there is a function for each scalar function of the language (``T.exp``,
``T.sqrt``, ...) and a conversion for each dtype (``T.float32(x)``).
"""

from typing import Any

from ..dtypes import ALL as _DTYPES
from ..ir.expr import select
from .blocks import annotate, axis, block, init, reads, remap, where, writes
from .calls import (
    barrier,
    bitcast,
    call,
    call_extern,
    comm_reducer,
    max,
    min,
    region,
    scalar_function,
    store,
)
from .function import Template, program
from .function import buffer as Buffer
from .loops import (
    alloc,
    grid,
    otherwise,
    parallel,
    scope,
    serial,
    thread_binding,
    unrolled,
    vectorized,
    when,
    while_,
)
from .module import Module
from .sizes import Dim, dim

__all__ = [
    "Buffer", "Dim", "Module", "Template", "alloc", "annotate", "axis", "barrier", "bitcast",
    "block", "call", "call_extern", "comm_reducer", "dim", "grid", "init", "max", "min",
    "otherwise", "parallel", "program", "reads", "region", "remap", "scope", "select", "serial",
    "store", "thread_binding", "unrolled", "vectorized", "when", "where",
    "while_", "writes",
]  # fmt: skip

_CONVERSIONS = tuple(dtype.name for dtype in _DTYPES)


def __getattr__(name: str) -> Any:
    if name in _CONVERSIONS:
        from .values import number_of

        function = number_of(name)
    else:
        from ..ir.scalar import SCALAR_FNS

        if name not in SCALAR_FNS:
            from ..synonyms import hint

            near = hint("mlc.script", name, __dir__(), "T.")
            raise AttributeError(f"module 'mlc.script' has no attribute {name!r}{near}")
        function = scalar_function(name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    from ..te.scalars import NAMES

    return sorted({*__all__, *_CONVERSIONS, *NAMES})
