"""Objects whose attributes a function reads and sets: ``self.w = self.w - rate * gradient``.

What stands in an object is constant for compiled code until it changes. A function that sets
attributes, or writes into arrays that they hold, is traced again in another way: the arrays become
inputs beside its arguments, and what it has set is computed and put back at each call.

::

    def step(self, x):                     step(self, x, w):         w: self.w
        self.w = self.w + x.sum(0)    ->       v = w + x.sum(0)
        return self.w * 2                      return v * 2, v       self.w = v, after the call
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import MlcError, OutsideArrayError, UnsupportedError
from ..ops.op import CURRENT
from ..records import dataclass
from . import tree
from .alike import Model, differences, nothing, owner_of
from .captures import Captures, is_ours
from .grown import Grown, Tabled, as_python, is_arrays
from .held_boxes import Boxes
from .leaving import shown_in
from .slots import Slots, holder_id, slots_of

INPUT = "attributes_"  # the keyword that the arrays are passed by
_DEPTH = 4  # of objects in objects, sought through for traced values
_MOST = 16  # objects, or shapes of what they hold, that are remembered
_MISSING = object()
_NUMBERS = (bool, int, float, complex, np.generic)


class AttributesWanted(BaseException):
    """Raised while compiling: the function sets attributes, so these are to be inputs. ``places``,
    (id of the holder, key), hold numbers that it changes; ``every`` array is wanted, not only those
    of floats. Nothing that users write should catch it."""

    def __init__(
        self, places: frozenset[tuple[int, Any]] = frozenset(), every: bool = False
    ) -> None:
        self.places, self.every = places, every


class _NumbersWanted(BaseException):
    """Raised while compiling with attributes as inputs: these numbers are to be inputs, too."""

    def __init__(self, places: frozenset[tuple[int, Any]]) -> None:
        self.places = places


class Held:
    """What some holders (the attributes of objects, and the lists and dicts in them) hold now."""

    def __init__(self, holders: Sequence[tuple[str, Any]]) -> None:
        self.holders = [holder for _, holder in holders]
        self.before = [holder.copy() for holder in self.holders]
        self.boxes = Boxes(self.holders)

    def changes(self) -> list[tuple[int, Any, Any]]:
        """(number of the holder, key, new value); for a list that changed its whole content."""
        found: list[tuple[int, Any, Any]] = []
        for n, (holder, before) in enumerate(zip(self.holders, self.before)):
            if isinstance(holder, list):
                if len(holder) != len(before) or any(a is not b for a, b in zip(holder, before)):
                    found.append((n, None, list(holder)))
                continue
            for key, value in holder.items():
                if before.get(key, _MISSING) is not value:
                    found.append((n, key, value))
            found += [(n, key, _MISSING) for key in before if key not in holder]
        return found

    def restore(self) -> None:
        """Put back what was there."""
        self.boxes.restore()
        for holder, before in zip(self.holders, self.before):
            if isinstance(holder, list):
                holder[:] = before
            elif any(holder.get(k, _MISSING) is not v for k, v in before.items()) or len(
                holder
            ) != len(before):
                holder.clear()
                holder.update(before)

    def settle(self) -> None:
        """Let what has changed be Python's own lists and dicts."""
        for n, key, value in self.changes():
            if key is None:
                self.holders[n][:] = map(as_python, value)
            elif value is not _MISSING:
                self.holders[n][key] = as_python(value)

    def changed_numbers(self) -> frozenset[tuple[int, Any]]:
        """Where an object counts: (id of the holder, key) of numbers that became others, which a
        native loop traces."""
        return frozenset(
            (holder_id(self.holders[n]), key)
            for n, key, value in self.changes()
            if key is not None
            and _is_count(self.before[n].get(key))
            and (_is_count(value) or _is_traced_number(value))
        )

    def has_other_arrays(self) -> bool:
        """Whether an array of floats stands where another one stood: it may be one at each call."""
        return any(
            key is not None and _is_floats(value) and _is_floats(self.before[n].get(key))
            for n, key, value in self.changes()
        )


def _is_floats(value: Any) -> bool:
    return type(value) is np.ndarray and value.dtype.kind in "fcV"


