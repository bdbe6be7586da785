"""What a compiled function shows of itself: the text of each level, and the table of what was
compiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import ArgumentError
from .ir.unsafe import unsafe_mark, unsafe_steps
from .records import dataclass, replace

if TYPE_CHECKING:
    from .compile import Compiled
    from .compile_program import CompiledProgram
    from .ir.program import Program
    from .looking.cost import Cost
    from .looking.explain import Explanation
    from .looking.machine import Facts
    from .looking.svg import Picture

    AnyCompiled: TypeAlias = "Compiled | CompiledProgram"

_LEVELS = ("graph", "program", "schedule", "numpy", "llvm", "asm")
_DEVICE_LEVELS = ("graph", "program", "schedule", "numpy", "cuda")
_NOTHING = "# nothing is computed: the results are arguments, constants or Python values"


def _escaped(text: str) -> str:
    from html import escape

    return escape(text)


class Text(str):
    """Text that shows itself as it is, in a console and in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{_escaped(self)}</pre>"


class Lowered:
    """A function compiled for one signature, level by level; each is made when it is asked for."""

    def __init__(self, name: str, row: CacheRow, compiled: AnyCompiled | None) -> None:
        self.name = name
        self.row = row
        self.compiled = compiled

    def _text(self, make: Callable[[AnyCompiled], str], comment: str = "") -> Text:
        """What ``make`` gives. Texts in which programs cannot show their mark begin with it, behind
        ``comment``."""
        if self.compiled is None:
            return Text(_NOTHING)
        marks = unsafe_steps(*self.compiled.programs) if comment else ()
        lines = [f"{comment} unsafe: {step}, taken without proof\n" for step in marks]
        return Text("".join(lines) + make(self.compiled))

    @cached_property
    def graph(self) -> Text:
        """The traced operators, one a line."""
        return self._text(lambda compiled: compiled.graph_text)

    @cached_property
    def program(self) -> Text:
        """The kernels as tensor programs, after scheduling."""
        return self._text(lambda compiled: _scripts(compiled.programs))

    @cached_property
    def schedule(self) -> Text:
        """The steps that led to the programs from the plain loops, or from those that are shown
        above them: packed, tiled or factored ones, which a default schedule may begin with."""
        return self._text(lambda compiled: "\n\n".join(map(_schedule_text, compiled.kernels)))

    @cached_property
    def numpy(self) -> Text:
        """The same computation as explicit Python loops over NumPy arrays."""

        def make(compiled: AnyCompiled) -> str:
            from .backends.numpy import lnumpy_text

            programs = _named_apart(kernel.program for kernel in compiled.kernels)
            return "\n\n".join(map(lnumpy_text, programs))

        return self._text(make, "#")

    @cached_property
    def llvm(self) -> Text:
        """The LLVM IR."""
        return self._text(lambda compiled: compiled.llvm, ";")

    @cached_property
    def cuda(self) -> Text:
        """The CUDA C of all kernels, in lines of up to 100 columns."""
        from .backends.cuda.wrapping import wrap_lines

        return self._text(lambda compiled: wrap_lines(compiled.cuda), "//")

    @cached_property
    def asm(self) -> Text:
        """The assembly."""
        return self._text(lambda compiled: compiled.asm, "#")

    def explain(self, facts: Facts | None = None) -> Explanation:
        """What the kernels cost, loop by loop, and what would help; prints as a text.

        Counts come from the programs and times from a model (:mod:`mlc.looking.traffic`): nothing
        is measured. ``facts`` are those of another machine than this; the model is of processors,
        for kernels of a card too. Raises :class:`ArgumentError` where nothing is computed.
        """
        from .looking.explain import explain

        if self.compiled is None:
            raise ArgumentError(f"{self.name} computes nothing: there is nothing to explain")
        name = self.name
        if self.row.target.startswith("cuda"):
            name += " (kernels of a card, as one thread of a processor would run them)"
        return explain(*self.compiled.programs, facts=facts, name=name)

    def cost(self, facts: Facts | None = None) -> Cost:
        """The numbers of :meth:`explain` for the whole function."""
        return self.explain(facts).cost

    def draw(self, kernel: int = 0, loop: str | None = None) -> Picture:
        """The loops of one kernel as nested boxes; with ``loop``, the elements that an iteration of
        it touches.

        Raises :class:`ArgumentError` where nothing is computed, or not in so many kernels.
        """
        from .looking.draw import draw

        if self.compiled is None:
            raise ArgumentError(f"{self.name} computes nothing: there is nothing to draw")
        programs = self.compiled.programs
        if not 0 <= kernel < len(programs):
            raise ArgumentError(
                f"{self.name} has the kernels 0 to {len(programs) - 1}, got kernel={kernel}"
            )
        return draw(programs[kernel], loop)

    def _levels(self) -> tuple[str, ...]:
        return _DEVICE_LEVELS if self.row.target.startswith("cuda") else _LEVELS

    def __repr__(self) -> str:
        levels = " ".join(f".{level}" for level in self._levels())
        return f"{self.name}({self.row.signature}), lowered{self._mark()}; print {levels}"

    def _mark(self) -> str:
        return unsafe_mark(*getattr(self.compiled, "programs", ()))

    def _repr_html_(self) -> str:
        signature = _escaped(f"({self.row.signature}){self._mark()}")
        parts = [f"<b>{_escaped(self.name)}</b>{signature}"]
        for level in self._levels():
            text = getattr(self, level)
            opened = " open" if level == "graph" else ""
            parts.append(
                f"<details{opened}><summary>{level}</summary>{text._repr_html_()}</details>"
            )
        return "".join(parts)


