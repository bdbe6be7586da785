"""Python's operators and NumPy's methods for traced arrays, each by the function it stands for."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, UnsupportedError
from ..ops.caught import DIVIDING, check_division
from ..ops.op import is_held, leaves_of
from .concrete import known
from .deciding import deciding_arguments
from .dispatch import call_function
from .flags import Flags
from .implementations import name_of
from .ufuncs import call_ufunc

_METHODS = (
    "all any argmax argmin argpartition argsort choose clip cumprod cumsum diagonal dot max mean "
    "min nonzero prod ravel repeat round searchsorted squeeze std sum swapaxes take trace var"
)
_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
_OTHERS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
    "neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert,
}  # fmt: skip


_ORDERING = frozenset({np.less, np.less_equal, np.greater, np.greater_equal})
_LOGICAL = frozenset({np.bitwise_and, np.bitwise_or, np.bitwise_xor})
_COUNTING = _LOGICAL | {*_BINARY.values(), np.negative, np.positive, np.absolute, np.invert}
_ARITHMETIC = frozenset(_BINARY.values())
_WHOLE = {"floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}


_OPERANDS = (np.ndarray, np.generic, int, float, complex, list, tuple)


def define_methods(tracer: type) -> None:
    """Give the class of traced arrays its operators and methods."""
    for name in _METHODS.split():
        setattr(tracer, name, _method(name, getattr(np, name)))
    tracer.view = _view  # type: ignore[attr-defined]
    tracer.compress = _compress  # type: ignore[attr-defined]
    tracer.flags = property(Flags)  # type: ignore[attr-defined]
    tracer.put = _put  # type: ignore[attr-defined]
    for name in ("sort", "partition"):
        setattr(tracer, name, _reordering(name, getattr(np, name)))
    for name, ufunc in _BINARY.items():
        setattr(tracer, f"__{name}__", _operator(ufunc))
        setattr(tracer, f"__r{name}__", _operator(ufunc, reflected=True))
        setattr(tracer, f"__i{name}__", _in_place(ufunc))
    for name, ufunc in _OTHERS.items():
        setattr(tracer, f"__{name}__", _operator(ufunc))
    tracer.__round__ = _round  # type: ignore[attr-defined]
    for name, ufunc in _WHOLE.items():
        setattr(tracer, f"__{name}__", _whole(name, ufunc))


def _method(name: str, function: Any) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call_function(function, (self, *args), kwargs)

    method.__name__, method.__doc__ = name, f"As {name_of(function)}."
    return method


def _put(self: Any, indices: Any, values: Any, mode: Any = "raise") -> None:
    """As np.put."""
    call_function(np.put, (self, indices, values, mode), {})


def _round(self: Any, digits: Any = None) -> Any:
    """``round(x)``, which is an int, and ``round(x, digits)``, which is a number as ``x`` is."""
    from ..ops.elementwise import EXACT_POWERS, round_number

    if digits is None:
        return _whole("round", np.rint)(self)
    _refuse_array(self, "round")
    digits = operator.index(digits)
    if _is_weak(self) and self.dtype == np.float64 and 0 < digits <= EXACT_POWERS:
        result = round_number(self, digits=digits)
    else:
        result = call_function(np.round, (self, digits), {})
    if _is_weak(self) and not _is_weak(result):
        result._trace.weak.add(result._tensor)
    return result


def _whole(name: str, ufunc: np.ufunc) -> Callable[..., Any]:
    """``math.floor(x)`` and its like: the int that Python makes of a number."""

    def method(self: Any) -> Any:
        from .number import python_number

        if name == "trunc" and not _is_weak(self) and self.dtype != np.float64:
            raise TypeError(f"type numpy.{self.dtype} doesn't define __trunc__ method")
        if name in ("round", "trunc"):
            _refuse_array(self, name)
        if name == "round" and self.dtype == np.bool_ and not _is_weak(self):
            raise TypeError("type numpy.bool doesn't define __round__ method")
        value = self
        if name in ("floor", "ceil") and self.dtype in (np.int64, np.uint64) and not _is_weak(self):
            value = python_number(self, int)  # must fit int64
            value = value.astype(np.float64)  # Python's functions ask NumPy's integers for a float
        if value.dtype.kind not in "biu":
            value = call_ufunc(ufunc, "__call__", (value,), {})
        return python_number(value, int)

    return method


def _refuse_array(value: Any, name: str) -> None:
    if value.shape or not value._is_scalar():
        raise TypeError(
            f"type numpy.ndarray doesn't define __{name}__ method; for the elements of an array "
            f"of shape {value.shape} call np.{name}"
        )


def _compress(self: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    """As np.compress."""
    return call_function(np.compress, (condition, self, axis), {} if out is None else {"out": out})


def _view(self: Any, dtype: Any = None, type: Any = None) -> Any:
    """As ndarray.view: the same elements, or their bytes as another dtype."""
    if dtype in (None, np.ndarray) and type in (None, np.ndarray):
        return self[()] if self._is_scalar() else self[...]
    if type is not None or isinstance(dtype, builtins.type) and issubclass(dtype, np.ndarray):
        raise UnsupportedError("x.view of another class of arrays cannot be traced")
    if hasattr(self, "_parts"):
        raise UnsupportedError(
            f"x.view({np.dtype(dtype)}) of complex numbers cannot be traced; use x.real and "
            f"x.imag, which share the elements of x"
        )
    if known(self) is not self:
        return _known_view(self, known(self).view(dtype))
    if np.dtype(dtype).kind == "c":
        raise UnsupportedError(
            f"x.view({np.dtype(dtype)}) cannot be traced; write x[..., ::2] + 1j * x[..., 1::2]"
        )
    from ..ops.recast import viewed
    from .memory_order import DOUBT, layout

    found = layout(self)
    if found is None:
        raise UnsupportedError(DOUBT.format("x.view(...)"))
    try:
        found.view(dtype)
    except ValueError as error:
        raise ShapeError(f"x.view({np.dtype(dtype)}): {error}") from None
    return viewed(self, dtype)


def _known_view(value: Any, found: np.ndarray[Any, Any]) -> Any:
    """``value.view(found.dtype)`` of known elements, which is ``found``."""
    from ..ops.recast import viewed

    try:
        return viewed(value, found.dtype)
    except (DTypeError, UnsupportedError):  # of a dtype that is not traced
        value._cell.touch()
        return found


def _reordering(name: str, function: Any) -> Callable[..., None]:
    """A method that puts the elements into another order."""

    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        self[...] = call_function(function, (self, *args), kwargs)

    method.__name__, method.__doc__ = name, f"As {name_of(function)}, in place."
    return method


def _operator(ufunc: np.ufunc, reflected: bool = False) -> Callable[..., Any]:
    """An operator; between Python numbers, traced or not, the result is one too and promotes like
    one.
    """

    def method(self: Any, *others: Any) -> Any:
        if others and (others[0] is None or isinstance(others[0], (str, bytes))):
            return NotImplemented
        if others and not isinstance(others[0], _OPERANDS) and _declines(self, others[0]):
            return NotImplemented
        if others and isinstance(others[0], (list, tuple)):
            if ufunc is np.multiply and self._is_scalar():
                return _repeated(others[0], self)
            if self._is_weak and ufunc in _ARITHMETIC:
                return NotImplemented  # so Python says that it has no such operator
            others = (from_sequence(others[0]),)
        operands = (*others, self) if reflected else (self, *others)
        is_python = all(map(_is_weak, operands))
        if is_python and ufunc in _COUNTING:
            operands = _counted(ufunc, operands)
        elif is_python and ufunc in _ORDERING and any(map(_is_complex, operands)):
            return NotImplemented  # so Python says that complex numbers have no order
        if is_python and ufunc in DIVIDING:
            check_division(ufunc, *operands)
        short = short_power(*operands) if ufunc is np.power else None
        if isinstance(short, np.ufunc):
            result = call_ufunc(short, "__call__", (self,), {})
        elif short is not None:
            result = short(*operands)
        else:
            result = call_ufunc(ufunc, "__call__", operands, {})
        is_traced = hasattr(type(result), "__mlc_known__")
        if is_python and is_traced and result.dtype.kind in "bifc":
            for part in getattr(result, "_parts", (result,)):
                part._trace.weak.add(part._tensor)
        return result

    return method


def _declines(value: Any, other: Any) -> bool:
    """Whether NumPy leaves an operator to ``other``, an object of the user's: that of a number
    always, that of an array where the class of ``other`` asks for it."""
    kind = type(other)
    if hasattr(kind, "__mlc_lift__"):
        return getattr(kind, "__mlc_first__", False)  # what may be None knows what to do then
    if getattr(kind, "__array_ufunc__", value) is None:
        return True
    from .attributes import is_object

    is_above = getattr(kind, "__array_priority__", 0) > 0
    return is_object(other) and (value._is_scalar() or is_above)


def _repeated(items: Any, count: Any) -> Any:
    """``items * count``: a longer list, where ``count`` is a number and no array."""
    kind = np.dtype(count.dtype).kind
    if kind not in "iu" and not (kind == "b" and count._is_weak):
        name = {"f": "float", "c": "complex"}.get(kind, "") if count._is_weak else ""
        raise TypeError(
            f"can't multiply sequence by non-int of type {name or f'numpy.{count.dtype}'!r}"
        )
    return items * operator.index(count)


def _is_complex(value: Any) -> bool:
    return isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c"


def _counted(ufunc: np.ufunc, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Python numbers, each bool among them as the int that Python's operators take it for."""
    from .number import python_number

    is_bool = [type(v) is bool or getattr(v, "dtype", None) == np.dtype(bool) for v in operands]
    if not any(is_bool) or all(is_bool) and ufunc in _LOGICAL:
        return operands
    return tuple(
        v if not found else int(v) if type(v) is bool else python_number(v, int)
        for v, found in zip(operands, is_bool, strict=True)
    )


