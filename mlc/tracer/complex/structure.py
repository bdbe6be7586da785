"""Functions of NumPy that do to complex elements what they do to real ones: to both parts.

What moves or adds elements is done to the real and to the imaginary parts; a product of two arrays
is four products of real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import DTypeError, UnsupportedError
from ..changing import CHANGES
from ..dispatch import call_function
from ..memory_order import axes_in_memory, is_dense_part, layout, resolved, steps_of
from ..tracer import Tracer
from .calls import (
    FUNCTIONS,
    as_complex,
    converted,
    has_complex,
    is_complex,
    key_of,
    made,
    parts_of,
    put,
    whole_parts,
)
from .joined import product, summed
from .value import COMPLEX, REAL, Complex, combined

# Functions that do the same to both parts, and which of their parameters hold elements:
# ``place:name``. All others are shapes, axes, indices and masks.
_PARTWISE = {
    "0:a": (
        "reshape ravel transpose permute_dims swapaxes moveaxis rollaxis expand_dims squeeze "
        "diagonal roll repeat take delete resize trace cumsum around round copy cumulative_sum"
    ),
    "0:m": "flip fliplr flipud rot90 tril triu",
    "0:v": "diag diagflat",
    "0:x": "matrix_transpose unstack sliding_window_view linalg.diagonal linalg.trace "
           "linalg.matrix_transpose fft.fftshift fft.ifftshift nan_to_num",
    "0:array": "broadcast_to",
    "0:ary": "split array_split hsplit vsplit dsplit",
    "0:A": "tile",
    "0:arr": "take_along_axis",
    "0:arrays": "concatenate concat stack block",
    "0:tup": "vstack hstack dstack column_stack",
    "0:arr 1:values": "append",
    "0:arr 2:values": "insert",
    "1:a": "compress",
    "1:x 2:y": "where",
    "1:choicelist 2:default": "select",
    "1:choices": "choose",
    "0:a 5:initial": "sum",
    "0:a 3:prepend 4:append": "diff",
    "0:ary 1:to_end 2:to_begin": "ediff1d",
    "0:f": "gradient",
    "0:a1 1:a2": "polyadd polysub",
    "0:p": "polyder",
    "0:p 2:k": "polyint",
    "2:fp 3:left 4:right": "interp",
}  # fmt: skip
# Bilinear functions: each of two factors may be complex.
_PRODUCTS = (
    "matmul dot inner outer tensordot kron convolve cross "
    "linalg.matmul linalg.outer linalg.tensordot linalg.cross"
)
_MATRICES = (np.matmul, np.dot)
_VARIADIC = "atleast_1d atleast_2d atleast_3d meshgrid broadcast_arrays"


def _named(name: str) -> Any:
    value: Any = np.lib.stride_tricks if name == "sliding_window_view" else np
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _partwise(function: Any, data: list[tuple[int, str]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        dtype = kwargs.pop("dtype", None)
        if function is np.sum:
            wanted = args[2] if len(args) > 2 else dtype
            check_start("sum", args[0] if args else kwargs["a"], wanted)
        if dtype is not None:
            kwargs["dtype"] = np.dtype(dtype)
        found = []
        for n in (0, 1):
            options = dict(kwargs)
            given = [REAL.get(v, v) if isinstance(v, np.dtype) else v for v in map(_as_dtype, args)]
            for place, name in data:
                if name in options:
                    options[name] = whole_parts(options[name])[n]
                elif place < len(given):
                    given[place] = whole_parts(given[place])[n]
            if "dtype" in options:
                if options["dtype"] not in REAL:
                    raise _real_dtype(function, options["dtype"])
                options["dtype"] = REAL[options["dtype"]]
            if has_complex([*given, *options.values()]):
                raise UnsupportedError(
                    f"np.{function.__name__} can be traced with complex elements, but not with a "
                    f"complex number in any other argument; take its .real"
                )
            found.append(call_function(function, tuple(given), options))
        return combined(*same_dtypes(*found))

    return call


def check_start(name: str, a: Any, dtype: Any) -> None:
    """DTypeError for a complex ``initial`` of what is not complex, which NumPy cannot keep."""
    if dtype is None and not is_complex(a):
        raise DTypeError(
            f"np.{name}: a complex initial= needs a complex array or dtype=complex; add it "
            f"afterwards, or pass its .real"
        )


def _ravel(by_parts: Callable[..., Any]) -> Callable[..., Any]:
    """np.ravel: a view where the complex elements follow each other, whose parts may not."""

    def ravel(a: Any, order: str = "C") -> Any:
        if order == "K":
            return np.ravel(np.transpose(a, axes_in_memory(a)))
        if resolved(order, a) == "F":
            return np.ravel(np.transpose(a))
        real = parts_of(a)[0]
        found = layout(real) if isinstance(real, Tracer) else None
        if found is not None and is_dense_part(found, steps_of(real)):
            return call_function(np.reshape, (a, (real.size,)), {})
        return by_parts(a)

    return ravel


def _reshape(by_parts: Callable[..., Any]) -> Callable[..., Any]:
    """np.reshape."""

    def reshape(a: Any, shape: Any, order: str = "C", **options: Any) -> Any:
        if order == "K":
            raise ValueError("order 'K' is not permitted for reshaping")
        if resolved(order, a) == "C":
            return by_parts(a, shape, **options)
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        return np.transpose(np.reshape(np.transpose(a), tuple(reversed(sizes)), **options))

    return reshape


def _insert(by_parts: Callable[..., Any]) -> Callable[..., Any]:
    """np.insert: the array decides the dtype."""

    def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
        if is_complex(arr):
            return by_parts(arr, obj, values, axis)
        if key_of(values) is complex and key_of(arr) != np.bool_:
            raise DTypeError(
                "np.insert: a complex number cannot stand in an array that is not complex; insert "
                "value.real, or convert the array with .astype(complex)"
            )
        values = converted(as_complex(values), np.dtype(key_of(arr)))
        return call_function(np.insert, (arr, obj, values, axis), {})

    return insert


def _as_dtype(value: Any) -> Any:
    """A complex type as a dtype; all else as it is."""
    is_type = value is complex or isinstance(value, type) and issubclass(value, np.complexfloating)
    return np.dtype(value) if is_type else value


def same_dtypes(real: Any, imag: Any) -> tuple[Any, Any]:
    """Both results in one float dtype, where a part was an integer array or a number."""
    if type(real) in (list, tuple):
        pairs = [same_dtypes(a, b) for a, b in zip(real, imag, strict=True)]
        return tuple(type(real)(p[n] for p in pairs) for n in (0, 1))  # type: ignore[return-value]
    dtype = np.result_type(real.dtype, imag.dtype)
    dtype = dtype if dtype in COMPLEX else np.dtype("float64")
    return tuple(  # type: ignore[return-value]
        p if p.dtype == dtype else p.astype(dtype) for p in (real, imag)
    )


def _real_dtype(function: Any, dtype: Any) -> UnsupportedError:
    return UnsupportedError(
        f"np.{function.__name__} of complex numbers with dtype={np.dtype(dtype).name} cannot be "
        f"traced; name complex64 or complex128, or take x.real first"
    )


def _product(function: Any) -> Callable[..., Any]:
    def call(a: Any, b: Any, *rest: Any, **kwargs: Any) -> Any:
        def of(x: Any, y: Any) -> Any:
            if isinstance(function, np.ufunc):
                return function(x, y)
            return call_function(function, (x, y, *rest), kwargs)

        found = product(a, b) if function in _MATRICES and not rest and not kwargs else None
        return bilinear(of, a, b) if found is None else found

    return call


def bilinear(of: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """What ``of``, linear in two real arguments, makes of two of which one or both are complex."""
    dtype = part_dtype(a, b)
    pairs = [whole_parts(v) if is_complex(v) else (parts_of(v)[0], None) for v in (a, b)]
    (p, q), (r, s) = (tuple(None if x is None else cast(x, dtype) for x in pair) for pair in pairs)
    if s is None:
        return made(of(p, r), of(q, r), dtype)
    if q is None:
        return made(of(p, r), of(p, s), dtype)
    return made(of(p, r) - of(q, s), of(p, s) + of(q, r), dtype)


def part_dtype(*values: Any) -> np.dtype[Any]:
    """The dtype of the parts of a product; numbers are arrays in it."""
    return REAL[np.result_type(*(np.dtype(key_of(v)) for v in values), np.complex64)]


def cast(part: Any, dtype: Any) -> Any:
    if not hasattr(part, "dtype"):
        return dtype.type(part)
    return part if part.dtype == dtype else part.astype(dtype)


def _register() -> None:
    for places, names in _PARTWISE.items():
        data = [(int(n), name) for n, name in (item.split(":") for item in places.split())]
        for name in names.split():
            function = _named(name)
            if function is not None:
                FUNCTIONS[function] = _partwise(function, data)
    FUNCTIONS[np.sum] = summed(np.sum, FUNCTIONS[np.sum])
    FUNCTIONS[np.ravel] = _ravel(FUNCTIONS[np.ravel])
    FUNCTIONS[np.reshape] = _reshape(FUNCTIONS[np.reshape])
    FUNCTIONS[np.insert] = _insert(FUNCTIONS[np.insert])
    for name in _PRODUCTS.split():
        function = _named(name)
        if function is not None:
            FUNCTIONS[function] = _product(function)
    for name in _VARIADIC.split():
        FUNCTIONS[_named(name)] = _variadic(_named(name))
    for function, change in CHANGES.items():
        FUNCTIONS[function] = _changing(function, change)


def _variadic(function: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1:
            found = call_function(function, parts_of(args[0])[:1], kwargs)
            other = call_function(function, parts_of(args[0])[1:], kwargs)
            return combined(found, other)
        parts = [call_function(function, tuple(parts_of(a)[0] for a in args), kwargs)]
        imags = [whole_parts(a)[1] if is_complex(a) else parts_of(a)[0] for a in args]
        parts.append(call_function(function, tuple(imags), kwargs))
        pairs = zip(args, *parts, strict=True)
        return type(parts[0])(combined(p, q) if is_complex(a) else p for a, p, q in pairs)

    return call


def _changing(function: Any, change: Callable[..., None]) -> Callable[..., None]:
    places = {"copyto": 1, "fill_diagonal": 1, "put_along_axis": 2}

    def call(target: Any, *args: Any, **kwargs: Any) -> None:
        name = {"copyto": "src", "fill_diagonal": "val", "put": "v", "place": "vals"}.get(
            function.__name__, "values"
        )
        place = places.get(function.__name__, 2) - 1
        given = list(args)
        value = kwargs.pop(name) if name in kwargs else given.pop(place)
        if not isinstance(target, Complex):
            if function is np.copyto and is_complex(value):
                put("np.copyto", target, value)
            raise UnsupportedError(
                f"np.{function.__name__} would write complex numbers into the array "
                f"{target!r}, which is not a complex one of the function's own; write the real "
                f"part, value.real, or make the array with dtype=complex"
            )
        real, imag = parts_of(value)
        imag = imag if np.size(real) else real  # of no values there is nothing to write
        for part, v in zip(target._parts, (real, imag), strict=True):
            change(part, *given[:place], v, *given[place:], **kwargs)

    return call


_register()
