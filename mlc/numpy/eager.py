"""NumPy's functions on plain arrays: compiled once for each layout of a call, then run.

A call is split in two: the arrays (and Python numbers that take part in the arithmetic), which are
traced, and the rest, which is compiled in. For each rest there is one jitted function of the arrays
(`mlc.jit` compiles it for each dtype and shape), found in a dictionary.

NumPy itself answers, and its result is the result, for

* what makes no new numbers: views (``reshape``), questions (``shape``, ``result_type``), and arrays
  made from numbers alone (``zeros``, ``linspace``),
* sizes that depend on the data (``unique``, ``nonzero``), and functions without an operator here,
* dtypes that are not compiled (strings, objects, dates) and subclasses of ndarray,
* arguments that tracing refuses: then the result, or the error, is NumPy's.

`fallbacks` tells which calls those were, and why.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import (
    ArgumentError,
    BoundsError,
    CompileError,
    DTypeError,
    MlcError,
    ShapeError,
    TracerBoolError,
    UnsupportedError,
)
from ..jit import jit
from ..ops.op import NUMPY_FUNCTIONS as _FUNCTIONS
from ..ops.op import Op, frozen_key, leaves_of
from ..tracer import implementations
from ..tracer.trace import as_array

_LIMIT = 256  # layouts kept for one function
REFUSALS = (
    ArgumentError, BoundsError, DTypeError, ShapeError, TracerBoolError, UnsupportedError,
    TypeError, ValueError, IndexError,
)  # fmt: skip
COMPILED = frozenset(np.dtype(code) for code in "?bBhHiIlLqQefdFD")
_WEAK_LOW, _WEAK_HIGH = 0, 127  # Python integers that every integer dtype holds
_ARRAY, _SEQUENCE = "array", "sequence"
# Parameters whose lists and numbers are data; all others of a composite are settings.
_DATA = frozenset((
    "a", "x", "x1", "x2", "y", "A", "b", "c", "m", "v", "ap", "fp", "xp", "M", "B", "arr",
    "arrays", "ary", "array", "tup", "condition", "choicelist", "condlist", "values",
    "indices", "weights", "start", "stop", "a_min", "a_max", "min", "max", "element",
    "test_elements", "bins", "q", "choices", "object", "p", "signal", "kernel", "ar1", "ar2",
    "fill_value", "where", "to_begin", "to_end", "keys", "prepend", "append",
))  # fmt: skip
_SETTINGS = frozenset((
    "axis", "axes", "shape", "newshape", "repeats", "reps", "shift", "k", "num", "n",
    "pad_width",
))  # fmt: skip
# Functions besides the ufuncs that promote a traced number as Python's, weakly.
_TRACE_NUMBERS = frozenset(("np.where", "np.clip"))
_SEQUENCES = frozenset(("arrays", "tup", "choicelist", "condlist", "choices", "arys", "keys"))
_NUMPY_ONLY = frozenset((
    "shape", "ndim", "size", "result_type", "can_cast", "promote_types", "finfo", "iinfo",
    "isscalar", "issubdtype", "isdtype", "broadcast_shapes", "iscomplexobj", "isrealobj",
    "copy", "array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray",
    "empty_like", "zeros", "zeros_like", "ones", "ones_like", "full", "full_like", "empty",
    "arange", "eye", "identity", "tri", "linspace", "logspace", "geomspace", "meshgrid",
    "from_dlpack", "indices", "fromfunction", "shares_memory", "may_share_memory", "unstack",
))  # fmt: skip
# Without size=, how large their results are depends on the data.
DATA_SIZED = frozenset((
    "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "nonzero",
    "flatnonzero", "argwhere", "union1d", "intersect1d", "setdiff1d", "setxor1d", "extract",
    "compress", "trim_zeros", "delete",
))  # fmt: skip
_fallbacks: collections.Counter[tuple[str, str]] = collections.Counter()


def fallbacks() -> dict[tuple[str, str], int]:
    """How often NumPy itself answered a call outside of jitted functions, by function and reason.

    Counted since the start, or since `forget_fallbacks` was called.
    """
    return dict(_fallbacks)


def forget_fallbacks() -> None:
    """Start counting anew; see `fallbacks`."""
    _fallbacks.clear()


class _Layout:
    """A call without its arrays: called with them, it traces the whole call."""

    __slots__ = ("__name__", "args", "call", "kwargs")

    def __init__(
        self, name: str, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.__name__ = name
        self.call = call
        self.args = args
        self.kwargs = kwargs

    def __call__(self, *arrays: Any) -> Any:
        given = iter(arrays)

        def put(value: Any) -> Any:
            if value is _Slot:
                return next(given)
            if isinstance(value, _Slots):
                return [next(given) for _ in range(value.count)]
            return value

        args = tuple(put(value) for value in self.args)
        kwargs = {key: put(value) for key, value in self.kwargs.items()}
        return self.call(args, kwargs)


class _Slot:
    """The place of one array in a layout."""


class _Slots:
    """The place of a list of arrays in a layout."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class _Refused(Exception):
    """A call that cannot be compiled, before anything was tried; the reason is its argument."""


