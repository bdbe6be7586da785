"""A failing case as text: a pytest that can be pasted, and fails in the same way."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .comparing import same_layout
from .source import globals_of, text_of

LONGEST = 400  # elements that are written out; more are drawn again from a generator


def pasted(
    text: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any],
    more: Sequence[tuple[str, Any]] = (), check: str = "check_against_numpy",
) -> str:  # fmt: skip
    """A test that calls ``mlc.testing.<check>`` with the same function, arguments and options
    (``more``). Functions that have source stand in it, others by their name."""
    sources = _Sources()
    name = sources.call(function)
    names = parameter_names(function, len(args))
    lines = [f"{n} = {literal(a)}" for n, a in zip(names, args, strict=True)]
    lines += [f"{n} = {literal(a)}" for n, a in kwargs.items()]
    passed = [name, *names, *(f"{n}={n}" for n in kwargs)]
    passed += [f"{n}={sources.call(v) if callable(v) else repr(v)}" for n, v in more]
    body = "\n".join((*lines, f"mlc.testing.{check}({', '.join(passed)})"))
    head = "\n".join(f"# {line}" for line in text.splitlines() or ["differs"])
    test = f"{head}\ndef test_differs():\n{textwrap.indent(body, '    ')}\n"
    return f"{sources.text()}\n\n\n{test}"


def parameter_names(function: Callable[..., Any], count: int) -> list[str]:
    """What the first ``count`` positional arguments of ``function`` may be called in a test."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        found = inspect.signature(function).parameters.values()
        names = [p.name for p in found if p.kind in kinds][:count]
    except (TypeError, ValueError):
        names = []
    return names + [f"a{i}" for i in range(len(names), count)]


class _Sources:
    """The definitions that a test needs, in an order in which Python can run them."""

    def __init__(self) -> None:
        self.imports = {"import numpy as np": None, "import mlc": None, "import mlc.testing": None}
        self.found: dict[str, str] = {}
        self.missing: set[str] = set()

    def call(self, function: Callable[..., Any]) -> str:
        """How ``function`` is called in the test."""
        plain = inspect.unwrap(function)
        name = getattr(plain, "__name__", "function")
        package = (getattr(plain, "__module__", None) or "").partition(".")[0]
        if isinstance(function, np.ufunc) or package == "numpy":
            return f"np.{name}"
        if not isinstance(plain, types.FunctionType) or package == "mlc":
            return name
        text = text_of(plain)
        if plain.__code__.co_name == "<lambda>":
            self.read_by(plain)
            return text or "function"
        self.define(name, plain, text)
        return name

    def define(self, name: str, function: types.FunctionType, text: str) -> None:
        if name in self.found or not text:
            return
        self.found[name] = ""  # which one that calls itself reads
        self.read_by(function)
        del self.found[name]
        self.found[name] = text

    def read_by(self, function: types.FunctionType) -> None:
        for name, value in globals_of(function).items():
            plain = inspect.unwrap(value) if callable(value) else value
            match plain:
                case types.ModuleType() if name not in ("np", "mlc"):
                    outer, _, inner = plain.__name__.rpartition(".")
                    line = f"from {outer} import {inner}" if outer else f"import {inner}"
                    self.imports[line if inner == name else f"{line} as {name}"] = None
                case types.ModuleType():
                    pass
                case types.FunctionType():
                    if plain.__module__ != function.__module__:
                        self.import_from(plain, name)
                    elif plain.__name__ == name:
                        self.define(name, plain, text_of(plain))
                    elif plain.__name__ == "<lambda>":
                        self.define(name, plain, f"{name} = {text_of(plain)}")
                    else:
                        self.define(plain.__name__, plain, text_of(plain))
                        self.found.setdefault(name, f"{name} = {plain.__name__}")
                case type():
                    self.import_from(plain, name)
                case _ if value is getattr(typing, name, None):  # no type before Python 3.11
                    self.imports[f"from typing import {name}"] = None
                case int() | float() | complex() | str() | np.ndarray() | np.generic():
                    self.found.setdefault(name, f"{name} = {literal(plain)}")

    def import_from(self, value: Any, name: str) -> None:
        package = value.__module__.partition(".")[0]
        home = sys.modules.get(value.__module__)
        own = value.__name__ if getattr(home, name, None) is None else name
        shown = getattr(sys.modules.get(package), own, None) is not None
        line = f"from {package if shown else value.__module__} import {own}"
        self.imports[line if own == name else f"{line} as {name}"] = None

    def text(self) -> str:
        imports = "\n".join(sorted(self.imports, key=lambda line: "numpy" not in line))
        parts = [text for text in self.found.values() if text]
        return "\n\n\n".join([imports, *parts])


def literal(value: Any) -> str:
    """``value`` as Python source with ``np``."""
    match value:
        case list() | tuple() if type(value) in (list, tuple):
            inner = ", ".join(map(literal, value))
            if isinstance(value, list):
                return f"[{inner}]"
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case dict() if type(value) is dict:
            return "{" + ", ".join(f"{k!r}: {literal(v)}" for k, v in value.items()) + "}"
        case np.ndarray():
            return _array(value)
        case np.generic():
            return f"np.{value.dtype.name}({_numbers(repr(value.item()))})"
        case float() | complex():
            return _numbers(repr(value))
    return repr(value)


def _numbers(text: str) -> str:
    return re.sub(r"\b(nan|inf)\b", r"np.\1", text)


def _array(value: np.ndarray[Any, Any]) -> str:
    if not value.flags.writeable:  # as are views that broadcast, of arrays that may have changed
        once = tuple(slice(0, 1 if s == 0 else None) for s in value.strides)
        held = same_layout(value[once])
        return f"np.broadcast_to({_array(held)}, {value.shape})"
    if value.size > LONGEST:
        return (
            f"np.random.default_rng(0).normal(size={value.shape}).astype(np.{_name(value.dtype)})"
            f"  # too long to write out: {value.dtype}{list(value.shape)}"
        )
    step = 1
    if value.ndim and value.size and value.strides[-1] and not value.flags.c_contiguous:
        step = value.strides[-1] // value.itemsize
    shown = value[..., ::-1] if step < 0 else value
    text = f"np.array({_numbers(str(shown.tolist()))}, {_dtype(value.dtype)})"
    if value.size == 0:
        text += f".reshape({value.shape})"
    elif step < 0:
        text += "[..., ::-1]"
    elif value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous:
        text = f"np.asfortranarray({text})"
    elif step > 1:
        text += f".repeat({step}, axis=-1)[..., ::{step}]"
    return text


def _name(dtype: np.dtype[Any]) -> str:
    return "bool_" if dtype.kind == "b" else dtype.name


def _dtype(dtype: np.dtype[Any]) -> str:
    return f"{dtype.name!r}" if dtype.name == "bfloat16" else f"np.{_name(dtype)}"
