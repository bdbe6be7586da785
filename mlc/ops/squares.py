"""Sums of squared differences from the mean, of arrays that are too large to be read twice.

Elements are read once: each group of them has a mean m and a sum of squares of its own, and groups
of n elements are put together by ``sum(squares) + n * sum((m - mean) ** 2)`` (Chan, Golub, LeVeque,
1979). What is left over, shorter than a group, is added as it lies about the mean of the others.
"""

from __future__ import annotations

from typing import Any

from .. import te
from ..dtypes import as_dtype
from ..ir.expr import Expr, cast
from ..records import dataclass
from . import arithmetic
from .broadcast import Shape, as_axes, as_tensor, shape_of, size_of
from .elementwise import astype
from .index import getitem
from .op import MANY_SIZES, op
from .promotion import dtype_of
from .reduce import sum as sum_of
from .shape import expand_dims, reshape

CACHED_BYTES = 1 << 20  # arrays up to this size are in the cache when they are read again
CHUNK = 4096  # elements of a chunk that is contiguous in memory
CHUNK_ROWS = 64  # rows of a chunk whose columns lie side by side
GROUP = 256  # elements of a column whose squares are summed in one pass
EVEN, LEAST = 64, 16  # groups of so many that leave nothing over are as good; are worth while
NEAR = 8  # places of a group whose mean shifts the other elements
ROW_LEAST, ROW_NEAR = 256, 16  # elements of a row that is a group, and of each such place in it
ROW_APART = 128  # between these places, at most: what lies further on may not be at hand yet
NARROW_BYTES = 64  # rows shorter than this fill no vector: several of them are one
WIDE = 64  # elements that such a row has then, at least


def squares_in_one_pass(a: Any, axis: Any, work: Any, keepdims: Any) -> Any:
    """The sum of squared differences from the mean along ``axis``, in ``work``; None if two passes
    do as well."""
    shape = shape_of(a)
    axes = sorted(as_axes("np.var", axis, len(shape)))
    plain = not axes or 0 in shape or MANY_SIZES.get()
    if plain or size_of(shape) * work.itemsize <= CACHED_BYTES:
        return None
    groups = _grouped(shape, axes, dtype_of(a).itemsize)
    total = _by_chunk(a, axes, work) if groups is None else _by_group(a, groups, work)
    if total is None or keepdims is not True:
        return total
    return reshape(total, tuple(1 if d in axes else n for d, n in enumerate(shape)))


@dataclass(frozen=True)
class _Groups:
    """How an array of ``shape`` is cut: the ``whole`` elements along axis ``along`` into groups of
    ``size``. Of ``lanes`` groups beside each other each takes every ``lanes``-th element. ``axes``
    are all that are reduced, ``along`` first."""

    shape: Shape
    axes: tuple[int, ...]
    size: int
    lanes: int = 1
    is_flat: bool = False  # whether what follows ``along`` becomes one axis

    @property
    def along(self) -> int:
        return self.axes[0]

    @property
    def whole(self) -> int:
        return self.shape[self.along]

    @property
    def main(self) -> int:
        """Elements in groups of equal length."""
        return self.whole - self.whole % (self.size * self.lanes)


def _divisor(n: int, most: int) -> int:
    """The greatest divisor of ``n`` up to ``most``."""
    return next(d for d in range(min(n, most), 0, -1) if n % d == 0)


