"""What a loop or a branch changes, found by tracing it.

The state of a loop is what its body binds anew, and the arrays that it writes to. Both are found
by running the body on placeholders: if it changes more than was thought, or changes the type of
something, it runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..dtypes import as_dtype, boolean, float64, int64
from ..errors import HostStateError, MlcError, UnsupportedError
from ..ops.moving import inside_loop
from ..ops.op import CURRENT
from ..records import dataclass
from ..te.extent import is_open
from ..te.tensor import Placeholder, Tensor
from ..tracer import tree
from ..tracer.memory_order import set_order
from ..tracer.storage import WATCH, Cell
from ..tracer.trace import FunctionTrace
from ..tracer.tracer import Tracer
from .complex_state import entering, fitted, fitted_late, widens
from .exits import VALUE
from .host_changes import UNDEFINED as UNDEFINED
from .host_changes import HostState
from .hosts import wider
from .orders import begin_order, end_order
from .plan import Carried, Plan
from .repeat import REPEATED, same_graph
from .shared_arrays import Shared, freeze, shared_arrays
from .spec import Spec, merged
from .watching import next_cell, watching

_MOST_ROUNDS = 24
# What loops and branches inside of the outermost one were found to carry when they were traced
# last, by their places in the source, and the number that cells from before exceed not. Without it
# each level of a nest would be traced twice, and the innermost body 2 ** depth times.
_FOUND: ContextVar[tuple[int, dict[Any, tuple[set[int], list[Cell]]]] | None] = ContextVar(
    "found", default=None
)


class NotNative(UnsupportedError):
    """A loop or branch that cannot become a native one."""


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
    hosts: int = 0  # how many of ``names``, the last ones, are items of lists and the like
    is_wider: bool = False  # whether it has what functions that are called change


def current() -> FunctionTrace:
    trace: Any = CURRENT.get()
    return trace  # type: ignore[no-any-return]


def carry(state: State, bodies: Sequence[Callable[[], None]]) -> Carried:
    """Trace ``bodies``, each from the same state, and say what they carry, which is more than
    ``state`` where functions that they call change something.

    Raises :class:`mlc.errors.HostStateError` if they do not do the same each time.
    """
    hosts = HostState(*bodies)
    between, same = None, True
    try:
        if REPEATED.get():
            made = _settled(state, bodies)
            if hosts.changes() and not state.is_branch:
                between = HostState(*bodies)
                made = _settled(state, bodies)
        else:
            made, between, same = _settled_twice(state, bodies)
    except BaseException:
        hosts.undo()
        raise
    changes = hosts.changes()
    # A loop may leave what each iteration would leave, such as a table that is made once.
    if not changes or not (state.is_branch or between is None or between.changes()):
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
        return carry(wider(state, changes), bodies)
    raise NotNative(
        f"{state.what} over traced values changes {changes[0][0]} in a function that it calls, "
        f"which compiled code does not see; hold it in a local variable or an array of the "
        f"function that has {state.what}, or return it"
    )


def _settled_twice(
    state: State, bodies: Sequence[Callable[[], None]]
) -> tuple[Carried, HostState | None, bool]:
    """The second of two traces, what hosts held between them, and whether both are the same."""
    token = REPEATED.set(True)  # what is inside is compared along with this
    mark = next_cell()
    finding = _FOUND.set((mark, {}))
    try:
        last: list[Any] = []
        first = _settled(state, bodies, last)
        between = None if state.is_branch else HostState(*bodies)
        # The second begins with what the last run of the first knew: all that shows in the graph.
        plan, found, numbered = last
        _FOUND.set((mark, found))
        current().numbered.clear()  # so that both find the same calls made already
        current().numbered.update(numbered)
        again = _settled(state, bodies, None, plan)
    finally:
        REPEATED.reset(token)
        _FOUND.reset(finding)
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
    entry = entering(state.get())
    first, found = _FOUND.get() or (0, {})
    plan = plan or _begun(state, entry, found)
    with inside_loop():
        for _ in range(_MOST_ROUNDS):
            if last is not None:
                last[:] = plan.copy(), dict(found), dict(trace.numbered)
            done = _attempt(trace, state, bodies, entry, plan)
            if done is not None:
                if state.place is not None:
                    cells = [cell for cell in plan.cells if cell.serial < first]
                    found[state.place] = set(plan.carried), cells
                return done
    raise NotNative(f"{state.what} changes the types of what it carries without end")


def _begun(state: State, entry: list[Any], found: Mapping[Any, Any]) -> Plan:
    """What a first run goes by: all that can be carried is, unless it was found not to be."""
    plan = Plan()
    own = entry[: len(entry) - state.hosts]
    plan.carried = {n for n, v in enumerate(own) if v is not UNDEFINED and _is_carriable(v)}
    if state.place in found:
        carried, cells = found[state.place]
        plan.carried &= carried
        plan.cells = dict.fromkeys(cells)
    return plan


def _is_carriable(value: Any) -> bool:
    leaves, _ = tree.flatten(value)
    return bool(leaves) and all(is_value(leaf) for leaf in leaves)


def is_value(leaf: Any) -> bool:
    """Whether ``leaf`` is an array or a number, traced or not."""
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "biuf"
    if isinstance(leaf, np.generic):
        return leaf.dtype.kind in "biuf"
    return isinstance(leaf, (Tracer, bool, int, float))


def spec_of(trace: FunctionTrace, leaf: Any) -> Spec:
    """The type of a leaf."""
    if isinstance(leaf, Tracer):
        if is_open(leaf.shape):
            raise NotNative(
                "a slice whose length only the running loop knows is kept from one iteration or "
                "branch to what comes after; keep its bounds, or write it into an array"
            )
        is_weak = leaf._cell.array is None and leaf._tensor in trace.weak
        return Spec(leaf.shape, leaf._seen[1].dtype, is_weak)
    if isinstance(leaf, (np.ndarray, np.generic)):
        return Spec(np.shape(leaf), as_dtype(leaf.dtype))
    return Spec((), boolean if isinstance(leaf, bool) else int64 if isinstance(leaf, int) else
                float64, True)  # fmt: skip


def tensor_of(trace: FunctionTrace, leaf: Any, spec: Spec) -> Tensor:
    """``leaf`` as a tensor of type ``spec``."""
    from ..ops.create import filled
    from ..ops.elementwise import astype

    value = trace.lift(leaf)
    if not isinstance(value, Tensor):
        made: Any = filled.tensors(trace, (value,), {"shape": spec.shape, "dtype": spec.dtype})
        return made  # type: ignore[no-any-return]
    if value.dtype is spec.dtype:
        return value
    return astype.tensors(trace, (value,), {"dtype": spec.dtype})  # type: ignore[no-any-return]


def _attempt(
    trace: FunctionTrace, state: State, bodies: Sequence[Callable[[], None]], entry: list[Any],
    plan: Plan,
) -> Carried | None:  # fmt: skip
    """One run of all bodies; None if the plan had to be changed."""
    mark = next_cell()
    carried, kept = sorted(plan.carried), set(plan.carried)
    start: list[Any] = list(entry)
    holders: dict[int, list[Tracer]] = {}
    params: list[Tensor] = []
    init: list[Tensor] = []
    labels: list[str] = []
    rows: list[tuple[int, int, Spec]] = []
    for n in carried:
        leaves, structure = tree.flatten(entry[n])
        names = tree.leaf_names(state.names[n], structure) if len(leaves) > 1 else [state.names[n]]
        fresh = []
        for k, leaf in enumerate(leaves):
            spec = plan.specs.get((n, k)) or spec_of(trace, leaf)
            tensor = tensor_of(trace, leaf, spec)
            param = Tensor(_label(names[k]), spec.shape, spec.dtype, Placeholder())
            if spec.weak:
                trace.weak.add(param)
            holder = Tracer(param, trace)
            holder._cell.is_array = bool(spec.shape) or (
                isinstance(leaf, Tracer) and leaf._cell.is_array
            )
            begin_order(plan.orders, (n, k), holder, leaf, state.is_branch)
            fresh.append(holder)
            params.append(param)
            init.append(tensor)
            labels.append(_label(names[k]))
            rows.append((n, k, spec))
        holders[n] = fresh
        start[n] = tree.unflatten(structure, fresh)
    late = dict(sorted(plan.late.items()))
    for n in late:
        for k, spec in enumerate(late[n][1]):
            spec = plan.specs.get((n, k), spec)
            zero = tensor_of(trace, spec.dtype.numpy.type(0), Spec((), spec.dtype))
            from ..ops.shape import spread

            made: Any = spread
            init.append(made.tensors(trace, (zero,), {"shape": spec.shape}))
            params.append(Tensor(_label(state.names[n]), spec.shape, spec.dtype, Placeholder()))
            labels.append(_label(state.names[n]))
            rows.append((n, k, spec))
            if spec.weak:
                trace.weak.add(params[-1])
        if not state.is_branch:  # after the first iteration it has a value
            count = len(late[n][1])
            held = [Tracer(t, trace) for t in params[len(params) - count :]]
            for k, value in enumerate(held):
                set_order(value, plan.orders.get((n, k)))
            start[n] = tree.unflatten(late[n][0], held)
    cells = list(plan.cells)
    for n, cell in enumerate(cells):
        tensor = cell.current(trace)
        params.append(Tensor(f"array{n}", tensor.shape, tensor.dtype, Placeholder()))
        init.append(tensor)
        labels.append(f"array{n}")
    ends: list[list[Tensor]] = []
    shared: list[Shared] = []
    changed = False
    try:
        for body in bodies:
            state.put(list(start))
            with watching() as watched:
                for n, cell in enumerate(cells):
                    cell.write(params[len(params) - len(cells) + n])
                body()
                after = state.get()
                outside = [c for c in watched if c.serial < mark and c not in plan.cells]
                if outside:
                    plan.cells.update(dict.fromkeys(outside))
                    changed = True
                else:
                    found = _revise(trace, state, entry, start, after, holders, late, kept, plan)
                    changed = changed or found is None
                    if found is not None:
                        ends.append([*found, *(c.current(trace) for c in cells)])
                        if state.is_branch:
                            shared += shared_arrays(entry, after, holders, late, mark)
            if changed and not state.is_branch:  # the test of a loop sees what its body changes
                return None
    finally:
        state.put(entry)
    for n in kept:
        changed = True
        plan.carried.discard(n)
    if changed or len({len(e) for e in ends}) != 1:
        return None

    def finish(results: Sequence[Tensor]) -> None:
        for (_n, _k, spec), tensor in zip(rows, results):
            if spec.weak:
                trace.weak.add(tensor)
        values = list(entry)
        at = 0
        for n in carried:
            _, structure = tree.flatten(entry[n])
            count = len(holders[n])
            made = [Tracer(t, trace) for t in results[at : at + count]]
            for k, (held, old) in enumerate(zip(made, holders[n])):
                held._cell.is_array = old._cell.is_array
                set_order(held, plan.orders.get((n, k)))
            values[n] = tree.unflatten(structure, made)
            at += count
        for n in late:
            structure, specs = late[n]
            made = [Tracer(t, trace) for t in results[at : at + len(specs)]]
            for k, held in enumerate(made):
                set_order(held, plan.orders.get((n, k)))
            values[n] = tree.unflatten(structure, made)
            at += len(specs)
        for cell, tensor in zip(cells, results[at:]):
            cell.write(tensor)
        freeze(shared, state.names, values)
        state.put(values)

    return Carried(params, init, labels, ends, finish)


def _revise(
    trace: FunctionTrace, state: State, entry: list[Any], start: list[Any], after: list[Any],
    holders: dict[int, list[Tracer]], late: dict[int, Any], kept: set[int], plan: Plan,
) -> list[Tensor] | None:  # fmt: skip
    """The tensors of all carried leaves at the end; None if the plan had to be changed."""
    fits = True
    ends: list[Tensor] = []
    tails: list[Tensor] = []
    for n, (before, end) in enumerate(zip(start, after)):
        name = state.names[n].replace(VALUE, "the result")
        end = fitted_late(late[n][0], end) if n in late else fitted(before, end)
        if widens(n, before, end, entry, plan, lambda leaf: spec_of(trace, leaf)):
            fits = False
            continue
        if n not in holders and n not in late:
            if end is before or _is_same(before, end):
                continue
            if before is UNDEFINED:
                if not _is_carriable(end):
                    raise NotNative(
                        f"{state.what} gives {name} {tree_text(end)}, which is no array or number"
                    )
                leaves, structure = tree.flatten(end)
                plan.late[n] = structure, tuple(spec_of(trace, leaf) for leaf in leaves)
            elif _is_carriable(before):
                plan.carried.add(n)
            elif state.is_branch and _is_carriable(end):
                leaves, structure = tree.flatten(end)
                plan.late[n] = structure, tuple(spec_of(trace, leaf) for leaf in leaves)
            else:
                raise NotNative(
                    f"{state.what} changes {name} from {tree_text(before)} to {tree_text(end)}; "
                    f"only arrays and numbers can change in it"
                )
            fits = False
            continue
        if n in late and end is UNDEFINED:
            specs = late[n][1]
            tails += [
                tensor_of(trace, s.dtype.numpy.type(0), Spec((), s.dtype)) if not s.shape else
                _zeros(trace, s) for s in specs
            ]  # fmt: skip
            continue
        leaves, structure = tree.flatten(end)
        first = tree.flatten(entry[n])[1] if n in holders else late[n][0]  # that of before
        if state.is_branch and n in holders and _is_other(trace, structure, first, leaves,
                                                               entry[n]):  # fmt: skip
            plan.carried.discard(n)
            plan.late[n] = structure, tuple(spec_of(trace, leaf) for leaf in leaves)
            fits = False
            continue
        if structure != first or not all(map(is_value, leaves)):
            raise NotNative(
                f"{state.what} changes what {name} is made of: expected {tree_text(start[n])}, "
                f"got {tree_text(end)}"
            )
        for leaf in leaves:
            _check_view(leaf, name, state.what)
        if n not in holders or not _keeps(holders[n], leaves, entry[n], plan):
            kept.discard(n)
        labels = tree.leaf_names(name, structure) if len(leaves) > 1 else [name]
        for k, leaf in enumerate(leaves):
            if n in holders:
                known = plan.specs.get((n, k)) or spec_of(trace, tree.flatten(entry[n])[0][k])
            else:
                known = plan.specs.get((n, k), late[n][1][k])
            spec = merged(known, spec_of(trace, leaf), labels[k], state.what, state.must_fit)
            is_first = n in late and not state.is_branch
            if end_order(plan.orders, (n, k), leaf, state.is_branch, is_first) or spec != known:
                plan.specs[n, k] = spec
                fits = False
            tensor = tensor_of(trace, leaf, spec)
            (ends if n in holders else tails).append(tensor)
    return [*ends, *tails] if fits else None


def _check_view(leaf: Any, name: str, what: str) -> None:
    """NotNative for a view of an array that changes: what is carried would not follow it."""
    watched = WATCH.get()
    if isinstance(leaf, Tracer) and leaf._view is not None and leaf.shape:
        if watched is not None and leaf._cell in watched:
            raise NotNative(
                f"{what} keeps {name}, a view of an array that it writes to; keep the place "
                f"instead, or a copy ({name}.copy())"
            )


def _is_other(
    trace: FunctionTrace, structure: Any, first: Any, leaves: list[Any], before: Any
) -> bool:
    """Whether a branch gives a variable a value of another kind than it had."""
    if not all(map(is_value, leaves)):
        return False
    if structure != first:
        return True
    olds = tree.flatten(before)[0]
    return any(spec_of(trace, a).shape != spec_of(trace, b).shape for a, b in zip(leaves, olds))


def _zeros(trace: FunctionTrace, spec: Spec) -> Tensor:
    from ..ops.create import filled

    made: Any = filled.tensors(trace, (0,), {"shape": spec.shape, "dtype": spec.dtype})
    return made  # type: ignore[no-any-return]


def _keeps(holders: list[Tracer], leaves: list[Any], entry: Any, plan: Plan) -> bool:
    """Whether a variable still names the same arrays, which may have been written to: then those
    are what is carried."""
    if not all(a is b for a, b in zip(holders, leaves, strict=True)):
        olds = tree.flatten(entry)[0]
        for holder, old in zip(holders, olds):
            if holder._cell.version and isinstance(old, Tracer) and old._cell.place is not None:
                raise NotNative(
                    "an argument is written to and then given another name in a loop; its caller "
                    "could not be told: copy it first"
                )
        return False
    olds = tree.flatten(entry)[0]
    if not all(isinstance(old, Tracer) and (old.shape or old._cell.is_array) for old in olds):
        return False
    for holder, old in zip(holders, olds):
        if holder._cell.version:
            plan.cells[old._cell] = None
    return True


def _is_same(before: Any, after: Any) -> bool:
    if type(before) is not type(after) or isinstance(before, (Tracer, np.ndarray)):
        return False
    try:
        return bool(before == after)
    except (MlcError, ValueError, TypeError):
        return False


def tree_text(value: Any) -> str:
    """What a value is, in a few words."""
    if value is UNDEFINED:
        return "nothing"
    if isinstance(value, Tracer):
        return f"{value.dtype.name}{list(value.shape)}"
    return (
        repr(value)
        if value is None or isinstance(value, (str, bool, int))
        else (f"a {type(value).__name__}")
    )


def _label(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).strip("_") or "value"
