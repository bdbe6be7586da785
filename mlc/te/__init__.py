"""Tensor expressions: what each element of a tensor is."""

from ..ir.expr import cast, const, select
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
from .tensor import Tensor

__all__ = [
    "Tensor", "all", "any", "cast", "comm_reducer", "compute", "const", "constant", "max", "min",
    "placeholder", "prod", "reduce_axis", "select", "sum",
]  # fmt: skip
