"""A traced complex array: two real ones, of equal shape and dtype.

The parts are traced arrays like any others, so views, writes, masks, loops and known elements are
theirs. An argument comes in as its memory is, real numbers with a last axis of 2, and its parts are
views of that; a result goes out the same way.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NoReturn

import numpy as np

from ... import te
from ...dtypes import float64
from ...errors import ArgumentError, TracerNumberError, UnsupportedError
from ...ir.expr import const
from ...ops.op import CURRENT
from .. import tree
from ..absent import IN_PLACE, refuse_attribute
from ..asking import shape_for
from ..changing import Flat, flattened
from ..concrete import known, plain, wrapped
from ..dispatch import call_function
from ..masked import Masked
from ..memory_order import copied_in, is_as_asked
from ..operators import define_methods
from ..storage import ReadOnlyError, frozen_as
from ..strides import strides_of
from ..trace import as_array
from ..tracer import Tracer
from ..ufuncs import call_ufunc
from ..ways import Showing, in_way
from ..writing import check_element, one_element
from .halves import half

Part = Any  # a Tracer, or a Masked: the elements that a traced mask selects
DTypes = dict["np.dtype[Any]", "np.dtype[Any]"]
COMPLEX: DTypes = {np.dtype(f"f{n}"): np.dtype(f"c{2 * n}") for n in (4, 8)}
REAL: DTypes = {pair: real for real, pair in COMPLEX.items()}


class Complex(Showing):
    """A traced complex array; see `mlc.tracer.tracer.Tracer`, which it answers like."""

    __slots__ = ("__weakref__", "_pair", "_parts")
    __array_priority__ = 1500.0
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, real: Part, imag: Part, pair: Tracer | None = None) -> None:
        self._parts = (real, imag)
        self._pair = pair  # the argument that this is, whole

    # What tracing asks of a value
    # ----------------------------------------------------------------

    def __mlc_lift__(self, trace: Any) -> NoReturn:
        for part in self._parts:
            part.__mlc_lift__(trace)  # it may have leaked
        raise UnsupportedError(
            f"{self!r} is complex, and this function has no complex version here yet; work on "
            f"x.real and x.imag, or call it outside the jitted function"
        )

    def __mlc_known__(self) -> Any:
        """NumPy's array while all elements are known: the memory of both parts."""
        real, imag = map(known, self._parts)
        if not isinstance(real, np.ndarray) or not isinstance(imag, np.ndarray):
            return None
        return _interleaved(real, imag)

    def __getattr__(self, name: str) -> Any:
        array = None if name in Complex.__slots__ or name in IN_PLACE else self.__mlc_known__()
        return refuse_attribute(name) if array is None else getattr(array, name)

    @property
    def _is_weak(self) -> bool:
        return all(
            isinstance(p, Tracer) and p._cell.array is None and p._tensor in p._trace.weak
            for p in self._parts
        )

    def _is_scalar(self) -> bool:
        return all(isinstance(p, Tracer) and p._is_scalar() for p in self._parts)

    def _detached(self) -> Any:
        """The same elements as an array of its own."""
        found = known(self)
        if found is not self:
            return wrapped(found.copy()) if found.ndim else found[()]
        return Complex(*(p._detached() if isinstance(p, Tracer) else p for p in self._parts))

    @property
    def _view(self) -> Any:
        return next((p._view for p in self._parts if isinstance(p, Tracer)), None)

    # fmt: off
    @property
    def shape(self) -> Any: return shape_for(self._parts[0], sys._getframe(1))
    @shape.setter
    def shape(self, shape: Any) -> None:
        for part in (self._pair,) if self._pair is not None else self._parts:
            part.shape = shape
    @property
    def dtype(self) -> np.dtype[Any]: return COMPLEX[self._parts[0].dtype]
    @property
    def ndim(self) -> int: return self._parts[0].ndim  # type: ignore[no-any-return]
    @property
    def size(self) -> Any: return math.prod(shape_for(self._parts[0], sys._getframe(1)))
    @property
    def itemsize(self) -> int: return self.dtype.itemsize
    @property
    def nbytes(self) -> int: return self.size * self.itemsize
    @property
    def T(self) -> Any: return np.transpose(self)  # type: ignore[call-overload]
    @property
    def mT(self) -> Any: return call_function(np.matrix_transpose, (self,), {})
    @property
    def strides(self) -> tuple[int, ...]: return strides_of(self)
    @property
    def device(self) -> str: return "cpu"
    # fmt: on

    @property
    def real(self) -> Any:
        """The real part: a view."""
        return half(self._parts[0])

    @real.setter
    def real(self, value: Any) -> None:
        self._parts[0][...] = value

    @property
    def imag(self) -> Any:
        """The imaginary part: a view."""
        return half(self._parts[1])

    @imag.setter
    def imag(self, value: Any) -> None:
        self._parts[1][...] = value

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """`mlc.numpy`: code for the array API standard finds its functions there."""
        return import_module("mlc.numpy")

    def _text(self, how: str) -> str:
        found = known(self)
        if found is not self:
            return in_way(found, how)
        real = self._parts[0]
        if isinstance(real, Masked):
            mask, text = real._mask, f"traced {self.dtype.name} elements of a mask"
            return mask._trace.show(text, mask._tensor, self, how)
        origin = f"(argument {self._pair._tensor.name})" if self._pair is not None else ""
        text = f"traced {self.dtype.name}{list(self.shape)} {origin}".rstrip()
        return real._trace.show(text, real._tensor, self, how)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return call_function(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        found = known(self)
        if found is not self:
            return np.array(found, dtype)
        return self._parts[0].__array__()

    # Python's own numbers
    # ----------------------------------------------------------------

    def _number(self, kind: str, instead: str) -> Any:
        found = known(self)
        if found is not self:
            return found
        raise TracerNumberError(
            f"{self!r} has no value while tracing, so it cannot become a Python {kind}; {instead}; "
            f"if it comes from an argument that decides shapes or control flow, name that in "
            f"static_argnames"
        )

    def __bool__(self) -> bool:
        found = known(self)
        return bool(found if found is not self else self != 0)

    def __complex__(self) -> complex:
        return complex(self._number("complex", "use x.astype(complex)"))

    def __float__(self) -> float:
        raise TypeError(f"{self!r} is complex and no float; use x.real, x.imag or abs(x)")

    def __int__(self) -> int:
        raise TypeError(f"{self!r} is complex and no int; use x.real, x.imag or abs(x)")

    def __index__(self) -> int:
        raise TypeError(f"{self!r} is complex and no integer; use x.real.astype(int)")

    def item(self, *args: Any) -> Any:
        """Refused, unless the elements are known: a traced value has no value yet."""
        return self._number("number", "return it and call .item() on the result").item(*args)

    def tolist(self) -> Any:
        """Refused, unless the elements are known."""
        return self._number("list", "return the array and call .tolist() on the result").tolist()

    # Elements
    # ----------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._parts[0])

    def __iter__(self) -> Iterator[Any]:
        return map(combined, *map(iter, self._parts))

    def __getitem__(self, key: Any) -> Any:
        return combined(*(part[key] for part in self._parts))

    def __setitem__(self, key: Any, value: Any) -> None:
        from .calls import parts_of

        real, imag = parts_of(value)
        if isinstance(value, Complex):  # written one after the other: they must not see that
            real, imag = (p._detached() if isinstance(p, Tracer) else p for p in (real, imag))
        check_element(self._parts[0], plain(key), real)
        self._parts[0][key] = real
        self._parts[1][key] = imag

    @property
    def flat(self) -> Flat:
        """The elements in C order."""
        return ComplexFlat(self)  # type: ignore[return-value]

    @flat.setter
    def flat(self, value: Any) -> None:
        self.flat[...] = value.copy() if isinstance(value, (Complex, Tracer)) else value

    def fill(self, value: Any) -> None:
        """Set all elements to ``value``, a number."""
        self[...] = one_element(value)

    # Methods
    # ----------------------------------------------------------------

    def astype(self, dtype: Any, order: Any = "K", casting: Any = "unsafe",
               subok: bool = True, copy: bool = True) -> Any:  # fmt: skip
        """Converted to ``dtype``; only another complex one, or bool, loses nothing."""
        from .calls import converted

        if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):
            raise ArgumentError(
                f"cannot cast from {self.dtype} to {np.dtype(dtype)} with casting={casting!r}"
            )
        if not copy and self.dtype == dtype and not self._is_weak and is_as_asked(self, order):
            return self
        return copied_in(order, converted(self, np.dtype(dtype)), self)

    def reshape(self, *shape: Any, order: Any = "C") -> Any:
        """As np.reshape; sizes may be given one by one."""
        sizes = shape[0] if len(shape) == 1 else shape
        return call_function(np.reshape, (self, sizes), {"order": order})

    def transpose(self, *axes: Any) -> Any:
        """As np.transpose; axes may be given one by one."""
        return combined(*(part.transpose(*axes) for part in self._parts))

    def flatten(self, order: Any = "C") -> Any:
        """A copy of shape (size,)."""
        return call_function(np.ravel, (self, order), {})._detached()

    def copy(self, order: Any = "C") -> Any:
        """An array of its own with the same elements."""
        return copied_in(order, combined(*(part.copy() for part in self._parts)), self)

    def conj(self) -> Any:
        """The complex conjugate."""
        if self._is_weak:  # a number of Python's stays one
            return Complex(+self._parts[0], -self._parts[1])
        return np.conjugate(self)  # type: ignore[call-overload]

    conjugate = conj

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __round__(self, digits: int = 0) -> Any:
        return np.round(self, digits)  # type: ignore[call-overload]

    # The way in and out
    # ----------------------------------------------------------------

    def joined(self) -> Any:
        """Both parts as one real array with a last axis of 2, as memory holds complex numbers."""
        pair = self._pair
        if pair is not None:
            return pair
        return call_function(np.stack, (list(self._parts),), {"axis": -1})


