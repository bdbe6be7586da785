"""A failing case as text: a pytest that can be pasted, and fails in the same way."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import inspect
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .literals import UnwrittenError, literal
from .source import globals_of, text_of

_NUMPY = (np, np.linalg, np.fft, np.random)


def pasted(
    text: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any],
    more: Sequence[tuple[str, Any]] = (), check: str = "check_against_numpy",
) -> str:  # fmt: skip
    """A test that calls ``mlc.testing.<check>`` with the same function, arguments and options
    (``more``). Functions that have source stand in it, others by their name."""
    sources = _Sources()
    name = sources.call(function)
    names = parameter_names(function, len(args))
    given = [*zip(names, args, strict=True), *kwargs.items()]
    lines = [f"{n} = {sources.assigned(a)}" for n, a in given]
    passed = [name, *names, *(f"{n}={n}" for n in kwargs)]
    passed += [f"{n}={sources.call(v) if callable(v) else literal(v)}" for n, v in more]
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
        self.owners: dict[str, types.FunctionType] = {}  # of names that are functions
        self.shown: list[int] = []  # objects that are being written

    def call(self, function: Callable[..., Any]) -> str:
        """How ``function`` is called in the test."""
        try:
            return self.named(function)
        except UnwrittenError:
            self.found["function"] = f"function = {_unknown(function)}"
            return "function"

    def assigned(self, value: Any) -> str:
        """What stands behind ``name =``."""
        try:
            return literal(value, self.named)
        except UnwrittenError:
            return _unknown(value)

    def named(self, value: Any) -> str:
        """A function, a class or an object by what it is called, or made of, in the test."""
        if isinstance(value, functools.partial):
            self.imports["import functools"] = None
            inside = (self.named(value.func), *(literal(a, self.named) for a in value.args))
            keywords = (f"{n}={literal(v, self.named)}" for n, v in value.keywords.items())
            return f"functools.partial({', '.join((*inside, *keywords))})"
        if isinstance(value, types.MethodType):
            return f"{literal(value.__self__, self.named)}.{value.__name__}"
        plain = inspect.unwrap(value) if callable(value) else value
        name, module = getattr(plain, "__name__", ""), getattr(plain, "__module__", None) or ""
        if isinstance(getattr(plain, "__self__", None), np.ufunc):
            return f"np.{plain.__self__.__name__}.{name}"
        for owner in _NUMPY:
            if name and getattr(owner, name, None) in (value, plain):
                return f"{owner.__name__.replace('numpy', 'np', 1)}.{name}"
        if isinstance(plain, types.FunctionType) and module.partition(".")[0] != "mlc":
            return self.function(plain)
        if name and getattr(sys.modules.get(module), name, None) is plain:
            return self.part(plain)
        if isinstance(plain, type) and module != "builtins":
            return self.part(plain)
        return self.object(plain)

    def function(self, plain: types.FunctionType) -> str:
        text = text_of(plain)
        if plain.__code__.co_name != "<lambda>":
            return self.define(plain.__name__, plain, text)
        held = self.read_by(plain)
        if not text:
            raise UnwrittenError(repr(plain))
        if held:
            text = f"(lambda {', '.join(held)}: {text})({', '.join(held.values())})"
        return text

    def define(self, name: str, function: types.FunctionType, text: str) -> str:
        """Writes ``function`` once; the name that it has got, another one where that is taken."""
        if not text:
            raise UnwrittenError(repr(function))
        taken, number = name, 1
        while name in self.found and self.owners.get(name) is not function:
            number += 1
            name = f"{taken}_{number}"
        if name in self.found:
            return name
        self.found[name], self.owners[name] = "", function  # which one that calls itself reads
        held = self.read_by(function)
        del self.found[name]
        text = re.sub(rf"\b{taken}\b", name, text) if name != taken else text
        if held:
            lines = "\n".join(f"{n} = {v}" for n, v in held.items())
            body = textwrap.indent(f"{lines}\n\n{text}\n\nreturn {name}", "    ")
            text = f"def make_{name}():\n{body}\n\n\n{name} = make_{name}()"
        self.found[name] = text
        return name

    def read_by(self, function: types.FunctionType) -> dict[str, str]:
        """Writes what ``function`` reads; what has the name of something else is returned."""
        return self.take_all(globals_of(function), function.__module__)

    def take_all(self, found: Mapping[str, Any], module: str) -> dict[str, str]:
        """The same for what code of ``module`` reads."""
        others: dict[str, str] = {}
        for name, value in found.items():
            plain = inspect.unwrap(value) if callable(value) else value
            match plain:
                case types.ModuleType() if name not in ("np", "mlc"):
                    outer, _, inner = plain.__name__.rpartition(".")
                    line = f"from {outer} import {inner}" if outer else f"import {inner}"
                    self.imports[line if inner == name else f"{line} as {name}"] = None
                case types.ModuleType():
                    pass
                case types.FunctionType():
                    if plain.__module__ != module:
                        self.import_from(plain, name)
                    else:
                        self.bind(name, plain)
                case type() if plain.__module__ != "__main__":
                    self.import_from(plain, name)
                case _ if value is getattr(typing, name, None):  # no type before Python 3.11
                    self.imports[f"from typing import {name}"] = None
                case _:
                    text = self.assigned(plain)
                    if text == name:
                        continue
                    if self.found.get(name) in (None, f"{name} = {text}"):
                        self.found.setdefault(name, f"{name} = {text}")
                    else:
                        others[name] = text
        return others

    def bind(self, name: str, plain: types.FunctionType) -> None:
        """Writes ``plain``, which another function reads as ``name``."""
        text = text_of(plain)
        if not text:
            return
        if plain.__name__ == name:
            self.define(name, plain, text)
        elif plain.__name__ == "<lambda>":
            self.define(name, plain, f"{name} = {text}")
        else:
            self.define(plain.__name__, plain, text)
            self.found.setdefault(name, f"{name} = {plain.__name__}")

    def part(self, value: Any) -> str:
        """A class, or a function of a module that is there."""
        name = value.__name__
        if value.__module__ != "__main__" and "." not in value.__qualname__:
            self.import_from(value, name)
            return str(name)
        try:
            text = textwrap.dedent(inspect.getsource(value)).rstrip()
        except (OSError, TypeError):
            raise UnwrittenError(repr(value)) from None
        if name not in self.found:
            self.found[name] = ""
            space = vars(sys.modules[value.__module__])
            nodes = ast.walk(ast.parse(text))
            names = {node.id: None for node in nodes if isinstance(node, ast.Name)}
            read = {n: space[n] for n in names if n in space}
            self.take_all({n: v for n, v in read.items() if v is not value}, value.__module__)
            del self.found[name]
            self.found[name] = text
        return str(name)

    def object(self, value: Any) -> str:
        """An object by the attributes that it has."""
        kind = type(value)
        held: Any = getattr(value, "__dict__", None)
        is_known = kind.__module__ not in ("builtins", "numpy") and isinstance(held, dict)
        if not is_known or id(value) in self.shown:
            raise UnwrittenError(repr(value))
        self.shown.append(id(value))
        try:
            made = self.part(kind)
            shown = {n: literal(v, self.named) for n, v in held.items()}
        finally:
            self.shown.remove(id(value))
        fields = (
            [f.name for f in dataclasses.fields(value) if f.init]
            if (dataclasses.is_dataclass(value))
            else None
        )
        if fields is not None and fields == list(shown):
            return f"{made}({', '.join(f'{n}={v}' for n, v in shown.items())})"
        name = f"{kind.__name__.lower()}_object"
        while name in self.found:
            name += "_"
        attributes = ", ".join(f"{n!r}: {v}" for n, v in shown.items())
        self.found[name] = f"{name} = {made}.__new__({made})\nvars({name}).update({{{attributes}}})"
        return name

    def import_from(self, value: Any, name: str) -> None:
        package = value.__module__.partition(".")[0]
        home = sys.modules.get(value.__module__)
        own = value.__name__ if getattr(home, name, None) is None else name
        if getattr(builtins, own, None) is value:
            return
        shown = getattr(sys.modules.get(package), own, None) is not None
        line = f"from {package if shown else value.__module__} import {own}"
        self.imports[line if own == name else f"{line} as {name}"] = None

    def text(self) -> str:
        imports = "\n".join(sorted(self.imports, key=lambda line: "numpy" not in line))
        parts = [text for text in self.found.values() if text]
        return "\n\n\n".join([imports, *parts])


def _unknown(value: Any) -> str:
    return f"...  # to be made here: {' '.join(repr(value).split())[:200]}"
