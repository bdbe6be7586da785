"""Loops that stay Python's while tracing, and what the statements of a loop or branch change."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from .around import REPEATS, cell_of
from .carry import UNDEFINED, State
from .forms import is_traced, native_for, native_if
from .hosts import hosts_in
from .patience import Patience
from .watching import items_while

Thunk = Callable[[], Any]
Touched = tuple[Any, ...]  # nothing, or names and what reads them, and a number


def state_of(
    names: Sequence[str], reads: Sequence[Thunk], put: Any, what: str, body: Any = None,
    touched: Touched = (),
) -> State:  # fmt: skip
    """The variables ``names``, and what is in the lists and objects that ``touched`` names. Its
    last part says how many of ``names``, the last ones, nobody reads afterwards: they get their
    values back."""
    hosts = hosts_in(*touched[:2]) if touched else []
    labels = [name for host in hosts for name in host.names]
    count = len(names) - (touched[2] if len(touched) > 2 else 0)
    spent = [read_now(read) for read in reads[count:]]
    names, reads = names[:count], reads[:count]

    def get() -> list[Any]:
        found = [read_now(read) for read in reads]
        for host in hosts:
            found += host.get()
        return found

    def put_all(values: list[Any]) -> None:
        if put is not None:
            put([*values[: len(names)], *spent])
        at = len(names)
        for host in hosts:
            host.put(values[at : at + len(host.names)])
            at += len(host.names)

    found = {name: cell_of(read, name) for name, read in zip(names, reads)}
    cells = {name: cell for name, cell in found.items() if cell is not None}
    return State((*names, *labels), get, put_all, what, place=getattr(body, "__code__", None),
                 cells=cells, hosts=len(labels), boxes=tuple([h.box for h in hosts]))  # fmt: skip


def read_now(read: Thunk) -> Any:
    try:
        return read()
    except NameError:
        return UNDEFINED


@contextmanager
def repeating(count: int) -> Iterator[None]:
    """Inside, each loop counts as ``count`` of them."""
    token = REPEATS.set(REPEATS.get() * max(count, 1))
    try:
        yield
    finally:
        REPEATS.reset(token)


def run_all(
    items: Any, body: Callable[[Any], None], names: Sequence[str], reads: Sequence[Thunk],
    put: Any, test: Thunk | None, touched: Touched, patience: Patience | None = None,
    along: Any = None, finish: Callable[[int], bool] | None = None,
) -> None:  # fmt: skip
    """The iterations one after the other; after a break that is traced, under its condition. Where
    they are those of a range ``along``, and ``patience`` is over, the rest may be native; where
    they are heavy, ``finish`` tries to do all but so many of them."""
    goes: Any = True
    done = 0

    def asked() -> Any:
        nonlocal goes
        goes = True if test is None else test()
        return goes

    def natively_ended() -> bool:
        nonlocal done
        done += 1
        if patience is None:
            return False
        if finish is not None and patience.is_heavy(done, len(along) - done) and finish(done):
            return True
        if not patience.is_over() or type(along) is not builtins.range or is_traced(goes):
            return False
        rest = along[done:]
        each = rest.start, rest.stop, rest.step

        def loop() -> None:
            state = state_of(names, reads, put, "the loop", body, touched)
            native_for(*each, body, state, test)

        return bool(rest) and patience.ended(loop)

    for item in items if test is None else items_while(items, asked):
        if is_traced(goes):
            state = state_of(names, reads, put, "the loop", None, touched)
            state.is_branch = True
            native_if(goes, partial(body, item), lambda: None, state)
        else:
            body(item)
        if natively_ended():
            return
