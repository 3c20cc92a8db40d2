"""The pages of `fusec explain`: diagnostics, verbs and methods from their class, passes from their file."""

from __future__ import annotations

import inspect
import textwrap
from importlib import import_module
from typing import Any

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from fusec.cli.columns import columns
from fusec.compiler.packages import PackageProblem
from fusec.compiler.passes import BY_NAME
from fusec.compiler.slots import Amount, OneOrEach, Want
from fusec.compiler.step import (
    Declared,
    Method,
    Step,
    family_names,
    find_verb,
    methods_of,
    verb_names,
)
from fusec.lang.diagnostics import Diagnostic, all_codes, closest
from fusec.lang.units import quantity_text

_KEPT = {
    "exact": "the same, byte for byte",
    "numeric": "the same up to rounding",
    "by request": "change as the spec asks",
}
_BOUNDS = {Gt: ("gt", "above"), Ge: ("ge", "at least"), Lt: ("lt", "below"), Le: ("le", "at most")}


def find_page(topic: str) -> str | None:
    """The page about a code (`FUSE301`, `301`), a verb, method or pass; None when nothing has that name."""
    code = topic.upper() if topic.upper().startswith("FUSE") else f"FUSE{topic}"
    diagnostic = all_codes().get(code)
    if diagnostic is not None:
        return code_page(diagnostic)
    verb = find_verb(topic)
    if verb is not None:
        return verb_page(verb)
    if topic in BY_NAME:
        return pass_page(topic)
    if "." in topic:
        return _package_page(topic)
    found = [methods[topic] for family in family_names() if topic in (methods := methods_of(family))]
    return "\n\n".join(map(method_page, found)) or None


def _package_page(topic: str) -> str | None:
    """The page about `package.word`; the package by its name or by that of its entry point."""
    from fusec.runtime.extensions import installed, packages_with_verbs

    head, _, word = topic.rpartition(".")
    found = installed(packages_with_verbs().get(head, head))
    if isinstance(found, PackageProblem):
        return None if found.kind == "missing" else f"{head}\n\n{found.what}"
    pages = [verb_page(found.verbs[word])] if word in found.verbs else []
    pages += [method_page(found.methods[word])] if word in found.methods else []
    return "\n\n".join(pages) or None


def nearest(topic: str) -> str | None:
    """The topic that was most likely meant."""
    methods = [name for family in family_names() for name in methods_of(family)]
    return closest(topic, [*all_codes(), *verb_names(), *methods, *BY_NAME])


def index_page() -> str:
    """Everything that has a page, with its first line."""
    codes = [(code, _first_line(cls)) for code, cls in all_codes().items()]
    verbs = [(name, _first_line(cls)) for name in verb_names() if (cls := find_verb(name))]
    methods = [
        (name, f"{family}: {_first_line(cls)}")
        for family in family_names()
        for name, cls in methods_of(family).items()
    ]
    passes = [(name, pass_manual(name).split("\n", 1)[0]) for name in BY_NAME]
    blocks = (
        f"{title}\n{columns(rows)}"
        for title, rows in (("verbs", verbs), ("methods", methods), ("passes", passes), ("codes", codes))
    )
    return "\n\n".join(blocks)


def code_page(cls: type[Diagnostic]) -> str:
    return f"{cls.level}[{cls.code}]\n\n{_manual(cls)}"


def pass_page(name: str) -> str:
    step = BY_NAME[name]
    use = "off; `--with` runs it" if not step.default else "`--without` leaves it out"
    if step.needed:
        use = f"not to be left out: {step.needed}"
    about = columns([("results", _KEPT[step.keeps]), ("use", use)])
    return f"{name}   a pass of the optimizer\n\n{pass_manual(name)}\n\n{about}"


def pass_manual(name: str) -> str:
    """What the file of a pass says of it."""
    return inspect.cleandoc(import_module(f"fusec.compiler.passes.{name}").__doc__ or "")


def verb_page(cls: type[Step]) -> str:
    about = [("grade", cls.grade), ("revision", str(cls.revision))]
    if cls.subject:
        about.insert(0, ("subject", f"`{cls.subject}`: what stands before `|> {cls.verb}`"))
    about += _package(cls)
    usage = f"{cls.verb} {{ ... }}"
    return f"{usage}\n\n{_manual(cls)}\n\nslots\n{_slots(cls)}\n\n{columns(about)}"


def method_page(cls: type[Method]) -> str:
    head = f"{cls.name}(...)   a method of `{cls.family}`"
    slots = f"\n\narguments\n{_slots(cls)}" if cls.model_fields else ""
    package = "".join(f"\n\n{columns([row])}" for row in _package(cls))
    return f"{head}\n\n{_manual(cls)}{slots}{package}"


def _package(cls: type[Declared]) -> list[tuple[str, str]]:
    if cls.package is None:
        return []
    return [("package", f'{cls.package.short}: `extend "{cls.package.name}" as ...`')]


def _slots(cls: type[Declared]) -> str:
    """One line a slot."""
    return columns(slot_rows(cls))


def slot_rows(cls: type[Declared]) -> list[tuple[str, str, str, str]]:
    """Each slot: its name, what it takes, its default, its bounds."""
    open_slots = getattr(cls, "open_slots", "")
    rows = []
    for name, want in cls.wants().items():
        field = cls.model_fields[name]
        if name == open_slots:
            rows.append(("any name", str(want), "", "one slot for each"))
        else:
            rows.append((name, _wanted(want, name), _default(name, field, want), _bounds(field)))
    return rows


def _wanted(want: Want, name: str) -> str:
    return "Str, kept for people" if name == "note" else str(want)


def _default(name: str, field: FieldInfo, want: Want) -> str:
    if field.is_required():
        return "required, or `param seed`" if name == "seed" else "required"
    value = field.default
    if value is None:
        return "optional"
    if isinstance(value, bool):
        return f"default {str(value).lower()}"
    if value == ():
        return "default []"
    if isinstance(value, Method):
        return f"default {value.name}"
    if isinstance(want, Amount):
        return f"default {quantity_text(value, want.dimension, want.kind)}"
    return f"default {value}"


def _bounds(field: FieldInfo) -> str:
    bounds = []
    for kind in _everything(field):
        for cls, (attribute, word) in _BOUNDS.items():
            if isinstance(kind, cls):
                bounds.append(f"{word} {getattr(kind, attribute)}")
    return ", ".join(bounds)


def _everything(field: FieldInfo) -> list[Any]:
    """Metadata of a field, also inside `X | None`."""
    from typing import get_args

    inner = [item for arm in get_args(field.annotation) for item in getattr(arm, "__metadata__", ())]
    each = [bound for item in field.metadata if isinstance(item, OneOrEach) for bound in item.bounds]
    return [*field.metadata, *inner, *each]


def _manual(cls: type) -> str:
    return inspect.cleandoc(cls.__doc__ or "")


def _first_line(cls: type) -> str:
    return textwrap.shorten(_manual(cls).split("\n\n")[0], 100, placeholder=" ..")
