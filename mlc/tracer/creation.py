"""NumPy as a traced function sees it: what makes arrays gives them a traced face.

Python offers no hook for ``np.zeros(n)`` and its like, which get no traced argument. So while a
function is being traced, the modules that it and the functions it calls were written in see a
stand-in for NumPy. It does nothing unless a function is being traced in the same thread.
"""

from __future__ import annotations

import functools
import operator
import os
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..forks import free_after_fork
from ..ops.moving import range_bounds
from ..ops.op import CURRENT
from .concrete import all_known, plain, wrapped
from .drawing import random_form
from .grown import is_arrays
from .lists import KINDS, making, taking_lists
from .memory_order import copied_in, is_as_asked
from .not_handed_over import INSTEAD
from .open_makers import made_open

_UNIFORM: dict[str, Any] = {
    "zeros": 0, "empty": 0, "ones": 1, "zeros_like": 0, "empty_like": 0, "ones_like": 1,
}  # fmt: skip
_SIZED = {  # of their first arguments
    "zeros": 1, "ones": 1, "empty": 1, "eye": 3, "identity": 1, "tri": 3, "hanning": 1,
    "hamming": 1, "blackman": 1, "bartlett": 1,
}  # fmt: skip
_SIZES = ("shape", "N", "M", "k", "n", "num")
_ORDERS = {"ascontiguousarray": "C", "asfortranarray": "F"}
_NO_COPY = "Unable to avoid copy while creating an array as requested."
_UNEVEN = (
    "an array is made of a list that data decide about, whose items are no numbers, arrays of one "
    "shape, or tuples of such that are alike; put what differs into lists of its own"
)
_CONVERT = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "copy")
_MAKERS = (
    *_UNIFORM, *_CONVERT, "full", "full_like", "arange", "linspace", "eye", "identity", "tri",
    "hanning", "hamming", "blackman", "bartlett",
)  # fmt: skip
# Some of them NumPy loads when they are wanted: 10 ms that most programs need not wait for.
_PARTS = ("numpy.linalg", "numpy.fft", "numpy.random")
_PLAIN = (types.FunctionType, types.BuiltinFunctionType)  # functions that hand no call over
_lock = threading.Lock()
free_after_fork(sys.modules[__name__])
_active: dict[tuple[int, Any], list[Any]] = {}  # (mapping, key) -> [mapping, original, count]


class _StandIn(types.ModuleType):
    """NumPy, except for the functions that make arrays or take lists, and the array type."""

    def __getattr__(self, name: str) -> Any:
        if self.__name__ == "numpy":
            value = _instead(name, getattr(np, name))
        else:
            value = _part(getattr(sys.modules[self.__name__], name))
            if self.__name__ == "numpy.random" and not isinstance(value, type):
                value = random_form(getattr(sys.modules[self.__name__], name)) or value
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        return dir(sys.modules[self.__name__])


def _instead(name: str, value: Any) -> Any:
    """What takes the place of ``np.<name>``."""
    if name in _MAKERS:
        return _maker(name)
    if name in INSTEAD:
        return INSTEAD[name]
    return AnyArray if value is np.ndarray else _part(value)


def _part(value: Any) -> Any:
    if isinstance(value, KINDS):
        return taking_lists(value)
    if isinstance(value, _PLAIN):
        return making(value)
    name = getattr(value, "__name__", "") if isinstance(value, types.ModuleType) else ""
    return _module(name) if name in _PARTS else value


