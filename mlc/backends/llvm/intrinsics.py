"""Calls of intrinsics: addresses and strides go to native code, whose text joins the module.

An implementation as LLVM IR is checked on its own, so that what is wrong with it is said of it and
not of the module; then its functions become internal ones with the target's attributes. One in C is
compiled by a C compiler into a library (`runtime.c_library`), and the call goes to its symbol.
Where the target, or how an operand lies in memory, is not what native code needs, the meaning is
lowered to a function for these operands instead.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from ...errors import ArgumentError, CompileError
from ...ir.expr import const
from ...ir.intrinsic import (
    PAST,
    SEEN,
    Intrinsic,
    intrinsic_named,
    kept_dimensions,
    regions_of_call,
)
from ...ir.program import Buffer, Evaluate, Program, Region
from . import library
from .addressing import address_of
from .debug import check_bounds
from .emitter import Emitter

_NAME = r"[\w.$-]+"
_LINKAGE = {
    "private", "internal", "available_externally", "linkonce", "weak", "common", "appending",
    "extern_weak", "linkonce_odr", "weak_odr", "external", "dso_local", "dso_preemptable",
    "hidden", "protected", "default", "local_unnamed_addr", "unnamed_addr",
}  # fmt: skip


def emit_intrinsic_call(e: Emitter, call: Evaluate) -> None:
    """Call the native code of an intrinsic."""
    if e.lane is not None or e.mask is not None:
        raise CompileError(f"the call of {call.name} stands in a vectorized loop")
    intrinsic = intrinsic_named(call.name)
    regions = regions_of_call(call)
    arguments = []
    for region in regions:
        _check_region(e, region)
        arguments.append(f"ptr {address_of(e, region.buffer, region.starts).pointer}")
        strides = region.buffer.element_strides
        arguments += [f"i64 {strides[d]}" for d in kept_dimensions(region.extents)]
    if not _is_native(e, intrinsic, regions):
        places = (a for a in arguments if a.startswith("ptr "))
        e.line(f"call void {_meaning_function(e, intrinsic, regions)}({', '.join(places)})")
    elif "llvm" in intrinsic.implementations:
        first_written = len(regions) - intrinsic.meaning.outputs
        written = {r.buffer for r in regions[first_written:]}
        past = PAST in intrinsic.implementations and written <= e.passing
        e.passed = e.passed or past
        name, way = intrinsic.name, "llvm"
        if past:
            name, way = f"{name}_past", PAST
        elif SEEN in intrinsic.implementations and _are_seen(e, regions[:first_written]):
            name, way = f"{name}_seen", SEEN
        text = str(intrinsic.implementations[way])
        lines, symbol = module_lines(name, text, tuple(native_types(intrinsic)))
        for line in lines:
            e.declare(line)
        e.line(f"call void {symbol}({', '.join(arguments)})")
    else:
        symbol = f"@{c_symbol(intrinsic)}"
        e.declare(f"declare void {symbol}({', '.join(native_types(intrinsic))})")
        e.line(f"call void {symbol}({', '.join(arguments)})")
    for region in regions[len(regions) - intrinsic.meaning.outputs :]:
        e.stored(region.buffer)


def _are_seen(e: Emitter, regions: Sequence[Region]) -> bool:
    """Whether the processor sees coming what is read: not where that is in main memory."""
    most = max(e.target.past_bytes, e.target.l2_bytes)
    near = (r.buffer.size * r.buffer.dtype.itemsize <= most for r in regions)
    return e.target.looks_ahead and all(near)


def _is_native(e: Emitter, intrinsic: Intrinsic, regions: Sequence[Region]) -> bool:
    """Whether the processor, and the places of the operands, are such that native code may run."""
    if not e.target.offers(intrinsic.needs):
        return False
    for operand, region in zip(intrinsic.operands, regions, strict=True):
        expected = 1
        last = intrinsic.near.get(operand.name, 0)
        for d in reversed(kept_dimensions(region.extents)[-last:] if last else ()):
            if region.buffer.element_strides[d] != expected:
                return False
            expected *= region.extents[d]
    return True


def _meaning_function(e: Emitter, intrinsic: Intrinsic, regions: Sequence[Region]) -> str:
    """A function of the addresses of operands that lie as ``regions`` do; it does what a call
    means."""
    from ...lower.pipeline import lower
    from ...lower.replace_buffers import Place, replace_buffers
    from .kernel import kernel_text

    places: dict[Buffer, Place] = {}
    for operand, region in zip(intrinsic.operands, regions, strict=True):
        strides = [0] * operand.ndim
        mine, theirs = kept_dimensions(operand.shape), kept_dimensions(region.extents)
        for d, n in zip(mine, theirs, strict=True):
            strides[d] = region.buffer.element_strides[n]
        lies = Buffer(operand.name, operand.shape, operand.dtype, tuple(strides))
        places[operand] = Place(lies)
    params = tuple(place.buffer for place in places.values())
    body = replace_buffers(lower(intrinsic.meaning).body, places)
    program = Program(intrinsic.name, params, body, intrinsic.meaning.outputs)
    text = kernel_text(program, e.target, symbol=f"{e.symbol}_meaning{len(e.functions)}")
    e.functions.extend(text.functions)
    for line in text.declarations:
        e.declare(line)
    return f"@{text.symbol}"


def _check_region(e: Emitter, region: Region) -> None:
    """Its first and its last element, in debug mode."""
    check_bounds(e, region.buffer, region.starts)
    last = tuple(s + const(n - 1) for s, n in zip(region.starts, region.extents, strict=True))
    check_bounds(e, region.buffer, last)


def native_types(intrinsic: Intrinsic) -> list[str]:
    """The LLVM types of the parameters of native code: a pointer and the strides, by operand."""
    types = []
    for operand in intrinsic.operands:
        types += ["ptr", *["i64"] * len(kept_dimensions(operand.shape))]
    return types


def c_symbol(intrinsic: Intrinsic) -> str:
    """The name by which code calls the implementation in C: another one for other source."""
    from hashlib import sha256

    text = f"{intrinsic.implementations['c']}\0{native_types(intrinsic)}"
    return f"mlc_c_{intrinsic.name}_{sha256(text.encode()).hexdigest()[:16]}"


@functools.lru_cache(maxsize=256)
def module_lines(name: str, text: str, types: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """What the module needs of an implementation in LLVM IR, and the symbol to call."""
    _verify(name, text, types)
    kept = []
    for line in text.splitlines():
        line = re.sub(r";.*", "", line) if '"' not in line else line
        if re.match(r"\s*(source_filename|target |attributes #|![\w.]+ =)", line):
            continue
        line = re.sub(r",? ![\w.]+ !\d+|#\d+", "", line).rstrip()
        if line:
            kept.append(line)
    text = "\n".join(kept)
    names = re.findall(rf"^define [^@]*@({_NAME})|^@({_NAME}) =", text, re.M)
    for own in {a or b for a, b in names}:
        fresh = f"intrinsic_{name}" + ("" if own == name else f".{own}")
        text = re.sub(rf"@{re.escape(own)}(?![\w.$-])", f"@{fresh}", text)
    lines: list[str] = []
    for part in re.split(r"^(?=define |declare |@|%)", text, flags=re.M):
        if part.startswith("declare "):
            lines.append(_declaration(part))
        elif part.startswith("define "):
            lines.append(_definition(part))
        elif part.strip():
            lines.append(part.strip())
    return tuple(lines), f"@intrinsic_{name}"


def _declaration(text: str) -> str:
    """In the form in which the code generator writes it, so that equal ones are one."""
    text = " ".join(text.split())
    head, _, rest = text.partition("(")
    params = re.sub(rf" (noundef|nocapture|readonly|writeonly|immarg|%{_NAME})", "", rest)
    words = [w for w in head.split() if w not in _LINKAGE]
    return f"{' '.join(words)}({params[: params.rindex(')') + 1]}"


def _definition(text: str) -> str:
    """Internal, with the attributes that all functions of the module have."""
    start = text.index("(", text.index("@"))
    depth, end = 0, start
    for end in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if not depth:
            break
    words = [w for w in text[len("define ") : start].split() if w not in _LINKAGE]
    head, body = " ".join(words) + text[start : end + 1], text[text.index("{", end) :]
    head, body = " ".join(words) + text[start : end + 1], text[text.index("{", end) :]
    return f"define internal {head} #0 {body.rstrip()}"


def _verify(name: str, text: str, parameters: tuple[str, ...]) -> None:
    """Raises unless ``text`` is a module with a function of this name that takes the operands."""
    wanted = f"void ({', '.join(parameters)})"
    if not _defines(name, text, wanted):
        _refuse(name, text, wanted)


def _defines(name: str, text: str, wanted: str) -> bool:
    """Whether that is so, as far as can be told without llvmlite's Python side."""
    if not library.is_direct():
        return False
    try:
        return library.type_defined(text, name) == wanted
    except library.RefusedError:
        return False


def _refuse(name: str, text: str, wanted: str) -> None:
    """Say what is wrong with ``text``, if anything is."""
    import llvmlite.binding as llvm

    what = f"the LLVM implementation of intrinsic {name!r}"
    try:
        module = llvm.parse_assembly(text, context=llvm.create_context())
        module.verify()
    except RuntimeError as error:
        raise ArgumentError(f"{what} is refused by LLVM: {str(error).strip()}") from None
    types = {f.name: str(f.global_value_type) for f in module.functions if not f.is_declaration}
    if types.get(name) != wanted:
        found = f"{name} has the type {types[name]}" if name in types else f"it defines {[*types]}"
        shapes = ", ".join(f"{b.name}{list(b.shape)}" for b in intrinsic_named(name).operands)
        raise ArgumentError(
            f"{what} must define @{name} with the type {wanted}: for each operand ({shapes}) a "
            f"pointer and a stride in elements for each dimension that is not 1; {found}"
        )
