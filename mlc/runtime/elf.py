"""Our own small static linker: relocatable ELF files in, one flat image's parts out.

LLVM is 37 ms of import; an object linked here once is later loaded by `image.load_image` without
it. Read-only sections come first, then (on a page of their own) the writable ones, then one
pointer slot for every symbol that somebody else provides. Every relocation inside the image is
resolved here; what depends on the load address becomes a fixup of 8 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import field

from mlc.errors import CompileError
from mlc.records import dataclass

X86_64, AARCH64 = 62, 183
_PAGE = {X86_64: 4096, AARCH64: 65536}
_WRITE, _ALLOC, _TLS = 1, 2, 0x400
_NOBITS, _RELA, _REL, _SYMTAB = 8, 4, 9, 2
_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2


@dataclass(frozen=True, slots=True)
class Linked:
    """A linked image: ``ro`` (code and constants), ``rw`` (data and slots), then zeros to ``size``.

    Offsets count from the start of ``ro``; ``rw`` starts at ``rw_offset``. A fixup ``(at, addend)``
    stores the load address plus ``addend`` at ``at``.
    """

    machine: int
    ro: bytes
    rw_offset: int
    rw: bytes
    size: int
    exports: dict[str, int]
    imports: dict[str, int]
    fixups: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    data: memoryview
    size: int
    link: int
    info: int
    align: int
    place: int = -1


@dataclass(slots=True)
class _Symbol:
    name: str
    binding: int
    kind: int
    section: int
    value: int
    size: int


@dataclass(slots=True)
class _Layout:
    machine: int
    sections: list[_Section]
    memory: bytearray = field(default_factory=bytearray)
    slots: dict[str, int] = field(default_factory=dict)
    own_slots: dict[int, int] = field(default_factory=dict)
    stubs: dict[str, int] = field(default_factory=dict)
    fixups: list[tuple[int, int]] = field(default_factory=list)


_Relocation = tuple[int, int, int, int, int]  # section, offset, kind, symbol, addend


def is_linkable(data: bytes) -> bool:
    """Whether ``data`` is a relocatable ELF file of a machine known here."""
    return (
        data[:6] == b"\x7fELF\x02\x01"
        and len(data) >= 64
        and struct.unpack_from("<HH", data, 16) in ((1, X86_64), (1, AARCH64))
    )


def link(*objects: bytes) -> Linked:
    """Link relocatable object files (x86-64 or aarch64), which find each other's functions and
    variables by name; CompileError for what it cannot hold."""
    if not all(map(is_linkable, objects)):
        raise CompileError("expected a relocatable ELF object file for x86-64 or aarch64")
    machine = struct.unpack_from("<H", objects[0], 18)[0]
    sections, symbols, relocations = _read_all(objects)
    layout = _Layout(machine, sections)

    ro_end, rw_offset, rw_end = _place_all(layout, symbols, relocations)
    _fill(layout)
    for index, slot in layout.own_slots.items():
        layout.fixups.append((slot, _place_of(symbols[index], sections)))
    apply = {X86_64: _relocate_x86, AARCH64: _relocate_arm}[machine]
    for section_index, offset, kind, index, addend in relocations:
        apply(layout, sections[section_index].place + offset, kind, symbols[index], index, addend)
    exports = {s.name: _place_of(s, sections) for s in symbols if _is_for_others(s)}
    return Linked(
        machine=machine,
        ro=bytes(layout.memory[:ro_end]),
        rw_offset=rw_offset,
        rw=bytes(layout.memory[rw_offset:rw_end]),
        size=len(layout.memory),
        exports=exports,
        imports=layout.slots,
        fixups=tuple(layout.fixups),
    )


def _read_all(
    objects: Sequence[bytes],
) -> tuple[list[_Section], list[_Symbol], list[_Relocation]]:
    """What the files hold, numbered as if it were one file."""
    sections: list[_Section] = []
    symbols: list[_Symbol] = []
    relocations: list[_Relocation] = []
    for data in objects:
        found = _read_sections(data)
        known = _read_symbols(found)
        for section, offset, kind, symbol, addend in _read_relocations(found):
            row = section + len(sections), offset, kind, symbol + len(symbols), addend
            relocations.append(row)
        for one in known:
            if one.section not in (_UNDEFINED, _ABSOLUTE, _COMMON):
                one.section += len(sections)
        sections += found
        symbols += known
    if len(objects) > 1:
        defined = {s.name: s for s in symbols if _is_for_others(s)}
        symbols = [defined.get(s.name, s) if s.section == _UNDEFINED else s for s in symbols]
    return sections, symbols, relocations


def _is_for_others(symbol: _Symbol) -> bool:
    return bool(symbol.binding in (1, 2) and symbol.section != _UNDEFINED and symbol.name)


def _place_all(
    layout: _Layout, symbols: list[_Symbol], relocations: list[_Relocation]
) -> tuple[int, int, int]:
    """Give sections, stubs, slots and common symbols their places, and the layout its memory: what
    is read and run, stubs among it, and from the next page on what is written, slots before what
    begins as zeros. Returns the end of the first, the begin of the second and of its zeros."""
    machine = layout.machine
    called, needed, own = _used_symbols(machine, symbols, relocations)
    kept = [s for s in layout.sections if s.place == 0]
    writable = [s for s in kept if s.flags & _WRITE]
    position = _placed([s for s in kept if not s.flags & _WRITE], 0)
    position = _aligned(position, 16)
    for name in called:
        layout.stubs[name] = position
        position += 16
    ro_end = position
    rw_offset = _aligned(position, _PAGE[machine])
    position = _placed([s for s in writable if s.kind != _NOBITS], rw_offset)
    position = _aligned(position, 8)
    for name in needed:
        layout.slots[name] = position
        position += 8
    for index in own:
        layout.own_slots[index] = position
        position += 8
    rw_end = position
    position = _placed([s for s in writable if s.kind == _NOBITS], position)
    for symbol in symbols:
        if symbol.section == _COMMON:  # its value is the alignment
            position = _aligned(position, symbol.value)
            symbol.section, symbol.value = _ABSOLUTE, position
            position += symbol.size
    layout.memory = bytearray(position)
    return ro_end, rw_offset, rw_end


def _used_symbols(
    machine: int, symbols: list[_Symbol], relocations: list[_Relocation]
) -> tuple[list[str], list[str], list[int]]:
    """The names that are called, those that need slots, and the symbols of this file that do."""
    needed: dict[str, None] = {}
    called: dict[str, None] = {}
    own: dict[int, None] = {}
    for _, _, kind, index, _ in relocations:
        symbol = symbols[index]
        if symbol.section == _UNDEFINED:
            needed[symbol.name] = None
            if kind in _CALLS[machine]:
                called[symbol.name] = None
        elif kind in _THROUGH_SLOT[machine]:
            own[index] = None
    return list(called), list(needed), list(own)


def _placed(sections: list[_Section], position: int) -> int:
    """Put sections one behind the other; returns the end of the last."""
    for section in sections:
        position = section.place = _aligned(position, section.align)
        position += section.size
    return position


def _fill(layout: _Layout) -> None:
    """Copy the sections and write the stubs."""
    for section in layout.sections:
        if section.place >= 0 and section.kind != _NOBITS:
            layout.memory[section.place : section.place + section.size] = section.data
    for name, place in layout.stubs.items():
        stub = _STUB[layout.machine](place, layout.slots[name])
        layout.memory[place : place + 16] = stub


def _aligned(position: int, align: int) -> int:
    return -(-position // max(align, 1)) * max(align, 1)


def _read_sections(data: bytes) -> list[_Section]:
    view = memoryview(data)
    (table,) = struct.unpack_from("<Q", data, 0x28)
    entry, count, names_index = struct.unpack_from("<HHH", data, 0x3A)
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry) for i in range(count)]
    names = rows[names_index][4]
    sections = []
    for name_at, kind, flags, _, offset, size, link_to, info, align, _ in rows:
        name = _text_at(data, names + name_at)
        content = view[offset : offset + size] if kind != _NOBITS else view[:0]
        if kind != _NOBITS and len(content) != size:
            raise CompileError(f"object file is cut off in section {name!r}")
        section = _Section(name, kind, flags, content, size, link_to, info, align)
        if flags & _TLS:
            raise CompileError(f"thread-local data ({name}) cannot be loaded; use the workspace")
        # Unwind tables are for C++ exceptions, which kernels do not throw.
        if flags & _ALLOC and name != ".eh_frame":
            section.place = 0
        sections.append(section)
    return sections


def _read_symbols(sections: list[_Section]) -> list[_Symbol]:
    table = next((s for s in sections if s.kind == _SYMTAB), None)
    if table is None:
        return []
    strings = bytes(sections[table.link].data)
    symbols = []
    for name_at, info, _, section, value, size in struct.iter_unpack("<IBBHQQ", table.data):
        symbols.append(
            _Symbol(_text_at(strings, name_at), info >> 4, info & 15, section, value, size)
        )
    return symbols


def _read_relocations(sections: list[_Section]) -> list[_Relocation]:
    """(section, offset, kind, symbol, addend) of every relocation in a section that is loaded."""
    found = []
    for section in sections:
        if section.kind == _REL and sections[section.info].place >= 0:
            raise CompileError("relocations without addends are not supported")
        if section.kind == _RELA and sections[section.info].place >= 0:
            for offset, info, addend in struct.iter_unpack("<QQq", section.data):
                found.append((section.info, offset, info & 0xFFFFFFFF, info >> 32, addend))
    return found


def _text_at(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _place_of(symbol: _Symbol, sections: list[_Section]) -> int:
    if symbol.section == _ABSOLUTE:
        return symbol.value
    place = sections[symbol.section].place
    if place < 0:
        raise CompileError(f"symbol {symbol.name!r} lies in a section that is not loaded")
    return place + symbol.value


def _target_place(layout: _Layout, symbol: _Symbol, index: int, through_slot: bool) -> int:
    """Where a PC-relative relocation points: the symbol, its slot, or the stub that calls it."""
    if through_slot:
        if symbol.section == _UNDEFINED:
            return layout.slots[symbol.name]
        return layout.own_slots[index]
    if symbol.section == _UNDEFINED:
        if symbol.name not in layout.stubs:
            raise CompileError(f"{symbol.name!r} is used without a slot; compile it with PIC")
        return layout.stubs[symbol.name]
    return _place_of(symbol, layout.sections)


def _relocate_x86(
    layout: _Layout, at: int, kind: int, symbol: _Symbol, index: int, addend: int
) -> None:
    match kind:
        case 0:
            return
        case 1:
            _pointer(layout, at, symbol, addend)
        case 2 | 4 | 9 | 41 | 42:
            target = _target_place(layout, symbol, index, kind in _THROUGH_SLOT[X86_64])
            struct.pack_into("<i", layout.memory, at, target + addend - at)
        case 24:
            target = _target_place(layout, symbol, index, False)
            struct.pack_into("<q", layout.memory, at, target + addend - at)
        case _:
            raise CompileError(
                f"x86-64 relocation {kind} against {symbol.name!r} is not position independent"
            )


def _relocate_arm(
    layout: _Layout, at: int, kind: int, symbol: _Symbol, index: int, addend: int
) -> None:
    if kind == 257:
        _pointer(layout, at, symbol, addend)
        return
    if kind == 0:
        return
    target = _target_place(layout, symbol, index, kind in _THROUGH_SLOT[AARCH64]) + addend
    if kind in (260, 261):
        struct.pack_into("<q" if kind == 260 else "<i", layout.memory, at, target - at)
        return
    (word,) = struct.unpack_from("<I", layout.memory, at)
    if kind in (282, 283):
        word |= ((target - at) >> 2) & 0x03FFFFFF
    elif kind in (275, 276, 311):
        word |= _adr_bits((target >> 12) - (at >> 12))
    elif kind in _ARM_LOW_SHIFT:
        word |= ((target & 0xFFF) >> _ARM_LOW_SHIFT[kind]) << 10
    else:
        raise CompileError(
            f"aarch64 relocation {kind} against {symbol.name!r} is not position independent"
        )
    struct.pack_into("<I", layout.memory, at, word)


def _pointer(layout: _Layout, at: int, symbol: _Symbol, addend: int) -> None:
    if symbol.section == _UNDEFINED:
        raise CompileError(f"data that holds the address of {symbol.name!r} is not supported")
    layout.fixups.append((at, _place_of(symbol, layout.sections) + addend))


def _adr_bits(pages: int) -> int:
    return ((pages & 3) << 29) | (((pages >> 2) & 0x7FFFF) << 5)


def _x86_stub(place: int, slot: int) -> bytes:
    # jmp *slot(%rip); int3 ...
    return b"\xff\x25" + struct.pack("<i", slot - place - 6) + b"\xcc" * 10


def _arm_stub(place: int, slot: int) -> bytes:
    # adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16; brk
    page = 0x90000010 | _adr_bits((slot >> 12) - (place >> 12))
    load = 0xF9400210 | (((slot & 0xFFF) >> 3) << 10)
    return struct.pack("<IIII", page, load, 0xD61F0200, 0xD4200000)


_STUB: dict[int, Callable[[int, int], bytes]] = {X86_64: _x86_stub, AARCH64: _arm_stub}
_CALLS = {X86_64: (2, 4), AARCH64: (282, 283)}
_THROUGH_SLOT = {X86_64: (9, 41, 42), AARCH64: (311, 312)}
_ARM_LOW_SHIFT = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4, 312: 3}
