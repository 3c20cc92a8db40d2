import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusec.lang.column_types import (
    FLOAT,
    INT,
    NULL,
    SCALARS,
    STR,
    ColumnType,
    list_of,
    parse_column_type,
    row_of,
    unify,
)
from fusec.runtime.sources.arrow_types import from_arrow, to_arrow

names = st.text(min_size=1, max_size=5)
types = st.recursive(
    st.sampled_from(list(SCALARS.values())),
    lambda inner: (
        st.builds(list_of, inner)
        | st.dictionaries(names, inner, max_size=3).map(lambda fields: row_of(*fields.items()))
    ),
    max_leaves=6,
)


@given(types)
def test_the_text_form_reads_back(kind: ColumnType) -> None:
    assert parse_column_type(str(kind)) == kind


def test_names_that_are_no_identifiers_are_quoted() -> None:
    assert str(row_of(("6b", STR), ("ok", INT))) == '{"6b": Str, ok: Int}'


@pytest.mark.parametrize(
    "text", ["", "Strr", "List[Str", "List Str", "{a Str}", "{a: Str b: Str}", "Str]", "?"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="type"):
        parse_column_type(text)


@given(types, types)
def test_unify_knows_no_order_of_its_arguments(a: ColumnType, b: ColumnType) -> None:
    def without_order(kind: ColumnType | None) -> object:
        if kind is None:
            return None
        return kind.name, without_order(kind.item), {name: without_order(k) for name, k in kind.fields}

    assert without_order(unify(a, b)) == without_order(unify(b, a))
    assert unify(a, a) == a
    assert unify(a, NULL) == a


def test_unify_widens_inside() -> None:
    a = list_of(row_of(("x", INT)))
    b = list_of(row_of(("x", FLOAT), ("y", STR)))
    assert str(unify(a, b)) == "List[{x: Float, y: Str}]"
    assert unify(STR, INT) is None
    assert unify(STR, list_of(STR)) is None


@given(types.filter(lambda kind: "Other" not in str(kind)))
def test_arrow_has_every_type(kind: ColumnType) -> None:
    assert from_arrow(to_arrow(kind)) == kind
