"""Results that are copies of arguments, or arrays of one number, are written by kernels.

A function that does nothing else would be called through Python, which for small arrays takes
longer than the copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import DTypeError
from ..ir.expr import const
from ..records import replace
from ..te.tensor import Tensor
from .traced import Result, Traced


def copies_computed(traced: Traced) -> Traced:
    """``return x.copy(), y + 1, np.ones(n)`` -> three outputs, of which kernels write the first and
    the last::

        copy(i) = x[i];  full(i) = 1.0

    ``traced`` itself where a result is an argument handed through, a Python value, or a constant of
    several numbers, where the function writes to arguments, or the data decide sizes or errors.
    """
    is_called_plainly = not (traced.sizes or traced.draws or traced.refills or traced.printed)
    is_plain = is_called_plainly and not (traced.writes or traced.failure)
    if not is_plain or all(result.kind == "output" for result in traced.results):
        return traced
    outputs: dict[Tensor, int] = {}
    results: list[Result] = []
    for result in traced.results:
        tensor = None if result.weak else _computed(result, traced)
        if tensor is None:
            return traced
        place = outputs.setdefault(tensor, len(outputs))
        results.append(replace(result, kind="output", value=place))
    return replace(traced, outputs=tuple(outputs), results=tuple(results))


def _computed(result: Result, traced: Traced) -> Any:
    """What a kernel writes for a result; None where none can, or scalars make it not worth one."""
    match result.kind:
        case "output":
            return traced.outputs[result.value]
        case "constant":
            return _filled(result.value)
        case "copy" if traced.inputs[result.value].shape:
            x = traced.inputs[result.value]
            return te.compute(x.shape, lambda *index: x[index], name="copy", op="copy")
    return None


def _filled(array: np.ndarray[Any, Any]) -> Any:
    """The array as a tensor, if one number is all that it holds."""
    if not array.ndim or not array.size or array.dtype.kind not in "biuf":
        return None
    try:
        dtype = as_dtype(array.dtype)
    except DTypeError:
        return None
    bits = array.view(f"u{array.itemsize}")
    first = array[(0,) * array.ndim]
    if first != first or not (bits == bits[(0,) * array.ndim]).all():
        return None
    number = const(first.item(), dtype)
    return te.compute(array.shape, lambda *index: number, name="full", op="full")