class _ArrayType(type):
    """``isinstance(x, np.ndarray)`` holds for traced arrays too."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, np.ndarray) or hasattr(type(value), "__mlc_lift__")

    def __getattr__(cls, name: str) -> Any:
        return getattr(np.ndarray, name)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is np.ndarray

    def __hash__(cls) -> int:
        return hash(np.ndarray)

    def __repr__(cls) -> str:
        return repr(np.ndarray)


class AnyArray(metaclass=_ArrayType):
    """What takes the place of ``np.ndarray``."""

    __module__, __qualname__ = np.ndarray.__module__, np.ndarray.__qualname__

    def __new__(cls, shape: Any, dtype: Any = float, *rest: Any, **options: Any) -> Any:
        if CURRENT.get() is None or rest or options:
            return np.ndarray(shape, dtype, *rest, **options)
        return make("empty", (shape, dtype), {})


AnyArray.__name__ = np.ndarray.__name__


@functools.cache
def _module(name: str) -> types.ModuleType:
    return _StandIn(name)


@functools.cache
def _maker(name: str) -> Any:
    original = getattr(np, name)

    @functools.wraps(original)
    def create(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is None:
            return original(*args, **kwargs)
        return make(name, args, kwargs)

    return create


def _parts_of_numpy() -> dict[int, Any]:
    """All that NumPy and those of its parts that are loaded hold, by id."""
    return _parts_with(tuple(name for name in _PARTS if name[len("numpy.") :] in vars(np)))


@functools.cache
def _parts_with(parts: tuple[str, ...]) -> dict[int, Any]:
    modules = [sys.modules[name] for name in ("numpy", *parts)]
    found = {id(value): value for module in modules for value in vars(module).values()}
    return found | {id(module): module for module in modules}


_found: dict[int, Any] = {}  # stand-ins that were asked for, by the id of what they take the place


def _stand_in(value: Any) -> Any:
    """What takes the place of ``value``, a part of NumPy; None where it does itself."""
    if id(value) not in _found:
        _found[id(value)] = _new_stand_in(value)
    return _found[id(value)]


def _new_stand_in(value: Any) -> Any:
    if isinstance(value, types.ModuleType):
        return _module(value.__name__) if value.__name__ in ("numpy", *_PARTS) else None
    if value is np.ndarray:
        return AnyArray
    for name in (*INSTEAD, *_MAKERS):
        if getattr(np, name) is value:
            return _instead(name, value)
    is_public = isinstance(value, _PLAIN) and any(
        v is value and not name.startswith("_")
        for module in ("numpy", *_PARTS)
        for name, v in vars(sys.modules.get(module, np)).items()
    )
    return _part(value) if is_public or isinstance(value, KINDS) else None


def stand_in(value: Any) -> Any:
    """What a traced function gets that imports ``value`` itself: NumPy, or a part of it."""
    if CURRENT.get() is None or id(value) not in _parts_of_numpy():
        return value
    made = _stand_in(value)
    return value if made is None else made


@contextmanager
def standing_in(spaces: Iterable[Any]) -> Iterator[None]:
    """While the block runs, NumPy in ``spaces`` (globals of modules, closure cells) is the
    stand-in."""
    swapped = []
    parts = _parts_of_numpy()
    with _lock:
        for space in spaces:
            cell = isinstance(space, types.CellType)
            for key, value in _contents(space):
                entry = _active.get((id(space), key))
                if entry is not None:
                    entry[2] += 1
                elif id(value) in parts and (made := _stand_in(value)) is not None:
                    _active[id(space), key] = [space, value, 1]
                    _put(space, key, made)
                else:
                    continue
                swapped.append((id(space), None if cell else key))
    try:
        yield
    finally:
        with _lock:
            for place in swapped:
                entry = _active[place]
                entry[2] -= 1
                if not entry[2]:
                    del _active[place]
                    if dict(_contents(entry[0])).get(place[1]) is _stand_in(entry[1]):
                        _put(entry[0], place[1], entry[1])


def _end_others() -> None:
    """A forked child has none of the other threads, whose blocks would never end."""
    if CURRENT.get() is None:
        for (_, key), (space, value, _) in _active.items():
            _put(space, key, value)
        _active.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_others)


def _contents(space: Any) -> list[tuple[Any, Any]]:
    if not isinstance(space, types.CellType):
        return list(space.items())
    try:
        return [(None, space.cell_contents)]
    except ValueError:  # not bound yet
        return []


def _put(space: Any, key: Any, value: Any) -> None:
    if isinstance(space, types.CellType):
        space.cell_contents = value
    else:
        space[key] = value


def make(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a traced function gets for ``np.<name>(*args, **kwargs)``."""
    original = getattr(np, name)
    if hasattr(type(kwargs.get("like")), "__array_function__"):  # of our kind, as all are here
        kwargs = {key: value for key, value in kwargs.items() if key != "like"}
    if name in _CONVERT and args and not all_known([args[0]]):
        return _converted(name, *args, **kwargs)
    if name == "full" and not all_known([*args, *kwargs.values()]):
        return _filled(*args, **kwargs)
    if not all_known([*args, *kwargs.values()]):
        if name == "arange":
            return arange_of(*args, **kwargs)
        if (found := made_open(name, args, kwargs)) is not NotImplemented:
            return found
        if name in _UNIFORM and (room := _room_of(args[0] if args else kwargs.get("shape"))):
            rest = {key: value for key, value in kwargs.items() if key != "shape"}
            sizes, part = room
            return make(name, (sizes, *args[1:]), rest)[part]
        if name in _SIZED:
            args = tuple(
                _sizes(value) if n < _SIZED[name] else value for n, value in enumerate(args)
            )
        kwargs = {k: _sizes(v) if k in _SIZES else v for k, v in kwargs.items()}
        if not all_known([*args, *kwargs.values()]):
            return original(*args, **kwargs)
    given = plain(args)
    result = original(*given, **plain(kwargs))
    if name in _CONVERT and given and result is given[0]:
        return args[0]
    if name in _ORDERS and given and _shares(given[0], result):  # of no axes: a view of one
        return args[0].reshape(1)
    fill = _UNIFORM.get(name)
    if name == "full" and len(args) > 1 and isinstance(args[1], (int, float)):
        fill = args[1]
    return wrapped(result, (), fill)


def _shares(given: Any, made: Any) -> bool:
    return isinstance(given, np.ndarray) and np.may_share_memory(given, made)


