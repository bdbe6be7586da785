"""What NumPy asks of ``out=`` and ``where=``: arrays that fit what is put into them, and masks."""

from __future__ import annotations

import inspect
import operator
import sys
from functools import cache
from typing import Any

import numpy as np

from ..errors import (
    ArgumentError,
    DTypeError,
    OutsideArrayError,
    ShapeError,
    UnsupportedError,
)
from .shapeless import as_array
from .writing import has_traced, write_result

# Their results are broadcast to the array that they are put into, as those of a ufunc are.
STRETCHED: frozenset[Any] = frozenset({
    np.clip, np.fix, np.isposinf, np.isneginf, np.outer, np.quantile, np.percentile,
    np.nanquantile, np.nanpercentile, np.nanmedian,
})  # fmt: skip
REDUCED_BY: dict[Any, np.ufunc] = {
    np.sum: np.add, np.nansum: np.add, np.cumsum: np.add, np.nancumsum: np.add,
    np.prod: np.multiply, np.nanprod: np.multiply, np.cumprod: np.multiply,
    np.nancumprod: np.multiply, np.max: np.maximum, np.min: np.minimum, np.nanmax: np.fmax,
    np.nanmin: np.fmin,
}  # fmt: skip
_UFUNC_LIKE = frozenset({np.clip, np.fix})  # which take out=(a,), too
_JOINING = frozenset({np.concatenate, np.stack})
_CAST = _JOINING | {np.clip}  # which have a casting=
_NUMBER_OF_PLACES = frozenset({np.argmax, np.argmin, np.nanargmax, np.nanargmin})


@cache
def _place_of_out(function: Any) -> int:
    try:  # what comes after *operands, as in np.einsum, is given by keyword alone
        taken = inspect.signature(function).parameters.values()
        return [p.name for p in taken if p.kind is not p.KEYWORD_ONLY].index("out")
    except (TypeError, ValueError):  # some of NumPy's are written in C, and up to 2.3 say nothing
        return 2 if function in (np.dot, np.concatenate) else sys.maxsize


