"""What has been found out about a loop or branch, and what it carries in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from functools import wraps
from typing import Any, TypeVar

from ..errors import UnsupportedError
from ..ops.op import CURRENT
from ..records import dataclass
from ..te.tensor import Tensor
from ..tracer.storage import Cell
from ..tracer.trace import FunctionTrace
from .exits import LATE_VALUE, VALUE
from .orders import Orders
from .spec import Spec

T = TypeVar("T")
CHOSEN = "the value"  # what a conditional expression gives


class NotNative(UnsupportedError):
    """A loop or branch that cannot become a native one."""


class NothingThereError(IndexError):
    """Python's error where an item of a list or dict is asked for to which nothing was added so
    far as tracing has come; ``kind`` is its class."""

    def __init__(self, *args: Any, kind: type[Exception] = IndexError) -> None:
        super().__init__(*args)
        self.kind = kind


class BeginsAsNone(NotNative):
    """A loop or branch in which a variable is None at one time and an array or a number at another;
    ``number`` is that of the variable."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


class BeginsAsRows(NotNative):
    """A loop in which a variable gets its first value, lists in a list that the loop makes; it is
    to begin as none of them. ``number`` is that of the variable."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.number = number


@dataclass(eq=False)
class Outcome:
    """Whether a body has met an error, so that nobody reads what it leaves."""

    is_error: bool = False


@dataclass(eq=False)
class State:
    """What is carried: the variables ``names`` (``labels`` for their leaves), read and written by
    ``get`` and ``put``."""

    names: tuple[str, ...]
    get: Callable[[], list[Any]]
    put: Callable[[list[Any]], None]
    what: str  # "the loop", for messages
    must_fit: bool = False  # whether the types that come first are binding
    is_branch: bool = False  # whether each body runs at most once
    place: Any = None  # what tells the statement from others
    cells: dict[str, int] = field(default_factory=dict)  # the numbers of those of its variables
    boxes: tuple[Any, ...] = ()  # the lists and the like that the last of ``names`` are in
    hosts: int = 0  # how many of ``names``, the last ones, are items of lists and the like
    is_wider: bool = False  # whether it has what functions that are called change
    is_entered: bool = False  # whether the first body runs once at least
    trips: int | None = None  # how often the body of a loop runs, where that is known
    outcome: Outcome = field(default_factory=Outcome)  # of the body that is traced now
    is_taken: bool = False  # whether what it gives is read at once, and never again
    begun: dict[int, Any] = field(default_factory=dict)  # what some without a value begin as

    def is_lasting(self, n: int) -> bool:
        """Whether number ``n`` may be read after something else was written."""
        return not self.is_taken and self.names[n] != VALUE  # nothing is written after `return`

    def variable(self, n: int) -> str:
        """What number ``n`` is called in the source if it is a variable, else "". What stands for
        results, flags and items is none: it has a value wherever it is read."""
        name = self.names[n].removeprefix("the variable ").removeprefix("the global ")
        return name if name.isidentifier() and not name.startswith("_mlc_") else ""

    def is_result(self, n: int) -> bool:
        """Whether number ``n`` is what the function returns."""
        return self.names[n] in (VALUE, LATE_VALUE)

    def may_be_none(self, n: int) -> bool:
        """Whether number ``n`` may be carried as a value or None. Outside of native loops the data
        choose what a function returns."""
        is_value = self.names[n] == CHOSEN
        return bool(self.variable(n)) or (self.is_result(n) or is_value) and not current().has_room


@dataclass(frozen=True)
class Room:
    """How many ``rows`` an array may get, one ``growth`` at a time; ``is_most`` says that a call
    which needs more begins again."""

    rows: int
    growth: int
    is_most: bool = False

    @property
    def limit(self) -> int:
        """How many rows there are at most before one more growth."""
        return self.rows - self.growth


@dataclass(eq=False)
class Plan:
    """What has been found out about a loop or branch so far."""

    carried: set[int] = field(default_factory=set)  # variables that get other values
    late: dict[int, tuple[Any, tuple[Spec, ...]]] = field(default_factory=dict)
    unsure: set[int] = field(default_factory=set)  # carried with a flag: whether they have a value
    nones: set[int] = field(default_factory=set)  # which are None where they have none
    specs: dict[tuple[int, int], Spec] = field(default_factory=dict)
    cells: dict[Cell, None] = field(default_factory=dict)
    orders: Orders = field(default_factory=dict)
    # Why nobody may write to an array that a variable holds afterwards, by variable and leaf.
    frozen: dict[tuple[int, int], str] = field(default_factory=dict)
    hoped: set[int] = field(default_factory=set)  # of ``late``: known of another time, not seen yet
    # What tells lengths that the data choose from others that were the same before.
    lengths: dict[int, int] = field(default_factory=dict)
    opened: set[int] = field(default_factory=set)  # arrays that get such a length
    rooms: dict[int, Room] = field(default_factory=dict)  # of those that get longer

    def copy(self) -> Plan:
        """A plan of its own that says the same."""
        return Plan(set(self.carried), dict(self.late), set(self.unsure), set(self.nones),
                    dict(self.specs), dict(self.cells), dict(self.orders), dict(self.frozen),
                    set(self.hoped), dict(self.lengths), set(self.opened),
                    dict(self.rooms))  # fmt: skip


@dataclass(eq=False)
class Carried:
    """A settled state: placeholders, first values and, for each body, the values at its end."""

    params: list[Tensor]
    init: list[Tensor]
    labels: list[str]
    ends: list[list[Tensor]]
    finish: Callable[[Sequence[Tensor]], None]
    since: int  # the number of the first tensor that a body may have made


def current() -> FunctionTrace:
    """The trace that goes on now."""
    trace: Any = CURRENT.get()
    return trace  # type: ignore[no-any-return]


def alone(body: Callable[[], T]) -> Callable[[], T]:
    """``body``, of whose calls nobody else makes use: they are made only where it runs."""

    @wraps(body)
    def run() -> T:
        made = current().numbered
        count = len(made)
        try:
            return body()
        finally:
            while len(made) > count:
                made.popitem()

    return run
