"""Arguments for random programs: every dtype, layout and special value that NumPy users meet."""

from __future__ import annotations

import random
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]

FLOATS = ("float32", "float64")
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", *FLOATS)  # fmt: skip
_COMMON = ("int32", "int64", *FLOATS, "float32", "float64")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)


def draw_array(rng: random.Random, max_dims: int = 3, bfloat16: float = 0.0) -> Array:
    """An array of a random dtype, shape, layout and contents; as often as ``bfloat16`` says of
    that dtype."""
    dtype = np.dtype(rng.choice(DTYPES if rng.random() < 0.3 else _COMMON))
    if bfloat16 and rng.random() < bfloat16:
        dtype = BFLOAT16
    dims = rng.choices(range(max_dims + 1), (1, 5, 6, 2)[: max_dims + 1])[0]
    shape = tuple(rng.choices((0, 1, 2, 3, 4, 5, 7, 8, 17), (1, 3, 4, 6, 4, 6, 2, 2, 2))[0]
                  for _ in range(dims))  # fmt: skip
    return laid_out(rng, contents(rng, dtype, shape))


def contents(rng: random.Random, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Values that keep sums and products readable, with now and then an extreme one."""
    source = np.random.default_rng(rng.getrandbits(32))
    if dtype.kind == "b":
        return source.random(shape) < 0.5
    if dtype.kind in "iu":
        low = 0 if dtype.kind == "u" else -9
        array = source.integers(low, 10, shape).astype(dtype)
        if rng.random() < 0.1 and array.size:
            info = np.iinfo(dtype)
            array.flat[rng.randrange(array.size)] = rng.choice((info.min, info.max))
        return array
    array = np.asarray(source.normal(size=shape) * rng.choice((0.1, 1.0, 4.0))).astype(dtype)
    if rng.random() < 0.25:
        array = np.asarray(np.round(array * 2) / 2)  # ties, zeros, equal elements
    if rng.random() < 0.15 and array.size and dtype != BFLOAT16:  # whose NaN NumPy does not sort
        array.flat[rng.randrange(array.size)] = rng.choice(_SPECIAL)
    return array


def laid_out(rng: random.Random, array: Array) -> Array:
    """The same values, now and then as a transposed, reversed, strided or unaligned view, as one
    that has rows more than once, or as one that cannot be written to."""
    way = rng.random()
    if array.ndim and way < 0.02:
        rows = array if way < 0.01 else np.broadcast_to(array[:1], array.shape)
        rows.flags.writeable = False
        return rows
    if array.ndim == 0 or way < 0.66:
        return array
    if way < 0.68:
        return np.flip(np.flip(array).copy())
    if way < 0.69:
        return np.moveaxis(np.moveaxis(array, 0, -1).copy(), -1, 0)
    if way < 0.7 and array.size:
        memory = np.zeros(array.nbytes + 1, np.uint8)
        unaligned = memory[1:].view(array.dtype).reshape(array.shape)
        unaligned[...] = array
        return unaligned
    if way < 0.8:
        return np.ascontiguousarray(array.T).T
    if way < 0.9:
        return array[::-1].copy()[::-1]
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]
