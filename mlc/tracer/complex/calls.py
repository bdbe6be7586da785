"""From a call with complex numbers in it to what stands for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import DTypeError, OutsideArrayError, UnsupportedError, warn
from ...ops.broadcast import broadcast_shape
from ...ops.op import leaves_of
from ...ops.promotion import check_casting
from ..concrete import call_plainly, is_plain_call, known
from ..dispatch import NUMBERS, as_number, call_function
from ..implementations import fits, name_of, views
from ..masked import Masked
from ..returned_views import own
from ..rooms import as_mask, casting_of, check_room, is_joined, one_place
from ..shapeless import settle_scalars, strong
from ..tracer import Tracer
from ..ufuncs import FUNCTION_OF_METHOD, call_ufunc
from .value import (
    COMPLEX,
    REAL,
    Complex,
    as_part,
    check_writable,
    from_constant,
    from_known,
    from_number,
)

Formula = Callable[..., Any]
FUNCTIONS: dict[Any, Formula] = {}  # what stands for a function of NumPy, under its parameters
UFUNCS: dict[np.ufunc, Formula] = {}  # (real, imaginary) in, the same out; see `elementwise`
_SUMS = frozenset({np.sum, np.prod, np.mean, np.cumsum, np.cumprod})
_LOGICAL = frozenset({np.logical_and, np.logical_or, np.logical_xor})
TESTS: dict[np.ufunc, Formula] = {}  # the same with a real array out
PLAIN: set[np.ufunc] = set()  # formulas of nothing but operators: Python floats stay what they are


def stands_for(*functions: Any) -> Callable[[Formula], Formula]:
    """Say that the decorated function does what these of NumPy do, for complex numbers too."""

    def register(implementation: Formula) -> Formula:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return register


def lifted(value: Any) -> Any:
    """Complex arrays and NumPy scalars from outside as traced ones, in lists too; all else as it
    is."""
    if type(value) in (list, tuple):
        return type(value)(map(lifted, value))
    if isinstance(value, (np.ndarray, np.complexfloating)) and value.dtype.kind == "c":
        return from_constant(value)
    return value


def is_complex(value: Any) -> bool:
    """Whether a value, traced or not, has a complex dtype."""
    if isinstance(value, (list, tuple)):
        return any(map(is_complex, value))
    return isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c"


def parts_of(value: Any) -> tuple[Any, Any]:
    """(real, imaginary) of any value; the imaginary part of a real one is 0.0."""
    if type(value) in (list, tuple):
        from ..operators import from_sequence

        value = from_sequence(value)
    value = lifted(value)
    if isinstance(value, Complex):
        return value._parts
    if isinstance(value, complex):
        return value.real, value.imag
    return value, 0.0


def whole_parts(value: Any) -> tuple[Any, Any]:
    """The same with a real array's imaginary part an array of its shape, in lists too."""
    if isinstance(value, (list, tuple)):
        pairs = [whole_parts(item) for item in value]
        return tuple([pair[n] for pair in pairs] for n in (0, 1))  # type: ignore[return-value]
    real, imag = parts_of(value)
    is_weak = getattr(real, "_is_weak", False) and real.dtype.kind != "b"
    is_number = type(real) in (int, float) or is_weak
    if isinstance(imag, float) and not is_number:
        imag = np.zeros(np.shape(real), _real_dtype(getattr(real, "dtype", bool)))[()]
    return real, imag


def _real_dtype(dtype: Any) -> np.dtype[Any]:
    return REAL[np.result_type(dtype, np.complex64)]


def _shape_of(part: Any) -> Any:
    return part._seen[1].shape if isinstance(part, Tracer) else np.shape(part)


def made(real: Any, imag: Any, like: np.dtype[Any] | None = None) -> Any:
    """The complex value with these parts, broadcast to one shape and converted to ``like``."""
    if isinstance(real, Masked) or isinstance(imag, Masked):
        chosen = real if isinstance(real, Masked) else imag
        real, imag = (p if isinstance(p, Masked) else chosen._with(
            np.full(chosen._values.shape, p, chosen.dtype)) for p in (real, imag))  # fmt: skip
        return Complex(real, imag)
    shape = broadcast_shape("complex", *map(_shape_of, (real, imag)))
    dtype = like
    if dtype is None:
        found = next((p.dtype for p in (real, imag) if hasattr(p, "dtype")), np.dtype("float64"))
        dtype = found if found in COMPLEX else np.dtype("float64")
    parts = []
    for part in (real, imag):
        if not hasattr(part, "shape") or isinstance(part, np.generic):
            part = from_known(np.full(shape, part, dtype) + 0j, complex(part)).real
        elif _shape_of(part) != shape:
            part = own(np.broadcast_to(part, shape))
        part = as_part(part)
        parts.append(part if part.dtype == dtype else part.astype(dtype))
    return Complex(*parts)


