"""Statements that touch memory: first all lanes compute what they write, then all write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.closures import Action, Frame, Value
from ..ir.program import Accumulate, Store
from .accesses import LANES, TASK, WatchedClosures

Frames = list[Frame]
Run = Callable[[Frames], None]


def store(exprs: WatchedClosures, stmt: Store) -> Run:
    """``buffer[indices] = value``."""
    before = exprs.share(*stmt.indices, stmt.value)
    value = exprs.value(stmt.value)
    point, commit, _ = exprs.writer(stmt.buffer, stmt.indices)
    return _leaf(exprs, before, [point, value], lambda f, found: commit(f, found[0], found[1]))


def _leaf(
    exprs: WatchedClosures,
    before: Sequence[Action],
    values: Sequence[Value],
    commit: Callable[[Frame, list[Any]], None],
) -> Run:
    """All lanes compute ``values``, then all commit them; the first value is where, or None.
    Threads that fold together compute them each, and commit them as one."""

    def compute(frame: Frame) -> list[Any]:
        for action in before:
            action(frame)
        return [value(frame) for value in values]

    team = exprs.folding
    if team is not None:

        def run_for_team(frames: Frames) -> None:
            frame = frames[0]
            found = compute(frame)
            if found[0] is not None:
                own, frame[TASK] = frame[TASK], frame[team]
                commit(frame, found)
                frame[TASK] = own

        return run_for_team

    if not exprs.in_lanes:

        def run(frames: Frames) -> None:
            frame = frames[0]
            found = compute(frame)
            if found[0] is not None:
                commit(frame, found)

        return run

    def run_lanes(frames: Frames) -> None:
        frames[0][LANES].clock += 1
        for frame, found in [(frame, compute(frame)) for frame in frames]:
            if found[0] is not None:
                commit(frame, found)

    return run_lanes


def accumulate(exprs: WatchedClosures, stmt: Accumulate) -> Run:
    """``buffers[indices] = combine(old values, values)``; lanes fold one after the other."""
    combiner = stmt.combiner
    before = exprs.share(*stmt.indices, *stmt.values)
    news = [exprs.scalar(value) for value in stmt.values]
    targets = [exprs.writer(buffer, stmt.indices, combiner) for buffer in stmt.buffers]
    olds = [exprs.fetcher(b, t[2]) for b, t in zip(stmt.buffers, targets, strict=True)]
    points, commits = [t[0] for t in targets], [t[1] for t in targets]
    count = len(targets)
    if combiner.fn:
        function = exprs.function(combiner.fn, combiner.dtypes[0], combiner.dtypes[0])
        (old,), (commit,) = olds, commits

        def fold(frame: Frame, found: list[Any]) -> None:
            at, new = found
            commit(frame, at, function(old(frame, at), new))

        return _leaf(exprs, before, [*points, *news], fold)
    sides = [exprs.slot(var) for var in combiner.lhs + combiner.rhs]
    inner = exprs.share(*combiner.result)
    results = [exprs.scalar(result) for result in combiner.result]

    def update(frame: Frame, found: list[Any]) -> None:
        places, values = found[:count], found[count:]
        if any(at is None for at in places):
            return
        left = [old(frame, at) for old, at in zip(olds, places, strict=True)]
        for slot, value in zip(sides, (*left, *values), strict=True):
            frame[slot] = value
        for action in inner:
            action(frame)
        made = [result(frame) for result in results]
        for commit, at, value in zip(commits, places, made, strict=True):
            commit(frame, at, value)

    return _leaf(exprs, before, [*points, *news], update)
