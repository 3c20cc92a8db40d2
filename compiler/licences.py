"""Licences of models and data: the table in the open, and which of them one result can carry together.

The names are those of Hugging Face cards. A licence that is not in the table says nothing here: the card
knows more than this page, and a wrong warning is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec


class Licence(msgspec.Struct, frozen=True):
    """What the text of a licence says about results made from what it covers.

    `same` are the licences that such a result may carry, when it asks for its own or a like one (share
    alike, copyleft); empty where it leaves the choice open. `keeps` says that its terms or its name travel
    with the result all the same.
    """

    id: str
    derivatives: bool = True
    commercial: bool = True
    same: tuple[str, ...] = ()
    keeps: bool = False

    @property
    def free(self) -> bool:
        """Whether a result may carry any licence, as far as this one is concerned."""
        return self.derivatives and self.commercial and not self.same and not self.keeps


_VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
_PERMISSIVE = (
    *("afl-3.0", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc0-1.0", "isc", "mit"),
    *("ncsa", "odc-by", "pddl", "postgresql", "psf-2.0", "unlicense", "wtfpl", "zlib", "cdla-permissive-1.0"),
    *("cdla-permissive-2.0", "ms-pl", "artistic-2.0"),
)
_WITH_TERMS = (
    *("llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "gemma", "openrail", "openrail++"),
    *("creativeml-openrail-m", "bigscience-openrail-m", "bigscience-bloom-rail-1.0"),
    *("bigcode-openrail-m", "deepfloyd-if-license"),
)
_COPYLEFT = {
    "gpl-3.0": ("gpl-3.0", "agpl-3.0"),
    "lgpl-3.0": ("lgpl-3.0", "gpl-3.0", "agpl-3.0"),
    "agpl-3.0": ("agpl-3.0",),
    "odbl": ("odbl",),
    "cdla-sharing-1.0": ("cdla-sharing-1.0",),
}


def _creative_commons() -> list[Licence]:
    """Results of a share-alike work carry its licence or a later version; 4.0 leads to GPL 3 as well."""
    found = []
    for number, version in enumerate(_VERSIONS):
        later = _VERSIONS[number:]
        gpl = _COPYLEFT["gpl-3.0"]
        found += [
            Licence(f"cc-by-{version}"),
            Licence(f"cc-by-sa-{version}", same=(*_named("cc-by-sa", later), *gpl)),
            Licence(f"cc-by-nc-{version}", commercial=False),
            Licence(f"cc-by-nc-sa-{version}", commercial=False, same=_named("cc-by-nc-sa", later)),
            Licence(f"cc-by-nd-{version}", derivatives=False),
            Licence(f"cc-by-nc-nd-{version}", derivatives=False, commercial=False),
        ]
    return found


def _named(family: str, versions: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{family}-{version}" for version in versions)


TABLE: Mapping[str, Licence] = {
    licence.id: licence
    for licence in (
        *map(Licence, _PERMISSIVE),
        *(Licence(id, keeps=True) for id in _WITH_TERMS),
        *(Licence(id, same=same) for id, same in _COPYLEFT.items()),
        *_creative_commons(),
    )
}


class Clash(msgspec.Struct, frozen=True):
    """Why one result cannot come from these licences; `ids` holds one where that suffices."""

    ids: frozenset[str]
    why: str


def known(id: str) -> Licence | None:
    """The row of a licence as a card or an author writes it; case does not matter."""
    return TABLE.get(id.strip().lower())


def clash(one: str, other: str) -> Clash | None:
    """What keeps a result from carrying both licences, or the one given twice.

    Either may be unknown, and then nothing does.
    """
    a, b = known(one), known(other)
    if a is None or b is None:
        return None
    if a == b:
        why = f"the text of {a.id} does not allow to share what was made from it"
        return None if a.derivatives else Clash(frozenset({a.id}), why)
    ids = frozenset({a.id, b.id})
    if a.same and b.same and not set(a.same) & set(b.same):
        return Clash(ids, f"{a.id} and {b.id} each ask that a result carries them and nothing else")
    for sharing, free_of_charge in ((a, b), (b, a)):
        if sharing.same and sharing.commercial and not free_of_charge.commercial:
            why = f"{sharing.id} asks that a result may be sold, {free_of_charge.id} that it may not"
            return Clash(ids, why)
    return None


def of_result(ids: Mapping[str, str]) -> str | None:
    """The one licence that a result of sources `name -> licence` carries, as far as the cards tell.

    None where one of them is unknown, where several ask for more than a notice, or where all leave the
    choice open and differ.
    """
    rows = [known(id) for id in ids.values()]
    if not rows or any(row is None for row in rows):
        return None
    bound = {row.id for row in rows if row is not None and not row.free}
    every = {row.id for row in rows if row is not None}
    candidates = bound or every
    return candidates.pop() if len(candidates) == 1 else None
