"""Give every step to compute its price and its place: processors, devices and nodes of the target.

Fires for all that is to be computed. On a cluster steps are packed to nodes by what they ask for, and those
that do not wait for each other run at once; on one machine they run one after another. Declines nothing: what
fits nowhere has no place, and the plan says so before anything runs.
"""

from __future__ import annotations

from fusec.compiler.passes.outline import Known, Outline


def place(outline: Outline, known: Known) -> Outline:
    """The outline with its tasks; as it is where nobody knows a machine."""
    return known.placer(outline)
