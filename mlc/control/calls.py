"""What is called in the place of a function that traced code calls."""

from __future__ import annotations

import builtins
import heapq
import itertools
import operator
import sys
import types
from collections.abc import Callable
from functools import lru_cache, partial, reduce, wraps
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT, leaves_of
from ..te.extent import Extent
from ..tracer.chosen import constant_of
from ..tracer.complex.calls import truth
from ..tracer.complex.value import Complex
from ..tracer.concrete import all_known, are_rows_numbers
from ..tracer.deciding import deciding_arguments
from ..tracer.drawing import random_form
from ..tracer.grown import is_arrays
from ..tracer.items import choices, enumerate_, held, product, repeat, zip_
from ..tracer.lists import taking_lists
from ..tracer.masked import Masked
from ..tracer.number import copied_number, python_number
from ..tracer.plain_code import REDUCING
from ..tracer.strides import as_strided
from ..tracer.tracer import Tracer, mark_weak
from .complex_state import INSTEAD as COMPLEX
from .constructing import constructor
from .convert import CALL, converted
from .elementwise import along_axis, vectorized
from .folding import INSTEAD as FOLDING
from .forms import is_traced
from .grouping import grouped
from .iterators import not_taking, refuse_taking
from .kinds import INSTEAD as KINDS
from .list_folds import INSTEAD as LIST_FOLDS
from .list_loops import HEAPS, enumerated, listed, numbers_of, open_rows_of, walk_of, zipped
from .list_loops import reversed_ as reversed_list
from .list_steps import Walk
from .lists import Growing
from .making_lists import argument
from .making_tables import INSTEAD as TABLES
from .making_tables import of_plain
from .mathematics import INSTEAD as MATHEMATICS
from .mathematics import of_series
from .perhaps import Perhaps, asks_for_none, value_in
from .printing import INSTEAD as PRINTING
from .printing import showing_form
from .ranges import range_, reversed_
from .recursion import note_call
from .testing_calls import MODULE as ASSERTIONS
from .testing_calls import assertion
from .whole_numbers import INSTEAD as WHOLE_NUMBERS


def length_of(value: Any) -> Any:
    """``len(value)``; of a slice in a loop, the traced number."""
    if is_arrays(value) or isinstance(value, Walk):
        return mark_weak(copied_number(value.length()))
    if isinstance(value, Complex):
        value = value._parts[0]
    if isinstance(value, Masked) and is_inside_loop():
        value = value.solid()
    sizes: tuple[Any, ...] = value.shape if isinstance(value, Tracer) else ()
    if sizes and isinstance(sizes[0], Extent):
        return mark_weak(copied_number(Tracer(sizes[0].length, value._trace)))
    return builtins.len(value)


def _number(kind: type) -> Callable[..., Any]:
    def convert(*args: Any) -> Any:
        if len(args) != 1 or not is_traced(args[0]):
            return kind(*args)
        if not isinstance(args[0], Tracer):  # complex
            if kind is not bool:
                return kind(args[0])
            holds = truth(args[0])
            return python_number(holds, bool) if is_traced(holds) else bool(holds)
        if args[0].shape and kind is not bool and not are_rows_numbers():
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return python_number(args[0], kind)

    return convert


def _text(*args: Any, **options: Any) -> str:
    """``str(n)``: of what numbers among the arguments decide, a text that must be known."""
    if len(args) == 1 and isinstance(args[0], Tracer) and not options:
        if deciding_arguments(args[0]._tensor, args[0]._trace):
            return str(args[0]._number("str", "return the number, and make the text outside"))
    return str(*args, **options)


def _scalar_of(kind: type[np.generic]) -> Callable[..., Any]:
    """``np.float32(x)`` of a traced value: an array of it, or a scalar where ``x`` has no axes."""

    def convert(*args: Any) -> Any:
        if len(args) != 1 or not is_traced(args[0]) or not issubclass(kind, np.number | np.bool):
            return kind(*args)
        value = args[0]
        if getattr(value, "_is_weak", False) and value.dtype == kind:
            return value._detached()  # which promotes as an array does
        return value.astype(kind) if value.shape else value.astype(kind)[()]

    return convert


def call(function: Any) -> Any:
    """What to call in the place of ``function``."""
    made = _replaced(function)
    is_python = isinstance(function, (types.FunctionType, types.MethodType, partial))
    if is_python and (code := getattr(function, "__code__", None)) is not None:
        note_call(code)
        if made is function:  # it was not transformed, and takes no None for what may be one
            return _of_values(function) if asks_for_none(code) else function
    return made if is_python else not_taking(made)


