"""What workers share while they have one tensor in hand: made once, by whoever needs it first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")


class Shelf:
    """Values by tensor and key, let go when the last unit of the tensor is done.

    `units` has the name of the tensor of every unit of work. On it lie the factors of adapters, rank *
    (rows + columns) floats each, and what operators find out about a tensor before they merge it.
    """

    def __init__(self, units: Iterable[str]) -> None:
        self._left = Counter(units)
        self._held: dict[str, dict[Hashable, Future[Any]]] = {}
        self._lock = Lock()

    def get(self, tensor: str, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key for a tensor; the first who asks makes it, the others wait."""
        with self._lock:
            held = self._held.setdefault(tensor, {})
            mine = key not in held
            future: Future[T] = held.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def done(self, tensor: str) -> None:
        """One unit of a tensor is finished."""
        with self._lock:
            self._left[tensor] -= 1
            if not self._left[tensor]:
                self._held.pop(tensor, None)
