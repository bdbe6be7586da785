"""From a NumPy function or ufunc to the operator or composite that stands for it."""

from __future__ import annotations

import inspect
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, UnsupportedError
from ..ops import BASIC, load, load_basic
from ..ops.op import NUMPY_FUNCTIONS, UFUNC_METHODS, UFUNCS, Op, leaves_of
from .concrete import call_plainly, is_complex_call, is_plain_call, known, plain
from .masked import Masked
from .memory_order import is_in_order, keep_order, settle_order
from .returned_views import RETURNED, UNCHANGED, mark_shared, returned_view
from .rooms import (
    REDUCED_BY,
    args_by_name,
    as_mask,
    check_places,
    check_room,
    computed_for,
    mean_into,
    one_place,
    with_named_out,
)
from .shapeless import as_array, settle_scalars, strong
from .writing import write_result

_ABSENT: Any = getattr(np, "_NoValue", object())
_DEFAULT_UFUNC_OPTIONS = {
    "where": True, "casting": "same_kind", "order": "K", "subok": True, "dtype": None,
    "signature": None, "axes": _ABSENT, "axis": _ABSENT, "keepdims": False, "out": None,
}  # fmt: skip
FUNCTION_OF_METHOD: dict[tuple[np.ufunc, str], Any] = {
    (np.add, "reduce"): np.sum, (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max, (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all, (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum, (np.multiply, "accumulate"): np.cumprod,
}  # fmt: skip
_SIZES = frozenset({
    "axis", "axes", "shape", "newshape", "reps", "shift", "pad_width", "source", "destination",
    "n", "s",
})  # fmt: skip
_TAKEN_AS_THEY_ARE = frozenset({"repeats", "obj", "indices_or_sections"})
_DATA_SIZED = (
    "the size of its result depends on the data, and shapes must be known while tracing; "
    "call it outside the jitted function, or keep the shape with np.where"
)
_HINTS = {
    **dict.fromkeys(
        [
            "unique",
            "unique_values",
            "unique_counts",
            "nonzero",
            "flatnonzero",
            "argwhere",
            "extract",
            "compress",
            "union1d",
            "intersect1d",
            "setdiff1d",
            "setxor1d",
        ],
        _DATA_SIZED,
    ),
    **dict.fromkeys(
        ["array_str", "array_repr", "array2string", "save", "savez", "savez_compressed", "savetxt"],
        "values are not known while tracing; return the array and use it outside",
    ),
    **dict.fromkeys(["shares_memory", "may_share_memory"], "a traced value has no memory"),
    "min_scalar_type": "values are not known while tracing; use x.dtype",
    "histogramdd": "write it with np.searchsorted and np.bincount",
    "polydiv": "zeros in front decide the size of its result, and shapes must be known while "
    "tracing; call it outside the jitted function",
    "vectorize": "write the function over whole arrays",
    "apply_along_axis": "write the function over whole arrays with axis=",
    "interp": "build it from np.take, np.where and arithmetic, or declare it with @mlc.op",
}


@cache
def load_operators() -> None:
    """Import all declarations, once and only when more than simple functions are wanted."""
    load()
    from .complex import fft, functions, linalg  # noqa: F401  (some take real arrays too)


def _found(table: dict[Any, Any], function: Any) -> Any:
    """What stands for a function; declarations are imported until one does, simple ones first."""
    found = table.get(function)
    if found is not None:
        return found
    for name in BASIC:
        load_basic(name)
        found = table.get(function)
        if found is not None:
            return found
    load_operators()
    return table.get(function)


def name_of(function: Any) -> str:
    """How a user would write a NumPy function: ``np.linalg.norm``."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"np.{owner.__name__}.{function.__name__}"
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", repr(function))
    parts = [p for p in module.split(".")[1:] if not p.startswith("_")]
    return ".".join(["np", *parts, name]) if module.startswith("numpy") else f"{module}.{name}"


def is_supported(function: Any) -> bool:
    """Whether a NumPy function or ufunc can be traced."""
    load_operators()
    if isinstance(function, np.ufunc):
        return function in UFUNCS
    try:
        return function in NUMPY_FUNCTIONS
    except TypeError:
        return False


def unsupported(name: str, short: str) -> UnsupportedError:
    """The error for a NumPy function that nothing stands for, with its nearest neighbours."""
    from difflib import get_close_matches

    functions: list[Any] = [*NUMPY_FUNCTIONS, *UFUNCS]
    known = sorted({f.__name__ for f in functions})
    reason = _HINTS.get(short, "")
    near = [] if reason else get_close_matches(short, known, n=3, cutoff=0.6)
    hint = f"; supported and similar: {', '.join(f'np.{n}' for n in near)}" if near else ""
    if not reason and not near:
        hint = "; write it with supported functions, declare it with @mlc.op, or call it outside"
    return UnsupportedError(f"{name} cannot be traced{': ' + reason if reason else ''}{hint}")


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)``, by what stands for the NumPy function."""
    args, kwargs = with_named_out(function, args, kwargs)
    if is_complex_call(args, kwargs):
        load_operators()
        from .complex.functions import call_complex_function

        found = returned_view(function, args, kwargs) if function in UNCHANGED else None
        if found is not None:
            return found[0]
        return call_complex_function(function, args, kwargs)
    implementation = _found(NUMPY_FUNCTIONS, function)
    if not (implementation and function in views()) and is_plain_call(args, kwargs):
        return call_plainly(function, args, kwargs)
    if any(known(leaf) is not leaf for leaf in leaves_of([*args, *kwargs.values()])):
        args, kwargs = _with_plain_sizes(function, args, kwargs)
    change = changes().get(function)
    if change is not None:
        return change(*args, **kwargs)
    if implementation is None:
        raise unsupported(name_of(function), function.__name__)
    if kwargs:
        kwargs = {key: value for key, value in kwargs.items() if value is not _ABSENT}
    if "where" in kwargs:
        kwargs = {**kwargs, "where": as_mask(name_of(function), kwargs["where"])}
    out = kwargs.get("out")
    if out is not None:
        kwargs = {key: value for key, value in kwargs.items() if key != "out"}
        return _call_into(function, args, kwargs, out)
    kwargs.pop("out", None)
    if function in RETURNED:
        other = returned_view(function, args, kwargs)
        if other is not None:
            return other[0]
    if function in (np.clip, np.nan_to_num, np.pad):
        args = (*map(strong, args[:1]), *args[1:])
    elif function in views() - _ATTRIBUTES:
        args = (*map(as_array, args[:1]), *args[1:])
    if _fits(implementation, args, kwargs):
        found = implementation(*args, **kwargs)
    else:
        found = _call_translated(function, implementation, args, kwargs)
    if (
        function not in views()
        or function in (np.ravel, np.ascontiguousarray)
        and not isinstance(found, tuple)
        and is_in_order(args[0] if args else found, "C") is False
    ):
        found = own(found, args)
        if function not in views():
            settle_order(function, found, (*args, *kwargs.values()))
            mark_shared(function, found, args)
        settle_scalars(function, found)
    if function in COUNTS and not found.shape and [*args, None][1] is kwargs.get("axis"):
        from .number import python_number

        return python_number(found, int)
    return found


def _with_plain_sizes(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, those that say what is done as numbers and tuples where they are known."""
    try:
        names = [*_cached_signature(function).parameters][: len(args)]
    except ValueError:  # some of NumPy's are written in C
        return args, kwargs
    names += [""] * (len(args) - len(names))
    return (
        tuple(_plain_size(name, value) for name, value in zip(names, args)),
        {name: _plain_size(name, value) for name, value in kwargs.items()},
    )


def _plain_size(name: str, value: Any) -> Any:
    if name in _TAKEN_AS_THEY_ARE:
        return plain(value)
    if name not in _SIZES or known(value) is value:
        return value
    return _tuples(known(value).tolist())


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``getattr(ufunc, method)(*inputs, **kwargs)``, by what stands for the ufunc."""
    if is_complex_call(inputs, kwargs):
        load_operators()
        from .complex.elementwise import call_complex_ufunc

        return call_complex_ufunc(ufunc, method, inputs, kwargs)
    if is_plain_call(inputs, kwargs):
        return call_plainly(getattr(ufunc, method), inputs, kwargs)
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if method == "__call__" and any(isinstance(value, Masked) for value in inputs):
        chosen = next(value for value in inputs if isinstance(value, Masked))
        return chosen.__array_ufunc__(ufunc, method, *inputs, **kwargs)
    if "where" in kwargs:
        kwargs["where"] = as_mask(name, kwargs["where"])
    if method != "at" and any(type(value) in (list, tuple) for value in inputs):
        from .lists import whole

        inputs = tuple(map(whole, inputs))
    if ufunc is np.power and method == "__call__" and kwargs.get("where", True) is not True:
        from .powers import chosen_powers

        inputs = chosen_powers(inputs, kwargs["where"], kwargs.get("dtype"))
    out = kwargs.pop("out", None)
    if out is not None and any(o is not None for o in (out if isinstance(out, tuple) else (out,))):
        return _ufunc_into(ufunc, method, name, inputs, kwargs, out)
    if method != "__call__":
        return _call_method(ufunc, method, name, inputs, kwargs)
    implementation = _found(UFUNCS, ufunc)
    if implementation is None:
        from .scientific import special_ufunc

        implementation = special_ufunc(ufunc)
        if implementation is not None and not kwargs:
            return implementation(*inputs)
        raise unsupported(name, ufunc.__name__)
    where = kwargs.pop("where", True)
    if where is not True:
        from ..ops.elementwise import select_where

        found = call_ufunc(ufunc, method, inputs, kwargs)  # elsewhere anything may stand
        if isinstance(found, tuple):
            return tuple(select_where(where, part, part.dtype.type(0)) for part in found)
        return select_where(where, found, found.dtype.type(0))
    options = {k: v for k, v in kwargs.items() if v is not _DEFAULT_UFUNC_OPTIONS.get(k, _ABSENT)}
    casting = options.pop("casting", "same_kind")
    options.pop("subok", None)
    order = options.pop("order", "K") if options.get("order") == "C" else "K"
    signature = options.pop("signature", options.pop("sig", None))
    if signature is not None:
        inputs = _signed(ufunc, inputs, signature, casting)
    elif casting not in ("same_kind", "unsafe", "safe") or casting == "safe" and "dtype" in options:
        options["casting"] = casting  # without dtype=, what is chosen is safe anyway
    elif casting == "unsafe" and "dtype" in options:
        inputs = _converted(ufunc, inputs, options["dtype"])
    if not _fits(implementation, inputs, options):
        key = next(iter(options), "these arguments")
        raise UnsupportedError(
            f"{name} with {key}= cannot be traced; convert the arguments with .astype(...) instead"
        )
    if ufunc is np.power:
        from .powers import checked_powers

        inputs = checked_powers(inputs, options.get("dtype"))
    if ufunc is np.ldexp and getattr(inputs[1], "_is_weak", False):  # else float16 were enough
        inputs = (strong(inputs[0]), inputs[1])
    found = implementation(*inputs, **options)
    if order == "C":
        return found
    if ufunc.signature is None:  # else axes of the inputs are not those of the result
        for part in found if isinstance(found, tuple) else (found,):
            keep_order(part, inputs)
    else:
        settle_order(ufunc, found, inputs)
    return found


def _converted(ufunc: np.ufunc, inputs: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """``inputs`` in the dtypes that ``ufunc`` takes where any may be cast to what ``dtype`` asks
    for. Python's numbers of a kind that fits are left to the operator, and all without a loop."""
    from ..ops.promotion import loop_inputs

    return _cast(inputs, loop_inputs(ufunc, inputs, dtype))


def _signed(
    ufunc: np.ufunc, inputs: tuple[Any, ...], signature: Any, casting: str
) -> tuple[Any, ...]:
    """``inputs`` in the dtypes of the loop that ``signature`` names."""
    from ..ops.promotion import signed_inputs

    try:
        wanted = signed_inputs(ufunc, inputs, signature, casting)
    except TypeError as error:
        raise DTypeError(f"np.{ufunc.__name__} with signature={signature!r}: {error}") from None
    return _cast(inputs, wanted)


def _cast(inputs: tuple[Any, ...], wanted: tuple[Any, ...]) -> tuple[Any, ...]:
    arrays = [v if hasattr(v, "dtype") else np.asarray(v)[()] for v in inputs]
    return tuple(
        value if to is None or to == array.dtype else array.astype(to)
        for value, array, to in zip(inputs, arrays, wanted, strict=True)
    )


def _ufunc_into(
    ufunc: np.ufunc, method: str, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any],
    out: Any,
) -> Any:  # fmt: skip
    """A ufunc whose results are put into the arrays ``out``, as far as they are not None."""
    places = out if isinstance(out, tuple) else (out,)
    options = dict(kwargs)
    where = True
    if method == "__call__":
        where, casting = options.pop("where", True), options.get("casting", "same_kind")
    else:
        casting = "same_kind" if method == "outer" else "unsafe"
    check_places(name, places)
    if method in ("reduce", "accumulate", "reduceat"):
        inputs, options = computed_for(ufunc, inputs, options, places[0])
    results = call_ufunc(ufunc, method, inputs, options)
    results = results if isinstance(results, tuple) else (results,)
    if method not in ("__call__", "outer"):
        check_room(ufunc, name, places[0], results[0])
    written = [
        result if place is None else write_result(name, place, result, casting, where)
        for place, result in zip(places, results, strict=True)
    ]
    return written[0] if len(written) == 1 else tuple(written)


def _call_into(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """A function whose result is put into the array ``out``."""
    name = name_of(function)
    place = one_place(function, name, out)
    check_places(name, (place,))
    args, options = args_by_name(function, args, kwargs)
    if function is np.mean:
        return mean_into(place, args, options)
    args, options = computed_for(REDUCED_BY.get(function), args, options, place)
    where = options.pop("where", True) if function is np.clip else True
    result = call_function(function, args, options)
    check_room(function, name, place, result)
    # Sums are cast as they come, and the last step of np.var is a division into what is there.
    free = function in REDUCED_BY or function is np.var
    return write_result(name, place, result, "unsafe" if free else "same_kind", where)


@cache
def changes() -> dict[Any, Any]:
    """The functions that change their first argument."""
    from .changing import CHANGES

    return CHANGES


@cache
def views() -> frozenset[Any]:
    """The functions whose results share the elements of their argument, as NumPy's do."""
    names = (
        "reshape ravel transpose permute_dims matrix_transpose swapaxes moveaxis rollaxis "
        "expand_dims squeeze atleast_1d atleast_2d atleast_3d broadcast_to broadcast_arrays "
        "diagonal diag flip fliplr flipud rot90 split array_split hsplit vsplit dsplit unstack "
        "asarray asanyarray ascontiguousarray asfortranarray real imag astype ix_"
    )
    found = {getattr(np, name) for name in names.split() if hasattr(np, name)}
    found |= {np.linalg.diagonal, np.linalg.matrix_transpose}
    return frozenset(found | {np.lib.stride_tricks.sliding_window_view})


_ATTRIBUTES = frozenset({np.real, np.imag})  # of numbers, too, which stay Python's
COUNTS: frozenset[Any] = frozenset(
    {np.count_nonzero} if type(np.count_nonzero(0)) is int else ()
)  # to NumPy 2.3


def own(found: Any, args: Any = ()) -> Any:
    """``found`` with arrays of its own where it holds views or arguments; a NumPy scalar, which
    promotes as arrays do, where it is a Python number."""
    if isinstance(found, (tuple, list)):
        parts = [own(item, args) for item in found]
        return found._make(parts) if hasattr(found, "_make") else type(found)(parts)
    detached = getattr(found, "_detached", None)
    if detached is None:
        return found
    shares = found._view is not None or any(leaf is found for leaf in leaves_of(args))
    return detached() if shares or found._is_weak else found


def _call_method(
    ufunc: np.ufunc, method: str, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    load_operators()
    implementation = UFUNC_METHODS.get((ufunc, method))
    if implementation is not None:
        if not _fits(implementation, inputs, kwargs):
            raise UnsupportedError(f"{name} with {'=, '.join(kwargs)}= cannot be traced")
        found = own(implementation(*inputs, **kwargs), inputs)
        settle_order(ufunc, found, inputs)
        return found
    if method == "outer" and len(inputs) == 2 and ufunc in UFUNCS:
        left, right = map(strong, inputs)
        shape = (*np.shape(left), *(1,) * np.ndim(right))
        return call_ufunc(ufunc, "__call__", (np.reshape(left, shape), right), kwargs)
    function = FUNCTION_OF_METHOD.get((ufunc, method))
    if function is not None and function in NUMPY_FUNCTIONS:
        array, *rest = inputs
        names = ("axis", "dtype", "out", "keepdims", "initial", "where")
        options = {"axis": 0, **dict(zip(names, rest)), **kwargs}
        return call_function(function, (array,), options)
    if method == "at":
        from .changing import at

        return at(ufunc, *inputs, **kwargs)
    raise UnsupportedError(f"{name} cannot be traced; write it with sums, np.where or slices")


def _signature_of(implementation: Any) -> inspect.Signature:
    if isinstance(implementation, Op):
        return implementation.signature
    return inspect.signature(implementation)


@lru_cache(maxsize=1024)
def _cached_signature(function: Any) -> inspect.Signature:
    return _signature_of(function)


def _fits(implementation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        _cached_signature(implementation).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _call_translated(
    function: Any, implementation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The call without the arguments that say what is so anyway; or why it cannot be made."""
    name, ours = name_of(function), _cached_signature(implementation)
    names = ", ".join(ours.parameters)
    try:
        theirs = inspect.signature(function)
        bound = theirs.bind(*args, **kwargs).arguments
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name}: {error}; supported arguments: {names}") from None
    given = {k: v for k, v in bound.items() if v is not theirs.parameters[k].default}
    extra = [key for key in given if key not in ours.parameters]
    if extra:
        raise UnsupportedError(
            f"{name} with {extra[0]}= cannot be traced; supported arguments: {names}"
        )
    only_by_place = [
        k for k in given if ours.parameters[k].kind is inspect.Parameter.POSITIONAL_ONLY
    ]
    places = [given.pop(key) for key in only_by_place]
    if not _fits(implementation, tuple(places), given):
        raise ArgumentError(f"{name} cannot be called like this; supported arguments: {names}")
    return implementation(*places, **given)
