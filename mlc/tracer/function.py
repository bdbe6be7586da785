"""A Python function turned into a graph: traced once for the arguments of one signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..records import replace
from . import tree
from .captures import Captures
from .creation import standing_in
from .deciding import identifier
from .drawing import Draws
from .grown import Grown
from .parameters import Parameters
from .refills import Refills
from .shared_lists import check_kept
from .signature import Key, is_complex_key, is_scalar_key, placeholder
from .sizes import Rooms
from .trace import FAILING, PRINTING, FunctionTrace, tracing
from .traced import Traced, traced_results
from .tracer import Tracer
from .unfollowed_draws import check_unmoved, put_back, states_read, twins_of


def trace_function(
    function: Callable[..., Any],
    parameters: Parameters,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    keys: tuple[Key, ...],
    captures: Captures,
    naming: bool = False,
    rooms: Rooms | None = None,
    listing: Callable[[Any], Any] | None = None,
) -> Traced:
    """Run ``function`` on traced values in place of all arguments that are not static. With
    ``naming`` the tensors are called as the user's variables are. ``rooms``, new, tells the sizes
    that the data decide; without it they decide none. ``listing`` makes lists of many numbers such
    as may become arrays."""
    trace = _trace(parameters.function, captures, naming)
    trace.rooms = rooms
    inputs = trace.inputs = [] if rooms is None else rooms.inputs
    trace.draws = Draws(trace, inputs, captures.generators)
    leaves: list[Tracer] = []
    numbers: set[int] = set()
    trees: list[tuple[str, Any, list[Any]]] = []
    refills = Refills()

    def leaf(name: str, key: Key) -> Any:
        tensor, weak = placeholder(identifier(name), key, parameters.function)
        inputs.append(tensor)
        if weak:
            trace.weak.add(tensor)
        leaves.append(Tracer(tensor, trace, place=len(inputs) - 1))
        if len(key) == 1 or not key[1]:
            numbers.add(len(inputs) - 1)
        if is_complex_key(key):
            return _complex(leaves[-1], key)
        leaves[-1]._cell.is_array = not is_scalar_key(key)
        return leaves[-1]

    def traced(name: str, key: Key, value: Any) -> Any:
        if key[0] == "static":
            return value
        if isinstance(key[0], (np.dtype, type)):
            return leaf(name, key)
        from .packing import holds_nest, leaves_by

        names = tree.leaf_names(name, key[0])
        given = leaves_by(key[0], value)
        made = tree.unflatten(key[0], [traced(*leaf) for leaf in zip(names, key[1:], given)])
        if listing is not None and holds_nest(key[0]):
            made = listing(made)
        trees.append((name, made, tree.flatten(made, is_list)[0]))
        return made

    named = list(parameters.named(args, kwargs))
    generators = captures.generators.values()
    twins = twins_of(generators)
    try:
        with tracing(trace), standing_in(captures.spaces):
            if FAILING.get():
                trace.failure = _none_yet(trace, "int32")
            if PRINTING.get():
                from .printing import Prints

                trace.prints = Prints(_none_yet(trace, "int64"))
            values = [traced(name, key, value) for (name, value), key in zip(named, keys)]
            for place, made in zip((*range(len(args)), *kwargs), values):
                refills.note(place, made)
            trace.draws.begin()
            returned = function(*values[: len(args)], **dict(zip(kwargs, values[len(args) :])))
            check_kept(trace)
            returned = refills.returned(returned)
            if not refills.changed:
                _check_trees(trees, parameters.function)
            done = traced_results(returned, trace, inputs, leaves, numbers)
            done = replace(done, refills=refills.changed)
            captures.checks += trace.draws.starts()
            check_unmoved(twins)
            drew = trace.draws.drawn() is not None
            captures.checks += states_read(captures.names, generators, drew)
    except Exception as error:
        put_back(twins)
        error.drew = trace.draws.drew  # type: ignore[attr-defined]
        error.wanted = trace.wanted  # type: ignore[attr-defined]  # see `deciding.static_after`
        raise
    trace.forget()
    return done


def _complex(pair: Tracer, key: Key) -> Any:
    from .complex.value import from_argument

    return from_argument(pair, len(key) == 1, is_scalar_key(key))


def _check_trees(trees: list[tuple[str, Any, list[Any]]], function: str) -> None:
    """Raise if the function has put something into a list or dict that it was passed: that was a
    copy, and the caller would never see it."""
    for name, value, before in trees:
        after, _ = tree.flatten(value, is_list)
        if len(after) != len(before) or any(a is not b for a, b in zip(after, before)):
            raise UnsupportedError(
                f"{function} changes which values {name}, a {type(value).__name__}, holds, and its "
                f"caller would not see that; write into the arrays (x[...] = value), or return "
                f"what changed"
            )


def is_list(value: Any) -> bool:
    """Whether ``value`` is a list of many numbers, which `Refills` look after."""
    return isinstance(value, Grown)


def _trace(name: str, captures: Captures, naming: bool) -> FunctionTrace:
    if not naming:
        return FunctionTrace(name, captures)
    from .assigned_names import NamingTrace

    return NamingTrace(name, captures)


def _none_yet(trace: FunctionTrace, dtype: str) -> Tracer:
    """An array for a number that native code counts with, or notes an error by."""
    from ..ops.create import filled

    return Tracer(filled.tensors(trace, (0,), {"shape": (1,), "dtype": dtype}), trace)
