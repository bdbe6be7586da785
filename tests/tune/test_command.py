"""The command line: what it prints, and what it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import mlc
from mlc.command.cache import ACTIONS
from mlc.command.line import COMMANDS, main
from mlc.doctor import Line, Report, doctor
from mlc.tune import store
from mlc.tune.database import Database
from mlc.tune.keeping import is_better
from mlc.tune.lock import lock_text, read_lock
from mlc.tune.record import Record

ROOT = Path(__file__).resolve().parents[2]
MODEL = """
import numpy as np
import mlc

@mlc.jit
def product(a, b):
    return np.maximum(a @ b, 0)

def plain(a):
    return np.tanh(a) * 2

def wrong(a):
    return a[:3] if hasattr(a, "_tensor") else np.ones(3)

number = 3
"""
SIZES = "float32[24,16] float32[16,40]"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store, "_warned", set())
    (tmp_path / "model.py").write_text(MODEL)
    with mlc.config.override(cache_dir=tmp_path / "cache", tuning_database=None):
        yield tmp_path


@pytest.fixture
def call(capsys):
    """``call(*words)``: the exit code, what was printed, and what was said on stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def record(number: int, **changes: object) -> Record:
    made = Record(
        key=f"{number:040x}",
        target="t",
        name=f"kernel_{number}",
        trace=json.dumps({"steps": []}),
        seconds=1e-3,
        interval=(1e-3, 1e-3),
        default_seconds=2e-3,
        created=time.time() - 100 * number,
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tun"], "there is no command 'tun'; did you mean 'tune'?"),
        (["qqq"], "there is no command 'qqq'; there are doctor, tune, verify, bench, cache"),
        (["tune"], "say what to tune: mlc tune FILE.py:FUNCTION --args 'float32[64,64]'"),
        (["tune", "model.py"], "'model.py' names no function; write the file, a colon and"),
        (["tune", "a.py:f"], "there is no file "),
        (["tune", "model.py:number"], "number in model.py is int, not a function"),
        (["tune", "model.py:product", "--args", "[3]"], "'[' is no argument; write an array as"),
        (
            ["tune", "model.py:product", "--args", "float32[8,8]"],
            "product cannot be called with 1 argument: missing a required argument: 'b'; give",
        ),
        (["tune", "--budget", "soon"], "argument --budget: invalid float value: 'soon'; `mlc tune"),
        (
            ["tune", "model.py:plain", "--args", "4", "--search", "luck"],
            "unknown search 'luck'",
        ),
        (["verify"], "there is no mlc.lock in this folder or above it; make one by"),
        (["verify", "none.lock"], "the lock file none.lock cannot be read: "),
        (
            ["bench", "model.py:plain"],
            "plain cannot be called with 0 arguments: missing a",
        ),
        (["bench", "model.py:plain", "--seconds", "0"], "--seconds is a number above 0, got 0"),
        (
            ["bench", "model.py:plain", "float32[8]", "3"],
            "what the function is called with goes behind --args: --args 'float32[8] 3'; `mlc",
        ),
        (["cache"], "the following arguments are required: ACTION; `mlc cache --help`"),
        (["cache", "size", "--trials"], "--trials is for clear, and does not go with size"),
        (["cache", "evict"], "evict takes --limit SIZE for compiled code, or --older-than AGE"),
        (["cache", "evict", "--older-than", "long"], "--older-than is 'long', but an age is a"),
        (["cache", "evict", "--limit", "big"], "--limit is 'big', but a size is a number of"),
        (["cache", "import", "--file", "none"], "none cannot be read: "),
    ],
)
def test_mistakes_are_sentences(call, words, message):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"mlc: {message}") and err.count("\n") == 1


def test_help_is_in_sentences(call):
    code, out, _ = call()
    assert code == 2
    for name, sentence in COMMANDS.items():
        assert f"    {name}" in out and sentence.endswith(".")
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0