def arange_of(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, **_: Any) -> Any:
    """``np.arange`` of which data decide the ends: how many numbers there are must be known, unless
    they are whole numbers between the ends of a native loop."""
    if stop is None:
        start, stop = 0, start
    if type(step) is int and step == 1 and (within := range_bounds(start, stop)) is not None:
        least, most, is_sure = within
        last = stop - least
        found = wrapped(np.arange(least, most))[
            start - least : last if is_sure else np.maximum(last, 0)
        ]
        return found if dtype is None else found.astype(dtype)
    kinds = [_sample(value) for value in (start, stop, 1 if step is None else step)]
    own = np.dtype(np.arange(*kinds).dtype if dtype is None else dtype)
    step = 1 if step is None else step
    count: Any = np.maximum(np.ceil(np.true_divide(stop - start, step)), 0).astype("int64")
    size = operator.index(count)
    first, following = (
        value.astype(own) if hasattr(value, "astype") else own.type(value)
        for value in (start, start + step)
    )
    return first + np.arange(size, dtype=own) * (following - first)


def _sample(value: Any) -> Any:
    """A number of the kind of ``value``."""
    if not hasattr(type(value), "__mlc_lift__") or all_known([value]):
        return plain(value)
    number = value.dtype.type(1)
    return number.item() if value._is_weak else number


def _sizes(value: Any) -> Any:
    """``value``, one size or several, with numbers in place of traced ones: those that the data
    choose; ArgumentError where they can choose none."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_sizes, value))
    if not hasattr(type(value), "__mlc_lift__") or all_known([value]):
        return value
    return tuple(map(operator.index, value)) if value.shape else operator.index(value)


def _room_of(shape: Any) -> tuple[tuple[int, ...], tuple[slice, ...]] | None:
    """In native loops, what an array of ``shape`` has at most along each axis, and the part of that
    which it has; None elsewhere, or where a size has no bound."""
    sizes, part = [], []
    for size in shape if isinstance(shape, (list, tuple)) else (shape,):
        if all_known([size]):
            sizes.append(operator.index(plain(size)))
            part.append(slice(None))
            continue
        bounds = range_bounds(0, size)
        if bounds is None:
            return None
        sizes.append(bounds[1])
        part.append(slice(0, size if bounds[2] else np.maximum(size, 0)))
    return (tuple(sizes), tuple(part)) if sizes else None


def _filled(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
    """``np.full`` of a traced value, or of a traced size."""
    from .writing import each_as

    room = None if all_known([shape]) else _room_of(shape)
    if room is not None:
        return make("full", (room[0], fill_value), {"dtype": dtype, **options})[room[1]]
    shape = _sizes(shape)
    if not hasattr(type(fill_value), "__mlc_lift__"):
        return np.full(shape, fill_value, dtype, **options)
    if dtype is not None:
        fill_value = each_as(fill_value, np.dtype(dtype))
    whole = _converted("array", np.broadcast_to(fill_value, shape))
    return whole if dtype is None else whole.astype(dtype)


def _converted(name: str, value: Any, dtype: Any = None, *rest: Any, **options: Any) -> Any:
    """``np.array`` and its like of a traced value, or of a list that holds some."""
    order = _ORDERS.get(name) or options.get("order")
    copy = options.get("copy", True if name in ("array", "copy") else None)
    if isinstance(copy, np._CopyMode):
        copy = None if copy is np._CopyMode.IF_NEEDED else bool(copy)
    if name == "copy":  # its second parameter is the order
        order, dtype = dtype or order, None
    elif rest:
        order = rest[0]
    if order is not None and str(order).upper() not in ("C", "F", "A", "K"):
        raise ValueError(f"order must be one of 'C', 'F', 'A', or 'K' (got {order!r})")
    order = None if order is None else order.upper()
    value = _whole(name, value, dtype, order, copy)
    missing = options.get("ndmin", 0) - value.ndim
    if missing > 0:
        return value.reshape((*(1,) * missing, *value.shape))
    if name in ("ascontiguousarray", "asfortranarray") and not value.shape:
        return value.reshape(1)
    return value


def _whole(name: str, value: Any, dtype: Any, order: str | None, copy: bool | None) -> Any:
    """``value`` as an array of ``dtype`` in this order, a copy if asked for or needed."""
    from .masked import solid
    from .operators import from_sequence
    from .writing import each_as

    value = solid(value)
    if not hasattr(type(value), "__mlc_known__"):
        value = value if dtype is None else each_as(value, np.dtype(dtype))
        value = value.array() if is_arrays(value) else from_sequence(value)
        if value is None:
            raise UnsupportedError(_UNEVEN)
        return value if dtype is None or value.dtype == np.dtype(dtype) else value.astype(dtype)
    if dtype is not None and value.dtype != np.dtype(dtype):
        if copy is False:
            raise ValueError(_NO_COPY)
        value = value.astype(dtype, order=order or "K")
    elif copy or value._is_weak:
        value = copied_in(order or "K", value._detached(), value)
    elif order != "A" and not is_as_asked(value, order):  # "A" is any: not so of x.astype
        if copy is False:
            raise ValueError(_NO_COPY)
        value = copied_in(str(order), value._detached(), value)
    if hasattr(type(value), "_is_scalar") and value._is_scalar():
        value = value._detached()
        for part in getattr(value, "_parts", (value,)):
            part._cell.is_array = True
    return value
