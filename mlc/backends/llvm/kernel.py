"""One flat program to the text of LLVM functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...ir.program import Buffer, Program
from ...records import dataclass
from .emitter import Emitter, function_text
from .expressions import emit_expr
from .facts import ProgramFacts
from .statements import emit_stmt
from .target import Target

if TYPE_CHECKING:
    from .beside import HandOn
    from .debug import Site


@dataclass(frozen=True)
class KernelText:
    """The functions of one kernel: ``symbol`` names the one to call, with a pointer for each param.

    It returns nothing; with checks an i32, not 0 if one failed. ``declarations`` are lines
    that the module needs once. ``sites`` are the checks, numbered from the ``first_site`` asked
    for."""

    symbol: str
    functions: tuple[str, ...]
    declarations: tuple[str, ...]
    sites: tuple[Site, ...]


def kernel_text(
    program: Program,
    target: Target,
    debug: bool = False,
    symbol: str | None = None,
    first_site: int = 1,
    hand_on: HandOn | None = None,
) -> KernelText:
    """The LLVM functions of a flat ``program`` for ``target``. Long loops become functions that
    ``hand_on`` gets at once, where it is given, with their declarations, for modules of their own.

    Raises CompileError for a program that is not flat. With ``debug``, every index that is not
    proven to be inside its buffer is checked; else those that the program has refusals for."""
    symbol = symbol_of(program.name) if symbol is None else symbol
    sites = None
    if is_checked(program, debug):
        refusals, place = program.attrs.get("refusals", {}), program.attrs.get("location")
        from .debug import Sites

        sites = Sites(program.name, first_site, place, refusals, only=not debug)
    declarations: dict[str, None] = {}
    functions: list[str] = []
    e = Emitter(ProgramFacts(program), target, declarations, functions, symbol, emit_expr, sites)
    e.hand_on = hand_on if sites is None else None
    params = []
    for i, buffer in enumerate(program.params):
        e.pointers[buffer] = f"%a{i}"
        params.append(f"ptr {_attributes(program, buffer)} %a{i}")
    results = program.params[len(program.params) - program.outputs :]
    if 0 < target.past_bytes < max((b.size * b.dtype.itemsize for b in results), default=0):
        from .passing import passing  # few results are so large

        e.passing = passing(program, target)
    emit_stmt(e, program.body)
    if e.passed:
        from .passing import wait_for_stores

        wait_for_stores(e)
    e.line("ret void" if sites is None else "ret i32 0")
    head = f"define internal {'void' if sites is None else 'i32'} @{symbol}({', '.join(params)})"
    functions.append(function_text(e, head))
    rows = tuple(sites.rows) if sites is not None else ()
    return KernelText(symbol, tuple(functions), tuple(declarations), rows)


def symbol_of(name: str) -> str:
    """``name`` with what cannot stand in a symbol replaced."""
    is_plain = name.isascii() and name.isidentifier()  # as nearly all are
    return name if is_plain else re.sub(r"\W", "_", name)


def is_checked(program: Program, debug: bool) -> bool:
    """Whether the kernel of ``program`` says if it failed."""
    return debug or bool(program.attrs.get("refusals"))


def _attributes(program: Program, buffer: Buffer) -> str:
    words = ["noundef"]
    if program.attrs.get("noalias"):
        words.append("noalias")
    if buffer.aligned and buffer.dtype.itemsize > 1:
        words.append(f"align {buffer.dtype.itemsize}")
    return " ".join(words)
