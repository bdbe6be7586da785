"""What NumPy says of an array's memory, of a traced one: ``x.flags``, and who shares elements."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..errors import UnsupportedError
from ..ops.op import implements
from ..te.tensor import Placeholder
from .concrete import known
from .memory_order import is_in_order, layout
from .storage import KNOWN, WATCH, Cell, is_read_only

_KEYS = {
    "C": "c_contiguous", "F": "f_contiguous", "O": "owndata", "W": "writeable", "A": "aligned",
    "X": "writebackifcopy", "B": "behaved", "CA": "carray", "FA": "farray",
    "CONTIGUOUS": "c_contiguous", "FORTRAN": "f_contiguous",
}  # fmt: skip
_NAMES = (
    "aligned", "behaved", "c_contiguous", "carray", "contiguous", "f_contiguous", "farray", "fnc",
    "forc", "fortran", "num", "owndata", "writeable", "writebackifcopy",
)  # fmt: skip


class Flags:
    """``x.flags`` of a traced array; UnsupportedError where that is not known while tracing."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        object.__setattr__(self, "_value", value)

    def __getattr__(self, name: str) -> bool:
        if name not in _NAMES:
            raise AttributeError(f"flags of an array have no attribute {name!r}")
        value: Any = self._value
        match name:
            case "c_contiguous" | "contiguous":
                return _contiguous(value, "C")
            case "f_contiguous" | "fortran":
                return _contiguous(value, "F")
            case "forc":
                return _contiguous(value, "C") or _contiguous(value, "F")
            case "fnc":
                return _contiguous(value, "F") and not _contiguous(value, "C")
            case "aligned":
                return bool(getattr(_root(value).op, "aligned", True))
            case "writeable":
                return _writeable(value)
            case "behaved":
                return self.aligned and self.writeable
            case "carray":
                return self.behaved and self.c_contiguous
            case "farray":
                return self.behaved and self.fnc
            case "writebackifcopy":
                return False
        if name == "owndata" and any(part._view is not None for part in _parts(value)):
            return False
        if name == "owndata" and len(_parts(value)) == 1 and known(value) is not value:
            return bool(known(value).flags.owndata)
        raise UnsupportedError(
            f"x.flags.{name} is not known while tracing; ask for the order, as in "
            f"x.flags.c_contiguous, or make an array of its own with x.copy()"
        )

    def __getitem__(self, key: str) -> bool:
        name = _KEYS.get(key, key.lower() if isinstance(key, str) and key.isupper() else "")
        if name not in _NAMES:
            raise KeyError("Unknown flag")
        return bool(getattr(self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in ("writeable", "aligned") or not value or _stays_read_only(self._value):
            self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise UnsupportedError(
            f"x.flags.{name} of a traced array cannot be set: compiled code knows no flags; set it "
            f"on the array outside of the function"
        )

    def __setitem__(self, key: str, value: Any) -> None:
        self.__setattr__(_KEYS.get(key, key.lower()), value)

    def __repr__(self) -> str:
        return f"flags of {self._value!r}"


def _parts(value: Any) -> tuple[Any, ...]:
    parts: tuple[Any, ...] = getattr(value, "_parts", (value,))
    return parts


def _cell(value: Any) -> Cell:
    cell: Cell = _parts(value)[0]._cell
    return cell


def _root(value: Any) -> Any:
    """The tensor of the array that ``value`` is a view of, at first."""
    part = _parts(value)[0]
    while part._view is not None:
        part = part._view.owner
    return part._seen[1]


def _is_given(value: Any) -> bool:
    """Whether it is, or is a view of, an argument; or an array from before a native loop."""
    if _cell(value).place is not None or WATCH.get() is None:
        return _cell(value).place is not None
    return isinstance(_root(value).op, Placeholder) and _cell(value) not in KNOWN


def _contiguous(value: Any, order: str) -> bool:
    found = is_in_order(value, order)
    if found is None:
        raise UnsupportedError(
            f"whether the elements of {value!r} follow each other in memory is not known while "
            f"tracing; make a copy in the order that you want, x.copy(order={order!r})"
        )
    return found


def _stays_read_only(value: Any) -> bool:
    """Whether ``value`` cannot be written to, so that saying that it can would change something."""
    return not _is_given(value) and not _writeable(value)


def _writeable(value: Any) -> bool:
    if value.ndim == 0 and value._is_scalar():
        return False
    if is_read_only(value):
        return False
    if _is_given(value):
        raise UnsupportedError(
            "whether an argument can be written to is not known while tracing: functions are "
            "compiled for dtypes, shapes and strides; ask for x.flags.writeable before the call"
        )
    array = _cell(value).array
    return array is None or bool(known(value).flags.writeable)


@implements(np.shares_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """np.shares_memory."""
    return _share(np.shares_memory, a, b)


@implements(np.may_share_memory)
def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """np.may_share_memory."""
    return _share(np.may_share_memory, a, b)


def _share(function: Any, a: Any, b: Any) -> bool:
    """What ``function`` of NumPy says of blank arrays that lie as ``a`` and ``b`` do."""
    one, two = _pieces(a), _pieces(b)
    return any(_overlap(function, x, y) for x in one for y in two)


def _pieces(value: Any) -> tuple[Any, ...]:
    return _parts(value) if hasattr(type(value), "__mlc_lift__") else (value,)


def _overlap(function: Any, one: Any, two: Any) -> bool:
    traced = [value for value in (one, two) if known(value) is value and _is_traced(value)]
    if not traced or not (_is_traced(one) and _is_traced(two)):
        if any(map(_is_given, traced)):
            raise _unknown(function)
        return not traced and bool(function(known(one), known(two)))
    if one._cell is not two._cell:
        is_open = one._cell.frozen or two._cell.frozen or _is_given(one) and _is_given(two)
        if is_open or function is np.may_share_memory and one._step == two._step == 2:
            raise _unknown(function)
        return False
    if any(view.is_moved() for view in (*_views(one), *_views(two))):
        raise _unknown(function)
    base = layout(_owner(one))
    if base is None:
        raise _unknown(function)
    return bool(function(_seen(one, base), _seen(two, base)))


def _is_traced(value: Any) -> bool:
    return hasattr(type(value), "_cell")


def _views(value: Any) -> list[Any]:
    found = []
    while value._view is not None:
        found.append(value._view)
        value = value._view.owner
    return found


def _owner(value: Any) -> Any:
    views = _views(value)
    return views[-1].source() if views else value


def _seen(value: Any, base: Any) -> Any:
    """The view of ``base``, an array that is never read, that ``value`` is of its owner."""
    for view in reversed(_views(value)):
        if view.shape not in (None, base.shape):  # it was given another one
            raise _unknown(np.shares_memory)
        base = view.op.view.array(base, view.others, view.static)
    return base


def _unknown(function: Any) -> UnsupportedError:
    return UnsupportedError(
        f"np.{function.__name__}: whether these arrays share elements is not known while tracing: "
        f"the call decides it, or the data do; ask before the call, or make a .copy()"
    )
