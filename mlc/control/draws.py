"""Random numbers that are drawn in native loops and branches: see `mlc.tracer.drawing`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..tracer.drawing import current
from ..tracer.native_draws import MAKERS, DrawnHereError
from .carry import NotNative


def _stream_of(source: Any) -> Any:
    from .distributions import stream_of

    return stream_of(source)


MAKERS.append(_stream_of)


@contextmanager
def drawn_along(index: Any, along: range | None) -> Iterator[list[Any]]:
    """The body of a loop over ``along``, None where the data decide how long it goes on; what it
    draws each time comes out."""
    draws = current()
    if draws is None:
        yield []
    elif along is None:
        with drawn_nowhere("a loop whose end the data decide"):
            yield []
    else:
        with draws.loop(index, along) as steps:
            yield steps


@contextmanager
def drawn_nowhere(why: str) -> Iterator[None]:
    """What runs only where the data say so, and can draw nothing."""
    draws = current()
    if draws is None:
        yield
        return
    with draws.nowhere(why):
        try:
            yield
        except DrawnHereError as error:
            raise NotNative(str(error)) from None


def drawn_in_loop(along: range | None, steps: list[Any]) -> None:
    """A loop over ``along``, whose body draws ``steps``, has become native."""
    draws = current()
    if draws is not None and along is not None:
        draws.repeated(len(along), steps)


@contextmanager
def draws_undone() -> Iterator[list[Any]]:
    """Collect what is drawn inside, which then was not drawn."""
    draws = current()
    if draws is None:
        yield []
        return
    with draws.tried() as drawn:
        yield drawn
