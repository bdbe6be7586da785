"""The command line: what the words mean, and what a process ends with.

Exit codes: 0 all is well, 1 a check failed, 2 the command cannot be done as it was asked for, 130
it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from ..errors import MlcError

COMMANDS = {
    "doctor": "Say what works on this machine, and what to do about the rest.",
    "tune": "Search for faster schedules of a function, or check those in a lock file.",
    "verify": "Check that the schedules in a lock file are still legal and still right.",
    "bench": "Time a function compiled beside the same function in plain NumPy.",
    "cache": "Look at, shrink or clear what is kept on disk, or carry it to other machines.",
}
_DESCRIPTION = """\
mlc compiles functions written in NumPy. These commands look at the machine, tune functions, and
take care of what is kept on disk. `python -m mlc COMMAND --help` says more about each."""
_EPILOG = """\
The exit code is 0 if all is well, 1 if a check failed, 2 if the command cannot be done as it was
asked for."""


class UsageError(Exception):
    """The words do not make a command; the text says what does."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sentence = message[:1].lower() + message[1:]
        if sentence.startswith("unrecognized arguments: ") and "[" in sentence:
            given = sentence.partition(": ")[2]
            sentence = f"what the function is called with goes behind --args: --args '{given}'"
        raise UsageError(f"{sentence}; `{self.prog} --help` says what is possible")


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words ask for; returns the exit code."""
    try:
        given = sys.argv[1:] if words is None else list(words)
        _check_command(given)
        chosen = _parser(given).parse_args(given)
        if chosen.command is None:
            _parser(given).print_help()
            return 2
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            code: int = import_module(f"{__package__}.{chosen.command}").run(chosen)
        sys.stdout.flush()
        return code
    except UsageError as error:
        return _failed(str(error))
    except MlcError as error:
        return _failed(error.message)
    except KeyboardInterrupt:
        _failed("interrupted")
        return 130
    except BrokenPipeError:
        # Who read our output wants no more of it; what is left in the buffer must not be written.
        sys.stdout = None  # type: ignore[assignment]
        return 0


def say(text: str) -> None:
    """A line of what was asked for."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _failed(sentence: str) -> int:
    sys.stderr.write(f"mlc: {sentence}\n")
    return 2


def _show_warning(message: Warning | str, *_: object) -> None:
    sys.stderr.write(f"mlc: note: {message}\n")


def _check_command(words: Sequence[str]) -> None:
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in COMMANDS:
        from difflib import get_close_matches

        near = get_close_matches(first, COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
        raise UsageError(f"there is no command {first!r}; {hint}")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    import mlc

    parser = _Parser(
        "mlc",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"mlc {mlc.__version__}", help="Print the version."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, sentence in COMMANDS.items():
        made = commands.add_parser(
            name,
            help=sentence,
            description=sentence,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in words:  # the others need not be imported
            import_module(f"{__package__}.{name}").add_arguments(made)
    return parser
