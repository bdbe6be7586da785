"""Every setting of `mlc`, declared once; the only file that reads the environment.

``mlc.config.debug = True`` sets one for the process (``del mlc.config.debug`` undoes it), ``with
mlc.config.override(debug=True):`` for the code inside, in its own thread or task only, and the
environment variable for a run.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from mlc.errors import ArgumentError, warn

T = TypeVar("T")
LOADED_NS = time.time_ns()  # when this process began to load mlc

_overrides: ContextVar[Mapping[str, Any]] = ContextVar("mlc_config_overrides")
_NONE: Mapping[str, Any] = {}
_watchers: list[Callable[[], object]] = []
_debug_blocks: list[object] = []  # the ``with`` blocks, in any thread, that turn debug mode on


class Setting(Generic[T]):
    """One setting: how a value is checked, what holds when nobody sets it, and where to set it.

    ``parse`` takes a Python value or the text of an environment variable and returns the checked
    value; it raises ValueError with what was expected. The first set variable of ``env`` counts.
    ``watchers`` are called after every change. A setting that is not ``scoped`` is one for the
    whole process and cannot be overridden for one thread.
    """

    def __init__(
        self,
        parse: Callable[[Any], T],
        default: Callable[[], T],
        *,
        env: tuple[str, ...],
        doc: str,
        scoped: bool = True,
    ) -> None:
        self.parse = parse
        self.default = default
        self.env = env
        self.scoped = scoped
        self.watchers: list[Callable[[], None]] = []
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, config: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, config: Config, owner: type) -> T: ...

    def __get__(self, config: Config | None, owner: type) -> Setting[T] | T:
        if config is None:
            return self
        override = _overrides.get(_NONE)
        values = override if self.name in override else config._values
        if self.name not in values:
            config._values[self.name] = self.initial()
        value: T = values[self.name]
        return value

    def __set__(self, config: Config, value: object) -> None:
        config._values[self.name] = self.check(value, f"mlc.config.{self.name}")
        _tell_watchers()
        self.changed()

    def __delete__(self, config: Config) -> None:
        """Forget what was set: the environment, read again, or the default holds."""
        config._values.pop(self.name, None)
        _tell_watchers()
        self.changed()

    def changed(self) -> None:
        for watcher in self.watchers:
            watcher()

    def check(self, value: object, source: str) -> T:
        """The value as the setting keeps it; ArgumentError names ``source`` when it is wrong."""
        try:
            return self.parse(value)
        except (ValueError, TypeError) as error:
            raise ArgumentError(f"{source} is {value!r}, but {error}.") from None

    def initial(self) -> T:
        """The value from the environment, or the default."""
        for variable in self.env:
            text = os.environ.get(variable, "").strip()
            if text and not variable.startswith("MLC_"):
                # A neighbour's variable may say things that only the neighbour understands.
                try:
                    return self.parse(text)
                except ValueError:
                    continue
            if text:
                return self.check(text, f"the environment variable {variable}")
        return self.default()


def _flag(value: object) -> bool:
    match value:
        case bool():
            return value
        case 0 | 1:
            return bool(value)
        case str() if value.lower() in ("1", "true", "yes", "on"):
            return True
        case str() if value.lower() in ("0", "false", "no", "off"):
            return False
    raise ValueError("a flag is 1 or 0 (or true/false, yes/no, on/off)")


def _thread_count(value: Any) -> int | None:
    if value is None:
        return None
    expected = "a number of threads is a whole number from 1 to 1024"
    if isinstance(value, bool | float):
        raise ValueError(expected)
    try:
        # OMP_NUM_THREADS may be a list, one number per nesting level.
        count = int(value.split(",")[0]) if isinstance(value, str) else int(value)
    except (ValueError, TypeError):
        raise ValueError(expected) from None
    if not 1 <= count <= 1024:
        raise ValueError(expected)
    return count


def _folder(value: Any) -> Path:
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise ValueError("a folder is a path such as '~/.cache/mlc'")
    return Path(value).expanduser()


def _byte_count(value: Any) -> int:
    expected = "a size is a number of bytes, or text such as '512M' or '2G'"
    if isinstance(value, bool):
        raise ValueError(expected)
    factor = 1
    if isinstance(value, str):
        text = value.strip().upper().removesuffix("B").removesuffix("I")
        units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
        if text and text[-1] in units:
            factor, text = units[text[-1]], text[:-1]
        value = text
    try:
        count = int(value) * factor
    except (ValueError, TypeError):
        raise ValueError(expected) from None
    if count < 0:
        raise ValueError(expected)
    return count


def _machine_memory() -> int:
    """Bytes, 0 where the system does not tell."""
    try:
        return max(0, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 0


def _tuned(value: object) -> bool | str:
    if isinstance(value, str) and value.lower() == "lock":
        return "lock"
    try:
        return _flag(value)
    except ValueError:
        raise ValueError("the choices are True, False and 'lock'") from None


def _optional_path(value: Any) -> Path | None:
    return None if value is None else _folder(value)


def _paths(value: Any) -> tuple[Path, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(os.pathsep) if part]
    if isinstance(value, os.PathLike) or not all(isinstance(p, str | os.PathLike) for p in value):
        raise ValueError("a list of files is expected")
    return tuple(Path(part).expanduser() for part in value)


def _thread_order(value: Any) -> str:
    if value not in ("forward", "reverse", "random"):
        raise ValueError("the choices are 'forward', 'reverse' and 'random'")
    return str(value)


def _architecture(value: Any) -> str | None:
    text = "" if value is None else str(value)
    if value is not None and not (text.startswith("sm_") and text[3:].rstrip("af").isdigit()):
        raise ValueError("an architecture is a name such as 'sm_90a'")
    return text or None


def _compiler(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str | os.PathLike) and str(value).strip()):
        raise ValueError("a compiler is a command or a path, such as 'g++'")
    return None if value is None else str(value)


def _user_cache_dir() -> Path:
    """The platform's folder for caches; the same rule as platformdirs, without its import time."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
        return Path(base).expanduser() / "mlc" / "Cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/mlc").expanduser()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    base = xdg if os.path.isabs(xdg) else "~/.cache"
    return Path(base).expanduser() / "mlc"


