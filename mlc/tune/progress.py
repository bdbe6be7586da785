"""What a person sees while tuning goes on: the best so far, what was rejected, the time left.

::

    with progress(budget=60) as shown:
        mlc.tune(f, x, budget=60, on_trial=shown)

On a terminal with `rich` installed it is a table that changes in place; in a notebook a text that
does; otherwise plain lines, at most one a second, on stderr. With ``quiet`` nothing at all.
"""

from __future__ import annotations

import html
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ..looking.cost import parts_of, total_cost
from ..looking.machine import Facts, this_machine, time_text
from ..records import dataclass

if TYPE_CHECKING:
    from .result import KernelResult, Trial

EVERY = 1.0  # seconds between two plain lines
_REDRAW = 0.2  # seconds between two tables
SURE_ROUNDS = 6  # fewer do not give an interval: such a candidate was given up


@dataclass
class KernelState:
    """What is known of one kernel so far."""

    name: str
    flops: int
    itemsize: int
    is_on_device: bool = False
    tried: int = 0
    best: float | None = None
    default: float | None = None
    origin: str = "default"
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def gigaflops(self) -> float | None:
        """Thousands of millions of operations a second, of the best so far."""
        return self.flops / self.best / 1e9 if self.best else None

    def percent_of_peak(self, facts: Facts) -> float | None:
        """The share of what all cores could compute at most, in percent; None of a card's."""
        rate = None if self.is_on_device else self.gigaflops
        return None if rate is None else 100 * rate / peak_gigaflops(facts, self.itemsize)


def peak_gigaflops(facts: Facts, itemsize: int) -> float:
    """What all threads could compute at most: every vector unit busy in each cycle."""
    each = facts.gigahertz * facts.vector_ops * facts.lanes(itemsize) * (1 + facts.has_fma)
    return each * facts.threads


class View(Protocol):
    """Where progress is shown."""

    every: float

    def show(self, state: Progress) -> None: ...
    def end(self, state: Progress) -> None: ...


class Progress:
    """Counts trials and shows them; call it with each ``(kernel result, trial)``."""

    def __init__(
        self,
        view: View | None,
        budget: float | None = None,
        trials: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.view = view
        self.budget = budget
        self.trials = trials
        self.kernels: dict[str, KernelState] = {}
        self.current = ""
        self._clock = clock
        self._began = clock()
        self._shown = float("-inf")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.view is not None:
            self.view.end(self)

    def __call__(self, kernel: KernelResult, trial: Trial) -> None:
        """One more trial of a kernel."""
        workload, outcome = kernel.workload, trial.outcome
        state = self.kernels.get(workload.key)
        if state is None:
            facts = this_machine()
            flops = total_cost(parts_of(workload.program, facts)).flops
            size = max((b.dtype.itemsize for b in workload.outputs), default=4)
            state = KernelState(kernel.name, flops, size, workload.is_on_device)
            self.kernels[workload.key] = state
        self.current = workload.key
        state.tried += 1
        if trial.candidate.kind == "default":
            state.default = state.best = outcome.seconds
        elif not outcome.is_ok:
            state.rejected[outcome.status] += 1
        elif outcome.ratio and state.default and outcome.verdict == "faster":
            # Measured in turns with the default: the ratio says more than the time by itself.
            seconds = state.default / outcome.ratio
            if state.best is None or seconds < state.best:
                state.best, state.origin = seconds, trial.candidate.origin or "a schedule"
        self._show()

    @property
    def tried(self) -> int:
        """How many candidates were measured or rejected."""
        return sum(state.tried for state in self.kernels.values())

    @property
    def seconds(self) -> float:
        """Since tuning began."""
        return self._clock() - self._began

    @property
    def left(self) -> str:
        """What is left of the budget, as text; "" if there is none."""
        parts = []
        if self.budget is not None:
            parts.append(f"{max(self.budget - self.seconds, 0):.0f} s")
        if self.trials is not None:
            # The default schedule of each kernel is not one of the trials.
            parts.append(f"{max(self.trials - self.tried + len(self.kernels), 0)} candidates")
        return " or ".join(parts)

    def _show(self) -> None:
        now = self._clock()
        if self.view is not None and now - self._shown >= self.view.every:
            self._shown = now
            self.view.show(self)


def progress(
    *,
    budget: float | None = None,
    trials: int | None = None,
    quiet: bool = False,
    stream: TextIO | None = None,
) -> Progress:
    """The progress that suits where this process runs."""
    out = sys.stderr if stream is None else stream
    if quiet:
        return Progress(None, budget, trials)
    view: View | None = None
    if stream is None and (show := _notebook()):
        view = NotebookView(show)
    elif out is not None and out.isatty():
        view = _rich_view(out)
    return Progress(view or PlainView(out), budget, trials)


def status_line(state: Progress) -> str:
    """The state of the kernel that is being tuned, as one line."""
    kernel = state.kernels.get(state.current)
    if kernel is None:
        return "tuning has begun"
    parts = [f"{kernel.name}: {kernel.tried} tried"]
    if kernel.best is not None:
        parts.append(f"best {time_text(kernel.best)}{_speed(kernel)}")
    if kernel.default and kernel.best:
        parts.append(f"{kernel.default / kernel.best:.2f} times the default")
    if kernel.rejected:
        parts.append(_rejected(kernel))
    if state.left:
        parts.append(f"{state.left} left")
    return ", ".join(parts)


def _speed(kernel: KernelState) -> str:
    rate, share = kernel.gigaflops, kernel.percent_of_peak(this_machine())
    if not rate:
        return ""
    of_peak = "" if share is None else f", {share:.0f} % of peak"
    return f" ({rate:.3g} GFLOP/s{of_peak})"


def _rejected(kernel: KernelState) -> str:
    return ", ".join(f"{count} {status}" for status, count in kernel.rejected.most_common())


def table_rows(state: Progress) -> list[tuple[str, ...]]:
    """The state as rows of text, the first of them the head."""
    rows: list[tuple[str, ...]] = []
    rows.append(("kernel", "tried", "default", "best", "speedup", "GFLOP/s", "of peak", "rejected"))
    for kernel in state.kernels.values():
        rate, share = kernel.gigaflops, kernel.percent_of_peak(this_machine())
        speedup = kernel.default / kernel.best if kernel.default and kernel.best else None
        rows.append((
            kernel.name,
            str(kernel.tried),
            "" if kernel.default is None else time_text(kernel.default),
            "" if kernel.best is None else time_text(kernel.best),
            "" if speedup is None else f"{speedup:.2f}",
            "" if not rate else f"{rate:.3g}",
            "" if not rate or share is None else f"{share:.0f} %",
            _rejected(kernel),
        ))  # fmt: skip
    return rows


def table_text(state: Progress) -> str:
    """The state as a table of plain text with a line for the time."""
    rows = table_rows(state)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, _time_line(state)])


