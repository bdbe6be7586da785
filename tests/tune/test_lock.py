"""``mlc.lock``: written, read, merged, used and checked again."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError
from mlc.kernel_code import tuning_host
from mlc.schedules.schedule import Schedule
from mlc.tune.functions import arguments_text, function_text, load_function, parse_arguments
from mlc.tune.lock import default_lock, lock_text, merge_locks, parse_lock, read_lock, write_lock
from mlc.tune.measure.limits import Limits
from mlc.tune.measure.measurer import Measurer
from mlc.tune.outcome import Comparison, Outcome
from mlc.tune.record import Record, reference_digest
from mlc.tune.targets import workloads_for
from mlc.tune.verify import Verifier, simulated_fault, slowdown

MODEL = """
import numpy as np
import mlc

@mlc.jit
def product(a, b):
    return a @ b

def relu(a):
    return np.maximum(a, 0)

class Box:
    method = staticmethod(relu)

number = 3
"""
ARGUMENTS = "float32[6,8] float32[8,10]"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    with mlc.config.override(tuning_database=tmp_path / "own" / "t.sqlite"):
        yield tmp_path


def record(place: Path, **changes: object) -> Record:
    function = load_function("model.py:product", place)
    (workload,) = workloads_for(function, parse_arguments(ARGUMENTS), {})
    s = Schedule(workload.program)
    _, j, _ = s.loops(s.blocks()[-1])
    s.split(j, factors=[None, 5])
    host = tuning_host()
    made = Record(
        key=workload.key,
        target=host.target,
        family=host.family,
        name=workload.name,
        trace=s.to_json(),
        seconds=1.25e-6,
        interval=(1.2e-6, 1.3e-6),
        default_seconds=1.5e-6,
        proof="steps proven",
        reference_digest=reference_digest(workload.program),
        created=1.7e9,
        versions="mlc 1",
        source=s.source().rstrip(),
        function="model.py:product",
        arguments=ARGUMENTS,
    )
    return replace(made, **changes)


def test_round_trip_and_text(place):
    made = record(place)
    text = lock_text([made])
    assert parse_lock(text) == [made]
    lines = text.splitlines()
    assert lines[:2] == ["{", '"format": "mlc.lock",']
    assert ' "seconds": 1.25e-06,' in lines
    assert ' "interval": [1.2e-06, 1.3e-06],' in lines
    assert ' "created": "2023-11-14T22:13:20Z",' in lines
    assert any(line.startswith('   {"step": "split"') for line in lines)
    assert '  "@mlc.schedule",' in lines
    assert lock_text([]) == '{\n"format": "mlc.lock",\n"schema": 1,\n"entries": []\n}\n'
    json.loads(text)


def test_the_compiler_uses_what_is_written(place):
    write_lock(default_lock(), [record(place)])
    a, b = parse_arguments(ARGUMENTS)
    assert "[None, 5]" in str(mlc.jit(lambda a, b: a @ b).lower(a, b).schedule)


def test_written_beside_what_is_there(place):
    path = place / "mlc.lock"
    first = record(place)
    write_lock(path, [first])
    other = replace(first, family="another", seconds=9.0)
    newer = replace(first, created=1.8e9, seconds=5e-7, interval=(5e-7, 5e-7))
    assert write_lock(path, [other, newer]) == [other, newer]
    assert write_lock(path, [first]) == [other, newer]  # older: it does not count
    assert write_lock(path, [first], merge=False) == [first]
    assert list(place.glob(".mlc.lock*")) == []
    assert merge_locks(lock_text([first]), lock_text([newer, other])) == lock_text([other, newer])
    default = replace(first, kind="default", trace="", created=1.9e9)
    assert parse_lock(lock_text([default])) == [default]


def test_both_sides_of_a_merge_are_read(place):
    """Git itself makes the conflict."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*words: str, code: int = 0) -> None:
        setting = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=one")
        done = subprocess.run(["git", *setting, *words], cwd=place, capture_output=True, text=True)
        assert done.returncode == code, done.stderr

    path, first = place / "mlc.lock", record(place)
    git("init", "-q")
    write_lock(path, [first])
    git("add", "mlc.lock")
    git("commit", "-qm", "base")
    git("checkout", "-qb", "two")
    newer = replace(first, created=1.8e9, seconds=5e-7, interval=(5e-7, 5e-7))
    write_lock(path, [newer])
    git("commit", "-qam", "newer")
    git("checkout", "-q", "one")
    write_lock(path, [replace(first, created=1.75e9, seconds=6e-7, interval=(6e-7, 6e-7))])
    git("commit", "-qam", "other")
    git("merge", "-q", "two", code=1)
    assert "<<<<<<< " in path.read_text()
    assert read_lock(path) == [newer]
    assert write_lock(path, []) == [newer]  # which resolves the conflict
    assert "<<<<<<< " not in path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "the lock file x is not JSON: Expecting property name enclosed"),
        ("{}", 'the lock file x does not say "format": "mlc.lock"'),
        ('{"format": "mlc.lock", "schema": 9}', "has schema 9; this mlc reads 1: tune anew"),
        ('{"format": "mlc.lock", "schema": 1}', "the lock file x has no list of entries"),
        (
            '{"format": "mlc.lock", "schema": 1, "entries": [{"colour": 1}]}',
            "the lock file x, entry 1: 'colour' is unknown to this mlc",
        ),
        (
            '{"format": "mlc.lock", "schema": 1, "entries": [{"key": "1"}]}',
            "the lock file x, entry 1: KeyError('interval')",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(ArgumentError) as caught:
        parse_lock(text, "x")
    assert message in str(caught.value)


def test_verify(place):
    verifier = Verifier(place, limits=Limits(rounds=2, most_rounds=2))
    good = record(place)
    finding = verifier.check(good)
    assert (finding.status, finding.detail) == ("good", ""), finding
    assert finding.checks[:2] == ("1 steps are legal", "right in the simulator")
    assert "special values" in finding.checks[2]

    damaged = replace(good, trace=good.trace.replace("[null, 5]", "[null, 0]"))
    finding = verifier.check(damaged)
    assert finding.status == "bad" and finding.detail.startswith("a step is refused: ")

    finding = verifier.check(replace(good, function=""))
    assert finding.status == "unchecked" and "does not say what function" in finding.detail
    finding = verifier.check(replace(good, arguments="float32[6,8] float32[8,11]"))
    assert finding.status == "stale" and "has no such kernel any more" in finding.detail
    finding = verifier.check(replace(good, function="model.py:gone"))
    assert finding.detail.endswith("model.py has no 'gone'; it has Box, product, relu")
    finding = verifier.check(replace(good, kind="default", trace=""))
    assert (finding.status, finding.checks) == ("good", ("the default schedule",))
    assert str(finding) == f"good       {good.name}: the default schedule"


WRONG = """
from mlc import script as T

@T.program
def matmul(
    a: T.Buffer((6, 8), "float32"),
    b: T.Buffer((8, 10), "float32"),
    c: T.Buffer((6, 10), "float32"),
):
    for i, j in T.grid(6, 10):
        with T.block("C"):
            vi, vj = T.axis.remap("SS", [i, j])
            c[vi, vj] = a[vi, 0] * b[0, vj]
"""


def test_wrong_results_are_found(place, monkeypatch):
    (place / "wrong.py").write_text(WRONG)
    spec = importlib.util.spec_from_file_location("wrong", place / "wrong.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (workload,) = workloads_for(
        load_function("model.py:product", place), parse_arguments(ARGUMENTS), {}
    )
    assert simulated_fault(workload, workload.program) == ""
    fault = "the simulator gets another output 0 than the reference"
    assert simulated_fault(workload, module.matmul) == fault

    def measure(self, candidates):
        yield from ((c, Outcome("wrong result", detail="it is 1, expected 2")) for c in candidates)

    monkeypatch.setattr(Measurer, "measure", measure)
    finding = Verifier(place).check(record(place))
    assert (finding.status, finding.detail) == ("bad", "wrong result: it is 1, expected 2")


def test_slowdown(place):
    then = record(place, seconds=1e-3, interval=(0.99e-3, 1.01e-3), default_seconds=2e-3)
    same = Comparison(1.99, (1.97, 2.01), "faster", 9)
    assert slowdown(then, same, tuning_host()) == ""
    slower = Comparison(1.5, (1.4, 1.6), "faster", 9)
    assert slowdown(then, slower, tuning_host()) == (
        "regression: 1.500 times the default's speed (1.400 to 1.600), was 2.000 (at least 1.980)"
    )
    assert slowdown(replace(then, target="elsewhere"), slower, tuning_host()) == ""
    worse = Comparison(0.8, (0.7, 0.9), "slower", 9)
    elsewhere = slowdown(replace(then, target="elsewhere"), worse, tuning_host())
    assert elsewhere.startswith("slower than the default")


def test_functions_as_text(place):
    function = load_function("model.py:product", place)
    assert function_text(function, place) == "model.py:product"
    assert function_text(lambda a: a, place) == ""
    assert function_text(3, place) == ""
    assert load_function("model.py:Box.method", place)(np.float32(-1)) == 0
    for text, message in {
        "model.py": "'model.py' names no function; write the file, a colon and the name",
        "none.py:f": f"there is no file {place}/none.py",
        "model.py:nothing": "model.py has no 'nothing'; it has Box, product, relu",
        "model.py:number": "number in model.py is int, not a function",
    }.items():
        with pytest.raises(ArgumentError) as caught:
            load_function(text, place)
        assert str(caught.value).startswith(message)
    (place / "broken.py").write_text("1 / 0")
    with pytest.raises(ArgumentError, match=r"broken.py fails when it is run: ZeroDivisionError"):
        load_function("broken.py:f", place)


def test_arguments_as_text():
    text = "float32[2,3] int32[4] float64[] bfloat16[2] 0.5 3 True"
    made = parse_arguments(text)
    assert arguments_text(made) == text
    assert made[0].shape == (2, 3) and made[2].shape == () and made[4:] == [0.5, 3, True]
    np.testing.assert_array_equal(made[0], parse_arguments(text)[0])
    assert arguments_text([np.ones(3), "word"]) == ""
    assert [a.shape for a in parse_arguments("f4[ 2, 3 ],f4[3]")] == [(2, 3), (3,)]
    with pytest.raises(ArgumentError, match=r"'float32\[2,x\]' is no argument; write an array as"):
        parse_arguments("float32[2,x]")
    with pytest.raises(mlc.DTypeError, match="float99"):
        parse_arguments("float99[2]")


def test_a_lock_that_cannot_be_written_is_a_sentence(place):
    with pytest.raises(ArgumentError, match="cannot be written"):
        write_lock(place / "none" / "mlc.lock", [])


def test_a_lock_that_is_no_file_is_refused_before_anything_is_tuned(place):
    def tuned(lock):
        mlc.tune(mlc.jit(np.tanh), np.ones(8), lock=lock, on_trial=lambda *_: pytest.fail("tuned"))

    no_file = r"the lock file /dev/zero is no ordinary file; name a file, which is made if there is"
    for use in (tuned, read_lock, lambda path: write_lock(path, [])):
        with pytest.raises(ArgumentError, match=no_file):
            use(Path("/dev/zero"))
    with pytest.raises(ArgumentError, match=r"the lock file \S+ is a folder; name a file"):
        tuned(str(place))
    with pytest.raises(ArgumentError, match=r"cannot be written: there is no folder \S+/none"):
        tuned(place / "none" / "mlc.lock")
    assert Path("/dev/zero").is_char_device()


def test_a_text_that_is_not_what_the_steps_do_is_bad(place):
    made = record(place)
    edited = replace(made, source=made.source.replace("[None, 5]", "[None, 6]"))
    finding = Verifier(place, limits=Limits(rounds=2, most_rounds=2)).check(edited)
    assert finding.status == "bad"
    assert finding.detail.startswith(
        '"source" is not what "trace" does, which alone is used: line '
    )
    assert "[None, 6])', the steps are " in finding.detail and "[None, 5])'" in finding.detail
