"""Declarations to values: parameters, lets, targets, sources, and results with their families."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fusec.compiler.annotations import check_stated, with_root
from fusec.compiler.blocks import slots_of
from fusec.compiler.deltas import delta_type, hub_address
from fusec.compiler.endpoints import address_is_sound, endpoint_is_sound, is_remote
from fusec.compiler.evaluate import choose, evaluate, keys_of
from fusec.compiler.expect import expect
from fusec.compiler.facts import (
    TIED_HEADS,
    DataFacts,
    DeltaFacts,
    EndpointFacts,
    ModelFacts,
    SourceFacts,
    SourceProblem,
    SourceRequest,
    TensorFact,
    TokenizerFacts,
    TokenizerSourceFacts,
    endpoint_facts,
    is_endpoint,
    pin_of,
    space_fingerprint,
)
from fusec.compiler.files import resolve
from fusec.compiler.packages import Extension
from fusec.compiler.params import as_written, param, written_type
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Input, MethodOf
from fusec.compiler.step import Step
from fusec.compiler.steps.source import (
    LICENCE,
    OPTIONS,
    SCHEMES,
    SourceData,
    SourceDelta,
    SourceEndpoint,
    SourceModel,
    SourceTokenizer,
)
from fusec.compiler.values import UNKNOWN, Broken, describe
from fusec.lang import tree
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse106_import_not_found import ImportNotFound
from fusec.lang.codes.fuse110_unknown_scheme import UnknownScheme
from fusec.lang.codes.fuse113_source_not_found import SourceNotFound
from fusec.lang.codes.fuse114_source_damaged import SourceDamaged
from fusec.lang.codes.fuse115_broken_extension import BrokenExtension
from fusec.lang.column_types import parse_column_type
from fusec.lang.source import Span
from fusec.lang.types import (
    DataType,
    DeltaType,
    EndpointType,
    ModelType,
    Space,
    TokenizerType,
    Type,
    kind_of,
)

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

KINDS = ("model", "delta", "data", "tokenizer")
"""What can come from outside."""


def declaration(c: Checker, name: str, decl: Any) -> Any:
    """The value a declaration gives its name; a family gives a dict by key."""
    if isinstance(decl, tree.Use):
        from fusec.compiler.modules import use

        return use(c, decl)
    if isinstance(decl, tree.Extend):
        return _extension(c, decl)
    if isinstance(decl, tree.Param):
        return param(c, name, decl)
    address = c.address(name)
    if isinstance(decl, tree.Target):
        return expect(c, decl.value, MethodOf("target"), Scope(address=address), "target")
    if decl.family is None:
        return _one(c, decl, Scope(address=address))
    keys = keys_of(c, decl.family, Scope())
    if keys is None:
        return UNKNOWN
    variable = decl.family.variable.id
    return {key: _one(c, decl, Scope({variable: key}, f"{address}[{key}]")) for key in keys}


def _one(c: Checker, decl: tree.Let | tree.Bind, scope: Scope) -> Any:
    if isinstance(decl, tree.Let):
        value = evaluate(c, decl.value, scope)
        want = written_type(c, decl.type)
        return value if want is None else as_written(c, value, decl.value, want, decl.name.id)
    if isinstance(decl.value, tree.From):
        return _from(c, decl, decl.value, scope)
    return _made(c, decl, decl.value, scope)


def _made(c: Checker, decl: tree.Bind, expr: tree.Expr, scope: Scope) -> Any:
    if not isinstance(expr, tree.IfElse):
        return _of_kind(c, decl, evaluate(c, expr, scope), expr)
    arms = choose(c, expr, scope)
    if arms is None:
        return UNKNOWN
    _made(c, decl, arms[1], scope.inside("else"))
    return _made(c, decl, arms[0], scope)


def _of_kind(c: Checker, decl: tree.Bind, value: Any, expr: tree.Expr) -> Any:
    if isinstance(value, Broken):
        return UNKNOWN
    kinds = {decl.kind, "map"} if decl.kind == "data" else {decl.kind}
    if isinstance(value, Input) and kind_of(value.type) in kinds:
        if decl.type is not None:
            check_stated(c, decl, value.type)
            if isinstance(value.type, (ModelType, DeltaType)) and not value.type.root:
                return Input(value.ref, with_root(c, value.type, decl.type))
        return value
    return c.wrong(expr.span, describe(value), decl.kind.capitalize(), decl.kind, expr)


def _extension(c: Checker, decl: tree.Extend) -> Any:
    """The package that an `extend` names, UNKNOWN after a report."""
    package = evaluate(c, decl.package, Scope())
    if isinstance(package, Broken):
        return UNKNOWN
    found = c.packages_of(package)
    if isinstance(found, Extension):
        return found
    at = decl.package.span
    if found.kind == "broken":
        c.report(BrokenExtension(package=package, at=at, what=found.what))
    else:
        c.report(ImportNotFound(path=package, at=at, reason=found.what, packages=found.known))
    return UNKNOWN


# --- sources --------------------------------------------------------------------------


def _from(c: Checker, decl: tree.Bind, source: tree.From, scope: Scope) -> Any:
    if decl.kind not in KINDS:
        return c.wrong(source.uri.span, "a source", decl.kind.capitalize(), decl.kind)
    uri = evaluate(c, source.uri, scope)
    if isinstance(uri, Broken):
        return UNKNOWN
    if c.folder:
        uri = resolve(c.folder, uri)
    slots = source.block.slots if source.block else ()
    hosted = is_endpoint(decl.kind, uri, (slot.name.id for slot in slots))
    options, licence = _options(c, "endpoint" if hosted else decl.kind, source.block, scope)
    if options is None:
        return UNKNOWN
    if hosted and not endpoint_is_sound(c, scope.address, uri, dict(options), source.uri.span):
        return UNKNOWN
    if not hosted and is_remote(uri) and not address_is_sound(c, scope.address, uri, source.uri.span):
        return UNKNOWN
    request = SourceRequest(decl.kind, uri, options)  # type: ignore[arg-type]
    facts = endpoint_facts(request) if hosted else c.facts_of(request)
    if isinstance(facts, SourceProblem):
        _say(c, facts, uri, scope.address, source.uri.span)
        return UNKNOWN
    name = c.free(f"{scope.address}/source", "source") if source.stages else c.free(scope.address, "source")
    step, type_ = _source(c, facts, request, scope.address)
    if isinstance(type_, (ModelType, DeltaType)) and decl.type is not None:
        type_ = with_root(c, type_, decl.type)
    c.sources[name], c.facts[name] = request, facts
    stated = licence or (facts.licence if isinstance(facts, (ModelFacts, DeltaFacts, DataFacts)) else None)
    if stated:
        c.licences[name] = stated
    value = c.add(name, step, type_, source.uri.span)
    if source.stages:
        value = c.pipeline(value, source.uri.span, source.stages, scope)
    return _of_kind(c, decl, value, tree.Name(span=decl.kind_span, id=decl.kind))


def _options(
    c: Checker, kind: str, block: tree.Block | None, scope: Scope
) -> tuple[tuple[tuple[str, str | int | float | bool], ...] | None, str]:
    """The options of a source and the licence its author states; no options after a report."""
    known = OPTIONS.get(kind, {}) | ({} if kind == "tokenizer" else {"licence": LICENCE})
    out: dict[str, Any] = {}
    for name, slot in slots_of(c, block).items():
        if name in known:
            out[name] = expect(c, slot.value, known[name], scope, name)
        else:
            at = slot.name.span
            c.report(UnknownSlot(owner=kind, name=name, at=at, known=tuple(known), what="option"))
            out[name] = UNKNOWN
    if any(isinstance(value, Broken) for value in out.values()):
        return None, ""
    licence: str = out.pop("licence", "")
    return tuple(sorted(out.items())), licence


def _say(c: Checker, problem: SourceProblem, uri: str, name: str, at: Span) -> None:
    if problem.kind == "scheme":
        scheme = uri.split(":", 1)[0]
        known = tuple(one for one in SCHEMES if one != scheme)  # `https:` is known, for models alone
        c.report(UnknownScheme(uri=uri, scheme=scheme, at=at, known=known))
    elif problem.kind in ("missing", "offline"):
        c.report(SourceNotFound(name=name, at=at, what=problem.what, hint=problem.hint))
    else:
        whole = problem.kind == "unsupported"
        c.report(SourceDamaged(name=name, at=at, what=problem.what, hint=problem.hint, whole=whole))


def _source(c: Checker, facts: SourceFacts, request: SourceRequest, address: str) -> tuple[Step, Type]:
    match facts:
        case ModelFacts():
            return SourceModel(uri=facts.uri, pin=pin_of(facts)), _model_type(c, facts, address)
        case DeltaFacts():
            delta, shapes = delta_type(facts)
            c.spaces[delta.space.fingerprint] = shapes
            return SourceDelta(uri=facts.uri, pin=pin_of(facts)), delta
        case EndpointFacts():
            endpoint = SourceEndpoint(
                uri=facts.uri, pin=pin_of(facts), model=facts.model, logprobs=facts.logprobs
            )
            return endpoint, EndpointType(f"{facts.uri}#{facts.model}", facts.logprobs)
        case TokenizerSourceFacts():
            _know(c, facts.tokenizer)
            tokenizer = TokenizerType(facts.tokenizer.fingerprint, facts.tokenizer.vocab)
            return SourceTokenizer(uri=facts.uri, pin=pin_of(facts)), tokenizer
        case DataFacts():
            columns = tuple((name, parse_column_type(text)) for name, text in facts.columns)
            rows = -1 if facts.rows is None else facts.rows
            options = tuple(f"{key}={value}" for key, value in request.options)
            return SourceData(uri=facts.uri, pin=pin_of(facts), options=options), DataType(
                columns, rows, facts.bytes
            )


def _model_type(c: Checker, facts: ModelFacts, address: str) -> ModelType:
    fingerprint, shapes = _shapes_of(facts.tensors, facts.tied)
    space = Space(
        name=f"{facts.architecture}_{fingerprint[:6]}",
        fingerprint=fingerprint,
        tensors=len(facts.tensors),
        params=facts.params,
        bytes=facts.bytes,
        vocab=facts.vocab,
    )
    if facts.tokenizer is not None:
        _know(c, facts.tokenizer)
    c.spaces[fingerprint] = shapes
    root = hub_address(facts.root_hint or "")
    tokenizer = facts.tokenizer.fingerprint if facts.tokenizer else ""
    return ModelType(space, facts.dtype, facts.uri, root, tokenizer)


@lru_cache(maxsize=64)
def _shapes_of(tensors: tuple[TensorFact, ...], tied: bool) -> tuple[str, Mapping[str, tuple[int, ...]]]:
    """A weight space and its shapes. Models of one family share it, and all checks of one sweep."""
    fingerprint = space_fingerprint(tensors, tied=tied)
    return fingerprint, {t.name: t.shape for t in tensors if not (tied and t.name in TIED_HEADS)}


def _know(c: Checker, facts: TokenizerFacts) -> None:
    c.tokenizers[facts.fingerprint] = facts
