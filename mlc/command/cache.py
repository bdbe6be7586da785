"""``mlc cache``: compiled code and tuning results on disk."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..config import config
from ..errors import ArgumentError
from ..looking.machine import bytes_text, time_text
from ..runtime import cache as images
from ..tune.database import Database
from .line import say

ACTIONS = {
    "list": "Print what is kept: tuning results, and how much compiled code.",
    "size": "Print how many bytes that takes.",
    "clear": "Remove all of it.",
    "evict": "Remove the oldest: compiled code down to --limit, results older than --older-than.",
    "export": "Write the tuning results as text, one a line, to --file or to the output.",
    "import": "Read what export wrote, from --file or from the input.",
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with what."""
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS) + ".")
    parser.add_argument("--images", action="store_true", help="Only compiled code.")
    parser.add_argument("--tuning", action="store_true", help="Only tuning results.")
    parser.add_argument(
        "--trials", action="store_true", help="For clear: only what trials of cards have found."
    )
    parser.add_argument("--limit", metavar="SIZE", help="For evict: such as 512M.")
    parser.add_argument("--older-than", metavar="AGE", help="For evict: such as 30d, 12h or 4w.")
    parser.add_argument("--file", type=Path, metavar="FILE", help="For export and import.")
    width = max(map(len, ACTIONS))
    parser.epilog = "\n".join(f"{name:<{width}}  {does}" for name, does in ACTIONS.items())


def run(chosen: argparse.Namespace) -> int:
    """Do one of the actions."""
    if chosen.trials:
        if chosen.action != "clear":
            raise ArgumentError(f"--trials is for clear, and does not go with {chosen.action}")
        count = images.forget(_image_folder(), "trial")
        say(f"trials of cards: {count} removed; the next process that needs one tries anew")
        return 0
    both = chosen.images == chosen.tuning
    kinds = [n for n in ("images", "tuning") if both or getattr(chosen, n)]
    match chosen.action:
        case "list":
            say("\n".join(_listed(kinds)))
        case "size":
            say("\n".join(_sizes(kinds)))
        case "clear":
            say("\n".join(_clear(kinds)))
        case "evict":
            say("\n".join(_evict(chosen)))
        case "export":
            text = Database().export()
            if chosen.file is None:
                sys.stdout.write(text)
            else:
                _write(chosen.file, text)
                say(f"{text.count(chr(10))} results written to {chosen.file}")
        case "import":
            text = sys.stdin.read() if chosen.file is None else _read(chosen.file)
            database = Database()
            count = database.import_text(text)
            if database.kept:
                raise ArgumentError(f"the results cannot be written to {database.path}")
            say(f"{count} results added to {database.path}")
    return 0


def _image_folder() -> Path:
    return config.cache_dir / f"images-{images.FORMAT_VERSION}"


def _image_sizes() -> list[int]:
    sizes = []
    for path in _image_folder().glob("??/*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # evicted by another process
            continue
    return sizes


def _sizes(kinds: list[str]) -> Iterator[str]:
    if "images" in kinds:
        sizes = _image_sizes()
        yield (
            f"compiled code   {len(sizes)} entries, {bytes_text(sum(sizes))} of at most "
            f"{bytes_text(config.cache_limit)} in {_image_folder()}"
        )
    if "tuning" in kinds:
        database = Database()
        count, size = len(database), bytes_text(database.size_bytes())
        yield f"tuning results  {count} results, {size} in {database.path}"


def _listed(kinds: list[str]) -> Iterator[str]:
    yield from _sizes(kinds)
    if "tuning" not in kinds:
        return
    for record in Database().records():
        day = time.strftime("%Y-%m-%d", time.gmtime(record.created))
        yield (
            f"{day}  {record.name}  {time_text(record.seconds)}, "
            f"{record.default_seconds / record.seconds:.2f} times the default  "
            f"{record.function}  {record.family}  {record.key[:12]}"
        )


def _clear(kinds: list[str]) -> Iterator[str]:
    if "images" in kinds:
        before = _image_sizes()
        if before:
            images.evict(_image_folder(), -1)
        yield f"compiled code: {len(before) - len(_image_sizes())} entries removed"
    if "tuning" in kinds:
        yield f"tuning results: {Database().clear()} removed"


def _evict(chosen: argparse.Namespace) -> Iterator[str]:
    if chosen.limit is None and chosen.older_than is None:
        raise ArgumentError("evict takes --limit SIZE for compiled code, or --older-than AGE")
    if chosen.limit is not None:
        limit = type(config).cache_limit.check(chosen.limit, "--limit")
        before = len(_image_sizes())
        images.evict(_image_folder(), limit)
        yield f"compiled code: {before - len(_image_sizes())} entries removed"
    if chosen.older_than is not None:
        removed = Database().evict(_seconds(chosen.older_than))
        yield f"tuning results: {removed} removed"


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip())
    if found is None:
        raise ArgumentError(
            f"--older-than is {text!r}, but an age is a number with s, m, h, d or w, such as 30d"
        )
    return float(found[1]) * _UNITS[found[2]]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} cannot be read: {error}") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ArgumentError(f"{path} cannot be written: {error}") from None
