"""What works on this machine, line by line, and what to do about what does not."""

from __future__ import annotations

import html
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Literal, cast

from .config import config

Status = Literal["ok", "missing", "broken"]
_MARKS = {"ok": "ok", "missing": "--", "broken": "!!"}
# package, what it is for, how to get it
_OPTIONAL = (
    ("matplotlib", "tuning curves as PNG", "pip install matplotlib"),
    ("lightgbm", "boosted trees as a cost model while tuning", "pip install lightgbm"),
    ("rich", "tables that change in place while tuning", "pip install rich"),
    ("torch", "tensors of PyTorch as arguments", "pip install torch"),
)


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. ``status`` is "ok", "missing" (it is optional) or "broken";
    ``advice`` says what to do unless it is ok."""

    what: str
    status: Status
    found: str
    advice: str = ""

    def __str__(self) -> str:
        text = f"{_MARKS[self.status]}  {self.what:<12}  {self.found}"
        if not self.advice:
            return text
        word = "to mend it" if self.status == "broken" else "to have it"
        return f"{text}\n{' ' * 18}{word}: {self.advice}"


@dataclass(frozen=True)
class Report:
    """What :func:`doctor` found. Prints as a table; ``is_well`` unless something is broken."""

    lines: tuple[Line, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is broken; optional things may be missing."""
        return all(line.status != "broken" for line in self.lines)

    def __getitem__(self, what: str) -> Line:
        return next(line for line in self.lines if line.what == what)

    def __str__(self) -> str:
        broken = sum(line.status == "broken" for line in self.lines)
        end = "mlc works here." if self.is_well else f"{broken} of these lines need your attention."
        return "\n".join([*map(str, self.lines), end])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def doctor() -> Report:
    """Look at all that `mlc` needs or can use on this machine. Compiles and runs one function;
    changes nothing, but for what the disk cache keeps of that."""
    checks: tuple[Callable[[], Iterator[Line]], ...] = (
        _versions, _processor, _threads, _result_memory, _compiler, _caches, _tuning, _gpu,
        _packages,
    )  # fmt: skip
    lines: list[Line] = []
    for check in checks:
        try:
            lines += check()
        except Exception as error:  # what is broken must not keep the rest from being looked at
            what = check.__name__.strip("_")
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            advice = "read the message; this is unexpected, and worth a report"
            lines.append(Line(what, "broken", said, advice))
    return Report(tuple(lines))


def _versions() -> Iterator[Line]:
    found = f"{platform.python_implementation()} {platform.python_version()}"
    old = sys.version_info < (3, 10)
    yield Line("python", "broken" if old else "ok", found, "use 3.10 or later" if old else "")
    for name, least in (("numpy", 2), ("llvmlite", 0)):
        number = _version(name)
        if not number:
            yield Line(name, "broken", "not installed", f"pip install {name}")
        elif int(number.partition(".")[0]) < least:
            advice = f"pip install '{name}>={least}'"
            yield Line(name, "broken", f"{number}; {least} or later is needed", advice)
        else:
            yield Line(name, "ok", number)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> Iterator[Line]:
    from .backends.llvm.target import host_target

    target = host_target()
    yield Line(
        "processor",
        "ok",
        f"{target.arch} {target.cpu}, tuned for {target.tune_cpu or 'no special one'}; "
        f"{target.vector_registers} vector registers of {target.vector_bits} bits",
    )
    names = {
        "fma": target.has_fma,
        "float16": target.has_f16c,
        "bfloat16": target.has_bf16,
        "int8 dot products": target.has_vnni,
        "matrix tiles": target.has_byte_tiles,
    }
    has = [name for name, there in names.items() if there]
    lacks = [name for name, there in names.items() if not there]
    text = f"has {', '.join(has) or 'none of them'}"
    yield Line("instructions", "ok", f"{text}; without {', '.join(lacks)}" if lacks else text)
    sizes = (target.l1_bytes, target.l2_bytes, target.l3_bytes)
    yield Line("cache sizes", "ok", ", ".join(f"L{n} {_size(s)}" for n, s in enumerate(sizes, 1)))


def _result_memory() -> Iterator[Line]:
    from .runtime.result_memory import result_memory

    found = result_memory()
    kept = f"{_size(found.kept)} kept, at most {_size(found.limit)}"
    yield Line("results", "ok", f"memory of large ones: {kept if found.limit else 'none is kept'}")


