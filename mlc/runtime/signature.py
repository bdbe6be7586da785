"""The table that tells the native entry about one signature (see `mlc.runtime.entry_ir`)."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mlc.runtime import entry_ir
from mlc.runtime.entry import EntrySpec, Param, ScalarSpec, StaticSpec
from mlc.runtime.symbols import WORKSPACE_CELLS

_SCALARS = {
    ("bool", "bool"): entry_ir.BOOL,
    ("float", "float64"): entry_ir.FLOAT_F64,
    ("float", "float32"): entry_ir.FLOAT_F32,
    ("int", "int64"): entry_ir.INT_I64,
    ("int", "int32"): entry_ir.INT_I32,
    ("int", "float64"): entry_ir.INT_F64,
    ("int", "float32"): entry_ir.INT_F32,
}
_RETURNS = {
    "array": entry_ir.RETURN_ARRAY,
    "tuple": entry_ir.RETURN_TUPLE,
    "list": entry_ir.RETURN_LIST,
    "none": entry_ir.RETURN_NONE,
    "call": entry_ir.RETURN_CALL,
}
# NumPy's array flags.
_CONTIGUOUS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
_EVERYTHING = -1


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
    )


class Signature:
    """A signature's table in memory, and everything it points to."""

    __slots__ = ("_kept", "_layouts", "_table")

    def __init__(
        self,
        spec: EntrySpec,
        kernel: int,
        constants: Sequence[int],
        statics: Sequence[object],
        on_error: Callable[[int], object],
        unflatten: Callable[..., object] | None,
    ) -> None:
        names = [sys.intern(name) for name in (*spec.keywords, "out")]
        self._kept: list[Any] = [names, tuple(statics), on_error, unflatten]
        self._layouts: dict[object, int] = {}
        objects = iter(statics)
        params = [self._param(p, objects, 0) for p in spec.params]
        outputs = [self._param(o, objects, _WRITEABLE) for o in spec.outputs]
        self._table = _Signature(
            kernel=kernel,
            n_params=len(params),
            n_keywords=len(spec.keywords),
            n_outputs=len(outputs),
            n_constants=len(constants),
            params=self._array((_Param * len(params))(*params)),
            outputs=self._array((_Param * len(outputs))(*outputs)),
            constants=self._array((ctypes.c_void_p * len(constants))(*constants)),
            names=self._array((ctypes.c_void_p * len(names))(*map(id, names))),
            workspace=workspace_class(spec.workspace_bytes),
            options=_options(spec),
            returns=_RETURNS[spec.returns],
            error=id(on_error),
            unflatten=id(unflatten),
        )

    @property
    def address(self) -> int:
        """Where the table is, for `native_call.install` and `follow`."""
        return ctypes.addressof(self._table)

    def follow(self, address: int) -> None:
        """Let the signature at ``address`` (0: none) be tried when this one does not fit."""
        self._table.next = address

    def _array(self, array: Any) -> int:
        self._kept.append(array)
        return ctypes.addressof(array)

    def _param(self, param: Param, statics: Any, flags: int) -> _Param:
        match param:
            case StaticSpec():
                return _Param(kind=entry_ir.STATIC, object=id(next(statics)))
            case ScalarSpec():
                return _Param(kind=_SCALARS[param.kind, param.dtype])
        strides = None
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
        low, high = param.span()
        return _Param(
            kind=entry_ir.ARRAY,
            rank=len(param.shape),
            flags=flags | (_ALIGNED if param.aligned else 0),
            type_number=param.numpy.num,
            byte_order=ord(param.numpy.byteorder),
            shape=self._array((ctypes.c_int64 * len(param.shape))(*param.shape)),
            strides=strides,
            low=low,
            high=high,
            layout=layout,
        )


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
    may = spec.out != "never" and bool(spec.outputs)
    return (
        (entry_ir.RELEASE_GIL if spec.release_gil else 0)
        | (entry_ir.OUT_ALLOWED if may else 0)
        | (entry_ir.OUT_REQUIRED if spec.out == "required" else 0)
        | (entry_ir.OUT_POSITIONAL if may and spec.positional_out else 0)
        | (entry_ir.INPLACE_OK if spec.inplace_ok else 0)
    )
