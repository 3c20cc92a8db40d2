"""What merges read of their experts and what that leaves undone, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fusec.cli.amounts import part_text, share_text, size_text
from fusec.cli.columns import columns, shortened
from fusec.compiler.plan import Plan
from fusec.compiler.reads.account import Account, Count
from fusec.compiler.reads.certificate import Certificate
from fusec.compiler.reads.limits import has_budget
from fusec.runtime.manifest import Manifest, NodeRecord

LEAST_NAME, MOST_CLASSES, CLASS_WIDTH = 12, 16, 48


def error_text(certificate: Certificate) -> str:
    """How far a merge with omissions is from a full one, as a share of the full change."""
    share = f"{certificate.of_update:.2%} of the update"
    if certificate.error == 0:
        return "no error"
    if certificate.error is None:
        return f"error about {share}, no bound"
    return f"error {'' if certificate.tight else '<= '}{share}"


# --- before the run -----------------------------------------------------------------------


def planned_text(plan: Plan, width: int) -> str:
    """A line for each merge under a budget that will run; long names are cut so that it fits `width`."""
    graph, lines = plan.graph(), []
    for task in plan.tasks:
        if task.reads is not None:
            reads = task.reads
            said = f"{part_text(reads.physical, reads.full)} of experts ({share_text(1 - reads.saved())})"
            lines.append((task.name, f"{said}, {error_text(reads.certificate)}"))
        elif task.state == "new" and task.unknown is None and has_budget(graph.nodes[task.name]):
            most = graph.nodes[task.name].slot("max_error")
            said = f"at most {size_text(task.cost.expert_reads.likely)} of experts"
            if most is not None:
                said = f"error at most {most:.2%} of the update"
            lines.append((task.name, f"{said}; which blocks, the run decides"))
    room = width - 4 - max((len(said) for _, said in lines), default=0)
    return columns([(shortened(name, max(room, LEAST_NAME)), said) for name, said in lines]) if lines else ""


def details_text(accounts: Mapping[str, Account]) -> Iterator[str]:
    """For each merge: how good the choice is, and what is read of which expert in which tensors."""
    for name, account in accounts.items():
        access, certificate = account.access, account.planned.certificate
        best = access.optimum / certificate.update if certificate.update else 0.0
        about = [
            ("blocks", f"{access.block} elements"),
            ("choice", f"{error_text(certificate)}; no other leaves less than {best:.2%}"),
            ("slack", f"{access.slack:.2g} of the squared update"),
            ("fixed", f"{size_text(access.fixed)} read in any case"),
            ("reads", f"{size_text(access.physical)} in ranges, {size_text(access.logical)} in blocks"),
        ]
        if certificate.cast is not None:
            cast = certificate.cast / certificate.update if certificate.update else 0.0
            about.append(("cast", f"adds at most {share_text(cast)} of the update"))
        yield f"  {name}\n" + columns(about, indent=4)
        yield columns(_by_expert(account), right=(1, 2, 3, 4), indent=4)
        yield columns(_by_class(account), right=range(1, 3 + len(account.experts)), indent=4)


def _by_expert(account: Account) -> Iterator[tuple[str, ...]]:
    yield "expert", "blocks read", "shared", "of", "bytes"
    for expert, count in zip(account.experts, account.by_expert(), strict=True):
        yield expert.name, str(count.read), str(count.shared), str(count.blocks), size_text(count.bytes)


def _by_class(account: Account) -> Iterator[tuple[str, ...]]:
    yield "tensors", "number", "of blocks", *(expert.name for expert in account.experts)
    classes = list(account.by_class())
    for name, number, counts in classes[:MOST_CLASSES]:
        yield shortened(name, CLASS_WIDTH), str(number), str(counts[0].blocks), *_read(counts)
    rest = classes[MOST_CLASSES:]
    if rest:
        read = (str(sum(counts[k].read for *_, counts in rest)) for k in range(len(account.experts)))
        blocks = sum(counts[0].blocks for *_, counts in rest)
        yield f"{len(rest)} more", str(sum(number for _, number, _ in rest)), str(blocks), *read


def _read(counts: Iterable[Count]) -> Iterator[str]:
    for count in counts:
        yield f"{count.read} + {count.shared}" if count.shared else str(count.read)


# --- after the run ------------------------------------------------------------------------


def ran_text(manifest: Manifest) -> str:
    """For each merge the bytes planned and read, and how far its result is from that of a full read."""
    lines = []
    for node in manifest.nodes:
        if node.verb == "merge":
            lines += [(node.name if at == 0 else "", said) for at, said in enumerate(_ran(node))]
    return columns(lines) if lines else ""


def _ran(node: NodeRecord) -> Iterator[str]:
    actual, reads = node.actual, node.reads
    if node.state == "computed":
        words = [f"{size_text(actual.get('expert_bytes', 0))} of experts read"]
        planned = reads.physical if reads is not None else _likely(node)
        full = f" ({share_text(1 - reads.saved())} of all)" if reads is not None else ""
        words.append(f"{size_text(planned)} planned{full}")
        if "analysis_bytes" in actual:
            words.append(f"{size_text(actual['analysis_bytes'])} to analyse")
        if "reused_bytes" in actual:
            words.append(f"{size_text(actual['reused_bytes'])} from earlier merges")
        yield ", ".join(words)
    if reads is not None:
        certificate = reads.certificate
        words = [error_text(certificate)]
        if certificate.of_weights:
            words.append(f"<= {share_text(certificate.of_weights)} of the weights")
        if certificate.cast is not None and certificate.update:
            words.append(f"the cast adds <= {share_text(certificate.cast / certificate.update)}")
        yield ", ".join(words)


def _likely(node: NodeRecord) -> float:
    found = node.estimate.get("expert_reads", 0.0)
    return found[1] if isinstance(found, tuple) else found
