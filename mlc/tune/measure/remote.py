"""Builds and measurements on other machines: plain functions of bytes, for any executor.

What is submitted is :func:`build_there` or :func:`measure_there`, by its name, with bytes: process
pools, `dask.distributed`, `mpi4py.futures` and `loky` all carry that. There, the work is done in
children of the worker's process, with the same limits as here; a worker that is lost costs a
repetition.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ArgumentError, MlcError
from ..candidate import Candidate
from ..outcome import Outcome
from ..workload import Workload
from .builders import Builders
from .building import Built, traced_back
from .frames import pack, unpack
from .limits import Limits

SILENCE_SECONDS = 60.0  # beyond the limits, after which nothing is expected of an executor
_ATTEMPTS = 3  # on the executor; after that the work is done here
_builders_here: dict[str, Builders] = {}
_measurer_here: dict[bytes, Any] = {}  # the last one, by all but the candidates
_builders_lock = threading.Lock()
_measurer_lock = threading.Lock()


def build_there(request: bytes, limits: bytes) -> bytes:
    """The reply to a request of `building`, from a child of this process."""
    return _builders(json.loads(limits)).submit(request).result().to_bytes()


def measure_there(request: bytes) -> bytes:
    """Outcomes of candidates, measured on this machine: see :func:`run_on`."""
    header, blobs = unpack(request)
    candidates = [Candidate(kind, trace, origin) for kind, trace, origin in header["candidates"]]
    numbers = {id(candidate): n for n, candidate in enumerate(candidates)}
    outcomes: list[Any] = [None] * len(candidates)
    # One at a time in each process: two would spoil each other's timings.
    with _measurer_lock:
        measurer = _measurer(header, blobs)
        for candidate, outcome in measurer.measure(candidates):
            outcomes[numbers[id(candidate)]] = outcome.to_data()
    return pack({"outcomes": outcomes})


def _measurer(header: dict[str, Any], blobs: Sequence[bytes]) -> Any:
    """The measurer for a request; the same as for the one before, if only candidates differ."""
    from .measurer import Measurer

    key = pack({k: v for k, v in header.items() if k != "candidates"}, *blobs)
    found = _measurer_here.get(key)
    if found is not None and not found.is_closed:
        return found
    for other in _measurer_here.values():
        other.close()
    _measurer_here.clear()
    arrays = None
    if header["inputs"] is not None:
        arrays = tuple(map(_array, header["inputs"], blobs[2:]))
    naive = traced_back(blobs[0].decode(), header["name"])
    default = traced_back(blobs[1].decode(), header["default_name"])
    if blobs[0] == blobs[1]:
        default = naive
    workload = Workload(header["name"], naive, default, header["key"], inputs=arrays)
    workload = replace(workload, constants=tuple(header["constants"]))
    made = _measurer_here[key] = Measurer(workload, Limits(**header["limits"]))
    return made


def run_on(
    executor: Executor,
    workload: Workload,
    candidates: Sequence[Candidate],
    limits: Limits | None = None,
    group: int = 16,
) -> Iterator[tuple[Candidate, Outcome]]:
    """Build, check and time candidates on the machines behind ``executor``.

    Each outcome says in ``machine`` where it was measured; its ratio is to the default schedule on
    that same machine. Groups whose worker is lost are repeated, in the end on this machine.
    """
    if workload.is_on_device:
        raise ArgumentError(
            f"{workload.name} is for target {workload.target!r}, and what is measured elsewhere is "
            "processors; measure it here, by mlc.tune"
        )
    limits = limits or Limits()
    groups = [candidates[n : n + group] for n in range(0, len(candidates), group)]
    requests = [_request(workload, part, limits) for part in groups]
    futures = [_submitted(executor, measure_there, request) for request in requests]
    try:
        for part, request, future in zip(groups, requests, futures):
            patience = SILENCE_SECONDS + len(part) * (limits.build_seconds + limits.run_seconds)
            reply = _patient(executor, future, patience, measure_there, request)
            message = measure_there(request) if reply is None else reply
            outcomes = unpack(message)[0]["outcomes"]
            for candidate, data in zip(part, outcomes):
                yield candidate, Outcome.from_data(data)
    finally:
        for future in futures:
            if future is not None:
                future.cancel()


class Resilient:
    """Builds on an executor; what its workers lose is built again, in the end by ``builders``."""

    def __init__(self, executor: Executor, builders: Builders, limits: Limits) -> None:
        self.executor = executor
        self.builders = builders
        self.limits = limits
        self.repeated = 0
        self._options = json.dumps(limits.to_data()).encode()
        self._open: set[Future[bytes]] = set()
        self._requests: dict[Future[Built], bytes] = {}
        self._round = 0  # goes up when builds are given up

    def submit(self, request: bytes) -> Future[Built]:
        """The build, under way. Its result is never an exception."""
        made: Future[Built] = Future()
        made.set_running_or_notify_cancel()
        self._requests[made] = request
        made.add_done_callback(lambda future: self._requests.pop(future, None))
        self._attempt(request, made, _ATTEMPTS, self._round)
        return made

    def result(self, made: Future[Built], left: float | None) -> Built:
        """The build; made here where the executor is silent for long. ``left`` seconds at most,
        then :class:`concurrent.futures.TimeoutError`."""
        patience = SILENCE_SECONDS + 2 * self.limits.build_seconds
        try:
            return made.result(patience if left is None else min(patience, left))
        except FutureTimeout:
            request = self._requests.pop(made, None)
            if request is None or (left is not None and left <= patience):
                raise
        self.repeated += 1
        return self.builders.submit(request).result(left)

    def abort(self) -> None:
        """Let go of all builds that are under way. Others may follow."""
        self._round += 1
        for future in list(self._open):
            future.cancel()

    def _attempt(self, request: bytes, made: Future[Built], left: int, number: int) -> None:
        if number != self._round:
            _settle(made, Built("build failed", "the measurement was ended"))
            return
        future = None
        if left > 0:
            future = _submitted(self.executor, build_there, request, self._options)
        if future is None:
            self._build_here(request, made)
            return
        self._open.add(future)

        def finish(future: Future[bytes]) -> None:
            self._open.discard(future)
            try:
                built = Built.from_bytes(future.result())
            except BaseException:
                # Whatever an executor says when it loses a worker: only the work matters. A pool
                # of processes says so while it holds the lock that `submit` takes.
                self.repeated += 1
                again = (request, made, left - 1, number)
                threading.Thread(target=self._attempt, args=again, daemon=True).start()
                return
            _settle(made, built)

        future.add_done_callback(finish)

    def _build_here(self, request: bytes, made: Future[Built]) -> None:
        try:
            here = self.builders.submit(request)
        except RuntimeError as error:
            _settle(made, Built("build failed", f"the measurement was ended ({error})"))
            return
        here.add_done_callback(lambda f: _settle(made, _value(f)))


def _settle(future: Future[Built], built: Built) -> None:
    with contextlib.suppress(Exception):
        future.set_result(built)


def _value(future: Future[Built]) -> Built:
    try:
        return future.result()
    except BaseException as error:
        return Built("build failed", f"the measurement was ended ({type(error).__name__})")


def _builders(options: dict[str, Any]) -> Builders:
    """The builders of this process, kept from one request to the next."""
    with _builders_lock:
        key = json.dumps(options, sort_keys=True)
        if key not in _builders_here:
            _builders_here[key] = Builders(1, Limits(**options))
        return _builders_here[key]


def _request(workload: Workload, candidates: Sequence[Candidate], limits: Limits) -> bytes:
    arrays = workload.inputs
    header = {
        "name": workload.program.name,
        "default_name": workload.default.name,
        "key": workload.key,
        "constants": workload.constants,
        "limits": limits.to_data(),
        "candidates": [(c.kind, c.trace, c.origin) for c in candidates],
        "inputs": None if arrays is None else [(a.dtype.name, a.shape) for a in arrays],
    }
    scripts = (workload.program.script().encode(), workload.default.script().encode())
    return pack(header, *scripts, *(np.ascontiguousarray(a).tobytes() for a in arrays or ()))


def _array(kind: Sequence[Any], data: bytes) -> Any:
    from ...dtypes import as_dtype

    dtype, shape = kind
    return np.frombuffer(data, as_dtype(dtype).numpy).reshape(shape)


def _submitted(executor: Executor, function: Any, *args: bytes) -> Future[bytes] | None:
    try:
        return executor.submit(function, *args)
    except Exception:
        return None  # it is broken, or shut down


def _patient(
    executor: Executor,
    future: Future[bytes] | None,
    patience: float,
    function: Any,
    *args: bytes,
) -> bytes | None:
    """The result, with repetitions; None when the executor does not get it done, or is silent for
    ``patience`` seconds.

    What mlc itself raises is the result."""
    for attempt in range(_ATTEMPTS):
        if future is None:
            return None
        try:
            return future.result(patience)
        except MlcError:
            raise
        except FutureTimeout:
            return None
        except Exception:
            if attempt < _ATTEMPTS - 1:
                future = _submitted(executor, function, *args)
    return None