def _grouped(shape: Shape, axes: list[int], itemsize: int) -> _Groups | None:
    """How the array is cut along the reduced ``axes``; None where groups would be small."""
    first, last = axes[0], len(shape) - 1
    if axes == list(range(first, len(shape))):  # rows that lie one behind the other are one
        whole = size_of(shape[first:])
        size = whole if whole <= 4 * CHUNK else _divisor(whole, CHUNK)
        size = CHUNK if size < ROW_LEAST <= whole else size
        return _Groups((*shape[:first], whole), (first,), size) if size >= ROW_LEAST else None
    if axes[-1] == last:
        return None
    whole, width, lanes = shape[first], size_of(shape[first + 1 :]), 1
    is_narrow = shape[-1] * itemsize < NARROW_BYTES
    while is_narrow and lanes * width < WIDE and 2 * lanes * LEAST <= whole:
        lanes *= 2
    size = _divisor(whole // lanes, GROUP) if whole % lanes == 0 else 1
    if size < EVEN and whole >= 2 * GROUP * lanes:
        size = GROUP
    return _Groups(shape, tuple(axes), size, lanes, is_narrow) if size >= LEAST else None


def _by_group(a: Any, groups: _Groups, work: Any) -> Any:
    """The sum of squares, each element read once."""
    axes, size, main = groups.axes, groups.size, groups.main
    a, before = reshape(a, groups.shape), [slice(None)] * groups.along
    is_even = main == groups.whole
    means, within = _moments(a if is_even else getitem(a, (*before, slice(main))), groups, work)
    total = sum_of(within, axis=axes)
    if is_even and size_of([shape_of(means)[d] for d in axes]) == 1:
        return total
    keep = axes != tuple(range(len(axes)))  # else the mean goes with each row as it is
    mean = _mean(means, axes, work, keep)
    between = sum_of(arithmetic.square(arithmetic.subtract(means, mean)), axis=axes)
    total = arithmetic.add(total, arithmetic.multiply(between, float(size)))
    if is_even:
        return total
    rest = astype(getitem(a, (*before, slice(main, None))), dtype=work)
    apart = arithmetic.subtract(rest, mean)
    moved = arithmetic.square(sum_of(apart, axis=axes))  # (how far the mean of all lies off) ** 2
    moved = arithmetic.multiply(moved, 1.0 / size_of([groups.shape[d] for d in axes]))
    squares = sum_of(arithmetic.square(apart), axis=axes)
    return arithmetic.add(total, arithmetic.subtract(squares, moved))


def _mean(a: Any, axes: tuple[int, ...], work: Any, keepdims: bool) -> Any:
    count = float(size_of([shape_of(a)[d] for d in axes]))
    total = sum_of(a, axis=axes, dtype=work, keepdims=keepdims)
    return arithmetic.divide(total, count, dtype=work)


def _moments(a: Any, groups: _Groups, work: Any) -> tuple[Any, Any]:
    """The mean of each group and its sum of squares about that, with the axes of ``a``; along the
    axis that is cut lie the groups."""
    along, size, lanes = groups.along, groups.size, groups.lanes
    before, after = groups.shape[:along], groups.shape[along + 1 :]
    many = groups.main // (size * lanes)
    row = (lanes * size_of(after),) if groups.is_flat else after
    parts = reshape(a, (*before, many, size, *row))
    shift = _near_mean(parts, along + 1, work)
    sums, squares = shifted_sums(parts, shift, axis=along + 1, dtype=work)
    share = arithmetic.multiply(arithmetic.square(sums), 1.0 / size)
    within = arithmetic.maximum(arithmetic.subtract(squares, share), 0.0)
    means = arithmetic.subtract(shift, arithmetic.multiply(sums, 1.0 / size))
    if not groups.is_flat:
        return means, within
    shape = (*before, many * lanes, *after)
    return reshape(means, shape), reshape(within, shape)


@op
def shifted_sums(x: Any, shift: Any, *, axis: int, dtype: Any) -> Any:
    """The sums of ``shift - x`` and of ``(shift - x) ** 2`` along ``axis``, which ``shift`` lacks:
    in one pass. Little is lost if ``shift`` is as near to the mean as elements are. (``x - shift``
    would take an instruction more: what is subtracted is read from memory on the way.)"""
    x, shift, dtype = as_tensor(x), as_tensor(shift), as_dtype(dtype)
    both = te.comm_reducer(
        lambda p, q: (p[0] + q[0], p[1] + q[1]), (0.0, 0.0), (dtype, dtype), "moments"
    )
    k = te.reduce_axis(x.shape[axis], "k")

    def body(*index: Expr) -> Any:
        place = (*index[:axis], k, *index[axis:])
        apart = shift[index] - cast(x[place], dtype)
        return both((apart, apart * apart), axis=k)

    return te.compute((*x.shape[:axis], *x.shape[axis + 1 :]), body, name="moments")


def _near_mean(x: Any, axis: int, dtype: Any) -> Any:
    """The mean k of eight elements along ``axis``, or where these are neighbours of eight times
    sixteen: together they cannot be far out in a group.

    With m the mean of all n, ``8 * (k - m) ** 2`` is at most the sum of squares about m, so that
    about k is at most ``1 + n / 8`` times as large: that much of its rounding, about sqrt(n) units
    in the last place at most, remains when the other is computed of it.
    """
    shape = shape_of(x)
    n, before = shape[axis], [slice(None)] * axis
    if axis == len(shape) - 1:
        places = [part * min(n // NEAR, ROW_APART) for part in range(NEAR)]
        near: list[Any] = [slice(i, i + ROW_NEAR) for i in places]
    else:
        near = [part * n // NEAR for part in range(NEAR)]
    rows = [astype(getitem(x, (*before, i)), dtype=dtype) for i in near]
    while len(rows) > 1:
        rows = [arithmetic.add(p, q) for p, q in zip(rows[::2], rows[1::2], strict=True)]
    whole = arithmetic.multiply(rows[0], 1.0 / NEAR)
    return whole if len(shape_of(whole)) < len(shape) else _mean(whole, (axis,), dtype, False)


def _chunk_rows(shape: Shape, axes: list[int]) -> int:
    """How long the pieces should be that the first of the reduced ``axes`` is cut into, so that a
    chunk of the array stays in the cache; 0 where cutting is not worth while."""
    first, *rest = axes
    inner = size_of([shape[d] for d in rest])
    whole = inner * shape[first]
    trailing = axes == list(range(len(shape) - len(axes), len(shape)))
    if trailing and whole <= 4 * CHUNK:
        return 0
    if axes[-1] != len(shape) - 1:
        most, least = CHUNK_ROWS // inner, 8
    elif inner == 1:
        most, least = CHUNK, 256
    else:
        most, least = max(CHUNK // inner, 1), 1 if inner <= 4 * CHUNK else CHUNK
    most = min(most, shape[first] // 2)
    return next((r for r in range(most, least - 1, -1) if shape[first] % r == 0), 0)


def _by_chunk(a: Any, axes: list[int], work: Any) -> Any:
    """The sum of squares by chunks that stay in the cache, with two passes over each."""
    shape = shape_of(a)
    rows = _chunk_rows(shape, axes)
    if not rows:
        return None
    first = axes[0]
    chunks = shape[first] // rows
    cut = reshape(a, (*shape[:first], chunks, rows, *shape[first + 1 :]))
    inner = tuple(d + 1 for d in axes)
    means = _mean(cut, inner, work, False)
    apart = arithmetic.subtract(astype(cut, dtype=work), expand_dims(means, inner))
    within = sum_of(arithmetic.square(apart), axis=inner)
    spread = arithmetic.subtract(means, _mean(means, (first,), work, True))
    between = sum_of(arithmetic.square(spread), axis=first)
    per_chunk = float(rows * size_of([shape[d] for d in axes[1:]]))
    return arithmetic.add(sum_of(within, axis=first), arithmetic.multiply(between, per_chunk))
