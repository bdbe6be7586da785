"""Functions and arguments as text: ``model.py:forward`` and ``float32[64,128] int32``."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..dtypes import as_dtype
from ..errors import ArgumentError, MlcError

_ARRAY = re.compile(r"([A-Za-z_]\w*)(?:\[([\d\s,]*)\])?")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+|inf|nan)|True|False")


def load_function(text: str, folder: Path | None = None) -> Callable[..., Any]:
    """The function that ``text``, "file.py:name", means; the file is run. A name may have dots. A
    relative file is looked for in ``folder``, or in the working directory."""
    file, colon, name = text.rpartition(":")
    if not colon or not file or not name:
        raise ArgumentError(
            f"{text!r} names no function; write the file, a colon and the name: model.py:forward"
        )
    path = (folder or Path.cwd()) / Path(file).expanduser()
    if not path.is_file():
        raise ArgumentError(f"there is no file {path}")
    value: Any = _run(path)
    for part in name.split("."):
        if not hasattr(value, part):
            near = sorted(n for n, v in vars(value).items() if callable(v) and n[:1] != "_")
            raise ArgumentError(
                f"{file} has no {name!r}; it has {', '.join(near) or 'no functions at all'}"
            )
        value = getattr(value, part)
    if not callable(value):
        raise ArgumentError(f"{name} in {file} is {type(value).__name__}, not a function")
    function: Callable[..., Any] = value
    return function


def _run(path: Path) -> ModuleType:
    # A file that was edited since is another module.
    place = f"{path.resolve()} {path.stat().st_mtime_ns}"
    name = f"_mlc_{path.stem}_{abs(hash(place)):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except MlcError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise ArgumentError(
            f"{path} fails when it is run: {type(error).__name__}: {error}"
        ) from None
    finally:
        sys.path.remove(str(path.parent))
    return module


def parse_arguments(text: str, seed: int = 0) -> list[Any]:
    """Arguments from words such as ``float32[64,128]`` (an array, drawn by chance from ``seed``),
    ``int32[]`` (of no dimensions) and ``0.5`` (a number). Floats lie between -1 and 1, integers are
    0 or 1, so that they are indices of anything."""
    rng = np.random.default_rng(seed)
    arguments: list[Any] = []
    for word in re.findall(r"[^\s,\[\]]+(?:\[[^\]]*\]?)?|[\[\]]", text):
        if _NUMBER.fullmatch(word):
            arguments.append(_number(word))
            continue
        found = _ARRAY.fullmatch(word)
        if found is None:
            raise ArgumentError(
                f"{word!r} is no argument; write an array as dtype[sizes], such as "
                "float32[64,128], or a number"
            )
        dtype = as_dtype(found[1]).numpy
        sizes = [int(size) for size in (found[2] or "").split(",") if size.strip()]
        arguments.append(_drawn(dtype, sizes, rng))
    return arguments


def check_call(function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """:class:`ArgumentError` if the function is not called with so many arguments."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise ArgumentError(
            f"{function.__name__} cannot be called with {len(arguments)} "
            f"argument{'s' * (len(arguments) != 1)}: {error}; "
            "give them with --args"
        ) from None
    except ValueError:
        return  # it has no signature to look at


def _number(word: str) -> bool | int | float:
    if word in ("True", "False"):
        return word == "True"
    return int(word) if re.fullmatch(r"[+-]?\d+", word) else float(word)


def _drawn(dtype: np.dtype[Any], sizes: Sequence[int], rng: np.random.Generator) -> Any:
    if dtype.kind == "c":
        drawn: Any = rng.uniform(-1, 1, sizes) + 1j * rng.uniform(-1, 1, sizes)
    elif dtype.kind in "biu":
        drawn = rng.integers(0, 2, sizes)
    else:
        drawn = rng.uniform(-1, 1, sizes)
    return np.asarray(drawn).astype(dtype)


def arguments_text(arguments: Sequence[Any]) -> str:
    """What :func:`parse_arguments` reads, for the arguments of a call; "" where that cannot be."""
    words = []
    for value in arguments:
        match value:
            case bool() | int() | float():
                words.append(repr(value))
            case np.ndarray() | np.generic():
                sizes = ",".join(map(str, value.shape))
                words.append(f"{value.dtype.name}[{sizes}]")
            case _:
                return ""
    return " ".join(words)


def function_text(function: Any, folder: Path) -> str:
    """What :func:`load_function` reads, with the file relative to ``folder``; "" for a function
    that is not found by its name in a file."""
    plain = inspect.unwrap(function) if callable(function) else function
    name = getattr(plain, "__qualname__", "")
    try:
        path = Path(inspect.getsourcefile(plain) or "").resolve()
    except TypeError:
        return ""
    if not name or "<" in name or not path.is_file():
        return ""
    try:
        return f"{path.relative_to(folder.resolve()).as_posix()}:{name}"
    except ValueError:
        return f"{path.as_posix()}:{name}"
