"""What loops and branches were found to carry when they were traced last, for when they are traced
again: as parts of what is around them, or where a function is called once more.

::

    while x > 1.0:                Each part that is traced again since what is around it changed
        if x > 4.0:               more than was thought begins with what it was found to carry.
            box.n += 1     ->     Else each level of a nest would be traced twice, and the innermost
            x = x / 2             2 ** depth times.

What a finding says is tried, never trusted: a run shows what has to be carried besides, and what
need not be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from ..errors import _PACKAGE
from ..records import dataclass
from ..tracer.complex.value import Complex
from ..tracer.storage import Cell
from ..tracer.tracer import Tracer
from .host_changes import OURS, HostState, _content, attributes_of, key_of
from .hosts import keys_of
from .plan import Plan, State, current
from .values import is_carriable

_MOST = 4096  # objects that are looked at
_FEW = 32  # items of lists and objects, of which those that changed last are likely to change again
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type, HostState, State)
_OWN = "mlc.control.", "mlc.tracer."
_FUNCTIONS = (FunctionType, MethodType, partial)
Label = tuple[Any, ...]  # how an array is reached from the bodies of a loop or branch


@dataclass(eq=False)
class Finding:
    """``carried`` are the numbers of variables, and ``items`` the names of what is in lists and
    objects; ``labels`` say how the arrays are reached which are written to, and ``cells`` are
    those of them that are older than the outermost loop or branch, ``mark``."""

    carried: set[int]
    items: set[str]
    late: dict[int, Any]
    unsure: set[int]
    labels: set[Label]
    mark: int
    cells: list[Cell] = field(default_factory=list)


class Findings:
    """The findings of one trace, by place in the source; ``mark`` exceeds the numbers of cells from
    before the outermost loop or branch."""

    def __init__(self) -> None:
        self.mark = 0
        self.known: dict[Any, Finding | None] = {}
        # What functions that are called were found to change, by place: the boxes, by their keys.
        self.changed: dict[Any, dict[Any, Any]] = {}

    def key(self, state: State, bodies: Sequence[Callable[[], None]]) -> Any:
        """What tells the place of ``state`` from others."""
        own = state.names[: len(state.names) - state.hosts]
        return state.place or tuple(map(_site, bodies)), own, state.is_branch

    def note(self, state: State, bodies: Sequence[Callable[[], None]], plan: Plan) -> None:
        """Remember what was found: ``plan``."""
        key = self.key(state, bodies)
        if key in self.known and self.known[key] is None:
            return
        count = len(state.names) - state.hosts
        carried = {n for n in plan.carried if n < count}
        items = {state.names[n] for n in plan.carried if n >= count}
        labels = set()
        if plan.cells:
            labels = {label for label, cell in cells_within(bodies) if cell in plan.cells}
        cells = [cell for cell in plan.cells if cell.serial < self.mark]
        self.known[key] = Finding(carried, items, dict(plan.late), set(plan.unsure), labels,
                                  self.mark, cells)  # fmt: skip

    def note_changes(
        self, state: State, bodies: Sequence[Callable[[], None]], changes: Sequence[tuple[str, Any]]
    ) -> None:
        """Remember which boxes functions changed that are called: ``changes``."""
        boxes = {key_of(box): box for _, box in changes}  # held, so that no key is given away again
        self.changed.setdefault(self.key(state, bodies), {}).update(boxes)

    def changes_in(
        self, state: State, bodies: Sequence[Callable[[], None]], hosts: HostState
    ) -> list[tuple[str, Any]]:
        """The boxes among ``hosts``, in words and as they are, that were found to change, in the
        order in which they were, and are not in ``state``."""
        known = self.changed.get(self.key(state, bodies))
        if not known:
            return []
        own, held = keys_of(state), {key_of(box): (what, box) for what, box in hosts.boxes()}
        return [held[key] for key in known if key in held and key not in own]

    def drop(self, state: State, bodies: Sequence[Callable[[], None]]) -> None:
        """Let the next visit find out anew what ``state`` carries."""
        self.known.pop(self.key(state, bodies), None)

    def forget(self, state: State, bodies: Sequence[Callable[[], None]]) -> None:
        """Say that the finding of ``state`` misleads."""
        self.known[self.key(state, bodies)] = None

    def begin(
        self, state: State, bodies: Sequence[Callable[[], None]], entry: Sequence[Any], plan: Plan,
        unset: Any,
    ) -> bool:  # fmt: skip
        """Let ``plan``, which carries all that can be, begin with what was found; whether anything
        was. ``entry`` are the values before, ``unset`` stands for none."""
        found = self.known.get(self.key(state, bodies))
        if found is None:
            return False
        count = len(state.names) - state.hosts
        plan.carried &= found.carried | found.late.keys()  # which has a value in the loop around
        # Of many, another may change at the next visit, and all that ever did would be carried.
        few = range(count, len(entry)) if len(entry) - count <= _FEW else ()
        plan.carried |= {
            n for n in few
            if state.names[n] in found.items and entry[n] is not unset and is_carriable(entry[n])
        }  # fmt: skip
        cells = found.cells if found.mark == self.mark else []
        plan.cells = dict.fromkeys(cells)
        if found.labels:
            within = cells_within(bodies)
            plan.cells.update({cell: None for label, cell in within if label in found.labels})
        plan.late = {
            n: found.late[n] for n in range(count) if entry[n] is unset and n in found.late
        }
        plan.hoped = set(plan.late)
        plan.unsure = found.unsure & plan.late.keys()
        return True


def _site(body: Any) -> Any:
    """What tells the code of ``body`` from others: that of functions of ours with that of the
    functions which they call."""
    while isinstance(body, (partial, MethodType)):
        body = body.func if isinstance(body, partial) else body.__func__
    if not isinstance(body, FunctionType):
        return type(body)
    code = body.__code__
    if not code.co_filename.startswith(_PACKAGE):
        return code
    around = [_content(cell) for cell in body.__closure__ or ()]
    return code, *(_site(part) for part in around if isinstance(part, _FUNCTIONS))


def cells_within(roots: Sequence[Any]) -> Iterator[tuple[Label, Cell]]:
    """The arrays that functions reach, by the variables around them and what these hold, and the
    note of an error."""
    seen: set[int] = set()
    queue: deque[tuple[Label, Any]] = deque(((n,), root) for n, root in enumerate(roots))
    queue.append((("failure",), current().failure))
    queue.append((("prints",), getattr(current().prints, "count", None)))
    while queue:
        label, value = queue.popleft()
        if isinstance(value, Tracer):
            yield label, value._cell
            if value._view is not None:
                queue.append(((*label, "owner"), value._view.owner))
        elif id(value) not in seen and len(seen) < _MOST:
            seen.add(id(value))
            queue.extend(
                ((*label, key), part) for key, part in _parts(value) if not isinstance(part, _PLAIN)
            )


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """What ``value`` holds, each with what tells it from the others."""
    match value:
        case FunctionType():
            for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
                yield name, _content(cell)
        case MethodType():
            yield "self", value.__self__
            yield "function", value.__func__
        case partial():
            yield "function", value.func
            yield from enumerate(value.args)
            yield from value.keywords.items()
        case Complex():
            yield from enumerate(value._parts)
        case tuple():
            yield from enumerate(value)
        case list() if type(value) is list:
            yield from enumerate(value)
        case dict() if type(value) is dict:
            yield from enumerate(value.values())
        case _:
            module = type(value).__module__
            if module.startswith(_OWN):
                yield from list(getattr(value, "__dict__", {}).items())
                if isinstance(value, list):
                    yield from enumerate(list.__iter__(value))
            elif module.partition(".")[0] not in OURS:
                yield from list(attributes_of(value).items())
