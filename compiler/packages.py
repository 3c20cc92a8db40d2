"""Packages that bring verbs and methods of their own, and those of them that this process has loaded.

A name in a graph says where its declaration is: `merge` is fusec's own, `acme_fuse_steps.rewrite` comes
from the distribution `acme_fuse_steps`, whatever a spec calls it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from fusec.compiler.step import Method, Step

_PIN = re.compile(r"(?P<name>\w+)==(?P<version>[^\s#]+)#(?P<sha256>[0-9a-f]{64})")


class PackagePin(msgspec.Struct, frozen=True, order=True):
    """An installed distribution by content: the sha256, in hex, of all its modules and data.

    `name` has underscores for whatever separates its words, and lower case.
    """

    name: str
    version: str
    sha256: str

    @property
    def short(self) -> str:
        return f"{self.name} {self.version} ({self.sha256[:8]})"

    def __str__(self) -> str:
        return f"{self.name}=={self.version}#{self.sha256}"


def read_pin(text: str) -> PackagePin:
    """The pin that `text` writes. Raises ValueError where it is none."""
    found = _PIN.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` is not a package by content")
    return PackagePin(**found.groupdict())


class Extension(msgspec.Struct, frozen=True):
    """A loaded package: what it is by content, its verbs and methods by their plain names, its modules."""

    pin: PackagePin
    verbs: Mapping[str, type[Step]]
    methods: Mapping[str, type[Method]]
    modules: frozenset[str]


class PackageProblem(msgspec.Struct, frozen=True):
    """Why a package gives no verbs.

    missing   not installed; `known` are the packages that would do
    empty     installed, and brings no verbs
    broken    it does not import, or a declaration in it is not well formed
    """

    kind: Literal["missing", "empty", "broken"]
    what: str
    known: tuple[str, ...] = ()


PackagesOf = Callable[[str], Extension | PackageProblem]
"""What an `extend` comes to, by the name it writes."""


def no_packages(name: str) -> PackageProblem:
    """A world without packages."""
    return PackageProblem("missing", "no such package is installed")


_LOADED: dict[str, Extension] = {}


def register(extension: Extension) -> None:
    """Make the verbs and methods of a package findable by their names in graphs."""
    _LOADED[extension.pin.name] = extension


def loaded(package: str) -> Extension | None:
    """The package of that name, when something in this process has asked for it."""
    return _LOADED.get(package)
