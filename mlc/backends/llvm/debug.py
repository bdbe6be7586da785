"""Debug mode: an index outside its buffer ends the kernel and leaves a record.

The record is two int64, ``@mlc_error_record``: the number of the check that failed, counted from 1
(0: none did), and the index it met. :class:`Site` says what a number means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ...dtypes import boolean, int64
from ...errors import SourceLocation
from ...ir.program import Buffer
from ...records import dataclass
from .emitter import Emitter
from .facts import Indices
from .types import Value, constant, type_of

RECORD = "@mlc_error_record"


@dataclass(frozen=True)
class Site:
    """One check: an index of dimension ``axis`` of ``buffer``, which must be below ``extent``."""

    kernel: str
    buffer: str
    axis: int
    extent: int
    location: SourceLocation | None = None
    refusal: tuple[str, str] | None = None


@dataclass
class Sites:
    """The checks of a module so far; ``first`` is the number of the first of this kernel.

    ``refusals`` are what indices outside of some buffers mean, by name; with them ``only`` these
    buffers are checked.
    """

    kernel: str
    first: int = 1
    location: SourceLocation | None = None
    refusals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    only: bool = False
    rows: list[Site] = field(default_factory=list)


def check_bounds(e: Emitter, buffer: Buffer, indices: Indices) -> None:
    """Leave the function if an active lane's index is outside; nothing unless in debug mode, or
    where the program says what such an index means.

    Indices that are proven to be inside are not checked.
    """
    if e.sites is None or e.sites.only and buffer.name not in e.sites.refusals:
        return
    refusal, name = e.sites.refusals.get(buffer.name), buffer.name
    if e.sites.location is not None:  # in a native loop, where what it changes is called so
        name = name.removesuffix("_after")
    for axis, (index, extent) in enumerate(zip(indices, buffer.shape, strict=True)):
        if e.facts.proven(index, extent):
            continue
        site = Site(e.sites.kernel, name, axis, extent, e.sites.location, refusal)
        value = e.value(index)  # first, since it may hold checks of its own
        e.sites.rows.append(site)
        _check(e, value, extent, e.sites.first + len(e.sites.rows) - 1)


def _check(e: Emitter, index: Value, extent: int, number: int) -> None:
    bad = e.compare("uge", index, constant(extent, int64))
    if e.mask is not None:
        mask = e.mask if bad.lanes else e.any_lane(e.mask)
        bad = e.binary("and", bad, mask)
    any_bad = e.any_lane(bad)
    name = e.name("k")
    e.line(f"br i1 {any_bad.text}, label %{name}bad, label %{name}")
    e.label(f"{name}bad")
    if bad.lanes:
        index = e.splat(index, bad.lanes)
        bits = e.raw(f"bitcast {bad} to i{bad.lanes}")
        full = f"@llvm.cttz.i{bad.lanes}"
        e.declare(f"declare i{bad.lanes} {full}(i{bad.lanes}, i1)")
        lane = e.raw(f"call i{bad.lanes} {full}(i{bad.lanes} {bits}, i1 true)")
        index = e.op(f"extractelement {index}, i{bad.lanes} {lane}", int64)
    # Of several threads the first one writes.
    swap = e.raw(f"cmpxchg ptr {RECORD}, i64 0, i64 {number} monotonic monotonic")
    won = e.op(f"extractvalue {{ i64, i1 }} {swap}, 1", boolean)
    e.line(f"br i1 {won.text}, label %{name}first, label %{name}end")
    e.label(f"{name}first")
    place = e.raw(f"getelementptr i64, ptr {RECORD}, i64 1")
    e.line(f"store {type_of(int64)} {index.text}, ptr {place}")
    e.line(f"br label %{name}end")
    e.label(f"{name}end")
    e.line(e.failure)
    e.label(name)
