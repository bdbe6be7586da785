"""NumPy functions of whose arguments it depends whether they return a view or an array of its own.

``np.reshape`` and ``np.ravel`` with ``order=`` and ``copy=``; ``np.einsum("ii->i", x)``, through
which the diagonal is written; functions that return their argument as it is where there is nothing
to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops.op import leaves_of
from .memory_order import axes_in_memory, resolved

Arguments = tuple[Any, ...]
Options = dict[str, Any]
_FROZEN = (
    "np.{} may give views of its arguments, in ways that are not followed, so neither can be "
    "written to; make a .copy()"
)


def returned_view(function: Any, args: Arguments, kwargs: Options) -> Any:
    """A tuple of the result, where it is a view or the argument itself; None where the function
    gives arrays of its own, or the call is no valid one."""
    return RETURNED[function](function, args, kwargs)


def _reshaped(function: Any, args: Arguments, kwargs: Options) -> Any:
    count = 1 if function is np.ravel else 2  # arguments before the order
    options = dict(kwargs)
    if len(args) == count + 1:
        options["order"] = args[count]
    order, copy = options.pop("order", "C"), options.pop("copy", None)
    if order == "C" and copy is None or len(args) < count or options:
        return None
    a, *shape = args[:count]
    if order == "K" and function is np.ravel:
        found = np.ravel(np.transpose(a, axes_in_memory(a)))
    elif order == "K":
        raise ValueError("order 'K' is not permitted for reshaping")
    elif resolved(order, a) != "F":
        found = function(a, *shape)
    elif function is np.ravel:
        found = np.ravel(np.transpose(a))
    else:
        sizes = shape[0] if isinstance(shape[0], (tuple, list)) else (shape[0],)
        found = np.transpose(np.reshape(np.transpose(a), tuple(reversed(sizes))))
    if copy is False and found is not a and getattr(found, "_view", a) is None:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    return (found._detached() if copy and hasattr(found, "_detached") else found,)


def _einsum(function: Any, args: Arguments, kwargs: Options) -> Any:
    """One operand, no sum: its axes in another order, or diagonals of it."""
    from ..ops.broadcast import shape_of
    from ..ops.einsum import parse_subscripts

    if len(args) != 2 or not isinstance(args[0], str) or kwargs.keys() - {"optimize"}:
        return None
    shape = shape_of(args[1])
    (labels,), out = parse_subscripts(args[0], [shape])
    if len(set(zip(labels, shape))) > len(set(labels)):
        raise ShapeError(f"einsum: one label stands for axes of several sizes in shape {shape}")
    if set(labels) != set(out) or not labels:
        return None
    if len(labels) == len(out):
        return (np.transpose(args[1], [labels.index(label) for label in out]),)
    from ..ops.matrix import on_diagonals

    places = tuple(out.index(label) for label in labels)
    if hasattr(type(args[1]), "_cell"):
        return (on_diagonals(args[1], places=places),)
    if not hasattr(type(args[1]), "_pair"):
        return None
    from .complex.value import combined

    return (combined(*(on_diagonals(part, places=places) for part in args[1]._parts)),)


def _same_if(name: str, place: int, value: int) -> Callable[..., Any]:
    """The array itself where the argument ``name``, at ``place``, is ``value``."""

    def same(function: Any, args: Arguments, kwargs: Options) -> Any:
        given = args[place] if len(args) > place else kwargs.get(name)
        others = {name, "axis", "prepend", "append"}  # which nothing is made of
        is_alone = len(args) <= place + 1 and not kwargs.keys() - others
        return (args[0],) if type(given) is int and given == value and is_alone else None

    return same


def _real(function: Any, args: Arguments, kwargs: Options) -> Any:
    is_array = args and hasattr(type(args[0]), "_cell") and not args[0]._is_scalar()
    return (args[0],) if is_array else None


def _part(function: Any, args: Arguments, kwargs: Options) -> Any:
    """np.real and np.imag are the attribute of the same name."""
    return (getattr(args[0], function.__name__),) if hasattr(type(args[0]), "_cell") else None


def _nan_to_num(function: Any, args: Arguments, kwargs: Options) -> Any:
    """With ``copy=False`` the array is changed, and returned."""
    copy = args[1] if len(args) > 1 else kwargs.get("copy", True)
    if copy or not _is_array(args[0]):
        return None
    if args[0]._is_scalar():
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    found = function(args[0], True, *args[2:], **{k: v for k, v in kwargs.items() if k != "copy"})
    args[0][...] = found
    return (args[0] if args[0].shape else args[0][()],)


def _astype(function: Any, args: Arguments, kwargs: Options) -> Any:
    """np.astype with ``copy=False``: the method says whether there is anything to convert."""
    if kwargs.get("copy", True) or len(args) != 2 or not _is_array(args[0]):
        return None
    return (args[0].astype(args[1], copy=False),)


def _is_array(value: Any) -> bool:
    """Whether ``value`` is a traced array, real or complex."""
    return hasattr(type(value), "_cell") or hasattr(type(value), "_pair")


def _meshgrid(function: Any, args: Arguments, kwargs: Options) -> Any:
    if kwargs.get("copy", True):
        return None
    found = function(*args, **{k: v for k, v in kwargs.items() if k != "copy"})
    found = _frozen(function, found, args)
    return (list(found) if kwargs.get("sparse") else found,)


def _unstacked(function: Any, args: Arguments, kwargs: Options) -> Any:
    """np.unstack of one axis: its elements, which are scalars and no views."""
    array, *rest = args
    if rest or np.ndim(array) != 1 or kwargs.get("axis", 0) not in (0, -1):
        return None
    return (tuple(array[n] for n in range(array.shape[0])),)


def _frozen(function: Any, found: Any, args: Arguments) -> Any:
    """``found``, which may share elements with ``args``: nobody may write to either."""
    for leaf in (*leaves_of(found), *leaves_of(args)):
        if hasattr(type(leaf), "_cell"):
            leaf._cell.frozen = _FROZEN.format(function.__name__)
    return found


def _first_power(function: Any, args: Arguments, kwargs: Options) -> Any:
    from ..ops.standard import check_square

    found = _same_if("n", 1, 1)(function, args, kwargs)
    if found is not None:
        check_square("np.linalg.matrix_power", found[0])
    return found


RETURNED: dict[Any, Callable[..., Any]] = {
    np.reshape: _reshaped,
    np.ravel: _reshaped,
    np.einsum: _einsum,
    np.diff: _same_if("n", 1, 0),
    np.linalg.matrix_power: _first_power,
    np.real: _part,
    np.imag: _part,
    np.real_if_close: _real,
    np.nan_to_num: _nan_to_num,
    np.meshgrid: _meshgrid,
    **({np.unstack: _unstacked} if hasattr(np, "unstack") else {}),
    **({np.astype: _astype} if hasattr(np, "astype") else {}),
}
# Of complex elements too.
UNCHANGED = {np.einsum, np.diff, np.linalg.matrix_power, np.nan_to_num, getattr(np, "astype", None)}


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
