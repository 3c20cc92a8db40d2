"""Those who wait for what another thread finds out about a tensor do a part of its work."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusec.runtime.kernels.merge.shelf import Shelf


def test_threads_that_wait_take_part_and_results_come_in_order():
    """Each task ends only when as many are at work as there are threads, so nobody can do all of them."""
    threads = 3
    shelf, together = Shelf(["w"] * threads), threading.Barrier(threads, timeout=10)

    def task(n):
        def work(who):
            together.wait()
            return n, who

        return work

    def use(who):
        tasks = [task(n) for n in range(2 * threads)]
        return shelf.get("w", "start", lambda: shelf.share("w", tasks, who), helper=who)

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(use, range(threads)))
    assert results[0] == results[1] == results[2]
    assert [n for n, _ in results[0]] == list(range(2 * threads))
    assert {who for _, who in results[0]} == set(range(threads))


def test_a_task_that_fails_fails_for_all_who_wait():
    shelf = Shelf(["w", "w"])

    def fail(who):
        raise ValueError("no")

    def use(who):
        with pytest.raises(ValueError, match="no"):
            shelf.get("w", "start", lambda: shelf.share("w", [fail, fail], who), helper=who)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(use, range(2)))


def test_values_are_made_once_for_each_tensor_and_let_go():
    shelf, made = Shelf(["w"]), []
    for _ in range(2):
        shelf.get("w", "key", lambda: made.append(1))
    assert made == [1]
    shelf.done("w")
    shelf.get("w", "key", lambda: made.append(2))
    assert made == [1, 2]
