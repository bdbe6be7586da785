"""A whole module: the kernels, and the function that calls them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from ...ir.program import Program
from ...records import dataclass
from .kernel import is_checked, kernel_text, symbol_of
from .target import Target

if TYPE_CHECKING:
    from .debug import Site

_TABLE = "@mlc_table"
# Characters of functions that are worth a module of their own: so many, and such a share of those
# that are in one already, as each is compiled by a thread of its own.
_PART, _SHARE = 12_000, 0.25


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
    texts = KernelTexts(target, debug)
    for program in kernels:
        texts.add(program)
    return texts.module(calls, ahead, table)


class KernelTexts:
    """Kernels as LLVM functions, one after the other, on their way into a module. What is written
    the same is there once."""

    def __init__(
        self,
        target: Target,
        debug: bool = False,
        hand_on: Callable[[str], None] | None = None,
    ) -> None:
        self.target, self.debug = target, debug
        self._hand_on = hand_on
        self.parts: list[str] = []  # modules that were handed on
        self._declarations: dict[str, None] = {}
        self._functions: list[str] = []
        self._sites: list[Site] = []
        self._symbols: list[str] = []
        self._checked: list[bool] = []
        self._known: dict[tuple[str, ...], str] = {}
        self._same: dict[int, tuple[str, Program]] = {}
        self._heads: dict[str, int] = {}  # how many params those have that are in no part yet
        self._elsewhere: dict[str, None] = {}  # declarations of those that are in one
        self._away = 0  # characters of these

    def add(self, program: Program) -> None:
        """Write the next kernel."""
        number = len(self._symbols)
        self._checked.append(is_checked(program, self.debug))
        if id(program) in self._same:
            self._symbols.append(self._same[id(program)][0])
            return
        symbol = f"k{number}_{symbol_of(program.name)}"
        beside = None if self._hand_on is None else self._beside
        kernel = kernel_text(program, self.target, self.debug, symbol, len(self._sites) + 1, beside)
        bodies = tuple(body.replace(symbol, "") for body in kernel.functions)
        self._symbols.append(self._known.setdefault(bodies, symbol))
        if not kernel.sites:
            self._same[id(program)] = self._symbols[-1], program
        if self._symbols[-1] != symbol:
            return
        self._declarations.update(dict.fromkeys(kernel.declarations))
        self._functions.extend(kernel.functions)
        self._sites.extend(kernel.sites)
        self._heads[symbol] = len(program.params)

    def hand_on(self) -> None:
        """Make a module of the kernels that are in none yet, if they are long enough to be compiled
        by themselves while others are written. Those with checks are not: the last module tells of
        what failed."""
        length = sum(map(len, self._functions))
        if self._hand_on is None or any(self._checked):
            return
        if length < max(_PART, _SHARE * self._away):
            return
        text = self._text(self._declarations, self._functions)
        self._away += length
        for symbol, params in self._heads.items():
            text = text.replace(
                f"define internal void @{symbol}(", f"define hidden void @{symbol}("
            )
            pointers = ", ".join(["ptr"] * params)
            self._elsewhere[f"declare hidden void @{symbol}({pointers})"] = None
        self._declarations, self._functions, self._heads = {}, [], {}
        self._part(text)

    def _beside(self, functions: list[str], declarations: dict[str, None]) -> None:
        self._part(self._text(declarations, functions))

    def _part(self, text: str) -> None:
        assert self._hand_on is not None
        self._hand_on(text)
        self.parts.append(text)

    def _text(self, declarations: Iterable[str], functions: Iterable[str]) -> str:
        written = "\n\n".join(functions)
        return "\n".join([*declarations, "", written, "", _attributes(self.target)]) + "\n"

    def module(
        self,
        calls: Sequence[KernelCall],
        ahead: Sequence[KernelCall] = (),
        table: Sequence[int] = (),
    ) -> ModuleText:
        """The module of the kernels that are in no part, with what calls all of them."""
        self._declarations.update(self._elsewhere)
        if any(self._checked):
            from .debug import RECORD

            line = f"{RECORD} = global [2 x i64] zeroinitializer, align 16"
            self._declarations[line] = None
        if table:
            row = ", ".join([f"i64 {word}" for word in table])
            line = f"{_TABLE} = internal constant [{len(table)} x i64] [{row}], align 64"
            self._declarations[line] = None
        self._functions.append(_main("mlc_main", self._symbols, calls, self._checked))
        if ahead:
            self._functions.append(_main("mlc_ahead", self._symbols, ahead, self._checked))
        text = self._text(self._declarations, self._functions)
        return ModuleText(text, tuple(self._sites))


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
