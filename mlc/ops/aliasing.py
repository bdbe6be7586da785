"""Which operators give a view: a result that shares the elements of the first argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..records import dataclass, replace

Others = tuple[Any, ...]
Static = dict[str, Any]


@dataclass(frozen=True, eq=False)
class View:
    """How the result of an operator shares elements with its first argument.

    ``write(x, value, others, static)`` is the tensor ``x`` after ``value`` was written to the
    view; None where NumPy's view is read-only, or where it ``warns`` of writing. ``array(x,
    others, static)`` is the same view of a NumPy array, without a copy; ValueError where NumPy
    would have to copy.
    """

    write: Callable[[Any, Any, Others, Static], Any] | None
    array: Callable[[np.ndarray[Any, Any], Others, Static], np.ndarray[Any, Any]]
    warns: bool = False


def written_reshape(x: Any, value: Any, others: Others, static: Static) -> Any:
    """``x`` after a write to its reshaped view."""
    from .shape import reshape_to

    return reshape_to(value, shape=x.shape)


def written_permute(x: Any, value: Any, others: Others, static: Static) -> Any:
    """``x`` after a write to its transposed view."""
    from .shape import permute

    axes = static["axes"]
    return permute(value, axes=tuple(axes.index(d) for d in range(len(axes))))


def written_slice(x: Any, value: Any, others: Others, static: Static) -> Any:
    """``x`` after a write to a slice of it."""
    from .update import written_part

    return written_part(x, list(others[0]) if others else [], value, static["items"])


def key_of(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Items (see `mlc.ops.index`) as a NumPy key; places known only to the data are taken as 0."""
    key: list[Any] = [...]
    for item in items:
        if item is None or isinstance(item, int):
            key.append(item)
        elif isinstance(item[0], str):
            key.append(0)
        else:
            start, step, size = item[0], item[1], int(item[2])
            stop = start + step * size
            key.append(slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0))
    return tuple(key)


RESHAPED = View(written_reshape, lambda x, others, static: _reshaped(x, static["shape"]))
PERMUTED = View(written_permute, lambda x, others, static: x.transpose(static["axes"]))
SLICED = View(written_slice, lambda x, others, static: x[key_of(static["items"])])
SPREAD = View(None, lambda x, others, static: np.broadcast_to(x, tuple(map(int, static["shape"]))))
SPREAD_TOGETHER = replace(SPREAD, warns=True)
DIAGONAL = View(
    None,
    lambda x, others, static: np.diagonal(x, static["offset"], static["axis1"], static["axis2"]),
)


def written_diagonals(x: Any, value: Any, others: Others, static: Static) -> Any:
    """``x`` after a write to its elements at indices that are equal where ``places`` are."""
    from .matrix import off_diagonals

    return off_diagonals(x, value, places=static["places"])


def _on_diagonals(x: np.ndarray[Any, Any], places: tuple[int, ...]) -> np.ndarray[Any, Any]:
    shape = [x.shape[places.index(n)] for n in range(max(places) + 1)]
    steps = [sum(s for s, p in zip(x.strides, places) if p == n) for n in range(len(shape))]
    return np.lib.stride_tricks.as_strided(x, shape, steps)


DIAGONALS = View(written_diagonals, lambda x, others, static: _on_diagonals(x, static["places"]))


def _reshaped(x: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    found = x.reshape(shape)
    if x.size and not np.may_share_memory(found, x):
        raise ValueError("no view of these strides has this shape")
    return found