class Config:
    """The settings as attributes; ``repr`` lists them with their values and variables."""

    _values: dict[str, Any]

    def __init__(self) -> None:
        object.__setattr__(self, "_values", {})

    debug = Setting(
        _flag,
        lambda: False,
        env=("MLC_DEBUG",),
        doc="Compile bounds checks that raise with the index, the buffer and the line.",
    )
    num_threads = Setting(
        _thread_count,
        lambda: None,
        env=("MLC_NUM_THREADS", "OMP_NUM_THREADS"),
        doc="Threads of a parallel kernel; None: as many as affinity and the CPU quota allow.",
        scoped=False,
    )
    cache = Setting(
        _flag,
        lambda: True,
        env=("MLC_CACHE",),
        doc="Keep compiled kernels on disk and reuse them in later processes.",
    )
    cache_dir = Setting(
        _folder,
        _user_cache_dir,
        env=("MLC_CACHE_DIR",),
        doc="Folder of the disk cache. It holds code that will be run: keep it private.",
    )
    cache_limit = Setting(
        _byte_count,
        lambda: 1 << 30,
        env=("MLC_CACHE_LIMIT",),
        doc="Size in bytes above which the least recently used cache entries are removed.",
    )
    result_memory = Setting(
        _byte_count,
        lambda: min(_machine_memory() // 32, 1 << 28),
        env=("MLC_RESULT_MEMORY",),
        doc="Bytes of freed results of 32 MB and more that are kept for later ones; 0: none.",
        scoped=False,
    )
    workspace_memory = Setting(
        _byte_count,
        lambda: _machine_memory() // 8,
        env=("MLC_WORKSPACE_MEMORY",),
        doc="Bytes of workspaces that kernels keep from one call to the next; 0: none.",
        scoped=False,
    )
    bfloat16_subnormals = Setting(
        _flag,
        lambda: False,
        env=("MLC_BFLOAT16_SUBNORMALS",),
        doc="Compile products of bfloat16 without the instruction that takes subnormals for 0.",
        scoped=False,
    )
    matrix_tiles = Setting(
        _flag,
        lambda: True,
        env=("MLC_MATRIX_TILES",),
        doc="Multiply bytes and bfloat16 in the processor's matrix tiles (AMX) where it has any.",
        scoped=False,
    )
    tuned = Setting(
        _tuned,
        lambda: True,
        env=("MLC_TUNED",),
        doc="Use stored schedules: from mlc.lock and the tuning database, or from 'lock' alone.",
    )
    lock = Setting(
        _optional_path,
        lambda: None,
        env=("MLC_LOCK",),
        doc="The lock file; None: mlc.lock in the working directory or the nearest one above it.",
    )
    tuning_database = Setting(
        _optional_path,
        lambda: None,
        env=("MLC_TUNING_DATABASE",),
        doc="The file that keeps results of tuning; None: one in the cache folder.",
    )
    tuning_layers = Setting(
        _paths,
        lambda: (),
        env=("MLC_TUNING_LAYERS",),
        doc="More tuning databases, which are read and never written.",
    )
    cxx = Setting(
        _compiler,
        lambda: None,
        env=("MLC_CXX", "CXX"),
        doc="The C++ compiler of emulated CUDA kernels; None: g++, clang++ or c++ on the path.",
    )
    cuda_path = Setting(
        _optional_path,
        lambda: None,
        env=("MLC_CUDA_PATH", "CUDA_PATH", "CUDA_HOME"),
        doc="A CUDA toolkit; None: NVIDIA's wheels, then /usr/local/cuda.",
    )
    cuda_architecture = Setting(
        _architecture,
        lambda: None,
        env=("MLC_CUDA_ARCHITECTURE",),
        doc="Make kernels with what this architecture has: 'sm_90a' wgmma, 'sm_80' what all have; "
        "None: that of the cards here, where all are alike.",
    )
    emulated_order = Setting(
        _thread_order,
        lambda: "forward",
        env=("MLC_EMULATED_ORDER",),
        doc="The order in which emulated CUDA threads run: forward, reverse or random.",
    )
    emulated_checks = Setting(
        _flag,
        lambda: True,
        env=("MLC_EMULATED_CHECKS",),
        doc="Watch every access of emulated CUDA threads for races and bounds.",
    )

    def __setattr__(self, name: str, value: object) -> None:
        _setting(name).__set__(self, value)

    @contextmanager
    def override(self, **values: object) -> Iterator[Config]:
        """Settings that hold inside the ``with`` block, in this thread or task only."""
        for name in values:
            if not _setting(name).scoped:
                raise ArgumentError(
                    f"mlc.config.{name} is one for the whole process and has no override; "
                    + (
                        "write `with mlc.set_num_threads(...):` instead."
                        if name == "num_threads"
                        else f"set mlc.config.{name} itself instead."
                    )
                )
        checked = {
            name: _setting(name).check(value, f"mlc.config.{name}")
            for name, value in values.items()
        }
        token = _overrides.set({**_overrides.get(_NONE), **checked})
        if checked.get("debug"):
            _debug_blocks.append(token)
            _tell_watchers()
        try:
            yield self
        finally:
            _overrides.reset(token)
            if checked.get("debug"):
                _debug_blocks.remove(token)
                _tell_watchers()

    def __repr__(self) -> str:
        lines = [
            f"  {name} = {getattr(self, name)!r}  # {' or '.join(s.env)}: {s.__doc__}"
            for name, s in settings().items()
        ]
        return "\n".join(["mlc.config:", *lines])


def settings() -> dict[str, Setting[Any]]:
    """All settings by name, in the order of their declaration."""
    return {name: s for name, s in vars(Config).items() if isinstance(s, Setting)}


@cache
def check_environment() -> None:
    """Looks at each variable ``MLC_...`` of the environment: ArgumentError where a setting cannot
    take its value, a warning where no setting has its name. Those of tests begin with MLC_TEST."""
    ours = {name for name in os.environ if name.startswith("MLC_")}
    if not ours:
        return
    known = {variable: s for s in settings().values() for variable in s.env}
    for variable in sorted(ours):
        if variable in known:
            text = os.environ[variable].strip()
            if text:
                known[variable].check(text, f"the environment variable {variable}")
        elif not variable.startswith("MLC_TEST"):
            from difflib import get_close_matches

            near = get_close_matches(variable, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "print(mlc.config) lists all"
            warn(f"no setting is read from the variable {variable}; {hint}", UserWarning)


def _setting(name: str) -> Setting[Any]:
    found = settings()
    if name in found:
        return found[name]
    from difflib import get_close_matches

    near = get_close_matches(name, found, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" The settings are {', '.join(found)}."
    raise ArgumentError(f"mlc.config has no setting {name!r}.{hint}")


config = Config()


def watch(callback: Callable[[], object]) -> None:
    """Call ``callback`` after a setting of the process changed, and where a block turns debug mode
    on or off.
    """
    _watchers.append(callback)


def _tell_watchers() -> None:
    for callback in _watchers:
        callback()


def is_debug_anywhere() -> bool:
    """Whether debug mode is on for the process or in some ``with`` block of any thread."""
    if _debug_blocks:
        return True
    values = config._values
    # The environment is asked, but not remembered: that is left to the first use of the setting.
    return bool(values["debug"] if "debug" in values else Config.debug.initial())
