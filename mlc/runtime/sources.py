"""Which source files have made an entry of the disk cache, and whether they are still the same.

What is compiled depends on what its key says and on the compiler: on the modules that were loaded
when it was made. (A module that was not loaded has not run. That it would be loaded today takes a
change in one that was, or in the key.) So an entry names their files, as the files that make tools
keep do, and holds while each has the time and the size that it had. A process that finds its kernel
on disk looks at these alone, a fraction of all, and loads none.

Files are looked at once, when an entry is stored, which is later than they were loaded. One that
was written to since this process began may not be what it runs: nothing is stored then.
"""

from __future__ import annotations

import os
import sys
from functools import cache, lru_cache

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
    modules = sys.modules.copy()
    names = tuple([n for n in modules if n.startswith(_ROOT) or n == "llvmlite"])
    try:
        return _sources_of(names, tuple([getattr(modules[n], "__file__", None) for n in names]))
    except OSError:
        return None


@lru_cache(maxsize=8)  # most processes load all that they need for the first kernels
def _sources_of(modules: tuple[str, ...], paths: tuple[str | None, ...]) -> str | None:
    """The same for these modules, loaded from files of these paths, which are looked at once;
    OSError where one cannot be looked at."""
    names = []
    for name, path in sorted(zip(modules, paths)):
        root, *parts = name.split(".")
        if name != "llvmlite" and (root != _ROOT or not _BEFORE_KEYS.isdisjoint(parts)):
            continue
        if not path:
            return None
        ours = path.startswith(_PACKAGE + os.sep)
        names.append(path[len(_PACKAGE) + 1 :] if ours else f"{_ELSEWHERE}{path}")
    found = list(map(_look_at_loaded, names))
    if max(when for _, when in found) > LOADED_NS - _SLACK_NS:
        return None
    return "\n".join([_digest([state for state, _ in found]), *names])


def are_current(sources: str) -> bool:
    """Whether the files that `loaded_sources` named are as they were; "" names none."""
    state, *names = sources.split("\n")
    try:
        return state == (_digest([_first_look(name)[0] for name in names]) if names else "")
    except OSError:
        return False


def _digest(states: list[str]) -> str:
    return blake2b("\n".join(states).encode(), digest_size=20).hexdigest()


def _look(name: str) -> tuple[str, int]:
    """The time and the size of a file, and when that was changed."""
    status = os.stat(name[1:] if name[0] == _ELSEWHERE else f"{_PACKAGE}/{name}")
    # The time in a file can be set, and lie ahead: by archives, and by other machines.
    changed = status.st_ctime_ns if os.name == "posix" else status.st_mtime_ns
    return f"{status.st_mtime_ns:x}+{status.st_size:x}", changed


# A process goes on with what it has loaded, whatever is edited. One that was edited after it was
# looked at, before it was loaded, is noticed.
_first_look, _look_at_loaded = cache(_look), cache(_look)
