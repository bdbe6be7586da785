"""A failing sequence made small: fewer steps, then smaller choices."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from mlc.testing.choices import Choices


class Recorder:
    """Choices of a generator, remembered; number 0 draws the program, n the n-th step."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.streams: list[list[int]] = []

    def __call__(self, number: int) -> Choices:
        while len(self.streams) <= number:
            self.streams.append([])
        stream, generator = self.streams[number], random.Random(f"{self.seed} {number}")

        def below(n: int) -> int:
            stream.append(generator.randrange(n))
            return stream[-1]

        return Choices(below)


def replayed(streams: list[list[int]]) -> Callable[[int], Choices]:
    """The choices of ``streams`` again; what is missing is 0."""

    def choices_for(number: int) -> Choices:
        rest = iter(streams[number] if number < len(streams) else ())
        return Choices(lambda n: min(next(rest, 0), n - 1))

    return choices_for


def shrunk(
    streams: list[list[int]], fails: Callable[[list[list[int]]], bool], seconds: float = 20.0
) -> list[list[int]]:
    """The smallest streams found for which ``fails`` still holds."""
    until = time.monotonic() + seconds
    best = streams
    improved = True

    def attempt(candidate: list[list[int]]) -> bool:
        nonlocal best, improved
        if time.monotonic() > until or not fails(candidate):
            return False
        best, improved = candidate, True
        return True

    while improved and time.monotonic() < until:
        improved = False
        for number in range(len(best) - 1, 0, -1):
            attempt(best[:number] + best[number + 1 :])
        for number in range(len(best)):
            for size in (16, 8, 4, 2, 1):
                at = len(best[number]) - size
                while at >= 0:
                    stream = best[number]
                    attempt(
                        [*best[:number], stream[:at] + stream[at + size :], *best[number + 1 :]]
                    )
                    at -= size
            at = 0
            while at < len(best[number]):
                stream = best[number]
                for value in (0, stream[at] // 2, stream[at] - 1):
                    if 0 <= value < stream[at] and attempt(
                        [
                            *best[:number],
                            [*stream[:at], value, *stream[at + 1 :]],
                            *best[number + 1 :],
                        ]
                    ):
                        break
                at += 1
    return best
