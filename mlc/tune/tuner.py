"""``mlc.tune``: search, measurement and records put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from ..schedules.decorator import ScheduleFunction
from ..schedules.schedule import Schedule
from .lock import check_place
from .measure.builders import Builders
from .options import Options
from .result import KernelResult, Trial, TuningResult
from .run import Run, builders_for
from .space import Space, Template
from .targets import workloads_for
from .workload import Workload


def tune(what: Any, *args: Any, **options: Any) -> TuningResult:
    """Search for schedules of ``what`` that are faster than the default ones, and check them.

    ``what`` is a jitted function (then ``args`` and further keywords are those of a call), a tensor
    program, a schedule (whose program is what has to be beaten), te tensors, or what `mlc.build`
    made. Each kernel is tuned by itself; time goes where it is expected to pay.

    ``budget`` is in seconds, ``trials`` in candidates over all kernels; either ends the search (60
    seconds if none is named). ``search`` is "evolutionary", "random", "greedy" or "grid". ``space``
    is a function over a schedule that samples: a template of your own in place of those that the
    structure of the program suggests. The same ``seed`` draws the same candidates. ``model=False``
    does without the cost model. Ctrl-C ends the search with the best so far.

    What is found holds for what is compiled later, in any process: it is kept in the user's
    database (``database`` names another, False none), and in the file ``lock`` if there is one.
    ``target`` is what is tuned for: "cpu", "cuda", where the current card measures and results hold
    for its kind, or "cuda-emulated", whose times are the emulator's and hold for nothing else. A
    jitted function says it itself, all others are the processor's.

    ``quiet=False`` shows progress; ``on_trial(kernel, trial)`` is called after each candidate.
    ``limits`` are those of a measurement (:class:`mlc.tune.measure.limits.Limits`); builds run on
    ``executor`` if there is one.

    Candidate 0 is the default schedule: nothing slower is ever returned, and nothing that is not
    faster beyond the noise.
    """
    began = time.perf_counter()
    known = {name: options.pop(name) for name in Options.names() if name in options}
    chosen = Options(**known)
    if chosen.lock is not None:
        check_place(Path(chosen.lock))  # now, not when there is a result to be lost
    builders = builders_for(chosen)
    try:
        if chosen.executor is None:
            builders.start()  # they start while workloads are made
        workloads = workloads_for(what, args, options, chosen.target)
        name = getattr(what, "__name__", "") or workloads[0].name
        result = tune_workloads(workloads, chosen, name, began, builders)
    finally:
        builders.close()
    keep(result, chosen, what, args)
    return result


def tune_workloads(
    workloads: Sequence[Workload],
    options: Options,
    name: str = "",
    began: float | None = None,
    builders: Builders | None = None,
) -> TuningResult:
    """The result for workloads that are parts of one function; nothing is stored on disk. The
    budget runs from ``began``, of `time.perf_counter`, or from now; ``builders`` may be under
    way."""
    from .progress import progress

    if options.executor is not None and any(w.is_on_device for w in workloads):
        raise ArgumentError(
            "executor= builds for processors; kernels of a card are built in processes of this "
            "machine: leave it out"
        )
    spaces = [space_of(workload, options.space) for workload in workloads]
    with progress(budget=options.seconds, trials=options.trials, quiet=options.quiet) as shown:

        def on_trial(kernel: KernelResult, trial: Trial) -> None:
            shown(kernel, trial)
            if options.on_trial is not None:
                options.on_trial(kernel, trial)

        run = Run(spaces, options, on_trial, began, builders)
        return run.result(name or workloads[0].name)


def keep(result: TuningResult, options: Options, what: Any, args: Sequence[Any]) -> None:
    """Stores what was found where the options say."""
    from .database import Database
    from .keeping import keep_result, origin_of

    if options.database is False and options.lock is None:
        return
    lock = None if options.lock is None else Path(options.lock)
    folder = Path.cwd() if lock is None else lock.absolute().parent
    function, arguments = origin_of(what, args, folder)
    match options.database:
        case True:
            database = None
        case str() | Path() as path:
            database = Database(Path(path))
        case given:
            database = given  # type: ignore[assignment]
    keep_result(result, database, lock, function=function, arguments=arguments)


def space_of(workload: Workload, template: Any = None) -> Space:
    """The space of a workload: from its structure, or from the user's template."""
    if template is None:
        if workload.is_on_device:
            from ..compile_device import machine_for
            from .spaces.gpu import gpu_space

            return gpu_space(workload, machine_for(workload.target))
        from .spaces.structural import structural_space

        return structural_space(workload)
    if isinstance(template, Space):
        return template
    if not callable(template):
        raise ArgumentError(
            f"space is a function over a schedule that samples, got {type(template).__name__}"
        )
    name = getattr(template, "__name__", "template")
    run: Callable[[Schedule], Any] = template
    if isinstance(template, ScheduleFunction):

        def run(s: Schedule) -> Any:
            return template.function(s, **template.options)

    return Space(workload, [Template(name, run)])
