"""Lists that grow while the objects of another list change: neither loses what the other does."""

from typing import Any

import numpy as np

import mlc


class _Body:
    def __init__(self, place: np.ndarray, speed: np.ndarray) -> None:
        self.place, self.speed = place, speed


def _moved(x: np.ndarray) -> tuple[Any, ...]:
    bodies = [_Body(x * 1, x * 2), _Body(x * 10, x)]
    means = []
    for _ in range(40):
        for body in bodies:
            body.place = body.place + 0.1 * body.speed
        means.append(sum([body.place.mean() for body in bodies]))
    return np.array(means), bodies[0].place, bodies[1].place


def test_objects_of_a_list_move_while_another_list_grows() -> None:
    fast, x = mlc.jit(_moved), np.ones(3)
    for got, want in zip(fast(x), _moved(x), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    assert len(str(fast.lower(x).graph).splitlines()) < 40  # a native loop
