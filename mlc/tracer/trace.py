"""What is known while one function is being traced: its arguments, its constants, its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import ArgumentError, UnsupportedError
from ..ops.op import CURRENT
from ..te.tensor import Constant, Tensor
from . import foreign
from .array_classes import changed_methods

if TYPE_CHECKING:
    from .captures import Captures


# errors under traced conditions are noted in a flag (see `mlc.control.failing`)
FAILING: ContextVar[bool] = ContextVar("mlc_failing", default=False)
# no loop is converted
PLAIN: ContextVar[bool] = ContextVar("mlc_plain_loops", default=False)
# compiled code prints; None where it may, and no function was found to print yet
PRINTING: ContextVar[bool | None] = ContextVar("mlc_printing", default=False)


class FunctionTrace:
    """The trace of the function called ``name``; see `mlc.ops.op.Trace` for what operators ask of
    it.

    Arrays met on the way become constants: copies, so that they cannot change under the compiled
    code. What ``captures`` knows of was copied by it.
    """

    __slots__ = (
        "attempts",
        "beside",
        "captures",
        "choices",
        "constants",
        "draws",
        "errors",
        "failure",
        "findings",
        "finished",
        "groups",
        "hurried",
        "inputs",
        "kept_lists",
        "keyed",
        "lengths",
        "limits",
        "name",
        "numbered",
        "prints",
        "rooms",
        "rounds",
        "shown",
        "unrolled",
        "wanted",
        "weak",
        "wholes",
    )

    def __init__(self, name: str, captures: Captures | None = None) -> None:
        self.name = name
        self.captures = captures
        self.weak: set[Tensor] = set()
        self.numbered: dict[Any, Any] = {}
        self.limits: dict[Tensor, tuple[int, int]] = {}  # see `mlc.ops.limits`
        self.constants: dict[Any, tuple[Any, Tensor]] = {}
        self.finished = False
        self.findings: Any = None
        self.inputs: list[Tensor] = []  # what the arguments are
        self.failure: Any = None  # traced: which of the errors was met first, 0 for none
        self.errors: dict[Any, tuple[int, BaseException]] = {}
        self.rooms: Any = None  # a `mlc.tracer.sizes.Rooms` where sizes may be decided by data
        self.draws: Any = None  # a `mlc.tracer.drawing.Draws`
        self.prints: Any = None  # a `mlc.tracer.printing.Prints` where compiled code prints
        self.attempts = 0  # runs of bodies of native loops and branches
        self.rounds = 0  # iterations of loops that were Python's
        self.hurried = 0  # loops whose rest became native after many of them
        self.beside = 0  # items of lists and the like that were looked at, at each branch again
        self.unrolled: Exception | None = None  # why the last loop that was is not native
        self.wanted: set[str] = set()  # Python ints whose values were asked for, in vain
        self.kept_lists: list[Any] = []  # see `mlc.tracer.shared_lists`
        # Lengths of arrays, as others before them and the least and the most that was added.
        self.lengths: dict[Tensor, tuple[Any, int, int]] = {}
        self.wholes: dict[Tensor, Tensor] = {}  # of what first rows of open length are
        self.shown: dict[str, Tensor] = {}  # texts that stand for traced values
        self.choices: Any = None  # see `mlc.tracer.chosen`
        self.groups: dict[int, Any] = {}  # objects that data may choose, by their id
        # Where traced numbers were looked up in dicts: gives trees keys that are known.
        self.keyed: Callable[[Any], Any] | None = None

    def lift(self, value: Any) -> Any:
        """The te tensor for a traced value or an array; numbers, None and tensors as they are."""
        lift = getattr(type(value), "__mlc_lift__", None)
        if lift is not None:
            return lift(value, self)
        if value is None or isinstance(value, Tensor):
            return value
        if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
            return value
        return self.constant(value)

    def wrap(self, tensor: Tensor) -> Any:
        """The traced value for a tensor."""
        from .tracer import Tracer

        return Tracer(tensor, self)

    def show(self, text: str, tensor: Tensor, value: Any, how: str) -> str:
        """``text``, which stands for the traced ``value`` of ``tensor`` where that is shown in the
        way of ``how``; another one where compiled code prints it."""
        if self.prints is not None:
            text = self.prints.mark(text, value, how)
        self.shown[text] = tensor
        return text

    @property
    def has_room(self) -> bool:
        """Whether :meth:`room` can tell."""
        from ..ops.moving import is_inside_loop

        return self.rooms is not None and not self.rooms.is_full and not is_inside_loop()

    @property
    def rooms_left(self) -> int:
        """How many times more :meth:`room` can tell."""
        return self.rooms.left if self.has_room else 0

    def room(self, make: Callable[[], Any]) -> int | None:
        """How much the data choose, computed by ``make``; None where that cannot be known."""
        from ..ops.moving import is_inside_loop

        if self.rooms is None or is_inside_loop():
            return None
        found: int | None = self.rooms.ask(self, make)
        return found

    def size_at_hand(self, value: Any) -> int | None:
        """What the traced number ``value`` is, where that is known without asking the data."""
        found: int | None = None if self.rooms is None else self.rooms.at_hand(value._tensor)
        return found

    def constant(self, value: Any) -> Tensor:
        """The constant for an array or a NumPy scalar: one for each array object."""
        if isinstance(value, np.generic):
            key: Any = (value.dtype.str, value.tobytes())
        else:
            key = id(value)
            if key in self.constants and self._has_changed(value, self.constants[key][1]):
                del self.constants[key]
                return self._fresh(value)
        if key not in self.constants:
            array = as_array(value)
            if array is None:
                raise ArgumentError(
                    f"expected an array or a number, got {type(value).__name__} {shown(value)}"
                )
            as_dtype(array.dtype)
            if isinstance(value, np.ndarray) and self.captures is not None:
                array = self.captures.frozen(value)
            elif not isinstance(value, np.generic):
                array = frozen_copy(array)
            # The value is kept too: its id must not be used again while the trace goes on.
            self.constants[key] = (value, te.constant(array, f"const{len(self.constants)}"))
        return self.constants[key][1]

    def pair_constant(self, value: Any) -> Tensor:
        """The constant for a complex array or NumPy scalar: real, with a last axis of 2."""
        from .complex.value import pair_view

        key = ("pair", id(value))
        if key in self.constants and not self._has_changed(value, self.constants[key][1]):
            return self.constants[key][1]
        array = as_array(value)
        assert array is not None
        if isinstance(value, np.ndarray) and self.captures is not None:
            array = self.captures.frozen(value)
        pair = frozen_copy(pair_view(np.array(array, order="C")))
        self.constants[key] = value, te.constant(pair, f"const{len(self.constants)}")
        return self.constants[key][1]

    def _has_changed(self, value: Any, before: Tensor) -> bool:
        """Whether the function wrote to an array since it became a constant."""
        if not isinstance(value, np.ndarray) or not value.flags.writeable:
            return False
        assert isinstance(before.op, Constant)
        return before.op.array.tobytes() != value.tobytes()

    def _fresh(self, value: Any) -> Tensor:
        copy = te.constant(np.array(value, order="C"), f"const{len(self.constants)}")
        self.constants[id(value)] = value, copy
        return copy

    def forget(self) -> None:
        """Let go of what only tracing needs."""
        self.constants.clear()
        self.numbered.clear()
        self.shown.clear()
        self.kept_lists.clear()


@contextmanager
def noting_errors() -> Iterator[None]:
    """Inside, errors under conditions on traced values are noted by compiled code."""
    token = FAILING.set(True)
    try:
        yield
    finally:
        FAILING.reset(token)


@contextmanager
def printing(does: bool | None) -> Iterator[None]:
    """Inside, compiled code prints if ``does``, or may do so (None)."""
    token = PRINTING.set(does)
    try:
        yield
    finally:
        PRINTING.reset(token)


@contextmanager
def tracing(trace: FunctionTrace) -> Iterator[FunctionTrace]:
    """Make ``trace`` the current one inside the block; afterwards its values have leaked."""
    token = CURRENT.set(trace)
    try:
        yield trace
    finally:
        CURRENT.reset(token)
        trace.finished = True


def as_array(value: Any) -> np.ndarray[Any, Any] | None:
    """``value`` as a NumPy array if it is one in some protocol, without a copy where possible.

    Understood are NumPy's own arrays and scalars and what `foreign.read` reads. Masked arrays,
    matrices, and classes of arrays that change what arrays do, are refused.
    """
    if isinstance(value, np.ndarray):
        if isinstance(value, (np.ma.MaskedArray, np.matrix)):
            raise UnsupportedError(
                f"{type(value).__name__} has rules of its own that cannot be traced; "
                f"pass a plain array (np.asarray, or .filled(...) for a masked one)"
            )
        if type(value) is np.ndarray:
            return value
        kind: Any = type(value)
        changed = changed_methods(kind)
        if changed:
            raise UnsupportedError(
                f"{kind.__name__} has a {' and a '.join(changed)} of its own, which cannot "
                f"be traced; pass a plain array (np.asarray)"
            )
        return value.view(np.ndarray)
    return np.asarray(value) if isinstance(value, (np.generic, range)) else foreign.read(value)


def frozen_copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A C-contiguous array with the same content that nobody can write to."""
    if is_frozen(array) and array.flags.c_contiguous and array.flags.aligned:
        return array
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def is_frozen(array: np.ndarray[Any, Any]) -> bool:
    """Whether no array shares the memory and may write to it, as far as the arrays know."""
    while True:
        if array.flags.writeable:
            return False
        base = array.base
        if base is None:
            return True
        if not isinstance(base, np.ndarray):
            return isinstance(base, bytes)
        array = base


def shown(value: Any) -> str:
    """A short repr for messages."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
