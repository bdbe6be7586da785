"""The operators, all by declaration; importing this package registers them."""

from . import (
    arithmetic,
    contract,
    convolve,
    create,
    derived,
    einsum,
    elementwise,
    index,
    join,
    logic,
    matrix,
    nn,
    reduce,
    shape,
    statistics,
    transcendental,
    update,
)

__all__ = [
    "arithmetic", "contract", "convolve", "create", "derived", "einsum", "elementwise", "index",
    "join", "logic", "matrix", "nn", "reduce", "shape", "statistics", "transcendental", "update",
]  # fmt: skip
