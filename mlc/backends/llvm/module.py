"""A whole module: the kernels, and the function that calls them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ...ir.program import Program
from ...records import dataclass
from .kernel import is_checked, kernel_text, symbol_of
from .target import Target

if TYPE_CHECKING:
    from .debug import Site

_TABLE = "@mlc_table"


@dataclass(frozen=True)
class BufferRef:
    """An argument of a kernel: buffer ``at`` of the caller's, or ``at`` bytes into the
    workspace, or into the table of the module."""

    kind: Literal["param", "workspace", "table"]
    at: int


@dataclass(frozen=True)
class KernelCall:
    """Kernel number ``kernel``, with an argument for each of its params."""

    kernel: int
    args: tuple[BufferRef, ...]


@dataclass(frozen=True)
class ModuleText:
    """The text of a module that defines ``i32 @mlc_main(ptr buffers, ptr workspace)``, and
    ``mlc_ahead`` of the same type if there is something to be called once before.

    With checks it also defines ``@mlc_error_record`` (two int64), and ``mlc_main`` returns 1
    after a failed check: ``sites[record[0] - 1]`` met index ``record[1]``."""

    text: str
    sites: tuple[Site, ...] = ()


def module_text(
    kernels: Sequence[Program],
    calls: Sequence[KernelCall],
    target: Target,
    debug: bool = False,
    ahead: Sequence[KernelCall] = (),
    table: Sequence[int] = (),
) -> ModuleText:
    """One module of flat programs, with ``mlc_main`` making ``calls`` in order, and ``mlc_ahead``
    those ``ahead``, if there are any. ``table`` holds words of 8 bytes that kernels may read.

    ``buffers`` holds the addresses that ``BufferRef("param", n)`` counts.
    """
    declarations: dict[str, None] = {}
    functions: list[str] = []
    sites: list[Site] = []
    symbols: list[str] = []
    known: dict[tuple[str, ...], str] = {}  # what is written the same is compiled once
    same: dict[int, str] = {}
    for i, program in enumerate(kernels):
        if id(program) in same:
            symbols.append(same[id(program)])
            continue
        symbol = f"k{i}_{symbol_of(program.name)}"
        kernel = kernel_text(program, target, debug, symbol, len(sites) + 1)
        bodies = tuple(body.replace(symbol, "") for body in kernel.functions)
        symbols.append(known.setdefault(bodies, symbol))
        if not kernel.sites:
            same[id(program)] = symbols[-1]
        if symbols[-1] != symbol:
            continue
        declarations.update(dict.fromkeys(kernel.declarations))
        functions.extend(kernel.functions)
        sites.extend(kernel.sites)
    checked = [is_checked(program, debug) for program in kernels]
    if any(checked):
        from .debug import RECORD

        declarations[f"{RECORD} = global [2 x i64] zeroinitializer, align 16"] = None
    if table:
        row = ", ".join([f"i64 {word}" for word in table])
        declarations[f"{_TABLE} = internal constant [{len(table)} x i64] [{row}], align 64"] = None
    functions.append(_main("mlc_main", symbols, calls, checked))
    if ahead:
        functions.append(_main("mlc_ahead", symbols, ahead, checked))
    parts = [*declarations, "", "\n\n".join(functions), "", _attributes(target)]
    return ModuleText("\n".join(parts) + "\n", tuple(sites))


def _attributes(target: Target) -> str:
    return (
        f"attributes #0 = {{ nounwind {target.attributes()} "
        f'"prefer-vector-width"="{target.vector_bits}" }}'
    )


def _main(
    name: str, symbols: Sequence[str], calls: Sequence[KernelCall], checked: Sequence[bool]
) -> str:
    lines = [f"define i32 @{name}(ptr noundef %buffers, ptr noundef %workspace) #0 {{", "entry:"]
    pointers: dict[BufferRef, str] = {}
    for call in calls:
        for ref in call.args:
            if ref in pointers:
                continue
            name = pointers[ref] = f"%p{len(pointers)}"
            if ref.kind == "param":
                lines.append(f"  {name}s = getelementptr ptr, ptr %buffers, i64 {ref.at}")
                lines.append(f"  {name} = load ptr, ptr {name}s, align 8")
            elif ref.kind == "table":
                lines.append(f"  {name} = getelementptr i8, ptr {_TABLE}, i64 {ref.at}")
            else:
                lines.append(f"  {name} = getelementptr i8, ptr %workspace, i64 {ref.at}")
    if any(checked):
        from .debug import RECORD

        lines.append(f"  store i64 0, ptr {RECORD}")
    for i, call in enumerate(calls):
        args = ", ".join(f"ptr {pointers[ref]}" for ref in call.args)
        if not checked[call.kernel]:
            lines.append(f"  call void @{symbols[call.kernel]}({args})")
            continue
        lines += [
            f"  %r{i} = call i32 @{symbols[call.kernel]}({args})",
            f"  %b{i} = icmp ne i32 %r{i}, 0",
            f"  br i1 %b{i}, label %failed, label %next{i}",
            f"next{i}:",
        ]
    lines.append("  ret i32 0")
    if any(checked[call.kernel] for call in calls):
        lines += ["failed:", "  ret i32 1"]
    return "\n".join([*lines, "}"])
