"""Loops and branches as functions: ``mlc.fori_loop``, ``while_loop``, ``cond``, ``switch``,
``scan``, ``map``.

Inside of a jitted function they are native. Outside, and where what decides is known, they are
Python's.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import (
    ArgumentError,
    ShapeError,
    TracerBoolError,
    TracerNumberError,
    user_location,
)
from ..ops.caught import CaughtError
from ..ops.moving import index_range, number_range
from ..ops.op import CURRENT
from ..records import replace
from ..te.tensor import Tensor
from ..tracer import tree
from ..tracer.complex.calls import truth
from ..tracer.complex.value import Complex
from ..tracer.concrete import known
from ..tracer.deciding import deciding_arguments
from ..tracer.tracer import Tracer
from .around import counted
from .carry import NotNative, State, carry, current
from .condition_reads import Read, reading
from .draws import drawn_along, drawn_in_loop, drawn_nowhere
from .leaving import check_goes_on
from .plan import alone
from .raised import agree, noting
from .recursion import counting_calls
from .region import Body, Bound, Cond, For, While, call_region, index_param
from .running_on import follows, raise_beyond, raising_beyond, runs_on, within
from .spec import ShapesDifferError
from .values import tree_text


def is_traced(value: Any) -> bool:
    """Whether ``value`` is not known while tracing."""
    return isinstance(value, (Tracer, Complex)) and known(value) is value


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, Any], Any], init: Any) -> Any:
    """``state = init``, then ``state = body(i, state)`` for i in ``range(lower, upper)``.

    The state is an array, a number, or a tree of them; shapes and dtypes must stay. The bounds may
    be traced.
    """
    if CURRENT.get() is None:
        for i in range(operator.index(lower), operator.index(upper)):
            init = body(i, init)
        return init
    held = [init]

    def step(index: Any) -> None:
        held[0] = body(index, held[0])

    native_for(lower, upper, 1, step, _held(held, "the body of fori_loop"))
    return held[0]


def while_loop(test: Callable[[Any], Any], body: Callable[[Any], Any], init: Any) -> Any:
    """``state = init``, then ``state = body(state)`` while ``test(state)`` holds."""
    if CURRENT.get() is None:
        while test(init):
            init = body(init)
        return init
    held = [init]

    def step() -> None:
        held[0] = body(held[0])

    native_while(lambda: test(held[0]), step, _held(held, "the body of while_loop"))
    return held[0]


def cond(pred: Any, then: Callable[..., Any], otherwise: Callable[..., Any], *operands: Any) -> Any:
    """``then(*operands) if pred else otherwise(*operands)``; of the two only one runs.

    Both must return the same tree of arrays with the same shapes; dtypes are promoted.
    """
    if not is_traced(pred):
        return (then if known(pred) else otherwise)(*operands)
    from .carry import UNDEFINED

    held: list[Any] = [UNDEFINED]

    def side(function: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            held[0] = function(*operands)

        return run

    state = _held(held, "a branch of cond")
    state.is_branch = True
    native_if(pred, side(then), side(otherwise), state)
    return held[0]


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``; an index outside counts as the nearest one inside."""
    if not branches:
        raise ArgumentError("switch needs at least one branch")
    if not is_traced(index):
        number = min(max(operator.index(known(index)), 0), len(branches) - 1)
        return branches[number](*operands)
    if len(branches) == 1:
        return branches[0](*operands)
    middle = len(branches) // 2
    return cond(
        index < middle,
        lambda *given: switch(index, branches[:middle], *given),
        lambda *given: switch(index - middle, branches[middle:], *given),
        *operands,
    )


def scan(body: Callable[[Any, Any], Any], init: Any, xs: Any, length: int | None = None) -> Any:
    """``state, y = body(state, x)`` for each x of ``xs`` along the first axes: (state, stacked ys).

    ``xs`` may be None where ``length`` says how often.
    """
    leaves, structure = tree.flatten(xs)
    counts = {np.shape(leaf)[0] for leaf in leaves} | ({length} if length is not None else set())
    if len(counts) != 1:
        raise ArgumentError(
            f"scan needs xs of one length, or length=; got the lengths {sorted(counts)}"
        )
    (count,) = counts
    if CURRENT.get() is None or count == 0:
        return _scan_plainly(body, init, structure, leaves, count)

    def element(i: Any) -> Any:
        return tree.unflatten(structure, [leaf[i] for leaf in leaves])

    first, y = _pair(body(init, element(0)))
    parts, made = tree.flatten(y)
    stacks = [_stack(part, count) for part in parts]

    def step(i: Any, held: Any) -> Any:
        state, outs = held
        state, y = _pair(body(state, element(i)))
        for out, part in zip(outs, tree.flatten(y)[0], strict=True):
            out[i] = part
        return state, outs

    state, stacks = fori_loop(1, count, step, (first, stacks))
    return state, tree.unflatten(made, stacks)


