"""What a loop or a branch changes, found by tracing it.

The state of a loop is what its body binds anew, and the arrays that it writes to. Both are found
by running the body on placeholders: if it changes more than was thought, or changes the type of
something, it runs again (`rounds`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..errors import HostStateError
from ..ops.moving import inside_loop, is_inside_loop
from ..records import replace
from ..tracer import tree
from ..tracer.chosen import coded
from ..tracer.grown import is_arrays, rows_wanted
from ..tracer.masked import ElementsWanted
from ..tracer.storage import REGION
from .around import AROUND, REPEATS, asking, in_loop
from .array_rooms import widened
from .complex_state import entering
from .condition_reads import reading
from .findings import Findings
from .host_changes import UNDEFINED as UNDEFINED
from .host_changes import HostState, is_left, key_of, left_in
from .hosts import keys_of, wider
from .iterators import holding
from .list_rows import no_rows, region, with_lists
from .open_arrays import opened_before, opening
from .perhaps import Perhaps, bare, is_bound, is_or_none, without_none
from .plan import BeginsAsNone as BeginsAsNone
from .plan import BeginsAsRows, Carried, Plan
from .plan import NotNative as NotNative
from .plan import State as State
from .plan import current as current
from .repeat import REPEATED, same_graph
from .rounds import Entry, attempt
from .values import is_carriable
from .watching import next_cell

_MOST_ROUNDS = 24
_MOST_BESIDE = 1 << 12  # items of lists that branches carry one by one, where those might be rows


def carry(state: State, bodies: Sequence[Callable[[], None]]) -> Carried:
    """Trace ``bodies``, each from the same state, and say what they carry, which is more than
    ``state`` where functions that they call change something.

    Raises :class:`mlc.errors.HostStateError` if they do not do the same each time.
    """
    if state.is_branch:
        _weigh(state)
    # What a branch leaves the data may choose while tracing, for which lists stay what they are.
    may_choose = state.is_branch and REPEATS.get() == 1 and current().has_room
    outside, can_ask_no_more = REGION.get(), state.is_branch and _can_ask_no_more()
    while True:
        try:
            with reading(None):
                return with_lists(lambda: _carry(state, bodies), not may_choose)
        except ElementsWanted as wanted:
            if wanted.selection.is_from_before(outside):
                raise
            wanted.selection.settled()
        except BeginsAsRows as wanted:
            if wanted.number in state.begun:
                raise
            state.begun[wanted.number] = no_rows()
        except NotNative:
            if can_ask_no_more:  # as rows, lists in lists take part in native branches
                for box in state.boxes:
                    if isinstance(box, list) and not is_arrays(box):
                        rows_wanted(box)
            raise


def _can_ask_no_more() -> bool:
    """Whether the data have chosen so often that they cannot be asked about a branch."""
    rooms = current().rooms
    return rooms is not None and rooms.is_full and not is_inside_loop()


def _weigh(state: State) -> None:
    """RowsWanted once many branches have found many items of lists in lists, each of which is a
    variable: as rows of one array they are few."""
    trace = current()
    trace.beside += state.hosts
    if trace.beside > _MOST_BESIDE:
        for box in state.boxes:
            if isinstance(box, list) and not is_arrays(box):
                rows_wanted(box)


def _carry(state: State, bodies: Sequence[Callable[[], None]]) -> Carried:
    hosts = HostState(*bodies)
    if known := _findings().changes_in(state, bodies, hosts):
        state = replace(wider(state, known), is_wider=state.is_wider)
    own, between, same = keys_of(state), None, True
    strayed: list[tuple[str, Any]] = []
    moved: list[Any] = []
    noticed = [_noticed(body, hosts, state, strayed, moved) for body in bodies]
    try:
        with holding(hosts.iterators), region():
            last: list[Any] = []
            if REPEATED.get():
                made = _settled(state, noticed, last)
                if hosts.changes() and not state.is_branch:
                    between = HostState(*bodies)
                    made = _settled(state, noticed)
            else:
                made, between, same = _settled_twice(state, noticed, last)
            if strayed and not (moved or state.is_branch):
                keys = {key_of(box) for _, box in strayed}
                begun = [_begun_anew(body, hosts, keys) for body in bodies]
                moved += [] if _is_same_from(state, begun, last, made) else keys
        _refuse_taken(hosts.took(), state.what)
    except Exception:
        hosts.undo()
        _refuse_taken(hosts.took(), state.what)
        raise
    except BaseException:
        hosts.undo()
        raise
    # Another trace may have put back what one has changed.
    changes = [each for each in hosts.changes() if key_of(each[1]) not in own] or strayed
    # A loop may leave what each iteration would leave, such as a table that is made once; what
    # sets and deques got would show where there are no iterations.
    is_seen = moved or any(isinstance(box, (set, deque)) for _, box in changes)
    if not changes or not (is_seen or state.is_branch or between is None or between.changes()):
        if not same:
            hosts.undo()
            raise HostStateError(
                f"{state.what} over traced values does something else each time it is traced, such "
                f"as drawing random numbers, counting in an object or changing a global; do that "
                f"outside, or hold it in local variables and arrays"
            )
        if not changes or not hosts.gained():
            return made
    hosts.undo()
    if not state.is_wider:
        _findings().note_changes(state, bodies, changes)
        return carry(wider(state, changes), bodies)
    raise NotNative(
        f"{state.what} over traced values changes {changes[0][0]} in a function that it calls, "
        f"which compiled code does not see; hold it in a local variable or an array of the "
        f"function that has {state.what}, or return it"
    )


def _noticed(
    body: Callable[[], None], hosts: HostState, state: State, strayed: list[tuple[str, Any]],
    moved: list[Any],
) -> Callable[[], None]:  # fmt: skip
    """``body``, where what it changes beside ``state`` is told to ``strayed``, and to ``moved`` if
    another run leaves something else there; the other side of a branch does not find it."""
    own = keys_of(state)
    first: dict[Any, Any] = {}

    def run() -> None:
        body()
        found = [each for each in hosts.changes() if key_of(each[1]) not in own]
        known = {key_of(box) for _, box in strayed}
        strayed.extend(each for each in found if key_of(each[1]) not in known)
        for _, box in found:
            left = left_in(box)
            if not is_left(left, first.setdefault(key_of(box), left)):
                moved.append(box)
        if state.is_branch:
            hosts.undo({key_of(box) for _, box in found})

    return run


def _begun_anew(
    body: Callable[[], None], hosts: HostState, keys: Collection[Any]
) -> Callable[[], None]:
    """``body`` as the first iteration finds it: with what is one of ``keys`` as it was before."""

    def run() -> None:
        hosts.undo(keys)
        body()

    return run


def _is_same_from(
    state: State, bodies: Sequence[Callable[[], None]], last: Sequence[Any], made: Carried
) -> bool:
    """Whether ``bodies`` do in the first iteration what those do that ``made`` was traced from."""
    token = REPEATED.set(True)
    try:
        plan, _findings().known, numbered = last
        current().numbered.clear()
        current().numbered.update(numbered)
        first = _settled(state, bodies, None, plan.copy())
    except NotNative:
        return False
    finally:
        REPEATED.reset(token)
    params = first.params, made.params
    return all(same_graph(params, ends) for ends in zip(first.ends, made.ends))


def _refuse_taken(iterator: Any, what: str) -> None:
    """HostStateError if tracing has taken items of an iterator: nobody can put them back."""
    if iterator is not None:
        raise HostStateError(
            f"{what} over traced values takes items of a {type(iterator).__name__} from before it, "
            f"which compiled code does not do; take the items before, or make a list of them"
        )


def _settled_twice(
    state: State, bodies: Sequence[Callable[[], None]], last: list[Any]
) -> tuple[Carried, HostState | None, bool]:
    """The second of two traces, what hosts held between them, and whether both are the same."""
    token = REPEATED.set(True)  # what is inside is compared along with this
    findings = _findings()
    findings.mark = next_cell()
    try:
        first = _settled(state, bodies, last)
        between = None if state.is_branch else HostState(*bodies)
        # The second begins with what the last run of the first knew: all that shows in the graph.
        plan, findings.known, numbered = last
        current().numbered.clear()  # so that both find the same calls made already
        current().numbered.update(numbered)
        again = _settled(state, bodies, None, plan)
    finally:
        REPEATED.reset(token)
    params = first.params, again.params
    same = all(same_graph(params, ends) for ends in zip(first.ends, again.ends))
    return again, between, same


def _settled(
    state: State, bodies: Sequence[Callable[[], None]], last: list[Any] | None = None,
    plan: Plan | None = None,
) -> Carried:  # fmt: skip
    """What ``bodies`` carry, from what ``plan`` says on. ``last`` gets the plan, the places found
    and the calls made as they were when the last run began."""
    trace = current()
    held = state.get()
    findings = _findings()
    nones = {n for n, v in enumerate(held) if is_or_none(v)} if plan is None else plan.nones
    entry = _entered(state, held, nones)
    is_hinted = is_misled = False
    if plan is None:
        plan = _begun(state, entry)
        is_hinted = findings.begin(state, bodies, entry.values, plan, UNDEFINED)
    for n in plan.opened:
        entry.values[n] = opened_before(entry.values[n])
    for n, room in plan.rooms.items():
        entry.values[n] = widened(entry.values[n], room.rows)
    for n in plan.carried:  # the elements of known arrays are made outside, whoever asks first
        entry.values[n] = coded(entry.values[n])
        for leaf in tree.flatten(entry.values[n])[0]:
            trace.lift(leaf)
    numbers = {} if state.is_branch else {state.variable(n): n for n in range(len(state.names))}
    hoped = set(numbers) - {""}  # to be bound by an iteration before
    with inside_loop():
        for _ in range(_MOST_ROUNDS):
            if last is not None:
                last[:] = plan.copy(), dict(findings.known), dict(trace.numbered)
            with in_loop({name: state.cells.get(name) for name in hoped}), asking() as asked:
                trace.attempts += 1
                try:
                    done = attempt(trace, state, bodies, entry, plan)
                except BeginsAsNone as error:
                    more = {n for n, v in enumerate(held) if v is None} | {error.number}
                    more = set(filter(state.may_be_none, more))
                    if more <= plan.nones:
                        raise
                    entry = _entered(state, held, plan.nones | more)
                    plan = _begun(state, entry)
                    is_hinted = findings.begin(state, bodies, entry.values, plan, UNDEFINED)
                    continue
                except Exception:
                    if not is_hinted:
                        raise
                    is_hinted, is_misled = False, True
                    findings.drop(state, bodies)
                    entry = _entered(state, held, entry.nones)
                    plan = _begun(state, entry)
                    continue
            asked &= hoped
            unsure = {numbers[name] for name in asked} & set(plan.late) - plan.unsure
            in_vain = {name for name in asked if numbers[name] not in plan.late}
            if unsure:  # an iteration reads what those before it may have bound
                plan.unsure |= unsure
            elif done is not None and in_vain - AROUND.get().names:
                hoped -= in_vain
            elif done is not None:
                if is_misled:  # it is done without what was found
                    findings.forget(state, bodies)
                findings.note(state, bodies, plan)
                return done
    raise NotNative(f"{state.what} changes the types of what it carries without end")


def _findings() -> Findings:
    """Those of the trace that goes on."""
    trace = current()
    if trace.findings is None:
        trace.findings = Findings()
    found: Findings = trace.findings
    return found


def _entered(state: State, held: Sequence[Any], nones: Collection[int]) -> Entry:
    """What variables hold before; those of ``nones`` are None where they have no value."""
    given = without_none(held, nones)
    for n, value in state.begun.items():
        given[n] = Perhaps(value, False) if given[n] is UNDEFINED else given[n]
    values = opening(entering([bare(v) for v in given]))
    unset = {n for n in nones if held[n] is UNDEFINED}
    return Entry(values, [is_bound(v) for v in given], nones, unset)


def _begun(state: State, start: Entry) -> Plan:
    """What a first run goes by: all that can be carried is."""
    plan = Plan(nones=set(start.nones))
    own = start.values[: len(start.values) - state.hosts]
    plan.carried = {n for n, v in enumerate(own) if v is not UNDEFINED and is_carriable(v)}
    plan.unsure = {n for n in plan.carried & {*state.begun} if start.flags[n] is False}
    return plan
