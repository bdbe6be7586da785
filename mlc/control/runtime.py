"""What transformed source calls: each decides whether to run as Python or to become native."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import MlcError, ShapeError
from ..ops.op import CURRENT
from ..records import dataclass
from ..tracer.again import ALL_NATIVE
from ..tracer.changing import Flat
from ..tracer.chosen import Chosen
from ..tracer.concrete import all_known, known
from ..tracer.creation import stand_in as stand_in
from ..tracer.deciding import chosen_by_data
from ..tracer.grown import is_arrays, rows_wanted
from ..tracer.items import Items, held, is_known, rows_of, table_of
from ..tracer.places import Places
from ..tracer.tracer import Tracer
from .alike_items import finish as finish_alike
from .alike_items import items_alike, owner_of
from .around import choosing, may_unroll, must_be_native, repeats
from .calls import call as call
from .calls import length_of
from .carry import UNDEFINED, BeginsAsNone, NotNative, State, current
from .comparing import compared as compared
from .comparing import is_same as is_same
from .condition_reads import joined, note_read
from .failing import before_raise, needs_flag
from .failing import exits as exits
from .failing import failed as failed
from .forms import is_traced, native_for, native_if, native_while
from .gathering import comprehended_where as comprehended_where
from .gathering import consumed as consumed
from .gathering import is_open
from .growing import grow
from .growth import may_grow, reach_arrayed, reach_arrays, reach_lists
from .handing import call_taking as call_taking
from .handing import given as given
from .handing import handed_on as handed_on
from .handing import is_nothing as is_nothing
from .handing import is_something as is_something
from .handing import returned as returned
from .handing import takes_none as takes_none
from .hosts import hosts_in
from .iterators import refuse_taking
from .kinds import class_ as class_
from .leaving import LeavesAtOnceError
from .list_loops import is_table, open_rows_of, steady, walk, walk_of, walk_rows
from .logic import and_ as and_
from .logic import if_expression as if_expression
from .logic import in_ as in_
from .logic import not_ as not_
from .logic import or_ as or_
from .making_lists import handed as handed
from .making_lists import in_order as in_order
from .making_lists import kept as kept
from .making_lists import list_ as list_
from .making_lists import nested_ as nested_
from .making_lists import pushing as pushing
from .making_lists import returned_ as returned_
from .making_tables import dict_ as dict_
from .making_tables import dict_of as dict_of
from .making_tables import set_of as set_of
from .patience import FAILURES, Patience, done_natively
from .perhaps import value_in
from .picking import left_to_python, may_pick, picked, picked_of
from .ranges import Range
from .ranges import native_range as native_range
from .ranges import range_ as range_
from .repeated_lists import times as times
from .texts import formatted as formatted
from .tried_calls import attempt as attempt
from .tried_calls import ifloordiv as ifloordiv
from .tried_calls import imod as imod
from .tried_calls import ipow as ipow
from .tried_calls import itruediv as itruediv
from .tried_calls import tried as tried
from .tries import catching as catching
from .tries import is_tried
from .tries import refusals as refusals
from .truths import truth as truth
from .unbound import bound as bound
from .unbound import equal_or_none as equal_or_none
from .unbound import is_none as is_none
from .unbound import sure as sure
from .unbound import trusted as trusted
from .unrolling import Thunk, Touched, read_now, repeating, run_all, state_of
from .watching import is_held

_UNROLLED = 160  # operations, by a rough count, that a loop may unroll to
_MOST_UNROLLED = 4096  # iterations of a loop that cannot be native
_MOST_APART = 3  # iterations that are traced apart since variables are None in them
_SPENT = "iterations unrolled"
_ARRAYED = 8  # times as many operations where a list in arrays, a dict or a set is changed
_PATIENCE = 24  # iterations after which a loop on known values tries to become native
slice_ = builtins.slice


# Conditions


def if_(
    test: Any, then: Thunk, otherwise: Thunk, names: Sequence[str], reads: Sequence[Thunk],
    put: Any, raises: tuple[bool, bool], *touched: Any,
) -> None:  # fmt: skip
    """The statement ``if``."""
    test = truth(test)
    if not is_traced(test):
        (then if test else otherwise)()
        return
    if any(raises) and not is_tried():  # what a handler may catch is raised where the data choose
        needs_flag()
    state = state_of(names, reads, put, "the if statement", then, touched)
    state.is_branch = True
    native_if(test, then, otherwise, state)


def assert_(test: Any, message: Thunk | None) -> None:
    """The statement ``assert``."""
    if not __debug__:
        return
    if is_traced(test):
        chosen = current().room(lambda: np.reshape(test, ())) if is_tried() else None
        if chosen is None:
            needs_flag()
        test = chosen
    if not test:
        before_raise()
        raise AssertionError(*([] if message is None else [message()]))


def item(value: Any, key: Any) -> Any:
    """``value[key]``; of NumPy's own arrays and scalars by traced keys, too, which NumPy would not
    hand over."""
    value, key = value_in(value), value_in(key)
    note_read(value, key)
    if not isinstance(value, (np.ndarray, np.generic)) or all_known([key]):
        if type(value) is list and is_traced(key) and current().has_room:
            rows_wanted(value)
        if type(key) is Chosen and type(value) is dict and not current().has_room:
            return picked_of(value, key)
        if type(value) in (list, tuple, str) and may_pick(value, key):
            try:
                return picked(value, key)
            except NotNative:
                if not current().has_room:
                    raise
        left_to_python(value, key)
        return value[key]
    return held(value)[key]


# Loops


def for_(
    source: Iterable[Any], body: Callable[[Any], None], names: Sequence[str],
    reads: Sequence[Thunk], put: Any, test: Thunk | None, lists: Sequence[Thunk], cost: int,
    *touched: Any,
) -> None:  # fmt: skip
    """The statement ``for``; ``test`` says whether no break was met."""
    if not _is_changed(source, lists):
        source = table_of(source) or rows_of(source)
    refuse_taking(source)
    traced = CURRENT.get() is not None
    patience = Patience(lists, reads)
    if traced and (row := open_rows_of(source)) is not None:
        bound = length_of(row)
        state_now = state_of(names, reads, put, "the loop", body, touched)
        native_for(0, bound, 1, lambda i: body(row[i]), state_now, test)
        return
    if traced and (along := walk_of(source)) is not None:
        state = partial(state_of, names, reads, put, "the loop", body, touched)
        walk(along, body, state, test, and_)
        return
    cost *= repeats() * (_ARRAYED if traced and reach_arrayed(lists) else 1)
    rows: Any = source
    if traced and is_table(rows) and len(rows) * cost > _UNROLLED:
        state = partial(state_of, names, reads, put, "the loop", body, touched)
        plainly = partial(run_all, rows, body, names, reads, put, test, touched)
        walk_rows(rows, lambda along: walk(along, body, state, test, and_), plainly)
        return
    if isinstance(source, Flat):
        source = iter(source)
    if isinstance(source, Range):
        at, changed = source.at, partial(state_of, names, reads, put, "the loop", body, touched)
        _along(source, body if at is None else lambda i: body(at(i)), changed, test)
        return

    def native(along: builtins.range, step: Callable[[Any], None], place: Any) -> bool:
        more = place, lists, touched, patience
        return _native_or_grown(along, step, names, reads, put, test, *more)

    if traced and isinstance(source, builtins.range) and len(source) * cost > _UNROLLED:
        if native(source, body, None):
            return
    elif traced and isinstance(source, Tracer) and len(source) * cost > _UNROLLED:
        if native(builtins.range(len(rows)), lambda i: body(rows[i]), body):
            return
    elif isinstance(source, Items) and source.shape and source.size * cost > _UNROLLED:
        step = _Nest(names, reads, put, test, touched).loop(source, steady(body, source.lists))
        sizes = source.shape
        is_one = len(sizes) == 1 or not _holds_lists(lists)
        is_ours = not (source.is_begun or test is not None and is_held(source))
        is_ours = is_ours and not any(_is_changed(box, lists) for box in source.lists)
        if traced and is_ours and is_one and native(builtins.range(sizes[0]), step, body):
            source.end()
            return

    def finish(done: int) -> bool:
        if isinstance(source, builtins.range):
            return native(source[done:], body, None)
        return native(builtins.range(done, len(rows)), lambda i: body(rows[i]), body)

    def finish_list(done: int) -> bool:
        if _holds_lists(lists) and not may_grow(lists, body):
            return False
        state = partial(state_of, names, reads, put, "the loop", body, touched)

        def natively(count: int, step: Callable[[Any], None]) -> bool:
            return done_natively(lambda: native_for(0, count, 1, step, state(), test))

        return left is not None and finish_alike(source, left, done, body, natively)

    is_counted = traced and isinstance(source, (builtins.range, Tracer))
    count = len(rows) if is_counted else 1
    is_ours = traced and not (is_counted or _is_one_of(owner_of(source), lists))
    left = items_alike(source) if is_ours else None
    ends = finish if is_counted else finish_list if left else None
    with repeating(count):
        items = choosing(source, count) if traced else source
        more = patience, left or source, ends
        run_all(items, body, names, reads, put, test, touched, *more)


def _along(
    source: Range, body: Callable[[Any], None], state: Callable[[], State], test: Thunk | None
) -> None:
    """The loop along a range with a traced bound::

    t = 0                             t = 0
    for i in range(n):      ->        if n > 0:                the data choose while tracing
        t = t + x * i                     t = t + x * 0
                                          for i in range(1, n): ...
    """
    start, stop, step = source.start, source.stop, source.step
    try:
        native_for(start, stop, step, body, state(), test)
    except ShapeError as problem:
        is_begun = np.less(start, stop) if step > 0 else np.greater(start, stop)
        found = chosen_by_data(is_begun) if test is None and is_traced(is_begun) else None
        if found is None:
            raise
        if found:
            body(start)
            if not done_natively(lambda: native_for(start + step, stop, step, body, state())):
                raise problem from None


def comprehended(
    source: Iterable[Any], make: Callable[[Any], Callable[[Any], None]], cost: int,
    names: Sequence[str], reads: Sequence[Thunk],
) -> list[Any]:  # fmt: skip
    """``[... for item in source]``, where ``make`` says what appends one more item to a list."""
    if CURRENT.get() is not None and (is_open(source) or open_rows_of(source) is not None):
        return comprehended_where(source, make, cost, names, reads)
    made: list[Any] = []
    body = make(made)
    along = table_of(source) or known(source) if CURRENT.get() is not None else source
    if isinstance(along, (builtins.range, Tracer, Items)):
        touched = (("the list", *names), (lambda: made, *reads), 0, True)
        for_(along, body, (), (), None, None, (lambda: made,), cost, *touched)
    else:
        for item in source:
            body(item)
    return made


@dataclass(eq=False)
class _Nest:
    """What the loops along all axes have in common. An object of ours: who looks for what functions
    change in variables of others does not take ``put`` for such a function."""

    names: Sequence[str]
    reads: Sequence[Thunk]
    put: Any
    test: Thunk | None
    touched: Touched

    def loop(
        self, source: Items, body: Callable[[Any], None], *place: Any
    ) -> Callable[[Any], None]:
        """One iteration along the axis ``len(place)`` of what ``source`` runs over: the body, or
        the loop along the next axis."""
        axis = len(place) + 1
        if axis == len(source.shape):
            return lambda i: body(source.at(*place, i))

        def step(i: Any) -> None:
            again = self.loop(source, body, *place, i)
            key = SimpleNamespace(__code__=(body.__code__, axis))  # tells this loop from others
            along, common = builtins.range(source.shape[axis]), (self.names, self.reads, self.put)
            if not _try_native(along, again, *common, self.test, key, self.touched):
                run_all(along, again, *common, self.test, self.touched)

        return step


def _is_changed(source: Any, lists: Sequence[Thunk]) -> bool:
    """Whether ``source`` is a list of known numbers, and one of ``lists``."""
    is_plain = isinstance(source, list) and not is_arrays(source) and is_known(source)
    return is_plain and _is_one_of(source, lists)


def _is_one_of(box: Any, lists: Sequence[Thunk]) -> bool:
    return any(read_now(read) is box for read in lists)


def _holds_lists(lists: Sequence[Thunk]) -> bool:
    return any(isinstance(read_now(read), (list, dict, set)) for read in lists)


def _native_or_grown(
    source: builtins.range, body: Callable[[Any], None], names: Sequence[str],
    reads: Sequence[Thunk], put: Any, test: Thunk | None, place: Any, lists: Sequence[Thunk],
    touched: Touched, patience: Patience,
) -> bool:  # fmt: skip
    """Whether all of the loop was done, natively as far as that goes."""
    is_steady = len(touched) > 3 and touched[3]
    if not (_holds_lists(lists) or is_steady and reach_lists(lists)):
        return _try_native(source, body, names, reads, put, test, place, touched)
    if not source:
        return False
    state = partial(state_of, names, reads, put, "the loop", place or body, touched)

    def natively(rest: builtins.range) -> bool:
        return may_grow(lists, body) and done_natively(
            lambda: native_for(rest.start, rest.stop, rest.step, body, state(), test)
        )

    if not is_steady and natively(source):
        return True

    def unroll(rest: builtins.range) -> None:
        is_numbers = is_steady and not reach_arrays(lists)  # those of arrays may be written to
        if (is_numbers if test is None else is_steady and test() is not False) and natively(rest):
            return
        with repeating(len(rest)):
            run_all(rest, body, names, reads, put, test, touched, patience, rest)

    grow(source, body, state, unroll, test)
    return True


def _try_native(
    source: builtins.range, body: Callable[[Any], None], names: Sequence[str],
    reads: Sequence[Thunk], put: Any, test: Thunk | None, place: Any = None,
    touched: Touched = (), lacks: bool = False, apart: int = 0,
) -> bool:  # fmt: skip
    """Whether a loop over a known range has become native; else it may be unrolled.

    A loop that reads what only its iterations before have bound gets its first one apart; where
    that does not bind it either, the loop ``lacks`` it at first. So does one in which a variable
    is None at first, ``apart`` iterations up to now.
    """
    state = state_of(names, reads, put, "the loop", place or body, touched)

    def unroll(rest: builtins.range) -> None:
        with repeating(len(rest)):
            run_all(rest, body, names, reads, put, test, touched)

    def first_apart(missing: str | None) -> bool:
        body(source[0])
        lacks = missing is not None and state.get()[state.names.index(missing)] is UNDEFINED
        rest, goes = source[1:], True if test is None else test()
        if not is_traced(goes) and not goes:
            return True
        if not _try_native(rest, body, names, reads, put, test, place, touched, lacks, apart + 1):
            unroll(rest)
        return True

    problem: Exception | None = None
    try:
        with must_be_native() if lacks else may_unroll():
            native_for(source.start, source.stop, source.step, body, state, test)
        return True
    except NameError as error:
        if error.name not in state.names or len(source) < 2:
            raise
        missing = error.name
    except FAILURES as error:
        current().unrolled = problem = error
    if problem is None:
        return first_apart(missing)
    # Outside of the handler: what the iterations raise by themselves does not come of ``problem``.
    if isinstance(problem, LeavesAtOnceError):
        return first_apart(None)
    if isinstance(problem, BeginsAsNone) and apart < _MOST_APART and len(source) > 1:
        return first_apart(None)
    if test is not None or not source:
        _spend(problem, len(source))
        return False
    reason = problem

    def unroll_counted(rest: builtins.range) -> None:
        _spend(reason, len(rest))
        unroll(rest)

    grow(source, body, partial(state_of, names, reads, put, "the loop", place or body, touched),
         unroll_counted)  # fmt: skip
    return True


def _spend(error: Exception, count: int) -> None:
    """Raises ``error`` if too many iterations were unrolled that could not be native."""
    numbered = current().numbered
    done = numbered[_SPENT] = numbered.get(_SPENT, 0) + count
    if done > _MOST_UNROLLED:
        raise error


def while_(
    test: Thunk, body: Thunk, names: Sequence[str], reads: Sequence[Thunk], put: Any,
    goes: Thunk | None, lists: Sequence[Thunk], cost: int, *touched: Any,
) -> None:  # fmt: skip
    """The statement ``while``; ``goes`` says whether no break was met."""

    def check() -> Any:
        return truth(test() if goes is None else joined(goes(), lambda: truth(test()), and_))

    count, is_over, hurry = 0, False, Patience(lists, reads)
    make_state = partial(state_of, names, reads, put, "the loop", body, touched)
    if may_grow(lists, body, test) and done_natively(
        lambda: native_while(check, body, make_state())
    ):
        return
    patience = 1 if ALL_NATIVE.get() else _PATIENCE
    while True:
        holds = check()
        if is_traced(holds):
            native_while(check, body, state_of(names, reads, put, "the loop", body, touched), holds)
            return
        if not holds:
            return
        count += 1
        if (
            count == 1
            and touched
            and any(h.box.__class__ is Places for h in hosts_in(*touched[:2]))
        ):
            count = patience  # each element in turn: all iterations are the same
        if count == patience and CURRENT.get() is not None and not _holds_lists(lists):
            try:
                state = state_of(names, reads, put, "the loop", body, touched)
                with may_unroll():
                    native_while(check, body, state, holds)
                return
            except (NotNative, MlcError, TypeError, ValueError, IndexError):
                pass
        if is_over and hurry.ended(lambda: native_while(check, body, make_state(), True)):
            return
        body()
        is_over = hurry.is_over()
