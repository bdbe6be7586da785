"""The compiled families of a function: for a call, the one that fits, or a new one."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compile_device import DEVICE_TARGETS
from ..errors import MlcError, UnsupportedError
from ..lowered import CacheRow
from ..ops.foreign import may_look_outside
from ..ops.op import MANY_SIZES
from ..specialization import Specialization, refuse_captured_writes
from ..tracer.signature import Key, call_text, why_new
from ..tracer.traced import Traced
from .chunks import NotChunked, find_chunks
from .dims import Dim, Dims, Place, resized
from .running import Family, Member
from .stages import build_stages
from .template import Mismatch, Template, make_template

if TYPE_CHECKING:
    from .on_device import DeviceFamily, DeviceMember

_FAMILIES = 4  # kept for one signature, when the function is another one for some sizes
Trace = Callable[[tuple[Key, ...]], Traced]


@dataclass(eq=False)
class _Known:
    """What is known of one signature with one free size."""

    families: list[tuple[Family | DeviceFamily, Any]] = field(default_factory=list)
    attempts: int = 0
    reason: str = ""


def families_of(dynamic: Any, function: Callable[..., Any]) -> Families | None:
    """The families of ``function``, if ``dynamic`` or its annotations name a size."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    known = [] if takes_any else [p.name for p in parameters]
    dims = Dims(dynamic, function, known)
    return Families(dims) if dims else None


class Families:
    """All families of one function."""

    def __init__(self, dims: Dims) -> None:
        self.dims = dims
        self._known: dict[Any, _Known] = {}

    def clear(self) -> None:
        self._known = {}

    def entry(
        self, jitted: Any, signature: Any, args: Any, kwargs: Any, statics: Any, change: str
    ) -> tuple[Specialization | None, str]:
        """How to run a call of a new size; or nothing, and what to tell of the reason."""
        keys, names, debug = signature
        if debug:  # indices are left as they are, for checks that code for all sizes does not make
            return None, "; where indices are looked at there is code for each size"
        labels = jitted._names(names, len(args))
        places = self.dims.places(labels, keys)
        if not places:
            return None, ""
        if jitted._target not in ("cpu", *DEVICE_TARGETS):
            return None, "; the reference backends have code for each size"
        began = time.perf_counter()

        def trace(other: tuple[Key, ...]) -> Any:
            token = MANY_SIZES.set(True)
            try:
                return jitted._trace((other, names, debug), args, kwargs, statics)
            finally:
                MANY_SIZES.reset(token)

        try:
            traced, captures = trace(resized(keys, places, {}))
        except UnsupportedError:  # if it is not since the data choose sizes, it will be again
            return None, "; sizes that the data choose have code for each size"
        traced_at = time.perf_counter()
        name, target = jitted._parameters.function, jitted._target
        options = {"name": name if name.isidentifier() else "lambda", "target": target}
        call = _Call(places, keys, traced, lambda k: trace(k)[0], {**options, "debug": debug})
        found, note = self._find(call, (names, debug))
        if found is None:
            return None, note
        captures.settle()
        refuse_captured_writes(name, captures)
        member, at, shown, row = found
        if row is None:
            reason = jitted._reason(signature, change, len(args))
            others = [(k, *c) for (k, c), known in self._known.items() if known.families]
            if others and not change and all(k != shown for k, *_ in others):
                reason = why_new(others, shown, labels, names, debug)
            row = CacheRow(
                signature=call_text(jitted._names(names, len(args)), shown),
                target=target,
                when=time.time(),
                trace_seconds=traced_at - began,
                compile_seconds=time.perf_counter() - traced_at,
                from_cache=member.from_cache,
                reason=jitted._with_values(reason) + note,
            )
            at.families.append((member.family, row))
        return Specialization(traced, member, captures, row, None), ""

    def _find(self, call: _Call, context: Any) -> tuple[Any, str]:
        """(member, where its family belongs, the keys to show, the row it has); or why none."""
        reasons: dict[str, str] = {}
        for dim in dict.fromkeys(p.dim for p in call.places):
            size = next(p.size for p in call.places if p.dim == dim)
            shown = resized(call.keys, call.places, {dim.name: _Name(dim.name)})
            known = self._known.setdefault((shown, context), _Known())
            why = known.reason
            if call.traced.draws is not None or call.traced.refills or call.traced.printed:
                why = "draws random numbers" if call.traced.draws else "changes lists"
                why = "prints" if call.traced.printed else why
                return None, f"; what {why} is compiled for each size"
            for family, row in known.families:
                try:
                    values = family.template.values(call.traced, size)
                    member = family.member(call.traced, size, *values)
                except Mismatch as mismatch:
                    why = str(mismatch)
                    continue
                return (member, known, shown, row), ""
            if not call.traced.outputs:
                return None, ""
            if call.traced.failure is not None:
                return None, "; errors that compiled code notes are compiled for each size"
            if may_look_outside(call.traced.outputs):
                why = "what an operator of one's own reads where the data say"
                return None, f"; {why} is looked at by code for each size"
            if known.attempts < _FAMILIES:
                known.attempts += 1
                try:
                    member = _new_family(call, dim, size)
                    return (member, known, shown, None), f"; {why}" if why else ""
                except (Mismatch, NotChunked) as problem:
                    known.reason = why = str(problem)
            reasons[dim.name] = why
        parts = [f"; compiled for each {name}: {why}" for name, why in reasons.items()]
        return None, "".join(parts)


