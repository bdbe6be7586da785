"""Which source files have made an entry of the disk cache, and whether they are still the same.

What is compiled depends on what its key says and on the compiler: on the modules that were loaded
when it was made. (A module that was not loaded has not run. That it would be loaded today takes a
change in one that was, or in the key.) So an entry names their files, as the files that make tools
keep do, and holds while each has the time and the size that it had. A process that finds its kernel
on disk looks at these alone, a fraction of all, and loads none.

Files are looked at when an entry is stored, which is later than they were loaded. One that was
written to since this process began may not be what it runs: nothing is stored then.
"""

from __future__ import annotations

import os
import sys
from functools import cache

import numpy as np

from ..config import LOADED_NS
from ..te.key import blake2b

# What these parts do is in a key itself: the expressions or the program that they made.
_BEFORE_KEYS = frozenset({
    "command", "control", "cuda", "looking", "numpy", "ops", "script", "simulator", "testing",
    "tracer", "tune",
})  # fmt: skip
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_ROOT = __name__.partition(".")[0]
_ELSEWHERE = "="  # before the whole path of a file outside of the package
_SLACK_NS = 100_000_000  # from the first file that was loaded to LOADED_NS, and the clock's steps


def installation() -> str:
    """What tells the compiler of this process from others on the machine, for keys."""
    return f"{_PACKAGE} in {sys.prefix} with numpy {np.__version__}"


def loaded_sources() -> str | None:
    """The files that may have to do with what this process has compiled, and their state; None if
    that is not certain."""
    names = []
    for name, module in sorted(sys.modules.items()):
        root, *parts = name.split(".")
        if name != "llvmlite" and (root != _ROOT or not _BEFORE_KEYS.isdisjoint(parts)):
            continue
        path = getattr(module, "__file__", None)
        if not path:
            return None
        ours = path.startswith(_PACKAGE + os.sep)
        names.append(path[len(_PACKAGE) + 1 :] if ours else f"{_ELSEWHERE}{path}")
    text = "\n".join(names)
    looked_at = _look(text)
    if looked_at is None or looked_at[1] > LOADED_NS - _SLACK_NS:
        return None
    return f"{looked_at[0]}\n{text}"


@cache  # what a process has loaded stays: to it, files are for good as they were at first
def are_current(sources: str) -> bool:
    """Whether the files that `loaded_sources` named are as they were; "" names none."""
    state, _, names = sources.partition("\n")
    if not names:
        return not state
    looked_at = _look(names)
    return looked_at is not None and looked_at[0] == state


def _look(names: str) -> tuple[str, int] | None:
    """A digest of the times and sizes of files, and when the last was changed; None if one is
    gone."""
    states, last = [], 0
    try:
        for name in names.split("\n"):
            status = os.stat(name[1:] if name[0] == _ELSEWHERE else f"{_PACKAGE}/{name}")
            states.append(f"{status.st_mtime_ns:x}+{status.st_size:x}")
            # The time in the file can be set, and lie ahead: by archives, and by other machines.
            last = max(last, status.st_ctime_ns if os.name == "posix" else status.st_mtime_ns)
    except OSError:
        return None
    return blake2b("\n".join(states).encode(), digest_size=20).hexdigest(), last
