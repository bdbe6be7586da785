"""The table that tells the native entry about one signature (see `mlc.runtime.entry_ir`)."""

from __future__ import annotations

import ctypes
import functools
import math
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.runtime.entry import EntrySpec, Leaf, Param, ScalarSpec, StaticSpec, TreeSpec, leaves
from mlc.runtime.symbols import WORKSPACE_CELLS

# The numbers that these tables share with the code of the native entry.
# Kinds of params, options, kinds of results.
ARRAY, STATIC, BOOL = 0, 1, 2
FLOAT_F64, FLOAT_F32, INT_I64, INT_I32, INT_F64, INT_F32 = 3, 4, 5, 6, 7, 8
RELEASE_GIL, OUT_ALLOWED, OUT_REQUIRED, OUT_POSITIONAL, INPLACE_OK = 1, 2, 4, 8, 16
RETURN_ARRAY, RETURN_TUPLE, RETURN_LIST, RETURN_NONE, RETURN_CALL = 0, 1, 2, 3, 4

# Kinds of nodes. A signature with trees lists its arguments, then the children of the first tree,
# those of the second, and so on; the nodes' objects are found in one walk.
LEAF, TUPLE, LIST, DICT, NONE = 0, 1, 2, 3, 4
ANY = -(1 << 63)  # in place of what a number must be
_MOST_ROOM = 1 << 26  # bytes up to which results of unknown sizes are made elsewhere, and copied

_SCALARS = {
    ("bool", "bool"): BOOL,
    ("float", "float64"): FLOAT_F64,
    ("float", "float32"): FLOAT_F32,
    ("int", "int64"): INT_I64,
    ("int", "int32"): INT_I32,
    ("int", "float64"): INT_F64,
    ("int", "float32"): INT_F32,
}
_RETURNS = {
    "array": RETURN_ARRAY,
    "tuple": RETURN_TUPLE,
    "list": RETURN_LIST,
    "none": RETURN_NONE,
    "call": RETURN_CALL,
}
_TREES = {
    "tuple": TUPLE,
    "list": LIST,
    "dict": DICT,
    "none": NONE,
}
_VALUE = 16  # bytes from the beginning of a NumPy scalar to its value
# NumPy's array flags.
_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
_EVERYTHING = -1
_NO_RANK = -1  # which no array has


class _Param(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("flags", ctypes.c_int32),
        ("type_number", ctypes.c_int32),
        ("byte_order", ctypes.c_int64),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("low", ctypes.c_int64),
        ("high", ctypes.c_int64),
        ("object", ctypes.c_void_p),
        ("layout", ctypes.c_int64),
        ("follows", ctypes.c_int64),
        ("least", ctypes.c_int64),
        ("span", ctypes.c_uint64),
        ("made", ctypes.c_void_p),
        ("open", ctypes.c_int64),
        ("room", ctypes.c_int64),
    )


class _Signature(ctypes.Structure):
    _fields_ = (
        ("next", ctypes.c_void_p),
        ("kernel", ctypes.c_void_p),
        *((f"n_{what}", ctypes.c_int64) for what in ("params", "keywords", "outputs", "constants")),
        *((what, ctypes.c_void_p) for what in ("params", "outputs", "constants", "names")),
        *((what, ctypes.c_int64) for what in ("workspace", "options", "returns")),
        ("error", ctypes.c_void_p),
        ("unflatten", ctypes.c_void_p),
        ("n_arguments", ctypes.c_int64),
        ("n_nodes", ctypes.c_int64),
        ("nodes", ctypes.c_void_p),
        ("n_guards", ctypes.c_int64),
        ("guards", ctypes.c_void_p),
        ("n_numbers", ctypes.c_int64),
        ("numbers", ctypes.c_void_p),
        ("room_class", ctypes.c_int64),
    )


class _Node(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int64),
        ("number", ctypes.c_int64),
        ("keys", ctypes.c_void_p),
    )


class _Guard(ctypes.Structure):
    _fields_ = (("place", ctypes.c_void_p), ("key", ctypes.c_void_p), ("value", ctypes.c_void_p))


