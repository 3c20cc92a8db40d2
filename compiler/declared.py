"""Declarations to values: parameters, lets, targets, sources, and results with their families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusec.compiler.annotations import check_stated, with_root
from fusec.compiler.blocks import slots_of
from fusec.compiler.evaluate import choose, evaluate, keys_of
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
from fusec.lang.units import DISTINCT

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


KINDS = ("model", "data", "tokenizer")
"""What can come from outside."""


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
        value = evaluate(c, decl.value, scope)
        want = _scalar(c, decl.type)
        return value if want is None else _as_written(c, value, decl.value, want, decl.name.id)
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
    """The value of a parameter: plain, and of the type it has."""
    value = evaluate(c, expr, Scope())
    if isinstance(value, Broken):
        return UNKNOWN
    if not _is_plain(value):
        return c.wrong(
            expr.span, describe(value), "a number, text or quantity, or a list of them", name, expr
        )
    if want is None:
        return value
    return _as_written(c, value, expr, want, name)


def _as_written(c: Checker, value: Any, expr: tree.Expr, want: Want, name: str) -> Any:
    """A value of the type that is written beside it; a quantity stays one."""
    fitted = fit(c, value, want, expr, name)
    return value if isinstance(value, Measure) and not isinstance(fitted, Broken) else fitted


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, dict)):
        return all(_is_plain(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, (bool, int, float, str, Measure))


def _set(c: Checker, setting: Setting, want: Want | None, default: Any, name: str) -> Any:
    """The value of `--set`: raw text for a Str, otherwise an expression of the parameter's type."""
    if want == Plain("str") or (want is None and isinstance(default, str)):
        return setting.text
    whole = Span(setting.source, len(name) + 1, len(setting.source.text))
    if setting.expr is None:
        got = f"`{setting.text}` is not a value" if setting.text.strip() else "nothing is set here"
        return c.wrong(whole, got, str(want) if want else describe(default), f"`--set {name}`")
    if want is None and not isinstance(default, Broken) and default is not None:
        want = _like(default)
    return _typed(c, setting.expr, want, f"`--set {name}`")


def _like(default: Any) -> Want | None:
    if isinstance(default, Measure):
        return Amount(default.dimension, default.kind if default.dimension in DISTINCT else "")
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
    if decl.kind not in KINDS:
        return c.wrong(source.uri.span, "a source", decl.kind.capitalize(), decl.kind)
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
        type_ = with_root(c, type_, decl.type)
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
    for name, slot in slots_of(c, block).items():
        if name in known:
            out[name] = expect(c, slot.value, known[name], scope, name)
        else:
            at = slot.name.span
            c.report(UnknownSlot(owner=kind, name=name, at=at, known=tuple(known), what="option"))
            out[name] = UNKNOWN
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