def _pair(made: Any) -> tuple[Any, Any]:
    if not isinstance(made, (tuple, list)) or len(made) != 2:
        raise ArgumentError(
            f"the body of scan returns two things, the new state and what to stack (None for "
            f"nothing), got {tree_text(made)}"
        )
    return made[0], made[1]


def _stack(part: Any, count: int) -> Any:
    """``count`` arrays like ``part``, the first of which it is."""
    dtype = part.dtype if hasattr(part, "dtype") else np.asarray(part).dtype
    trace = current()
    from ..ops.create import filled

    made: Any = filled.tensors(trace, (0,), {"shape": (count, *np.shape(part)), "dtype": dtype})
    out = Tracer(made, trace)
    out[0] = part
    return out


def _scan_plainly(
    body: Callable[[Any, Any], Any], state: Any, structure: Any, leaves: list[Any], count: int
) -> Any:
    rows = []
    for i in range(count):
        state, y = _pair(body(state, tree.unflatten(structure, [leaf[i] for leaf in leaves])))
        rows.append(y)
    if not rows:
        raise ArgumentError("scan over nothing: the shapes of its results are not known")
    columns = [tree.flatten(row)[0] for row in rows]
    made = tree.flatten(rows[0])[1]
    return state, tree.unflatten(made, [np.stack(list(c)) for c in zip(*columns)])


def map(function: Callable[[Any], Any], xs: Any) -> Any:
    """``function`` of each part of ``xs`` along the first axes, one after the other, stacked."""
    return scan(lambda state, x: (state, function(x)), None, xs)[1]


def _held(held: list[Any], what: str) -> State:
    def put(values: list[Any]) -> None:
        held[0] = values[0]

    return State(("state",), lambda: list(held), put, what, must_fit=True)


# What both these functions and transformed source use


@contextmanager
def values_wanted(*values: Any) -> Iterator[None]:
    """What numbers among the arguments decide, and cannot become native, may be decided while
    tracing."""
    try:
        yield
    except NotNative:
        want(*values)
        raise


def want(*values: Any) -> None:
    """Ask for the numbers among the arguments that ``values`` are computed from, for when the
    function is traced again after an error: see `mlc.tracer.deciding`."""
    for value in values:
        if isinstance(value, Tracer) and value._cell.array is None:
            trace: Any = value._trace
            trace.wanted |= deciding_arguments(value._tensor, trace)


def native_for(
    start: Any, stop: Any, step: int, body: Callable[[Any], None], state: State,
    test: Callable[[], Any] | None = None,
) -> None:  # fmt: skip
    """A native loop whose body changes ``state``, as long as ``test`` holds before it."""
    with values_wanted(start, stop):
        _native_for(start, stop, step, body, state, test)


def _native_for(
    start: Any, stop: Any, step: int, body: Callable[[Any], None], state: State,
    test: Callable[[], Any] | None,
) -> None:  # fmt: skip
    trace = current()
    index = index_param("i")
    trace.weak.add(index)
    bounds: list[Bound] = [_bound(start), _bound(stop)]

    is_fixed = isinstance(bounds[0], int) and isinstance(bounds[1], int) and test is None
    along = range(bounds[0], bounds[1], step) if is_fixed else None  # type: ignore[arg-type]
    steps: list[Any] = []

    def run() -> None:
        at = Tracer(index, trace)
        ranged = index_range(index, bounds[0], bounds[1], step)
        with ranged, counted(index, state.trips), drawn_along(at, along) as drawn:
            body(at)
        steps[:] = drawn

    tests: list[list[Any]] = []

    def check() -> None:
        tests.append([_truth(test())])  # type: ignore[misc]

    first, last = bounds
    is_known = isinstance(first, int) and isinstance(last, int) and bool(range(first, last, step))
    state.is_entered = is_known and (test is None or test() is True)
    state.trips = None if along is None else len(along)
    once = run if state.is_entered else noting(run, state, [])
    carried = carry(state, [once] if test is None else [once, check])
    params = (index, *carried.params)
    condition = None if test is None else Body(params, tuple(tests[-1]))
    if tests and state.is_entered and isinstance(first, int):
        check_goes_on(index, first, carried, tests[-1][0])
    region = For(bounds[0], bounds[1], step, Body(params, tuple(carried.ends[0])), condition)
    results = call_region(region, carried.init, carried.labels, "loop", user_location())
    drawn_in_loop(along, steps)
    carried.finish(results)


