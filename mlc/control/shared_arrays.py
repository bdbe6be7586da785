"""Arrays with two names after a branch: which of them a variable is, only the run knows.

::

    if test:          after it a write to t may, or may not, be one to x. It cannot be compiled, so
        t = x         neither t nor x may be written to any more; both may be read.
    else:
        t = x + 1
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from ..errors import is_user_frame
from ..records import dataclass
from ..tracer import tree
from ..tracer.grown import is_arrays
from ..tracer.storage import Cell
from ..tracer.tracer import Tracer
from .exits import spoken
from .host_changes import OURS, attributes_of
from .plan import NotNative, State

# Arrays for which a placeholder was written to: what was written is in a variable of the name.
WRITTEN: WeakSet[Cell] = WeakSet()
# What a branch leaves that may be what was there before, with that.
_KEPT: WeakKeyDictionary[Cell, Cell] = WeakKeyDictionary()
_DEEP = 4  # levels of lists, dicts and objects in each other


@dataclass(frozen=True, eq=False)
class Shared:
    """Leaf ``leaf`` of variable ``name`` is in memory of ``cell``, or of a leaf of the variable
    ``owner`` (its number, and the leaf's)."""

    name: int
    leaf: int
    cell: Cell | None
    owner: tuple[int, int] | None


class _Lent(Cell):
    """An array from before as a variable finds it that gets another one: not to be read any more
    once that from before was written to by another name."""

    __slots__ = ("_lender", "_reason", "_since")
    _lender: Cell
    _reason: str
    _since: int

    def _check(self) -> None:
        if self._lender.version != self._since and not self.version:
            raise NotNative(self._reason)

    def current(self, trace: Any) -> Any:
        self._check()
        return super().current(trace)

    def read_part(self, items: Any) -> Any:
        self._check()
        return super().read_part(items)


def lend(
    holders: dict[int, list[Tracer]], values: Sequence[Any], what: str, names: Sequence[str]
) -> None:
    """Let ``holders`` be what variables hold before a branch or loop, ``values``, until that is
    written to by another name."""
    for n, held in holders.items():
        for holder, old in zip(held, tree.flatten(values[n])[0]):
            if isinstance(old, Tracer) and holder._cell.is_array:
                if isinstance(holder._cell, _Lent):
                    holder._cell._since = old._cell.version
                    continue
                name = spoken(names[n])
                reason = (
                    f"{what} writes to an array that {name} is too, reads {name} after that and "
                    f"gives that name to another array; copy it first ({name}.copy())"
                )
                holder._cell = _lent(holder, old._cell, reason)


def _lent(holder: Tracer, lender: Cell, reason: str) -> _Lent:
    cell, plain = _Lent(holder._tensor), holder._cell
    cell.is_array, cell.frozen = plain.is_array, plain.frozen
    cell.is_ordered, cell.strides, cell.is_joined = plain.is_ordered, plain.strides, plain.is_joined
    cell._lender, cell._since, cell._reason = lender, lender.version, reason
    return cell


def staying(
    holders: dict[int, list[Tracer]], ends: Sequence[Sequence[Any]]
) -> set[tuple[int, int]]:
    """Which variables, and leaves of them, may be at one of the ``ends`` what a body began with."""
    found = set()
    for after in ends:
        for n, held in holders.items():
            for k, (leaf, holder) in enumerate(zip(tree.flatten(after[n])[0], held)):
                cell = leaf._cell if isinstance(leaf, Tracer) else None
                while cell is not None and cell is not holder._cell:
                    cell = _KEPT.get(cell)
                if cell is not None:
                    found.add((n, k))
    return found


def note_kept(pairs: Sequence[tuple[Tracer, Any]]) -> None:
    """Of each of ``pairs``, the first is what a variable is afterwards, and may be what it was, the
    second."""
    for made, old in pairs:
        if isinstance(old, Tracer) and made._cell.is_array:
            if isinstance(old._cell, _Lent) and not old._cell.version:
                made._cell = _lent(made, old._cell._lender, old._cell._reason)
            _KEPT[made._cell] = old._cell


def kept_by_loop(
    state: State, entry: Sequence[Any], holders: dict[int, list[Tracer]],
    stay: Collection[tuple[int, int]],
) -> list[Shared]:  # fmt: skip
    """What variables share with arrays from before a loop after it: those that may ``stay`` what
    they were, and all of a loop that may have no iterations."""
    found: list[Shared] = []
    for n, held in () if state.is_branch else holders.items():
        for k, old in enumerate(tree.flatten(entry[n])[0][: len(held)]):
            may_stay = (n, k) in stay or not state.is_entered
            if may_stay and isinstance(old, Tracer) and (old.shape or old._cell.is_array):
                if other_names(old._cell):
                    found.append(Shared(n, k, old._cell, None))
    return found


def shared_arrays(
    entry: Sequence[Any],
    after: Sequence[Any],
    holders: dict[int, list[Tracer]],
    late: Collection[int],
    mark: int,
    is_lasting: Callable[[int], bool],
) -> list[Shared]:
    """What variables share with arrays from before a branch, or with each other, at its end.

    ``entry`` and ``after`` are the values of all variables before the branch and at its end. Cells
    up to ``mark`` are from before; ``holders`` stand for variables that get other values in it,
    ``late`` ones get their first there. ``is_lasting`` says of a variable whether it may still be
    read when something is written afterwards.
    """
    owners = {h._cell: (n, k) for n, held in holders.items() for k, h in enumerate(held)}
    found = []
    for n in filter(is_lasting, (*holders, *late)):
        for k, leaf in enumerate(tree.flatten(after[n])[0]):
            if not isinstance(leaf, Tracer) or not (leaf.shape or leaf._cell.is_array):
                continue
            cell = leaf._cell
            owner = owners.get(cell)
            if owner is not None and owner != (n, k):
                found.append(Shared(n, k, None, owner))
            elif owner is None and cell.serial < mark:
                found.append(Shared(n, k, cell, None))
            elif owner is not None:  # here it stays what it was, elsewhere it does not
                old = tree.flatten(entry[n])[0][k]
                if isinstance(old, Tracer) and (
                    old._cell.place is not None or leaf._view or other_names(old._cell)
                ):
                    found.append(Shared(n, k, old._cell, None))
    return found


def freeze(shared: Sequence[Shared], names: Sequence[str], values: Sequence[Any]) -> None:
    """Let nobody write to arrays that may have two names; ``values`` are those of the variables."""
    names = list(map(spoken, names))
    for each in shared:
        cells = [_cell(values, each.name, each.leaf)]
        other = "an array from before it"
        if each.owner is not None:
            cells.append(_cell(values, *each.owner))
            other = names[each.owner[0]]
        else:
            cells.append(each.cell)
        text = (
            f"after a branch or loop {names[each.name]} and {other} may be the same array, which "
            f"only the run knows, so neither can be written to; make a copy in the branch, or "
            f"before it (.copy())"
        )
        for cell in cells:
            if cell is not None:
                cell.frozen = text


def _cell(values: Sequence[Any], name: int, leaf: int) -> Cell | None:
    found = tree.flatten(values[name])[0][leaf]
    return found._cell if isinstance(found, Tracer) else None


def other_names(cell: Any) -> list[str]:
    """What else is called by the array ``cell``, or a view of it, or by that list, in the functions
    that run now: all names but one, that of the variable which is asked about."""
    return names_of(cell)[1:]


def names_of(cell: Any) -> list[str]:
    """What is called by the array ``cell``, or a view of it, or by that list or dict."""
    found: dict[Any, str] = {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "trace_function":
        if is_user_frame(frame):
            code = frame.f_code
            function = code.co_filename, getattr(code, "co_qualname", code.co_name)
            for name, value in frame.f_locals.items():
                for place, words in _places(value, cell, name, 0):
                    found.setdefault(place or (function, name), words)
        frame = frame.f_back
    return [*found.values()]


def _places(value: Any, cell: Any, name: str, depth: int) -> Iterator[tuple[Any, str]]:
    """Where ``value`` holds the array: the box and the key in it, None for itself, and in words."""
    if isinstance(value, Tracer):
        if value._cell is cell:
            yield None, name
        return
    if value is cell:
        yield None, name
    if depth == _DEEP or is_arrays(value):
        return
    form = f"{name}[{{!r}}]"
    if isinstance(value, (list, tuple)):
        items: Any = enumerate(value)
    elif isinstance(value, dict):
        items = value.items()
    elif hasattr(value, "__dict__") and type(value).__module__.partition(".")[0] not in OURS:
        items, form = attributes_of(value).items(), f"{name}.{{}}"
    else:
        return
    for key, item in list(items):
        for place, words in _places(item, cell, form.format(key), depth + 1):
            yield place or (id(value), key), words
