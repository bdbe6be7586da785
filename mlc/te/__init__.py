"""Tensor expressions: what each element of a tensor is.

Beside the names below there is a function for each scalar function of the language: ``te.exp``,
``te.sqrt``, ``te.maximum``, ... (``dir(mlc.te)`` lists them).
"""

from typing import Any

from ..ir.expr import cast, const, select
from .call import call
from .construct import (
    all,
    any,
    comm_reducer,
    compute,
    constant,
    max,
    min,
    placeholder,
    prod,
    reduce_axis,
    sum,
)
from .nests import create_program
from .scalars import NAMES, scalar_math
from .tensor import Tensor

__all__ = [
    "Tensor", "all", "any", "call", "cast", "comm_reducer", "compute", "const", "constant",
    "create_program", "max", "min", "placeholder", "prod", "reduce_axis", "select", "sum",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in NAMES:
        function = globals()[name] = scalar_math(name)
        return function
    from ..synonyms import hint

    near = hint("mlc.te", name, __dir__(), "te.")
    raise AttributeError(f"module 'mlc.te' has no attribute {name!r}{near}")


def __dir__() -> list[str]:
    return sorted({*__all__, *NAMES})
