"""Arrays to try operators on: shapes, dtypes and values, those that are special included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlc.testing.arrays import laid_out

Array = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
BOOL = (np.dtype(bool),)
SIGNED = tuple(np.dtype(f"int{b}") for b in (8, 16, 32, 64))
UNSIGNED = tuple(np.dtype(f"uint{b}") for b in (8, 16, 32, 64))
INTEGERS = SIGNED + UNSIGNED
FLOATS = (*(np.dtype(f"float{b}") for b in (16, 32, 64)), BFLOAT16)
NUMBERS = INTEGERS + FLOATS
ALL = BOOL + NUMBERS


def is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype == BFLOAT16


def values(seed: int, shape: tuple[int, ...], dtype: np.dtype[Any], kind: str) -> Array:
    """An array of ``kind``: any (specials among them), finite, positive, unit ([-1, 1]), nonzero,
    small (integers of magnitude at most 4) or distinct."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if not is_float(dtype):
        info = np.iinfo(dtype)
        wide = kind in ("any",)
        low, high = (info.min, info.max) if wide and rng.random() < 0.3 else (max(info.min, -9), 10)
        if kind == "small":
            low, high = max(info.min, -4), 5
        if kind == "positive":
            low = 1
        out = rng.integers(low, high, shape, dtype=dtype, endpoint=wide)
        return np.where(out == 0, 1, out).astype(dtype) if kind == "nonzero" else out
    if kind == "unit":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    if kind == "small":
        return rng.integers(-4, 5, shape).astype(dtype)
    if kind == "distinct":
        return rng.permutation(int(np.prod(shape))).reshape(shape).astype(dtype)
    out = rng.normal(size=shape) * 4
    if kind == "positive":
        out = np.abs(out) + 0.1
    if kind == "nonzero":
        out = np.where(np.abs(out) < 0.1, 1.0, out)
    out = np.asarray(out).astype(dtype)
    if kind == "any":
        finfo = ml_dtypes.finfo(dtype)
        special = np.array(
            [
                0.0,
                -0.0,
                1.0,
                -1.0,
                np.inf,
                -np.inf,
                np.nan,
                0.5,
                2.5,
                float(finfo.max),
                float(finfo.tiny),
            ]
        ).astype(dtype)
        chosen = special[rng.integers(0, len(special), shape)]
        out = np.where(rng.random(shape) < 0.25, chosen, out).astype(dtype)
    return out


LAYOUTS = ("C", "transposed", "reversed", "strided", "offset", "unaligned", "read-only")


@st.composite
def in_any_layout(draw: Draw, inputs: st.SearchStrategy[tuple[Array, ...]]) -> tuple[Array, ...]:
    """``inputs``, laid out as arrays come: the first that is tried are in C order."""
    return tuple(_laid_out(array, draw(st.sampled_from(LAYOUTS))) for array in draw(inputs))


def _laid_out(array: Array, way: str) -> Array:
    """``array`` once more, laid out in one of the :data:`LAYOUTS`."""
    if way == "unaligned":
        held = np.zeros(array.nbytes + 1, np.uint8)
        found = held[1:].view(array.dtype).reshape(array.shape)
        found[...] = array
        return found
    if way == "read-only":
        found = np.array(array)
        found.flags.writeable = False
        return found
    return laid_out(array, way if array.ndim else "offset")


seeds = st.integers(0, 2**32 - 1)


@st.composite
def broadcastable(
    draw: Draw,
    count: int = 2,
    dtypes: Sequence[np.dtype[Any]] = NUMBERS,
    kind: str | tuple[str, ...] = "any",
    mixed: bool = True,
) -> tuple[Array, ...]:
    """``count`` arrays that broadcast together: 0-d, empty and size 1 among them. Unless ``mixed``,
    all have one dtype."""
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=count, max_dims=3, min_side=0, max_side=4)
    ).input_shapes
    seed = draw(seeds)
    one = draw(st.sampled_from(dtypes))
    kinds = (kind,) * count if isinstance(kind, str) else kind
    out = []
    for n, shape in enumerate(shapes):
        other = [d for d in dtypes if d != BFLOAT16 and one != BFLOAT16] or [one]
        dtype = draw(st.sampled_from(other)) if mixed and n and draw(st.booleans()) else one
        out.append(values(seed + n, shape, dtype, kinds[n]))
    return tuple(out)


@st.composite
def one_array(
    draw: Draw,
    dtypes: Sequence[np.dtype[Any]] = NUMBERS,
    kind: str = "any",
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 0,
    max_side: int = 5,
) -> tuple[Array]:
    """One array, as a tuple of one."""
    shape = draw(
        hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)
        if min_dims
        else st.one_of(
            st.just(()),
            hnp.array_shapes(min_dims=1, max_dims=max_dims, min_side=min_side, max_side=max_side),
        )
    )
    return (values(draw(seeds), shape, draw(st.sampled_from(dtypes)), kind),)


@st.composite
def shaped(
    draw: Draw,
    *shapes: tuple[Any, ...],
    dtypes: Sequence[np.dtype[Any]] = NUMBERS,
    kind: str = "small",
    sides: tuple[int, int] = (0, 5),
    same_dtype: bool = True,
) -> tuple[Array, ...]:
    """Arrays of the given shapes, in which letters stand for sizes: equal letters, equal sizes."""
    sizes: dict[str, int] = {}
    seed, dtype = draw(seeds), draw(st.sampled_from(dtypes))
    out = []
    for n, shape in enumerate(shapes):
        for side in shape:
            if isinstance(side, str) and side not in sizes:
                sizes[side] = draw(st.integers(*sides))
        wanted = tuple(sizes[s] if isinstance(s, str) else s for s in shape)
        if not same_dtype and dtype != BFLOAT16:
            dtype = draw(st.sampled_from([d for d in dtypes if d != BFLOAT16]))
        out.append(values(seed + n, wanted, dtype, kind))
    return tuple(out)