def short_power(base: Any, exponent: Any) -> Any:
    """What NumPy's ``**`` calls instead of np.power where that shows in values or dtypes: for
    arrays to the power of Python's numbers other ufuncs, for scalars C's pow. None for nothing."""
    if not hasattr(type(base), "__mlc_known__") or not hasattr(base, "_is_scalar"):
        return None
    if base.dtype.kind == "b" and not base._is_scalar() and _is_argument(exponent):
        exponent = operator.index(exponent)  # decides the dtype: that of a square is another
    kind = type(exponent)
    if kind not in (int, float) and not isinstance(exponent, np.floating):
        return None
    if base.dtype.kind == "f" and base._is_scalar():
        if exponent != 0.5:
            return None
        from ..ops.arithmetic import scalar_power

        return scalar_power
    if base.dtype.kind in "bc" and base._is_scalar():
        return None
    if kind is int and exponent == 2 and base.dtype.kind in "bc":
        return np.square
    if kind is int and exponent == -1 and base.dtype.kind == "c":
        return np.reciprocal
    if kind is float and exponent == 0.5 and base.dtype.char in "eFD":
        return np.sqrt
    return None


def _is_argument(value: Any) -> bool:
    """Whether ``value`` is a Python int that comes from the arguments alone."""
    if not hasattr(type(value), "__mlc_known__") or value.dtype.kind != "i" or not _is_weak(value):
        return False
    return bool(deciding_arguments(value._tensor, value._trace))