def test_as_a_program(place):
    """Real processes, with the codes that a shell sees."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLC_CACHE_DIR": str(place / "c")}
        line = [sys.executable, "-m", "mlc", *words]
        return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=place)

    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"mlc {mlc.__version__}\n")
    failed = run("verify")
    assert failed.returncode == 2 and failed.stderr.startswith("mlc: there is no mlc.lock")
    done = run("bench", "model.py:plain", "--args", "float32[100]", "--seconds", "0.05")
    assert done.returncode == 0, done.stderr
    assert "plain: " in done.stdout and "the results are the same but for rounding" in done.stdout


def test_the_console_script_is_this_one():
    text = (ROOT / "pyproject.toml").read_text()
    assert 'mlc = "mlc.command.line:main"' in text


def test_output_that_nobody_reads(place):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLC_CACHE_DIR": str(place / "c")}
    with subprocess.Popen(
        [sys.executable, "-m", "mlc", "cache", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_results_that_differ_are_found(call):
    code, out, _ = call("bench", "model.py:wrong", "--args", "float32[9]", "--seconds", "0.05")
    assert code == 1
    assert "the results differ: result 0 in " in out


def test_tuned_stored_verified_and_measured_again(place, call):
    line = ["tune", "model.py:product", "--args", SIZES, "--trials", "6", "--quiet", "--lock"]
    code, out, err = call(*line, "--report", "curve.svg")
    assert (code, err) == (0, "")
    assert "7 candidates in " in out and f"written to {place / 'mlc.lock'}" in out
    assert (place / "curve.svg").read_text().startswith("<svg")
    (entry,) = read_lock(place / "mlc.lock")
    assert (entry.function, entry.arguments) == ("model.py:product", SIZES)
    assert Database().records()[0].key == entry.key

    code, out, _ = call("verify")
    assert code == 0 and out.endswith("mlc.lock: 1 good\n")
    (place / "model.py").write_text(MODEL.replace("a @ b, 0", "a @ b, 1"))
    code, out, _ = call("verify", "mlc.lock")
    assert code == 1
    assert out.startswith("stale ") and "has no such kernel any more" in out


def test_results_that_cannot_be_stored_are_printed(place, call, capsys):
    (place / "cache").mkdir(mode=0o700)
    (place / "blocked").write_text("")
    with mlc.config.override(tuning_database=place / "blocked" / "t.sqlite"):
        line = ["tune", "model.py:product", "--args", SIZES, "--trials", "1", "--quiet"]
        code, out, err = call(*line)
    assert code == 1
    assert "mlc: note: tuning results are kept in memory only; export() has them all: " in err
    _, _, lines = out.partition("`mlc cache import` reads these lines:\n")
    (place / "text").write_text(lines)
    assert call("cache", "import", "--file", "text")[1].startswith("1 results added to ")


def test_check_fails_on_a_regression(place, call, monkeypatch):
    from mlc.tune import verify
    from mlc.tune.verify import Finding

    (place / "mlc.lock").write_text('{"format": "mlc.lock", "schema": 1, "entries": []}')
    assert call("tune", "--check")[:2] == (0, f"{place / 'mlc.lock'}: no entries\n")
    from mlc.tune.lock import write_lock

    write_lock(place / "mlc.lock", [record(0, function="model.py:product", arguments=SIZES)])
    asked = []

    def check(self, entry):
        asked.append((self.measure, self.seconds))
        return Finding(entry, "bad", ("1 steps are legal",), "regression: 1 times, was 2")

    monkeypatch.setattr(verify.Verifier, "check", check)
    code, out, _ = call("tune", "--check", "--budget", "2")
    assert code == 1 and asked == [(True, 2.0)]
    assert out.startswith("bad        kernel_0: 1 steps are legal; regression: 1 times, was 2\n")


def test_a_merge_is_resolved(place, call):
    one, two = (
        replace(record(0, kind="default", trace=""), created=1e9 + n, seconds=2e-3 + n / 1e3)
        for n in (1, 2)
    )
    sides = [lock_text([one]), lock_text([two])]
    path = place / "mlc.lock"
    path.write_text(f"<<<<<<< ours\n{sides[0]}=======\n{sides[1]}>>>>>>> theirs\n")
    code, out, _ = call("verify", "--merge")
    assert code == 0 and out.startswith("unchecked  kernel_0: it does not say what function")
    assert path.read_text() == sides[1]


def test_what_is_kept_on_disk(place, call):
    call("bench", "model.py:plain", "--args", "float32[9]", "--seconds", "0.01")
    Database().add_all([record(1), record(30)])
    code, out, _ = call("cache", "size")
    assert code == 0
    assert "compiled code   " in out and " 2 results, " in out
    assert "compiled code   0" not in out
    code, out, _ = call("cache", "list", "--tuning")
    assert "kernel_1  1 ms, 2.00 times the default" in out and "compiled" not in out
    code, text, _ = call("cache", "export")
    assert text == Database().export()
    assert call("cache", "export", "--file", "a.txt")[1] == "2 results written to a.txt\n"
    assert "tuning results: 1 removed" in call("cache", "evict", "--older-than", "40m")[1]
    assert "entries removed" in call("cache", "evict", "--limit", "0")[1]
    assert "compiled code   0 entries" in call("cache", "size", "--images")[1]
    assert call("cache", "clear", "--tuning")[1] == "tuning results: 1 removed\n"
    code, out, _ = call("cache", "import", "--file", "a.txt")
    assert out == f"2 results added to {place / 'cache' / 'tuning-1.sqlite'}\n"
    assert Database().export() == text
    assert set(ACTIONS) == {"list", "size", "clear", "evict", "export", "import"}
    Path("a.txt").write_text("nonsense")
    code, _, err = call("cache", "import", "--file", "a.txt")
    assert code == 2 and err.startswith("mlc: line 1 is no record of tuning: not JSON")


def test_a_short_search_does_not_undo_a_long_one():
    fast, slow = record(0), record(0, seconds=1.5e-3, trace='{"steps": [{"step": "fuse"}]}')
    nothing = record(0, kind="default", trace="", seconds=2e-3)
    assert is_better(slow, None) and is_better(fast, slow) and not is_better(slow, fast)
    assert not is_better(nothing, slow) and is_better(slow, nothing)
    assert is_better(replace(fast, seconds=1.9e-3), fast)  # the same, measured again


def test_doctor(place, call):
    code, out, _ = call("doctor")
    assert code == 0 and out.endswith("mlc works here.\n")
    report = doctor()
    assert report["compiler"].status == "ok"
    assert f"{mlc.get_num_threads()} are used" in report["threads"].found
    for line in report.lines:
        assert line.status == "ok" or line.advice or line.what == "gpu", line
    assert callable(mlc.doctor) and isinstance(mlc.doctor(), Report)
    assert report._repr_html_().startswith("<pre>")


@pytest.mark.filterwarnings("ignore::mlc.errors.TuningWarning", "ignore::mlc.CacheWarning")
def test_doctor_says_what_to_do(place):
    (place / "cache").mkdir()
    (place / "cache").chmod(0o777)
    report = doctor()
    assert not report.is_well
    assert report["disk cache"] == Line(
        "disk cache",
        "broken",
        f"{place / 'cache'}: other users may write to it",
        f"chmod 700 {place / 'cache'}",
    )
    assert "\n                  to mend it: chmod 700 " in str(report)
    (place / "cache").chmod(0o700)
    path = place / "cache" / "tuning-1.sqlite"
    path.write_bytes(b"nonsense" * 1000)
    path.chmod(0o600)
    assert doctor()["tuning"].status == "broken"
    with mlc.config.override(cache=False, tuned=False):
        report = doctor()
    assert report["disk cache"].advice.startswith("set MLC_CACHE=1")
    assert report["tuning"].advice.startswith("set MLC_TUNED=1")


def test_a_look_that_fails_does_not_keep_the_doctor_from_the_rest(monkeypatch):
    def _threads():
        raise OSError("no such thing")

    monkeypatch.setattr("mlc.doctor._threads", _threads)
    report = doctor()
    assert report["threads"].found == "OSError: no such thing" and not report.is_well
    assert report["compiler"].status == "ok"
