"""Arguments of steps that are of another kind than the step takes.

The annotations of a step say what it takes. They are looked at only once a call has failed with an
error of Python's, so that steps need no checks of their own, and calls that fit cost nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ir.expr import Var
from ..ir.program import Block, Buffer

_INT = "an integer"
# What fits each part of an annotation, and how a sentence calls it.
KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Var": (lambda v: isinstance(v, Var), "a loop from s.loops(...)"),
    "Block": (lambda v: isinstance(v, Block), ""),
    "Buffer": (lambda v: isinstance(v, Buffer), ""),
    "str": (lambda v: isinstance(v, str), "a name"),
    "int": (lambda v: isinstance(v, (int, np.integer)) and not isinstance(v, bool), _INT),
    "float": (lambda v: isinstance(v, (int, float, np.number)), "a number"),
    "bool": (lambda v: isinstance(v, bool), "True or False"),
    "None": (lambda v: v is None, "None"),
    "Callable[..., Any]": (callable, "a function"),
    "Any": (lambda v: True, ""),
}
# What annotations do not tell of arguments, by their names.
MEANINGS = {
    "scope": "a memory: 'local' (of one thread: registers, or a small array), 'global', 'shared' "
    "(of the threads of a block), or one of an accelerator by a name such as 'global.A_reg'",
    "thread": "a name such as 'blockIdx.x' or 'threadIdx.x'",
    "value": "a number or a name",
}
_SEVERAL = "Sequence["


def misfit(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Which argument does not fit, as a sentence; "" if all do. The first is the schedule."""
    signature = inspect.signature(function)
    own = list(signature.parameters.values())[1:]
    name = f"s.{function.__name__}"
    shown = f"{name}({', '.join(str(p).split(':')[0].split('=')[0] for p in own)})"
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        return _missing(signature, args, kwargs, shown) or f"{shown}: {error}"
    for parameter in own:
        if parameter.name not in bound.arguments:
            continue
        value, wanted = bound.arguments[parameter.name], str(parameter.annotation)
        values = value if parameter.kind is parameter.VAR_POSITIONAL else (value,)
        for each in values:
            if each is not parameter.default and not fits(each, wanted):
                return f"{shown} takes {_words(wanted)} as {parameter.name}, got {each!r}"
    return ""


def _missing(signature: inspect.Signature, args: Any, kwargs: Any, shown: str) -> str:
    """Which arguments a call lacks, and what each of them is; "" where it is something else."""
    try:
        given = signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        return ""
    lacking = [
        p
        for p in signature.parameters.values()
        if p.name not in given and p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    texts = [f"{p.name}, {MEANINGS.get(p.name) or _words(p.annotation)}" for p in lacking]
    return f"{shown} needs {'; and '.join(texts)}"


def fits(value: Any, wanted: str) -> bool:
    """Whether ``value`` is what the annotation ``wanted`` says."""
    if wanted in KINDS:
        return KINDS[wanted][0](value)
    inner, _, rest = _parts(wanted)
    if rest and fits(value, rest):
        return True
    if not inner.startswith(_SEVERAL):
        return fits(value, inner)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return False
    return all(fits(each, inner[len(_SEVERAL) : -1]) for each in value)


def _parts(wanted: str) -> tuple[str, str, str]:
    """The first alternative of an annotation, and the others."""
    depth = 0
    for place, sign in enumerate(wanted):
        depth += (sign == "[") - (sign == "]")
        if not depth and wanted.startswith(" | ", place):
            return wanted[:place], " | ", wanted[place + 3 :]
    return wanted, "", ""


def _words(wanted: str) -> str:
    names = {"Block": "a block", "Buffer": "a buffer"}
    found = []
    rest = wanted
    while rest:
        first, _, rest = _parts(rest)
        if first.startswith(_SEVERAL):
            found.append(f"a list ({_words(first[len(_SEVERAL) : -1])} each)")
        elif first == "str" and found and found[-1].startswith("a b"):
            found[-1] += " or its name"
        else:
            found.append(names.get(first) or KINDS[first][1])
    return " or ".join(found)