def with_named_out(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call with ``out`` by keyword, where it is given by place."""
    if len(args) < 2:  # it never comes first
        return args, kwargs
    place = _place_of_out(function)
    if len(args) <= place:
        return args, kwargs
    names: list[str] = []
    if len(args) > place + 1:
        names = [*inspect.signature(function).parameters][place + 1 : len(args)]
    rest = dict(zip(names, args[place + 1 :]))
    return args[:place], {"out": args[place], **rest, **kwargs}


def einsum_dtype(args: tuple[Any, ...], options: dict[str, Any], place: Any) -> dict[str, Any]:
    """The options of np.einsum into ``place``, which computes in what holds the operands and
    that."""
    if options.get("dtype") is not None or not isinstance(args[0], str):
        return options
    held = np.dtype(place.dtype)
    held = np.empty(0, held).real.dtype if held.kind == "c" else held
    found = np.result_type(*(np.asarray(a).dtype if isinstance(a, (bool, int, float)) else a.dtype
                             for a in args[1:]), held)  # fmt: skip
    if not np.can_cast(found, place.dtype, options.get("casting", "safe")):
        raise DTypeError(
            f"np.einsum computes in {found} here, what holds its operands and out={held}, and puts "
            f"that into no array of {held}; give out= the dtype {found}, or casting='unsafe'"
        )
    return {**options, "dtype": found}


def args_by_name(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call of a reduction with all but its array by keyword."""
    if function not in REDUCED_BY and function is not np.mean:
        return args, dict(kwargs)
    names = [*inspect.signature(function).parameters][1 : len(args)]
    return args[:1], {**dict(zip(names, args[1:])), **kwargs}


def one_place(function: Any, name: str, out: Any) -> Any:
    """The array of ``out=``; ArgumentError for a tuple where NumPy takes none."""
    if not isinstance(out, tuple):
        return out
    if function not in _UFUNC_LIKE or len(out) != 1:
        raise ArgumentError(f"{name}: out must be an array, got a tuple of {len(out)}")
    return out[0]


def check_room(function: Any, name: str, place: Any, result: Any) -> None:
    """ShapeError or DTypeError where NumPy does not put ``result`` of ``function`` into an array
    like ``place``."""
    shape = np.shape(result)
    if function not in STRETCHED and place.shape != shape:
        raise ShapeError(f"{name}: out has shape {place.shape}, and the result has {shape}")
    dtype = getattr(result, "dtype", None)
    if function in _NUMBER_OF_PLACES and not np.can_cast(place.dtype, np.intp, "safe"):
        raise DTypeError(f"{name}: out must be an array of int64, got {place.dtype}")
    if function is np.dot and dtype is not None and place.dtype != dtype:
        raise ShapeError(f"{name}: out must be an array of {dtype}, got {place.dtype}")


def mean_into(place: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """np.mean as NumPy puts it into an array: the sum, which is divided there."""
    from .dispatch import call_function

    given = inspect.signature(np.mean).bind(*args, **options).arguments
    array, dtype = as_array(given.pop("a")), given.pop("dtype", None)
    if dtype is None and array.dtype.kind in "biu":
        dtype = np.float64
    elif dtype is None:
        is_half = array.dtype == np.float16
        dtype = np.float32 if is_half else _loop(np.add, place.dtype, array.dtype)
    total = call_function(np.sum, (array,), {**given, "dtype": dtype})
    check_room(np.mean, "np.mean", place, total)
    write_result("np.mean", place, total, "same_kind")
    where = given.pop("where", True)
    count = np.int64(array.size // max(total.size, 1))
    if where is not True:
        count = call_function(np.sum, (np.broadcast_to(where, array.shape),), given)
    return write_result("np.mean", place, np.true_divide(place, count), "unsafe")


def round_into(place: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """np.round as NumPy puts it into an array: scaled there, rounded there, scaled back there."""
    from ..ops.elementwise import power_of_ten
    from .dispatch import call_function
    from .ufuncs import call_ufunc

    given = inspect.signature(np.round).bind(*args, **options).arguments
    array, decimals = as_array(given["a"]), operator.index(given.get("decimals", 0))
    if array.dtype.kind != "f" and (decimals >= 0 or array.dtype.kind not in "iu"):
        result = call_function(np.round, (array, decimals), {})
        check_room(np.round, "np.round", place, result)
        return write_result("np.round", place, result, "same_kind")
    check_room(np.round, "np.round", place, array)
    if not decimals:
        return call_ufunc(np.rint, "__call__", (array,), {"out": (place,)})
    steps = (np.multiply, np.true_divide) if decimals > 0 else (np.true_divide, np.multiply)
    scale = power_of_ten(abs(decimals))
    call_ufunc(steps[0], "__call__", (array, scale), {"out": (place,)})
    call_ufunc(np.rint, "__call__", (place,), {"out": (place,)})
    return call_ufunc(steps[1], "__call__", (place, scale), {"out": (place,)})


def casting_of(function: Any, options: dict[str, Any]) -> Any:
    """The rule by which a result of ``function`` is cast to the dtype of ``out=``."""
    return options.get("casting", "same_kind") if function in _CAST else "same_kind"


def is_joined(
    function: Any, place: Any, args: tuple[Any, ...], options: dict[str, Any], write: Any
) -> bool:
    """Puts a result of np.concatenate or np.stack into an array where parts of it lie, as NumPy
    does: one part after the other, each read as those before it have left it. False, and nothing
    is done, where no part lies there. ``write(place, value)`` puts a part into its place."""
    if function not in _JOINING:
        return False
    given = dict(zip(("arrays", "axis"), args))
    parts, axis = (given.get(key, options.get(key, 0)) for key in ("arrays", "axis"))
    if not any(_lies_in(place, part) for part in parts):
        return False
    start, is_flat = 0, axis is None
    axis = 0 if is_flat else operator.index(axis) % place.ndim
    for part in parts:
        part = np.expand_dims(part, axis) if function is np.stack else as_array(part)
        part = np.ravel(part) if is_flat else part
        end = start + part.shape[axis]
        index = (*[slice(None)] * axis, slice(start, end))
        write(place[index], part)
        start = end
    return True


def _lies_in(place: Any, part: Any) -> bool:
    """Whether the two may share elements; arguments that are written share none with others."""
    from .flags import may_share_memory

    try:
        return has_traced((part,)) and may_share_memory(place, part)
    except UnsupportedError:
        return False


def computed_for(
    ufunc: np.ufunc | None, args: tuple[Any, ...], options: dict[str, Any], place: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call of a reduction by ``ufunc`` in the dtype that its elements and ``place`` have in
    common: NumPy begins with the array that the result is put into."""
    if ufunc is None or options.get("dtype") is not None:
        return args, options
    array = as_array(args[0])
    loop = _loop(ufunc, place.dtype, array.dtype)
    if ufunc in (np.add, np.multiply):
        return args, {**options, "dtype": loop}
    return (array if array.dtype == loop else array.astype(loop), *args[1:]), options


def _loop(ufunc: np.ufunc, place: np.dtype[Any], given: np.dtype[Any]) -> np.dtype[Any]:
    try:
        asked = (place, given, None)
        found: np.dtype[Any] = ufunc.resolve_dtypes(asked, casting="unsafe", reduction=True)[0]
    except TypeError as error:
        raise DTypeError(f"np.{ufunc.__name__} into an array of {place}: {error}") from None
    return found


def as_mask(name: str, where: Any) -> Any:
    """``where`` as the mask that NumPy makes of it: arrays have to be of bools already, and in
    lists and numbers whatever is not 0 holds."""
    if where is True:
        return where
    dtype = getattr(where, "dtype", None)
    if dtype is not None:
        if dtype != np.dtype(bool) and not getattr(where, "_is_weak", False):
            raise DTypeError(
                f"{name}: where= must be an array of bools, got {dtype}; write where=mask != 0"
            )
        return where
    if isinstance(where, (list, tuple)):
        return where if has_traced(where) else np.asarray(where, bool)
    return bool(where)


def check_places(name: str, places: tuple[Any, ...]) -> None:
    for place in places:
        if place is not None and not hasattr(type(place), "__mlc_lift__"):
            raise _no_out(name)


def _no_out(name: str) -> OutsideArrayError:
    return OutsideArrayError(
        f"{name} with out= (or an operator like += on a NumPy array) would write traced values "
        f"into "
        f"a NumPy array that was not made in the function; pass it as an argument, or write "
        f"x = x + y"
    )