def _time_line(state: Progress) -> str:
    left = f", {state.left} left" if state.left else ""
    return f"{state.tried} candidates in {state.seconds:.0f} s{left}"


@dataclass
class PlainView:
    """Lines, at most one a second."""

    stream: TextIO
    every: float = EVERY

    def show(self, state: Progress) -> None:
        """One line."""
        self._write(status_line(state))

    def end(self, state: Progress) -> None:
        """The state of all kernels."""
        if state.kernels:
            self._write(table_text(state))

    def _write(self, text: str) -> None:
        try:
            self.stream.write(f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):
            return  # nobody listens any more: no reason to end the search


@dataclass
class NotebookView:
    """One output of a notebook that is replaced, without widgets."""

    display: Callable[..., Any]
    every: float = EVERY
    handle: Any = None

    def show(self, state: Progress) -> None:
        """The table, in the place of the last one."""
        text = Shown(table_text(state))
        if self.handle is None:
            self.handle = self.display(text, display_id=True)
        else:
            self.handle.update(text)

    def end(self, state: Progress) -> None:
        """The last state stays."""
        if state.kernels:
            self.show(state)


class Shown(str):
    """Text that a notebook shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"


class RichView:
    """A table on a terminal that changes in place."""

    every = _REDRAW

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=stream)
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._is_live = False

    def show(self, state: Progress) -> None:
        """The table as it is now."""
        if not self._is_live:
            self._live.start()
            self._is_live = True
        self._live.update(self._table(state), refresh=True)

    def end(self, state: Progress) -> None:
        """The last table stays."""
        if self._is_live:
            self._live.update(self._table(state), refresh=True)
            self._live.stop()
            self._is_live = False

    def _table(self, state: Progress) -> Any:
        from rich.table import Table

        head, *rows = table_rows(state)
        table = Table(caption=_time_line(state), caption_justify="left")
        for number, name in enumerate(head):
            table.add_column(name, justify="left" if number in (0, len(head) - 1) else "right")
        for row in rows:
            table.add_row(*row)
        return table


def _rich_view(stream: TextIO) -> View | None:
    try:
        return RichView(stream)
    except ImportError:
        return None


def _notebook() -> Callable[..., Any] | None:
    """IPython's display where this runs in a notebook; it is imported already there."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # type: ignore[import-not-found,unused-ignore]

    shell = get_ipython()
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    shown: Callable[..., Any] = display
    return shown
