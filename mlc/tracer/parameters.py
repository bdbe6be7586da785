"""What a call of a function passes: which parameter each argument is for, which are static, and the
keys and arrays of the others."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import ArgumentError, MlcError
from . import tree
from .attributes import is_object
from .defaults import Defaults
from .signature import Identity, Key, array_key, is_setting, leaf_key, static_key
from .streams import is_generator

Arrays = list[np.ndarray[Any, Any]]
_TREES = (list, tuple, dict)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameters:
    """What the signature of ``function`` says: names, which are static, whether ``out`` is its
    own.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_names: Iterable[str],
        static_numbers: Iterable[int],
    ) -> None:
        self.function = getattr(function, "__name__", type(function).__name__)
        try:
            found = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            found = []
        self.positional = [p.name for p in found if p.kind in _POSITIONAL]
        self.by_name = {p.name for p in found if p.kind is not p.POSITIONAL_ONLY}
        self.rest = next((p.name for p in found if p.kind is p.VAR_POSITIONAL), "args")
        self.defaults = Defaults(function)
        takes_any = any(p.kind is p.VAR_KEYWORD for p in found)
        self.has_out = any(p.name == "out" for p in found)
        # Methods: the object is no array, and is told apart by identity.
        self.has_self = self.positional[:1] in (["self"], ["cls"])
        self.static = set(static_names)
        self.packs = True  # whether many numbers in lists are passed as one array
        self.loose: set[str] = set()  # arguments whose numbers are passed each on its own
        for name in self.static:
            if found and name not in {p.name for p in found} and not takes_any:
                raise ArgumentError(
                    f"static_argnames names {name!r}, but {self.function} has the parameters "
                    f"{', '.join(p.name for p in found)}"
                )
        for number in static_numbers:
            place = number + len(self.positional) if number < 0 else number
            if not 0 <= place < len(self.positional):
                raise ArgumentError(
                    f"static_argnums names argument {number}, but {self.function} has "
                    f"{len(self.positional)} positional parameters"
                )
            self.static.add(self.positional[place])

    def name(self, place: int) -> str:
        """What positional argument number ``place`` is called."""
        known = len(self.positional)
        return self.positional[place] if place < known else f"{self.rest}[{place - known}]"

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Each argument with its name."""
        for place, value in enumerate(args):
            yield self.name(place), value
        yield from kwargs.items()

    def names_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, str]:
        """What is passed, by its id, as the function calls it."""
        named: dict[int, str] = {}
        for name, value in self.named(args, kwargs):
            named[id(value)] = name
            if type(value) in _TREES:
                leaves, structure = tree.flatten(self.packed(name, value))
                named |= zip(map(id, leaves), tree.leaf_names(name, structure))
        return named

    def arrange(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The normal form of a call: `placed`, then `shortened`."""
        return self.shortened(*self.placed(args, kwargs))

    def placed(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same call with keywords moved to their places as far as possible, the others in the
        order of parameters, and those of no parameter sorted behind them.
        """
        if not kwargs:
            return args, kwargs
        extra = []
        for name in self.positional[len(args) :]:
            if name not in kwargs or name not in self.by_name:
                break
            extra.append(kwargs[name])
        moved = self.positional[len(args) : len(args) + len(extra)]
        rest = [name for name in sorted(kwargs) if name not in moved]
        places = {name: place for place, name in enumerate(self.positional)}
        rest.sort(key=lambda name: places.get(name, len(places)))
        return (*args, *extra), {name: kwargs[name] for name in rest}

    def shortened(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same call, `placed`, without arguments that are the defaults anyway: what stands
        behind one becomes a keyword, if it can be one. These very objects if there are none."""
        is_default = self.defaults.is_default
        names = self.positional[: len(args)]
        if not self.defaults.values or not kwargs.keys().isdisjoint(names):
            return args, kwargs
        if len(args) <= len(names):
            kept = [not is_default(name, value) for name, value in zip(names, args)]
            # From the first that goes, those that stay must have names.
            end = len(names)
            for n in reversed(range(len(names))):
                if kept[n] and names[n] not in self.by_name:
                    break
                end = n if not kept[n] else end
            if end < len(names):
                behind = zip(names[end:], args[end:], kept[end:])
                kwargs = {**{name: value for name, value, stays in behind if stays}, **kwargs}
                args = args[:end]
        said = [n for n, v in kwargs.items() if n not in self.by_name or not is_default(n, v)]
        if len(said) < len(kwargs):
            kwargs = {name: kwargs[name] for name in said}
        return args, kwargs

    def is_static(self, place: int, name: str, value: Any) -> bool:
        """Whether an argument decides what is compiled: named so, a setting, or the object of a
        method."""
        if name in self.static or is_setting(value):
            return True
        is_held = is_object(value) or is_generator(value)
        return is_held or place == 0 and self.has_self and tree.is_leaf(value)

    def keys(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Key, ...], Arrays]:
        """The key of each argument, and the arrays to pass for all of them."""
        keys: list[Key] = []
        arrays: Arrays = []
        for place, value in enumerate(args):
            if type(value) is np.ndarray and not self.static:
                array, key = array_key(value)
                arrays.append(array)
                keys.append(key)
                continue
            name = self.name(place)
            if self.is_static(place, name, value):
                keys.append(self._static(place, name, value))
            else:
                keys.append(self._traced(name, value, arrays))
        for name, value in kwargs.items():
            if self.is_static(-1, name, value):
                keys.append(self._static(-1, name, value))
            else:
                keys.append(self._traced(name, value, arrays))
        return tuple(keys), arrays

    def sources(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
        """What the caller passed for each of the arrays of `keys`, with its name."""
        found: list[tuple[str, Any]] = []
        for place, (name, value) in enumerate(self.named(args, kwargs)):
            if self.is_static(place if place < len(args) else -1, name, value):
                continue
            if type(value) not in _TREES and tree.is_leaf(value):
                found.append((name, value))
            else:
                leaves, structure = tree.flatten(self.packed(name, value))
                found += [
                    (label, leaf)
                    for label, leaf in zip(tree.leaf_names(name, structure), leaves)
                    if not self.is_static(-1, label, leaf)
                ]
        return found

    def packed(self, name: str, value: Any) -> Any:
        """``value``, where lists of many numbers may be packed: see `mlc.tracer.packing`."""
        if type(value) not in _TREES or not self.packs or name in self.loose:
            return value
        if any(label.startswith(f"{name}[") for label in self.static):
            return value
        from .packing import packed

        return packed(value)

    def flattened(self, name: str, value: Any) -> tuple[list[Any], Any]:
        """The leaves of an argument, and its structure, packed."""
        held = self.packed(name, value)
        if held is value:
            return tree.flatten(value)
        from .packing import flattened

        return flattened(held)

    def loosened(self, names: Iterable[str], keys: Iterable[Key]) -> set[str]:
        """Arguments of these keys that were packed and are passed number by number from now on."""
        from .packing import is_loosened

        found = {name for name, key in zip(names, keys) if is_loosened(key)}
        self.loose |= found
        return found

    @contextmanager
    def knowing(self, names: set[str]) -> Iterator[None]:
        """Inside, the arguments called ``names`` are static, too."""
        added = names - self.static
        assert added, names
        self.static |= added
        try:
            yield
        finally:
            self.static -= added

    def _static(self, place: int, name: str, value: Any) -> Key:
        is_held = is_object(value) or is_generator(value)
        if name not in self.static and (is_held or place == 0 and self.has_self):
            if not is_setting(value):
                return "static", type(value), Identity(value)
        return static_key(value, name, self.function)

    def _traced(self, name: str, value: Any, arrays: Arrays) -> Key:
        if type(value) not in _TREES and tree.is_leaf(value):
            array, key = leaf_key(value, name, self.function)
            arrays.append(array)
            return key
        leaves, structure = self.flattened(name, value)
        keys: list[Any] = [structure]
        labels: list[str] = tree.leaf_names(name, structure) if self.static else []
        for i, leaf in enumerate(leaves):
            if type(leaf) is np.ndarray:
                array, key = array_key(leaf)
            elif is_setting(leaf) or labels and labels[i] in self.static:
                keys.append(static_key(leaf, name, self.function))
                continue
            elif is_object(leaf) or is_generator(leaf):
                keys.append(("static", type(leaf), Identity(leaf)))
                continue
            else:
                try:
                    array, key = leaf_key(leaf, name, self.function)
                except MlcError:  # once more, for the error to name the leaf
                    leaf_key(leaf, tree.leaf_names(name, structure)[i], self.function)
                    raise
            arrays.append(array)
            keys.append(key)
        return tuple(keys)