def _replaced(function: Any) -> Any:
    try:
        found = _INSTEAD.get(function)
    except TypeError:
        found = None
    if found is not None:
        return found
    if type(function) is np.vectorize:
        return vectorized(function)
    owner = getattr(function, "__self__", None)
    if type(owner) is str and function.__name__ == "join":
        return partial(_join_texts, function)
    if (shows := showing_form(function, owner)) is not None:
        return shows
    if isinstance(owner, Tracer) and function.__name__ == "tolist":
        if open_rows_of(owner) is not None and owner.ndim == 1:
            return lambda: listed(numbers_of(owner))
        return lambda: function() if all_known(owner) else argument(function())
    if type(function) is np.ufunc or type(owner) is np.ufunc and function.__name__ in REDUCING:
        return taking_lists(function)
    if (drawing := random_form(function)) is not None:
        return drawing
    if getattr(function, "__module__", "") in ("statistics", "bisect", "_bisect"):
        from .samples import INSTEAD  # imports much

        return INSTEAD.get(function) or converted(function)
    if type(function) in _WRAPPERS:
        return _WRAPPERS[type(function)](function)
    if isinstance(function, type):
        if issubclass(function, np.generic):
            return _scalar_of(function)
        return _foreign(function) if _is_of_library(function) else constructor(function)
    if type(function).__module__.startswith("numpy.polynomial"):
        return of_series(function)
    if type(function).__module__.startswith("scipy.stats"):
        from ..tracer.scientific_distributions import frozen_of

        if (frozen := frozen_of(function)) is not None:
            return frozen
    own = getattr(type(function), CALL, None)
    if isinstance(own, types.FunctionType):  # an object that can be called
        return converted(types.MethodType(own, function))
    if getattr(function, "__module__", "") == ASSERTIONS:
        return assertion(function) or converted(function)
    if str(getattr(function, "__module__", "")).startswith("scipy."):
        from ..tracer.scientific import of_scipy

        return of_scipy(function)
    return converted(function)


def _join_texts(join: Any, parts: Any) -> Any:
    """``text.join(parts)``, where data may choose the parts."""
    return join(map(constant_of, parts))


def _partial(function: partial[Any]) -> Any:
    return partial(call(function.func), *function.args, **function.keywords)


def _cached(function: Any) -> Callable[..., Any]:
    """A function under ``functools.lru_cache``: traced values are computed each time."""
    inner = call(function.__wrapped__)

    def run(*args: Any, **kwargs: Any) -> Any:
        is_any = any(is_traced(leaf) for leaf in (*args, *kwargs.values()))
        return inner(*args, **kwargs) if is_any else function(*args, **kwargs)

    return run


def _method(function: Any) -> Any:
    """A method of C: ``items.sort()`` of a list with traced values."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, (set, frozenset, dict)) and CURRENT.get() is not None:
        return of_plain(function)
    if isinstance(owner, (np.generic, np.ndarray)) and CURRENT.get() is not None:
        return _of_known(owner, function)
    if not isinstance(owner, list) or function.__name__ != "sort":
        return function

    def sort(*, key: Any = None, reverse: Any = False) -> None:
        owner[:] = FOLDING[builtins.sorted](owner, key=key, reverse=reverse)

    return sort


def _of_known(owner: np.generic | np.ndarray[Any, Any], function: Any) -> Callable[..., Any]:
    """A method of what NumPy holds, which may be given traced arrays: ``s.take(places, out=x)``."""

    def run(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(v, (Tracer, Complex)) for v in leaves_of([*args, *kwargs.values()])):
            return getattr(held(owner), function.__name__)(*args, **kwargs)
        return function(*args, **kwargs)

    return run


_WRAPPERS: dict[type, Callable[[Any], Any]] = {
    partial: _partial,
    type(lru_cache(len)): _cached,
    types.BuiltinMethodType: _method,
}


def _is_of_library(kind: type) -> bool:
    top = kind.__module__.partition(".")[0]
    return top in sys.stdlib_module_names and top not in ("builtins", "__main__", "functools")


def _foreign(kind: type) -> Callable[..., Any]:
    """A class of Python's library, ``Decimal``, that takes numbers by their value."""

    def make(*args: Any, **kwargs: Any) -> Any:
        try:
            return kind(*args, **kwargs)
        except TypeError:
            for value in args:
                if isinstance(value, Tracer) and is_traced(value) and not value.shape:
                    value._number(f"argument of {kind.__name__}", "compute it with NumPy")
            raise

    return make


