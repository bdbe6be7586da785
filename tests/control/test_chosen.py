"""Texts and members of enums that data choose in native loops and branches."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(5).normal(size=40)


class Light(Enum):
    RED = 1
    GREEN = "green"


class Machine:
    def __init__(self) -> None:
        self.state = "off"
        self.log: list[Any] = []

    def feed(self, value: Any) -> None:
        if self.state == "off" and value > 0.5:
            self.state = "on"
            self.log.append(("on", value))
        elif self.state == "on" and value < -0.5:
            self.state = "off"
            self.log.append(("off", value))


def changed_in_a_loop(x: Any) -> Any:
    state, count = "idle", 0
    for value in x:
        if state == "idle" and value > 0.5:
            state = "up"
            count += 1
        elif state != "idle" and value < 0.2:
            state = "idle"
    return count, state, state == "up"


def members_of_an_enum(x: Any) -> Any:
    light, count = Light.RED, 0
    for value in x:
        if light is Light.RED:
            if value > 0:
                light = Light.GREEN
        else:
            count += 1
            light = Light.RED if value < 0 else light
    return light, count


def matched(x: Any) -> Any:
    mode, path = "a", []
    for value in x:
        match mode:
            case "a":
                if value > 1:
                    mode = "b"
            case "b" | "c":
                mode = "c" if value < 0 else "a"
        path.append(mode)
    return path, path.count("c"), "b" in path, mode.upper()


def broken_off(x: Any) -> Any:
    status = "too many iterations"
    for _ in range(50):
        gradient = 2 * x
        if np.abs(gradient).max() < 1e-3:
            status = "converged"
            break
        x = x - 0.2 * gradient
    return {"status": status, "x": np.round(x, 6)}


def in_tuples(x: Any) -> Any:
    best, found = ("none", -np.inf), []
    for n in range(len(x)):
        name = "even" if n % 2 == 0 else "odd"
        if x[n] > best[1]:
            best = (name, x[n])
            found.append((n, name))
    return best, found


def none_at_first(x: Any) -> Any:
    before, runs = None, 0
    for value in x:
        now = "+" if value > 0 else "-"
        if now != before:
            runs += 1
        before = now
    return runs, before


def keys_of_a_dict(x: Any) -> Any:
    counts, groups = {"low": 0, "high": 0}, {"low": [], "high": []}
    seen = set()
    for value in x:
        key = "low" if value < 0 else "high"
        counts[key] += 1
        groups[key].append(value)
        seen.add(key if value > 1 else "none")
    return counts, len(groups["low"]), len(groups["high"]), len(seen), "none" in seen


def looked_up(x: Any) -> Any:
    steps = {"N": (-1, 0), "E": (0, 1), "S": (1, 0), "W": (0, -1)}
    right = {"N": "E", "E": "S", "S": "W", "W": "N"}
    heading, row, column = "N", 0, 0
    for value in x:
        if value > 0:
            heading = right[heading]
        down, along = steps[heading]
        row, column = row + down, column + along
    return row, column, heading, "NESW"[row % 4]


def sign_of(value: Any) -> str:
    if value > 0:
        return "+"
    if value < 0:
        return "-"
    return "0"


def from_a_helper(x: Any) -> Any:
    count = 0
    for value in x:
        sign = sign_of(value)
        count += 1 if sign == "+" else -1 if sign in ("-", "?") else 0
    return count, sign_of(x[0])


def attributes(x: Any) -> Any:
    machine = Machine()
    for value in x:
        machine.feed(value)
    return machine.state, machine.log


def array_or_text(x: Any) -> Any:
    for value in x:
        if value > 2:
            return "above"
    return x


def empty_or_not(x: Any) -> Any:
    name, count = "", 0
    for value in x:
        if name:
            count += 1
        name = "a" if value > 0 else ""
    return count, f"{name}!", "".join([name, name])


PROGRAMS = (
    changed_in_a_loop, members_of_an_enum, matched, broken_off, in_tuples, none_at_first,
    keys_of_a_dict, looked_up, from_a_helper, attributes, array_or_text,
    empty_or_not,
)  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_constants_that_data_choose_are_carried(program: Any) -> None:
    jitted = mlc.jit(program)
    for x in (X, -X):
        want, found = program(x), jitted(x)
        assert repr(found) == repr(want)


def shown_in_a_loop(x: Any) -> Any:
    state, out = "a", []
    for value in x:
        state = "b" if value > 0 else "a"
        out.append(f"{state}{value}")
    return out


def keys_that_are_not_there(x: Any) -> Any:
    key, total = "a", 0.0
    for value in x:
        key = "b" if value > 0 else "a"
        total += {"a": 1.0, "c": 2.0}[key]
    return total


def test_what_no_number_stands_for_is_an_error() -> None:
    with pytest.raises(mlc.MlcError, match=r"in a native loop|shows a traced value"):
        mlc.jit(shown_in_a_loop)(X)
    with pytest.raises(KeyError):
        mlc.jit(keys_that_are_not_there)(X)
