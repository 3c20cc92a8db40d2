"""Declarations to values: parameters, lets, targets, sources, and results with their families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from fusec.compiler.evaluate import evaluate, keys_of
from fusec.compiler.expect import expect, fit
from fusec.compiler.facts import (
    DataFacts,
    ModelFacts,
    SourceFacts,
    SourceProblem,
    SourceRequest,
    TokenizerFacts,
    TokenizerSourceFacts,
    space_fingerprint,
)
from fusec.compiler.module import Setting
from fusec.compiler.scope import Scope
from fusec.compiler.slots import Amount, Input, MethodOf, Plain, Want
from fusec.compiler.step import Step
from fusec.compiler.steps.source import OPTIONS, SCHEMES, SourceData, SourceModel, SourceTokenizer
from fusec.compiler.values import UNKNOWN, Broken, Measure, describe
from fusec.lang import tree
from fusec.lang.codes.fuse103_unknown_slot import UnknownSlot
from fusec.lang.codes.fuse104_missing import Missing
from fusec.lang.codes.fuse107_unknown_verb import UnknownVerb
from fusec.lang.codes.fuse110_unknown_scheme import UnknownScheme
from fusec.lang.codes.fuse113_source_not_found import SourceNotFound
from fusec.lang.codes.fuse114_source_damaged import SourceDamaged
from fusec.lang.column_types import parse_column_type
from fusec.lang.source import Span
from fusec.lang.types import DataType, ModelType, Space, TokenizerType, Type, kind_of

if TYPE_CHECKING:
    from fusec.compiler.check import Checker

SCALARS: dict[str, Want] = {
    "Int": Plain("int"),
    "Float": Plain("float"),
    "Bool": Plain("bool"),
    "Str": Plain("str"),
    "Size": Amount("Size"),
    "Rate": Amount("Rate"),
    "Time": Amount("Time"),
    "Compute": Amount("Compute"),
    "Money": Amount("Money"),
    "Price": Amount("Price"),
    "Share": Amount("Share"),
    "Count": Amount("Count"),
}


def declaration(c: Checker, name: str, decl: Any) -> Any:
    """The value a declaration gives its name; a family gives a dict by key."""
    if isinstance(decl, tree.Param):
        return _param(c, name, decl)
    if isinstance(decl, tree.Target):
        return expect(c, decl.value, MethodOf("target"), Scope(address=name), "target")
    if decl.family is None:
        return _one(c, decl, Scope(address=name))
    keys = keys_of(c, decl.family, Scope())
    if keys is None:
        return UNKNOWN
    variable = decl.family.variable.id
    return {key: _one(c, decl, Scope({variable: key}, f"{name}[{key}]")) for key in keys}


def _one(c: Checker, decl: tree.Let | tree.Bind, scope: Scope) -> Any:
    if isinstance(decl, tree.Let):
        return evaluate(c, decl.value, scope)
    if isinstance(decl.value, tree.From):
        return _from(c, decl, decl.value, scope)
    value = evaluate(c, decl.value, scope)
    return _of_kind(c, decl, value, decl.value)


def _of_kind(c: Checker, decl: tree.Bind, value: Any, expr: tree.Expr) -> Any:
    if isinstance(value, Broken):
        return UNKNOWN
    kinds = {decl.kind, "map"} if decl.kind == "data" else {decl.kind}
    if isinstance(value, Input) and kind_of(value.type) in kinds:
        return value
    return c.wrong(expr.span, describe(value), decl.kind.capitalize(), decl.kind, expr)


# --- parameters ---------------------------------------------------------------


def _param(c: Checker, name: str, decl: tree.Param) -> Any:
    want = _scalar(c, decl.type)
    setting = c.module.settings.get(name)
    default: Any = None
    if decl.default is not None:
        default = _typed(c, decl.default, want, name)
    if setting is None:
        if decl.default is None:
            wants = str(want) if want else ""
            c.report(Missing(owner=name, name=name, at=decl.name.span, what="parameter", wants=wants))
            return UNKNOWN
        return default
    return _set(c, setting, want, default, name)


def _typed(c: Checker, expr: tree.Expr, want: Want | None, name: str) -> Any:
    """A parameter's value stays a quantity with its unit, also when a type is written."""
    value = evaluate(c, expr, Scope())
    if want is None or isinstance(value, Broken):
        return value
    fitted = fit(c, value, want, expr, name)
    return value if isinstance(value, Measure) and not isinstance(fitted, Broken) else fitted


def _set(c: Checker, setting: Setting, want: Want | None, default: Any, name: str) -> Any:
    """The value of `--set`: raw text for a Str, otherwise an expression of the parameter's type."""
    if want == Plain("str") or (want is None and isinstance(default, str)):
        return setting.text
    whole = Span(setting.source, len(name) + 1, len(setting.source.text))
    if setting.expr is None:
        return c.wrong(whole, f"`{setting.text}`", str(want) if want else describe(default), f"--set {name}")
    if want is None and not isinstance(default, Broken) and default is not None:
        want = _like(default)
    return _typed(c, setting.expr, want, f"--set {name}")


