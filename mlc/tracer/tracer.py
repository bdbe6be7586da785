"""The values that a traced function sees: they look like NumPy arrays and record what is done.

Methods and operators call what stands for the NumPy function of the same meaning.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from .. import te
from ..errors import (
    ArgumentError,
    ShapeError,
    SourceLocation,
    TracerLeakError,
    UnsupportedError,
)  # fmt: skip
from ..ops.assemble import part_shape
from ..ops.op import CURRENT
from ..te.extent import is_open
from ..te.tensor import Compute, Placeholder, Tensor
from .absent import IN_PLACE, refuse_attribute
from .asking import is_ours
from .changing import Flat
from .concrete import all_known, known, plain, wrapped
from .deciding import deciding_arguments, hash_of, number, truth
from .dispatch import call_function
from .implementations import is_supported
from .masked import mask_in, select
from .memory_order import copied_in, is_as_asked, settle_index
from .new_shape import set_shape
from .operators import define_methods
from .shapeless import has_shapeless_array, imag_of, real_of
from .storage import READ_ONLY, Cell, Window, blank
from .trace import FunctionTrace
from .ufuncs import call_ufunc
from .ways import Showing, in_way
from .writing import assign, bools_as_axes, key_of_arrays, one_element

_SLOTS = frozenset({"_cell", "_seen", "_trace", "_view"})
_READ_LATER = 24  # elements from which each is read when it is asked for
_ROWS = 10_000  # a Python loop over more rows than this is surely a mistake
_OF_NUMBERS = frozenset({"is_integer", "bit_count", "bit_length"})
_OPEN = "mlc.tracer.open_lengths"


class Tracer(Showing):
    """A traced array: ``shape`` and ``dtype`` are known, elements are not."""

    __slots__ = ("__weakref__", "_cell", "_seen", "_trace", "_view")
    __array_priority__ = 1000.0
    _step = 1  # in NumPy's memory, times what the array itself says

    def __init__(
        self, tensor: Tensor, trace: FunctionTrace, view: Window | None = None,
        place: int | None = None,
    ) -> None:  # fmt: skip
        self._trace = trace
        self._view = view
        self._cell: Cell = Cell(tensor, place) if view is None else view.owner._cell
        self._seen = self._cell.version, tensor

    @property
    def _tensor(self) -> Tensor:
        """The value at present."""
        cell = self._cell
        if self._view is None:
            return cell.current(self._trace)
        if self._seen[0] != cell.version:
            self._seen = cell.version, self._view.read(self._trace)
        return self._seen[1]

    def _write(self, tensor: Tensor) -> None:
        """Replace all elements; of a view, those of its owner."""
        self._check_trace(CURRENT.get())
        if self._view is None:
            self._cell.write(tensor)
        else:
            self._view.write(tensor)
        self._seen = self._cell.version, tensor

    def _known_view(self, view: Window) -> Any:
        try:
            array = view.op.view.array(known(self), view.others, view.static)
        except ValueError:  # NumPy would copy
            return wrapped(np.reshape(known(self), view.static["shape"]))
        made = Tracer(blank(array), self._trace, view)
        made._seen = -1, made._seen[1]
        return made

    def _is_read_only(self) -> bool:
        view = self._view
        if view is None:
            return False
        return view.op.view.write is None or view.owner._is_read_only()

    def _is_same(self, value: Any) -> bool:
        """Whether ``value`` is a view of the very same elements."""
        if not isinstance(value, Tracer) or value._cell is not self._cell:
            return False
        if self._view is None:
            return value._view is None
        return self._view.same_as(value._view)

    def _detached(self) -> Any:
        """The same elements as an array of its own; of shape () a scalar, as NumPy's are."""
        if self._cell.array is not None:
            array = known(self)
            return wrapped(array.copy(), (), self._cell.fill) if array.ndim else array[()]
        tensor: Any = self._tensor
        if tensor in self._trace.weak:
            tensor = te.compute((), lambda: tensor[()], name="scalar", op="copy")
        made = Tracer(tensor, self._trace)
        made._cell.strides = None
        return made

    @property
    def _is_weak(self) -> bool:
        """Whether this promotes as a Python number does."""
        return self._cell.array is None and self._tensor in self._trace.weak

    def _is_scalar(self) -> bool:
        """Whether in-place operators make another value, as those of NumPy's scalars do."""
        return not self.shape and self._view is None and not self._cell.is_array

    def __mlc_lift__(self, trace: Any) -> Tensor:
        """The te tensor, for operators called in ``trace``; TracerLeakError in any other."""
        self._check_trace(trace)
        return self._tensor

    def _check_trace(self, trace: Any) -> None:
        if trace is not self._trace or self._trace.finished:
            raise _leak(self, trace)

    def __mlc_known__(self) -> Any:
        """The NumPy array itself while all its elements are known, else None."""
        array = self._cell.array
        view = self._view
        if array is None or view is None:
            return array
        return view.op.view.array(known(view.source()), view.others, view.static)

    def __mlc_view__(self, op: Any, others: tuple[Any, ...], static: dict[str, Any]) -> Any:
        """The result of an operator that gives a view of its first argument."""
        trace: Any = CURRENT.get()
        self._check_trace(trace)
        is_weak = not self.shape and self._cell.array is None and self._tensor in trace.weak
        others = tuple([trace.lift(i) for i in o] if isinstance(o, list) else trace.lift(o)
                       for o in others)  # fmt: skip
        view = Window(self, op, others, static, shape=self._seen[1].shape)
        if self._is_scalar():  # what NumPy makes of one is its own
            made = trace.wrap(view.read(trace))
            if op.view.write is None:
                made._cell.is_array, made._cell.frozen = True, READ_ONLY
            return made
        if self._cell.array is not None and not view.is_moved():
            return self._known_view(view)
        if view.is_part() and self._cell.has_parts:  # it may be there to be written only
            shape = part_shape(static["items"])
            made = Tracer(Tensor("part", shape, self._seen[1].dtype, Placeholder()), trace, view)
            made._seen = -1, made._seen[1]
            return made
        made = trace.wrap(view.read(trace))
        if self._cell.array is not None:  # a traced index decides which elements the view has
            if not made.shape:
                return made
            self._cell.forget_elements(trace)
        fits = not is_weak and view.fits()
        if fits or fits is None:
            made._view, made._cell = view if fits else view.doubted(), self._cell
            made._seen = self._cell.version, made._seen[1]
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, as Python ints; for users traced ones where only the running loop knows them."""
        shape = self._seen[1].shape
        is_asked = is_open(shape) and not is_ours(sys._getframe(1))
        return import_module(_OPEN).sizes_of(self) if is_asked else shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        set_shape(self, shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._seen[1].dtype.numpy

    # fmt: off
    @property
    def ndim(self) -> int: return self._seen[1].ndim
    @property
    def size(self) -> int:
        shape = self._seen[1].shape
        is_asked = is_open(shape) and not is_ours(sys._getframe(1))
        return math.prod(import_module(_OPEN).sizes_of(self) if is_asked else shape)
    @property
    def itemsize(self) -> int: return self._seen[1].dtype.itemsize
    @property
    def nbytes(self) -> int: return self.size * self.itemsize
    @property
    def T(self) -> Any: return _np(np.transpose, self)
    @property
    def mT(self) -> Any: return _np(np.matrix_transpose, self)
    @property
    def strides(self) -> Any: return import_module("mlc.tracer.strides").strides_of(self)
    @property
    def real(self) -> Any: return real_of(self)
    @real.setter
    def real(self, value: Any) -> None: self[...] = value
    @property
    def imag(self) -> Any: return imag_of(self)
    @property
    def device(self) -> str: return "cpu"
    # fmt: on

    def to_device(self, device: Any, /, *, stream: None = None) -> Any:
        """The array itself: NumPy knows no other device than "cpu"."""
        if device != "cpu" or stream is not None:
            raise UnsupportedError(
                f"x.to_device({device!r}) cannot be traced: arrays in a jitted function are on "
                f"'cpu', whatever the target is"
            )
        return self

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """`mlc.numpy`: code for the array API standard finds its functions there."""
        return import_module("mlc.numpy")

    def _text(self, how: str) -> str:
        """What shows the value in the way of ``how``: see `mlc.tracer.printing`."""
        if self._cell.array is not None:
            return in_way(known(self), how)
        text = f"traced {self._tensor.dtype.name}{list(self.shape)} {_origin(self._tensor)}"
        return self._trace.show(text, self._tensor, self, how)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return call_function(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self._cell.array is not None:
            return np.array(known(self), dtype)
        if self._trace.finished:
            raise _leak(self, CURRENT.get())
        self._trace.wanted |= deciding_arguments(self._tensor, self._trace)
        from .outside import outside_error

        raise outside_error(repr(self), sys._getframe(1))

    def __bool__(self) -> bool:
        return bool(known(self)) if self._cell.array is not None else truth(self)

    def __hash__(self) -> int:
        return hash_of(self)

    def _number(self, kind: str, instead: str) -> Any:
        return known(self) if self._cell.array is not None else number(self, kind, instead)

    # fmt: off
    def __int__(self) -> int: return int(self._number("int", "use x.astype(int)"))
    def __float__(self) -> float: return float(self._number("float", "use x.astype(float)"))
    def __complex__(self) -> complex:
        return complex(self._number("complex", "they are not traced"))
    def __index__(self) -> int:
        array: Any = self._number("integer for a shape, an axis, range() or a list index",
                                  "to pick elements use np.take(x, i) or x[i]")
        return operator.index(array)
    # fmt: on

    def item(self, *args: Any) -> Any:
        """One element as a Python number; a traced one, unless the elements are known."""
        if self._cell.array is not None:
            return known(self).item(*args)
        from .number import item_of

        return item_of(self, *args)

    def tolist(self) -> Any:
        """Nested lists of Python numbers, traced ones unless the elements are known."""
        if self._cell.array is not None:
            return known(self).tolist()
        from .number import list_of

        return list_of(self)

    def setflags(self, write: Any = None, align: Any = None, uic: Any = None) -> None:
        for flag, value in (("writeable", write), ("aligned", align), ("writebackifcopy", uic)):
            if value is not None:
                setattr(self.flags, flag, value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object: a traced value of shape ()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        rows = len(self)
        if rows > _ROWS and self._cell.array is None:
            raise UnsupportedError(
                f"a Python loop over {rows} rows is unrolled while tracing; write it over whole "
                f"arrays"
            )
        if len(self.shape) > 1 or rows < _READ_LATER or self._cell.array is not None:
            return (self[i] for i in range(rows))
        from .rows import row

        return (row(self._trace, self._tensor, i, self._is_weak, False) for i in range(rows))

    def __getitem__(self, key: Any) -> Any:
        from ..ops.index import getitem

        if self._cell.array is not None and all_known([key]):
            part = known(self)[plain(key)]
            if not (isinstance(part, np.ndarray) and part.base is not None):
                return wrapped(part)
        bools = bools_as_axes(key)
        if bools is not None:
            return self[bools[0]][bools[1]]
        key = key_of_arrays(key)
        if mask_in(key):
            return select(self, key)
        if self._cell.array is not None and _has_dots(key):
            self._cell.forget_elements(self._trace)
        if is_open(self._seen[1].shape):
            import_module(_OPEN).check_places(self, plain(key))
        found = getitem(self, plain(key))
        if not found.shape and not _has_dots(key):
            return found._detached()
        if has_shapeless_array(key):
            made = copied_in("K", found._detached(), found)
            made._cell.is_array = True
            return made
        if not found.shape and self._is_scalar():
            found = found._detached()
            found._cell.is_array = True
        settle_index(found, self, key)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        assign(self, key, value)

    def __getattr__(self, name: str) -> Any:
        if name in _SLOTS:
            raise AttributeError(name)
        if self._cell.array is not None and not name.startswith("__array_"):
            if name in IN_PLACE:
                self._cell.touch()
            return getattr(known(self), name)
        if name in _OF_NUMBERS:
            from .number import number_method

            if (found := number_method(self, name)) is not None:
                return found
        refuse_attribute(name)

    def astype(self, dtype: Any, order: Any = "K", casting: Any = "unsafe",
               subok: bool = True, copy: bool = True) -> Any:  # fmt: skip
        """Converted to ``dtype``; without ``copy`` the array itself where it is as asked for."""
        if self._cell.array is not None:
            array = known(self)
            found = array.astype(dtype, order, casting, copy=copy)
            return self if found is array else wrapped(found)
        if np.dtype(dtype).kind == "c":
            from .complex.calls import converted

            return converted(self, np.dtype(dtype))
        if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):
            raise ArgumentError(
                f"cannot cast from {self.dtype} to {np.dtype(dtype)} with casting={casting!r}"
            )
        from ..ops.elementwise import astype

        if not copy and self.dtype == dtype and not self._is_weak and is_as_asked(self, order):
            return self
        made = astype(self, dtype=dtype)
        made = made if made._cell is not self._cell else made._detached()
        made._cell.is_array = not self._is_scalar()
        return copied_in(order, made, self)

    def reshape(self, *shape: Any, order: Any = "C", copy: Any = None) -> Any:
        """As np.reshape; sizes may be given one by one."""
        sizes = shape[0] if len(shape) == 1 else shape
        return _np(np.reshape, self, sizes, order=order, copy=copy)

    def transpose(self, *axes: Any) -> Any:
        """As np.transpose; axes may be given one by one."""
        return _np(np.transpose, self, (axes[0] if len(axes) == 1 else axes) if axes else None)

    def flatten(self, order: Any = "C") -> Any:
        """A copy of shape (size,)."""
        return _np(np.ravel, self, order)._detached()

    def copy(self, order: Any = "C") -> Any:
        """An array of its own with the same elements."""
        made = self._detached() if self._cell.array is None else wrapped(known(self).copy())
        if isinstance(made, Tracer):
            made._cell.is_array = not self._is_scalar()
        return copied_in(order, made, self)

    def fill(self, value: Any) -> None:
        """Set all elements to ``value``, a number."""
        self[...] = one_element(value)

    def conj(self) -> Any:
        """The value itself: complex numbers are not traced."""
        return self

    conjugate = conj

    @property
    def flat(self) -> Flat:
        """The elements in C order."""
        return Flat(self)

    @flat.setter
    def flat(self, value: Any) -> None:
        _np(np.put, self, np.arange(self.size), value)

    def __copy__(self, memo: Any = None) -> Any:
        return self if self._is_weak else copied_in("K", self._detached(), self)

    __deepcopy__ = __copy__

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self


def _np(function: Any, *args: Any, **kwargs: Any) -> Any:
    return call_function(function, args, kwargs)


def _has_dots(key: Any) -> bool:
    return key is Ellipsis or isinstance(key, tuple) and any(part is Ellipsis for part in key)


define_methods(Tracer)


def mark_weak(tracer: Tracer) -> Tracer:
    """Let ``tracer``, of shape (), promote as a Python number does."""
    if tracer.shape:
        raise ShapeError(f"only values of shape () can be weak, got {tracer.shape}")
    tracer._trace.weak.add(tracer._tensor)
    return tracer


def _origin(tensor: Tensor) -> str:
    node = tensor.op
    if isinstance(node, Placeholder):
        return f"(argument {tensor.name})"
    if isinstance(node, Compute) and node.location is not None:
        return f"(from {node.op} at {_short(node.location)})"
    return f"({tensor.name})"


def _short(location: SourceLocation) -> str:
    return f"{location.filename}:{location.line}"


def _leak(value: Tracer, trace: Any) -> TracerLeakError:
    while getattr(trace, "outer", None) is not None:
        trace = trace.outer
    owner = value._trace.name
    if value._trace.finished:
        what = f"was used after {owner} had returned"
        advice = (
            f"return it from {owner} and use the returned array, instead of keeping it where mlc "
            f"does not look after the call, as in an attribute of a function or a class"
        )
    elif trace is None:
        what = f"was used outside {owner}, in another thread or context, while that is being traced"
        advice = "do the work in the thread that calls the function"
    else:
        what = f"of {owner} was used inside {trace.name}, which is traced on its own"
        advice = f"pass it to {trace.name} as an argument"
    return TracerLeakError(f"{value!r} {what}; {advice}")


def supported(function: Any) -> bool:
    """Whether a traced function may call ``function`` of NumPy."""
    return is_supported(function)
