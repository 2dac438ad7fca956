"""`ringlog.Queue`: items that are acknowledged, and tasks that wait for items."""

from __future__ import annotations

import asyncio
import multiprocessing
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import WITHIN, Place
from test_queue import claim_and_stay, killed_after

import ringlog


@pytest.fixture(autouse=True)
def own_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Queues of the test lie in its own directory."""
    monkeypatch.setenv("RINGLOG_DIR", str(Path(place.ring).parent))
    yield


def test_an_item_that_is_not_acknowledged_comes_again() -> None:
    items = ringlog.Queue()
    items.put("a")
    item = items.get(ack=False)
    assert item.value == "a"
    with pytest.raises(queue.Empty):
        items.get_nowait()
    item.release()
    with pytest.raises(ValueError, match="acknowledged or let go"):
        item.ack()
    with pytest.raises(RuntimeError), items.get(timeout=WITHIN, ack=False):
        raise RuntimeError
    with items.get(timeout=WITHIN, ack=False) as value:
        assert value == "a"
        assert items.unacked() == 1
    assert items.unacked() == 0
    assert items.empty()


def test_what_a_killed_getter_had_claimed_goes_to_another() -> None:
    items = ringlog.Queue()
    items.put("a")
    items.put("b")
    killed_after(multiprocessing.get_context("fork"), claim_and_stay, items)
    taken = {items.get(timeout=WITHIN), items.get(timeout=WITHIN)}
    assert taken == {"a", "b"}
    assert items.empty()


def test_a_task_gets() -> None:
    items = ringlog.Queue()

    async def run() -> None:
        with pytest.raises(queue.Empty):
            await items.aget(timeout=0.01)
        waiting = asyncio.create_task(items.aget())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        items.put("a")
        assert await asyncio.wait_for(waiting, WITHIN) == "a"
        items.put("b")
        (await items.aget(ack=False)).ack()

    asyncio.run(run())
    assert items.empty()


def test_a_cancelled_task_loses_nothing() -> None:
    items = ringlog.Queue()

    async def run() -> list[Any]:
        got = []
        for number in range(50):
            waiting = asyncio.create_task(items.aget())
            await asyncio.sleep(0.001)
            items.put(number)
            if number % 3:
                await asyncio.sleep(0)
            waiting.cancel()
            try:
                got.append(await waiting)
            except asyncio.CancelledError:
                pass
        while not items.empty():
            got.append(items.get_nowait())
        return got

    assert asyncio.run(run()) == list(range(50))
