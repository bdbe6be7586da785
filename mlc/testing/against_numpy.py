"""Checks of one's own functions and operators against NumPy."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..config import config
from ..errors import ArgumentError
from ..jit import jit
from ..ops.op import Op
from .comparing import Outcome, compare
from .pasting import pasted
from .rounding import shaken

EVERY_TARGET = ("cpu", "interpret", "numpy")
_orders = itertools.cycle(("forward", "reverse", "random"))  # of emulated threads


def check_against_numpy(
    function: Callable[..., Any],
    *args: Any,
    reference: Callable[..., Any] | None = None,
    target: str = "cpu",
    **kwargs: Any,
) -> None:
    """Raises AssertionError, with a test to paste, unless ``function`` under :func:`mlc.jit` does
    what NumPy does with the same arguments.

    ``reference`` is what NumPy is to run: without it ``function`` itself, not jitted. It may come
    by place, too, directly after ``function``, where the arguments after it are enough. Without
    arguments, those that have no default are drawn as :func:`check_op` draws them: arrays whose
    shapes broadcast.

    Compared are the structure of what is returned, shapes, dtypes and values, what the
    arguments hold after the call, and whether a second call gives the same bits (emulated, in
    another order of threads: each call takes the next); where NumPy raises an error, the other
    must raise one. Floats may differ as far as rounding changes what NumPy says, which is
    measured by running the reference with errors of a few units in the last place in all that
    it computes (:mod:`mlc.testing.rounding`); integers and bools that rounding does not decide
    must be equal.

    What `mlc` refuses is raised as it is. Where rounding decides shapes, nothing can be said:
    ValueError, or a rejected example inside of hypothesis.
    """
    require_callable("check_against_numpy", function)
    if reference is not None and not callable(reference):
        raise ArgumentError(
            f"mlc.testing.check_against_numpy: reference= is a function, got {reference!r}"
        )
    plain = plain_function(function)
    if reference is None and args and callable(args[0]):
        drawn = len(args) == 1 and not kwargs
        if drawn or _misfit(plain, args[1:], kwargs) is None:
            reference, args = args[0], args[1:]
    count = 0 if args or kwargs else required_arguments(plain)
    if count:
        check_op(function, reference, targets=(target,))
        return
    for called in (function, reference):
        if called is not None:
            _refuse_misfit(plain_function(called), args, kwargs)
    _check(function, args, reference, target, kwargs)


def _check(
    function: Callable[..., Any],
    args: Sequence[Any],
    reference: Callable[..., Any] | None,
    target: str,
    kwargs: Mapping[str, Any],
) -> bool:
    """Whether there was something to compare; AssertionError where it differs."""
    outcome = outcome_of(function, args, kwargs, reference, target)
    if outcome.kind == "same":
        return not outcome.raised
    if outcome.kind == "refused":
        assert outcome.error is not None
        raise outcome.error
    if outcome.kind == "unstable":
        _reject(function)
        return False
    more: list[tuple[str, Any]] = []
    if reference is not None:
        more.append(("reference", reference))
    if target != "cpu":
        more.append(("target", target))
    shown = pasted(outcome.text, function, args, kwargs, more)
    raise AssertionError(f"{outcome.text}\n\n{shown}") from outcome.error


def outcome_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None,
    reference: Callable[..., Any] | None = None, target: str = "cpu",
) -> Outcome:  # fmt: skip
    """What :func:`check_against_numpy` finds, without raising it."""
    plain = plain_function(function)
    if reference is None and isinstance(function, Op):
        raise ArgumentError(
            f"an operator such as {function.name} has no NumPy meaning of its own; pass "
            f"reference=, a function that computes the same with NumPy"
        )
    wanted = plain if reference is None else reference
    called = function if isinstance(function, Op) else plain
    if plain is not function and target == "cpu":
        compiled = function  # jitted already, perhaps with options
    else:
        compiled = jit(called, target=target)
    run = _in_turns(compiled)
    return compare(run, wanted, lambda seed: shaken(wanted, seed), args, kwargs)


def _in_turns(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, whose emulated threads run in another order at each call."""

    def called(*args: Any, **kwargs: Any) -> Any:
        with config.override(emulated_order=next(_orders)):
            return function(*args, **kwargs)

    return called


