"""Lists that grow in a loop of known length: what an iteration appends is a row of an array.

::

    losses = []                       The first iteration runs apart. The native loop writes what
    for step in range(1000):          the others append to rows of an array, and the list gets
        ...                           them as values that are read when they are asked for.
        losses.append(loss)

Where the loop may be left by a break, the data choose how long the list is: see `mlc.tracer.sizes`.
An iteration may read what the one before it has appended, ``path[-1]``, and nothing else of such a
list: a loop that does is unrolled, as one whose iterations do not all append alike.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from ..dtypes import int64
from ..errors import HostStateError, MlcError
from ..records import dataclass
from ..tracer import tree
from ..tracer.grown import Grown
from ..tracer.rows import row
from ..tracer.storage import Cell, next_cell
from ..tracer.tracer import Tracer
from .around import may_unroll
from .forms import is_traced, native_for
from .host_changes import HostState
from .perhaps import bare
from .plan import NotNative, State, current
from .spec import Spec
from .values import is_value, nothing, spec_of

_MOST_TYPES = 3  # attempts at the types of what is appended
_LENGTHS = itertools.count()  # so that a body that asks for the length differs from trace to trace
_PRIME = 1009
_APART = 2  # iterations: the first may append what is known while tracing

Kind = tuple[Spec, bool]  # of a leaf, and whether it is an array


class _Unread:
    """Stands for what iterations long before have appended."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotNative("the loop reads items of a list that it appends to")

    __getattr__ = __getitem__ = __iter__ = __len__ = __bool__ = __float__ = __int__ = _refuse
    __index__ = __array__ = __array_ufunc__ = __mlc_lift__ = __call__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse  # type: ignore[assignment]
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = __abs__ = _refuse
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __str__ = __repr__ = _refuse
    __hash__ = None  # type: ignore[assignment]
    __class__ = property(_refuse)  # type: ignore[assignment]


_UNREAD = _Unread()
_FROZEN = (
    "an array in a list to which a loop appends is written to in the next iteration; write to it "
    "before it is appended"
)
_FAILURES = (
    HostStateError, MlcError, NameError, TypeError, ValueError, IndexError, NotImplementedError,
)  # fmt: skip


class _OtherKinds(NotNative):
    """What is appended is of other types than was thought."""

    def __init__(self, kinds: list[Kind]) -> None:
        super().__init__("the types of what the loop appends change")
        self.kinds = kinds


@dataclass(eq=False)
class _Growth:
    """A list, what it held before the loop, and the items that the first iteration appended."""

    box: list[Any]
    old: list[Any]
    first: list[Any]

    def leaves(self, items: Sequence[Any]) -> list[Any]:
        """The leaves of ``items``, which are to be trees as the first ones were."""
        leaves, structure = tree.flatten(list(items))
        if structure != tree.flatten(self.first)[1]:
            raise NotNative("iterations of the loop append different things to a list")
        return leaves


def grow(
    source: range, body: Callable[[Any], None], make_state: Callable[[], State],
    unroll: Callable[[range], None], test: Callable[[], Any] | None = None,
) -> None:  # fmt: skip
    """All iterations of a loop that may append to lists, as long as ``test`` holds before each:
    native but for the first, or first two, or done by ``unroll``."""
    done, goes = 0, True
    while done < min(len(source), _APART) and goes is True:
        hosts = HostState(body)
        body(source[done])
        done += 1
        goes = True if test is None else test()
        lists = [_Growth(*each) for each in hosts.grown()]
        if any(is_traced(leaf) for each in lists for leaf in tree.flatten(each.first)[0]):
            may_go = goes is True or is_traced(goes)
            if may_go and _Native(source[done - 1 :], body, make_state, lists, test).run():
                return
            break
    unroll(source[done:])