def _is_outside(error: Exception) -> bool:
    """Whether a traced value met an array from elsewhere. NumPy says ValueError where the value
    cannot become a Python number."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, OutsideArrayError) or isinstance(cause, OutsideArrayError):
        return True
    return isinstance(error, ValueError) and isinstance(cause, MlcError)


def _is_count(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, (bool, np.bool))


def _is_traced_number(value: Any) -> bool:
    return hasattr(type(value), "__mlc_lift__") and getattr(value, "shape", None) == ()


def noting_attributes(function: Callable[..., Any], captures: Captures) -> Callable[..., Any]:
    """``function``, which raises AttributesWanted after it has set attributes to traced values, or
    has met an array of an object where it would have to be an input."""
    if hasattr(function, "__mlc_lifted__") or not captures.holders:
        return function
    held = Held(captures.holders)

    def noting(*args: Any, **kwargs: Any) -> Any:
        import random  # which few programs have loaded, and takes a millisecond

        drawn = np.random.get_state(), random.getstate()

        def put_back() -> None:  # so that tracing again draws the same numbers
            held.restore()
            _put_back_elements(captures)
            np.random.set_state(drawn[0])
            random.setstate(drawn[1])

        try:
            returned = function(*args, **kwargs)
        except Exception as error:
            if _is_outside(error) and _has_arrays(captures):
                put_back()
                raise AttributesWanted(every=True) from None
            if isinstance(error, MlcError):  # it may be traced again, or never runs
                put_back()
            _put_back_elements(captures)
            if any(_is_traced(value) for _, _, value in held.changes()):
                held.restore()
            raise
        except BaseException:  # it will be traced again
            put_back()
            raise
        held.boxes.refuse_changes(getattr(function, "__name__", "it"), put_back)
        counted = held.changed_numbers()
        if _put_back_elements(captures) or held.has_other_arrays():
            put_back()
            raise AttributesWanted(counted, every=True)
        if counted or any(_is_traced(value) for _, _, value in held.changes()):
            put_back()
            raise AttributesWanted(counted)
        held.settle()
        return returned

    return noting


def _put_back_elements(captures: Captures) -> bool:
    """Whether the function has written constants into arrays of objects; they are undone."""
    held = {
        id(value)
        for _, holder in captures.holders
        for value in (holder if isinstance(holder, list) else holder.values())
    }
    changed = [
        watched
        for watched in captures.arrays.values()
        if watched.is_captured and id(watched.array) in held and not watched.is_same()
    ]
    for watched in changed:
        watched.array[...] = watched.copy
    return bool(changed)


def _is_traced(value: Any, depth: int = 0) -> bool:
    """Whether a traced value stands in ``value``, which may be an object that was made anew, or a
    text that shows one."""
    kind = type(value)
    if kind is str:
        return shown_in(value, CURRENT.get()) is not None
    if hasattr(kind, "__mlc_lift__") or is_arrays(value) or depth > _DEPTH:
        return hasattr(kind, "__mlc_lift__") or is_arrays(value)
    if isinstance(value, (Grown, Tabled)):
        value, kind = as_python(value), list if isinstance(value, Grown) else dict
    if kind not in (list, tuple, dict):
        if not is_object(value):
            return False
        value, kind = {**getattr(value, "__dict__", {}), **Slots(value)}, dict
    return any(_is_traced(v, depth + 1) for v in (value.values() if kind is dict else value))


def _has_arrays(captures: Captures) -> bool:
    """Whether objects that the function reads hold arrays."""
    return any(
        isinstance(value, np.ndarray)
        for _, holder in captures.holders
        for value in (holder if isinstance(holder, list) else holder.values())
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """What is held where, as long as ``links`` hold: (how to read it, from what, value)."""

    holders: list[tuple[str, Any]]
    names: frozenset[str]
    links: list[tuple[Callable[[Any], Any], Any, Any]]

    def holds(self) -> bool:
        try:
            return all(read(source) is value for read, source, value in self.links)
        except (LookupError, ValueError, AttributeError):
            return False


@dataclass(frozen=True, eq=False)
class _Table:
    """(number of the holder, key) of what a function sets; no part of what it reads."""

    places: list[tuple[int, Any]]


class AttributeCalls:
    """The calls of a function that sets attributes: what these held is passed like an argument, and
    what it set is put there after each call. ``jit`` compiles it anew, as ``jitted`` would."""

    def __init__(
        self,
        jitted: Any,
        jit: Callable[..., Any],
        native: Callable[..., Any],
        wanted: AttributesWanted | None = None,
    ) -> None:
        wanted = wanted or AttributesWanted(every=True)
        self.function, self.jitted, self.jit = jitted._function, jitted, jit
        self.places = wanted.places  # of numbers that change
        self.every = wanted.every
        self.counts = True  # whether numbers are inputs; else compiled for each value
        self.native = native  # what makes loops and branches native
        self.found: dict[tuple[tuple[int, int], ...], tuple[list[Any], _Found]] = {}
        self.compiled: dict[Any, tuple[Any, list[tuple[int, Any]]]] = {}
        self.models: list[Model] = []

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The results, with the attributes set."""
        with self.jitted._lock:  # what objects hold is replaced while the function is traced
            return self._settled(self._run, args, kwargs)

    def lower(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Every level of the code for these arguments, and for what the objects hold now."""
        return self._settled(self._lower, args, kwargs)

    def _settled(
        self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """``run(args, kwargs)``, once it is known which numbers are inputs."""
        while True:
            try:
                return run(args, kwargs)
            except (AttributesWanted, _NumbersWanted) as wanted:
                if not self.counts or wanted.places <= self.places:
                    raise UnsupportedError(
                        f"{self.jitted._parameters.function} changes what objects hold in a way "
                        f"that cannot be compiled; pass the arrays as arguments and return them"
                    ) from None
                self.places |= wanted.places
            except MlcError:
                if not self.counts or not self.places:
                    raise
                self.counts, self.places = False, frozenset()
                self.compiled.clear()

    def _objects(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The objects among the arguments."""
        given = (*args, *kwargs.values())
        leaves = (tree.flatten(v)[0] if type(v) in (list, tuple, dict) else (v,) for v in given)
        found = [leaf for part in leaves for leaf in part if is_object(owner_of(leaf))]
        if args and self.jitted._parameters.has_self and not is_object(args[0]):
            found.insert(0, args[0])
        return found

    def _lower(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        (args, kwargs), _, values, call, *_ = self._prepared(args, kwargs)
        return call.lower(*args, **{INPUT: values}, **kwargs)

    def rows(self) -> list[Any]:
        """What was compiled, as rows of ``cache_info``."""
        return [row for call, _ in self.compiled.values() for row in call.cache_info()]

    def _prepared(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, _Found, dict[str, Any], Any, list[tuple[int, Any]], Callable[[], None]]:
        """The call as its code knows it, what is held, what of it is passed, what takes it, the
        places that are set, and what is to be done after it."""
        called = self.jitted._parameters.names_of(args, kwargs)
        objects = self._objects(args, kwargs)
        found = self._find(objects, called)
        model = self._model_of(objects, found)
        values: dict[str, Any] = {}
        places: list[tuple[int, Any, str]] = []
        known: dict[int, str] = {}
        for n, (name, holder) in enumerate(model.found.holders):
            is_list = isinstance(holder, list)
            own = found.holders[n][1]
            for key, old in enumerate(holder) if is_list else holder.items():
                if not self._is_input(model.found, name, holder, key, old):
                    continue
                value = own[key]
                label = known.get(id(value))
                if label is None or not isinstance(value, np.ndarray):
                    label = f"{name}.{key}" if name[-1:] != "]" else f"{name}[{key!r}]"
                    label = label if label not in values else f"{label} ({n})"
                    values[label] = value
                    known[id(value)] = label
                places.append((n, key, label))
        shape = (tuple(holder_id(holder) for _, holder in model.found.holders), tuple(places))
        if shape not in self.compiled:
            while len(self.compiled) >= _MOST:
                self.compiled.pop(next(iter(self.compiled)))
            self.compiled[shape] = self._make(model, places)
        call, table = self.compiled[shape]
        given, put_back = (args, kwargs), nothing
        if model.found is not found:
            given, put_back = model.in_place_of(objects, args, kwargs)
        return given, found, values, call, table, put_back

    def _model_of(self, objects: list[Any], found: _Found) -> Model:
        """The objects whose code serves these: others that hold the same but for what are inputs,
        or they themselves."""
        for model in self.models:
            if model.found is found:
                return model
        names = [name for name, _ in found.holders]
        for model in self.models:
            if not model.is_shared or names != [name for name, _ in model.found.holders]:
                continue
            inputs = {holder_id(holder): name for name, holder in model.found.holders}

            def is_input(
                holder: Any, key: Any, value: Any, model: Model = model,
                inputs: dict[int, str] = inputs,
            ) -> bool:  # fmt: skip
                name = inputs.get(holder_id(holder))
                return name is not None and self._is_input(model.found, name, holder, key, value)

            floats = differences(model.objects, objects, is_input)
            if floats is None or floats and not self.counts:
                continue
            places = {(holder_id(holder), key) for holder, key in floats}
            if all(place[0] in inputs for place in places):
                self.places |= places
                return model
        made = Model(objects, found)
        self.models = [made, *self.models[: _MOST - 1]]
        return made

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        (args, kwargs), found, values, call, table, put_back = self._prepared(args, kwargs)
        returned, changes = call(*args, **{INPUT: values}, **kwargs)
        put_back()
        for number, value in changes.items():
            n, key = table[number]
            holder = found.holders[n][1]
            if key is None and isinstance(holder, list):
                holder[:] = value
            else:
                holder[key] = value
        return returned

    def _is_input(self, found: _Found, name: str, holder: Any, key: Any, value: Any) -> bool:
        if (holder_id(holder), key) in self.places:
            return isinstance(value, (np.ndarray, *_NUMBERS))
        if type(value) is not np.ndarray or not self.every and value.dtype.kind not in "fcV":
            return False
        return not isinstance(key, str) or key in found.names or name[-1:] == "]"

    def _find(self, objects: list[Any], called: dict[int, str]) -> _Found:
        """What the function reads of these objects; sought again if the way to it has changed."""
        key = tuple((id(owner_of(o)), id(getattr(o, "__func__", None))) for o in objects)
        known = self.found.get(key)
        if known is not None and known[1].holds():
            return known[1]
        captures = Captures(self.function, *objects, watch=False, names=called)
        links = [
            (read, source, value)
            for _, read, source, value in captures.checks
            if not isinstance(value, (np.ndarray, *_NUMBERS, str, bytes, type(None)))
        ]
        made = _Found(captures.holders, captures.names, links)
        while len(self.found) >= _MOST:
            self.found.pop(next(iter(self.found)))
        self.found[key] = objects, made
        return made

    def _make(
        self, model: Model, places: list[tuple[int, Any, str]]
    ) -> tuple[Any, list[tuple[int, Any]]]:
        """The function with these places as inputs, and the places that it sets."""
        found = model.found
        table = _Table([])
        function = self.function
        name, native = self.jitted._parameters.function, self.native

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            values, run = kwargs.pop(INPUT), native(function)
            held = Held(found.holders)
            for n, key, label in places:
                found.holders[n][1][key] = values[label]
            inside = Held(found.holders)
            changes: dict[int, Any] = {}
            try:
                returned = _apart(run(*args, **kwargs))
                inside.boxes.refuse_changes(name, held.restore)
                counted = inside.changed_numbers() - self.places
                if counted and self.counts:
                    raise _NumbersWanted(counted)
                for n, key, value in inside.changes():
                    if value is _MISSING:
                        raise UnsupportedError(
                            f"{name} deletes {key!r} of an object, which compiled code cannot do; "
                            f"set it to None"
                        )
                    if (n, key) not in table.places:
                        table.places.append((n, key))
                    changes[table.places.index((n, key))] = _apart(value)
            finally:
                held.restore()
            if _holds_objects(returned) or _holds_objects(changes):
                model.is_shared = False  # they may be, or hold, what is the model's own
            return returned, changes

        lifted = {(holder_id(found.holders[n][1]), key) for n, key, _ in places} | self.places
        call.__mlc_lifted__ = frozenset(lifted)  # type: ignore[attr-defined]
        static = self.jitted._parameters.static
        return self.jit(call, target=self.jitted._target, static_argnames=static), table.places


def _apart(value: Any) -> Any:
    """``value`` with lists and dicts of its own: those of objects are put back as they were."""
    kind = type(value)
    if kind is dict:
        return {key: _apart(item) for key, item in value.items()}
    return kind(map(_apart, value)) if kind in (list, tuple) else value


def _holds_objects(value: Any) -> bool:
    """Whether an object, or a function, is part of ``value``."""
    if type(value) in (list, tuple, dict):
        return any(map(_holds_objects, value.values() if type(value) is dict else value))
    is_known = isinstance(value, (np.ndarray, *_NUMBERS, str, bytes, type(None)))
    return not is_known and not hasattr(type(value), "__mlc_lift__")


_OF_ARRAYS = ("__dlpack__", "__array_interface__", "__array_ufunc__", "__cuda_array_interface__")


def is_object(value: Any) -> bool:
    """Whether ``value`` is an instance of a class of the user's, which may hold arrays."""
    kind = type(value)
    if isinstance(value, (type, np.ndarray, *_NUMBERS)):
        return False
    if not hasattr(value, "__dict__") and not slots_of(kind):
        return False
    if callable(getattr(kind, "__array__", None)) or hasattr(kind, "__mlc_lift__"):
        return False
    if any(getattr(kind, name, None) is not None for name in _OF_ARRAYS):
        return False
    return kind.__module__ != "builtins" and not is_ours(value) and tree.is_leaf(value)
