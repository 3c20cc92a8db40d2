"""The files that a spec uses, read from disk and from installed packages."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fusec.compiler.files import PACKAGE, File
from fusec.compiler.paths import is_local
from fusec.lang.parse import Parsed, parse
from fusec.lang.source import Source
from fusec.runtime.sources.packages import package_folder
from fusec.runtime.sources.problems import Unusable

# A spec larger than any that a person writes is refused before it is read.
MAX_BYTES = 4_000_000


class SpecFiles:
    """Implements `compiler.files.Files`. A text is parsed once, however often it is used."""

    def __init__(self, spec: Path) -> None:
        self.main = os.path.realpath(spec)
        self._folder, self._shown = Path(self.main).parent, spec.parent
        self._parsed: dict[str, tuple[str, Parsed]] = {}

    def read(self, path: str) -> File | str:
        shown = path if path.startswith(PACKAGE) else str(self._shown / path)
        try:
            identity = self.identity(path)
            return File(identity, self.parsed(identity, shown))
        except Unusable as error:
            return error.problem.what
        except UnicodeDecodeError as error:
            return f"not UTF-8: byte {error.start} cannot be read"
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "no such file"
            return reason.lower()

    def identity(self, path: str) -> str:
        """The real path of a file. Raises `Unusable` for an address of nothing on this machine."""
        file = self._package_file(path) if path.startswith(PACKAGE) else self._local_file(path)
        return os.path.realpath(file)

    def parsed(self, identity: str, shown: str) -> Parsed:
        """The text of a file, parsed; messages call it `shown`. Raises what `spec_text` does."""
        text = spec_text(Path(identity))
        known = self._parsed.get(identity)
        if known is None or known[0] != text:
            known = self._parsed[identity] = (text, parse(Source(shown, text)))
        return known[1]

    def _local_file(self, path: str) -> Path:
        if not is_local(path):
            scheme = path.split(":", 1)[0]
            raise Unusable("scheme", f"specs come from files and packages, not from `{scheme}:`")
        plain = unquote(urlsplit(path).path) if path.startswith("file:") else path
        try:
            return self._folder / Path(plain).expanduser()
        except RuntimeError:  # a `~` that is nobody's
            return self._folder / plain

    def _package_file(self, path: str) -> Path:
        name, _, inside = path.removeprefix(PACKAGE).partition("/")
        folder = package_folder(name).resolve()
        file = (folder / inside).resolve()
        if not file.is_relative_to(folder):
            raise Unusable("missing", f"outside of the package `{name}`", where=str(folder))
        return file


def spec_text(file: Path) -> str:
    """The text of a spec. Raises OSError or ValueError when it cannot be read, also for what is not UTF-8."""
    if not file.is_file():
        raise ValueError("no such file") if not file.exists() else IsADirectoryError(21, "not a file")
    if file.stat().st_size > MAX_BYTES:
        raise OSError(27, f"larger than {MAX_BYTES // 1_000_000} MB")
    return file.read_text(encoding="utf-8")
