"""What a function reads besides its arguments, and whether that has changed since it was traced.

Followed are closure cells, globals, defaults, the functions called through them, also those of
modules that it imports itself, the methods of the classes on the way, and attributes, lists and
dicts, as far as the code names them.
Arrays that can be written to are copied when the function is traced and compared before each call
(at the speed of memory; ``array.setflags(write=False)`` saves the copy and the comparison, and an
argument needs neither). A function that reads nothing but modules, classes and builtins has no
captures.
"""

from __future__ import annotations

import copy
import ctypes
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from opcode import opmap
from operator import attrgetter
from typing import Any

import numpy as np

from .content import Content, content_key, is_by_content, members_of
from .slots import Slots, holder_id, set_by, slots_of
from .streams import is_generator
from .trace import as_array, frozen_copy, is_frozen, shown

Array = np.ndarray[Any, Any]
Read = Callable[[Any], Any]
_NUMBERS = (bool, int, float, complex, str, bytes, type(None), np.generic)
_FIXED = (types.ModuleType, type, types.BuiltinFunctionType, np.ufunc, np.dtype)
_OURS = ("numpy", "mlc", "optree", "ml_dtypes", "scipy")
_MISSING = object()
_PARTS = ("__func__", "fget", "fset", "func", "dispatcher")  # of wrapped methods and properties
_SHOWING = ("__repr__", "__str__", "__doc__")  # special methods and attributes that do not compute
_ROUNDS, _DEPTH = 6, 16
_GUARDS = 64  # that native code looks at before a call
_IMPORT = opmap["IMPORT_NAME"]


class Captures:
    """The values read by ``roots`` (functions, and objects whose attributes they read); ``names``
    are those of parameters, by the id of what was passed."""

    def __init__(
        self, *roots: Any, watch: bool = True, names: Mapping[int, str] | None = None
    ) -> None:
        self.checks: list[tuple[str, Read, Any, Any]] = []  # name, how to read it, from what, value
        self.arrays: dict[int, _Watched] = {}
        self._late: list[int] = []
        labels = {} if names is None else names
        read: set[str] = set()
        lifted: frozenset[tuple[int, Any]] = getattr(
            roots[0] if roots else None, "__mlc_lifted__", frozenset()
        )
        for _ in range(_ROUNDS):
            walk = _Walk(read, lifted)
            for root in roots:
                walk.value(labels.get(id(root), ""), root, 0)
            if walk.names == read:
                break
            read = walk.names
        self.checks = walk.checks
        self.spaces = list(walk.spaces.values())  # of variables, that the functions read
        # The attributes of objects, and lists and dicts in them and elsewhere: who may hold arrays.
        self.holders = walk.holders
        self.names = frozenset(walk.names)
        self.seen = walk.seen  # by their ids
        self.generators = {id(source): source for source in walk.generators}  # of random numbers
        for name, array in walk.arrays if watch else ():
            self.arrays[id(array)] = _Watched(name, array, frozen_copy(array))
        keys = map(content_key, filter(is_by_content, roots[1:]))
        self.statics = tuple(key for key in keys if isinstance(key, Content))
        self.is_moved = False  # whether `following` has made these

    def __bool__(self) -> bool:
        return bool(self.checks or self.arrays)

    def frozen(self, array: Array) -> Array:
        """The unchangeable copy of ``array``, which the traced function met."""
        if id(array) not in self.arrays:
            # Made while tracing, or reached by a way that was not followed; `settle` finds out.
            plain = as_array(array)
            assert plain is not None
            self.arrays[id(array)] = _Watched("an array", array, frozen_copy(plain), False)
            self._late.append(id(array))
        return self.arrays[id(array)].copy

    def following(self, keys: Iterable[Any]) -> tuple[Captures, dict[int, Any]]:
        """These captures with the static functions of a call with these ``keys`` in the place of
        equal ones that were traced, and which objects those are, by the ids of the old ones."""
        if not self.statics:
            return self, {}
        old, new = list(members_of(self.statics)), list(members_of(keys))
        moved = {id(a): b for a, b in zip(old, new) if a is not b}
        if not moved or len(old) != len(new):
            return self, {}
        made = copy.copy(self)
        made.checks = [
            (name, read, moved.get(id(source), source), moved.get(id(value), value))
            for name, read, source, value in self.checks
        ]
        made.is_moved = True
        return made, moved

    def settle(self) -> None:
        """After the trace: forget arrays that nobody else holds, and those that cannot change."""
        for key in self._late:
            # Held by the record, by this name and by the call itself.
            array = self.arrays[key].array
            if array.base is None and sys.getrefcount(array) <= 3:
                del self.arrays[key]
        self._late = []
        self.arrays = {k: v for k, v in self.arrays.items() if not v.is_fixed}

    def guards(self) -> tuple[tuple[Any, str, object], ...] | None:
        """What native code is to find unchanged at each call, as a `mlc.runtime.signature` holds
        it: cells and entries of dicts; None if there is more to look at."""
        found: list[tuple[Any, str, object]] = []
        for _, read, source, value in self.checks:
            holder = getattr(read, "__self__", None)
            if isinstance(source, types.CellType) and value is not _MISSING:
                found.append((source, "cell_contents", value))
            elif type(holder) is dict and type(source) is str and read == holder.get:
                found.append((holder, source, value))
            else:
                return None
        is_all = not (self.arrays or self.statics or self.generators)
        return tuple(found) if is_all and len(found) <= _GUARDS else None

    def change(self) -> str:
        """What has changed since the trace, as part of a sentence; empty if nothing has."""
        for name, read, source, value in self.checks:
            try:
                now = read(source)
            except (ValueError, LookupError):
                now = _MISSING
            if now is not value and not _same(now, value):
                return _change(name, value, now)
        for watched in self.arrays.values():
            if not watched.is_same():
                return f"the content of {watched.name} changed"
        return ""


