"""From a call of a NumPy function to the operator or composite that stands for it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..errors import ArgumentError, UnsupportedError
from ..ops.moving import is_inside_loop
from ..ops.op import NUMPY_FUNCTIONS, leaves_of
from .concrete import call_plainly, is_complex_call, is_plain_call, known, plain
from .implementations import (
    changes,
    fits,
    found_in,
    load_operators,
    name_of,
    signature_of,
    unsupported,
    views,
)
from .masked import Masked
from .memory_order import (
    ALONG_COLUMNS,
    LIKE,
    along_columns,
    is_in_order,
    settle_like,
    settle_order,
)
from .returned_views import RETURNED, UNCHANGED, own, returned_view
from .rooms import (
    REDUCED_BY,
    args_by_name,
    as_mask,
    casting_of,
    check_places,
    check_room,
    computed_for,
    einsum_dtype,
    is_joined,
    mean_into,
    one_place,
    round_into,
    with_named_out,
)
from .shapeless import as_array, settle_scalars, strong
from .writing import write_result

_ABSENT: Any = getattr(np, "_NoValue", object())
_SIZES = frozenset({
    "axis", "axes", "shape", "newshape", "reps", "shift", "pad_width", "source", "destination",
    "n", "s",
})  # fmt: skip
_TAKEN_AS_THEY_ARE = frozenset({"repeats", "obj", "indices_or_sections"})
_ATTRIBUTES = frozenset({np.real, np.imag})  # of numbers, too, which stay Python's
_ASKED = (np.count_nonzero, (0,)), (np.allclose, (0, 0)), (np.array_equal, (0, 0)), (
    np.array_equiv, (0, 0)
)  # fmt: skip
# What gives Python's numbers, as np.count_nonzero does up to NumPy 2.3.
NUMBERS: dict[Any, type] = {
    function: type(function(*given))
    for function, given in _ASKED
    if type(function(*given)) in (int, bool)
}


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)``, by what stands for the NumPy function."""
    args, kwargs = with_named_out(function, args, kwargs)
    for value in (*args, *kwargs.values()):
        if isinstance(value, Masked):  # one part of complex elements that a mask selects
            return value.__array_function__(function, (), args, kwargs)
    if function is np.einsum:
        from ..ops.einsum import with_subscripts

        args = with_subscripts(args)
    if is_complex_call(args, kwargs):
        load_operators()
        from .complex.functions import call_complex_function

        found = returned_view(function, args, kwargs) if function in UNCHANGED else None
        if found is not None:
            return found[0]
        return call_complex_function(function, args, kwargs)
    implementation = found_in(NUMPY_FUNCTIONS, function)
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
    if is_inside_loop():
        found = _of_open_length(function, args, kwargs)
        if found is not NotImplemented:
            return found
    if function in ALONG_COLUMNS:
        args, kwargs = along_columns(args, kwargs)
    if fits(implementation, args, kwargs):
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
            if function in LIKE:
                settle_like(function, found, args, kwargs)
        settle_scalars(function, found)
    return as_number(function, found, args, kwargs) if function in NUMBERS else found


def _of_open_length(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function`` of arrays whose length only the running loop knows; NotImplemented of others,
    and where it needs no form of its own."""
    from . import open_matrices, open_places  # noqa: F401  (more forms)
    from .open_forms import open_form_of
    from .open_lengths import form_of

    form = form_of(function, args)
    if form is not None:
        return form(*args, **kwargs)
    form, args, kwargs = open_form_of(function, args, kwargs)
    return form(*args, **kwargs) if form and fits(form, args, kwargs) else NotImplemented


def as_number(function: Any, found: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``found``, what one of `NUMBERS` gives, as Python's number where it is one."""
    from .number import python_number

    kind = NUMBERS[function]
    if type(found) is kind or kind is int and [*args, None][1] is not kwargs.get("axis"):
        return found
    return python_number(found, kind) if not found.shape else found


def _with_plain_sizes(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments, those that say what is done as numbers and tuples where they are known."""
    try:
        names = [*signature_of(function).parameters][: len(args)]
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


def _call_into(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """A function whose result is put into the array ``out``."""
    name = name_of(function)
    place = one_place(function, name, out)
    check_places(name, (place,))
    args, options = args_by_name(function, args, kwargs)
    if function is np.mean:
        return mean_into(place, args, options)
    if function in (np.round, np.around):
        return round_into(place, args, options)
    if function is np.einsum:
        options = einsum_dtype(args, options, place)
    args, options = computed_for(REDUCED_BY.get(function), args, options, place)
    where = options.pop("where", True) if function is np.clip else True
    result = call_function(function, args, options)
    check_room(function, name, place, result)
    casting = casting_of(function, options)
    write = lambda there, part: write_result(name, there, part, casting)
    if is_joined(function, place, args, options, write):
        return place
    # Sums are cast as they come, and the last step of np.var is a division into what is there.
    free = function in REDUCED_BY or function is np.var
    return write_result(name, place, result, "unsafe" if free else casting, where)


def _call_translated(
    function: Any, implementation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The call without the arguments that say what is so anyway; or why it cannot be made."""
    name, ours = name_of(function), signature_of(implementation)
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
    if not fits(implementation, tuple(places), given):
        raise ArgumentError(f"{name} cannot be called like this; supported arguments: {names}")
    return implementation(*places, **given)
