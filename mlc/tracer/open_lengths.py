"""Functions of arrays whose length only the running loop knows: of all elements that there may be,
with what is beyond the length left out, or put where it does not matter.

::

    np.sort(x[:n])      ->      np.sort(whole)[:n]             whole: x[:n], then the greatest
    np.mean(x[:n])      ->      np.mean(whole, where=held)     held: np.arange(len(whole)) < n
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..dtypes import boolean
from ..errors import UnsupportedError
from ..ir.rewrite import loads_of
from ..ops.broadcast import as_axes
from ..ops.closing import closed, places_of
from ..ops.moving import moving_view
from ..ops.op import NUMPY_FUNCTIONS
from ..te.extent import Extent, is_open
from .noting import note_error
from .number import copied_number
from .open_results import is_around_loops
from .tracer import Tracer, mark_weak

FORMS: dict[Any, Callable[..., Any]] = {}
# What changes nothing in folds; None: the other extreme.
_UNCHANGED: dict[Any, Any] = {
    np.sum: 0, np.prod: 1, np.any: False, np.all: True, np.count_nonzero: 0,
    np.max: None, np.min: None, np.argmax: None, np.argmin: None,
}  # fmt: skip


def form_of(function: Any, args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """What computes ``function`` of an array whose length is open; None where there is none, or it
    is not needed."""
    if not args or not _has_open_length(args[0]):
        return None
    if function in _UNCHANGED and is_around_loops():
        return partial(_of_all, function)
    return FORMS.get(function)


def _has_open_length(value: Any) -> bool:
    return isinstance(value, Tracer) and is_open(value._seen[1].shape)


def number_of(extent: Extent, trace: Any) -> Any:
    """The length as a traced Python int."""
    return mark_weak(copied_number(Tracer(extent.length, trace)))


def sizes_of(value: Tracer) -> tuple[Any, ...]:
    """The shape with traced Python ints for lengths that are open."""
    trace, shape = value._trace, value._seen[1].shape
    return tuple(number_of(n, trace) if isinstance(n, Extent) else n for n in shape)


def check_places(value: Tracer, key: Any) -> None:
    """Let the call raise NumPy's IndexError where ``key`` names places of ``value`` by numbers
    that are known, and the data choose fewer elements."""
    parts = list(key) if isinstance(key, tuple) else [key]
    shape: tuple[Any, ...] = value._seen[1].shape
    if any(
        not (p is None or p is Ellipsis or isinstance(p, (int, np.integer, slice)) or _is_places(p))
        for p in parts
    ):
        return
    dots = next((n for n, p in enumerate(parts) if p is Ellipsis), None)
    if dots is not None:
        used = sum(p is not None for p in parts) - 1
        parts[dots : dots + 1] = [slice(None)] * (len(shape) - used)
    for axis, (part, extent) in enumerate(zip((p for p in parts if p is not None), shape)):
        if isinstance(part, slice) or not _is_chosen(extent):
            continue
        for place in {int(np.min(part)), int(np.max(part))}:
            short = np.less(number_of(extent, value._trace), place + 1 if place >= 0 else -place)
            text = f"index {place} is out of bounds for axis {axis} with size less than "
            note_error(short, IndexError(f"{text}{place + 1 if place >= 0 else -place}"))


def _is_places(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "iu" and part.size > 0


def _is_chosen(extent: Any) -> bool:
    """Whether data, and not the loops alone, decide a length."""
    return isinstance(extent, Extent) and bool(loads_of(extent.key))


def opened(whole: Any, shape: tuple[Any, ...]) -> Any:
    """The part of ``whole`` that an array of ``shape`` has."""
    if not is_open(shape):
        return whole
    return moving_view(whole, [], items=places_of(shape))


def held(x: Tracer) -> Any:
    """Where in all elements that there may be those of ``x`` are."""
    shape = x._seen[1].shape
    found: Any = True
    for d, extent in enumerate(shape):
        if isinstance(extent, Extent):
            places = np.arange(int(extent)).reshape((-1, *(1,) * (len(shape) - d - 1)))
            found = np.logical_and(found, np.less(places, Tracer(extent.length, x._trace)))
    return np.broadcast_to(found, tuple(map(int, shape)))


def _of_all(function: Any, x: Tracer, *args: Any, **options: Any) -> Any:
    """A fold outside of loops, where those of a known length are fast: of elements besides that
    change nothing."""
    if "where" in options or len(args) > 1:
        raise UnsupportedError(f"np.{function.__name__} of as much as the data say, with where=")
    fill = _UNCHANGED[function]
    if fill is None:
        fill = _least(x.dtype) if "max" in function.__name__ else _greatest(x.dtype, np.inf)
        if "initial" not in options:
            _check_some(function, x)
    return opened(function(closed(x, fill=fill), *args, **options), _left(x, args, options))


def _least(dtype: np.dtype[Any]) -> Any:
    return False if dtype.kind == "b" else np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _greatest(dtype: np.dtype[Any], of_floats: float = np.nan) -> Any:
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).max if dtype.kind in "iu" else of_floats


def _as_form(*functions: Any) -> Callable[[Any], Any]:
    def register(make: Callable[..., Any]) -> Any:
        for function in functions:
            FORMS[function] = make(function)
        return make

    return register


@_as_form(np.mean, np.var, np.std)
def _reduced(function: Any) -> Callable[..., Any]:
    def reduce(x: Tracer, *args: Any, **options: Any) -> Any:
        where = options.pop("where", True)
        mask = held(x)
        if where is not True:
            wide = np.logical_and(where, _filled(True, x, boolean))
            mask = np.logical_and(mask, closed(wide, fill=False))
        found = function(closed(x, fill=0), *args, where=mask, **options)
        return opened(found, _left(x, args, options))

    return reduce


def _left(x: Tracer, args: Sequence[Any], options: dict[str, Any]) -> tuple[Any, ...]:
    """The shape of what a reduction along the axis that ``args`` or ``options`` name gives."""
    shape = x._seen[1].shape
    gone = as_axes("axis", [*args, options.get("axis")][0], len(shape))
    if options.get("keepdims"):
        return tuple(1 if d in gone else n for d, n in enumerate(shape))
    return tuple(n for d, n in enumerate(shape) if d not in gone)


@_as_form(np.median, np.quantile, np.percentile)
def _middle(function: Any) -> Callable[..., Any]:
    ignoring = getattr(np, f"nan{function.__name__}")

    def middle(x: Tracer, *args: Any, **options: Any) -> Any:
        x = x if x.dtype.kind == "f" else x.astype(np.float64)
        axis = options.get("axis", (args[1:] if function is not np.median else args)[:1] or None)
        axis = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
        missing = np.any(np.isnan(x), axis=axis, keepdims=bool(options.get("keepdims")))
        found = ignoring(closed(x, fill=np.nan), *args, **options)
        places = args if function is np.median else args[1:]
        left = _left(x, places, options)
        more = found.shape[: found.ndim - len(left)]  # one for each of several quantiles
        found = np.where(missing, x.dtype.type(np.nan), opened(found, (*more, *left)))
        return found if found.shape else found[()]

    return middle


@_as_form(np.sort, np.cumsum, np.cumprod)
def _in_order(function: Any) -> Callable[..., Any]:
    fills = {np.cumsum: 0, np.cumprod: 1}

    def along(x: Tracer, axis: Any = -1 if function is np.sort else None, *args: Any,
              **options: Any) -> Any:  # fmt: skip
        shape = x._seen[1].shape
        if axis is None and len(shape) > 1:
            raise UnsupportedError(
                f"np.{function.__name__} of all elements of an array whose length is known only "
                f"when the loop runs; give an axis"
            )
        axis = 0 if axis is None else axis
        whole = closed(x, fill=fills.get(function, _greatest(x.dtype)))
        return opened(function(whole, axis, *args, **options), shape)

    return along


@_as_form(np.argsort)
def _ordered(function: Any) -> Callable[..., Any]:
    def order(x: Tracer, axis: Any = -1, kind: Any = None, **options: Any) -> Any:
        shape = x._seen[1].shape
        axis = 0 if axis is None and len(shape) == 1 else axis
        whole = closed(x, fill=_greatest(x.dtype))
        return opened(function(whole, axis, "stable", **options), shape)

    return order


def _check_some(function: Any, x: Tracer) -> None:
    """Let the call raise NumPy's ValueError where the data choose no element for an extreme."""
    name = {np.max: "maximum", np.min: "minimum"}.get(function)
    text = f"zero-size array to reduction operation {name} which has no identity"
    if name is None:
        text = f"attempt to get {function.__name__} of an empty sequence"
    sizes: tuple[Any, ...] = x._seen[1].shape
    for extent in sizes:
        if _is_chosen(extent):
            note_error(np.equal(number_of(extent, x._trace), 0), ValueError(text))


@_as_form(np.max, np.min, np.argmax, np.argmin)
def _extreme(function: Any) -> Callable[..., Any]:
    def extreme(x: Tracer, *args: Any, **options: Any) -> Any:
        if "initial" not in options:
            _check_some(function, x)
        return NUMPY_FUNCTIONS[function](x, *args, **options)

    return extreme


@_as_form(np.zeros_like, np.ones_like, np.empty_like)
def _like(function: Any) -> Callable[..., Any]:
    fill = int(function is np.ones_like)

    def like(x: Tracer, dtype: Any = None, **_: Any) -> Any:
        return _filled(fill, x, x.dtype if dtype is None else dtype)

    return like


def _filled(value: Any, x: Tracer, dtype: Any) -> Any:
    from ..ops.create import filled

    return filled(value, shape=x._seen[1].shape, dtype=dtype)
