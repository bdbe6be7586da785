"""Lists in arrays: what their items are held as, how a row is read and written, and when a list
becomes arrays.

A list that a loop or branch over traced values changes, and that was made before it, becomes arrays
before that loop or branch: `Wanted` says so to the one that is to be traced again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from .. import te
from ..dtypes import int64, uint8
from ..errors import UnsupportedError
from ..ir.expr import apply, cast, select
from ..ops.op import CURRENT
from ..te.tensor import Tensor
from ..te.unset import unset
from ..tracer import tree
from ..tracer.grown import ROWS, Grown, Kind, Leaf, Tabled, room_now
from ..tracer.storage import REGION as REGION
from ..tracer.storage import WATCH, Cell, next_cell
from ..tracer.tracer import Tracer
from .guarding import FROZEN, INSIDE, LISTED, freeze, guarded
from .item_kinds import (
    are_numbers,
    column_of,
    fitted,
    is_one_array,
    joined,
    keep,
    kind_of,
    origins,
    plain_of,
)
from .perhaps import seen
from .plan import BeginsAsNone, NotNative, current
from .shared_arrays import names_of
from .spec import Spec
from .values import tensor_of

Result = TypeVar("Result")
_MOST_KINDS = 12
_FEW = 64  # numbers in a list that are written one by one


class Wanted(BaseException):
    """Raised while tracing: ``owner`` is to hold items of ``kind``, as arrays, before the loop or
    branch that is traced; so are ``others``, lists and kinds. Nothing that users write should catch
    it. It ``is_asked`` for an item that data choose, which no list of Python's can give."""

    def __init__(
        self, owner: Any, kind: Kind | None, others: Sequence[tuple[Grown, Kind | None]] = (),
        is_asked: bool = False,
    ) -> None:  # fmt: skip
        super().__init__("a list becomes arrays")
        self.owner, self.kind, self.others, self.is_asked = owner, kind, others, is_asked


@contextmanager
def region() -> Iterator[None]:
    """Inside, the body of a native loop or branch is traced."""
    token = REGION.set(next_cell())
    try:
        yield
    finally:
        REGION.reset(token)


_NO_ARRAYS = "the types of what is in a list change without end"


def with_lists(
    run: Callable[[], Result], may_hold: bool = True, is_last: bool = False, left: int = _MOST_KINDS
) -> Result:
    """``run()``, which traces a loop or branch, with the lists that it changes as arrays; with
    lists as they were, where that cannot be. Without ``may_hold`` none becomes arrays. Where
    some cannot be, others may still have to: that is tried once, unless ``is_last``; no more than
    ``left`` stay lists."""
    if CURRENT.get() is None:
        return run()
    outside = REGION.get()
    frozen: list[tuple[Cell | Grown, str]] = []
    changed: dict[int, tuple[Any, Any]] = {}
    tries: Counter[int] = Counter()
    within: dict[int, list[tuple[Any, list[Any]]]] = {}  # lists in lists, and what they held
    token = FROZEN.set(frozen)
    try:
        while max(tries.values(), default=0) < _MOST_KINDS:
            try:
                return run()
            except Wanted as wanted:
                owner = wanted.owner
                tries[id(owner)] += 1
                if owner.serial < outside:
                    raise
                is_held = owner.is_native or isinstance(owner, Tabled) or wanted.is_asked
                if not (may_hold or is_held):
                    return _without(owner, run, left)
                for each, kind in ((owner, wanted.kind), *wanted.others):
                    if not each.is_native:
                        if id(each) in changed:  # the run has made it a list again
                            each.become(changed[id(each)][1])
                        changed[id(each)] = each, _content(each)
                        within[id(each)] = _inner(changed[id(each)][1])
                    if isinstance(each, Tabled):
                        each.hold_as()
                    else:
                        hold(each, kind)
        raise NotNative(_NO_ARRAYS)
    except Exception as error:
        if not changed:
            raise
        first = error
        for cell, text in frozen:
            cell.frozen = text
        goes_on = isinstance(error, BeginsAsNone)  # once the first iteration was done apart
        for owner, items in changed.values():
            owner.become(items)
            owner.rigid = not goes_on
            for inner, held in within.get(id(owner), ()):
                inner.be_plain(held)
            if isinstance(owner, Tabled) and isinstance(error, NotNative):
                owner.reason = error.args[0]
    finally:
        FROZEN.reset(token)
        outer = FROZEN.get()
        if outer is not None:
            outer += frozen
    if isinstance(first, BeginsAsNone):
        raise first
    if not is_last:
        try:
            return with_lists(run, may_hold, is_last=True)
        except UnsupportedError as second:
            if not isinstance(first, NotNative):
                raise
            raise first from second  # which says more of what is in the way
    try:
        return run()
    except Wanted as wanted:
        if wanted.owner.serial < outside:
            raise
        raise NotNative(_NO_ARRAYS) from None


