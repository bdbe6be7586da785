"""Arrays that a traced function makes itself, ``np.zeros(n)``: known, until traced values come in.

While every element is known such an array is a NumPy array behind a traced face, and NumPy does
the work: it may decide shapes, indices and branches. The first write of a traced value turns it,
with all its views, into a traced array.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError
from ..ops.op import CURRENT, is_held, leaves_of
from .storage import READ_ONLY, Cell, blank

Array = np.ndarray[Any, Any]
_UNTRACED_VIEW = (
    "this array and another one share their elements by a function whose views are not traced, so "
    "neither can be written to; take the view by indexing, reshape or transpose, or make a .copy()"
)
_CHANGING = frozenset({"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis"})


def known(value: Any) -> Any:
    """The NumPy array behind a traced face, if its elements are known; else ``value``."""
    found = getattr(type(value), "__mlc_known__", None)
    if found is None:
        return value
    array = found(value)
    return value if array is None else array


def all_known(values: Any) -> bool:
    """Whether no element of ``values``, nested lists included, is traced."""
    for leaf in leaves_of(values):
        if isinstance(leaf, dict):
            if not all_known(list(leaf.values())):
                return False
        elif isinstance(leaf, slice):
            if not all_known([leaf.start, leaf.stop, leaf.step]):
                return False
        elif is_held(leaf) or hasattr(type(leaf), "__mlc_lift__") and known(leaf) is leaf:
            return False
    return True


def is_plain_call(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call holds known arrays with a traced face, and nothing that is traced."""
    values = [*args, *kwargs.values()]
    return any(hasattr(type(leaf), "__mlc_known__") for leaf in leaves_of(values)) and all_known(
        values
    )


def plain(value: Any) -> Any:
    """``value`` with NumPy arrays in place of known ones."""
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    if isinstance(value, slice):
        return slice(plain(value.start), plain(value.stop), plain(value.step))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return known(value)


def wrapped(result: Any, arguments: Any = (), fill: Any = None) -> Any:
    """What NumPy returned, arrays as traced faces of their own; all else as it is.

    A view of one of ``arguments``, by a way that is not followed, is a copy: neither can be written
    to from then on."""
    from .tracer import Tracer

    if _is_several(result):
        parts = [wrapped(item, arguments) for item in result]
        return result._make(parts) if hasattr(result, "_make") else type(result)(parts)
    trace: Any = CURRENT.get()
    if type(result) is not np.ndarray or trace is None:
        return result
    is_complex = result.dtype.char in "FD"
    try:
        stands = blank(result.real if is_complex else result)
    except DTypeError:
        return result
    owners = [leaf for leaf in leaves_of(arguments) if _may_share(known(leaf), result)]
    if owners:
        owners = owners if result.flags.writeable and result.size else []
        result = result.copy()
    made: Any
    if is_complex:
        from .complex.value import from_known

        made = from_known(result, fill)
    else:
        made = Tracer(stands, trace)
        made._cell = Cell(stands, None, result, fill)
        made._seen = -1, made._seen[1]
    if owners:
        _freeze([made, *owners], _UNTRACED_VIEW)
    return made


def _is_several(value: Any) -> bool:
    return type(value) in (list, tuple) or isinstance(value, tuple) and hasattr(value, "_make")


def _freeze(values: Any, why: str) -> None:
    """From now on ``values`` cannot be written to."""
    for value in values:
        if hasattr(type(value), "__mlc_known__"):
            for part in getattr(value, "_parts", (value,)):
                part._cell.frozen = why


def made_of_constants(result: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What NumPy made of constants while a function is traced: new arrays with a traced face, to
    which traced values may be written. Views of what was there before stay as they are."""
    if CURRENT.get() is None:
        return result
    if _is_several(result):
        parts = [made_of_constants(part, args, kwargs) for part in result]
        return result._make(parts) if hasattr(result, "_make") else type(result)(parts)
    if type(result) is not np.ndarray:
        return result
    given = leaves_of([*args, *kwargs.values()])
    if any(leaf is result or _may_share(leaf, result) for leaf in given):
        return result
    made = wrapped(result)
    if not result.flags.writeable:
        _freeze([made], READ_ONLY)
    return made


def _may_share(value: Any, array: Array) -> bool:
    return isinstance(value, np.ndarray) and np.may_share_memory(value, array)


def is_complex_call(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether a call holds complex numbers or arrays, or asks for a complex dtype."""
    for leaf in leaves_of([*args, *kwargs.values()] if kwargs else args):
        if isinstance(leaf, complex):
            return True
        if isinstance(leaf, type):
            if leaf is complex or issubclass(leaf, np.complexfloating):
                return True
        elif isinstance(leaf, (float, int)):
            continue
        elif getattr(leaf if isinstance(leaf, np.dtype) else getattr(leaf, "dtype", None),
                     "kind", "") == "c":  # fmt: skip
            return True
    dtype = kwargs.get("dtype")
    return isinstance(dtype, str) and np.dtype(dtype).kind == "c"


def call_plainly(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """A NumPy function of known arrays, by NumPy itself; arrays named in ``out`` are written."""
    places = kwargs.get("out")
    out = places if isinstance(places, tuple) else (places,)
    given, options = plain(args), plain(kwargs)
    result = function(*given, **options)
    name = getattr(function, "__name__", "")
    changed = [args[0]] if name in _CHANGING | {"at", "nan_to_num"} else []
    for place in (*out, *changed):
        if hasattr(type(place), "__mlc_known__"):
            for part in getattr(place, "_parts", (place,)):
                part._cell.touch()
    if places is not None:
        return places if isinstance(places, tuple) and len(places) > 1 else out[0]
    return wrapped(result, [*args, *kwargs.values()])


@functools.cache
def are_rows_numbers() -> bool:
    """Whether NumPy takes an array of one element for a number: up to 2.3 it does, and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            float(np.ones(1))
        except TypeError:
            return False
    return True