def require_callable(check: str, function: Any) -> None:
    """ArgumentError unless ``function`` can be called."""
    if not callable(function):
        raise ArgumentError(
            f"mlc.testing.{check} wants a function, then its arguments; got {function!r}"
        )


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """What :func:`mlc.jit` was applied to, if it was."""
    if isinstance(function, Op):
        return function
    if type(function).__module__.partition(".")[0] == "mlc":
        found: Callable[..., Any] = inspect.unwrap(function)
        return found
    return function


def _reject(function: Callable[..., Any]) -> None:
    try:
        from hypothesis import currently_in_test_context, reject
    except ImportError:
        pass
    else:
        if currently_in_test_context():
            reject()
    raise ValueError(
        f"what NumPy makes of {_name(function)} with these arguments depends on rounding in shape "
        f"or dtype (or fails with other rounding), so nothing can be compared; pass other arguments"
    )


def check_op(
    op: Callable[..., Any],
    reference: Callable[..., Any] | None = None,
    *,
    shapes: Sequence[str] | str | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    dtypes: Sequence[Any] | str = ("float32", "float64"),
    elements: Any = None,
    options: Mapping[str, Any] | None = None,
    targets: Sequence[str] | str = EVERY_TARGET,
    examples: int = 25,
) -> None:
    """Raises AssertionError, with a test to paste, unless ``op`` (an ``@mlc.op``, or any function)
    does what ``reference`` (else ``op`` itself) does with NumPy, for arguments that hypothesis
    draws and shrinks.

    ``shapes`` has for each argument the names of its axes, ``["n k", "k m"]``, where a number is a
    fixed size, or is the text of a single one; without it the arguments have shapes that
    broadcast. ``sizes`` bounds names, ``{"n": (3, 9)}``, which are from 1 to 6 otherwise. All
    arguments of one call have one of ``dtypes``, in C order, transposed, reversed or strided.
    ``elements`` is a hypothesis strategy for numbers; ``options`` are passed as keywords. Each
    example runs on all ``targets``.
    ArgumentError where NumPy raises an error for all that is drawn: nothing was compared.
    """
    from .arrays import operands, require_hypothesis

    require_hypothesis()
    from hypothesis import HealthCheck, Phase, given, settings

    if isinstance(shapes, str):  # of one argument
        shapes = [shapes]
    targets = [targets] if isinstance(targets, str) else targets
    plain = plain_function(op)
    count = len(shapes) if shapes is not None else required_arguments(plain)
    drawn = operands(shapes, count, sizes or {}, dtypes, elements)
    keywords = dict(options or {})
    for function in (plain, reference):
        if function is not None:
            _refuse_misfit(plain_function(function), [None] * count, keywords)
    compared = 0

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},  # it would name lines of ours
    )  # fmt: skip
    @given(drawn)
    def example(args: tuple[Any, ...]) -> None:
        nonlocal compared
        for target in targets:
            compared += _check(op, args, reference, target, keywords)

    example()
    if not compared:
        raise ArgumentError(
            f"nothing was compared: {_name(reference or plain)} raised an error in NumPy for all "
            f"of the {count} arrays of one dtype that were drawn; pass arguments, or say "
            f'shapes= of mlc.testing.check_op (such as ["n k", "k m"]), dtypes= or elements='
        )


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", "the function"))


def _refuse_misfit(
    function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]
) -> None:
    """ArgumentError for a function that cannot be called like this, where both would raise."""
    error = _misfit(function, args, options)
    if error is not None:
        named = f" and {', '.join(options)}=" if options else ""
        raise ArgumentError(
            f"{_name(function)} is to be called with {len(args)} arguments by place{named}, and "
            f"takes others: {error}"
        )


def _misfit(
    function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]
) -> TypeError | None:
    """What Python would say of a call, if the function cannot take these arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # NumPy's own have none
    try:
        signature.bind(*args, **options)
    except TypeError as error:
        return error
    return None


def required_arguments(op: Callable[..., Any]) -> int:
    """How many arguments have no default and may be given by place."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if isinstance(op, np.ufunc):
        return op.nin
    found = inspect.signature(op).parameters.values()
    return sum(p.kind in kinds and p.default is p.empty for p in found)
