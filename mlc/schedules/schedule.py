"""Schedule: a program, and the steps taken to it from where it began."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import MlcError, ScheduleError
from ..ir.expr import Var
from ..ir.parts import (
    alone,
    branch_with_loop,
    buffers_around,
    exchanged,
    grown_again,
    has_empty_loops,
    part_with_loop,
    parts_of,
)
from ..ir.program import Block, Program
from ..records import cached_property, dataclass
from .legality import is_shared, shares_memory
from .loop_kinds import broken_mark, misplaced_loop, new_clash
from .step import Step, block_name, find_block, is_pattern, loops_around

if TYPE_CHECKING:
    import random

    from .refusal import Refusal


Made = tuple[Program, tuple[Any, ...]]  # what a step returns


@dataclass(frozen=True, eq=False)
class Taken:
    """One line of a trace: ``step`` turned ``before`` into ``after`` and made ``made``.

    ``unsafe`` says that it was refused and taken all the same; ``part_of`` names the schedule
    functions that took it, outermost first.
    """

    step: Step
    made: tuple[Any, ...]
    before: Program
    after: Program
    unsafe: bool = False
    part_of: tuple[str, ...] = ()

    def __repr__(self) -> str:
        from .trace import step_texts

        return step_texts([self])[0]


class Schedule:
    """Takes steps on ``program``; each is checked first, and refused with :class:`ScheduleError`.

    Each file of `steps/` is a method: ``s.split(i, [None, 8])``. Where a method is called with
    ``unsafe=True`` a step that would be refused is taken, and the program marked as unproven.

    ``trace`` holds the steps taken and what each made; :meth:`source` prints them as Python.
    ``seed`` fixes what the sampling steps choose.
    """

    def __init__(self, program: Program, seed: int | None = None) -> None:
        dims = getattr(program, "dims", ())
        if dims:
            raise ScheduleError(
                f"{program.name} leaves the sizes {', '.join(dims)} open; schedule it for some, as "
                f"in mlc.Schedule({program.name}.at({'=64, '.join(dims)}=64)), or put a function "
                "under @mlc.schedule over it, which takes its steps for each"
            )
        if not isinstance(program, Program):
            raise ScheduleError(
                f"a schedule transforms a program, not {type(program).__name__}; "
                "make one with @T.program of mlc.script"
            )
        self.program = program
        self.trace: list[Taken] = []
        self._seed = seed
        self._unsafe = False
        self._part_of: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.source()

    def __repr__(self) -> str:
        return f"<schedule of {self.program.name}, {len(self.trace)} steps>"

    def take(self, step: Step, unsafe: bool = False) -> tuple[Any, ...]:
        """Check and apply one step; returns what it made.

        Raises :class:`ScheduleError` with the refusal; :class:`NotProvenError` where a step could
        be neither proven nor refuted, not even by running a small program both ways. With
        ``unsafe`` a step that fits the program is taken though it is refused, and
        ``program.attrs["unsafe"]`` names it.
        """
        known = taken_alone(self.program, step)
        if known is None:
            return self.take_whole(step, unsafe)
        self.note(step, *known)
        return known[1]

    def take_whole(self, step: Step, unsafe: bool = False) -> tuple[Any, ...]:
        """The same for a step that :func:`taken_alone` knows no answer to."""
        before = self.program
        try:
            problem = step.check(before)
        except ScheduleError as error:
            from .lookup import gone as gone_in

            gone = gone_in(step, before, self.trace)
            raise (ScheduleError(f"{error.message}; {gone}") if gone else error) from None
        if problem is None:
            program, made = step.apply(before)
            if not program.attrs.get("unsafe"):
                question = broken_mark if step.is_concurrent else new_clash
                problem = question(before, program)
                if problem is None and has_empty_loops(before):
                    from .idle_loops import lost_init

                    problem = lost_init(before, program)
        if problem is None:
            unsafe = False
        else:
            from .unproven import in_spite_of

            program, made, unsafe = in_spite_of(self, step, problem, unsafe or self._unsafe)
        misplaced = misplaced_loop(program)
        if misplaced is not None and misplaced_loop(before) is None:
            from .lookup import complaint

            raise ScheduleError(complaint(before, step, misplaced))
        self.note(step, program, made, unsafe)
        return made

    def note(
        self, step: Step, program: Program, made: tuple[Any, ...], unsafe: bool = False
    ) -> None:
        """Go on from what a step made."""
        self.trace.append(Taken(step, made, self.program, program, unsafe, self._part_of))
        self.program = program

    def _tried(self, step: Step, problem: Refusal) -> Made:
        """The step's result if running a small program both ways shows that it is the same."""
        from .unproven import tried

        return tried(self.program, step, problem)

    def undo(self) -> None:
        """Takes back the last step."""
        if not self.trace:
            raise ScheduleError(f"no step was taken on {self.program.name!r}: nothing to undo")
        self.program = self.trace.pop().before

    @cached_property
    def random(self) -> random.Random:
        """What the sampling steps draw from."""
        import random

        return random.Random(self._seed)

    def copy(self) -> Schedule:
        """A schedule that goes its own way from here."""
        other = Schedule(self.program)
        other.trace = list(self.trace)
        other.random.setstate(self.random.getstate())
        other._part_of = self._part_of
        return other

    def seed(self, number: int) -> None:
        """Fixes what the sampling steps choose from here on."""
        self.random.seed(number)

    @property
    def original(self) -> Program:
        """The program before the first step."""
        return self.trace[0].before if self.trace else self.program

    @property
    def history(self) -> list[Program]:
        """The program before each step."""
        return [taken.before for taken in self.trace]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The steps taken inside are one, called ``name``: all of them are taken, or none."""
        mark, program, around = len(self.trace), self.program, self._part_of
        self._part_of = (*around, name)
        try:
            yield
        except BaseException:
            del self.trace[mark:]
            self.program = program
            raise
        finally:
            self._part_of = around

    def block(self, name: str | Block) -> Block:
        """The block called ``name``, or the one block that fits a pattern such as ``"*_init"``."""
        if isinstance(name, str) and is_pattern(name):
            from . import lookup

            return lookup.one_block(self.program, name)
        return find_block(self.program, block_name(name))

    def blocks(self, pattern: str = "*") -> tuple[Block, ...]:
        """All blocks whose names fit ``pattern``, in program order."""
        from . import lookup

        return lookup.matching_blocks(self.program, pattern)

    def loops(self, block: Block | str) -> tuple[Var, ...]:
        """The loops around a block, outermost first."""
        name = block_name(block)
        if is_pattern(name):
            from . import lookup

            name = lookup.one_block(self.program, name).name
        return tuple(loop.var for loop in loops_around(self.program, name))

    def loop(self, name: str, occurrence: int | None = None) -> Var:
        """The loop called ``name``; if several are, the one that ``occurrence`` counts from 0."""
        from . import lookup

        return lookup.loop_named(self.program, name, occurrence)

    def producers(self, block: Block | str) -> tuple[Block, ...]:
        """The blocks before ``block`` that write what it reads."""
        from . import lookup

        return lookup.producers(self.program, self.block(block))

    def consumers(self, block: Block | str) -> tuple[Block, ...]:
        """The blocks after ``block`` that read what it writes."""
        from . import lookup

        return lookup.consumers(self.program, self.block(block))

    def child_blocks(self, block: Block | str) -> tuple[Block, ...]:
        """The blocks that stand directly in ``block``."""
        from . import lookup

        return lookup.child_blocks(self.block(block))

    def output_blocks(self) -> tuple[Block, ...]:
        """The blocks that write an output of the program."""
        from . import lookup

        return lookup.output_blocks(self.program)

    def source(self) -> str:
        """The steps taken so far as the Python of a schedule function that takes them again."""
        from .trace import source_text

        return source_text(self)

    def show(self, step: int | None = None, **options: bool) -> None:
        """Prints the script with what the last step changed, or the step of that number.

        ``all=True`` walks through all of them; ``numpy=True`` adds the programs as low-level NumPy.
        """
        _viewer("show")(self, step, **options)

    def explain(self, steps: bool = False, facts: Any = None) -> Any:
        """What the program costs, loop by loop, and steps that would help; prints as a text.

        With ``steps``, what each step did to footprints, traffic and the predicted bound. ``facts``
        (:class:`mlc.looking.machine.Facts`) are those of another machine than this.
        """
        if steps:
            return _viewer("explain_steps")(self, facts=facts)
        return _viewer("explain")(self.program, facts=facts)

    def draw(self, loop: Var | str | None = None) -> Any:
        """The loop nest as a picture; with ``loop``, see :meth:`draw_access`."""
        return _viewer("draw")(self.program, loop)

    def draw_access(self, loop: Var | str) -> Any:
        """A picture of the elements that one iteration of ``loop`` touches, and the next one."""
        return _viewer("draw_access")(self.program, loop)

    def _repr_html_(self) -> str:
        return _viewer("shown")(self)._repr_html_()  # type: ignore[no-any-return]

    def to_json(self) -> str:
        """The steps taken so far as a text for :meth:`from_json` and `mlc.schedules.replay`."""
        from .record import record_trace

        return record_trace(self.trace).to_json()

    @classmethod
    def from_json(cls, program: Program, text: str) -> Schedule:
        """``program`` with the steps of ``text`` taken; each must be taken just as it was.

        Raises :class:`ScheduleError` for another version, an unknown step, or one that does not
        fit; `mlc.schedules.replay` takes what it can, and reports.
        """
        from .replaying import replay

        return replay(text, program, strict=True).schedule

    @staticmethod
    def replay(trace: Any, program: Program) -> Any:
        """See :func:`mlc.schedules.replay`."""
        from .replaying import replay

        return replay(trace, program)

    def __getattr__(self, name: str) -> Any:
        """The method for the step in the file ``steps/<name>.py``."""
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(step_method(name), self)

    def __dir__(self) -> list[str]:
        from . import lookup

        return sorted({*super().__dir__(), *lookup.step_names()})


def _viewer(name: str) -> Any:
    from ..ir.viewers import viewer

    return viewer(name)


def taken_on(before: Program, step: Step) -> Made | None:
    """What a step makes of a program; None where it is refused, or there is more to ask."""
    if shares_memory(before) or has_empty_loops(before):
        return None
    try:
        if step.check(before) is not None:
            return None
    except ScheduleError:
        return None
    program, made = step.apply(before)
    question = broken_mark if step.is_concurrent else new_clash
    if question(before, program) is not None or misplaced_loop(program) is not None:
        return None
    return program, made


def taken_alone(
    program: Program, step: Step, taken: Callable[[Program, Step], Made | None] = taken_on
) -> Made | None:
    """What a step makes that looks at one part of ``program`` only: it is ``taken`` on that part by
    itself, on one branch of it if that will do, however much else there is.

    None where it may look elsewhere, or would be refused: why is a question for the program.
    """
    loop = step.within()
    if loop is None or program.attrs.get("unsafe"):
        return None
    part = part_with_loop(program, loop)
    if part is None or any(map(is_shared, buffers_around(program))):
        return None
    branch = branch_with_loop(part, loop)
    if branch.place and not any(map(is_shared, part.buffers)):
        found = taken(alone(program, branch), step)
        grown = None if found is None else grown_again(branch, found[0].body)
        if found is not None and grown is not None:
            return exchanged(program, part, grown), found[1]
    if len(parts_of(program)) < 2:
        return None
    found = taken(alone(program, part), step)
    return None if found is None else (exchanged(program, part, found[0].body), found[1])


@cache
def step_method(name: str) -> Callable[..., Any]:
    """The function of ``steps/<name>.py``, with the keyword ``unsafe`` beside its own."""
    function = getattr(step_module(name), name)
    code = function.__code__
    if "unsafe" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        return function  # type: ignore[no-any-return]

    @wraps(function)
    def method(schedule: Schedule, *args: Any, unsafe: bool = False, **kwargs: Any) -> Any:
        if not unsafe:
            return _called(function, (schedule, *args), kwargs)
        outer, schedule._unsafe = schedule._unsafe, True
        try:
            return _called(function, (schedule, *args), kwargs)
        finally:
            schedule._unsafe = outer

    return method


def _called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)`` of a step; where Python refuses what does not fit the step's
    annotations, :class:`ScheduleError` says which argument that is."""
    try:
        return function(*args, **kwargs)
    except (TypeError, AttributeError, ValueError) as error:
        from .arguments import misfit

        sentence = "" if isinstance(error, MlcError) else misfit(function, args, kwargs)
        if not sentence:
            raise
    raise ScheduleError(sentence)


def step_module(name: str) -> Any:
    """The module ``steps/<name>.py``; AttributeError if there is none."""
    path = f"{__package__}.steps.{name}"
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        from . import lookup

        raise AttributeError(lookup.unknown_step(name)) from None
