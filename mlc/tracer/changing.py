"""NumPy's functions that change their first argument: ``np.copyto``, ``np.put``, ``np.add.at``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import (
    ArgumentError,
    BoundsError,
    DomainError,
    DTypeError,
    OutsideArrayError,
    ShapeError,
    UnsupportedError,
)
from ..ops.op import leaves_of
from ..te.extent import is_open
from .concrete import all_known, known
from .masked import mask_in
from .rooms import as_mask
from .storage import Window
from .writing import check_writable, each_as, lifted, write_result

_MET = (
    "x.flat[...] = values that are a view of x: NumPy reads each of them after it has written the "
    "ones before, which cannot be traced where data decide which they are; assign their .copy()"
)
_PLACED = (
    "np.place with values that are a view of the array: NumPy reads each of them after it has "
    "written the ones before, and data decide which those are; pass their .copy()"
)
CHANGES: dict[Any, Callable[..., None]] = {}


def _changes(function: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def register(implementation: Callable[..., None]) -> Callable[..., None]:
        def change(target: Any, *args: Any, **kwargs: Any) -> None:
            if not hasattr(type(target), "__mlc_known__"):
                raise OutsideArrayError(
                    f"np.{function.__name__} would write traced values into a NumPy array that "
                    f"was not made in the function; pass it as an argument"
                )
            check_writable(target)
            implementation(target, *args, **kwargs)

        CHANGES[function] = change
        return implementation

    return register


def _fitting(values: Any, dtype: Any) -> Any:
    """Python numbers, and lists of them, in ``dtype``: OverflowError for one that does not fit."""
    is_plain = all(isinstance(leaf, (bool, int, float)) for leaf in leaves_of(values))
    if is_plain:
        return np.asarray(values, dtype)
    return each_as(values, dtype) if getattr(values, "_is_weak", False) else values


def _safely(name: str, values: Any, dtype: Any) -> Any:
    """The same of arrays whose dtype is safely cast to ``dtype``; scalars are cast as they are."""
    found = _fitting(values, dtype)
    is_scalar = isinstance(found, np.generic) or getattr(found, "_is_scalar", bool)()
    if hasattr(found, "dtype") and not is_scalar and not np.can_cast(found.dtype, dtype, "safe"):
        raise DTypeError(
            f"{name}: cannot cast array data from {found.dtype!r} to {dtype!r} according to the "
            f"rule 'safe'; convert the values with .astype(...)"
        )
    return found


def flattened(target: Any) -> Any:
    """All elements in C order as one axis, written through whatever the strides are."""
    from ..ops.shape import reshape_to
    from .tracer import Tracer

    if known(target) is not target:
        target._cell.write(target._cell.current(target._trace))
    view = Window(target, reshape_to, (), {"shape": (target.size,)})
    return Tracer(view.read(target._trace), target._trace, view)


@_changes(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    """np.copyto."""
    if not hasattr(src, "dtype"):
        kinds = {bool: "biuf", int: "iuf", float: "f"}.get(type(src), "")
        src = np.asarray(src, dst.dtype if dst.dtype.kind in kinds else None)
    write_result("np.copyto", dst, src, casting, as_mask("np.copyto", where))


@_changes(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """np.put: values are repeated as often as needed."""
    flat, size, v = flattened(a), a.size, _fitting(v, a.dtype)
    ind = np.ravel(ind)
    if np.size(ind) and not size:
        raise BoundsError("np.put: cannot replace elements of an empty array")
    if ind.dtype == bool:
        ind = ind.astype(np.int64)
    if mode == "clip":
        ind = np.clip(ind, 0, max(size - 1, 0))
    elif mode == "wrap":
        ind = np.remainder(ind, size)
    elif mode != "raise":
        raise DomainError(f"np.put: mode must be raise, wrap or clip, got {mode!r}")
    count, given = np.shape(ind)[0], np.size(v)
    if not count or not given:
        return
    flat[ind] = v if given == 1 and not np.ndim(v) else np.ravel(v)[np.arange(count) % given]


@_changes(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """np.putmask: the value at a place is that of the same number in ``values``, repeated."""
    if np.size(mask) != a.size:
        raise ShapeError(f"np.putmask: mask has shape {np.shape(mask)}, the array {a.shape}")
    values = _safely("np.putmask", values, a.dtype)
    given = np.size(values)
    mask = np.reshape(np.asarray(mask) if isinstance(mask, list | tuple) else mask, a.shape)
    if given:
        flat = np.ravel(values)[np.arange(a.size) % given]
        write_result("np.putmask", a, np.reshape(flat, a.shape), "unsafe", mask)


@_changes(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """np.place: the places where the mask holds get ``vals`` one after the other, repeated."""
    if np.size(mask) != arr.size:
        raise ShapeError(f"np.place: mask has {np.size(mask)} elements, the array {arr.size}")
    from .not_handed_over import take

    vals = _safely("np.place", vals, arr.dtype)
    if _are_met(arr, vals):
        raise UnsupportedError(_PLACED)
    given, flat = np.size(vals), np.ravel(mask)
    if not given:
        if all_known([mask]) and not np.any(known(mask)):
            return
        raise ShapeError("np.place: cannot insert from an empty array")
    if given == 1:
        chosen = np.broadcast_to(np.ravel(vals), (arr.size,))
    else:
        number = np.maximum(np.cumsum(flat != 0) - 1, 0) % given
        chosen = take(np.ravel(vals), number)
    write_result(
        "np.place", arr, np.reshape(chosen, arr.shape), "unsafe", np.reshape(flat, arr.shape)
    )


@_changes(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """np.put_along_axis."""
    from ..ops.broadcast import as_axis

    if axis is None:
        if np.ndim(indices) != 1:
            raise ArgumentError("np.put_along_axis: with axis=None indices must have one dimension")
        flattened(arr)[indices] = values
        return
    axis = as_axis("np.put_along_axis", axis, arr.ndim)
    shape = np.shape(indices)
    if len(shape) != arr.ndim:
        raise ArgumentError(
            f"np.put_along_axis: indices of shape {shape} must have {arr.ndim} dimensions"
        )
    key: list[Any] = []
    for d, extent in enumerate(arr.shape):
        if d == axis:
            key.append(indices)
        else:
            line = tuple(extent if e == d else 1 for e in range(arr.ndim))
            key.append(np.arange(extent).reshape(line))
    arr[tuple(key)] = values


@_changes(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """np.fill_diagonal."""
    if a.ndim < 2:
        raise ShapeError("np.fill_diagonal: the array must be at least 2-d")
    end = None
    if a.ndim == 2:
        step = a.shape[1] + 1
        if not wrap:
            end = a.shape[1] * a.shape[1]
    else:
        if len(set(a.shape)) != 1:
            raise ShapeError("np.fill_diagonal: all dimensions of input must be of equal length")
        step = 1 + sum(a.shape[0] ** n for n in range(1, a.ndim))
    flat = flattened(a)
    count = len(range(*slice(None, end, step).indices(a.size)))
    if np.size(val) == 0:  # NumPy's flat assignment of nothing does nothing
        return
    if np.ndim(val) and np.size(val) != 1:
        val = np.ravel(val)[np.arange(count) % np.size(val)]
    flat[:end:step] = val


def at(ufunc: np.ufunc, target: Any, key: Any, value: Any = None) -> None:
    """``ufunc.at(target, key, value)``: equal places add up. Numbers promote as arrays do here,
    and what comes out is cast to the dtype of ``target``, whatever is lost."""
    from ..ops.index import parse_key
    from ..ops.placing import accumulate_at
    from .concrete import plain
    from .masked import mask_in
    from .shapeless import strong

    if not hasattr(type(target), "__mlc_known__"):
        raise OutsideArrayError(
            f"np.{ufunc.__name__}.at would write traced values into a NumPy array that was not "
            f"made in the function; pass it as an argument"
        )
    check_writable(target)
    if ufunc.nout > 1:
        raise ValueError("Only single output ufuncs supported at this time")
    key = plain(key)
    value = strong(np.asarray(value) if isinstance(value, (list, tuple)) else value)
    given = () if value is None else (value,)
    if mask_in(key):
        if sum(np.ndim(part) > 0 for part in (key if isinstance(key, tuple) else (key,))) > 1:
            raise UnsupportedError(
                f"np.{ufunc.__name__}.at with a traced mask beside other arrays cannot be traced: "
                f"places may be met twice; use np.where or a loop"
            )
        target[key] = ufunc(target[key], *given)  # no place is met twice
        return
    items, arrays = parse_key(target.shape, key)
    if not any(np.shape(array) for array in arrays):
        part = target[key if isinstance(key, tuple) else (key,)]
        if np.ndim(value) > np.ndim(part):
            raise ValueError("array is not broadcastable to correct shape")
        target[key] = ufunc(part, *given)
        return
    old = target._tensor
    operand = 0 if value is None else lifted(value)
    target._write(accumulate_at(ufunc, old, lifted(arrays), operand, items))


def _in_turn(values: Any, part: Any) -> Any:
    """What NumPy's ``x.flat`` writes into ``part``, of one axis: all elements of ``values``, from
    the first one again where there are too few; the old ones where there are none."""
    if part.ndim != 1 or values.shape == part.shape or is_open((*values.shape, *part.shape)):
        return values
    return np.ravel(values)[np.arange(part.size) % values.size] if values.size else part


def _root_of(value: Any) -> Any:
    """The array that a traced value is a view of, or None."""
    if not hasattr(type(value), "_cell"):
        return None
    return value._cell if value._view is None else _root_of(value._view.owner)


def _origin(value: Any) -> Any:
    """The traced array that ``value`` is a view of, or is itself."""
    while value._view is not None:
        value = value._view.owner
    return value


def _places(value: Any, numbers: Any) -> Any:
    """Which elements of the array that it is a view of ``value`` has, by their ``numbers``; None
    where data decide."""
    view = value._view
    if view is None:
        return numbers.reshape(value.shape)
    source = None if view.is_moved() else _places(view.source(), numbers)
    return None if source is None else view.op.view.array(source, view.others, view.static)


def _are_met(target: Any, values: Any) -> bool:
    """Whether ``values`` may be memory of ``target``, which NumPy reads as it is by then: it
    copies what is of another dtype, or not contiguous, before it begins."""
    cell = _root_of(values)
    if cell is None or cell is not _root_of(target) or values.dtype != target.dtype:
        return False
    root = _origin(target)
    if is_open((*root.shape, *target.shape, *values.shape)):
        return True
    if values.size < 2 or not values.flags.c_contiguous:
        return False
    numbers = np.arange(root.size).reshape(root.shape)
    written, read = (_places(value, numbers) for value in (target, values))
    return written is None or read is None or bool(np.intersect1d(written, read).size)


def _met_in_turn(owner: Any, key: Any, values: Any) -> Any:
    """What ``owner.flat[key] = values`` writes where both are views of one array: NumPy reads each
    element after it has written those before."""
    root = _origin(owner)
    if is_open((*root.shape, *owner.shape, *values.shape)):
        raise UnsupportedError(_MET)

    numbers = np.arange(root.size).reshape(root.shape)
    written, read = (_places(value, numbers) for value in (owner, values))
    if written is None or read is None:
        raise UnsupportedError(_MET)
    try:
        written.flat[key] = read
        return flattened(root)[written.flat[key]]
    except (TypeError, IndexError):
        raise UnsupportedError(_MET) from None


class Flat:
    """``x.flat``: the elements in C order, to be read, written and run over."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __len__(self) -> int:
        return int(self._owner.size)

    def __getitem__(self, key: Any) -> Any:
        found = flattened(self._owner)[key]
        return found if not hasattr(found, "_detached") else found._detached()

    def __setitem__(self, key: Any, value: Any) -> None:
        check_writable(self._owner)  # NumPy writes into a copy of a scalar, which is lost
        if isinstance(value, Flat):
            value = flattened(value._owner)
        flat, value = flattened(self._owner), _fitting(value, self.dtype)
        if _root_of(value) is _root_of(self._owner) and np.ndim(value):
            value = _met_in_turn(self._owner, key, value)
        if getattr(value, "shape", ()) and not mask_in(key):
            value = _in_turn(value, flat[key])
        flat[key] = value

    def __iter__(self) -> Any:
        from .items import elements

        return elements(self._owner)

    def copy(self) -> Any:
        """The elements as an array of its own."""
        return flattened(self._owner).copy()

    def __mlc_lift__(self, trace: Any) -> Any:
        return flattened(self._owner).__mlc_lift__(trace)

    @property
    def shape(self) -> tuple[int, ...]:
        """(number of elements,)"""
        return (len(self),)

    @property
    def dtype(self) -> Any:
        """The NumPy dtype."""
        return self._owner.dtype