def _like(default: Any) -> Want | None:
    if isinstance(default, Measure):
        return Amount(default.dimension, default.kind if default.dimension == "Count" else "")
    plain = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(default))
    return Plain(plain) if plain else None


def _scalar(c: Checker, written: tree.TypeExpr | None) -> Want | None:
    if written is None:
        return None
    name = written.id if isinstance(written, (tree.TypeName, tree.TypeApply)) else ""
    if name not in SCALARS:
        c.report(UnknownVerb(name=written.span.text, at=written.span, known=tuple(SCALARS), what="type"))
        return None
    return SCALARS[name]


# --- sources --------------------------------------------------------------------------


def _from(c: Checker, decl: tree.Bind, source: tree.From, scope: Scope) -> Any:
    uri = evaluate(c, source.uri, scope)
    options = _options(c, decl.kind, source.block, scope)
    if isinstance(uri, Broken) or options is None:
        return UNKNOWN
    request = SourceRequest(decl.kind, uri, options)  # type: ignore[arg-type]
    facts = c.facts_of(request)
    if isinstance(facts, SourceProblem):
        _say(c, facts, uri, scope.address, source.uri.span)
        return UNKNOWN
    name = c.free(f"{scope.address}/source", "source") if source.stages else c.free(scope.address, "source")
    step, type_ = _source(c, facts, request, scope.address)
    if isinstance(type_, ModelType) and decl.type is not None:
        type_ = _annotated(c, type_, decl.type)
    c.sources[name], c.facts[name] = request, facts
    value = c.add(name, step, type_, source.uri.span)
    if source.stages:
        value = c.pipeline(value, source.uri.span, source.stages, scope)
    return _of_kind(c, decl, value, tree.Name(span=decl.kind_span, id=decl.kind))


def _options(
    c: Checker, kind: str, block: tree.Block | None, scope: Scope
) -> tuple[tuple[str, str | int | float | bool], ...] | None:
    known = OPTIONS.get(kind, {})
    out: dict[str, Any] = {}
    for slot in block.slots if block else ():
        if slot.name.id not in known:
            c.report(
                UnknownSlot(
                    owner=kind, name=slot.name.id, at=slot.name.span, known=tuple(known), what="option"
                )
            )
            return None
        out[slot.name.id] = expect(c, slot.value, known[slot.name.id], scope, slot.name.id)
    if any(isinstance(value, Broken) for value in out.values()):
        return None
    return tuple(sorted(out.items()))


def _say(c: Checker, problem: SourceProblem, uri: str, name: str, at: Span) -> None:
    if problem.kind == "scheme":
        scheme = uri.split(":", 1)[0]
        c.report(UnknownScheme(uri=uri, scheme=scheme, at=at, known=SCHEMES))
    elif problem.kind in ("missing", "offline"):
        c.report(SourceNotFound(name=name, at=at, what=problem.what, hint=problem.hint))
    else:
        c.report(SourceDamaged(name=name, at=at, what=problem.what, hint=problem.hint))


def _source(c: Checker, facts: SourceFacts, request: SourceRequest, address: str) -> tuple[Step, Type]:
    match facts:
        case ModelFacts():
            return SourceModel(uri=facts.uri, pin=facts.pin), _model_type(c, facts, address)
        case TokenizerSourceFacts():
            _know(c, facts.tokenizer)
            tokenizer = TokenizerType(facts.tokenizer.fingerprint, facts.tokenizer.vocab)
            return SourceTokenizer(uri=facts.uri, pin=facts.pin), tokenizer
        case DataFacts():
            columns = tuple((name, parse_column_type(text)) for name, text in facts.columns)
            rows = -1 if facts.rows is None else facts.rows
            options = tuple(f"{key}={value}" for key, value in request.options)
            return SourceData(uri=facts.uri, pin=facts.pin, options=options), DataType(
                columns, rows, facts.bytes
            )


def _model_type(c: Checker, facts: ModelFacts, address: str) -> ModelType:
    fingerprint = space_fingerprint(facts.tensors, tied=facts.tied)
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
    root = facts.root_hint or ""
    if root and ":" not in root and not root.startswith((".", "/")):
        root = f"hf:{root}"
    tokenizer = facts.tokenizer.fingerprint if facts.tokenizer else ""
    return ModelType(space, facts.dtype, facts.uri, root, tokenizer)


def _know(c: Checker, facts: TokenizerFacts) -> None:
    c.tokenizers[facts.fingerprint] = facts


def _annotated(c: Checker, type_: ModelType, written: tree.TypeExpr) -> ModelType:
    """What the author states about a model: `Model[_, _, root: base]`."""
    for arg in written.args if isinstance(written, tree.TypeApply) else ():
        if arg.name is not None and arg.name.id == "root" and isinstance(arg.value, tree.TypeName):
            name = tree.Name(span=arg.value.span, id=arg.value.id)
            if name.id == "self":
                return msgspec.structs.replace(type_, root=type_.identity)
            root = c.lookup(name, Scope())
            if isinstance(root, Input) and isinstance(root.type, ModelType):
                return msgspec.structs.replace(type_, root=root.type.root or root.type.identity)
    return type_
