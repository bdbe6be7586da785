"""From a call of a NumPy ufunc, or of a method of one, to the operator that stands for it."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np

from ..errors import DTypeError, UnsupportedError
from ..ops.op import NUMPY_FUNCTIONS, UFUNC_METHODS, UFUNCS
from ..te.extent import is_open
from .concrete import call_plainly, is_complex_call, is_plain_call
from .dispatch import call_function
from .implementations import fits, found_in, load_operators, unsupported
from .masked import Masked
from .memory_order import copied_in, keep_order, settle_order
from .returned_views import own
from .rooms import as_mask, check_places, check_room, computed_for
from .shapeless import strong
from .writing import as_operand, write_result

_CLIP: Any = np._core.umath.clip  # type: ignore[attr-defined]
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


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``getattr(ufunc, method)(*inputs, **kwargs)``, by what stands for the ufunc."""
    if method == "reduce" and isinstance(inputs[0], np.ndarray) and kwargs.get("out") is not None:
        _refuse_unfinished(sys._getframe(2))
    if ufunc is _CLIP:  # which x.clip(...) of a NumPy array calls
        return call_function(np.clip, inputs, kwargs)
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
    return _call(ufunc, name, inputs, kwargs)


def _refuse_unfinished(caller: types.FrameType) -> None:
    """UnsupportedError where NumPy's own ``x.mean(out=...)`` asks for the sum: what it divides then
    it would not put into a traced array."""
    name = ""
    frame: types.FrameType | None = caller
    while frame is not None and frame.f_code.co_filename.endswith("_methods.py"):
        name, frame = frame.f_code.co_name.removeprefix("_"), frame.f_back
    if name in ("mean", "var", "std"):
        raise UnsupportedError(
            f"x.{name}(out=...) of an array that is known while tracing, into a traced one, cannot "
            f"be traced; write np.{name}(x, out=...)"
        )


def _call(ufunc: np.ufunc, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``ufunc(*inputs, **kwargs)``, into arrays of its own."""
    implementation = found_in(UFUNCS, ufunc)
    if implementation is None:
        from .scientific import special_ufunc

        implementation = special_ufunc(ufunc)
        if implementation is not None and not kwargs:
            return implementation(*inputs)
        raise unsupported(name, ufunc.__name__)
    where = kwargs.pop("where", True)
    if where is not True:
        from ..ops.elementwise import select_where

        found = _call(ufunc, name, inputs, kwargs)  # elsewhere anything may stand
        if isinstance(found, tuple):
            return tuple(select_where(where, part, part.dtype.type(0)) for part in found)
        return select_where(where, found, found.dtype.type(0))
    inputs, options, order = _settled(ufunc, inputs, kwargs)
    if not fits(implementation, inputs, options):
        if "order" in options:
            raise UnsupportedError(
                f"{name} with order={options['order']!r} cannot be traced; name 'C', 'F' or 'K'"
            )
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
    if order != "K":
        for part in found if isinstance(found, tuple) else (found,):
            copied_in(order, part, part)
        return found
    if ufunc.signature is None:  # else axes of the inputs are not those of the result
        for part in found if isinstance(found, tuple) else (found,):
            keep_order(part, inputs)
    else:
        settle_order(ufunc, found, inputs)
    return found


def _settled(
    ufunc: np.ufunc, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], str]:
    """``inputs`` in the dtypes that the options ask for, the options that are left for the
    operator, and the order in memory that the result is to have."""
    options = {k: v for k, v in kwargs.items() if v is not _DEFAULT_UFUNC_OPTIONS.get(k, _ABSENT)}
    casting = options.pop("casting", "same_kind")
    options.pop("subok", None)
    order = options.pop("order", "K") if options.get("order") in ("C", "F") else "K"
    signature = options.pop("signature", options.pop("sig", None))
    if signature is not None:
        inputs = _signed(ufunc, inputs, signature, casting)
    elif casting != "unsafe":
        from ..ops.promotion import check_casting

        check_casting(ufunc, inputs, options.get("dtype"), casting)
    elif "dtype" in options:
        inputs = _converted(ufunc, inputs, options["dtype"])
    return inputs, options, order


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


def _call_method(
    ufunc: np.ufunc, method: str, name: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    load_operators()
    if method == "accumulate" and is_open(np.shape(inputs[0])):
        from .open_places import accumulated

        return accumulated(ufunc, *inputs, **kwargs)
    implementation = UFUNC_METHODS.get((ufunc, method))
    if implementation is not None:
        if not fits(implementation, inputs, kwargs):
            raise UnsupportedError(f"{name} with {'=, '.join(kwargs)}= cannot be traced")
        found = own(implementation(*inputs, **kwargs), inputs)
        settle_order(ufunc, found, inputs)
        return found
    if method == "outer" and len(inputs) == 2 and ufunc in UFUNCS:
        left, right = (strong(as_operand(value)) for value in inputs)
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
    if ufunc.signature is None and ufunc not in UFUNCS:
        raise unsupported(name, ufunc.__name__)
    raise UnsupportedError(f"{name} cannot be traced; write it with sums, np.where or slices")