class _Walk:
    """One pass over all that can be reached; collects names of attributes for the next."""

    def __init__(self, names: set[str], lifted: frozenset[tuple[int, Any]]) -> None:
        self.names = set(names)
        self.lifted = lifted  # (id of the holder, key): what is an input, and watched by nobody
        self.holders: list[tuple[str, Any]] = []
        self.checks: list[tuple[str, Read, Any, Any]] = []
        self.arrays: list[tuple[str, Array]] = []
        self.seen: dict[int, Any] = {}
        self.spaces: dict[int, Any] = {}
        self.generators: list[Any] = []
        self.around: Any = None  # the function whose cell is looked at

    def read(self, name: str, read: Read, source: Any, value: Any, depth: int) -> None:
        """A value that could be rebound: check it, and follow it."""
        if self.lifted:
            holder, key = getattr(read, "__self__", None), source
            if isinstance(source, types.CellType):
                holder, key = self.around, name
            kinds = (dict, list, Slots, types.FunctionType)
            if type(holder) in kinds and (holder_id(holder), key) in self.lifted:
                return
        if not isinstance(value, _FIXED) and (is_generator(value) or not is_ours(value)):
            self.checks.append((name, read, source, value))
        self.value(name, value, depth)

    def value(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, _NUMBERS) or depth > _DEPTH or id(value) in self.seen:
            return
        self.seen[id(value)] = value
        match value:
            case np.ndarray():
                if not is_frozen(value):
                    self.arrays.append((name, value))
            case _ if is_generator(value):
                self.generators.append(value)
            case types.FunctionType():
                if not is_ours(value):
                    self.function(value, depth)
            case types.MethodType():
                self.value(name, value.__func__, depth)
                self.value(name, value.__self__, depth)
            case partial():
                for part in (value.func, *value.args, *value.keywords.values()):
                    self.value(name, part, depth + 1)
            case list() | tuple():
                self.items(name, value, depth)
            case dict():
                self.mapping(name, value, depth)
            case types.ModuleType():
                if not _is_fixed_module(value.__name__):
                    self.attributes(name, value, depth)
            case type():
                self.members(value, depth)
            case _ if not isinstance(value, _FIXED) and not is_ours(value):
                self.attributes(name, value, depth)

    def items(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, list):
            self.checks.append((f"len({name})", len, value, len(value)))
            self.holders.append((name + "[]", value))
        for i, item in enumerate(value):
            read: Read = value.__getitem__
            if isinstance(value, list):
                self.read(f"{name}[{i}]", read, i, item, depth + 1)
            else:
                self.value(f"{name}[{i}]", item, depth + 1)

    def mapping(self, name: str, value: dict[Any, Any], depth: int) -> None:
        self.checks.append((f"len({name})", len, value, len(value)))
        self.holders.append((name + "[]", value))
        for key, item in value.items():
            self.read(f"{name}[{key!r}]", value.get, key, item, depth + 1)

    def attributes(self, name: str, value: Any, depth: int) -> None:
        """The attributes of an object or module that the code names somewhere."""
        own = getattr(value, "__dict__", {})
        is_object = not isinstance(value, types.ModuleType)
        if is_object and type(own) is dict:
            self.holders.append((name or "self", own))
        for key in sorted(self.names & own.keys()):
            self.read(f"{name or 'self'}.{key}", own.get, key, own[key], depth + 1)
        if not is_object:
            return
        if slots_of(type(value)):
            slots = Slots(value)
            self.holders.append((name or "self", slots))
            for key in sorted(self.names & slots.keys()):
                self.read(f"{name or 'self'}.{key}", slots.get, key, slots[key], depth + 1)
        self.value(name, getattr(value, "__wrapped__", None), depth + 1)
        self.members(type(value), depth)

    def members(self, kind: type, depth: int) -> None:
        """The methods of a class that the code names, or that Python calls by itself, and the
        attributes that it names; also those that ``super()`` finds."""
        for base in kind.__mro__:
            if is_ours(base):
                continue
            for key, held in list(vars(base).items()):
                is_special = key[:2] == key[-2:] == "__" and key not in _SHOWING
                if not is_special and key not in self.names:
                    continue
                functions = [held, *(getattr(held, part, None) for part in _PARTS)]
                functions = [f for f in functions if isinstance(f, types.FunctionType)]
                for function in functions:
                    self.value(key, function, depth + 1)
                if not functions and not is_special and not hasattr(type(held), "__get__"):
                    read = partial(_of_class, kind)
                    self.read(f"{kind.__name__}.{key}", read, key, read(key), depth + 1)

    def function(self, function: types.FunctionType, depth: int) -> None:
        for code in _codes(function.__code__):
            self.names.update(code.co_names)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            self.spaces[id(cell)], self.around = cell, function
            try:
                content = cell.cell_contents
            except ValueError:  # not bound yet
                content = _MISSING
            self.read(name, attrgetter("cell_contents"), cell, content, depth + 1)
        space = self.spaces[id(function.__globals__)] = function.__globals__
        for code in _codes(function.__code__):
            for name in _globals_of(code, space):
                self.read(name, space.get, name, space[name], depth + 1)
            for name in _imports_of(code, space):
                self.value(name, sys.modules.get(name), depth + 1)
        self.holders += set_by(function)
        for i, default in enumerate(function.__defaults__ or ()):
            self.value(f"default {i} of {function.__name__}", default, depth + 1)
        for name, default in (function.__kwdefaults__ or {}).items():
            self.value(f"default of {name}", default, depth + 1)
        inner = getattr(function, "__wrapped__", None)
        if inner is not None:
            self.value(function.__name__, inner, depth + 1)
        registry = getattr(function, "registry", None)
        if isinstance(registry, types.MappingProxyType):  # of functools.singledispatch
            label = f"{function.__name__}.registry"
            self.checks.append((f"len({label})", len, registry, len(registry)))
            for kind, chosen in registry.items():
                self.read(f"{label}[{kind.__name__}]", registry.get, kind, chosen, depth + 1)


