"""In which order the elements of what np.einsum makes lie in NumPy's memory.

NumPy walks over the labels of all operands at once, those of the result first, and gives the result
the order in which that reads the operands best: ``np.einsum("ijk->kj", x)`` of an array in C order
is in Fortran's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.einsum import parse_subscripts

Array = np.ndarray[Any, Any]


def contracted(subscripts: Any, blanks: Sequence[Array]) -> Array | None:
    """An array with the strides of np.einsum's result for operands such as ``blanks``, of which
    nothing is read; None where that is not known."""
    inputs, out = parse_subscripts(subscripts, [blank.shape for blank in blanks])
    if any(len({*labels}) < len(labels) for labels in inputs):  # a diagonal
        return None
    summed = sorted({label for labels in inputs for label in labels} - {*out}, key=str)
    every = [*out, *summed]
    places: Any = [[labels.index(s) if s in labels else -1 for s in every] for labels in inputs]
    made: Any = [*range(len(out)), *[-1] * len(summed)]
    flags: Any = [*[["readonly"]] * len(blanks), ["readwrite", "allocate"]]
    kinds: Any = [*[blank.dtype for blank in blanks], np.result_type(*blanks)]
    given: Any = [*blanks, None]
    walk = np.nditer(
        given,
        ["zerosize_ok", "reduce_ok", "external_loop", "buffered", "delay_bufalloc"],
        flags,
        kinds,
        "K",
        "unsafe",
        [*places, made],
    )
    return walk.operands[-1]