def converted(value: Any, dtype: np.dtype[Any]) -> Any:
    """``value.astype(dtype)`` where either is complex."""
    found = known(value)
    if found is not value:
        return from_known(found.astype(dtype)) if dtype.kind == "c" else found.astype(dtype)
    real, imag = parts_of(value)
    if dtype in REAL:
        part = REAL[dtype]
        imag = imag.astype(part) if not isinstance(imag, float) else imag
        return made(real.astype(part), imag, part)
    if dtype.kind == "c":
        raise UnsupportedError(f"dtype {dtype} is not supported; use complex128")
    if dtype.kind == "b":
        return truth(value)
    if isinstance(value, Complex):
        warn(
            "Casting complex values to real discards the imaginary part",
            np.exceptions.ComplexWarning,
        )
    return real.astype(dtype)


def truth(value: Any) -> Any:
    """Where a value is not 0."""
    real, imag = parts_of(value)
    return np.not_equal(real, 0) | np.not_equal(imag, 0) if is_complex(value) else real


# Ufuncs
# --------------------------------------------------------------------


def call_complex_ufunc(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """A ufunc with complex numbers among its arguments, or asked for a complex result."""
    inputs = tuple(map(lifted, inputs))
    if is_plain_call(inputs, kwargs):
        return call_plainly(getattr(ufunc, method), inputs, kwargs)
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    kwargs = dict(kwargs)
    out = kwargs.pop("out", None)
    places = out if isinstance(out, tuple) else (out,)
    if any(place is not None for place in places):
        return _into(name, ufunc, method, inputs, kwargs, places)
    if method == "outer" and len(inputs) == 2:
        left, right = map(strong, inputs)
        shape = (*np.shape(left), *(1,) * np.ndim(right))
        return call_ufunc(ufunc, "__call__", (np.reshape(left, shape), right), kwargs)
    if method in ("reduce", "accumulate"):
        function = FUNCTION_OF_METHOD.get((ufunc, method))
        if function is not None:
            array, *rest = inputs
            names = ("axis", "dtype", "out", "keepdims", "initial", "where")
            options = {"axis": 0, **dict(zip(names, rest)), **kwargs}
            return call_function(function, (array,), options)
        if ufunc in _LOGICAL:
            return call_ufunc(ufunc, method, (truth(inputs[0]), *inputs[1:]), kwargs)
    if method == "at":
        return _at(ufunc, *inputs)
    if method != "__call__":
        raise _unsupported(name)
    where = as_mask(name, kwargs.pop("where", True))
    if where is not True:
        found = call_ufunc(ufunc, method, inputs, kwargs)
        return np.where(where, found, found.dtype.type(0))
    dtype = kwargs.pop("dtype", None)
    casting = kwargs.pop("casting", "same_kind")
    kwargs = {k: v for k, v in kwargs.items() if k not in ("order", "subok")}
    if kwargs:
        stand_in = _stand_in(ufunc)
        if stand_in is not None and fits(stand_in, inputs, kwargs):
            return stand_in(*inputs, **kwargs)
        raise UnsupportedError(f"{name} with {next(iter(kwargs))}= cannot be traced")
    check_casting(ufunc, tuple(map(key_of, inputs)), dtype, casting)
    result = _elementwise(ufunc, name, inputs, dtype)
    if isinstance(result, Complex):  # a ufunc makes NumPy's numbers, of Python's too
        result = Complex(*map(strong, result._parts))
    parts = getattr(result, "_parts", (result,))
    if not any(isinstance(part, Masked) or np.shape(part) for part in parts):
        _as_scalar(parts, inputs)
    return result


def _as_scalar(parts: Sequence[Any], inputs: Sequence[Any]) -> None:
    """Let ``parts`` be a scalar, as the result of a ufunc is, whatever they were made with."""
    given = [part._cell for value in inputs for part in getattr(value, "_parts", (value,))
             if hasattr(part, "_cell")]  # fmt: skip
    for cell in [getattr(part, "_cell", None) for part in parts]:
        if cell is not None and cell.array is None and all(cell is not one for one in given):
            cell.is_array = False


def _elementwise(ufunc: np.ufunc, name: str, inputs: tuple[Any, ...], dtype: Any) -> Any:
    formula, test = UFUNCS.get(ufunc), TESTS.get(ufunc)
    if formula is None and test is None:
        stand_in = _stand_in(ufunc)
        if stand_in is not None:
            return stand_in(*inputs)
        raise _unsupported(name)
    given = [key_of(value) for value in inputs]
    if dtype is None and all(isinstance(key, type) for key in given):  # Python numbers
        work: Any = None
    else:
        wanted = (None,) * ufunc.nin + (None if dtype is None else np.dtype(dtype),)
        asked: Any = {} if dtype is None else {"signature": wanted}
        try:
            found = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout), **asked)
        except TypeError as error:
            raise DTypeError(f"{name}: {error}; convert with .astype(...)") from None
        work = np.result_type(*found[: ufunc.nin])
        if work.kind == "c" and work not in REAL:
            raise UnsupportedError(f"{name}: dtype {work} is not supported; use complex128")
        work = REAL.get(work)
    operands = [_operand(value, work, ufunc in PLAIN) for value in inputs]
    with np.errstate(all="ignore"):
        if test is not None:
            return test(*operands)
        assert formula is not None
        real, imag = formula(*operands)
        return made(real, imag, work)