def _content(owner: Any) -> Any:
    return owner.items_now() if isinstance(owner, Tabled) else owner.items()


def _inner(items: Any) -> list[tuple[Any, list[Any]]]:
    is_rows = ROWS.get() and isinstance(items, list)
    return [(item, item.items()) for item in items if isinstance(item, Grown)] if is_rows else []


def _without(owner: Grown, run: Callable[[], Result], left: int) -> Result:
    if not left:  # each run has other ones
        raise NotNative(_NO_ARRAYS)
    owner.rigid = True
    try:
        return with_lists(run, may_hold=False, left=left - 1)
    finally:
        owner.rigid = False


# The arrays


def number(value: Any) -> Tracer:
    """A cell that holds the whole number ``value``."""
    trace = current()
    made = Tracer(tensor_of(trace, value, Spec((), int64)), trace)
    made._cell.is_array = True
    return made


class End:
    """The place where a row begins or ends, as a cell."""

    def value(self) -> Any:
        """The number that it holds now."""
        raise NotImplementedError

    def put(self, value: Any) -> None:
        """Let it hold ``value``."""
        raise NotImplementedError


def value_of(cell: Any) -> Any:
    """The number that :func:`number` holds now."""
    if isinstance(cell, End):
        return cell.value()
    trace = current()
    return Tracer(cell._cell.current(trace), trace)


def put(cell: Any, value: Any) -> None:
    """Let it hold ``value``."""
    if isinstance(cell, End):
        cell.put(value)
        return
    cell._cell.write(tensor_of(current(), value, Spec((), int64)))


def hold(owner: Grown, kind: Kind | None) -> None:
    """Have ``owner`` as arrays, for items of ``kind``, too; NotNative where that cannot be."""
    if owner.is_native:
        _widen(owner, joined(owner.kind, kind))
        return
    items = owner.items()
    if ROWS.get() and any(isinstance(item, list) for item in items):
        from .row_lists import hold_rows

        hold_rows(owner)
        return
    is_plain = are_numbers(items)
    if is_plain:
        kind = joined(kind, kind_of(items[0]))
    for item in () if is_plain else items:
        kind = joined(kind, kind_of(item))
        if type(item) in (list, dict) and len(names_of(item)) > 1:
            raise NotNative(INSIDE)
        keep(item)
    room = room_now(len(items) * (2 if owner.is_deque else 1))
    start = room // 2 if owner.is_deque else 0
    if start + len(items) > room:
        raise NotNative(f"a list of {len(items)} items is more than there is room for")
    owner.become(())
    owner.is_native, owner.room, owner.kind = True, room, None
    owner.columns, owner.tags = [], []
    owner.head, owner.tail = number(start), number(start + len(items))
    _widen(owner, kind)
    is_long = is_plain and len(items) > _FEW
    if items and (REGION.get() < 0 or is_long or is_one_array(items)):
        _fill(owner, start, items)
    else:
        for n, item in enumerate(items):
            write_row(owner, number(start + n), item)
    owner.begin()


def _tag(owner: Grown, before: Leaf | None, leaf: Leaf, old: Tracer | None) -> Tracer | None:
    """Which of the forms of ``leaf`` each row has, where there are several."""
    trace = current()
    if len(leaf.forms) == 1 or before is not None and before.forms == leaf.forms:
        return old
    spec = Spec((owner.room,), uint8)
    if before is None:
        return Tracer(unset(spec.shape, uint8), trace)
    marks = np.array([leaf.forms.index(form) for form in before.forms], np.uint8)
    if old is None:
        return Tracer(tensor_of(trace, np.full(owner.room, marks[0]), spec), trace)
    places = np.minimum(Tracer(old._cell.current(trace), trace), len(marks) - 1)
    made = Tracer(tensor_of(trace, marks, Spec(marks.shape, uint8)), trace)[places]
    return Tracer(tensor_of(trace, made, spec), trace)


