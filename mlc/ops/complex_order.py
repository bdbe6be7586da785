"""The order of complex numbers: by the real part, then the imaginary one, and NaN, in which a part
is NaN, last: those with a real part first, then those with an imaginary one."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType, int32, int64
from ..ir.combiner import Combiner, make_combiner
from ..ir.expr import Expr, apply, const, select
from ..ir.expr import cast as cast_expr
from ..te.construct import compute, reduce_with
from .broadcast import as_tensor, size_of
from .elementwise import astype
from .op import op
from .reduce import over
from .sort_keys import key_dtype, sort_key


@cache
def _first(name: str, dtype: DType, counter: DType) -> Combiner:
    """Of two numbers with their places the one that ``name`` seeks, the earlier of equal ones.

    Numbers with a NaN part are one like another, and come before all others, or after them if
    ``name`` is that of a function that leaves NaN out.
    """
    beyond = "gt" if "max" in name else "lt"
    missing_wins = not name.startswith("f")

    def chosen(best: Any, new: Any) -> Any:
        lost, missing = (apply("isnan", p[0]) | apply("isnan", p[1]) for p in (best, new))
        better, worse = (missing, lost) if missing_wins else (lost, missing)
        same = apply("eq", new[0], best[0])
        wins = apply(beyond, new[0], best[0]) | (same & apply(beyond, new[1], best[1]))
        alike = (same & apply("eq", new[1], best[1])) | (lost & missing)
        wins = (better & ~worse) | (wins & ~worse) | (alike & (new[2] < best[2]))
        return tuple(select(wins, n, b) for n, b in zip(new, best, strict=True))

    last = np.nan if not missing_wins else -np.inf if beyond == "gt" else np.inf
    identity = (last, last, counter.highest)
    return make_combiner(name, chosen, identity, (dtype, dtype, counter), commutative=True)


@op
def complex_extreme(
    real: Any, imag: Any, *, name: str, axes: tuple[int, ...], keepdims: bool
) -> Any:
    """(real part, imaginary part, place) of the first extreme over ``axes`` (some) of parts of one
    dtype; places are counted in C order. ``name`` is one of maximum, minimum, fmax and fmin."""
    real, imag = as_tensor(real), as_tensor(imag)
    shape, folded, at = over(real, axes, keepdims)
    count = size_of(tuple(real.shape[d] for d in axes))
    narrow = real.dtype.bits <= 32 and int(count) <= int32.highest  # as wide as the parts: lanes
    counter = int32 if narrow else int64
    place: Expr = const(0)
    for k in folded.values():
        place = place * k.extent + k

    def body(*index: Expr) -> Any:
        first = at(index)
        second = imag[first.indices]  # type: ignore[attr-defined]
        parts = (first, second, cast_expr(place, counter))
        return reduce_with(_first(name, real.dtype, counter), parts, tuple(folded.values()))

    *found, where = compute(shape, body, name=name)
    return (*found, astype(where, dtype="int64"))


@op
def order_keys(real: Any, imag: Any) -> Any:
    """Two arrays of unsigned numbers that are ordered, by the first, then by the second, as the
    complex numbers with parts ``real`` and ``imag``, of one dtype.

    The first is the key of the real part; where a part is NaN, one that no number has, and the
    second is the key of the part that is there.
    """
    real, imag = as_tensor(real), as_tensor(imag)
    top = key_dtype(real.dtype).highest  # the key of NaN; the one before it is that of a NaN too

    def body(*index: Expr) -> tuple[Expr, Expr]:
        x, y = real[index], imag[index]
        first, second = sort_key(x), sort_key(y)
        only_real = apply("isnan", y) & ~apply("isnan", x)
        return (
            select(only_real, const(top - 1, first.dtype), first),
            select(only_real, first, second),
        )

    return compute(real.shape, body, name="order_keys")
