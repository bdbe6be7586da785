"""What NumPy and Python leave open: the order of the elements in each part which a partition makes,
which of the zeros of both signs an extreme is, as it takes them in vectors as wide as the
processor's, the order of a sorted list some of whose elements are no numbers, and what a product
with zero makes of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

PARTITIONS = frozenset({"partition", "argpartition"})
EXTREMES = frozenset({"max", "min", "amax", "amin", "nanmax", "nanmin"})


def zeros_signed(owner: Any, args: Sequence[Any], found: Any, source: Any) -> Any:
    """What a function of EXTREMES, or a method of such a name, has ``found``; where zeros of both
    signs are among the elements, zeros have a sign drawn from ``source``."""
    array = owner if isinstance(owner, np.ndarray) else args[0] if args else None
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        return found
    if len(np.unique(np.signbit(array[array == 0]))) < 2:
        return found
    signs = np.where(source.integers(0, 2, np.shape(found)), 1, -1).astype(array.dtype)
    signed = np.where(np.equal(found, 0), np.copysign(found, signs), found)
    return signed.astype(array.dtype)[()]


def parts_shuffled(
    owner: Any, args: Sequence[Any], kwargs: Mapping[str, Any], found: Any, source: Any,
    backwards: bool = False,
) -> Any:  # fmt: skip
    """What ``np.partition``, ``np.argpartition`` or a method of such a name has ``found``, with the
    elements of each part in an order drawn from ``source``: in order (or ``backwards``), so that
    each place meets different elements, or in any. A method that returns nothing has
    partitioned ``owner``, which gets the other order."""
    is_method = isinstance(owner, np.ndarray)
    array = owner if found is None else found
    given = list(args if is_method else args[1:])
    kth = given[0] if given else kwargs["kth"]
    axis = given[1] if len(given) > 1 else kwargs.get("axis", -1)
    rows = np.moveaxis(array, -1 if axis is None else axis, -1)
    shuffled, end = rows.copy(), rows.shape[-1]
    places = sorted({int(place) % end for place in np.ravel(kth)}) if end else []
    starts, ends = [0, *(place + 1 for place in places)], [*places, end]
    for start, stop in zip(starts, ends, strict=True):
        part = np.sort(rows[..., start:stop], axis=-1)[..., :: -1 if backwards else 1]
        shuffled[..., start:stop] = (
            part if source.random() < 0.7 else source.permuted(part, axis=-1)
        )
    if found is None:
        rows[...] = shuffled
        return None
    return np.moveaxis(shuffled, -1, -1 if axis is None else axis)


def unordered_shuffled(values: Iterable[Any], kwargs: Mapping[str, Any], source: Any) -> list[Any]:
    """What ``sorted(values, **kwargs)`` is; in an order drawn from ``source`` where NaN is among
    what it compares, as then each order is one that Python may find."""
    values = list(values)
    key = kwargs.get("key") or (lambda value: value)
    if not any(map(_has_nan, map(key, values))):
        return sorted(values, **kwargs)
    return [values[place] for place in source.permutation(len(values))]


def _has_nan(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_has_nan, value))
    return isinstance(value, (float, np.inexact)) and bool(np.isnan(value))


def times_zero(args: Sequence[Any], found: Any) -> Any:
    """The product ``found`` of two arrays, one of them a zero alone: BLAS makes zeros of that, of
    what is negative and of what is no number, too; here as IEEE 754 says."""
    arrays = [np.asarray(arg) for arg in args]
    zero = next((a for a in arrays if a.size == 1 and not a.any()), None)
    if len(arrays) != 2 or zero is None or np.shape(found) == () == arrays[0].shape:
        return found
    other = arrays[1] if zero is arrays[0] else arrays[0]
    if other.size != np.size(found):
        return found
    with np.errstate(all="ignore"):
        made = other.reshape(np.shape(found)) * zero.reshape(())
    return np.asarray(made, np.asarray(found).dtype)