@dataclass(frozen=True, eq=False)
class _Call:
    """A call of a size: its trace, and how to trace it for others."""

    places: Sequence[Place]
    keys: tuple[Key, ...]
    traced: Traced
    trace: Trace
    options: dict[str, Any]


def _new_family(call: _Call, dim: Dim, size: int) -> Member | DeviceMember:
    """A family that runs ``call``; Mismatch or NotChunked where there can be none."""
    pairs = dim.samples(size, _extents(call.keys, call.places, dim.name))
    problem: Exception = Mismatch(f"{dim.name} may take too few sizes")
    for n, (smaller, larger) in enumerate(pairs):
        try:
            graphs = _trace_for(call, dim, smaller), _trace_for(call, dim, larger)
            template = make_template(graphs[0], smaller, graphs[1], larger)
            values = template.values(call.traced, size)
        except Mismatch as mismatch:
            problem = mismatch if n == 0 else problem
            continue
        if call.options["target"] in DEVICE_TARGETS:
            return _on_device(call, template, size, *values)
        chunks = find_chunks(template)
        try:
            stages = tuple(build_stages(chunks, most=dim.max, **call.options))
        except MlcError as error:  # a schedule that is refused for rows apart
            raise NotChunked(error.message) from error
        family = Family(chunks, stages)
        return family.member(call.traced, size, *values)
    raise problem


def _on_device(
    call: _Call, template: Template, size: int, numbers: list[Any], arrays: list[Any]
) -> DeviceMember:
    from .on_device import DeviceFamily

    family = DeviceFamily(template, call.options["name"], call.options["target"])
    return family.member(call.traced, size, numbers, arrays)


def _trace_for(call: _Call, dim: Dim, size: int) -> Traced:
    try:
        return call.trace(resized(call.keys, call.places, {dim.name: size}))
    except Exception as error:  # of the function, for a size that nobody has asked for
        text = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
        raise Mismatch(f"for {size} there is an error ({text})") from error


@dataclass(frozen=True)
class _Name:
    """A size in a key that stands for all sizes."""

    name: str

    def __repr__(self) -> str:
        return self.name


def _extents(keys: Sequence[Any], places: Sequence[Place], name: str) -> set[int]:
    """The extents of the arguments, but of those called ``name``."""
    found: set[int] = set()
    for key in resized(keys, places, {name: -1}):
        if key[0] == "static":
            continue
        leaves = [key] if isinstance(key[0], (np.dtype, type)) else key[1:]
        for leaf in leaves:
            if len(leaf) > 1:
                found.update(leaf[1])
    return found