class Signature:
    """A signature's table in memory, and everything it points to. ``held`` names what must be the
    same still, or equal as static values are, for a call to fit: (function or cell, the name of an
    attribute, its value), or (dict, key, the value there)."""

    __slots__ = ("_counts", "_kept", "_layouts", "_table")

    def __init__(
        self,
        spec: EntrySpec,
        kernel: int,
        constants: Sequence[int],
        statics: Sequence[object],
        on_error: Callable[[int], object],
        unflatten: Callable[..., object] | None,
        held: Sequence[tuple[Any, str, object]] = (),
    ) -> None:
        # One for each argument, then "out"; None for what comes by place alone.
        n_places = len(spec.params) - len(spec.keywords)
        by_place = (*spec.names, *[None] * n_places)[:n_places]
        names = [name and sys.intern(name) for name in (*by_place, *spec.keywords, "out")]
        held = [(holder, sys.intern(key), value) for holder, key, value in held]
        self._kept: list[Any] = [names, tuple(statics), on_error, unflatten, held]
        self._layouts: dict[object, int] = {}
        objects = iter(statics)
        params = [self._param(p, objects, 0) for p in spec.leaves]
        nodes = self._nodes(spec.params)
        guards = [_guard(*one) for one in held]
        outputs = [self._param(o, objects, _WRITEABLE) for o in spec.returned]
        room = 0
        for output, number, made in zip(outputs, spec.sizes, spec.returned):
            output.open = 0 if number is None else number + 1
            if number is not None and 0 < made.nbytes <= _MOST_ROOM:
                output.room = room
                room += (made.nbytes + 63) & ~63
        self._counts = len(params), len(spec.params)
        numbers = [ANY if n is None else n for n in spec.numbers]
        self._table = _Signature(
            kernel=kernel,
            n_params=len(params),
            n_keywords=len(spec.keywords),
            n_outputs=len(outputs),
            n_constants=len(constants),
            params=self._array((_Param * len(params))(*params)),
            outputs=self._array((_Param * len(outputs))(*outputs)),
            constants=self._array((ctypes.c_void_p * len(constants))(*constants)),
            names=self._array(_addresses(names)),
            workspace=workspace_class(spec.workspace_bytes),
            options=_options(spec),
            returns=_RETURNS[spec.returns],
            error=id(on_error),
            unflatten=id(unflatten),
            n_arguments=len(spec.params),
            n_nodes=len(nodes),
            nodes=self._array((_Node * len(nodes))(*nodes)),
            n_guards=len(guards),
            guards=self._array((_Guard * len(guards))(*guards)),
            n_numbers=len(numbers),
            numbers=self._array((ctypes.c_int64 * len(numbers))(*numbers)),
            room_class=workspace_class(room),
        )

    @property
    def address(self) -> int:
        """Where the table is, for `native_call.install` and `follow`."""
        return ctypes.addressof(self._table)

    def follow(self, address: int) -> None:
        """Let the signature at ``address`` (0: none) be tried when this one does not fit."""
        self._table.next = address

    @property
    def is_admitted(self) -> bool:
        """Whether calls may fit."""
        return bool(self._table.n_params >= 0)

    def admit(self, calls: bool) -> None:
        """Whether calls may fit. One that runs goes on."""
        table, (params, arguments) = self._table, self._counts
        table.n_params, table.n_arguments = (params, arguments) if calls else (-1, -1)

    def _array(self, array: Any) -> int:
        self._kept.append(array)
        return ctypes.addressof(array)

    def _nodes(self, params: Sequence[Param]) -> list[_Node]:
        """The arguments, the children of the first tree, of the second, ...; none if no argument
        is a tree. A leaf's number is that of its param."""
        if not any(isinstance(param, TreeSpec) for param in params):
            return []
        nodes = []
        queue: list[tuple[Param, int]] = _numbered(params, 0)
        for param, first in queue:  # which grows
            if not isinstance(param, TreeSpec):
                nodes.append(_Node(kind=LEAF, number=first))
                continue
            queue += _numbered(param.children, first)
            keys = [sys.intern(key) for key in param.keys]
            self._kept.append(keys)
            nodes.append(
                _Node(
                    kind=_TREES[param.kind],
                    number=len(param.children),
                    keys=self._array(_addresses(keys)),
                )
            )
        return nodes

    def _param(self, param: Leaf, statics: Any, flags: int) -> _Param:
        match param:
            case StaticSpec():
                return _Param(kind=STATIC, object=id(next(statics)))
            case ScalarSpec():
                return _Param(
                    kind=_SCALARS[param.kind, param.dtype],
                    follows=param.follows,
                    least=param.low,
                    span=param.high - param.low,
                )
        strides = made = None
        if param.strides is None:
            flags |= _CONTIGUOUS
            layout = self._layouts.setdefault(
                (param.shape, param.numpy.itemsize), len(self._layouts)
            )
        else:
            # The strides of axes of length 1, and of empty arrays, mean nothing.
            layout = -1
            full = 0 not in param.shape
            pairs = [
                number
                for n, stride in zip(param.shape, param.strides)
                for number in (stride, _EVERYTHING if n > 1 and full else 0)
            ]
            strides = self._array((ctypes.c_int64 * len(pairs))(*pairs))
            made = self._array((ctypes.c_int64 * len(param.strides))(*param.strides))
        low, high = param.span()
        takes_scalars = not param.shape and param.only != "array" and not flags & _WRITEABLE
        return _Param(
            kind=ARRAY,
            rank=_NO_RANK if param.only == "scalar" else len(param.shape),
            flags=flags | (_ALIGNED if param.aligned else 0),
            type_number=param.numpy.num,
            byte_order=ord(param.numpy.byteorder),
            shape=self._array((ctypes.c_int64 * len(param.shape))(*param.shape)),
            strides=strides,
            low=low,
            high=high,
            object=_scalar_type(param.numpy) if takes_scalars else 0,
            layout=layout,
            made=made,
            room=-1,
        )