class _Native:
    """One native loop over all but the first iteration of ``source``."""

    def __init__(
        self, source: range, body: Callable[[Any], None], make_state: Callable[[], State],
        lists: Sequence[_Growth], test: Callable[[], Any] | None,
    ) -> None:  # fmt: skip
        self.source, self.body, self.make_state, self.lists = source, body, make_state, lists
        self.test = test
        self.last: Any = None  # the number of the last iteration, where the data decide it
        self.first: list[Any] = []  # the leaves of what the first iteration has appended
        self.kinds: list[Kind] = []
        self.arrays: list[Tracer] = []
        self.kept: dict[int, tuple[int, int]] = {}  # leaves that a variable holds, too

    def run(self) -> bool:
        """Whether it was done; else the lists are as they were."""
        items = [list(each.box) for each in self.lists]
        trace = current()
        if self.test is not None:
            if not trace.has_room:
                return False
            self.last = Tracer(nothing(trace, Spec((1,), int64)), trace)
        held = [box for e in self.lists if isinstance(box := e.box, Grown) and not box.rigid]
        for box in held:
            box.rigid = True
        try:
            self.first = [leaf for each in self.lists for leaf in each.leaves(each.first)]
            if all(map(is_value, self.first)):
                for each in self.lists:
                    each.box.clear()  # what is in them is no part of the state
                self.state = self.make_state()
                self.loop()
                self.finish()
                return True
        except _FAILURES:
            pass
        finally:
            for box in held:
                box.rigid = False
        for each, held in zip(self.lists, items):
            each.box[:] = held
        return False

    def loop(self) -> None:
        """The loop, once the types of what it appends are known."""
        kinds = [_kind(leaf) for leaf in self.first]
        for _ in range(_MOST_TYPES):
            self.kinds = kinds
            self.arrays = [self.array(*pair) for pair in zip(kinds, self.first)]
            try:
                with may_unroll():
                    step = partial(self.step, self.body)  # shows what the body can change
                    native_for(1, len(self.source), 1, step, self.state, self.test)
                return
            except _OtherKinds as other:
                kinds = other.kinds
        raise _OtherKinds(kinds)

    def array(self, kind: Kind, first: Any) -> Tracer:
        """Rows for what all iterations append as one leaf."""
        trace, (spec, _) = current(), kind
        whole = Spec((len(self.source), *spec.shape), spec.dtype)
        made = Tracer(nothing(trace, whole), trace)
        if _kind(first) == kind:
            made[0] = first
        return made

    def step(self, body: Callable[[Any], None], number: Any) -> None:
        """An iteration: what it appends goes to row ``number``."""
        many = 1 + next(_LENGTHS) % _PRIME
        ends = self.last_items(number)
        marks = {leaf._cell: leaf._cell.version for _, _, leaf in self.held()}
        for each, last in zip(self.lists, ends):
            each.box[:] = [*[_UNREAD] * many, *last]
        first = next_cell()
        start, pace = self.source.start, self.source.step
        body(number if (start, pace) == (0, 1) else number * pace + start)
        leaves: list[Any] = []
        for each, last in zip(self.lists, ends):
            size = many + len(last)
            before, added = each.box[:size], each.box[size:]
            if not all(map(operator.is_, before, [*[_UNREAD] * many, *last])) or not added:
                raise NotNative("the loop changes items of a list that it appends to")
            leaves += each.leaves(added)
            each.box.clear()
        kinds = [_kind(leaf) for leaf in leaves]
        if kinds != self.kinds:
            raise _OtherKinds(kinds)
        self.kept = self.shared(leaves, first, marks)
        for array, leaf in zip(self.arrays, leaves):
            array[number] = leaf
        if self.last is not None:
            self.last[0] = number

    def held(self) -> list[tuple[int, int, Tracer]]:
        """The arrays that the variables of the loop hold: variable, leaf, and array."""
        return [
            (n, k, leaf)
            for n, value in enumerate(self.state.get())
            for k, leaf in enumerate(tree.flatten(bare(value))[0])
            if _is_array(leaf)
        ]

    def shared(
        self, leaves: Sequence[Any], first: int, marks: dict[Cell, int]
    ) -> dict[int, tuple[int, int]]:
        """Which of ``leaves`` are what a variable holds at the end of the iteration.

        NotNative where an array in the list would be written to later on: it is to be what was
        appended, and cells up to ``first`` are from before the iteration.
        """
        found: dict[int, tuple[int, int]] = {}
        after = self.held()
        seen: set[Cell] = set()
        for c, leaf in enumerate(leaves):
            if not _is_array(leaf):
                continue
            cell = leaf._cell
            names = [(n, k, held) for n, k, held in after if held._cell is cell]
            is_old = cell.serial < first
            is_written = any(c.version != version for c, version in marks.items())
            if cell in seen or is_old and (cell not in marks or names) or is_written and (
                is_old or names
            ):  # fmt: skip
                raise NotNative("an array that the loop appends to a list is written to elsewhere")
            seen.add(cell)
            if names:
                if leaf._view is not None or names[0][2]._view is not None:
                    raise NotNative("the loop appends a part of an array that it keeps")
                found[c] = names[0][:2]
        return found

    def last_items(self, number: Any) -> list[list[Any]]:
        """For each list what the iteration before has appended."""
        trace = current()
        leaves: list[Any] = []
        for array, (spec, is_array) in zip(self.arrays, self.kinds):
            leaf = array[number - 1]
            leaf = leaf.copy() if spec.shape else leaf
            leaf._cell.is_array = is_array
            leaf._cell.frozen = _FROZEN if is_array else ""
            if spec.weak:
                trace.weak.add(leaf._tensor)
            leaves.append(leaf)
        return self.items_of(leaves)

    def items_of(self, leaves: Sequence[Any]) -> list[list[Any]]:
        """For each list the items that ``leaves`` make up."""
        rest, made = iter(leaves), []
        for each in self.lists:
            given, structure = tree.flatten(each.first)
            made.append(tree.unflatten(structure, [next(rest) for _ in given]))
        return made

    def finish(self) -> None:
        """Let the lists hold what all iterations have appended."""
        trace, count = current(), len(self.source)
        if self.last is not None:
            count = 1 + trace.room(lambda: self.last[0])  # type: ignore[operator]
        values = self.state.get()
        columns: list[list[Any]] = []
        for c, (array, kind, first) in enumerate(zip(self.arrays, self.kinds, self.first)):
            (spec, is_array), source = kind, array._tensor
            is_like = _kind(first) == kind and not is_array
            begin = row(trace, source, 0, spec.weak, False) if is_like else first
            column = [begin, *(row(trace, source, n, *_form(kind)) for n in range(1, count))]
            if c in self.kept:
                n, k = self.kept[c]
                column[-1] = tree.flatten(bare(values[n]))[0][k]
            columns.append(column)
        for each in self.lists:
            each.box[:] = each.old
        for leaves in zip(*columns):
            for each, items in zip(self.lists, self.items_of(leaves)):
                each.box += items


def _form(kind: Kind) -> tuple[bool, bool]:
    return kind[0].weak, kind[1]


def _kind(leaf: Any) -> Kind:
    return spec_of(current(), leaf), _is_array(leaf)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Tracer) and bool(leaf.shape or leaf._cell.is_array)
