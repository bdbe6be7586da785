"""Named sizes: which extents of which arguments may change, and to what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ..errors import ArgumentError
from ..tracer import tree
from ..tracer.signature import Key


@dataclass(frozen=True)
class Dim:
    """A size that may change without a new compilation; made by :func:`dim`."""

    name: str
    min: int = 0
    max: int | None = None
    multiple_of: int = 1

    def __repr__(self) -> str:
        return self.name

    def refusal(self, size: int) -> str:
        """What a size was expected to be, if ``size`` is not; else nothing."""
        if size < self.min or (self.max is not None and size > self.max):
            most = "" if self.max is None else f" and at most {self.max}"
            return f"at least {self.min}{most}"
        return "" if size % self.multiple_of == 0 else f"a multiple of {self.multiple_of}"

    def samples(self, size: int, taken: set[int]) -> list[tuple[int, int]]:
        """Pairs of sizes to learn from: two that are like no other extent of the arguments; for
        programs that have loops of their own for what is left of vectors, two with the same
        remainders; for functions that do something else for small sizes, two just above ``size``
        and two just below."""
        step = self.multiple_of
        place = size // step
        first = max(place, 17) | 1

        def pair(places: Iterable[int], apart: int) -> list[tuple[int, int]]:
            found: list[int] = []
            for value in (n * step for n in places):
                if not self.refusal(value) and value not in taken:
                    if not found or abs(value - found[0]) > apart * step:
                        found.append(value)
                if len(found) == 2:
                    return [(min(found), max(found))]
            return []

        far = pair((*range(first, first + 400), *range(first - 1, 1, -1)), 3)
        above = pair(range(max(place + 1, 2), place + 40), 0)
        below = pair(range(place - 1, max(place - 40, 1), -1), 0)
        alike = pair(range(place + 64, place + 640, 64), 0)  # cut into vectors in the same way
        return [*far, *alike, *above, *below]


def dim(name: str, *, min: int = 0, max: int | None = None, multiple_of: int = 1) -> Dim:
    """A size called ``name`` for ``mlc.jit(dynamic=...)`` and for annotations of parameters.

    Every call must have ``min <= size <= max`` and a multiple of ``multiple_of``, which is checked.
    Axes with the same name must have the same size. Raises :class:`ArgumentError` for limits that
    no size keeps.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise ArgumentError(f"mlc.dim wants a name such as 'n', got {name!r}")
    for label, value in (("min", min), ("max", max), ("multiple_of", multiple_of)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and (value is not None or label != "max"):
            raise ArgumentError(f"mlc.dim wants an integer for {label}, got {value!r}")
    if min < 0 or multiple_of < 1:
        raise ArgumentError(
            f"mlc.dim wants min >= 0 and multiple_of >= 1, got {min} and {multiple_of}"
        )
    least = -(-min // multiple_of) * multiple_of
    if max is not None and max < least:
        raise ArgumentError(
            f"no size of {name!r} is at least {min}, at most {max} and a multiple of {multiple_of}"
        )
    return Dim(name, min, max, multiple_of)


@dataclass(frozen=True)
class Place:
    """Axis ``axis`` of an argument: number ``argument``, and in a tree its leaf ``leaf``."""

    dim: Dim
    label: str
    argument: int
    leaf: int | None
    axis: int
    size: int


Axes = dict[int, Dim]


class Dims:
    """What ``dynamic=`` and the annotations of a function say."""

    def __init__(self, given: Any, function: Callable[..., Any], known: Sequence[str]) -> None:
        self.leading = given is True or given == "leading"
        self.axes: dict[str, Axes] = {}
        self.dims: dict[str, Dim] = {}
        self.function = getattr(function, "__name__", type(function).__name__)
        for name, value in annotated(function).items():
            self._add(name, value)
        if given is None or self.leading or given is False:
            return
        if not isinstance(given, Mapping):
            raise ArgumentError(
                f"dynamic= wants True, 'leading', or a dict such as {{'x': {{0: 'n'}}}}, got "
                f"{given!r}"
            )
        for name, value in given.items():
            if known and name not in known:
                raise ArgumentError(
                    f"dynamic= names {name!r}, but {self.function} has the parameters "
                    f"{', '.join(known)}"
                )
            self._add(name, value)

    def __bool__(self) -> bool:
        return self.leading or bool(self.axes)

    def _add(self, name: str, value: Any) -> None:
        axes: Axes = {}
        for axis, what in _axes_of(value):
            found = what if isinstance(what, Dim) else dim(what) if isinstance(what, str) else None
            if found is None or not isinstance(axis, int):
                raise ArgumentError(
                    f"dynamic= wants a size for each axis of {name}, such as {{0: 'n'}} or "
                    f"{{0: mlc.dim('n', max=64)}}, got {value!r}"
                )
            plain = Dim(found.name)
            before = self.dims.get(found.name, plain)
            if found != before and plain not in (found, before):
                raise ArgumentError(f"the size {found.name} is declared twice, with other limits")
            self.dims[found.name] = found if before == plain else before
            axes[axis] = found
        self.axes[name] = axes

    def places(self, names: Sequence[str], keys: Sequence[Key]) -> list[Place]:
        """The extents of a call that may change. Raises :class:`ArgumentError` for sizes that are
        not as declared, or that differ where they have the same name."""
        found = list(self._places(names, keys))
        sizes: dict[str, Place] = {}
        for place in found:
            first = sizes.setdefault(place.dim.name, place)
            if first.size != place.size:
                raise ArgumentError(
                    f"{self.function} was called with two sizes for {place.dim.name}: {first.size} "
                    f"(axis {first.axis} of {first.label}) and {place.size} (axis {place.axis} of "
                    f"{place.label})"
                )
            wanted = place.dim.refusal(place.size)
            if wanted:
                raise ArgumentError(
                    f"axis {place.axis} of {place.label} has size {place.size}, but "
                    f"{place.dim.name} was declared to be {wanted}"
                )
        return found

    def _places(self, names: Sequence[str], keys: Sequence[Key]) -> Iterator[Place]:
        lead: int | None = None
        for number, (name, key) in enumerate(zip(names, keys)):
            base = name.partition("[")[0]
            for label, leaf, shape in _arrays(name, key):
                axes = self.axes.get(name, self.axes.get(base, {}))
                for axis, declared in axes.items():
                    at = axis + len(shape) if axis < 0 else axis
                    if not 0 <= at < len(shape):
                        raise ArgumentError(
                            f"axis {axis} of {label} was declared to have the size "
                            f"{declared.name}, but {label} has shape {shape}"
                        )
                    limits = self.dims[declared.name]
                    yield Place(limits, label, number, leaf, at, shape[at])
                if self.leading and not axes and shape:
                    lead = shape[0] if lead is None else lead
                    if shape[0] == lead:
                        yield Place(Dim("n"), label, number, leaf, 0, lead)


def _axes_of(value: Any) -> Iterable[tuple[Any, Any]]:
    match value:
        case Mapping():
            return list(value.items())
        case list() | tuple():
            return [(a, v) for a, v in enumerate(value) if not (v is None or isinstance(v, int))]
        case _:
            return [(0, value)]


def annotated(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of parameters that hold a :class:`Dim`."""
    found: dict[str, Any] = {}
    notes = getattr(function, "__annotations__", None) or {}
    spaces = getattr(function, "__globals__", {})
    for name, note in notes.items():
        value = note
        if isinstance(note, str):
            try:
                value = eval(note, spaces)  # what `from __future__ import annotations` left
            except Exception:
                continue
        for part in (value, *get_args(value)):
            if name != "return" and _holds_dim(part):
                found[name] = part
    return found


def _holds_dim(value: Any) -> bool:
    match value:
        case Dim():
            return True
        case Mapping():
            return any(isinstance(v, Dim) for v in value.values())
        case list() | tuple():
            return any(isinstance(v, Dim) for v in value)
    return False


def _arrays(name: str, key: Key) -> Iterator[tuple[str, int | None, tuple[int, ...]]]:
    """(label, number of the leaf, shape) of the arrays in an argument."""
    if key[0] == "static" or isinstance(key[0], type):
        return
    if isinstance(key[0], np.dtype):
        yield name, None, key[1]
        return
    labels = tree.leaf_names(name, key[0])
    for n, (label, leaf) in enumerate(zip(labels, key[1:])):
        if isinstance(leaf[0], np.dtype):
            yield label, n, leaf[1]


def resized(
    keys: Sequence[Key], places: Sequence[Place], sizes: Mapping[str, Any]
) -> tuple[Key, ...]:
    """``keys`` with what ``sizes`` says of the named extents. Arrays that change lie in memory as
    they did, but if the size is not a number: those are C-contiguous."""
    out: list[Any] = list(keys)
    for place in places:
        key = out[place.argument]
        leaf = key if place.leaf is None else key[1 + place.leaf]
        shape = list(leaf[1])
        shape[place.axis] = sizes.get(place.dim.name, place.size)
        fresh = leaf if tuple(shape) == leaf[1] else (leaf[0], tuple(shape))
        if fresh is not leaf and len(leaf) == 4 and all(isinstance(n, int) for n in shape):
            fresh = (*fresh, _stretched(leaf[1], leaf[2], shape), leaf[3])
        if place.leaf is not None:
            at = 1 + place.leaf
            fresh = (*key[:at], fresh, *key[at + 1 :])
        out[place.argument] = fresh
    return tuple(out)


def _stretched(
    old: Sequence[int], strides: Sequence[int] | None, new: Sequence[int]
) -> tuple[int, ...] | None:
    """The strides of an array like that of the shape ``old``, of the shape ``new``: axes that
    follow each other in memory still do, and others keep their distance."""
    if strides is None:
        return None
    made = list(strides)
    inner: int | None = None
    for d in sorted(range(len(old)), key=lambda d: (abs(strides[d]), -d)):
        if not strides[d]:
            continue  # the same elements again
        if inner is not None:
            gap = abs(strides[d]) - abs(strides[inner]) * old[inner]
            if gap >= 0:
                step = abs(made[inner]) * max(new[inner], 1) + gap
                made[d] = step if strides[d] > 0 else -step
        inner = d
    return tuple(made)