def _guard(holder: Any, key: str, value: object) -> _Guard:
    if isinstance(holder, dict):
        return _Guard(id(holder), id(key), id(value))
    return _Guard(id(holder) + _offset(key), None, id(value))


@functools.cache
def _offset(attribute: str) -> int:
    """Bytes from the beginning of a function, or cell, to its pointer to the value of
    ``attribute``."""

    def function(first: object = object(), *, second: object = object()) -> None:
        pass

    sample: Any = types.CellType(object()) if attribute == "cell_contents" else function
    words = (ctypes.c_void_p * (type(sample).__basicsize__ // 8)).from_address(id(sample))
    return 8 * list(words).index(id(getattr(sample, attribute)))


def _addresses(objects: Sequence[object]) -> Any:
    return (ctypes.c_void_p * len(objects))(*(None if o is None else id(o) for o in objects))


def _numbered(params: Sequence[Param], first: int) -> list[tuple[Param, int]]:
    """Each of ``params`` with the number of its first leaf, when the first one's is ``first``."""
    found = []
    for param in params:
        found.append((param, first))
        first += len(leaves([param])) if isinstance(param, TreeSpec) else 1
    return found


@functools.cache
def _scalar_type(dtype: np.dtype[Any]) -> int:
    """The address of the type of NumPy's scalars of ``dtype``, if they hold their value where the
    native entry takes it from; else 0."""
    if dtype.kind not in "biufc" or not dtype.isnative:
        return 0
    sample = dtype.type(1)
    value = ctypes.string_at(id(sample) + _VALUE, dtype.itemsize)
    fits = type(sample).__basicsize__ >= _VALUE + dtype.itemsize
    return id(dtype.type) if fits and value == sample.tobytes() else 0


def workspace_alignment(nbytes: int) -> int:
    """Bytes: a line of the cache, or a page for blocks of at least ``1 << 16``. Large arrays begin
    a little behind a page; what is made of them, begun on one, keeps clear of what is read next:
    processors take a load for one of a store in flight if their addresses agree within a page."""
    return 4096 if nbytes + 64 > 1 << 15 else 64


def workspace_class(nbytes: int) -> int:
    """The power of two of the blocks that hold ``nbytes``, aligned; 0 for none."""
    if not nbytes:
        return 0
    size_class = math.ceil(math.log2(nbytes + workspace_alignment(nbytes)))
    if size_class >= WORKSPACE_CELLS:
        raise ValueError(f"a workspace of {nbytes} bytes is out of reach")
    return size_class


def _options(spec: EntrySpec) -> int:
    may = spec.out != "never" and bool(spec.returned)
    return (
        (RELEASE_GIL if spec.release_gil else 0)
        | (OUT_ALLOWED if may else 0)
        | (OUT_REQUIRED if spec.out == "required" else 0)
        | (OUT_POSITIONAL if may and spec.positional_out else 0)
        | (INPLACE_OK if spec.inplace_ok else 0)
    )