def _threads() -> Iterator[Line]:
    from .runtime.threads import available_cpus, cgroup_quota, get_num_threads

    quota = cgroup_quota(Path("/"))
    limits = [f"{os.cpu_count()} in the machine", f"{available_cpus()} for this process"]
    if quota is not None:
        limits.append(f"a quota of {quota:g}")
    advice = ""
    if get_num_threads() > available_cpus():
        advice = f"set MLC_NUM_THREADS or OMP_NUM_THREADS to {available_cpus()} at most"
    yield Line(
        "threads",
        "broken" if advice else "ok",
        f"{get_num_threads()} are used; processors: {', '.join(limits)}",
        advice,
    )


def _compiler() -> Iterator[Line]:
    import numpy as np

    from .jit import jit

    given = np.arange(16, dtype=np.float32)
    made = jit(lambda a: a * 2 + 1)(given)
    if np.array_equal(made, given * 2 + 1):
        yield Line("compiler", "ok", "a function was compiled, and its result is right")
    else:
        advice = "report this with the lines above; until then use @mlc.jit(target='numpy')"
        yield Line("compiler", "broken", f"wrong result: {made}", advice)


def _caches() -> Iterator[Line]:
    folder = config.cache_dir
    if not config.cache:
        advice = "set MLC_CACHE=1: without it every process compiles everything again"
        yield Line("disk cache", "missing", "switched off", advice)
        return
    if not os.path.exists(folder):
        nearest = next((p for p in folder.parents if os.path.exists(p)), folder)
        if os.access(nearest, os.W_OK):
            yield Line("disk cache", "ok", f"{folder} will be made when it is needed")
        else:
            advice = "point MLC_CACHE_DIR at a folder that you may write to"
            yield Line("disk cache", "broken", f"{folder} cannot be made", advice)
        return
    if fault := _folder_fault(folder):
        yield Line("disk cache", "broken", f"{folder}: {fault}", f"chmod 700 {folder}")
        return
    files = [path.stat().st_size for path in folder.glob("images-*/??/*") if path.is_file()]
    limit = _size(config.cache_limit)
    yield Line(
        "disk cache", "ok", f"{folder}: {len(files)} entries, {_size(sum(files))} of {limit}"
    )


def _folder_fault(folder: Path) -> str:
    from .schedules.tuned import distrust

    if reason := distrust(folder):
        return reason.partition(":")[0]
    return "" if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else "it cannot be written"


def _tuning() -> Iterator[Line]:
    from .schedules.tuned import database_path, lock_path

    if not config.tuned:
        advice = "set MLC_TUNED=1 to use the schedules that tuning found"
        yield Line("tuning", "missing", "stored schedules are not used", advice)
        return
    path, lock = database_path(), lock_path()
    if os.path.exists(path):
        yield _database_line(path)
    else:
        advice = "python -m mlc tune file.py:function --args 'float32[1024,1024] ...'"
        yield Line("tuning", "missing", f"nothing was tuned yet: there is no {path}", advice)
    for layer in config.tuning_layers:
        if os.path.exists(layer):
            yield _database_line(layer)
        else:
            yield Line("tuning", "broken", f"there is no {layer}", "correct MLC_TUNING_LAYERS")
    yield Line("lock file", "ok", str(lock) if lock else "none here or above; all is as it was")


def _database_line(path: Path) -> Line:
    import sqlite3
    from contextlib import closing

    from .schedules.tuned import distrust, open_readonly

    try:
        if reason := distrust(path):
            return Line("tuning", "broken", f"{path} is not used: {reason}", f"chmod 600 {path}")
        with closing(open_readonly(path)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    except (OSError, sqlite3.Error) as error:
        advice = f"tune something, which sets it aside, or remove it: rm {path}"
        return Line("tuning", "broken", f"{path} cannot be read: {error}", advice)
    return Line("tuning", "ok", f"{path}: {count} results, {_size(path.stat().st_size)}")


def _gpu() -> Iterator[Line]:
    from .runtime.cuda.findings import findings

    for what, status, found, advice in findings():
        yield Line(what, cast(Status, status), found, advice)


def _packages() -> Iterator[Line]:
    for name, use, advice in _OPTIONAL:
        if find_spec(name) is None:
            yield Line(name, "missing", f"optional: {use}", advice)
        else:
            yield Line(name, "ok", f"{_version(name)}: {use}")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


class _DoctorModule(ModuleType):
    """A module that can be called: ``mlc.doctor()`` works whoever imported `mlc.doctor` before."""

    def __call__(self) -> Report:
        """See :func:`doctor`."""
        return doctor()


sys.modules[__name__].__class__ = _DoctorModule