def _fill(owner: Grown, start: int, items: Sequence[Any]) -> None:
    """Let the rows from ``start`` on be ``items``."""
    kind, count = owner.kind, len(items)
    assert kind is not None
    if are_numbers(items):
        columns, kinds = [items], [kind_of(items[0]).leaves] * count
    else:
        held = [fitted(kind, plain_of(item)) for item in items]
        columns = [*zip(*(tree.flatten(item)[0] for item in held))]
        kinds = [kind_of(item).leaves for item in held]
    for n, (leaf, parts) in enumerate(zip(kind.leaves, columns)):
        _begin(owner.columns[n], start, column_of(parts, leaf), count)
        for part in parts:
            if leaf.is_array and isinstance(part, Tracer):
                freeze(part._cell)
        tag = owner.tags[n]
        if tag is not None:
            marks = np.array([_mark(leaf, k[n]) for k in kinds], np.uint8)
            _begin(tag, start, marks, count)


def _begin(column: Tracer, start: int, values: Any, count: int) -> None:
    """``column[start : start + count] = values``, and nothing elsewhere."""
    trace = current()
    shape, dtype = column.shape, column._seen[1].dtype
    given = tensor_of(trace, values, Spec((count, *shape[1:]), dtype))
    made = te.compute(
        shape,
        lambda *at: select(
            (at[0] >= start) & (at[0] < start + count), given[(at[0] - start,) + at[1:]],
            cast(0, dtype),
        ),
        name="rows", op="list_rows",
    )  # fmt: skip
    column._cell.write(made)


def _widen(owner: Grown, kind: Kind | None) -> None:
    """Make the arrays ones for items of ``kind``."""
    old, trace = owner.kind, current()
    if kind is None or kind == old:
        return
    columns: list[Tracer] = []
    tags: list[Tracer | None] = []
    origin = [None] * len(kind.leaves) if old is None else origins(old, kind)
    for n, leaf in zip(origin, kind.leaves):
        spec = Spec((owner.room, *leaf.shape), leaf.dtype)
        before = None if old is None or n is None or type(n) is bool else old.leaves[n]
        if type(n) is bool:
            mark = tensor_of(trace, np.bool(n), Spec((), leaf.dtype))
            columns.append(Tracer(_alike(spec.shape, mark), trace))
        elif before is None or n is None:
            columns.append(Tracer(unset(spec.shape, leaf.dtype), trace))
        elif before.dtype is leaf.dtype:
            columns.append(owner.columns[n])
        else:
            columns.append(Tracer(tensor_of(trace, owner.columns[n], spec), trace))
        old_tag = None if before is None or n is None else owner.tags[n]
        tags.append(_tag(owner, before, leaf, old_tag))
    owner.columns, owner.tags, owner.kind = columns, tags, kind


def _alike(shape: tuple[int, ...], value: Tensor) -> Tensor:
    """An array whose elements all are ``value``."""
    return te.compute(shape, lambda *_: value[()], name="marks", op="list_rows")


def as_carried(before: Any, end: Grown, entry: Any, listed: list[Grown]) -> Grown:
    """``end``, a list that a variable holds at the end of a body which was ``entry`` before it, and
    stood for by ``before``, as one of the same kind. ``listed`` gets all such lists."""
    if not isinstance(entry, Grown) or entry.rigid or end.rigid:
        return end
    is_other = end is not before
    if (
        any(end is other for other in listed)
        or is_other
        and (end.serial < REGION.get() or names_of(entry))
    ):
        raise NotNative(
            "a list that data decide about gets a second name in a loop or branch, and what "
            "changes it by one name would have to show under the other; make a copy, list(items)"
        )
    listed.append(end)
    if not (end.is_native or entry.is_native):
        if len(end.items()) != len(entry.items()):
            raise Wanted(entry, None)
        return end
    old, new = entry.kind, _pool_of(end)
    if old is not None and old.pool is not None and new not in (None, old.pool):
        from .row_lists import moved

        end = moved(end, old)
    elif not end.is_native:
        hold(end, entry.kind)
    kind = joined(entry.kind, end.kind)
    if not entry.is_native or kind != entry.kind:
        raise Wanted(entry, kind)
    _widen(end, kind)
    return end


