"""What workers share while they have one tensor in hand: made once, by whoever needs it first."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from threading import Condition
from typing import Any, TypeVar

T = TypeVar("T")
W = TypeVar("W")


class Shelf:
    """Values by tensor and key, let go when the last unit of the tensor is done.

    `units` has the name of the tensor of every unit of work. On it lie the factors of adapters, rank *
    (rows + columns) floats each, and what operators find out about a tensor before they merge it.
    """

    def __init__(self, units: Iterable[str]) -> None:
        self._left = Counter(units)
        self._held: dict[str, dict[Hashable, Future[Any]]] = {}
        self._shared: dict[str, deque[tuple[Future[Any], Callable[[Any], Any]]]] = {}
        self._changed = Condition()

    def get(self, tensor: str, key: Hashable, make: Callable[[], T], helper: Any = None) -> T:
        """The value of a key for a tensor; the first who asks makes it, the others wait.

        Those who wait and are a `helper` take part in what the first one shares meanwhile.
        """
        with self._changed:
            held = self._held.setdefault(tensor, {})
            mine = key not in held
            future: Future[T] = held.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
            with self._changed:
                self._changed.notify_all()
        elif helper is not None:
            self._help(tensor, future, helper)
        return future.result()

    def share(self, tensor: str, tasks: Sequence[Callable[[W], T]], me: W) -> list[T]:
        """The results of all tasks, done by `me` and by all who wait for a value of this tensor."""
        futures: list[Future[T]] = [Future() for _ in tasks]
        queue = deque(zip(futures, tasks, strict=True))
        with self._changed:
            self._shared[tensor] = queue
            self._changed.notify_all()
        while _do_one(queue, me):
            pass
        return [future.result() for future in futures]

    def done(self, tensor: str) -> None:
        """One unit of a tensor is finished."""
        with self._changed:
            self._left[tensor] -= 1
            if not self._left[tensor]:
                self._held.pop(tensor, None)
                self._shared.pop(tensor, None)

    def _help(self, tensor: str, awaited: Future[Any], helper: Any) -> None:
        while not awaited.done():
            with self._changed:
                self._changed.wait_for(lambda: awaited.done() or self._shared.get(tensor))
                queue = self._shared.get(tensor)
            if queue:
                _do_one(queue, helper)


def _do_one(queue: deque[tuple[Future[T], Callable[[W], T]]], who: W) -> bool:
    """Whether there was a task left to do."""
    try:
        future, task = queue.popleft()
    except IndexError:
        return False
    try:
        future.set_result(task(who))
    except BaseException as error:
        future.set_exception(error)
    return True
