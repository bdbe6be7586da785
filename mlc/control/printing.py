"""``print`` in traced functions."""

from __future__ import annotations

import builtins
import sys
from typing import Any

from ..errors import TracedPrintError
from ..ops.op import CURRENT
from ..tracer.printing import PRINTING


def print_(
    *values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None,
    flush: bool = False,
) -> None:  # fmt: skip
    """``print``: by compiled code, at each call, where it goes to the standard streams."""
    trace: Any = CURRENT.get()
    if trace is None or PRINTING.get() is False or file not in (None, sys.stdout, sys.stderr):
        builtins.print(*values, sep=sep, end=end, file=file, flush=flush)
        return
    if trace.prints is None:
        raise TracedPrintError
    text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
    trace.prints.note(text, file is sys.stderr and file is not sys.stdout, flush)


INSTEAD: dict[Any, Any] = {builtins.print: print_}
