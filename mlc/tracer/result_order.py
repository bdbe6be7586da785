"""Results that lie in memory as NumPy's do, in other orders than C's.

NumPy's functions keep the order of what they are given: the sum of two arrays in Fortran's order is
in Fortran's order. Kernels write outputs in C order. So what they compute of such a result is its
axes in the order in which they lie in memory, and the caller gets a view of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import te
from ..records import replace
from ..te.axes_in_memory import axes_in_order, dense_steps, places_of
from ..te.extent import is_open
from ..te.tensor import Call, Compute, Tensor
from .memory_order import UNKNOWN, order_of

if TYPE_CHECKING:
    from .traced import Result, Traced

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...] | None  # those along which neighbours lie farthest apart first; None for C's
_WHOLE = ("output", "again", "copy", "constant", "input", "value")


def axes_of(value: Any) -> Axes:
    """The axes of a traced array in the order in which they lie in NumPy's memory; None for C's,
    and where that is not known or the array shares elements with itself."""
    if not hasattr(type(value), "_cell") or value.ndim < 2 or is_open(value.shape):
        return None
    steps = order_of(value)
    if not isinstance(steps, tuple) or steps == UNKNOWN or 0 in value.shape:
        return None
    shape = tuple(map(int, value.shape))
    if any(n > 1 and not step for n, step in zip(shape, steps, strict=True)):
        return None
    given = axes_in_order(shape, [abs(step) for step in steps])
    axes = axes_in_order(shape, dense_steps(shape, given))
    return None if axes == tuple(range(len(shape))) else axes


def copied_in(array: Array, axes: Axes) -> Array:
    """A copy whose axes lie in that order."""
    return array.copy() if axes is None else array.transpose(axes).copy().transpose(places_of(axes))


def in_memory_order(traced: Traced) -> Traced:
    """``return (a + b)``, of arrays in Fortran's order -> the output is ``(a + b).T``, and its
    result is a view of that.

    ``traced`` itself where an output is written to an argument, or read in other ways.
    """
    is_plain = not (traced.sizes or traced.draws or traced.refills or traced.writes)
    is_plain = is_plain and traced.printed is None
    if not any(traced.orders) or not is_plain or traced.failure is not None:
        return traced
    if any(result.kind not in _WHOLE for result in traced.results):
        return traced
    outputs = list(traced.outputs)
    results = list(traced.results)
    complex_leaves = traced.complex_leaves
    for place, axes in enumerate(traced.orders):
        result = results[place]
        if axes is None or result.axes is not None or complex_leaves[place]:
            continue
        if result.kind == "output":
            outputs[result.value] = _turned(outputs[result.value], axes, outputs)
            results = [_lies_so(other, result.value, axes) for other in results]
        elif result.kind in ("copy", "constant"):
            results[place] = replace(result, axes=axes)
    return replace(traced, outputs=tuple(outputs), results=tuple(results))


def _lies_so(result: Result, output: int, axes: Axes) -> Result:
    is_of = result.kind in ("output", "again") and result.value == output
    return replace(result, axes=axes) if is_of else result


def _turned(tensor: Tensor, axes: tuple[int, ...], outputs: Sequence[Tensor]) -> Tensor:
    """``tensor`` with its axes in that order; where turning made it, of what was turned."""
    from ..ops.shape import permute

    source, op = tensor, tensor.op
    if isinstance(op, Compute) and op.op == permute.name and op.params:
        (source,) = op.inputs
        turned = dict(op.params)["axes"]
        axes = tuple(turned[axis] for axis in axes)
    if axes != tuple(range(len(axes))):
        made: Tensor = permute(source, axes=axes)
        object.__setattr__(made.op, "location", getattr(op, "location", None))
        return made
    if isinstance(source.op, (Compute, Call)) and source not in outputs:
        return source
    return te.compute(source.shape, lambda *index: source[index], name="copy", op="copy")
