"""How a verb is declared: one class with typed slots, a type rule and a cost rule.

    class Merge(Step, verb="merge", revision=1, grade="exact", kernel="merge", subject="base"):
        \"\"\"Combine experts of one weight space into one model.\"\"\"

        base: Model
        experts: Experts
        method: MergeMethod

The docstring is the manual page. A class is found by its file: `fusec/compiler/steps/<verb>.py`, so a
new verb is a new file. Methods (`ties(...)`, `llama(...)`) are declared the same way in
`fusec/compiler/methods/<family>.py`. Packages declare both in modules of their own (`extensions.py`).
"""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

import pydantic
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from fusec.compiler.cost import Cost
from fusec.compiler.packages import Extension, PackagePin, loaded
from fusec.compiler.slots import Input, ListOf, MethodOf, Plain, Want, Words
from fusec.lang.diagnostics import Diagnostic
from fusec.lang.source import Span
from fusec.lang.types import TokenizerType, Type

COMMON = ("resources", "retries", "note")
"""Slots of every verb. They say where and how often work is tried, never what it makes."""

Grade = Literal["exact", "seeded", "external"]
GRADES: tuple[Grade, ...] = ("exact", "seeded", "external")


class Site(Protocol):
    """Where a step stands in the text; type rules use it to point and to speak."""

    name: str

    def at(self, slot: str, index: int | None = None) -> Span:
        """The text of a slot's value, or of one item in it; the verb when the slot is not written."""

    def label(self, value: Input) -> str:
        """What the user calls this result."""

    def declared(self, value: Input) -> Span | None:
        """Where this result comes from: the address of a source, or the verb that makes it."""

    def report(self, diagnostic: Diagnostic) -> None: ...

    def dropped(self, value: Input, column: str) -> Span | None:
        """Where a column that `value` once had was dropped on the way."""

    def know_space(self, fingerprint: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Remember the tensors of a space that this step makes."""

    def shapes_of(self, fingerprint: str) -> Mapping[str, tuple[int, ...]] | None:
        """The tensors of a space with their shapes; None where only a step of a package knows them.

        Tensors have 0 rows where only the run knows how many tokens there are.
        """

    def tokenizer_adds(self, base: str, other: str) -> int | None:
        """How many rows tokenizer `other` adds behind those of `base`; None when it differs otherwise."""

    def tokenizer_called(self, fingerprint: str) -> TokenizerType | None:
        """The tokenizer that models name by its fingerprint; None where nothing is known of it."""


class Declared(pydantic.BaseModel):
    """What steps and methods share: closed, typed fields that know what they want."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    package: ClassVar[PackagePin | None] = None
    """Where the declaration comes from; None for fusec's own."""

    @classmethod
    @cache
    def wants(cls) -> dict[str, Want]:
        """What each field may hold, in declaration order; those that every step has come last."""
        fields = sorted(cls.model_fields.items(), key=lambda item: item[0] in COMMON)
        return {name: _want(cls, name, field) for name, field in fields}

    @classmethod
    def required(cls) -> tuple[str, ...]:
        return tuple(name for name, field in cls.model_fields.items() if field.is_required())


class Method(Declared):
    """A value that says how: free of cost, decided while compiling.

    `joined_by` opens a family to methods of packages: it names the function of the module `kernel` that
    such a method brings its part of the work in. A step is at most of the `grade` of its methods.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    kernel: ClassVar[str] = ""
    joined_by: ClassVar[str] = ""
    grade: ClassVar[Grade] = "exact"

    def __init_subclass__(cls, name: str = "", family: str = "", kernel: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if name:
            cls.name, cls.family, cls.kernel = name, family, kernel


class Step(Declared):
    """One piece of work. Subclasses state what they take, what they give and what it costs.

    `subject` is the slot that `x |> verb { ... }` fills, `kernel` the module that does the work (fusec's own
    lie under `fusec.runtime.kernels`, those of a package are named in full), `open_slots` the name of the
    field that collects free slots (one per column).
    `on_gpu` steps take a GPU where the target has one and their `resources` do not say otherwise;
    `needs_bf16` ones compute in bf16 there. `loads` are the large libraries that the work needs, keys of
    `cost.LOADING`.
    """

    resources: Annotated[Method, MethodOf("resources")] | None = None
    retries: Annotated[int, Ge(0), Le(100)] = 0
    note: str | None = None

    verb: ClassVar[str]
    revision: ClassVar[int]
    grade: ClassVar[Grade]
    kernel: ClassVar[str]
    subject: ClassVar[str]
    open_slots: ClassVar[str] = ""
    open_want: ClassVar[Want | None] = None
    on_gpu: ClassVar[bool] = False
    needs_bf16: ClassVar[bool] = False
    loads: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(
        cls,
        verb: str = "",
        revision: int = 1,
        grade: Grade = "exact",
        kernel: str = "",
        subject: str = "",
        **rest: Any,
    ) -> None:
        super().__init_subclass__(**rest)
        if verb:
            cls.verb, cls.revision, cls.grade = verb, revision, grade
            cls.kernel, cls.subject = kernel, subject

    @abstractmethod
    def gives(self, site: Site) -> Type:
        """The type of the result; reports what does not fit together."""

    def cost(self, result: Type) -> Cost:
        """What the step will use, as ranges."""
        return Cost()

    def memory_parts(self, result: Type) -> tuple[tuple[str, float], ...]:
        """What the likely memory of the cost is made of, in bytes; empty where that is of one piece."""
        return ()

    @property
    def seeded(self) -> bool:
        return "seed" in type(self).model_fields

    def order(self, ids: dict[str, str]) -> Step:
        """The same step with inputs in canonical order, for verbs whose result does not depend on it."""
        return self


# --- finding declarations ---------------------------------------------------------------

UNWRITTEN = ("source", "rows")
"""Files whose verbs, `source.data` or `rows.pass`, no spec can write: sources and the optimizer make them."""

_D = TypeVar("_D")


@cache
def verb_names() -> tuple[str, ...]:
    from fusec.compiler import steps

    names = (module.name for module in pkgutil.iter_modules(steps.__path__))
    return tuple(sorted(name for name in names if name not in UNWRITTEN))


def find_verb(verb: str) -> type[Step] | None:
    """The class that declares `verb`: one of fusec's own, or `package.verb` of a loaded package."""
    own = _own_verb(verb)
    return _of_package(verb, lambda extension: extension.verbs) if own is None else own


@cache
def _own_verb(verb: str) -> type[Step] | None:
    """Imports one file, so `check` pays only for verbs in use."""
    family = verb.partition(".")[0]
    name = family if family in UNWRITTEN and verb != family else verb
    if name not in verb_names() and verb == name:
        return None
    module = importlib.import_module(f"fusec.compiler.steps.{name}")
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Step) and getattr(value, "verb", "") == verb
    )


