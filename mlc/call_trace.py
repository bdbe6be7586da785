"""The trace of a jitted function for the arguments of one signature, and what is tried where a
first way to it leads nowhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from types import FunctionType, MethodType
from typing import Any

from .errors import (
    NOTED,
    ArgumentError,
    HostStateError,
    OutsideArrayError,
    TracedPrintError,
    TracedRaiseError,
    TracerBoolError,
    UnsupportedError,
    swallowed,
)
from .records import replace
from .resizing import rooms_of
from .tracer.again import WANTED, begin_trace, traced_again
from .tracer.attributes import noting_attributes
from .tracer.captures import Captures
from .tracer.deciding import static_after
from .tracer.function import trace_function
from .tracer.grown import RoomWanted, with_room
from .tracer.open_results import ANY_SIZES, any_sizes, check_any_sizes
from .tracer.plain_code import are_arrays, is_plain
from .tracer.sizes import CountFailedError
from .tracer.trace import FAILING, PLAIN, PRINTING, noting_errors, printing
from .tracer.traced import Traced

# Whether methods of what plain code makes of its arguments are looked at one by one.
_METHODS_MATTER: ContextVar[bool] = ContextVar("whether methods matter", default=False)


def trace_of_call(
    jitted: Any, signature: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
    statics: Sequence[Any], sizes: tuple[int, ...] | None = None,
) -> tuple[Traced, Captures]:  # fmt: skip
    """The trace for a signature, and what it read besides its arguments; ``sizes`` that data decide
    are found on the way, or any will do."""
    if sizes == ANY_SIZES:
        with any_sizes():
            traced, captures = trace_of_call(jitted, signature, args, kwargs, statics)
            check_any_sizes(traced)
            return replace(traced, any_sizes=True), captures

    def again(sizes: tuple[int, ...] | None) -> tuple[Traced, Captures]:
        return trace_of_call(jitted, signature, args, kwargs, statics, sizes)

    keys, parameters, of_arrays = signature[0], jitted._parameters, False
    called = parameters.names_of(args, kwargs)
    captures = Captures(jitted._function, *statics, names=called)
    schedule = getattr(jitted._function, "__mlc_schedule__", None)
    function = jitted._function
    rooms = rooms_of(sizes, lambda: parameters.keys(args, kwargs)[1], jitted._target)
    if schedule is None:
        of_arrays = are_arrays((*args, *kwargs.values())) and not _METHODS_MATTER.get()
        function = noting_attributes(native_form(function, True, of_arrays), captures)
        if FAILING.get():
            from .control.raised import ending

            function = ending(function)
    try:
        try:
            begin_trace()
            with with_room(jitted._level), printing(_prints(jitted)):
                traced = trace_function(
                    function, parameters, args, kwargs, keys, captures, schedule is not None,
                    rooms, None if schedule is not None else listing,
                )  # fmt: skip
        except HostStateError as reason:
            captures = Captures(jitted._function, *statics, names=called)
            traced = _plain_trace(jitted, reason, args, kwargs, keys, captures)
    except CountFailedError as failed:
        raise failed.problem from None
    except RoomWanted:
        jitted._level += 1
        return again(None if sizes is None else ())
    except TracedRaiseError:
        with noting_errors():
            return again(None if rooms is None else rooms.sizes)
    except TracedPrintError:
        with printing(True):
            return again(None if rooms is None else rooms.sizes)
    except (Exception, *WANTED) as error:
        if of_arrays and _is_of_numpy(error) and _rests_on_methods(jitted._function):
            token = _METHODS_MATTER.set(True)
            try:
                return again(None if rooms is None else rooms.sizes)
            finally:
                _METHODS_MATTER.reset(token)
        if isinstance(error, OutsideArrayError):  # modules may have been imported on the way
            now = Captures(jitted._function, *statics, names=called)
            if len(now.spaces) > len(captures.spaces):
                return again(None if rooms is None else rooms.sizes)
        return traced_again(error, None if rooms is None else rooms.sizes, again)
    return traced, captures


def _prints(jitted: Any) -> bool | None:
    """Whether the code of a jitted function prints: not that of cards, nor what has a schedule;
    None where no function has asked yet."""
    if jitted._target != "cpu" or getattr(jitted._function, "__mlc_schedule__", None) is not None:
        return False
    return PRINTING.get() or None


def _is_of_numpy(error: BaseException) -> bool:
    """Whether ``error`` may come of a method of NumPy's that was given traced arrays."""
    return type(error) is TypeError or isinstance(error, UnsupportedError)


def _rests_on_methods(function: Any) -> bool:
    """Whether ``function`` is plain if all that it has is traced arrays and numbers."""
    return is_plain(function, of_arrays=True) and not is_plain(function)


def with_less_traced(
    jitted: Any, error: Exception, signature: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """The entry of a call with Python ints static, where tracing them has led to ``error``, or with
    the numbers in lists passed each on its own; None where nothing is left to try."""
    keys, names, debug = signature
    parameters, labels = jitted._parameters, jitted._names(names, len(args))

    def entry() -> Any:
        fresh = parameters.keys(args, kwargs)[0], names, debug
        return jitted._find(fresh)[0] or jitted._compile(fresh, args, kwargs)

    problem: Exception | None = None
    static = static_after(error, labels, keys, (*args, *kwargs.values()))
    if static:
        parameters.static |= static
        jitted._by_value |= static
        try:
            return entry()
        except BaseException as later:
            parameters.static -= static
            jitted._by_value -= static
            if not isinstance(later, Exception):
                raise
            problem = later
    loose = parameters.loosened(labels, keys)
    if loose:
        try:
            return entry()
        except BaseException as later:
            parameters.loose -= loose
            if not isinstance(later, Exception):
                raise
    if problem is not None:
        raise problem
    return None


def _plain_trace(
    jitted: Any, reason: HostStateError, args: tuple[Any, ...], kwargs: dict[str, Any], keys: Any,
    captures: Captures,
) -> Traced:  # fmt: skip
    """The trace with Python's own loops, since ``reason`` speaks against native ones."""
    token, noting = PLAIN.set(True), NOTED.set([])
    try:
        made = trace_function(jitted._function, jitted._parameters, args, kwargs, keys, captures)
        error = swallowed(NOTED.get() or [])
        if error is not None:
            raise UnsupportedError(f"{reason}", error.location) from error
        return made
    except (TracerBoolError, ArgumentError, UnsupportedError) as error:
        raise UnsupportedError(f"{reason}", error.location) from error
    finally:
        PLAIN.reset(token)
        NOTED.reset(noting)


def listing(value: Any) -> Any:
    """An argument with lists that may become arrays in the place of Python's."""
    from .control.making_lists import argument

    return argument(value)


def native_form(
    function: Callable[..., Any], is_last: bool = False, of_arrays: bool = False
) -> Callable[..., Any]:
    """The function with loops and branches that may become native: see `control.convert.converted`,
    which takes a while to load, and which most functions of array arithmetic need not be asked
    about. ``of_arrays``: it is passed arrays and numbers alone."""
    if is_plain(function, of_arrays):
        return function
    if isinstance(function, (FunctionType, MethodType)):
        from .control.convert import converted

        return converted(function, is_last)  # type: ignore[no-any-return]
    from .control.calls import call

    return call(function)  # type: ignore[no-any-return]
