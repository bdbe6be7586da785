"""Whether a card does right what is made for its kind alone: `wgmma`, and boxes that TMA loads.

That was never run on a card by those who wrote it, and what a kernel does wrong may end the use of
the card for its process. So a child process tries it, once; the answer is kept in the disk cache.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from mlc.backends.cuda import prelude
from mlc.config import config
from mlc.errors import DeviceWarning, UnsupportedError, warn
from mlc.forks import free_after_fork
from mlc.records import dataclass
from mlc.runtime import cache, sources
from mlc.runtime.cuda import nvrtc
from mlc.runtime.cuda.card import Card
from mlc.schedules.defaults.gpu_wgmma import ARCHITECTURE

ANY = "sm_80"  # kernels that all cards run
SECONDS = 120.0  # of the child in all; NVRTC takes most of what it needs
# The child finds what tries it by name: it is made of parts that are built upon this one.
BOOT = (
    "import sys, json; given = json.loads(sys.argv[1]); sys.path[:] = given.pop('path'); "
    "from mlc.card_trial import main; main(**given)"
)
TARGET = "cuda"
# What makes these kernels, as the folders of this package: where they change, cards are asked anew.
_MAKERS = ("backends/cuda", "graph/attention", "intrinsics", "lower/cuda", "runtime/cuda",
           "schedules/defaults")  # fmt: skip
_PACKAGE = Path(__file__).parent.parent.parent

_lock = threading.Lock()
free_after_fork(sys.modules[__name__])


@dataclass(frozen=True)
class Trial:
    """What became of a trial. ``said`` is a sentence unless the card does right; ``is_known`` where
    it tells of the card, and not of a child that could not use it at all."""

    said: str = ""
    is_known: bool = True


def trusted_architecture(on: Card) -> str:
    """What kernels of this machine are made for: what all its cards are or, where that has kernels
    of its own that a card does not do right, "sm_80", with a warning, once; "" for any card."""
    found = on.common_arch()
    if found != ARCHITECTURE:
        return found
    if on.is_trusted is not None:
        return found if on.is_trusted else ANY
    try:
        said = trial(on).said
    except UnsupportedError:  # there is no compiler, which whoever needs one says
        return ANY
    on.is_trusted = not said
    if not said:
        return found
    warn(
        f"a trial of what only {found} has failed on the card here: {said}; kernels are made for "
        f"any card instead, and products of 16-bit floats are slower; set "
        f"MLC_CUDA_ARCHITECTURE={ANY} to have it tried no more, or {found} to use it nevertheless; "
        f"python -m mlc cache clear --trials has it tried anew",
        DeviceWarning,
    )
    return ANY


def trial(on: Card) -> Trial:
    """The answer of the cards of this machine: this process's, the disk cache's, or a child's.
    UnsupportedError where there is no NVRTC."""
    with _lock:
        if on.trial is None:
            on.trial = _asked(on)
        found: Trial = on.trial
        return found


def _asked(on: Card) -> Trial:
    first = {on.name(number): number for number in reversed(range(on.count()))}
    key = cache.content_key(
        "trial", ARCHITECTURE, *sorted(first), str(on.driver()), nvrtc.nvrtc_version(),
        sources.installation(), prelude.device_source("", "trial"), _makers(),
    )  # fmt: skip
    entry = cache.get(key)
    if entry is not None:
        return Trial(entry.image.decode())
    found = _try(sorted(first.values()))
    if found.is_known:
        cache.put(key, found.said.encode(), {"trial": ARCHITECTURE})
    return found


def _makers() -> str:
    paths = (path for folder in _MAKERS for path in (_PACKAGE / folder).rglob("*.*"))
    states = ((str(path), path.stat()) for path in paths if path.suffix != ".pyc")
    return "\n".join(sorted(f"{path} {s.st_size} {s.st_mtime_ns}" for path, s in states))


def _try(numbers: list[int]) -> Trial:
    """What a child says of the cards of these numbers."""
    settings = {
        "cuda_architecture": ARCHITECTURE, "tuned": False, "debug": False, "cache": config.cache,
        "cache_dir": str(config.cache_dir),
        "cuda_path": None if config.cuda_path is None else str(config.cuda_path),
    }  # fmt: skip
    given = {"path": sys.path, "target": TARGET, "numbers": numbers, "settings": settings}
    command = [sys.executable, "-c", BOOT, json.dumps(given)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
            )
        except OSError as error:
            return Trial(f"no process can be started: {error}", is_known=False)
        try:
            child.wait(SECONDS)
            ended = _end_of(child.returncode)
        except subprocess.TimeoutExpired:
            ended = f"it did not end within {SECONDS:g} s"
        finally:
            if child.poll() is None:
                with contextlib.suppress(OSError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        return _read(_lines(out), ended, _lines(errors))


def _read(told: list[str], ended: str, errors: list[str]) -> Trial:
    is_begun = "begun" in told
    kind, _, said = told[-1].partition(" ") if told else ("", "", "")
    if ended:
        text = f"{ended}: {errors[-1].strip()}" if errors else ended
        return Trial(f"the process that tried it failed, {text}", is_begun)
    if kind == "right":
        return Trial()
    return Trial(said or "it said nothing", is_begun and kind == "wrong")


def _end_of(code: int) -> str:
    if code >= 0:
        return f"exit code {code}" if code else ""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _lines(file: Any) -> list[str]:
    file.seek(0)
    lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()]
