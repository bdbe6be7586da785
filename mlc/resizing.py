"""Calls whose data choose sizes, where they chose others than the code at hand was compiled for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

import numpy as np

from .call_spec import statics_of
from .specialization import Specialization
from .tracer.attributes import AttributesWanted
from .tracer.deciding import ValuesWanted
from .tracer.grown import ListsFullError
from .tracer.open_results import ANY_SIZES
from .tracer.sizes import Count, CountFailedError, Rooms, SizesChangedError
from .tracer.traced import Traced

Array = np.ndarray[Any, Any]
_COUNTED_BY: ContextVar[Callable[[Any, Sequence[Array]], Array] | None] = ContextVar(
    "_COUNTED_BY", default=None
)


def lists_may_be_full(traced: Traced) -> bool:
    """Whether a call may have to begin again with more room, which native code does not see to."""
    failure = traced.failure
    return failure is not None and any(isinstance(e, ListsFullError) for e in failure.errors)


def run_again(
    jitted: Any, problem: Exception, entry: Specialization, signature: Any, args: Any, kwargs: Any,
    out: Any,
) -> Any:  # fmt: skip
    """The call of a jitted function that ended with ``problem``, by code for other sizes, or with
    more room in lists."""
    while True:
        try:
            if not isinstance(problem, ListsFullError):
                return run_resized(jitted, problem, entry, signature, args, kwargs, out)
            entry = _roomier(jitted, problem.level, signature, args, kwargs)
            arrays = jitted._parameters.keys(args, kwargs)[1]
            return entry.run(arrays, out, partial(jitted._parameters.sources, args, kwargs))
        except Exception as again:
            if not isinstance(again, ListsFullError) and (
                entry.traced.sizes is None or not isinstance(problem, ListsFullError)
            ):
                raise
            problem = again


def _roomier(jitted: Any, level: int, signature: Any, args: Any, kwargs: Any) -> Specialization:
    """The code with more room in lists than ``level`` gives."""
    with jitted._lock:
        if jitted._level <= level:
            jitted._level = level + 1
            jitted._entries.pop(signature, None)
        found: Specialization | None = jitted._find(signature)[0]
        return found or jitted._compile(signature, args, kwargs)


def run_resized(
    jitted: Any, problem: Exception, entry: Specialization, signature: Any, args: Any, kwargs: Any,
    out: Any,
) -> Any:  # fmt: skip
    """The call of a jitted function, by code for the sizes that the data have chosen this time.

    ``problem`` is what ``entry`` ended with: where that is an error, it is the call's only if the
    sizes are those of ``entry``; code for others computes with elements that there are not.
    """
    parameters = jitted._parameters
    arrays = parameters.keys(args, kwargs)[1]
    sources = partial(parameters.sources, args, kwargs)
    while True:
        if isinstance(problem, SizesChangedError):
            sizes = problem.sizes
        else:
            sizes = chosen_sizes(jitted, signature, args, kwargs)
            if entry.traced.sizes is None or sizes == entry.traced.sizes.expected:
                raise problem
        found = for_any_sizes(jitted, signature, args, kwargs)
        entry = found or jitted._compile(signature, args, kwargs, sizes)
        if found is None:
            put_forward(jitted, signature, entry)
        if jitted._by_value:  # numbers may have become static
            signature, arrays = jitted._signature(args, kwargs)
        try:
            return entry.run(arrays, out, sources)
        except Exception as again:
            if entry.traced.sizes is None:
                raise
            problem = again


def for_any_sizes(jitted: Any, signature: Any, args: Any, kwargs: Any) -> Specialization | None:
    """Code for whatever sizes the data choose, where a call has chosen others than the one before;
    None where there has to be code for each."""
    if signature in jitted._for_each_size:
        return None
    if jitted._target == "cpu" and not jitted._by_value:
        try:
            found: Specialization = jitted._compile(signature, args, kwargs, ANY_SIZES)
        except (Exception, ValuesWanted, AttributesWanted):
            pass
        else:
            return found
    jitted._for_each_size.add(signature)
    return None


def put_forward(jitted: Any, signature: Any, entry: Specialization) -> None:
    """Let native calls try ``entry`` alone of those for other sizes: they would compute for one
    size after the other."""
    for other in (*jitted._entries.get(signature, ()), entry):
        if other.guarded is not None and other.traced.sizes is not None:
            other.guarded.admit(other is entry)


def chosen_sizes(jitted: Any, signature: Any, args: Any, kwargs: Any) -> tuple[int, ...]:
    """The sizes that the data choose, found one after the other."""
    statics = statics_of(signature[0], (*args, *kwargs.values()))
    traced, _ = jitted._trace(signature, args, kwargs, statics, ())
    return () if traced.sizes is None else traced.sizes.expected


def rooms_of(
    sizes: tuple[int, ...] | None, arrays: Callable[[], Sequence[Array]], target: str
) -> Rooms | None:
    """What tells how much the data in ``arrays()``, the arguments, choose, while a function is
    traced, where the first ones are known to be ``sizes``: CountFailedError where to compute it
    ends with an error of the call. None where data may choose nothing: no ``sizes``."""
    outside = copy_context()

    def count(wanted: Count) -> int:
        try:
            return outside.copy().run(_counted, wanted, arrays(), target)
        except Exception as problem:
            raise CountFailedError(problem) from None

    return None if sizes is None else Rooms(sizes, count)


def _counted(wanted: Count, arrays: Sequence[Array], target: str) -> int:
    """What a card computes of arrays of the host is counted by the processor, so that no card is
    needed to look at the code."""
    from .compile import compile_graph

    run = _COUNTED_BY.get()
    if run is None and target == "cuda":
        target = "cpu"
    compiled = compile_graph(wanted.inputs, (wanted.tensor,), name="size", target=target)
    given = [*arrays, *(() if wanted.draws is None else wanted.draws.tried())]
    found = compiled.run(given)[-1] if run is None else run(compiled, given)
    return int(np.asarray(found).reshape(()))


@contextmanager
def counted_by(run: Callable[[Any, Sequence[Array]], Array]) -> Iterator[None]:
    """In which ``run(compiled, arrays)`` computes how much there is: the arrays are on a card, and
    those at hand have their shapes alone."""
    token = _COUNTED_BY.set(run)
    try:
        yield
    finally:
        _COUNTED_BY.reset(token)