def native_while(
    test: Callable[[], Any], body: Callable[[], None], state: State, first: Any = None,
    is_within: bool = False,
) -> None:  # fmt: skip
    """A native ``while test(): body()``. ``first`` is what ``test()`` gave just now, if it was
    asked already. Where it ``is_within`` it stops before it reads beyond the end."""
    tests: list[Any] = []
    reads: list[Read] = []
    read_within: list[Read] = []
    trace = current()

    def run() -> None:
        read_within.clear()
        with reading(read_within):
            body()

    def check() -> None:
        reads.clear()
        with reading(reads):
            holds = test()
        if not is_traced(holds):
            raise NotNative("the condition of the loop does not change in it")
        if trace.failure is not None:  # after an error the loop might not end
            holds = np.logical_and(holds, np.equal(trace.failure[0], 0))
        tests.append(_truth(holds))

    state.is_entered = first is not None and not is_traced(first)
    once = run if state.is_entered else noting(run, state, [])
    with drawn_nowhere("a loop whose end the data decide"):
        carried = carry(state, [once, check])
    if any(end is not param for end, param in zip(carried.ends[1], carried.params)):
        _while_changing(test, body, state, first)
        return
    if not is_within and reads and runs_on(reads, carried):
        native_while(within(test), body, state, first, is_within=True)
        raise_beyond(test)
        return
    if not is_within and read_within and follows(read_within, carried, tests[-1]):
        native_while(test, raising_beyond(body), state, first, is_within=True)
        return
    params = tuple(carried.params)
    region = While(Body(params, (tests[-1],)), Body(params, tuple(carried.ends[0])))
    results = call_region(region, carried.init, carried.labels, "loop", user_location())
    carried.finish(results)


def _while_changing(
    test: Callable[[], Any], body: Callable[[], None], state: State, first: Any
) -> None:
    """A native while loop whose test changes what is carried, arrays or the note of an error::

    while test():          ok = test()
        body()       ->    while ok:
                               body()
                               ok = test()
    """
    trace = current()

    def asked() -> Any:
        return Tracer(_truth(test()), trace)

    ok = [Tracer(_truth(first), trace) if first is not None else asked()]

    def put(values: list[Any]) -> None:
        ok[0] = values[0]
        state.put(values[1:])

    def both() -> None:
        body()
        ok[0] = asked()

    names = "the condition", *state.names
    more = replace(state, names=names, get=lambda: [ok[0], *state.get()], put=put)
    native_while(lambda: ok[0], both, more)


_ASKED = TracerNumberError, TracerBoolError  # of code that asks for a number that must be known


def native_if(
    pred: Any, then: Callable[[], None], otherwise: Callable[[], None], state: State
) -> None:
    """A native ``if pred: then() else: otherwise()``.

    Where the branches leave what no code can choose between, a number or None, arrays of two
    shapes, or ask for a number that must be known, such as a size, the data choose while the
    function is traced, outside of native loops: see `mlc.tracer.sizes`.
    """
    wanted = len(current().wanted)
    try:
        _native_if(pred, then, otherwise, state)
        return
    except (NotNative, ShapesDifferError, CaughtError, *_ASKED) as error:
        if isinstance(error, _ASKED) and len(current().wanted) > wanted:
            raise  # numbers among the arguments decide, for which there is code of their own
        chosen = current().room(lambda: Tracer(_truth(pred), current()))
        if chosen is None:
            want(pred)
            raise
    (then if chosen else otherwise)()  # whose errors do not come of that one


def _native_if(
    pred: Any, then: Callable[[], None], otherwise: Callable[[], None], state: State
) -> None:
    condition = _truth(pred)
    least, most = number_range(condition)
    if least == most:  # `a and b` where b is known
        (then if least else otherwise)()
        return
    met: tuple[list[Exception], list[Exception]] = [], []
    sides = noting(alone(then), state, met[0]), noting(alone(otherwise), state, met[1])
    with drawn_nowhere("a branch that the data choose"), counting_calls():
        carried = carry(state, sides)
    if not agree(*met):
        raise NotNative(f"both sides of {state.what} raise errors") from met[0][0]
    params = tuple(carried.params)
    region = Cond(
        condition,
        Body(params, tuple(carried.ends[0]), carried.since),
        Body(params, tuple(carried.ends[1]), carried.since),
    )
    results = call_region(region, carried.init, carried.labels, "branch", user_location())
    carried.finish(results)


def _truth(value: Any) -> Tensor:
    """``bool(value)`` as a tensor of shape ()."""
    from ..ops.create import filled
    from ..ops.elementwise import astype
    from ..ops.shape import reshape

    trace = current()
    lifted = trace.lift(known(truth(value) if isinstance(value, Complex) else value))
    if not isinstance(lifted, Tensor):
        return filled.tensors(trace, (bool(lifted),), {"shape": (), "dtype": "bool"})  # type: ignore[no-any-return]
    if lifted.size != 1:
        raise ShapeError(
            f"the truth value of an array of shape {lifted.shape} is ambiguous; use .any() or "
            f".all()"
        )
    if lifted.shape:
        lifted = reshape(lifted, ())
    if lifted.dtype.kind != "b":
        lifted = astype.tensors(trace, (lifted,), {"dtype": "bool"})
    return lifted  # type: ignore[no-any-return]


def _bound(value: Any) -> Bound:
    value = known(value)
    if isinstance(value, Tracer):
        if value.shape or value.dtype.kind not in "iu":
            raise TypeError(
                f"a bound of a loop must be an integer, got {value.dtype}{list(value.shape)}"
            )
        lifted = current().lift(value)
        return lifted  # type: ignore[no-any-return]
    return operator.index(value)
