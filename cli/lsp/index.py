"""Where names are declared and used: the base of definition, references, rename and outline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fusec.cli.lsp.document import Document
from fusec.lang import tree
from fusec.lang.source import Span


class Occurrence(NamedTuple):
    """A name in the text; `owner` is where a variable is introduced, None for names of the file.

    With `alias` it is a name of the file that a `use` calls so: `train` of `curated.train`.
    """

    name: str
    span: Span
    owner: Span | None
    alias: str = ""


Variables = dict[str, Span]


def occurrences(declaration: tree.Declaration) -> Iterator[Occurrence]:
    """Every place of a declaration where a name of the file or a variable is declared or used.

    Verbs, methods, slots, arguments and fields are names of other things, and not among them.
    """
    name = getattr(declaration, "name", None)
    if isinstance(name, tree.Name):
        yield Occurrence(name.id, name.span, None)
    family = getattr(declaration, "family", None)
    variables: Variables = {}
    if isinstance(family, tree.Family):
        yield from _uses(family.over, {})
        variables = {family.variable.id: family.variable.span}
        yield Occurrence(family.variable.id, family.variable.span, family.variable.span)
    if isinstance(declaration, tree.Use):
        for arg in declaration.args:
            if arg.name is not None:
                yield Occurrence(arg.name.id, arg.name.span, None, declaration.name.id)
    for field in declaration.__struct_fields__:
        if field not in ("name", "family", "span", "kind_span", "doc", "kind"):
            yield from _uses(getattr(declaration, field), variables)


def _uses(node: Any, variables: Variables) -> Iterator[Occurrence]:
    match node:
        case tree.Name():
            yield Occurrence(node.id, node.span, variables.get(node.id))
        case tree.TypeArg(name=tree.Name(id="root"), value=tree.TypeName() as root):
            yield Occurrence(root.id, root.span, None)
        case tree.Comprehension():
            yield from _uses(node.over, variables)
            inner = {**variables, node.variable.id: node.variable.span}
            yield Occurrence(node.variable.id, node.variable.span, node.variable.span)
            yield from _uses(node.item, inner)
            yield from _uses(node.condition, inner)
        case tree.Field(value=tree.Name(id=alias) | tree.Index(value=tree.Name(id=alias))):
            yield from _uses(node.value, variables)
            if alias not in variables:
                yield Occurrence(node.name.id, node.name.span, None, alias)
        case tree.Field() | tree.Slot() | tree.Arg():
            yield from _uses(node.value, variables)
        case tree.Call():
            yield from _package(node.callee)
            yield from _uses(node.args, variables)
        case tree.Step() | tree.Stage():
            yield from _package(node.verb)
            yield from _uses(node.block, variables)
        case tuple() if not isinstance(node, Span):
            for item in node:
                yield from _uses(item, variables)
        case tree.Node():
            for field in node.__struct_fields__:
                yield from _uses(getattr(node, field), variables)


def _package(word: tree.Expr) -> Iterator[Occurrence]:
    """The package of `acme.rewrite`: a name of the file, where a verb alone is none."""
    if isinstance(word, tree.Field) and isinstance(word.value, tree.Name):
        yield Occurrence(word.value.id, word.value.span, None)


def path_to(root: Any, at: int) -> list[tree.Node]:
    """The nodes around offset `at` of their piece, from the declaration to the smallest."""
    path: list[tree.Node] = []
    node: Any = root
    while node is not None:
        path.append(node)
        node = next((child for child in children(node) if child.span.start <= at <= child.span.end), None)
    return path


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The parts of a node; what ends at an offset comes after what begins there."""
    for field in reversed(node.__struct_fields__):
        value = getattr(node, field)
        if isinstance(value, tree.Node):
            yield value
        elif isinstance(value, tuple) and not isinstance(value, Span):
            yield from (item for item in reversed(value) if isinstance(item, tree.Node))


def found_at(document: Document, offset: int) -> Occurrence | None:
    """The occurrence that offset `offset` of the file touches."""
    place = document.span(offset, offset)
    for declaration in document.declarations_at(offset):
        for found in occurrences(declaration):
            if found.span.start <= place.start <= found.span.end and _means_name(
                document, found, declaration
            ):
                return found
    return None


def all_of(document: Document, wanted: Occurrence) -> list[Span]:
    """Every place that means the same as `wanted`, in the order of the text."""
    return [
        found.span
        for declaration in document.declarations
        for found in occurrences(declaration)
        if (found.name, found.owner, found.alias) == (wanted.name, wanted.owner, wanted.alias)
        and _means_name(document, found, declaration)
    ]


def declared(document: Document) -> dict[str, tree.Declaration]:
    """The declarations of a file by name; of two with one name the first."""
    found: dict[str, tree.Declaration] = {}
    for declaration in document.declarations:
        name = getattr(declaration, "name", None)
        if isinstance(name, tree.Name):
            found.setdefault(name.id, declaration)
    return found


def words(document: Document) -> set[str]:
    """Every word that stands where names stand, whatever it means."""
    return {found.name for d in document.declarations for found in occurrences(d) if not found.alias}


def _means_name(document: Document, found: Occurrence, declaration: tree.Declaration) -> bool:
    """Not so for a bare word such as `cosine` where a few words are wanted."""
    from fusec.compiler.slots import Words

    if found.owner is not None:
        return True
    if found.alias:
        return isinstance(declared(document).get(found.alias), tree.Use)
    known = declared(document).get(found.name)
    if known is None:
        return False
    path = path_to(declaration, found.span.start)
    *_, around, _, slot, _ = (None, None, None, *path)  # Step, Block, Slot, Name
    if not isinstance(slot, tree.Slot) or not isinstance(around, (tree.Step, tree.Stage)):
        return True
    return isinstance(known, tree.Let) or not isinstance(want_of(around.verb, slot.name.id), Words)


def want_of(verb: tree.Expr, slot: str) -> Any:
    """What the slot of a verb may hold, None when either is unknown."""
    from fusec.compiler.step import find_verb

    cls = find_verb(verb.id) if isinstance(verb, tree.Name) else None
    if cls is None:
        return None
    return cls.open_want if slot == cls.open_slots else cls.wants().get(slot, cls.open_want)