def _mapped(function: Any, *sources: Any) -> Any:
    return builtins.map(call(function), *sources)


def _filtered(function: Any, source: Any) -> Any:
    return builtins.filter(None if function is None else call(function), source)


def _reduced(function: Any, *rest: Any) -> Any:
    return reduce(call(function), *rest)


def _accumulated(source: Any, function: Any = operator.add, **initial: Any) -> Any:
    return itertools.accumulate(source, call(function or operator.add), **initial)


def _starmapped(function: Any, source: Any) -> Any:
    return itertools.starmap(call(function), source)


def _grouped(source: Any, key: Any = None) -> Any:
    if CURRENT.get() is None:
        return itertools.groupby(source, key)
    return grouped(source, None if key is None else call(key))


def _next(iterator: Any, *default: Any) -> Any:
    refuse_taking(iterator)
    return next(iterator, *default)


def _enumerated(iterable: Any, start: Any = 0) -> Any:
    return enumerated(iterable, start) or enumerate_(iterable, start)


def _zipped(*iterables: Any, strict: bool = False) -> Any:
    found = None if strict else zipped(iterables)
    return found or zip_(*iterables, strict=strict)


def _reversed(source: Any) -> Any:
    return reversed_(source) if walk_of(source) is None else reversed_list(source)


def _listed(*source: Any) -> Any:
    if len(source) == 1 and walk_of(source[0]) is not None:
        return listed(source[0])
    made: list[Any] = list(*source)
    return Growing(made) if len(source) == 1 and isinstance(source[0], Growing) else made


def _without_errors(function: Any) -> Callable[..., Any]:
    """``np.errstate``, ``np.seterr``: that NumPy warns is all that compiled code can do without."""

    def run(*args: Any, **kwargs: Any) -> Any:
        if "raise" in (*args, *kwargs.values()) and CURRENT.get() is not None:
            raise UnsupportedError(
                f"np.{function.__name__} with 'raise' asks for a FloatingPointError, which "
                f"compiled code does not raise: it computes NaN or infinity; ask np.isfinite of "
                f"what comes out, and raise the error where that does not hold"
            )
        return function(*args, **kwargs)

    return run


def _least(n: Any, source: Any, key: Any = None) -> Any:
    return _INSTEAD[builtins.sorted](source, key=key)[:n]


def _greatest(n: Any, source: Any, key: Any = None) -> Any:
    return _INSTEAD[builtins.sorted](source, key=key, reverse=True)[:n]


def _of_values(function: Any) -> Any:
    """``function``, which takes no None: of what may be None it takes the value."""

    def run(*args: Any, **kwargs: Any) -> Any:
        if any(type(arg) is Perhaps for arg in args):
            args = tuple(map(value_in, args))
        return function(*args, **kwargs)

    return wraps(function)(run) if isinstance(function, types.FunctionType) else run


_CHOICES = (
    itertools.combinations, itertools.combinations_with_replacement, itertools.permutations,
)  # fmt: skip
_INSTEAD: dict[Any, Any] = {
    builtins.next: _next,
    builtins.map: _mapped, builtins.filter: _filtered, reduce: _reduced,
    itertools.accumulate: _accumulated, itertools.starmap: _starmapped,
    itertools.groupby: _grouped,
    builtins.range: range_,
    builtins.reversed: _reversed,
    builtins.enumerate: _enumerated, builtins.zip: _zipped, builtins.list: _listed,
    itertools.product: product, itertools.repeat: repeat,
    **{kind: choices(kind) for kind in _CHOICES},
    builtins.len: length_of,
    heapq.nsmallest: _least, heapq.nlargest: _greatest,
    builtins.int: _number(int),
    builtins.float: _number(float),
    builtins.bool: _number(bool),
    builtins.str: lambda *args, **options: _text(*args, **options),
    np.errstate: _without_errors(np.errstate), np.seterr: _without_errors(np.seterr),
    np.lib.stride_tricks.as_strided: as_strided,
    np.apply_along_axis: along_axis, taking_lists(np.apply_along_axis): along_axis,
    **COMPLEX, **HEAPS, **FOLDING, **KINDS, **LIST_FOLDS, **MATHEMATICS, **PRINTING,
    **TABLES,
    **WHOLE_NUMBERS,
}  # fmt: skip
for _function in (int, float, abs, len, min, max, sum, round, range, divmod, pow, sorted):
    _INSTEAD[_function] = _of_values(_INSTEAD.get(_function, _function))
for _function in MATHEMATICS:
    _INSTEAD[_function] = _of_values(MATHEMATICS[_function])
