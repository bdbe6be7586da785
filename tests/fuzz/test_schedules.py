"""Random schedules of random programs: what is accepted keeps the meaning, and what is refused is
refused rightly. `python -m tests.fuzz` looks further, as does HYPOTHESIS_PROFILE=search."""

from __future__ import annotations

import mmap
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc.testing
from mlc import script as T
from mlc.config import config
from mlc.schedules.lookup import step_names
from mlc.schedules.schedule import Schedule
from mlc.testing.choices import Choices
from mlc.testing.steps import DRAWN, Call
from mlc.testing.strategies import choices_of

from .chunks import limited_memory, run_chunk, ways_for
from .paste import paste_test
from .sequences import Tally, Wrong, run_sequence
from .shrink import Recorder, replayed, shrunk

# Drafts of programs are made that are not legal, and are drawn anew.
pytestmark = pytest.mark.unproven

ENOUGH = 300  # accepted, and refused


def test_each_accepted_sequence_keeps_the_meaning_and_each_refusal_is_true() -> None:
    """The first sequences of the long run, as many as it takes; every one checked."""
    tally, first = Tally(), 0
    with config.override(cache=False):
        while min(tally.accepted, tally.refused) < ENOUGH:
            tally.add(run_chunk(first, seconds=5.0, native=0.2))
            first += 100
    shown = "\n\n".join(f"{f.kind}\n{f.text}\n\n{f.pasted}" for f in tally.failures)
    assert not tally.failures, shown
    assert not [key for key in tally.judged if key[1] == "lie"]
    # Every step is drawn,
    assert sorted(DRAWN) == list(step_names())
    tried = Counter(name for name, _ in tally.per_step.elements())
    assert set(step_names()) == set(tried), set(step_names()) - set(tried)
    # those that need more than luck are accepted,
    wanted = ("tensorize", "compute_at", "reverse_compute_at", "compute_inline", "fission", "bind")
    assert not [name for name in wanted if not tally.per_step[name, "accepted"]]
    # and programs are run in every way.
    assert set(tally.ways) == set(mlc.testing.checking.WAYS)


@settings(max_examples=15)
@given(data=st.data())
def test_hypothesis_draws_them_too(data: st.DataObject) -> None:
    """The same through hypothesis, which shrinks what fails."""
    choices = choices_of(data.draw)
    try:
        run_sequence(lambda _: choices, Tally(), lambda: ["interpret", "symbols", "lowered"])
    except Wrong as wrong:
        pytest.fail(f"{wrong.kind}\n{wrong.text}\n\n{paste_test(wrong)}")


@settings(max_examples=10)
@given(mlc.testing.programs().flatmap(mlc.testing.schedules))
def test_the_public_strategies(schedule: Schedule) -> None:
    mlc.testing.check_schedule(schedule.original, schedule, ways=("interpret", "lowered"))


@pytest.mark.parametrize("kind", ["graph", "nest", "tiles"])
def test_programs_of_one_kind(kind: str) -> None:
    @settings(max_examples=5)
    @given(mlc.testing.programs(kind))
    def drawn(program: object) -> None:
        assert program.name in (kind, "graph")  # type: ignore[attr-defined]

    drawn()
    with pytest.raises(
        mlc.ArgumentError, match="expected one of any, graph, nest, tiles, got 'tree'"
    ):
        mlc.testing.programs("tree")


@T.program
def doubled(A: T.Buffer((6,)), B: T.Buffer((6,))):
    """B = A * 2."""
    for i in T.serial(6):
        with T.block("B"):
            vi = T.axis.spatial(6, i)
            B[vi] = A[vi] * 2.0


@T.program
def halved(A: T.Buffer((6,)), B: T.Buffer((6,))):
    """B = A / 2, but for the last element."""
    for i in T.serial(6):
        with T.block("B"):
            vi = T.axis.spatial(6, i)
            B[vi] = T.select(vi < 5, A[vi] * 2.0, 7.0)


@pytest.mark.parametrize("way", ["interpret", "symbols", "lowered", "llvm", "debug", "numpy"])
def test_a_wrong_schedule_is_found(way: str) -> None:
    mlc.testing.check_schedule(doubled, lambda _: doubled, ways=[way])
    with pytest.raises(AssertionError, match=rf"(?s){way}: B\[5\] is .* instead of .*# after"):
        mlc.testing.check_schedule(doubled, lambda _: halved, ways=[way])


def test_a_failure_is_shrunk_and_pasted() -> None:
    """Sequences that hold a split "fail" here: what is left is one split of a small program."""

    def fails(streams: list[list[int]]) -> bool:
        found.append(run_sequence(replayed(streams), Tally(), lambda: []))
        return any(taken.step.name == "split" for taken in found[-1].trace)

    found: list[Schedule] = []
    for seed in range(100):
        recorder = Recorder(seed)
        run_sequence(recorder, Tally(), lambda: [])
        if fails(recorder.streams) and len(found[-1].trace) > 3:
            break
    small = shrunk(recorder.streams, fails, seconds=3.0)
    assert sum(map(len, small)) < sum(map(len, recorder.streams)) / 2
    assert fails(small) and len(found[-1].trace) == 1
    text = paste_test(Wrong("accepted, interpret", "", found[-1], None))
    scope: dict = {}
    exec(compile(text, "<pasted>", "exec"), scope)
    scope["test_accepted_interpret"]()
    loop = found[-1].loops(found[-1].blocks()[0])[0]
    refused = Wrong("split crashes", "", found[-1], Call("split", (loop, [None, 0])))
    exec(compile(paste_test(refused), "<pasted>", "exec"), scope)
    scope["test_split_crashes"]()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="nothing is limited there")
def test_what_is_mapped_already_is_not_counted() -> None:
    """Under a limit that others have used up, not one array more could be made."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with mmap.mmap(-1, 1 << 30, prot=mmap.PROT_READ), limited_memory(1 << 29):
        mmap.mmap(-1, 1 << 28, prot=mmap.PROT_READ).close()
        with pytest.raises(OSError, match="memory"):
            mmap.mmap(-1, 1 << 30, prot=mmap.PROT_READ)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_the_ways_of_a_seed_are_always_the_same() -> None:
    assert ways_for(3) == ways_for(3)
    assert len({tuple(ways_for(seed)) for seed in range(20)}) > 5
    assert Choices(lambda n: n - 1).between(2, 5) == 5
