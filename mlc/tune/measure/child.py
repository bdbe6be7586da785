"""What runs in a child process: it answers one request after the other until its input ends.

The protocol keeps standard output to itself: whatever else writes there goes to standard error.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
from typing import Any, BinaryIO

from .frames import PREFIX_BYTES, Header, pack, prefix, unpack

_GRACE = 5.0  # seconds beyond a limit after which the child ends itself, should its parent be gone


def main() -> None:
    """Serve requests until the input ends."""
    options = json.loads(sys.argv[1])
    requests, replies = _take_standard_output()
    _limit_memory(options["memory_bytes"])
    with contextlib.suppress(AttributeError, ValueError):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if options["threads"]:
        from mlc.config import config

        config.num_threads = options["threads"]
    if options["warm"]:
        from . import building

        building.warm_up()
        # What is loaded stays; builds make many objects, few of them in cycles.
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
    answer: Any = None
    _send(replies, pack({"ready": os.getpid()}))
    while (message := _read(requests)) is not None:
        header, blobs = unpack(message)
        if answer is None:
            answer = _service(header)
        _set_alarm(header["limit"])
        reply, out = _answered(answer, header, blobs)
        _set_alarm(None)
        _send(replies, pack(reply, *out))


def _service(header: Header) -> Any:
    if header["do"] == "build":
        from .building import answer
    elif header["do"] in ("fit", "guess"):
        from ..model.trees import answer
    elif header.get("device") is not None:
        from .on_card import DeviceSession

        answer = DeviceSession().answer
    else:
        from .running import Session

        answer = Session().answer
    return answer


def _answered(answer: Any, header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
    try:
        reply, out = answer(header, blobs)
    except MemoryError as error:
        return {"status": "out of memory", "detail": str(error) or "no memory left"}, []
    except Exception as error:
        # Whatever it is, it belongs to this request; the next one may be fine.
        return {"status": "build failed", "detail": f"{type(error).__name__}: {error}"}, []
    return reply, out


def _take_standard_output() -> tuple[BinaryIO, BinaryIO]:
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests, replies


def _limit_memory(extra: int | None) -> None:
    """``extra`` bytes beyond what the process has mapped now."""
    if extra is None or not sys.platform.startswith("linux"):
        return
    import resource

    # Loaded first, so that what the libraries take does not count.
    import numpy  # noqa: F401

    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    limit = mapped + extra
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _set_alarm(limit: float | None) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0 if limit is None else limit + _GRACE)


def _read(file: BinaryIO) -> bytes | None:
    start = _exactly(file, PREFIX_BYTES)
    if start is None:
        return None
    rest = _exactly(file, prefix(start)[1])
    return None if rest is None else start + rest


def _exactly(file: BinaryIO, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = file.read(size - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


def _send(file: BinaryIO, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[file.write(view) :]
