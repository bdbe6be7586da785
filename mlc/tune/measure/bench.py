"""The bench of one workload: data in shared memory, a reference, the default schedule timed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from ...errors import CompileError
from ..workload import Workload
from .arena import Arena
from .building import Built, native_text, own_request, plain_request, script_request
from .data import ARGUMENTS, SETS, data_sets, is_float, poison
from .frames import pack
from .limits import Limits
from .reference import NAIVE_KEY, find_references, is_affordable
from .runner import DEFAULT, FailureError, Runner, Terms, Trial
from .running import REPEAT_IR
from .statistics import fast_quarter

_OWN_BYTES = 16 << 20  # of inputs, up to which those for timing are copies
_SAMPLES = 200  # of the default that are remembered
_ALL_SETS_BYTES = (
    256 << 20
)  # of inputs and outputs; more of them are compared on the arguments alone


class Bench:
    """Where images of one workload run. :meth:`close` removes all there is of it."""

    def __init__(
        self, workload: Workload, limits: Limits, submit: Callable[[bytes], Future[Built]]
    ) -> None:
        self.workload = workload
        self.limits = limits
        program = workload.program
        repeat = submit(pack({"do": "build", "kind": "llvm", "workspace": 0}, REPEAT_IR.encode()))
        default = submit(plain_request(workload.default, workload))
        naive = None
        if workload.default is not program and is_affordable(program):
            naive = submit(script_request(program, workload.constants))
        self.inputs = self._inputs()
        self.sets = tuple(self.inputs)
        self.arena, numbers = self._arena()
        try:
            arrays, count = self.arena.arrays, program.outputs
            # After those for timing, which are nobody's result.
            self.outputs = {
                name: arrays[(n + 1) * count : (n + 2) * count] for n, name in enumerate(self.sets)
            }
            timing = _image(repeat.result(), "timing")
            self.runner = Runner(self.arena, numbers, timing, limits, _device(workload))
            self.default = _made(default.result(), workload, submit)
            self.runner.load(DEFAULT, self.default)
            has_naive = naive is not None and self._has_naive(naive.result())
            self.references, self.doubt = find_references(
                program, self.runner, self.arena, self.sets, self.outputs, self.inputs, has_naive
            )
            self.runner.drop(NAIVE_KEY)
            samples = self.runner.time(DEFAULT, DEFAULT, 6, limits.run_seconds)
            self._samples = deque((*samples.ours, *samples.rival), maxlen=_SAMPLES)
        except FailureError as failure:
            self.close()
            raise CompileError(
                f"{workload.name} cannot be measured: its default schedule does not run "
                f"({failure.status}: {failure.detail})"
            ) from None
        except BaseException:
            self.close()
            raise

    @property
    def seconds(self) -> float:
        """What the default takes when the machine is not busy with other things."""
        return fast_quarter(self._samples)

    def note(self, samples: Sequence[float]) -> None:
        """Further samples of the default."""
        self._samples.extend(samples)

    def check(self, key: int, sets: Sequence[str], limit: float) -> float:
        """Run ``key`` on data sets and compare; the seconds of the last run.

        :class:`FailureError` says what was wrong.
        """
        seconds = 0.0
        for name in sets:
            if name in self.references:
                poison(self.outputs[name], name)
                seconds = self.runner.run(key, self.sets.index(name), limit)
                self._compare(name)
        return seconds

    def trial(self, key: int, built: Built, terms: Terms) -> Trial:
        """See :meth:`Runner.trial`; its results are compared with the reference."""
        for name in self.proof:
            poison(self.outputs[name], name)
        trial = self.runner.trial(key, built, terms)
        for name in self.proof[: trial.ran]:
            self._compare(name)
        return trial

    def numbers(self) -> tuple[int, ...]:
        """The numbers of the data sets that there are references for."""
        return tuple(self.sets.index(name) for name in self.proof)

    def _compare(self, name: str) -> None:
        difference = self.references[name].difference(self.outputs[name]) or self.arena.damage()
        if difference:
            raise FailureError("wrong result", f"on the {name}: {difference}")

    @property
    def proof(self) -> tuple[str, ...]:
        """The names of the data sets that there are references for."""
        return tuple(self.references)

    def close(self) -> None:
        """End the child and remove the shared memory."""
        if hasattr(self, "runner"):
            self.runner.close()
        if hasattr(self, "arena"):
            self.outputs = {}
            self.arena.close()

    def _inputs(self) -> dict[str, list[Any]]:
        arguments = self.workload.arguments()
        size = sum(a.nbytes for a in arguments)
        size += sum(b.size * b.dtype.itemsize for b in self.workload.outputs)
        if size > _ALL_SETS_BYTES:
            return {ARGUMENTS: arguments}
        found = data_sets(arguments)
        if not any(map(is_float, arguments)):
            del found[SETS[-1]]
        return found

    def _arena(self) -> tuple[Arena, list[list[int]]]:
        """Outputs come first, those for timing and those of each set; then the inputs of each set,
        and those for timing, which large arrays share with the first set."""
        workload = self.workload
        count, read = len(workload.outputs), workload.read_params
        buffers = [(b, True) for _ in range(len(self.inputs) + 1) for b in workload.outputs]
        numbers, values = [], [*self.inputs.values()]
        for n in range(len(self.inputs)):
            first = len(buffers)
            buffers += [(b, False) for b in read]
            numbers.append([*range(first, len(buffers)), *range((n + 1) * count, (n + 2) * count)])
        timed, roomy = numbers[0][: len(read)], {*range(count)}
        if sum(a.nbytes for a in values[0]) <= _OWN_BYTES:
            timed = [*range(len(buffers), len(buffers) + len(read))]
            buffers += [(b, False) for b in read]
            values.append(values[0])
            roomy.update(timed)
        numbers.append([*timed, *range(count)])
        try:
            arena = Arena.create(buffers, roomy)
        except OSError as error:
            raise CompileError(
                f"{workload.name} cannot be measured: there is no room for its arrays ({error})"
            ) from None
        for places, arrays in zip(numbers, values):
            for number, array in zip(places, arrays):
                arena.arrays[number][...] = array
        return arena, numbers

    def _has_naive(self, built: Built) -> bool:
        if built.status != "ok":
            return False
        try:
            self.runner.load(NAIVE_KEY, built)
        except FailureError:
            return False
        return True


def _image(built: Built, what: str) -> bytes:
    if built.status != "ok":
        raise CompileError(f"the {what} code cannot be built ({built.status}: {built.detail})")
    return built.image


def _device(workload: Workload) -> dict[str, Any] | None:
    """The card that a workload's kernels run on, the current one, as a child is told; None where
    the processor runs them."""
    if not workload.is_on_device:
        return None
    number = 0
    if workload.target == "cuda":
        from ...runtime.cuda.card import card

        number = card().device()
    return {"target": str(workload.target), "number": number}


def _made(built: Built, workload: Workload, submit: Callable[[bytes], Future[Built]]) -> Built:
    """The build of the default schedule, or why there is none. Its script may call what only this
    process knows: then it is lowered here."""
    if built.status == "ok":
        return built
    if workload.is_on_device:
        built = submit(own_request(workload.default, workload)).result()
        if built.status != "ok":
            raise FailureError(built.status, built.detail)
        return built
    from ...backends.llvm.target import host_target
    from ...runtime.image import compile_image

    text, workspace = native_text(workload.default, workload.constants)
    return Built("ok", image=compile_image(text, host_target()), meta={"workspace": workspace})
