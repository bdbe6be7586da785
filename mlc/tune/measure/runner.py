"""The parent's side of running: one child that is replaced whenever a candidate ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...runtime.threads import get_num_threads
from ..outcome import Status
from .arena import Arena
from .building import Built
from .frames import Header
from .limits import Limits
from .process import Child, DiedError, ExpiredError

DEFAULT = 0  # the key of the default schedule's image
_OS_KILL = 9
_ALARM = 14
_RENEW_AFTER = 20_000  # requests, after which the images of a process are let go
_FLUSH_BYTES = 512 << 20


class FailureError(Exception):
    """Why a candidate did not run: an Outcome's status and a sentence."""

    def __init__(self, status: Status, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(f"{status}: {detail}")


@dataclass(frozen=True)
class Samples:
    """Seconds per call, round by round, and what one round took."""

    ours: list[float]
    rival: list[float]
    loops: list[int | None]


@dataclass(frozen=True)
class Terms:
    """What a trial goes through: see :meth:`mlc.tune.measure.running.Session.trial`."""

    sets: tuple[int, ...]
    rounds: int
    run_limit: float
    give_up: float
    hopeless: float
    short: float
    rival_loops: int | None


@dataclass(frozen=True)
class Trial:
    """``once`` is what the first run took; it ran on the first ``ran`` of the sets."""

    once: float
    ran: int
    samples: Samples


class Runner:
    """Runs images on the arrays of an arena. ``sets`` are the arena's places of the buffers, for
    each data set; ``repeat`` is the image of the timing loop. ``device`` names a card, as
    :class:`mlc.tune.measure.on_card.DeviceSession` reads it."""

    def __init__(
        self,
        arena: Arena,
        sets: Sequence[Sequence[int]],
        repeat: bytes,
        limits: Limits,
        device: Header | None = None,
    ) -> None:
        self.arena = arena
        self.device = device
        self.sets = [list(numbers) for numbers in sets]
        self.repeat = repeat
        self.limits = limits
        self.lost = 0  # processes that ended while they ran a candidate
        self._child: Child | None = None
        self._images: dict[int, Built] = {}
        self._loaded: set[int] = set()

    def load(self, key: int, built: Built) -> None:
        """Load an image as ``key``. :class:`FailureError` if it cannot be."""
        self._images[key] = built
        try:
            self._asked(key, {"do": "run", "only": "load"}, self.limits.run_seconds, ())
        except FailureError:
            self.drop(key)
            raise

    def drop(self, key: int) -> None:
        """Forget an image."""
        self._images.pop(key, None)
        self._loaded.discard(key)

    def run(self, key: int, number: int, limit: float) -> float:
        """Call ``key`` once on data set ``number``; its seconds."""
        header = {"do": "run", "key": key, "set": number}
        reply = self._asked(key, header, limit, (key,))
        if reply["code"]:
            raise FailureError("crashed", f"the kernel reported error {reply['code']}")
        return float(reply["seconds"])

    def trial(self, key: int, built: Built, terms: Terms) -> Trial:
        """Load ``built`` as ``key``, run it on data sets and time it, in one request.

        :class:`FailureError` if it does not survive that.
        """
        self._images[key] = built
        header = {
            "do": "trial", "key": key, "rival": DEFAULT, "workspace": built.meta["workspace"],
            "sample": self.limits.sample_seconds, "cold": self.limits.cache == "cold",
            **asdict(terms),
        }  # fmt: skip
        once = terms.give_up + self.limits.sample_seconds + (self.limits.cache == "cold")
        limit = 2 * terms.run_limit + 4 * (2 * terms.rounds + 8) * once
        limit += self.limits.run_seconds  # to load it

        def attempt() -> Header:
            child = self._ready()
            self._load(child, DEFAULT)
            blobs = () if key in self._loaded else (built.image,)
            reply = child.ask(header, *blobs, limit=limit)[0]
            self._raise_failed(reply)
            self._loaded.add(key)
            return reply

        reply = self._survived(attempt, terms.run_limit)
        samples = Samples(reply["samples"][0], reply["samples"][1], reply["loops"])
        return Trial(reply["seconds"][0], reply["ran"], samples)

    def time(
        self,
        key: int,
        rival: int,
        rounds: int,
        seconds: float,
        first: int = 0,
        loops: Sequence[int | None] = (None, None),
    ) -> Samples:
        """``rounds`` rounds of two images that took about ``seconds`` for one call of each.

        A sample is ``loops`` calls of either; where that is None, it is found out first."""
        header = {
            "do": "time", "key": key, "rival": rival, "rounds": rounds, "first": first,
            "sample": self.limits.sample_seconds, "cold": self.limits.cache == "cold",
            "loops": list(loops),
        }  # fmt: skip
        once = 2 * self.limits.sample_seconds + seconds + (self.limits.cache == "cold")
        limit = self.limits.run_seconds + 10 * (rounds + 3) * once
        reply = self._asked(key, header, limit, (key, rival))
        return Samples(reply["samples"][0], reply["samples"][1], reply["loops"])

    def pids(self) -> list[int]:
        """The number of the process, if there is one."""
        return [] if self._child is None else [self._child.pid]

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        self._loaded.clear()
        if child is not None:
            child.close()

    def _asked(self, key: int, header: Header, limit: float, needs: Sequence[int]) -> Header:
        """The reply; in a process of its own if the first one died, for it may have been another
        candidate that left it damaged."""

        def attempt() -> Header:
            child = self._ready()
            for needed in needs or (key,):
                self._load(child, needed)
            if not needs:
                return {}
            reply = child.ask(header, limit=limit)[0]
            self._raise_failed(reply)
            return reply

        return self._survived(attempt, limit)

    def _survived(self, attempt: Callable[[], Header], limit: float) -> Header:
        own: list[DiedError] = []
        kills = 0
        while True:
            try:
                return attempt()
            except ExpiredError:
                self.lost += 1
                self.close()
                raise FailureError("timeout", f"it did not end within {limit:.3g} s") from None
            except DiedError as death:
                self.lost += 1
                self.close()
                if death.signal == _ALARM:
                    raise FailureError("timeout", f"it did not end within {limit:.3g} s") from None
                # Twice by itself, or three times from outside.
                if death.signal == _OS_KILL:
                    kills += 1
                else:
                    own.append(death)
                if len(own) > 1 or kills > 2:
                    raise _classified(own[0] if own else death) from None
            except FailureError:
                raise
            except BaseException:
                self.close()
                raise

    def _load(self, child: Child, key: int) -> None:
        if key in self._loaded:
            return
        built = self._images[key]
        header = {"do": "load", "key": key, "workspace": built.meta["workspace"]}
        reply, _ = child.ask(header, built.image, limit=self.limits.run_seconds)
        self._raise_failed(reply)
        self._loaded.add(key)

    def _raise_failed(self, reply: Header) -> None:
        """:class:`FailureError` for what went wrong; a process that cannot go on is ended."""
        if reply.get("gone"):
            self.lost += 1
            self.close()
        if reply["status"] != "ok":
            raise FailureError(reply["status"], reply["detail"])

    def _ready(self) -> Child:
        if self._child is not None and self._child.requests > _RENEW_AFTER:
            self.close()
        if self._child is None or not self._child.is_alive:
            self.close()
            limits = self.limits
            memory: int | None = limits.memory_bytes + self.arena.size
            if limits.cache == "cold":
                memory = limits.memory_bytes + self.arena.size + _FLUSH_BYTES
            if self.device is not None:
                memory = None  # a driver maps far more than it uses
            child = _started(
                memory_bytes=memory,
                threads=limits.threads or get_num_threads(),
                files=(self.arena.descriptor,),
            )
            self._child = child
            header: dict[str, Any] = {
                "do": "open", "descriptor": self.arena.descriptor, "size": self.arena.size,
                "places": [place.to_data() for place in self.arena.places], "sets": self.sets,
                "device": self.device,
            }  # fmt: skip
            reply, _ = child.ask(header, self.repeat, limit=60.0)
            self._raise_failed(reply)
        return self._child


def _started(**options: Any) -> Child:
    try:
        return Child(**options)
    except OSError as error:
        raise FailureError("out of memory", f"no process could be started: {error}") from None


def _classified(death: DiedError) -> FailureError:
    if death.signal == _OS_KILL:
        return FailureError("out of memory", f"the system ended it: {death}")
    return FailureError("crashed", str(death))