def _schedule_text(kernel: Any) -> str:
    schedule = kernel.schedule
    text = f"# {kernel.program.name}\n"
    if schedule.trace:
        start = schedule.trace[0].before.script()
        if start != kernel.program.script():
            text += f"# the steps begin with these loops\n{start}\n\n"
    return f"{text}{schedule}"


def _scripts(programs: Any) -> str:
    return "\n\n".join(program.script() for program in _named_apart(programs))


def _named_apart(programs: Iterable[Program]) -> Iterator[Program]:
    """The programs, no two of one name, so that each can be found once their text has run."""
    from .graph.graph import unique_name

    taken: dict[str, int] = {}
    for program in programs:
        name = unique_name(program.name, taken)
        yield program if name == program.name else replace(program, name=name)


@dataclass(frozen=True)
class CacheRow:
    """One compiled signature: what for, when, how long tracing and compiling took, and why.

    ``from_cache`` says that the machine code came from disk; ``when`` is in seconds since 1970.
    """

    signature: str
    target: str
    when: float
    trace_seconds: float
    compile_seconds: float
    from_cache: bool
    reason: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, cell by cell."""
        return (
            self.signature or "()",
            self.target,
            time.strftime("%H:%M:%S", time.localtime(self.when)),
            f"{self.trace_seconds * 1e3:.1f} ms",
            f"{self.compile_seconds * 1e3:.1f} ms" + (" (disk)" if self.from_cache else ""),
            self.reason,
        )


_HEADS = ("signature", "target", "when", "trace", "compile", "why")


@dataclass(frozen=True)
class CacheInfo:
    """The table that ``f.cache_info()`` returns; iterate over it for its rows."""

    name: str
    rows: tuple[CacheRow, ...]

    def __iter__(self) -> Iterator[CacheRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        count = len(self.rows)
        title = f"{self.name}: {count} compiled signature{'s' * (count != 1)}"
        if not self.rows:
            return title
        table = [_HEADS, *(row.cells for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(_HEADS) - 1)]
        return "\n".join([
            title,
            *("  " + "  ".join([*map(str.ljust, line, widths), line[-1]]) for line in table),
        ])  # fmt: skip

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{_escaped(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(line(row.cells, "td") for row in self.rows)
        return f"<table><caption>{_escaped(self.name)}</caption>{line(_HEADS, 'th')}{body}</table>"