def _of_class(kind: type, key: str) -> Any:
    """What objects of ``kind`` find under the name ``key``; a LookupError if that is nothing."""
    return next(vars(base) for base in kind.__mro__ if key in vars(base))[key]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _globals_of(code: types.CodeType, space: dict[str, Any]) -> list[str]:
    """The names of globals that the code reads. Names of attributes look alike: ``x.T`` does not
    read a global ``T``, which takes a look at the code to know."""
    found = [name for name in code.co_names if name in space]
    if all(isinstance(space[name], types.ModuleType) for name in found):
        return found
    import dis

    steps = dis.get_instructions(code)
    read = {s.argval for s in steps if "GLOBAL" in s.opname or s.opname == "LOAD_NAME"}
    return [name for name in found if name in read]


def _imports_of(code: types.CodeType, space: dict[str, Any]) -> list[str]:
    """The names of modules that the code imports itself."""
    if _IMPORT not in code.co_code[::2]:
        return []
    import dis
    from importlib.util import resolve_name

    steps, found = list(dis.get_instructions(code)), []
    package = space.get("__package__") or space.get("__name__", "").rpartition(".")[0]
    for level, _, step in zip(steps, steps[1:], steps[2:]):
        if step.opcode == _IMPORT:
            name = "." * (level.argval or 0) + step.argval
            try:
                found.append(resolve_name(name, package))
            except ImportError:  # as the function will find out
                continue
    return found


