"""Checks of one's own functions and operators against NumPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..jit import jit
from ..ops.op import Op
from .comparing import Outcome, compare
from .pasting import pasted
from .rounding import shaken

EVERY_TARGET = ("cpu", "interpret", "numpy")


def check_against_numpy(
    function: Callable[..., Any],
    *args: Any,
    reference: Callable[..., Any] | None = None,
    target: str = "cpu",
    **kwargs: Any,
) -> None:
    """Raises AssertionError, with a test to paste, unless ``function`` under :func:`mlc.jit` does
    what NumPy does with the same arguments.

    ``reference`` is what NumPy is to run: without it ``function`` itself, not jitted. Compared are
    the structure of what is returned, shapes, dtypes and values, what the arguments hold after the
    call, and whether a second call gives the same bits; where NumPy raises an error, the other must
    raise one. Floats may differ as far as rounding changes what NumPy says, which is measured by
    running the reference with errors of a few units in the last place in all that it computes
    (:mod:`mlc.testing.rounding`); integers and bools that rounding does not decide must be equal.

    What `mlc` refuses is raised as it is. Where rounding decides shapes, nothing can be said:
    ValueError, or a rejected example inside of hypothesis.
    """
    outcome = outcome_of(function, args, kwargs, reference, target)
    if outcome.kind in ("same",):
        return
    if outcome.kind == "refused":
        assert outcome.error is not None
        raise outcome.error
    if outcome.kind == "unstable":
        _reject(function)
        return
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
    return compare(compiled, wanted, lambda seed: shaken(wanted, seed), args, kwargs)


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
    name = getattr(function, "__name__", "the function")
    raise ValueError(
        f"what NumPy makes of {name} with these arguments depends on rounding in shape or dtype "
        f"(or fails with other rounding), so nothing can be compared; pass other arguments"
    )


def check_op(
    op: Callable[..., Any],
    reference: Callable[..., Any],
    *,
    shapes: Sequence[str] | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    dtypes: Sequence[Any] = ("float32", "float64"),
    elements: Any = None,
    options: Mapping[str, Any] | None = None,
    targets: Sequence[str] = EVERY_TARGET,
    examples: int = 25,
) -> None:
    """Raises AssertionError, with a test to paste, unless ``op`` (an ``@mlc.op``, or any function)
    does what ``reference`` does with NumPy, for arguments that hypothesis draws and shrinks.

    ``shapes`` has for each argument the names of its axes, ``["n k", "k m"]``, where a number is a
    fixed size; without it the arguments have shapes that broadcast. ``sizes`` bounds names,
    ``{"n": (3, 9)}``, which are from 1 to 6 otherwise. All arguments of one call have one of
    ``dtypes``, in C order, transposed, reversed or strided. ``elements`` is a hypothesis strategy
    for numbers; ``options`` are passed as keywords. Each example runs on all ``targets``.
    """
    from .arrays import operands, require_hypothesis

    require_hypothesis()
    from hypothesis import HealthCheck, given, settings

    count = len(shapes) if shapes is not None else _arity(op)
    drawn = operands(shapes, count, sizes or {}, dtypes, elements)
    keywords = dict(options or {})
    for function in (op, reference):
        _refuse_misfit(function, count, keywords)

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(drawn)
    def example(args: tuple[Any, ...]) -> None:
        for target in targets:
            check_against_numpy(op, *args, reference=reference, target=target, **keywords)

    example()


def _refuse_misfit(function: Callable[..., Any], count: int, options: dict[str, Any]) -> None:
    """ArgumentError for a function that cannot be called like this, where both would raise."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # NumPy's own have none
    try:
        signature.bind(*[None] * count, **options)
    except TypeError as error:
        name = getattr(function, "__name__", "the function")
        raise ArgumentError(
            f"mlc.testing.check_op calls {name} with {count} arrays, one for each of shapes=, and "
            f"options {options}: {error}"
        ) from None


def _arity(op: Callable[..., Any]) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if isinstance(op, np.ufunc):
        return op.nin
    found = inspect.signature(op).parameters.values()
    return sum(p.kind in kinds and p.default is p.empty for p in found)
