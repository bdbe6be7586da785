"""``mlc tune``: search, store, and check what was stored."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ArgumentError
from ..tune.functions import check_call, load_function, parse_arguments
from .line import say

_NO_LOCK = Path()  # --lock was not given


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to tune, how long, and where to put it."""
    parser.add_argument(
        "function",
        nargs="?",
        metavar="FILE.py:FUNCTION",
        help="The function to tune; with --check, a lock file or nothing.",
    )
    parser.add_argument(
        "--args",
        default="",
        metavar="SPEC",
        help="Its arguments: arrays such as float32[1024,1024], and numbers, with spaces between.",
    )
    parser.add_argument("--budget", type=float, metavar="S", help="Seconds to search (60).")
    parser.add_argument("--trials", type=int, metavar="N", help="Candidates to try at most.")
    parser.add_argument(
        "--search",
        default="evolutionary",
        metavar="NAME",
        help="evolutionary (the default), random, greedy or grid.",
    )
    parser.add_argument(
        "--target",
        metavar="NAME",
        help="cpu, cuda or cuda-emulated, in place of what the function says itself.",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="For other draws (0).")
    parser.add_argument(
        "--lock",
        nargs="?",
        const=None,
        default=_NO_LOCK,
        type=Path,
        metavar="MLC.LOCK",
        help="Write the result to a lock file too: this one, or the one that holds here.",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="Draw what was tried, as .svg or .png."
    )
    parser.add_argument("--quiet", action="store_true", help="Show no progress.")
    parser.add_argument(
        "--check",
        action="store_true",
        help="Measure the schedules of a lock file again; exit with 1 where one got slower.",
    )
    parser.epilog = "What is found is stored, and used by all later processes of this user."


def run(chosen: argparse.Namespace) -> int:
    """Tune a function, or check a lock file."""
    if chosen.check:
        return _check(chosen)
    if chosen.function is None:
        raise ArgumentError("say what to tune: mlc tune FILE.py:FUNCTION --args 'float32[64,64]'")
    return _tune(chosen)


def _tune(chosen: argparse.Namespace) -> int:
    import mlc.tune as tune

    from ..tune.database import user_database
    from ..tune.keeping import keep_result
    from ..tune.lock import check_place, default_lock
    from ..tune.progress import progress
    from ..tune.report import report

    function, arguments = load_function(chosen.function), parse_arguments(chosen.args)
    check_call(function, arguments)
    lock = None
    if chosen.lock is not _NO_LOCK:
        lock = chosen.lock or default_lock()
        check_place(lock)
    budget = 60.0 if chosen.budget is None and chosen.trials is None else chosen.budget
    with progress(budget=budget, trials=chosen.trials, quiet=chosen.quiet) as shown:
        result = tune(  # type: ignore[operator]
            function,
            *arguments,
            budget=chosen.budget,
            trials=chosen.trials,
            search=chosen.search,
            seed=chosen.seed,
            target=chosen.target,
            on_trial=shown,
            database=False,
        )
    folder = Path.cwd() if lock is None else lock.resolve().parent
    keep_result(
        result, lock=lock, function=_relative(chosen.function, folder), arguments=chosen.args
    )
    made = report(result)
    say(str(made))
    if lock is not None:
        say(f"written to {lock}")
    if chosen.report is not None:
        made.save(chosen.report)
        say(f"drawn in {chosen.report}")
    kept = user_database().first.kept
    if kept:
        say("the results could not be stored; `mlc cache import` reads these lines:")
        say("\n".join(record.to_json() for record in kept))
        return 1
    return 130 if result.interrupted else 0


def _relative(function: str, folder: Path) -> str:
    """The function's file as it is found from the folder of the lock file."""
    file, _, name = function.rpartition(":")
    path = Path(file).expanduser().resolve()
    try:
        return f"{path.relative_to(folder).as_posix()}:{name}"
    except ValueError:
        return f"{path.as_posix()}:{name}"


def _check(chosen: argparse.Namespace) -> int:
    from .verify import check, locked

    path, records = locked(Path(chosen.function) if chosen.function else None)
    return check(path, records, measure=True, seconds=chosen.budget or 5.0)
