"""``x[mask]`` with a traced mask: as many elements as the data decide.

How many is not known while tracing, so the selection is kept as the whole array with its mask:
elementwise operations work on it, reductions take the mask along, and stored through the same
mask it is a choice between old and new elements. Whatever else is done with it needs the number,
which `mlc.tracer.sizes` finds outside of native loops.
"""

from __future__ import annotations

import math
import sys
from inspect import signature
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..errors import BoundsError, DTypeError, UnsupportedError
from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT, leaves_of
from ..te.extent import is_open
from .asking import is_ours
from .concrete import all_known, known
from .noting import note_error
from .storage import REGION, next_cell
from .ways import Showing

if TYPE_CHECKING:
    from .tracer import Tracer

_REDUCTIONS = ("sum", "prod", "mean", "var", "std", "any", "all", "max", "min", "amax", "amin")
_ELEMENTWISE = frozenset({
    "where", "clip", "round", "around", "nan_to_num", "isclose", "real", "imag", "sinc", "i0",
    "isposinf", "isneginf", "fix", "angle", "copy", "astype",
})  # fmt: skip


# They write to the array that they are methods of, or to the first that they are given.
_WRITING = frozenset({
    "sort", "partition", "fill", "put", "resize", "copyto", "place", "putmask", "fill_diagonal",
    "put_along_axis",
})  # fmt: skip
_NO_ARRAYS = frozenset({"casting", "dtype", "order", "signature", "subok"})


class ElementsWanted(BaseException):
    """Raised while tracing: the elements of ``selection`` are to be an array before the loop or
    branch that is traced. Nothing that users write should catch it."""

    def __init__(self, selection: Masked) -> None:
        super().__init__("a selection becomes an array")
        self.selection = selection


