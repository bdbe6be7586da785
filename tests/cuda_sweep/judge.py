"""What becomes of a subject: the outcome, and the modules that were made on the way."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import mlc
from mlc.backends.cuda.device import DeviceModule
from mlc.testing.cuda import ARCHITECTURES, assert_compiles

from .subjects import Different, run

GOOD = ("same", "refused as on the processor")


@dataclass(frozen=True)
class Outcome:
    """``kind`` is "same", "refused as on the processor", "refused", "different", "does not
    compile" or "error"; ``text`` says more."""

    subject: str
    kind: str
    text: str = ""
    modules: int = 0


def judge(
    subject: str,
    examples: int = 1,
    checks: bool = True,
    architectures: Sequence[str] = ARCHITECTURES,
) -> Outcome:
    """Runs a subject on the emulated target, under its checks if wanted, and compiles what was made
    for the ``architectures`` of cards."""
    with collected() as modules, mlc.config.override(emulated_checks=checks):
        kind, text = _ran(subject, examples)
    if kind == "same":
        try:
            for module in modules:
                assert_compiles(module, architectures)
        except (mlc.MlcError, AssertionError) as error:
            kind, text = "does not compile", str(error)
    return Outcome(subject, kind, text, len(modules))


def _ran(subject: str, examples: int) -> tuple[str, str]:
    try:
        run(subject, examples=examples)
    except Different as error:
        return "different", str(error)
    except (mlc.SimulationError, mlc.CompileError, mlc.BoundsError) as error:
        return _unless_there_too(subject, examples, "error", f"{type(error).__name__}: {error}")
    except mlc.MlcError as error:
        return _unless_there_too(subject, examples, "refused", f"{type(error).__name__}: {error}")
    except Exception:
        return _unless_there_too(subject, examples, "error", traceback.format_exc(limit=-8))
    return "same", ""


def _unless_there_too(subject: str, examples: int, kind: str, text: str) -> tuple[str, str]:
    """``kind``, unless the processor refuses the subject in the same way."""
    try:
        run(subject, target="cpu", examples=examples)
    except Different:
        return kind, text
    except mlc.MlcError:
        return "refused as on the processor", text
    except Exception as error:
        return kind, f"{text}\non the processor: {error}"
    return kind, text


@contextmanager
def collected() -> Iterator[list[DeviceModule]]:
    """The modules that are loaded to be emulated."""
    from mlc.runtime.cuda import emulate

    modules: list[DeviceModule] = []
    load = emulate.load

    def noting(module: DeviceModule) -> Any:
        modules.append(module)
        return load(module)

    with mock.patch.object(emulate, "load", noting):
        yield modules
