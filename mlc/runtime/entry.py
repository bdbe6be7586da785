"""What a compiled function expects of a call and gives back: the contract of its native entry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from ..records import dataclass
from ..te.axes_in_memory import axes_in_order, places_of

NO_MEMORY = -(1 << 31)  # the error code when there is no workspace to be had


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """An ndarray of one shape, dtype and layout.

    ``strides`` are in bytes, None means C-contiguous. ``aligned`` demands NumPy's own alignment
    flag; kernels that use unaligned loads can do without. ``only`` says of one of shape () that it
    must be an "array" or a "scalar" of NumPy's.
    """

    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...] | None = None
    aligned: bool = True
    only: Literal["", "array", "scalar"] = ""

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype, in native byte order."""
        if self.dtype == "bfloat16":
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
        return np.dtype(self.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements, without gaps."""
        return math.prod(self.shape) * self.numpy.itemsize

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes in the order in which they lie in memory, that of the largest steps first."""
        if self.strides is None:
            return tuple(range(len(self.shape)))
        return axes_in_order(self.shape, self.strides)

    @property
    def places(self) -> tuple[int, ...]:
        """The place of each axis in that order."""
        return places_of(self.axes)

    @property
    def is_dense(self) -> bool:
        """Whether the elements follow each other without gaps, in some order of the axes."""
        step = self.numpy.itemsize
        for axis in reversed(self.axes):
            if self.strides is not None and self.strides[axis] != step:
                return False
            step *= self.shape[axis]
        return True

    def span(self) -> tuple[int, int]:
        """First and last byte (exclusive) that elements take, counted from the data pointer."""
        if 0 in self.shape:
            return 0, 0
        if self.strides is None:
            return 0, self.nbytes
        steps = [(n - 1) * s for n, s in zip(self.shape, self.strides)]
        return sum(min(s, 0) for s in steps), sum(max(s, 0) for s in steps) + self.numpy.itemsize

    def mismatch(self, array: Any) -> str | None:
        """Why an object is not what is described here, or None if it is."""
        if type(array) is not np.ndarray:
            return f"expected an ndarray, got {type(array).__name__}"
        if array.shape != self.shape:
            return f"expected shape {self.shape}, got {array.shape}"
        if array.dtype != self.numpy:
            return f"expected dtype {self.dtype}, got {array.dtype}"
        if self.aligned and not array.flags.aligned:
            return "expected an aligned array"
        if self.strides is None:
            return None if array.flags.c_contiguous else "expected a C-contiguous array"
        used = (i for i, n in enumerate(self.shape) if n > 1)
        if array.size and any(array.strides[i] != self.strides[i] for i in used):
            return f"expected strides {self.strides}, got {array.strides}"
        return None


@dataclass(frozen=True, slots=True)
class ScalarSpec:
    """A Python scalar that becomes a 0-d buffer: exactly a float, an int or a bool.

    An int that ``dtype`` cannot hold, or that is not from ``low`` to ``high`` for an int64, takes
    the slow path. One that ``follows`` another of its type,
    of eight bytes, is the next element of that one's buffer, which has one axis.
    """

    kind: Literal["float", "int", "bool"]
    dtype: Literal["float32", "float64", "int32", "int64", "bool"]
    follows: bool = False
    low: int = -(2**63)
    high: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StaticSpec:
    """A value baked into the code: this very object must be passed, or an int or text equal to it,
    or a float of the same bits. No buffer."""


@dataclass(frozen=True, slots=True)
class TreeSpec:
    """A tuple, list or dict of exactly these children, or None. A dict has just these keys."""

    kind: Literal["tuple", "list", "dict", "none"]
    children: tuple[Param, ...] = ()
    keys: tuple[str, ...] = ()


Param: TypeAlias = ArraySpec | ScalarSpec | StaticSpec | TreeSpec
Leaf: TypeAlias = ArraySpec | ScalarSpec | StaticSpec


def leaves(params: Iterable[Param]) -> list[Leaf]:
    """The params without trees: those that their leaves are, in order."""
    found: list[Leaf] = []
    pending = list(params)[::-1]
    while pending:
        param = pending.pop()
        if isinstance(param, TreeSpec):
            pending += param.children[::-1]
        else:
            found.append(param)
    return found


@dataclass(frozen=True, slots=True)
class EntrySpec:
    """The signature of one compiled kernel.

    The last ``len(keywords)`` of ``params`` are passed by keyword. The others come by place; those
    that ``names`` has a name for may be passed by keyword too. The kernel's buffers are the leaves
    of the params but static ones, then ``n_constants`` constants, then the outputs. A 0-d array may
    be NumPy's scalar of its type, unless its spec says what it must be; for a bool one, a Python
    bool.

    ``out`` says whether the caller may or must give the outputs: as ``out=`` (a tuple if there are
    several) or, with ``positional_out``, as further positional arguments. An ``out`` that shares
    memory with an input takes the slow path, except with ``inplace_ok`` when it is just the same
    C-contiguous memory.

    ``returns``: the output itself (0-d ones as NumPy scalars), a tuple or list of them, None, or
    what the executable's ``unflatten(*outputs)`` returns.

    The last of ``outputs``, one for each of ``numbers``, are integers of eight bytes at most that
    are not returned: the call fits if each is as ``numbers`` says (None: any will do). ``sizes``
    tells for each output which of them is its first size, None where that is as its shape says.
    """

    params: tuple[Param, ...]
    outputs: tuple[ArraySpec, ...]
    keywords: tuple[str, ...] = ()
    names: tuple[str | None, ...] = ()
    n_constants: int = 0
    workspace_bytes: int = 0
    release_gil: bool = False
    returns: Literal["array", "tuple", "list", "none", "call"] = "array"
    out: Literal["never", "optional", "required"] = "optional"
    positional_out: bool = True
    inplace_ok: bool = False
    numbers: tuple[int | None, ...] = ()
    sizes: tuple[int | None, ...] = ()

    def __post_init__(self) -> None:
        if any(o.strides is not None and not o.is_dense for o in self.outputs):
            raise ValueError("outputs are C-contiguous, but for the order of their axes")
        if self.out == "required" and not self.outputs:
            raise ValueError("without outputs there is none to require")
        if self.returns == "array" and len(self.returned) != 1:
            raise ValueError("to return an array takes one output; use 'tuple'")
        if self.numbers and self.out != "never":
            raise ValueError("what may turn out not to fit is not written to arrays of the caller")

    def as_called(self, outputs: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """The arrays for ``outputs``, which are C-contiguous, with their axes in the order of the
        spec, and with real numbers and a last axis of 2 seen as complex ones where outputs are
        complex."""
        return [
            o.view(s.numpy)[..., 0] if s.numpy.kind == "c" else o.transpose(s.places)
            for o, s in zip(outputs, self.outputs, strict=True)
        ]

    @property
    def returned(self) -> tuple[ArraySpec, ...]:
        """The outputs that the caller gets."""
        return self.outputs[: len(self.outputs) - len(self.numbers)]

    @property
    def leaves(self) -> list[Leaf]:
        """The params, trees taken apart."""
        return leaves(self.params)

    @property
    def buffers(self) -> tuple[ArraySpec | ScalarSpec, ...]:
        """The leaves that have a buffer, in the kernel's order; those that follow each other in one
        as an array."""
        found: list[ArraySpec | ScalarSpec] = []
        for leaf in self.leaves:
            if isinstance(leaf, ScalarSpec) and leaf.follows:
                before = found[-1]
                count = before.shape[0] if isinstance(before, ArraySpec) else 1
                found[-1] = ArraySpec((count + 1,), leaf.dtype)
            elif not isinstance(leaf, StaticSpec):
                found.append(leaf)
        return tuple(found)

    @property
    def n_statics(self) -> int:
        """How many leaves are static."""
        return sum(isinstance(p, StaticSpec) for p in self.leaves)
