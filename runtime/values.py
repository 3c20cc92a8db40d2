"""IR values as kernels and manifests want them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fusec.compiler.identity import plain
from fusec.compiler.ir import Call, Node, Pairs, Ref, map_refs
from fusec.compiler.slots import ListOf, Many, MethodOf, One, Want, WeightedMany
from fusec.compiler.step import Step, method_called
from fusec.runtime.kernel import Artifact, Method

Open = Callable[[Ref], Artifact]


def kernel_values(node: Node, verb: type[Step], artifact: Open) -> tuple[dict[str, Any], dict[str, Any]]:
    """`(inputs, slots)` of a kernel: what refers to artifacts, and everything else.

    A single input is an `Artifact`, a map or list of them `tuple[(key, Artifact), ...]`, a weighted list
    `tuple[(Artifact, weight | None), ...]`. Methods become `kernel.Method`, with artifacts among their
    arguments where they take results.
    """
    inputs: dict[str, Any] = {}
    pairs: tuple[tuple[Any, Any], ...]
    slots: dict[str, Any] = {}
    wants = verb.wants()
    for name, value in node.slots:
        want = wants[name]
        if isinstance(want, One) and value is not None:
            inputs[name] = artifact(value)
        elif isinstance(want, Many):
            pairs = value.items if isinstance(value, Pairs) else tuple(("", ref) for ref in value)
            inputs[name] = tuple((key, artifact(ref)) for key, ref in pairs)
        elif isinstance(want, WeightedMany):
            pairs = value.items if isinstance(value, Pairs) else tuple((ref, None) for ref in value)
            inputs[name] = tuple((artifact(ref), weight) for ref, weight in pairs)
        else:
            slots[name] = _argument(value, want, artifact)
    return inputs, slots


def _method(call: Call, want: MethodOf, artifact: Open) -> Method:
    cls = method_called(call.name, want.family)
    wants = cls.wants()
    args = {name: _argument(value, wants[name], artifact) for name, value in call.args}
    return Method(cls.name, args, cls.kernel)


def _argument(value: Any, want: Want, artifact: Open) -> Any:
    if isinstance(value, Call) and isinstance(want, MethodOf):
        return _method(value, want, artifact)
    if isinstance(value, tuple) and isinstance(want, ListOf):
        return tuple(_argument(item, want.item, artifact) for item in value)
    return map_refs(value, artifact)


def plain_slots(node: Node, ids: Mapping[str, str]) -> dict[str, Any]:
    """Every slot as plain data; references are identities."""
    return {name: plain(value, ids) for name, value in node.slots}
