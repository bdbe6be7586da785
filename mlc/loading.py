"""How Python finds the files of this package: without looking where else they might be.

For each module the usual way goes by the path of its package, and checks what was compiled before
with care for all that there may be. A first call loads some seventy small files, `import mlc` more:
a quarter of the time that they take is this search. Here a name says where its file lies, and what
was compiled from just this file, at its time and of its size, is taken. All else (files that have
changed, other forms of compiled code, packages in archives, what other tools have a hand in) goes
the usual way, and modules are the same either way.
"""

from __future__ import annotations

import _imp
import os
import sys
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter, ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from marshal import loads
from struct import Struct
from types import CodeType, ModuleType

# Of a file of compiled code: magic, kind (0: by the time of the source), time and size.
_HEADER = Struct("<4sIII")
_WORD = 0xFFFFFFFF


class QuickLoader(SourceFileLoader):
    """The usual loader of a source file, which first tries ``compiled``, where Python keeps what it
    made of that."""

    def __init__(self, fullname: str, path: str, compiled: str) -> None:
        super().__init__(fullname, path)
        self.compiled = compiled

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the module; ImportError and OSError as usual."""
        return self._compiled_before() or super().get_code(fullname)

    def _compiled_before(self) -> CodeType | None:
        try:
            source = os.stat(self.path)
            file = os.open(self.compiled, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                data = os.read(file, os.fstat(file).st_size)
            finally:
                os.close(file)
            wanted = MAGIC_NUMBER, 0, int(source.st_mtime) & _WORD, source.st_size & _WORD
            if data[: _HEADER.size] != _HEADER.pack(*wanted):
                return None
            code = loads(memoryview(data)[_HEADER.size :])
        except (OSError, EOFError, ValueError, TypeError):
            return None
        if not isinstance(code, CodeType):
            return None
        if code.co_filename != self.path:  # some installers compile from another folder
            _imp._fix_co_filename(code, self.path)  # type: ignore[attr-defined]
        return code


class Finder:
    """Finds the modules below the package ``root``, whose files lie in ``folder``."""

    def __init__(self, root: str, folder: str) -> None:
        self.root = f"{root}."
        self.folder = folder
        self._known: dict[str, tuple[str, str, str, frozenset[str]]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module, None for one that has no file here."""
        if not name.startswith(self.root):
            return None
        parent, _, last = name[len(self.root) :].rpartition(".")
        try:
            folder, before, after, names = self._known.get(parent) or self._look_into(parent)
        except (OSError, NotImplementedError):
            return None
        if f"{last}.py" in names:
            return _spec(name, f"{folder}{last}.py", f"{before}{last}{after}", None)
        if last not in names:
            return None
        inner = f"{parent}.{last}" if parent else last
        try:
            folder, before, after, names = self._known.get(inner) or self._look_into(inner)
        except OSError:
            return None
        if "__init__.py" not in names:
            return None
        return _spec(name, f"{folder}__init__.py", f"{before}__init__{after}", folder[:-1])

    def invalidate_caches(self) -> None:
        """Forget which files there are."""
        self._known.clear()

    def _look_into(self, parent: str) -> tuple[str, str, str, frozenset[str]]:
        """Of a folder: its path, what stands before and after the name of a module in the path of
        its compiled code, the names of its files."""
        folder = os.path.join(self.folder, *parent.split("."), "")
        before, _, after = cache_from_source(f"{folder}{_ANY}.py").rpartition(_ANY)
        found = self._known[parent] = folder, before, after, frozenset(os.listdir(folder))
        return found


_ANY = "any_module"


def _spec(name: str, path: str, compiled: str, folder: str | None) -> ModuleSpec:
    loader = QuickLoader(name, path, compiled)
    spec = ModuleSpec(name, loader, origin=path, is_package=folder is not None)
    if folder is not None and spec.submodule_search_locations is not None:
        spec.submodule_search_locations.append(folder)
    spec.has_location, spec.cached = True, compiled
    return spec


def install(package: ModuleType) -> None:
    """Let ``package``, if it comes from a folder of source files, have its modules found so."""
    spec = package.__spec__
    folders = getattr(spec, "submodule_search_locations", None)
    if spec is None or type(spec.loader) is not SourceFileLoader or not spec.origin:
        return
    folder = os.path.dirname(spec.origin)
    if folders is not None and list(folders) == [folder] and PathFinder in sys.meta_path:
        # Who wants to be asked before Python's own finders goes on being so.
        usual = [n for n, f in enumerate(sys.meta_path) if f in (BuiltinImporter, PathFinder)]
        sys.meta_path.insert(usual[0], Finder(spec.name, folder))


install(sys.modules[__name__.rpartition(".")[0]])
