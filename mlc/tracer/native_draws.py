"""Random numbers that compiled code makes itself, where the data decide whether they are drawn.

::

    if rng.random() < p or x[0] > 0:      the state of rng is an input, is carried by loops and
        y += rng.normal()                 branches as variables are, and goes back after the call

A trace that comes to such a place begins anew: see :func:`native_draws_first`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import te
from ..errors import UnsupportedError
from ..te.tensor import Tensor
from .concrete import all_known, wrapped
from .streams import State, Step, Stream, drawn_from, sampled, words_of

# The generators whose numbers native code makes itself, and OWN for those made in the function.
NATIVE_DRAWS: ContextVar[tuple[Any, ...]] = ContextVar("mlc_native_draws", default=())
OWN, NONE = "those that the function makes", "none, which was tried in vain"
# Makes streams; set by `mlc.control`, which has what they are made of.
MAKERS: list[Callable[[Any], Stream | None]] = []


class NativeDrawsWanted(BaseException):
    """Raised while tracing: ``source``, or OWN, is drawn from where only the data know whether.
    Nothing that users write should catch it."""

    def __init__(self, source: Any) -> None:
        super().__init__("a generator is drawn from under conditions")
        self.source = source


class DrawnHereError(UnsupportedError):
    """Something is drawn where only the data know whether it is."""


def native_draws_first(wanted: NativeDrawsWanted, again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where native code makes the numbers of that generator, too;
    where that fails, what it gives where it makes none."""
    token = NATIVE_DRAWS.set((*NATIVE_DRAWS.get(), wanted.source))
    try:
        return again()
    except Exception:
        pass  # the numbers may be drawn before the call, or known
    finally:
        NATIVE_DRAWS.reset(token)
    token = NATIVE_DRAWS.set((NONE,))
    try:
        return again()
    finally:
        NATIVE_DRAWS.reset(token)


class NativeDraws:
    """Of what one trace draws the part that native code does; ``streams`` by their sources."""

    trace: Any
    inputs: list[Tensor]
    tables: dict[Any, Tensor]
    steps: list[Step]
    own: dict[int, Any]
    fresh: dict[int, Any]
    places: list[tuple[Any, range, int]]
    why_not: str
    is_known: bool
    drew: bool
    count: int

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.used: set[int] = set()  # of these, by what has been drawn from

    def begin(self) -> None:
        """All arguments are traced; the function follows."""
        for source in NATIVE_DRAWS.get():
            if source is not OWN and source is not NONE:
                self._open(source)

    def states(self, place_of: Callable[[Any], int]) -> tuple[list[Any], list[Any]]:
        """The generators with those that they go on as, and with the outputs that ``place_of``
        numbers: their states at the end."""
        known: list[Any] = []
        computed: list[Any] = []
        for key, stream in self.streams.items():
            made = self.own.get(key)
            if made is stream.source or key in self.fresh:
                continue  # nobody else has it
            if made is not None and _is_known(stream):
                known.append((stream.source, made))
            else:
                places = tuple(place_of(self._traced(part)) for part in stream.state())
                computed.append((stream.source, places))
        return known, computed

    def _traced(self, value: Any) -> Any:
        from .tracer import Tracer

        return value if isinstance(value, Tracer) else Tracer(self.trace.lift(value), self.trace)

    def _open(self, source: Any) -> None:
        """Let native code draw from ``source``, as it is at each call."""
        stream = _stream_of(source)
        if stream is None:
            return
        tensors = tuple(
            te.placeholder(w.shape, w.dtype, f"state{len(self.tables) + n}")
            for n, w in enumerate(words_of(source))
        )
        for tensor in tensors:
            self.tables[tensor] = tensor
            self.inputs.append(tensor)
        self.steps.append(State(source, tensors))
        from .tracer import Tracer

        stream.load([Tracer(tensor, self.trace) for tensor in tensors])
        self.streams[id(source)] = stream

    def _fix(self, source: Any, made: Any) -> None:
        """Let native code draw from ``source`` as from ``made``, whose state is known."""
        stream = _stream_of(source)
        if stream is not None:
            stream.load(words_of(made))
            self.streams[id(source)] = stream

    def _is_own_native(self) -> bool:
        return any(native is OWN for native in NATIVE_DRAWS.get())

    def _streamed(self, stream: Stream, name: str, args: Any, options: Any) -> Any:
        """``name(...)`` of what native code draws from."""
        self.drew = True
        self.count += 1
        self.used.add(id(stream.source))
        sample = sampled(stream.source, name, args, options)
        made = self.own.get(id(stream.source))
        if made is not None and _is_known(stream) and not (self.places or self.why_not):
            value = drawn_from(made, name, args, options)
            stream.load(words_of(made))
            return wrapped(value)
        with np.errstate(over="ignore"):
            value = stream.draw(name, args, options)
        if value is NotImplemented:
            raise DrawnHereError(
                f"{name} of a generator from which numbers are drawn under conditions that the "
                f"data decide cannot be traced; draw from another generator, or before, for all "
                f"cases"
            )
        return weakened(value, type(sample) in (bool, int, float))

    def native(self, source: Any, name: str, args: Any, options: Any, known_args: Any) -> Any:
        """``source.name(...)`` with ``args`` that the data decide, of the kind that others,
        ``known_args``, bring; NotImplemented where native code cannot draw it."""
        stream = self.streams.get(id(source))
        if stream is None:
            self._want_native(source)
            return NotImplemented
        self.drew = True
        self.count += 1
        self.used.add(id(source))
        sample = sampled(stream.source, name, known_args, options)
        with np.errstate(over="ignore"):
            value = stream.draw(name, args, options)
        is_weak = type(sample) in (bool, int, float)
        return value if value is NotImplemented else weakened(value, is_weak)

    def _want_native(self, source: Any) -> None:
        is_own = id(source) in self.own or id(source) in self.fresh
        wanted = OWN if is_own else source
        natives = NATIVE_DRAWS.get()
        is_tried = self.is_known or any(native is NONE or native is wanted for native in natives)
        # What a trace before has asked for and this one does not know: a library makes it anew.
        is_anew = any(native is not OWN and id(native) not in self.used for native in natives)
        if not (is_tried or is_anew) and _stream_of(source) is not None:
            raise NativeDrawsWanted(wanted)


def weakened(value: Any, is_weak: bool = True) -> Any:
    """``value``, as a Python number if ``is_weak``."""
    from .number import copied_number
    from .tracer import Tracer, mark_weak

    if not isinstance(value, Tracer):  # known while tracing
        return value.item() if is_weak else value
    return mark_weak(copied_number(value)) if is_weak else value


def _stream_of(source: Any) -> Stream | None:
    return MAKERS[0](source) if MAKERS else None


def _is_known(stream: Stream) -> bool:
    """Whether its state is known while tracing."""
    return all_known(list(vars(stream).values()))
