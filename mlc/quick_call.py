"""The short way of a call over arrays on a card that was made before: no stand-ins, no keys.

It is taken by functions of whole arrays that return new ones; whatever else there is (numbers,
trees, keywords, writes, data that may be refused, views that have to be copied) goes the long way,
in `device_call`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .config import is_debug_anywhere
from .runtime.cuda.arrays import CUPY, TORCH, Library, library_of
from .runtime.cuda.card import card
from .runtime.cuda.launch import Launched
from .specialization import MISS

_LIMIT = 256  # kinds of calls that are remembered


@dataclass(frozen=True, eq=False)
class Quick:
    """A compiled signature over arrays of ``library`` on card ``device``; ``own_bytes`` is the
    workspace that the library allocates."""

    entry: Any
    entries: Any  # where the function keeps it: another one once its cache was cleared
    library: Library
    device: int
    launched: Launched
    constants: list[int]
    outputs: list[tuple[tuple[int, ...], Any]]
    results: list[int]  # numbers of outputs
    structure: type | None  # tuple or list; None for a single result
    pairs: list[int]  # outputs that hold complex numbers
    own_bytes: int = 0


class QuickCalls:
    """What is known of the calls of one function, by what their arrays look like."""

    def __init__(self) -> None:
        self._known: dict[Any, Quick] = {}

    def run(self, entries: Any, args: tuple[Any, ...]) -> Any:
        """The result of a call that is known; MISS, and nothing done, for any other."""
        if not self._known:
            return MISS
        marks, pointers = [], []
        for value in args:
            library = library_of(type(value))
            mark = None if library is None else library.mark(value)
            if mark is None:
                return MISS
            marks.append(mark[0])
            pointers.append(mark[1])
        quick = self._known.get(tuple(marks))
        if quick is None or quick.entries is not entries or is_debug_anywhere():
            return MISS
        if quick.device != card().device():
            return MISS
        captures = quick.entry.captures
        if captures and captures.change():
            return MISS
        library, device = quick.library, quick.device
        try:
            made = [library.empty(shape, dtype, device) for shape, dtype in quick.outputs]
        except Exception:
            return MISS  # the long way says what is wrong
        if quick.constants:
            pointers += quick.constants
        for array in made:
            pointers.append(library.pointer(array))
        workspace, space = 0, None
        if quick.own_bytes:
            space = library.workspace(quick.own_bytes, device)
            workspace = library.pointer(space)
        quick.launched(pointers, workspace, library.stream(device), device)
        for n in quick.pairs:
            made[n] = library.paired(made[n])
        if quick.structure is None:
            return made[quick.results[0]]
        return quick.structure(made[n] for n in quick.results)

    def remember(
        self, entries: Any, args: tuple[Any, ...], entry: Any, plan: Any, device: int
    ) -> None:
        """Keep a call that went well, if it is one of those that can be made the short way."""
        traced = entry.traced
        libraries = {library_of(type(value)) for value in args}
        numbers = [result.value for result in traced.results if result.kind == "output"]
        structure, is_flat = _flat(traced)
        plain = is_flat and len(numbers) == len(traced.results)
        waits = plan.launched.module.checks or traced.failure or traced.sizes
        if not plain or waits or traced.writes or len(libraries) != 1:
            return
        library = libraries.pop()
        if library is None:
            return
        marks = [library.mark(value) for value in args]
        if None in marks:
            return
        if len(self._known) >= _LIMIT:
            self._known.clear()
        own_bytes = plan.launched.module.workspace_bytes if library is TORCH else 0
        constants = [CUPY.pointer(array) for array in plan.held_constants(device)]
        pairs = [n for n, is_pair in zip(numbers, traced.complex_leaves) if is_pair]
        self._known[tuple(mark[0] for mark in marks if mark is not None)] = Quick(
            entry, entries, library, device, plan.launched, constants, plan.outputs, numbers,
            structure, pairs, own_bytes,
        )  # fmt: skip


def _flat(traced: Any) -> tuple[type | None, bool]:
    """What a function returns its results in, and whether it is that alone: each result may be
    complex."""
    structure = traced.structure
    if structure is None or isinstance(structure, type):
        return structure, True
    many = structure.type in (tuple, list)
    parts = structure.children() if many else [structure]
    pairs = sum(traced.complex_leaves)
    simple = sum(part.is_leaf() for part in parts)
    return structure.type if many else None, simple + pairs == len(parts) == len(traced.results)