def _stand_in(ufunc: np.ufunc) -> Formula | None:
    """What stands for a ufunc over more than single elements, such as np.vecdot."""
    if ufunc.signature is None:
        return None
    return FUNCTIONS.get(getattr(np, ufunc.__name__, None))


def key_of(value: Any) -> Any:
    """How a value takes part in promotion: its dtype, or Python's type for weak numbers."""
    if type(value) in (bool, int, float, complex):
        return type(value) if type(value) is not bool else np.dtype(bool)
    if isinstance(value, Complex):
        return complex if value._is_weak else value.dtype
    if isinstance(value, Tracer) and value._is_weak:
        return {"f": float, "b": value.dtype}.get(value.dtype.kind, int)
    if type(value) in (list, tuple):
        return parts_of(value)[0].dtype
    return np.asarray(value).dtype if not hasattr(value, "dtype") else value.dtype


def _operand(value: Any, dtype: Any, is_plain: bool) -> tuple[Any, Any]:
    """The parts of an argument, of ``dtype`` unless that is None; numbers become NumPy's scalars,
    or with ``is_plain`` stay Python's."""
    kind = np.float64 if dtype is None else dtype.type

    def part(p: Any) -> Any:
        if hasattr(p, "dtype"):
            return p if dtype is None or p.dtype == dtype else p.astype(dtype)
        return p if is_plain else kind(p)

    real, imag = map(part, parts_of(value))
    return real, imag


def _into(
    name: str, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any],
    places: tuple[Any, ...],
) -> Any:  # fmt: skip
    where = as_mask(name, kwargs.pop("where", True))
    casting = kwargs.pop("casting", "same_kind")
    found = call_ufunc(ufunc, method, inputs, kwargs)
    if method not in ("__call__", "outer"):
        check_room(ufunc, name, places[0], found)
    return put(name, places[0], found, casting, where)


def put(name: str, place: Any, found: Any, casting: Any = "same_kind", where: Any = True) -> Any:
    """Write a result into the array ``place``, as ``out=`` does."""
    from ..writing import write_result

    if not hasattr(type(place), "__mlc_known__"):
        raise OutsideArrayError(
            f"{name} with out= (or an operator like += on a NumPy array) would write traced values "
            f"into a NumPy array that was not made in the function; pass it as an argument"
        )
    if not isinstance(place, Complex):
        if is_complex(found):
            raise DTypeError(
                f"Cannot cast {name} output from {found.dtype!r} to {place.dtype!r} with casting "
                f"rule {casting!r}; make a new array instead of changing this one"
            )
        return write_result(name, place, found, casting, where)
    check_writable(place)
    if not np.can_cast(getattr(found, "dtype", type(found)), place.dtype, casting):
        raise DTypeError(
            f"Cannot cast {name} output from {found.dtype!r} to {place.dtype!r} with casting rule "
            f"{casting!r}"
        )
    shape = place.shape
    if broadcast_shape(name, _shape_of(found), shape) != shape:
        raise ValueError(
            f"{name}: non-broadcastable output operand with shape {shape} doesn't match the "
            f"broadcast shape {np.shape(found)}"
        )
    if isinstance(found, Complex):
        found = found._detached()
    for part, value in zip(place._parts, parts_of(found), strict=True):
        if isinstance(value, float):
            value = part.dtype.type(value)
        write_result(name, part, value, "unsafe", where)
    return place