class ComplexFlat(Flat):
    """``z.flat``."""

    def __init__(self, owner: Complex) -> None:
        super().__init__(owner)
        self._flats = [Flat(part) for part in owner._parts]

    def __getitem__(self, key: Any) -> Any:
        return combined(*(flat[key] for flat in self._flats))

    def __setitem__(self, key: Any, value: Any) -> None:
        from .calls import parts_of

        check_writable(self._owner)
        if not self._owner.shape:
            self._owner[...] = value
            return
        if isinstance(value, ComplexFlat):
            value = combined(*map(flattened, value._owner._parts))
        parts = parts_of(value)
        if not np.size(parts[0]):
            parts = parts[0], parts[0]  # of no values there is nothing to write
        if not isinstance(parts[1], Tracer) and isinstance(parts[0], Tracer):
            parts = parts[0].copy(), parts[1]  # converted before it is read
        for flat, given in zip(self._flats, parts, strict=True):
            flat[key] = given

    def __iter__(self) -> Any:
        return map(combined, *map(iter, self._flats))

    def copy(self) -> Any:
        """The elements as an array of its own."""
        return combined(*(flat.copy() for flat in self._flats))

    def __mlc_lift__(self, trace: Any) -> Any:
        return self._owner.__mlc_lift__(trace)


