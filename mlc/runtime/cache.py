"""The disk cache of compiled images, by content key.

An entry is one file: a header with the checksum of everything after it, the sources that it was
made by, facts about the image as the text of a Python literal, the image. It is read without
unpickling anything, and whatever is wrong with it makes it a miss. Files are written beside their
place and renamed into it, so readers and other writers see whole entries only. Since the files are
code that will run, a folder that others may write to is refused.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import struct
import sys
import threading
import time
from ast import literal_eval  # loaded already; json is not, and takes 1 ms
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlc.config import config
from mlc.errors import CacheWarning, warn
from mlc.forks import free_after_fork
from mlc.records import dataclass
from mlc.runtime.sources import are_current
from mlc.te.key import blake2b

FORMAT_VERSION = 3
# magic, version, bytes of sources, bytes of facts, BLAKE2b of the rest
_HEADER = struct.Struct("<8sIII32s")
_MAGIC = b"MLCCACHE"
_EVERY = 64  # entries that a process writes between two looks at the folder's size
_LOOK_SECONDS = 3600.0  # and so long after the last look of any process, its first entry is one
_LOOKED = "looked"  # the file whose time tells of that
_STALE_SECONDS = 3600.0
_TOUCH_SECONDS = 86400.0

_lock = threading.Lock()
free_after_fork(sys.modules[__name__])
_serial = itertools.count()
_warned: set[str] = set()
_checked: dict[str, bool] = {}
_written = 0


@dataclass(frozen=True)
class CacheEntry:
    """What `put` stored: the image's bytes, the facts about it, as a Python literal, and sources
    that it was made by."""

    image: bytes
    meta_text: bytes
    sources: str = ""

    @property
    def meta(self) -> dict[str, Any]:
        """The facts about the image."""
        facts: dict[str, Any] = literal_eval(self.meta_text.decode())
        return facts


def content_key(*parts: str) -> str:
    """The key, 64 hexadecimal digits, for texts that together determine an image."""
    digest = blake2b(digest_size=32)
    for part in parts:
        data = part.encode()
        digest.update(struct.pack("<Q", len(data)))
        digest.update(data)
    return digest.hexdigest()


def get(key: str) -> CacheEntry | None:
    """The entry of a key, or None, also if it was made by sources that have changed since. Never
    raises; a damaged file is removed."""
    folder = _folder(create=False)
    if folder is None:
        return None
    path = _path(folder, key)
    try:
        with open(path, "rb", opener=_open_plain) as file:
            status = os.fstat(file.fileno())
            if not _is_private(status):
                return None
            data = file.read()
    except OSError:
        return None
    entry = _decode(data)
    if entry is None:
        _remove(path)
    elif not are_current(entry.sources):
        return None
    elif time.time() - status.st_mtime > _TOUCH_SECONDS:
        # The time of the last use, to the day: what eviction goes by.
        with contextlib.suppress(OSError):
            os.utime(path)
    return entry


def put(key: str, image: bytes, meta: dict[str, Any], sources: str | None = "") -> None:
    """Store an image that was made by ``sources`` (see `mlc.runtime.sources`; nothing is stored
    where these are not certain, which is None). Never raises: a full or read-only disk is warned
    about, once."""
    global _written
    folder = None if sources is None else _folder(create=True)
    if folder is None or sources is None:
        return
    data = _encode(image, meta, sources)
    try:
        try:
            _write(_path(folder, key), data)
        except FileNotFoundError:  # somebody has removed the folder since it was made
            _checked.pop(str(config.cache_dir), None)
            if _folder(create=True) is None:
                return
            _write(_path(folder, key), data)
    except OSError as error:
        _warn_once("write", f"compiled kernels are not kept on disk: {error}")
        return
    with _lock:
        _written += 1
        written = _written
    if written % _EVERY == 0 or written == 1 and _is_due(folder):
        evict(folder, config.cache_limit)


def _write(path: Path, data: bytes) -> None:
    """The whole file in its place, or OSError and no file."""
    temporary = path.parent / f".new-{os.getpid()}-{next(_serial)}-{time.time_ns()}"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(temporary, "xb", opener=_open_plain) as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        _remove(temporary)
        raise


def _is_due(folder: Path) -> bool:
    """Whether nobody has looked for long: with tens of thousands of files that takes a while."""
    try:
        return abs(time.time() - os.stat(folder / _LOOKED).st_mtime) > _LOOK_SECONDS
    except OSError:
        return True


def evict(folder: Path, limit: int) -> None:
    """Remove the least recently used entries until all take at most ``limit`` bytes."""
    entries = []
    now = time.time()
    with contextlib.suppress(OSError):
        with open(folder / _LOOKED, "wb", opener=_open_plain):
            pass
    for name, path in _files(folder):  # no `Path` for each: there may be tens of thousands
        try:
            status = os.stat(path)
        except OSError:
            continue
        if name.startswith(".new-"):
            # Left behind by a writer that was killed.
            if now - status.st_mtime > _STALE_SECONDS:
                _remove(Path(path))
            continue
        entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, path in sorted(entries):
        _remove(Path(path))
        total -= size
        if total <= limit:
            break


def forget(folder: Path, fact: str) -> int:
    """Remove the entries that have a fact called ``fact``, whoever made them; says how many."""
    removed = 0
    for _, path in _files(folder):
        try:
            entry = _decode(Path(path).read_bytes())
        except OSError:
            continue
        if entry is not None and fact.encode() in entry.meta_text and fact in entry.meta:
            _remove(Path(path))
            removed += 1
    return removed


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """The names and paths of all that lies in the folders of two letters."""
    with contextlib.suppress(OSError), os.scandir(folder) as folders:
        for inner in folders:
            if len(inner.name) == 2:
                with contextlib.suppress(OSError), os.scandir(inner.path) as files:
                    yield from ((file.name, file.path) for file in files)


def _encode(image: bytes, meta: dict[str, Any], sources: str) -> bytes:
    text, made_by = repr(meta).encode(), sources.encode()
    body = made_by + text + image
    header = _HEADER.pack(_MAGIC, FORMAT_VERSION, len(made_by), len(text), _checksum(body))
    return header + body


def _decode(data: bytes) -> CacheEntry | None:
    if len(data) < _HEADER.size:
        return None
    magic, version, sources_size, text_size, checksum = _HEADER.unpack_from(data)
    body = data[_HEADER.size :]
    at = sources_size + text_size
    if magic != _MAGIC or version != FORMAT_VERSION or at > len(body):
        return None
    if _checksum(body) != checksum:
        return None
    return CacheEntry(body[at:], body[sources_size:at], body[:sources_size].decode())


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=32).digest()


def _path(folder: Path, key: str) -> Path:
    if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
        raise ValueError(f"expected a cache key of 64 hexadecimal digits, got {key!r}")
    return folder / key[:2] / key[2:]


def _folder(*, create: bool) -> Path | None:
    """The folder of this format's entries; None if the cache is off, missing or not safe."""
    if not config.cache:
        return None
    folder = config.cache_dir
    known = _checked.get(str(folder))
    if known is False or (known is None and not _prepare(folder, create)):
        return None
    return folder / f"images-{FORMAT_VERSION}"


def _prepare(folder: Path, create: bool) -> bool:
    try:
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / f"images-{FORMAT_VERSION}").mkdir(mode=0o700, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        if create:
            _warn_once("folder", f"compiled kernels are not kept on disk: {error}")
        return False
    safe = _is_private(status)
    if not safe:
        _warn_once(
            "private",
            f"the cache folder {folder} is not used: it holds code that will be run, and other "
            "users may write to it. Make it yours alone (chown, chmod 700), or point MLC_CACHE_DIR "
            "or mlc.config.cache_dir at a private folder.",
        )
    if safe and not create and not (folder / f"images-{FORMAT_VERSION}").is_dir():
        return True  # nothing to read yet; `put` still has to make the folder
    _checked[str(folder)] = safe
    return safe


def _is_private(status: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    ours = status.st_uid in (0, os.geteuid())
    return ours and not status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _warn_once(kind: str, message: str) -> None:
    with _lock:
        if kind in _warned:
            return
        _warned.add(kind)
    warn(message, CacheWarning)