def _at(ufunc: np.ufunc, target: Any, key: Any, value: Any = None) -> None:
    if not isinstance(target, Complex) and isinstance(lifted(value), (Complex, complex)):
        raise DTypeError(
            f"np.{ufunc.__name__}.at would store complex values in a {np.dtype(target.dtype).name} "
            f"array, which would lose their imaginary parts; pass value.real, or make the array "
            f"with dtype=complex"
        )
    if ufunc not in (np.add, np.subtract) or not isinstance(target, Complex):
        raise UnsupportedError(
            f"np.{ufunc.__name__}.at of complex numbers cannot be traced, except np.add.at and "
            f"np.subtract.at into a complex array"
        )
    for part, given in zip(target._parts, parts_of(value), strict=True):
        ufunc.at(part, key, given)


# Functions
# --------------------------------------------------------------------


def call_complex_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of NumPy with complex numbers among its arguments, or asked for them."""
    args = tuple(map(lifted, args))
    kwargs = {key: lifted(value) for key, value in kwargs.items() if value is not np._NoValue}  # type: ignore[attr-defined]
    if function not in views() and is_plain_call(args, kwargs):
        return call_plainly(function, args, kwargs)
    implementation = FUNCTIONS.get(function)
    if implementation is None:
        raise _unsupported(name_of(function))
    dtype = kwargs.get("dtype")
    if function in _SUMS and dtype is not None and np.dtype(dtype).kind != "c" and args:
        if is_complex(args[0]):  # imaginary parts are dropped before anything is added
            return call_function(function, (converted(args[0], np.dtype(dtype)), *args[1:]), kwargs)
    name = name_of(function)
    if "where" in kwargs:
        kwargs["where"] = as_mask(name, kwargs["where"])
    place = one_place(function, name, kwargs.pop("out", None))
    where = kwargs.pop("where", True) if function is np.clip else True
    if function in _SUMS and isinstance(place, Complex) and args and not is_complex(args[0]):
        if dtype is None and not isinstance(args[0], (list, tuple)):  # NumPy adds in what both have
            args = (converted(args[0], np.result_type(args[0].dtype, place.dtype)), *args[1:])
    found = implementation(*args, **_taken(implementation, name, args, kwargs))
    if place is not None:
        check_room(function, name, place, found)
        casting = casting_of(function, kwargs)
        write = lambda there, part: put(name, there, part, casting)
        if is_joined(function, place, args, kwargs, write):
            return place
        return put(name, place, found, casting, where)
    if function in views():
        return found
    if function in NUMBERS:
        return as_number(function, found, args, kwargs)
    found = own(found, args)
    settle_scalars(function, found)
    return found


def check_kept(name: str, a: Any, dtype: Any) -> np.dtype[Any] | None:
    """The complex ``dtype`` that a variance, which is real, is to be kept in; None for none."""
    if dtype is None:
        return None
    if np.dtype(dtype).kind != "c":
        raise UnsupportedError(
            f"np.{name} of complex numbers with dtype={np.dtype(dtype)} cannot be traced: NumPy "
            f"drops imaginary parts of the mean alone; take x.real first"
        )
    return np.dtype(dtype)


@lru_cache(maxsize=256)
def _signature(implementation: Formula) -> inspect.Signature:
    return inspect.signature(implementation)


def _taken(
    implementation: Formula, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """``kwargs``, if ``implementation`` takes them; else UnsupportedError."""
    try:
        _signature(implementation).bind(*args, **kwargs)
    except TypeError as error:
        raise UnsupportedError(f"{name} of complex numbers: {error}") from None
    return kwargs


def _unsupported(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} of complex numbers cannot be traced: there is no complex version here; write it "
        f"with x.real and x.imag, or call it outside the jitted function"
    )


def has_complex(values: Any) -> bool:
    """Whether any value, nested lists included, is a complex number or array, or asks for a
    complex dtype by its type."""
    for leaf in leaves_of(values):
        if isinstance(leaf, (complex, Complex)):
            return True
        if isinstance(leaf, type):
            if leaf is complex or issubclass(leaf, np.complexfloating):
                return True
        elif isinstance(leaf, np.dtype):
            if leaf.kind == "c":
                return True
        elif isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind == "c":
            return True
    return False


def carried(value: Any) -> Any:
    """What a loop carries for a value: numbers that Python or NumPy hold become traced ones."""
    if isinstance(value, complex) and not isinstance(value, np.generic):
        return from_number(value)
    return from_constant(value) if is_complex(value) and not isinstance(value, Complex) else value


def as_complex(value: Any) -> Complex:
    """A number, a real array or a traced one as a complex value."""
    value = carried(value)
    if isinstance(value, Complex):
        return value
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
        return from_number(complex(value))
    if isinstance(value, Tracer) and value._is_weak:
        trace = value._trace
        real = value.astype("float64")
        trace.weak.add(real._tensor)
        return Complex(real, from_number(0j).imag)
    found: Complex = converted(as_part(value), np.result_type(value.dtype, np.complex64))
    return found
