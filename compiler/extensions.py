"""Loading a package that brings verbs: its modules imported, every declaration in them looked at.

    [project.entry-points."fusec.steps"]
    acme = "acme_fuse_steps"

The module that an entry point names gives what stands in its namespace: classes of the package's own that
declare a verb or a method. Only importing is done here; finding the package on disk is the runtime's part.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from fusec.compiler.irvalues import is_name
from fusec.compiler.packages import Extension, PackagePin, PackageProblem, register
from fusec.compiler.slots import MethodOf
from fusec.compiler.step import GRADES, Declared, Method, Step, family_names, marker, methods_of

GROUP = "fusec.steps"

_C = TypeVar("_C", bound=Declared)


class Installed(msgspec.Struct, frozen=True):
    """A package on disk: its content, the modules that its entry points name, all modules it holds."""

    pin: PackagePin
    entries: tuple[str, ...]
    modules: frozenset[str]


class _Malformed(Exception):
    """A declaration that cannot work; the text says which and why."""


def load(found: Installed) -> Extension | PackageProblem:
    """Import a package and register its verbs and methods; what is wrong in it comes back in words."""
    try:
        declared = dict.fromkeys(cls for name in found.entries for cls in _declarations(name, found.modules))
    except (Exception, SystemExit) as error:
        return PackageProblem("broken", f"importing it fails: {blame(error, found.modules)}")
    verbs = [cls for cls in declared if issubclass(cls, Step)]
    methods = [cls for cls in declared if issubclass(cls, Method)]
    if not verbs and not methods:
        names = ", ".join(f"`{name}`" for name in found.entries)
        return PackageProblem("empty", f"it declares no verb and no method in {names}")
    try:
        named = _by_name(verbs, "verb"), _by_name(methods, "name")
        extension = Extension(found.pin, *named, found.modules)
        for method in methods:
            _check_method(method, found.modules)
        families = {*family_names(), *(method.family for method in methods)}
        for verb in verbs:
            _check_verb(verb, found.modules, families)
    except _Malformed as error:
        return PackageProblem("broken", str(error))
    except Exception as error:
        return PackageProblem("broken", f"a declaration is not well formed: {blame(error, found.modules)}")
    for cls in declared:
        cls.package = found.pin
    register(extension)
    return extension


def blame(error: BaseException, modules: Iterable[str]) -> str:
    """An exception in words, with the last line of the package's own that it passed."""
    words = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    if isinstance(error, SyntaxError):
        return f"{words.partition(' (')[0]} ({os.path.basename(error.filename or '')}, line {error.lineno})"
    ours = set(modules)
    where = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_globals.get("__name__")
        where = f" ({name}, line {line})" if name in ours else where
    return words + where


def _declarations(module: str, modules: frozenset[str]) -> Iterator[type[Declared]]:
    """The package's own classes in the namespace of a module; what it imports from others is not its own."""
    named = {Step: "verb", Method: "name"}
    for value in vars(importlib.import_module(module)).values():
        own = isinstance(value, type) and value.__module__ in modules
        if own and any(issubclass(value, base) and word in vars(value) for base, word in named.items()):
            yield value


def _by_name(classes: list[type[_C]], attribute: str) -> dict[str, type[_C]]:
    named: dict[str, type[_C]] = {}
    for cls in classes:
        name = getattr(cls, attribute)
        if not is_name(name):
            raise _Malformed(f"`{name}` of {_place(cls)} is not a name that a spec can write")
        if name in named:
            what = "verb" if attribute == "verb" else "method"
            raise _Malformed(f"two classes declare the {what} `{name}`: {_place(named[name])}, {_place(cls)}")
        named[name] = cls
    return named


def _check_verb(cls: type[Step], modules: frozenset[str], families: set[str]) -> None:
    verb = f"the verb `{cls.verb}`"
    _check_slots(cls, verb)
    _check_kernel(cls, verb, modules)
    if not cls.subject:
        raise _Malformed(f"{verb} names no subject: the slot that `x |> {cls.verb} {{ ... }}` fills")
    if cls.subject not in cls.model_fields:
        raise _Malformed(f"{verb} names the subject `{cls.subject}`, which is not a slot of it")
    if cls.grade not in GRADES:
        raise _Malformed(f"{verb} has the grade `{cls.grade}`; grades are {', '.join(GRADES)}")
    if cls.gives is Step.gives:
        raise _Malformed(f"{verb} has no `gives`: nothing says what type its result has")
    for slot, want in cls.wants().items():
        if isinstance(want, MethodOf) and want.family not in families:
            raise _Malformed(f"slot `{slot}` of {verb} takes a {want.family} method, and there is none")


def _check_method(cls: type[Method], modules: frozenset[str]) -> None:
    method = f"the method `{cls.name}`"
    _check_slots(cls, method)
    if cls.family not in family_names():
        if not is_name(cls.family):
            raise _Malformed(f"{method} names no family")
        return
    own = next(iter(methods_of(cls.family).values()))
    if not own.joined_by:
        raise _Malformed(f"{method} joins the family `{cls.family}`, which takes none but fusec's own")
    base = next(base for base in own.__mro__ if "joined_by" in vars(base))
    if not issubclass(cls, base):
        raise _Malformed(f"{method} joins the family `{cls.family}`, so it must be a {base.__name__}")
    _check_kernel(cls, method, modules)


def _check_slots(cls: type[Declared], what: str) -> None:
    cls.model_rebuild()  # raises for an annotation that names nothing
    opened: Any = getattr(cls, "open_slots", "")
    if opened and (opened not in cls.model_fields or getattr(cls, "open_want", None) is None):
        raise _Malformed(f"{what} has `open_slots`, so it needs a field `{opened}` and an `open_want`")
    for name, field in cls.model_fields.items():
        if name != opened and marker(field) is None:
            raise _Malformed(f"slot `{name}` of {what} has no marker of `fusec.compiler.slots` in its type")


def _check_kernel(cls: type[Step] | type[Method], what: str, modules: frozenset[str]) -> None:
    if not cls.kernel:
        raise _Malformed(f"{what} names no kernel")
    if cls.kernel not in modules:
        raise _Malformed(f"the kernel of {what} is `{cls.kernel}`, and the package has no such module")


def _place(cls: type) -> str:
    return f"`{cls.__module__}.{cls.__qualname__}`"