def is_ours(value: Any) -> bool:
    """A function, operator or object of a library that does not change under our feet."""
    if isinstance(value, (np.ndarray, np.generic)):
        return False
    if isinstance(value, types.FunctionType) and "site-packages" in value.__code__.co_filename:
        return True
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and _is_fixed_module(module)


def _is_fixed_module(name: str) -> bool:
    top = name.split(".")[0]
    return top in _OURS or top in sys.stdlib_module_names and top != "__main__"


def _same(a: Any, b: Any) -> bool:
    """Equal for what cannot change: numbers, strings, and tuples of them."""
    if type(a) is not type(b):
        return False
    if isinstance(a, _NUMBERS):
        return repr(a) == repr(b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(x is y or _same(x, y) for x, y in zip(a, b))
    if isinstance(a, types.MethodType):
        return a.__func__ is b.__func__ and a.__self__ is b.__self__
    return False


class _Watched:
    """An array that may change, with the copy that was compiled in."""

    __slots__ = ("array", "copy", "count", "is_captured", "is_fixed", "name", "places", "twin")

    def __init__(self, name: str, array: Array, copy: Array, is_captured: bool = True) -> None:
        self.is_captured = is_captured  # known before the trace
        self.name, self.array, self.copy = name, array, copy
        # Found out once: asking NumPy for an address takes longer than the comparison.
        self.is_fixed = array is copy or (isinstance(array, np.ndarray) and is_frozen(array))
        in_order = copy if array.flags.c_contiguous else np.array(array, order="K")
        is_dense = in_order.strides == array.strides
        self.twin = in_order if is_dense else copy  # that lies in memory as the array does
        self.places = (array.ctypes.data, in_order.ctypes.data) if is_dense else None
        self.count = array.nbytes

    def is_same(self) -> bool:
        """Bit for bit: NaN equals NaN, and -0.0 is not 0.0."""
        array, copy = self.array, self.copy
        if array.shape != copy.shape or array.dtype is not copy.dtype and array.dtype != copy.dtype:
            return False
        if self.places is None or _memcmp is None:
            return array.tobytes() == copy.tobytes()
        return not _memcmp(*self.places, self.count)


def _find_memcmp() -> Any:
    """The C library's memcmp, called with the GIL held; None where it cannot be found."""
    try:
        found = ctypes.PyDLL(None).memcmp
    except (OSError, TypeError, AttributeError):
        return None
    found.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    found.restype = ctypes.c_int
    return found


_memcmp = _find_memcmp()


def _change(name: str, old: Any, new: Any) -> str:
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        return f"{name} is another array"
    if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType):
        return f"{name} is another function"
    if isinstance(old, (*_NUMBERS, tuple)) and isinstance(new, (*_NUMBERS, tuple)):
        return f"{name} changed from {shown(old)} to {shown(new)}"
    return f"{name} changed" if new is not _MISSING else f"{name} is gone"
