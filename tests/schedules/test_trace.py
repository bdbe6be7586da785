"""A trace prints as Python that runs, and goes through JSON."""

from __future__ import annotations

import json

import pytest

from mlc.errors import ScheduleError
from mlc.schedules.schedule import Schedule

from .samples import assert_round_trips, matmul, matmul_relu


def scheduled() -> Schedule:
    s = Schedule(matmul_relu())
    i, j, k = s.loops("Y")
    j_0, j_1 = s.split(j, [None, 4])
    s.reorder(j_0, k, j_1)
    s.vectorize(j_1)
    s.parallel(i, grain=2)
    s.unroll(s.loops("C")[1])
    return s


def test_loops_are_named_where_they_come_from() -> None:
    s = scheduled()
    assert s.source() == (
        "@mlc.schedule\n"
        "def mm_relu_schedule(s):\n"
        "    i, j, k = s.loops('Y')\n"
        "    _, j_1 = s.loops('C')\n"
        "    j_0, j_1_1 = s.split(j, [None, 4])\n"
        "    s.reorder(j_0, k, j_1_1)\n"
        "    s.vectorize(j_1_1)\n"
        "    s.parallel(i, grain=2)\n"
        "    s.unroll(j_1)\n"
    )
    assert_round_trips(s)


def test_a_schedule_without_steps() -> None:
    s = Schedule(matmul())
    assert s.source() == "@mlc.schedule\ndef mm_schedule(s):\n    pass\n"
    assert_round_trips(s)


def test_the_json_names_loops_by_their_origin() -> None:
    content = json.loads(scheduled().to_json())
    assert content["version"] == 1
    assert content["program"]["blocks"][1] == ["C", [["i", 6], ["j", 8]]]
    split, reorder, *_ = content["steps"]
    assert split == {
        "step": "split",
        "with": {"loop": {"loop": ["Y", 1]}, "factors": [None, 4], "tail": "guard"},
        "made": [2, 4],
    }
    assert reorder["with"]["loops"] == [{"made": [0, 0]}, {"loop": ["Y", 2]}, {"made": [0, 1]}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "this is no schedule: the text is not JSON"),
        ("[]", 'the text does not say "format": "mlc.schedule"'),
        ('{"format": "mlc.schedule", "version": 2}', "has version 2; this mlc reads version 1"),
        ('{"format": "mlc.schedule", "version": 1}', "is damaged: KeyError"),
    ],
)
def test_texts_that_are_no_schedule(text: str, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=sentence):
        Schedule.from_json(matmul(), text)


def damaged(change) -> str:
    content = json.loads(scheduled().to_json())
    change(content["steps"])
    return json.dumps(content)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda t: t[0].update(step="slice"),
            "no step 'slice'; did you mean 'splice'|no step 'slice'",
        ),
        (
            lambda t: t[0]["with"].update(loop={"made": [3, 0]}),
            "speaks of step 3, which comes later",
        ),
        (lambda t: t[0]["with"].update(loop={"there": 1}), "an operand cannot be read"),
        (lambda t: t[0]["with"].update(colour=1), "the step 'split' has no operand 'colour'"),
        (lambda t: t[0]["with"].pop("loop"), "the step 'split' cannot be read"),
        (lambda t: t[0]["with"].update(loop={"loop": ["Y", 7]}), "an operand cannot be read"),
    ],
)
def test_damaged_steps(change, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=sentence):
        Schedule.from_json(matmul_relu(), damaged(change))


def test_from_json_wants_the_same_program() -> None:
    text = scheduled().to_json()
    with pytest.raises(ScheduleError, match=r"step 1 \(split\) is lost: there is no block 'Y'"):
        Schedule.from_json(matmul(), text)