def combined(real: Any, imag: Any) -> Any:
    """The complex value, or the list or tuple of them, with these parts of one shape and dtype."""
    if type(real) in (list, tuple):
        return type(real)(map(combined, real, imag))
    if isinstance(real, np.generic) and isinstance(imag, np.generic):
        return COMPLEX[real.dtype].type(complex(real, imag))
    return Complex(as_part(real), as_part(imag))


def as_part(value: Any) -> Part:
    """A traced face for what may be a plain array or NumPy scalar."""
    if isinstance(value, (Tracer, Masked)):
        return value
    trace: Any = CURRENT.get()
    return trace.wrap(trace.lift(np.asarray(value) if isinstance(value, float) else value))


def pair_view(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The memory of a complex array as real numbers, with a last axis of 2."""
    return array[..., None].view(REAL[array.dtype])


def from_pair(pair: np.ndarray[Any, Any]) -> Any:
    """The complex array in the memory of real numbers with a last axis of 2; () gives a scalar."""
    if pair.strides[-1] != pair.itemsize:
        pair = np.ascontiguousarray(pair)
    return pair.view(COMPLEX[pair.dtype])[..., 0][()]


def from_argument(pair: Tracer, weak: bool, is_scalar: bool) -> Complex:
    """The complex value of an argument that came in as ``pair``."""
    pair._cell.is_joined = True
    if not is_scalar:
        return Complex(pair[..., 0], pair[..., 1], pair)
    real, imag = pair[0], pair[1]
    if weak:
        pair._trace.weak.update((real._tensor, imag._tensor))
    return Complex(real, imag)


def from_known(array: np.ndarray[Any, Any], fill: Any = None) -> Complex:
    """A complex array that was made while tracing: the parts share its memory."""
    fills = (None, None) if fill is None else (complex(fill).real, complex(fill).imag)
    parts = [wrapped(part, (), fill) for part, fill in zip((array.real, array.imag), fills)]
    for part in parts:
        if isinstance(part, Tracer):
            part._cell.is_joined = True
    return Complex(*parts)


def from_constant(value: Any) -> Complex:
    """A complex array or NumPy scalar from outside."""
    array = as_array(value)
    assert array is not None
    if array.dtype not in REAL or not array.dtype.isnative:
        raise UnsupportedError(
            f"dtype {array.dtype.str!r} is not supported; convert with .astype('complex128')"
        )
    trace: Any = CURRENT.get()
    pair = trace.wrap(trace.pair_constant(value))
    pair._cell.is_joined = True
    return Complex(pair[..., 0], pair[..., 1])


def from_number(value: complex) -> Complex:
    """A Python number, which promotes as it does without tracing."""
    trace: Any = CURRENT.get()
    parts = []
    for number in (value.real, value.imag):
        tensor: Any = te.compute((), lambda n=number: const(n, float64), name="number", op="number")
        trace.weak.add(tensor)
        parts.append(Tracer(tensor, trace))
    return Complex(*parts)


class _Shared:
    """Two arrays of real numbers, one beside the other, as NumPy's array protocol tells it."""

    def __init__(self, real: np.ndarray[Any, Any]) -> None:
        self.real = real
        address, _ = real.__array_interface__["data"]
        self.__array_interface__ = {
            "version": 3,
            "data": (address, not real.flags.writeable),
            "strides": real.strides,
            "shape": real.shape,
            "typestr": COMPLEX[real.dtype].str,
        }


def _interleaved(real: np.ndarray[Any, Any], imag: np.ndarray[Any, Any]) -> Any:
    """The complex array that both are parts of; None if they are not."""
    if real.strides != imag.strides or real.shape != imag.shape or real.dtype not in COMPLEX:
        return None
    places = [a.__array_interface__["data"][0] for a in (real, imag)]
    if real.size and places[1] - places[0] != real.itemsize:
        return None
    if not real.size:
        return np.empty(real.shape, COMPLEX[real.dtype])
    return np.asarray(_Shared(real))


define_methods(Complex)


def _in_place(ufunc: np.ufunc) -> Any:
    """An operator such as ``+=``: it changes the array, or makes another scalar."""

    def method(self: Complex, other: Any) -> Any:
        if self._is_scalar():
            return NotImplemented
        return call_ufunc(ufunc, "__call__", (self, other), {"out": (self,)})

    return method


for _name, _ufunc in (("add", np.add), ("sub", np.subtract), ("mul", np.multiply),
                      ("truediv", np.true_divide), ("pow", np.power)):  # fmt: skip
    setattr(Complex, f"__i{_name}__", _in_place(_ufunc))


def check_writable(target: Complex) -> None:
    """ReadOnlyError or ArgumentError for what cannot be written to."""
    if target._is_scalar():
        raise ArgumentError(f"{target!r} is a scalar, which never changes; make another one")
    if any(isinstance(p, Tracer) and p._is_read_only() for p in target._parts):
        raise ReadOnlyError("assignment destination is read-only")


def _parts(value: Complex) -> tuple[Any, Any]:
    if tree.JOINING.get():
        kind = "number" if value._is_weak else "scalar" if value._is_scalar() else "array"
        return (frozen_as(value.joined(), value),), kind
    return value._parts, "parts"


def _whole(kind: str, children: Any) -> Any:
    if kind == "parts":
        real, imag = children
        return Complex(real, imag) if isinstance(real, Tracer) else tuple(children)
    (pair,) = children
    if not isinstance(pair, np.ndarray):
        return pair
    found = from_pair(pair)
    return complex(found) if kind == "number" else np.asarray(found) if kind == "array" else found


tree.register(Complex, _parts, _whole)