def _pool_of(held: Grown) -> Any:
    """What the items of ``held`` are rows of, if they are."""
    if held.is_native:
        return None if held.kind is None else held.kind.pool
    pools = {item.pool if isinstance(item, Grown) else None for item in held.items()}
    return pools.pop() if len(pools) == 1 else None


def holds_new_rows(value: Any) -> bool:
    """Whether ``value`` is a list of rows of a store that the loop has made that is traced."""
    pool = _pool_of(value) if isinstance(value, Grown) else None
    return pool is not None and pool.serial > REGION.get()


def no_rows() -> Grown:
    """An empty list of rows."""
    from .row_lists import Pool, empty

    return empty(Pool(()))


def write_row(owner: Grown, at: Any, item: Any) -> None:
    """Let row ``at`` be ``item``; Wanted where the list does not hold such items yet."""
    if ROWS.get() and isinstance(item, list):
        from .row_lists import as_row

        item = as_row(owner, item)
    owner = owner if owner.pool is None else owner.pool.store
    found = kind_of(item)
    kind = joined(owner.kind, found)
    assert kind is not None
    if kind != owner.kind:
        if owner.serial > REGION.get():
            _widen(owner, kind)
        else:
            raise Wanted(owner, found)
    trace = current()
    keep(item)
    held = fitted(kind, plain_of(item))
    found = found if kind.structure == found.structure else kind_of(held)
    for n, leaf in enumerate(tree.flatten(held)[0]):
        form = kind.leaves[n]
        if isinstance(leaf, Tracer) and form.is_array:
            watched, is_old = WATCH.get(), leaf._cell.serial < REGION.get()
            if watched is not None and is_old and leaf._cell in watched:
                raise NotNative(LISTED)
            freeze(leaf._cell)
        _store(owner.columns[n], at, tensor_of(trace, leaf, Spec(form.shape, form.dtype)))
        tag = owner.tags[n]
        if tag is not None:
            mark = _mark(form, found.leaves[n])
            _store(tag, at, tensor_of(trace, np.uint8(mark), Spec((), uint8)))


def _mark(leaf: Leaf, item: Leaf) -> int:
    """Which of the forms of ``leaf`` that of an item is; where it has none, any."""
    form = item.forms[0]
    return leaf.forms.index(form) if form in leaf.forms else 0


def _store(column: Tracer, at: Any, value: Tensor) -> None:
    """``column[at] = value``, at a place that there is."""
    old, place = column._cell.current(current()), at._tensor
    made = te.compute(
        old.shape,
        lambda *at: select(apply("eq", at[0], place[()]), value[at[1:]], old[at]),
        name="stored", op="list_store",
    )  # fmt: skip
    column._cell.write(made)


def read_row(owner: Grown, at: Any) -> Any:
    """The item in row ``at``, a place that there is."""
    kind = owner.kind
    assert kind is not None
    if kind.pool is not None and owner.pool is None and not owner.has_changed():
        return tree.unflatten(kind.structure, [at + np.int64(0)])  # row n holds the number n
    leaves = [_load(column, at, leaf) for column, leaf in zip(owner.columns, kind.leaves)]
    found = tree.unflatten(kind.structure, leaves)
    return found if tree.is_single(kind.structure) else seen(guarded(found, owner))


def _load(column: Tracer, at: Any, leaf: Leaf) -> Tracer:
    trace = current()
    source, place = column._cell.current(trace), at._tensor
    tensor = te.compute(
        leaf.shape, lambda *rest: source[(place[()],) + rest], name="item", op="list_item"
    )
    if leaf.weak:
        trace.weak.add(tensor)
    made = Tracer(tensor, trace)
    made._cell.is_array = leaf.is_array
    if leaf.is_array:
        freeze(made._cell)
    return made


def move_row(owner: Grown, source: Any, target: Any) -> None:
    """Let row ``target`` be what row ``source`` is."""
    for column in columns_of(owner):
        copy_element(column, source, column, target)


def copy_element(source: Any, at: Any, target: Any, to: Any) -> None:
    """``target[to] = source[at]``, at places that there are."""
    old, place = source._cell.current(current()), at._tensor
    value = te.compute(
        old.shape[1:], lambda *rest: old[(place[()],) + rest], name="item", op="list_item"
    )
    _store(target, to, value)


def columns_of(owner: Grown) -> Sequence[Tracer]:
    """All arrays of a list."""
    return [*owner.columns, *(tag for tag in owner.tags if tag is not None)]
