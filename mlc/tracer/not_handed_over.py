"""Names of NumPy that get traced values and never hand the call over: what stands for them.

They mean what NumPy's do where nothing is traced.
"""

from __future__ import annotations

import functools
import operator
from itertools import islice
from typing import Any

import numpy as np

from ..errors import ArgumentError, UnsupportedError
from ..ops.op import CURRENT, leaves_of
from . import items
from .concrete import all_known, plain, wrapped
from .dispatch import call_function


def _is_traced(*values: Any) -> bool:
    return CURRENT.get() is not None and any(
        hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of(values)
    )


@functools.wraps(np.take)
def take(a: Any, indices: Any, *rest: Any, **options: Any) -> Any:
    """np.take, which NumPy hands over for a traced array alone, and not for traced indices."""
    if not _is_traced(indices):
        return np.take(a, indices, *rest, **options)
    return call_function(np.take, (a, indices, *rest), options)


@functools.wraps(np.isscalar)
def isscalar(element: Any) -> bool:
    """np.isscalar."""
    traced = hasattr(type(element), "_is_scalar")
    return element._is_scalar() if traced else np.isscalar(element)


def ndenumerate(arr: Any) -> Any:
    """np.ndenumerate, of traced arrays, too."""
    return items.ndenumerate(arr) if _is_traced(arr) else np.ndenumerate(arr)


def nditer(op: Any, *rest: Any, **options: Any) -> Any:
    """np.nditer, of a traced array, too."""
    if not _is_traced(op):
        return np.nditer(op, *rest, **options)
    from .places import places

    return places(op, *rest, **options)


@functools.wraps(np.fromiter)
def fromiter(iter: Any, dtype: Any, count: int = -1, **options: Any) -> Any:
    """np.fromiter, of traced numbers, too."""
    if CURRENT.get() is None:
        return np.fromiter(iter, dtype, count, **options)
    items = list(iter if count < 0 else islice(iter, count))
    if not _is_traced(items):
        return wrapped(np.fromiter(items, dtype, count, **options))
    if count > len(items):
        raise ValueError(f"iterator too short: Expected {count} but iterator had only {len(items)}")
    return np.stack(items).astype(dtype)


_ASKED = {
    "CONTIGUOUS": "C", "C_CONTIGUOUS": "C", "FORTRAN": "F", "F_CONTIGUOUS": "F", "ALIGNED": "A",
    "WRITEABLE": "W", "OWNDATA": "O", "ENSUREARRAY": "E",
}  # fmt: skip


@functools.wraps(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, **options: Any) -> Any:
    """np.require, of a traced array, too."""
    if not _is_traced(a):
        return np.require(a, dtype, requirements, **options)
    from .creation import make

    if not requirements:
        return make("asanyarray", (a, dtype), {})
    texts = [text.upper() for text in requirements]
    asked = {_ASKED[text] if text not in _ASKED.values() else text for text in texts} - {"E"}
    if asked >= {"C", "F"}:
        raise ValueError('Cannot specify both "C" and "F" order')
    order = next((name for name in ("C", "F") if name in asked), "A")
    made = make("array", (a,), {"dtype": dtype, "order": order, "copy": None})
    is_such = all(made.flags[name] for name in sorted(asked - {"C", "F"}))
    return made if is_such else made.copy(order)


class Joined:
    """``np.r_`` or ``np.c_``: what stands in the brackets, joined."""

    def __init__(self, name: str) -> None:
        self._name, self._plain = name, getattr(np, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: Any) -> Any:
        parts = list(key) if isinstance(key, tuple) else [key]
        if all_known(parts):
            return wrapped(self._plain[plain(key)])
        if any(isinstance(part, str) for part in parts):
            raise UnsupportedError(
                f"np.{self._name} with {parts[0]!r} cannot be traced; use np.concatenate or "
                f"np.stack with axis="
            )
        made = [self._part(part) for part in parts]
        kinds = [_sample(part) for part in made]
        wide = [np.atleast_1d(part).astype(np.result_type(*kinds)) for part in made]
        if self._name == "c_":
            wide = [part[:, None] if part.ndim == 1 else part for part in wide]
        ndim = max(part.ndim for part in wide)
        if any(part.ndim != ndim for part in wide):
            shapes = ", ".join(str(part.shape) for part in wide)
            raise UnsupportedError(
                f"np.{self._name} of arrays of different dimensions, {shapes}, cannot be traced; "
                f"use np.concatenate"
            )
        joined = np.concatenate(wide, axis=-1 if self._name == "c_" else 0)
        return joined

    def _part(self, part: Any) -> Any:
        if isinstance(part, slice):
            if all_known([part]):
                return self._plain[part].ravel()
            from .creation import arange_of

            start = 0 if part.start is None else part.start
            return arange_of(start, part.stop, 1 if part.step is None else part.step)
        if not isinstance(part, (list, tuple)):
            return part
        from .creation import make

        return make("array", (part,), {})


class Grid:
    """``np.mgrid`` or ``np.ogrid``: arrays of what the slices in the brackets run over."""

    def __init__(self, name: str) -> None:
        self._name, self._plain = name, getattr(np, name)

    def __getitem__(self, key: Any) -> Any:
        slices = list(key) if isinstance(key, tuple) else [key]
        if all_known(slices):
            return wrapped(self._plain[plain(key)])
        if not all(isinstance(part, slice) and part.stop is not None for part in slices):
            raise ArgumentError(
                f"np.{self._name} takes slices with an end, np.{self._name}[0:n, 0:m]"
            )
        ends = [
            (0 if s.start is None else s.start, s.stop, 1 if s.step is None else s.step)
            for s in slices
        ]
        if not isinstance(key, tuple) and not isinstance(ends[0][2], complex):
            from .creation import arange_of

            return arange_of(*ends[0])
        numbers = [abs(n) if isinstance(n, complex) else n for part in ends for n in part]
        dtype = np.result_type(0, *map(_sample, numbers))
        sides = [_points(*part, dtype) for part in ends]
        if not isinstance(key, tuple):
            return sides[0]
        open_sides = [
            side.reshape([-1 if n == k else 1 for n in range(len(sides))])
            for k, side in enumerate(sides)
        ]
        if self._name == "ogrid":
            return tuple(open_sides)
        shape = tuple(map(len, sides))
        return np.stack([np.broadcast_to(side, shape).astype(dtype) for side in open_sides])


def _points(start: Any, stop: Any, step: Any, dtype: np.dtype[Any]) -> Any:
    """What one slice in the brackets runs over; an imaginary step says how many points."""
    if not isinstance(step, complex):
        count = operator.index(np.ceil(np.true_divide(stop - start, step)).astype(int))
        return np.arange(count, dtype=dtype) * step + start
    count = int(abs(step))
    between = 1 if count == 1 else (stop - start) / float(count - 1)
    return np.arange(count, dtype=dtype) * between + start


def _sample(part: Any) -> Any:
    """What decides about the dtype of the whole: a number has no say beside arrays."""
    if getattr(part, "_is_weak", False):
        return part.dtype.type(0).item()
    return part if isinstance(part, (bool, int, float, complex)) else np.result_type(part)


INSTEAD: dict[str, Any] = {
    "fromiter": fromiter, "isscalar": isscalar, "ndenumerate": ndenumerate,
    "ndindex": items.ndindex, "nditer": nditer, "take": take, "r_": Joined("r_"),
    "require": require, "c_": Joined("c_"), "mgrid": Grid("mgrid"), "ogrid": Grid("ogrid"),
}  # fmt: skip