def _is_weak(value: Any) -> bool:
    if hasattr(type(value), "__mlc_known__"):
        return bool(value._is_weak)
    return isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)


def _in_place(ufunc: np.ufunc) -> Callable[..., Any]:
    """An operator such as ``+=``: it changes the array, or makes another scalar."""

    def method(self: Any, other: Any) -> Any:
        if self._is_scalar():
            return NotImplemented
        if isinstance(other, (list, tuple)):
            other = from_sequence(other)
        if ufunc is np.matmul and len(np.shape(other)) < 2:
            raise ShapeError(
                f"inplace matrix multiplication requires the first operand to have at least one "
                f"and the second at least two dimensions, got shapes {self.shape} and "
                f"{np.shape(other)}; write a = a @ b"
            )
        return call_ufunc(ufunc, "__call__", (self, other), {"out": (self,)})

    return method


def from_sequence(items: Any) -> Any:
    """A list beside an operator, as the array that NumPy would make of it."""
    if any(hasattr(type(leaf), "__mlc_lift__") or is_held(leaf) for leaf in leaves_of(items)):
        from .rows import joined

        found = joined(items)
        if found is not None:
            return found
        parts = [
            i.array() if is_held(i) else from_sequence(i) if isinstance(i, (list, tuple)) else i
            for i in items
        ]
        return call_function(np.stack, (parts,), {})
    return np.asarray(items)