class Eager:
    """One function of NumPy outside of jitted functions.

    ``source`` is NumPy's function, ``call(args, kwargs)`` its meaning for traced values.
    ``names`` are the parameters in order, as far as they are known; those in ``data`` hold arrays
    or, with ``traces_numbers``, Python numbers that are traced; other numbers are compiled in.
    """

    __slots__ = (
        "call", "data", "is_ufunc", "layouts", "name", "names", "refused", "short", "source",
        "traces_numbers",
    )  # fmt: skip

    def __init__(self, source: Any, name: str, call: Callable[..., Any], is_ufunc: bool) -> None:
        self.source = source
        self.name = name
        self.call = call
        self.is_ufunc = is_ufunc
        self.layouts: dict[Any, Any] = {}
        self.short: dict[tuple[Any, ...], Any] = {}  # the layouts again, by keys made faster
        self.refused: dict[Any, str] = {}
        self.names: tuple[str, ...] | None = None
        self.data: frozenset[str] = _DATA
        self.traces_numbers = is_ufunc or name in _TRACE_NUMBERS

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result for a call: compiled where it can be, else NumPy's."""
        short, given = _short_key(args, kwargs)
        if short in self.short and not self.refused:
            try:
                return self.short[short](*given)
            except REFUSALS:
                pass  # met again below, where it is judged
        try:
            key, arrays, parts = self._split(args, kwargs)
        except _Refused as reason:
            return self._by_numpy(str(reason), args, kwargs)
        known = self.layouts.get(key)
        if known is None:
            known = self._compiled(key, parts, kwargs)
        if self.refused:
            why = self.refused.get((key, _dtypes(arrays)))
            if why is not None:
                return self._by_numpy(why, args, kwargs)
        try:
            result = known(*arrays)
            if short and len(arrays) == len(given):
                self.short[short] = known
            return result
        except CompileError:
            raise
        except REFUSALS as error:
            why = error.message if isinstance(error, MlcError) else str(error)
            if isinstance(error, (UnsupportedError, DTypeError)):
                if len(self.refused) >= _LIMIT:
                    self.refused.clear()
                self.refused[key, _dtypes(arrays)] = why
        return self._by_numpy(why, args, kwargs)

    def _by_numpy(self, why: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if why:  # else there is no array among the arguments
            _fallbacks[self.name, why] += 1
        return self.source(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()})

    def _compiled(self, key: Any, parts: list[Any], kwargs: dict[str, Any]) -> Any:
        count = len(parts) - len(kwargs)
        layout = _Layout(
            self.name, self.call, tuple(parts[:count]), dict(zip(kwargs, parts[count:]))
        )
        while len(self.layouts) >= _LIMIT:
            self.layouts.pop(next(iter(self.layouts)), None)
            self.short.clear()
        found = self.layouts[key] = jit(layout)
        return found

    def _split(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, list[Any], list[Any]]:
        """(key of the layout, arrays, values with slots for the arrays)."""
        if self.names is None:
            self.names, self.data = _parameters(self.source, self.is_ufunc)
        arrays: list[Any] = []
        parts: list[Any] = []
        key: list[Any] = [len(args)]
        known = len(self.names)
        for place, value in enumerate(args):
            name = self.names[place] if place < known else ""
            self._sort(name, value, arrays, parts, key)
        for name, value in kwargs.items():
            key.append(name)
            self._sort(name, value, arrays, parts, key)
        if not any(type(a) is np.ndarray for a in arrays):
            raise _Refused
        _check_integers(arrays)
        try:
            hash(made := tuple(key))
        except TypeError:
            raise _Refused("an argument cannot be hashed") from None
        return made, arrays, parts

    def _sort(
        self, name: str, value: Any, arrays: list[Any], parts: list[Any], key: list[Any]
    ) -> None:
        """Put one argument among the arrays or the settings."""
        kind = type(value)
        if kind is np.ndarray and name not in _SETTINGS:
            if value.dtype not in COMPILED:
                _check_dtype(value.dtype)
            arrays.append(value)
            parts.append(_Slot)
            key.append(_ARRAY)
            return
        if name in _SETTINGS:
            if isinstance(value, (np.ndarray, np.generic)):
                value = value.tolist()
        elif isinstance(value, np.ndarray):
            raise _Refused(f"{kind.__name__} has rules of its own")
        elif name in self.data and value is not None:
            if self._sort_data(name, value, arrays, parts, key):
                return
        elif is_array_like(value):
            array = np.asarray(as_array(value))
            return self._sort(name, array, arrays, parts, key)
        parts.append(value)
        key.append(frozen_key(value))

    def _sort_data(
        self, name: str, value: Any, arrays: list[Any], parts: list[Any], key: list[Any]
    ) -> bool:
        """The same for an argument that holds data; False for one that is a setting after all."""
        kind = type(value)
        if kind in (float, int, bool, complex):
            if not self.traces_numbers:
                return False
            arrays.append(value)
            parts.append(_Slot)
            key.append(_ARRAY)
            return True
        if kind in (list, tuple):
            if name in _SEQUENCES and self._sort_sequence(value, arrays, parts, key):
                return True
            try:
                array = np.asarray(value)
            except ValueError:
                raise _Refused("the lists are ragged") from None
        elif is_array_like(value):
            array = np.asarray(as_array(value))
        else:
            return False
        self._sort("x", array, arrays, parts, key)
        return True

    def _sort_sequence(
        self, value: Any, arrays: list[Any], parts: list[Any], key: list[Any]
    ) -> bool:
        """The same for a list of arrays; False for one that holds numbers alone."""
        if not any(type(item) is np.ndarray or is_array_like(item) for item in value):
            return False
        for item in value:
            if type(item) is np.ndarray and item.dtype in COMPILED:
                arrays.append(item)
            else:
                item = as_array(item) if is_array_like(item) else np.asarray(item)
                self._sort("x", np.asarray(item), arrays, [], [])
        parts.append(_Slots(len(value)))
        key.append((_SEQUENCE, len(value)))
        return True