class Masked(Showing, NDArrayOperatorsMixin):
    """The elements of ``values`` where ``mask``, over its axes from ``at`` on, holds."""

    __array_priority__ = 2000.0
    __hash__ = None  # type: ignore[assignment]
    _is_weak = False  # they are elements of an array
    _OWN = frozenset({"_values", "_mask", "_at", "_made", "_made_at", "_serial"})

    def __init__(self, values: Tracer, mask: Tracer, at: int) -> None:
        self._values, self._mask, self._at = values, mask, at
        self._made: Any = None  # the elements, once somebody needed their number
        self._serial = self._made_at = next_cell()

    def solid(self) -> Any:
        """The elements as an array; UnsupportedError where their number cannot be known."""
        if self._made is None:
            if not is_inside_loop() or has_places():
                self._settle()
            places = places_of(self._mask)
            if places is None and not is_inside_loop():
                self._refuse()
            shape, depth = self._values.shape, self._mask.ndim
            if places is None and shape == self._mask.shape and _is_moved(self._values):
                self._made, self._made_at = _chosen_now(self._values, self._mask), next_cell()
                return self._made
            places = np.flatnonzero(self._mask) if places is None else places
            if shape == self._mask.shape and not is_inside_loop():
                self._made = _chosen(self._values, self._mask, places)
            else:
                flat = (*shape[: self._at], self._mask.size, *shape[self._at + depth :])
                self._made = np.take(np.reshape(self._values, flat), places, axis=self._at)
            self._made_at = next_cell()
        return self._made

    def settled(self) -> None:
        """They become an array here, whatever they were inside of the loop or branch that comes."""
        self._made = None
        self.solid()

    def is_from_before(self, region: int) -> bool:
        """Whether they were selected before the loop or branch that began at ``region``."""
        return self._serial < region

    def _settle(self) -> None:
        """ElementsWanted where a native loop or branch is traced which they are older than, unless
        they were an array before it: only what is one there does it see written to."""
        region = REGION.get()
        if self._serial < region and (self._made is None or self._made_at > region):
            raise ElementsWanted(self)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._values.dtype

    @property
    def ndim(self) -> int:
        """The axes of the mask count as one."""
        return self._values.ndim - self._mask.ndim + 1

    def _text(self, how: str) -> str:
        text = f"traced {self.dtype.name} elements of a mask of shape {self._mask.shape}"
        return str(self._mask._trace.show(text, self._mask._tensor, self, how))

    def __mlc_lift__(self, trace: Any) -> Any:
        return self.solid().__mlc_lift__(trace)

    def _refuse(self) -> NoReturn:
        raise UnsupportedError(
            f"x[mask] with a traced mask of shape {self._mask.shape} has as many elements as the "
            f"data decide, and shapes must be known while tracing; elementwise operations, sums "
            f"and their like, and x[mask] = ... work; else use np.where(mask, x, fill), or a "
            f"reduction with where=mask"
        )

    def __getattr__(self, name: str) -> Any:
        if name in _REDUCTIONS:
            function = getattr(np, name)
            return lambda *args, **kwargs: function(self, *args, **kwargs)
        if name in self._OWN or name.startswith("__"):
            raise AttributeError(name)
        is_free = self.ndim == 1 and self._made is None and not is_inside_loop()
        if name == "size" and is_free:
            from .number import python_number

            count: Any = np.sum(self._mask, dtype=np.int64)  # type: ignore[call-overload]
            return python_number(count, int)
        if name in _WRITING:
            self._settle()
        found = self.solid()
        if name in ("shape", "size") and not is_ours(sys._getframe(1)):
            from .open_lengths import sizes_of

            sizes = sizes_of(found)
            return sizes if name == "shape" else math.prod(sizes)
        return getattr(found, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._OWN:
            object.__setattr__(self, name, value)
        else:  # flat, shape, real, ... = value
            self._settle()
            setattr(self.solid(), name, value)

    def __len__(self) -> int:
        return len(self.solid())

    def __bool__(self) -> bool:
        return bool(self.solid())

    def __iter__(self) -> Any:
        return iter(self.solid())

    def __getitem__(self, key: Any) -> Any:
        return self._whole_or(key)[key]

    def _whole_or(self, key: Any) -> Any:
        """The elements; where they cannot be had, what to write instead of picking some."""
        if self._made is not None or is_inside_loop() or places_of(self._mask) is not None:
            return self.solid()
        raise UnsupportedError(
            f"x[mask][key] picks from the elements that a traced mask of shape {self._mask.shape} "
            f"selects, and how many these are is not known while tracing; keep all elements and a "
            f"mask of those that are left, alive = alive & (z > 0), and write z[alive] = ..."
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        self._settle()
        self._whole_or(key)[key] = value

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """The elements converted."""
        if kwargs.get("copy", True) is False and np.dtype(dtype) == self.dtype:
            return self
        if self._made is not None:  # and maybe written to
            return self._made.astype(dtype, *args, **kwargs)
        return self._with(self._values.astype(dtype, *args, **kwargs))

    def copy(self, order: str = "C") -> Any:
        """The same elements."""
        if self._made is not None or self.ndim > 1 and order != "C":
            return self.solid().copy(order)
        return self._with(self._values)

    def _with(self, values: Any) -> Masked:
        return Masked(values, self._mask, self._at)

    def __pow__(self, other: Any) -> Any:
        from .operators import short_power

        short = short_power(self._values, other) if self._values.shape else None
        return short(self) if isinstance(short, np.ufunc) else super().__pow__(other)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method != "__call__" or ufunc.signature is not None or _any_solid(inputs, kwargs):
            found = getattr(ufunc, method)(*map(solid, inputs), **_solid_options(kwargs))
            places = kwargs.get("out") or (None,)
            return places[0] if len(places) == 1 and isinstance(places[0], Masked) else found
        out = kwargs.pop("out", None)
        for place in out or ():
            if isinstance(place, Masked):
                place._settle()
        where = kwargs.pop("where", True) if out is not None else True
        found = apply_whole(ufunc, inputs, kwargs)
        if out is None:
            return found
        place = out[0]
        if where is not True and isinstance(found, Masked) and isinstance(place, Masked):
            found = apply_whole(np.where, (where, found, place), {})
        elif where is not True:
            kwargs["where"] = solid(where)
        if not isinstance(place, Masked) or not isinstance(found, Masked):
            return ufunc(*map(solid, inputs), out=tuple(map(solid, out)), **kwargs)
        if not np.can_cast(found.dtype, place.dtype, "same_kind"):
            raise DTypeError(
                f"Cannot cast ufunc {ufunc.__name__!r} output from {found.dtype!r} to "
                f"{place.dtype!r} with casting rule 'same_kind'"
            )
        place._values = found._values.astype(place.dtype)
        return place

    def __array_function__(
        self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        name = getattr(function, "__name__", "")
        if name in _WRITING and args and args[0] is self:
            self._settle()
        if name == "astype" and args and args[0] is self:
            return self.astype(*args[1:], **kwargs)
        if not _any_solid(args, kwargs):
            if name in _ELEMENTWISE and (name != "where" or len(args) + len(kwargs) > 1):
                return apply_whole(function, args, kwargs)
            if name in _REDUCTIONS and args and args[0] is self:
                return self._reduced(function, name, *args[1:], **kwargs)
        given = [solid_list(value) for value in args]
        return function(*given, **{k: solid_list(v) for k, v in kwargs.items()})

    def _reduced(self, function: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        """A reduction of the elements, ``args`` and ``kwargs`` as NumPy's ``function`` names them.

        Over all axes, or over the one that the mask stands for, it is one of the whole array
        where the mask, and a mask of the caller's, hold."""
        options = {**dict(zip([*signature(function).parameters][1:], args)), **kwargs}
        whole, depth, ndim = self._values, self._mask.ndim, self.ndim
        axis, keepdims = options.pop("axis", None), options.pop("keepdims", False)
        keepdims = keepdims is not getattr(np, "_NoValue", None) and bool(keepdims)
        is_own = isinstance(axis, (int, np.integer)) and axis in (self._at, self._at - ndim)
        if not (axis is None or is_own) or keepdims and options.get("out") is not None:
            return function(self.solid(), axis=axis, keepdims=keepdims, **_solid_options(options))
        mask = wide(self._mask, whole.ndim - self._at)
        where = options.pop("where", True)
        if name in ("max", "min", "amax", "amin") and where is True and "initial" not in options:
            is_min = name.endswith("min")
            options["initial"] = _least(whole.dtype, is_min)
            others = (*whole.shape[: self._at], *whole.shape[self._at + depth :])
            if 0 in others and not is_own:
                raise _nothing_to_reduce(is_min)
            note_error(np.logical_not(np.any(self._mask)), _nothing_to_reduce(is_min))
        if where is not True:
            where = apply_whole(np.logical_and, (self._with(mask), where), {})._values
        mask = np.broadcast_to(mask if where is True else where, whole.shape)
        places = tuple(range(self._at, self._at + depth)) if is_own else None
        found = function(whole, axis=places, where=mask, **options)
        if not keepdims:
            return found
        return np.expand_dims(found, self._at if is_own else tuple(range(ndim)))

    def __eq__(self, other: object) -> Any:
        return np.equal(self, other)  # type: ignore[call-overload]


def _chosen(values: Any, mask: Any, places: Any) -> Any:
    """The elements at the ``places`` where the mask of their shape holds."""
    from ..ops.choosing import elements_where

    flat = np.reshape(values, -1)
    if not _is_compressed(values):
        return np.take(flat, places, axis=0)
    return elements_where(flat, np.reshape(mask, -1), size=places.shape[0])


def _is_compressed(values: Any) -> bool:
    """Whether this machine has instructions that move chosen elements of such arrays together."""
    from ..dtypes import as_dtype
    from ..intrinsics.sorting import has_compress

    return values.dtype.kind != "c" and has_compress(as_dtype(values.dtype))


def _is_moved(values: Any) -> bool:
    """Whether elements are moved together in a loop. Of integers nobody would know any more how
    large they are."""
    return values.dtype.kind == "f" and _is_compressed(values)


def _chosen_now(values: Any, mask: Any) -> Any:
    """The elements where the mask of their shape holds, in a native loop: as many as it says."""
    from ..ops.choosing import elements_held
    from ..ops.closing import closed

    whole = values._trace.wholes.get(values._tensor)
    return elements_held(
        closed(values, fill=None) if whole is None else values._trace.wrap(whole), mask
    )


def solid(value: Any) -> Any:
    """A selection as an array; all else as it is."""
    return value.solid() if isinstance(value, Masked) else value


def solid_list(value: Any) -> Any:
    return type(value)(map(solid_list, value)) if type(value) in (list, tuple) else solid(value)


def _solid_options(options: dict[str, Any]) -> dict[str, Any]:
    return {name: solid_list(value) for name, value in options.items()}


def _any_solid(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether some selection is an array already, or is combined with what is only beside one."""
    chosen = [v for v in leaves_of([*args, *kwargs.values()]) if isinstance(v, Masked)]
    if any(value._made is not None for value in chosen):
        return True
    first = chosen[0]
    beside = [v for v in (*args, *kwargs.values()) if not isinstance(v, Masked)]
    arrays = [v for v in beside if hasattr(v, "shape") and not isinstance(v, type)]
    if any(is_open(v.shape) for v in arrays):
        return True
    if any(places_of(value._mask, ask=False) is None for value in chosen):
        return False
    if not all(same_mask(value, first) for value in chosen):
        return True
    rest = first._values.ndim - first._at - first._mask.ndim
    lists = (v for v in beside if type(v) is list and all_known(v))
    others = [v.shape for v in arrays] + [np.shape(v) for v in lists]
    return any(len(s) > rest and s[len(s) - rest - 1] != 1 for s in others)


def has_places() -> bool:
    """Whether how often traced masks hold may be known outside of loops."""
    return getattr(CURRENT.get(), "rooms", None) is not None


def places_of(mask: Any, ask: bool = True) -> Any:
    """Where a traced mask holds, in C order; None where how often it does cannot be known, as in
    native loops, unless it was asked before them. Without ``ask`` anything at all where it can."""
    trace: Any = CURRENT.get()
    if not has_places():
        return None
    found = trace.rooms.places.get(mask._tensor)
    if found is None and not is_inside_loop():
        found = () if not ask else np.flatnonzero(mask)
        if ask:
            trace.rooms.places[mask._tensor] = found
    return found


def _nothing_to_reduce(is_min: bool) -> ValueError:
    """NumPy's error for the extreme of nothing."""
    name = "minimum" if is_min else "maximum"
    return ValueError(
        f"zero-size array to reduction operation {name} which has no identity; give initial=, "
        f"which is the result where no element is selected"
    )


def _least(dtype: np.dtype[Any], greatest: bool) -> Any:
    sign = 1 if greatest else -1
    if dtype.kind == "b":
        return greatest
    if dtype.kind not in "iu":  # bfloat16 among them
        return sign * np.inf
    return np.iinfo(dtype).max if greatest else np.iinfo(dtype).min


def wide(mask: Any, ndim: int) -> Any:
    """``mask`` with new last axes, so that it has ``ndim`` axes."""
    return np.reshape(mask, (*mask.shape, *(1,) * (ndim - mask.ndim)))


def apply_whole(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An elementwise function of selections through one mask, applied to the whole arrays."""
    values = [*args, *kwargs.values()]
    first = next(leaf for leaf in leaves_of(values) if isinstance(leaf, Masked))

    def whole(value: Any) -> Any:
        if isinstance(value, Masked):
            if not same_mask(value, first):
                raise UnsupportedError(
                    "elements that two different traced masks select cannot be combined: how many "
                    "there are is not known while tracing; use one mask, as an array of its own"
                )
            return value._values
        return spread_over(value, first._mask.ndim, first._values.ndim - first._at)

    def chosen(values: Any) -> Any:
        if hasattr(values, "_parts"):  # a function of real elements that gives complex ones
            return type(values)(*map(chosen, values._parts))
        before = values.ndim - first._values.ndim  # new axes, of what had more
        return Masked(values, first._mask, first._at + before)

    options = {k: v if k in _NO_ARRAYS else whole(v) for k, v in kwargs.items()}
    if function is np.power and options.get("where", True) is True:  # others may be negative
        options["where"] = wide(first._mask, first._values.ndim - first._at)
    found = function(*map(whole, args), **options)
    return tuple(map(chosen, found)) if isinstance(found, tuple) else chosen(found)


def same_mask(a: Masked, b: Masked) -> bool:
    return a._at == b._at and (a._mask is b._mask or a._mask._tensor is b._mask._tensor)


def spread_over(value: Any, depth: int, ndim: int) -> Any:
    """``value``, which broadcasts beside a selection, as it broadcasts beside the whole array.

    The mask has ``depth`` axes, and it and the axes after it are ``ndim``.
    """
    shape = np.shape(value)
    rest = ndim - depth
    if len(shape) <= rest:
        return value
    place = len(shape) - rest - 1
    if shape[place] != 1:
        raise UnsupportedError(
            f"an array of shape {shape} beside x[mask] has an element for each place where the "
            f"traced mask holds, and how many these are is not known while tracing; select both "
            f"sides through the same mask: x[mask] = values[mask]"
        )
    return np.reshape(value, (*shape[:place], *(1,) * depth, *shape[place + 1 :]))


def is_traced_mask(part: Any) -> bool:
    """Whether a part of a key is a mask whose elements are traced."""
    kind = getattr(getattr(part, "dtype", None), "kind", "")
    return kind == "b" and hasattr(type(part), "__mlc_lift__") and known(part) is part


def mask_in(key: Any) -> bool:
    """Whether a key holds a traced mask."""
    return any(is_traced_mask(part) for part in (key if isinstance(key, tuple) else (key,)))


def split_key(target: Tracer, key: Any) -> tuple[Any, Tracer, int]:
    """(the view of ``target`` that the rest of the key names, the mask, its first axis there)."""
    parts = list(key) if isinstance(key, tuple) else [key]
    at = next(n for n, part in enumerate(parts) if is_traced_mask(part))
    mask = parts[at]
    others = parts[:at] + parts[at + 1 :]
    if any(not (p is None or p is Ellipsis or isinstance(p, slice) or np.ndim(p) == 0)
           for p in others):  # fmt: skip
        raise UnsupportedError(
            "a traced mask beside another mask or index array selects as many elements as the "
            "data decide; take one step after the other, or use np.where"
        )
    whole = [p is None or p is Ellipsis or isinstance(p, slice) for p in parts]
    numbers = [n for n, is_slice in enumerate(whole) if not is_slice]
    if numbers[-1] - numbers[0] + 1 != len(numbers):
        raise UnsupportedError(
            "a traced mask and a number with a slice between them change the order of the axes; "
            "take one step after the other: x[i][mask]"
        )
    used = sum(p is not None and p is not Ellipsis for p in others) + mask.ndim
    full: list[Any] = [slice(None)] * mask.ndim
    if not mask.ndim:  # all elements, or none
        mask, full = np.reshape(mask, (1,)), [None]  # type: ignore[assignment]
    before = parts[:at]
    if any(p is Ellipsis for p in before):
        dots = next(n for n, p in enumerate(before) if p is Ellipsis)
        before[dots : dots + 1] = [slice(None)] * (target.ndim - used)
    basic = (*before, *full, *parts[at + 1 :])
    view = target[basic] if any(p != slice(None) for p in basic) else target
    start = sum(p is None or isinstance(p, slice) for p in before)
    if view.shape[start : start + mask.ndim] != mask.shape:
        raise BoundsError(
            f"a mask of shape {mask.shape} does not fit an array of shape {target.shape} there"
        )
    return view, mask, start


def select(target: Tracer, key: Any) -> Any:
    """``target[key]`` for a key with a traced mask: a copy, as all of NumPy's of this kind."""
    view, mask, at = split_key(target, key)
    found = Masked(view._detached(), mask._detached(), at)
    return found.solid() if is_open(mask.shape) else found