@cache
def family_names() -> tuple[str, ...]:
    from fusec.compiler import methods

    return tuple(sorted(module.name for module in pkgutil.iter_modules(methods.__path__)))


class _OnePerFile(Mapping[str, type[Method]]):
    """A family that is a folder with one file for each method: imported when one is asked for."""

    def __init__(self, package: types.ModuleType) -> None:
        self._package = package.__name__
        self._names = tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))

    def __getitem__(self, name: str) -> type[Method]:
        if name not in self._names:
            raise KeyError(name)
        family = self._package.rpartition(".")[2]
        return _declared_in(importlib.import_module(f"{self._package}.{name}"), family)[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@cache
def methods_of(family: str) -> Mapping[str, type[Method]]:
    """fusec's own methods of a family by name, in the order of the file or of names; none of a package's."""
    if family not in family_names():
        return {}
    module = importlib.import_module(f"fusec.compiler.methods.{family}")
    return _OnePerFile(module) if hasattr(module, "__path__") else _declared_in(module, family)


def _declared_in(module: types.ModuleType, family: str) -> dict[str, type[Method]]:
    """The methods of a family in a module, which may have imported those of others."""
    classes = (v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Method))
    return {cls.name: cls for cls in classes if getattr(cls, "family", "") == family}


def find_method(name: str) -> type[Method] | None:
    """The method of that name in whatever family, for places that expect nothing in particular."""
    own = next((found for f in family_names() if (found := methods_of(f).get(name)) is not None), None)
    return _of_package(name, lambda extension: extension.methods) if own is None else own


def method_called(name: str, family: str) -> type[Method]:
    """The method that a graph calls `name`, where one of `family` stands."""
    found = methods_of(family).get(name) or _of_package(name, lambda extension: extension.methods)
    assert found is not None, f"no {family} method {name}"
    return found


def _of_package(name: str, declared: Callable[[Extension], Mapping[str, _D]]) -> _D | None:
    package, _, plain = name.rpartition(".")
    extension = loaded(package)
    return declared(extension).get(plain) if extension is not None else None


def full_name(declared: Step | Method) -> str:
    """The name in graphs: plain for fusec's own, `package.name` for the others."""
    plain = declared.verb if isinstance(declared, Step) else declared.name
    return plain if declared.package is None else f"{declared.package.name}.{plain}"


def grade_of(step: Step) -> Grade:
    """The weakest of the grades of a step and of the methods in its slots."""
    slots = tuple(getattr(step, name) for name in type(step).model_fields if name not in COMMON)
    return max((step.grade, *(method.grade for method in _methods(slots))), key=GRADES.index)


def _methods(value: Any) -> Iterator[Method]:
    """The methods of a value, with those among their arguments."""
    if isinstance(value, Method):
        yield value
        value = tuple(getattr(value, name) for name in type(value).model_fields)
    if isinstance(value, tuple):
        for item in value:
            yield from _methods(item)


def packages_of(value: Any) -> tuple[PackagePin, ...]:
    """Every package whose code a step or a value in it stands for, in order of names."""
    return tuple(sorted(set(_packages(value))))


def _packages(value: Any) -> Iterator[PackagePin]:
    if isinstance(value, Declared):
        if value.package is not None:
            yield value.package
        value = tuple(getattr(value, name) for name in type(value).model_fields)
    if isinstance(value, tuple):
        for item in value:
            yield from _packages(item)


# --- markers of fields ---------------------------------------------------------------------


def _want(cls: type[Declared], name: str, field: FieldInfo) -> Want:
    """Read the marker of a field from its annotation."""
    if issubclass(cls, Step) and name == cls.open_slots and cls.open_want is not None:
        return cls.open_want
    found = marker(field)
    assert found is not None, f"{cls.__name__}.{name}: no marker in {field.annotation}"
    return found


def marker(field: FieldInfo) -> Want | None:
    """What the annotation of a field asks for, None when it says nothing that the checker understands."""
    return _marker(field.annotation, field.metadata)


def _marker(annotation: Any, metadata: list[Any]) -> Want | None:
    for item in metadata:
        if isinstance(item, typing.get_args(Want)):
            return typing.cast(Want, item)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *extra = typing.get_args(annotation)
        return _marker(inner, extra)
    if origin in (typing.Union, types.UnionType):
        arms = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
        return next((w for w in (_marker(arm, []) for arm in arms) if w is not None), None)
    if origin is Literal:
        return Words(typing.get_args(annotation))
    if origin is tuple and typing.get_args(annotation)[0] in (str, int, float):
        return ListOf(Plain(typing.get_args(annotation)[0].__name__))
    if annotation in (bool, int, float, str):
        return Plain(annotation.__name__)
    return None