def _short_key(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], list[Any]]:
    """(a key for the layout of a call with arrays and the plainest settings alone, the arrays);
    the key is empty for all other calls."""
    key: list[Any] = []
    arrays: list[Any] = []
    for value in (*args, None, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind is np.ndarray:
            if value.dtype not in COMPILED:
                return (), arrays
            arrays.append(value)
        elif kind is int or kind is bool or kind is str or value is None:
            key.append(value)
        else:
            return (), arrays
        key.append(kind)
    return (*key, *kwargs), arrays


def _dtypes(arrays: list[Any]) -> tuple[Any, ...]:
    return tuple(getattr(array, "dtype", type(array)) for array in arrays)


def is_array_like(value: Any) -> bool:
    """Whether a value is an array in one of the protocols."""
    protocols = ("__array__", "__dlpack__", "__array_interface__")
    return not isinstance(value, type) and any(hasattr(value, name) for name in protocols)


def _plain(value: Any) -> Any:
    """An argument as NumPy takes it: what speaks DLPack alone becomes an array."""
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return as_array(value)
    return value


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.name == "bfloat16":
        return
    if dtype.kind in "biuf" and dtype.itemsize <= 8:
        raise _Refused(f"dtype {dtype.str} has foreign byte order")
    raise _Refused(f"dtype {dtype.name} is not compiled")


def _check_integers(arrays: list[Any]) -> None:
    """Python integers that an array's dtype cannot hold are NumPy's to judge."""
    for value in arrays:
        if type(value) is int and not _WEAK_LOW <= value <= _WEAK_HIGH:
            for other in arrays:
                dtype = getattr(other, "dtype", None)
                if dtype is None or dtype.kind == "b":
                    limits = np.iinfo(np.int64)
                elif dtype.kind in "iu":
                    limits = np.iinfo(dtype)
                else:
                    continue
                if not limits.min <= value <= limits.max:
                    raise _Refused("a Python integer is out of range of the dtype")
            if not -(2**53) <= value <= 2**53:
                raise _Refused("a Python integer is out of range of the dtype")


def _parameters(source: Any, is_ufunc: bool) -> tuple[tuple[str, ...], frozenset[str]]:
    """The names of a function's parameters, and which of them hold data."""
    import inspect

    if is_ufunc:
        names = tuple(f"x{i + 1}" for i in range(source.nin))
        return names, frozenset(names)
    implementation = _FUNCTIONS.get(source)
    try:
        signature = inspect.signature(source)
    except (TypeError, ValueError):  # NumPy before 2.4 does not tell those of functions in C
        if implementation is None:
            return ("a",), frozenset("a")
        signature = inspect.signature(implementation)
    found = tuple(p.name for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY)
    data = {name for name in found if name in _DATA}
    if isinstance(implementation, Op):
        data |= set(implementation.signature.parameters) - set(implementation.static)
    return found, frozenset(data)


def is_numpy_only(function: Any, short: str) -> bool:
    """Whether NumPy itself answers all calls outside of jitted functions."""
    if isinstance(function, np.ufunc):
        return not implementations.is_supported(function)
    return (
        short in _NUMPY_ONLY
        or function in implementations.views()
        and short not in DATA_SIZED
        or not implementations.is_supported(function)
    )


def has_traced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether any argument is a traced value."""
    return any(
        hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of((args, list(kwargs.values())))
    )
