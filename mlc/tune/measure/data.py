"""The data on which candidates are compared with the reference: real arguments, and harder ones.

| set | inputs |
|---|---|
| arguments | those of the workload |
| whole numbers | small ones, whose sums are exact in any order; integers: the same, shuffled |
| special values | the arguments with NaN, infinities, -0.0 and tiny numbers here and there |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...dtypes import boolean
from ...ir.program import Allocate, Buffer, Program, blocks_of, walk, writes_of

Array = np.ndarray[Any, Any]
ARGUMENTS, WHOLE, SPECIAL = "arguments", "whole numbers", "special values"
SETS = (ARGUMENTS, WHOLE, SPECIAL)
_SPECIAL_COUNT = 8


def is_float(array: Array) -> bool:
    """Whether the elements are floats, of NumPy or of ml_dtypes."""
    return array.dtype.kind == "f" or array.dtype.name in ("bfloat16",)


def data_sets(arguments: Sequence[Array]) -> dict[str, list[Array]]:
    """The inputs of each set, by its name."""
    rng = np.random.default_rng(1)
    return {
        ARGUMENTS: list(arguments),
        WHOLE: [_whole(array, rng) for array in arguments],
        SPECIAL: [_special(array, rng) for array in arguments],
    }


def _whole(array: Array, rng: np.random.Generator) -> Array:
    if is_float(array):
        return rng.integers(-3, 4, array.shape).astype(array.dtype)
    # Another order, not other values: they may be indices.
    return rng.permutation(np.asarray(array).ravel()).reshape(array.shape)


def _special(array: Array, rng: np.random.Generator) -> Array:
    if not is_float(array) or not array.size:
        return array
    changed = np.array(array)
    tiny = np.finfo(np.float32).tiny / 4 if array.dtype.itemsize >= 4 else 1e-7
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, tiny, -tiny, 1.0])
    # Few of them: where each sum meets a NaN, nothing is compared.
    count = min(_SPECIAL_COUNT, max(1, array.size // 16))
    where = rng.choice(array.size, count, replace=False)
    with np.errstate(all="ignore"):
        changed.reshape(-1)[where] = rng.permutation(values)[:count].astype(array.dtype)
    return changed


def poison(outputs: Iterable[Array], set_name: str) -> None:
    """Fill outputs, before each run that counts, with what no result is by chance."""
    for array in outputs:
        if is_float(array):
            array[...] = np.nan if set_name == ARGUMENTS else -12345.0
        elif array.dtype == boolean.numpy:
            array[...] = set_name == ARGUMENTS
        else:
            array[...] = 77 if set_name == ARGUMENTS else 101


def reduction_depth(program: Program) -> int:
    """How many terms one element of the result is made of, if every reduction feeds the next."""
    depth = 0
    for block in blocks_of(program.body):
        terms = 1
        for it in block.iters:
            if it.axis.is_reduce:
                terms *= it.axis.extent
        depth += terms - 1
    return max(depth, 1)


def coarsest_epsilon(program: Program) -> float:
    """The rounding of the coarsest float dtype in which the program keeps anything; 0 if none."""
    from ml_dtypes import finfo

    kept: set[Buffer] = {buffer for buffer, _ in writes_of(program.body)}
    kept |= {b for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers}
    floats = [b.dtype.numpy for b in kept if is_float(np.empty(0, b.dtype.numpy))]
    return max((float(finfo(dtype).eps) for dtype in floats), default=0.0)
