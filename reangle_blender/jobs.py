# SPDX-License-Identifier: GPL-3.0-or-later
"""pump(): the one place where news from threads meets bpy.

Threads never touch bpy. They `post` a function, which runs on the main thread in the next pump: called by one timer in
a window, and by scripts themselves in background mode, where timers do not tick.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

import bpy

from .core.errors import UserError

PUMP_BUDGET_S = 0.004
TICK_S = 0.2
IDLE_TICK_S = 0.5

News = Callable[[], "Iterator[None] | None"]
"""Runs on the main thread; long work is an iterator, which is taken on step by step over several ticks."""

T = TypeVar("T")

_news: queue.SimpleQueue[News] = queue.SimpleQueue()
_under_way: list[Iterator[None]] = []
_threads: set[threading.Thread] = set()


class Failure:
    """What went wrong, for the artist: message and advice in one sentence each, traceback for the curious."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        if isinstance(error, UserError):
            self.message, self.advice = error.message, error.advice
        else:
            self.message = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            self.advice = "This is a fault in Reangle; the details show where."
        self.traceback = "".join(traceback.format_exception(error))


def post(news: News) -> None:
    """From any thread: run this on the main thread soon."""
    _news.put(news)


def in_thread(
    work: Callable[[], T], *, done: Callable[[T], Iterator[None] | None], failed: Callable[[Failure], None]
) -> None:
    """Run `work` in a thread, then `done` with what it returned on the main thread, or `failed` if either raised."""

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            failure = Failure(error)
            post(lambda: failed(failure))
        else:
            post(lambda: _guarded(lambda: done(result), failed))
        finally:
            _threads.discard(threading.current_thread())

    # A daemon: Blender must be able to quit while a transfer waits for the network.
    thread = threading.Thread(target=run, name="reangle", daemon=True)
    _threads.add(thread)
    thread.start()


def _guarded(step: News, failed: Callable[[Failure], None]) -> Iterator[None]:
    try:
        steps = step()
        if steps is not None:
            yield from steps
    except Exception as error:
        failed(Failure(error))


def is_busy() -> bool:
    """Whether a thread or a delivery is under way."""
    return bool(_threads or _under_way) or not _news.empty()


def pump(budget_s: float = PUMP_BUDGET_S) -> int:
    """Deliver what the threads have posted, for `budget_s` seconds and at least one step; the rest waits for the next
    call. Returns the number of steps taken. A delivery that raises is reported on the console and dropped."""
    deadline = time.perf_counter() + budget_s
    steps = 0
    while True:
        try:
            if _under_way:
                next(_under_way[0])
            else:
                more = _news.get_nowait()()
                if more is not None:
                    _under_way.append(more)
        except queue.Empty:
            break
        except StopIteration:
            _under_way.pop(0)
        except Exception:
            traceback.print_exc()
            if _under_way:
                _under_way.pop(0)
        steps += 1
        if time.perf_counter() >= deadline:
            break
    if steps:
        redraw()
    return steps


def pump_until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """For scripts: pump until the condition holds. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it within {timeout_s:g} s")
        if not pump():
            time.sleep(0.02)


def redraw() -> None:
    """Let the sidebars show the news."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "SEQUENCE_EDITOR"}:
                area.tag_redraw()


def _tick() -> float:
    pump()
    return TICK_S if is_busy() else IDLE_TICK_S


def register() -> None:
    bpy.app.timers.register(_tick, first_interval=TICK_S, persistent=True)
    # A timer that is still there when Blender exits crashes 4.2 and hangs 4.5.
    atexit.register(_stop_timer)


def unregister() -> None:
    _stop_timer()
    atexit.unregister(_stop_timer)
    while not _news.empty():
        _news.get_nowait()
    _under_way.clear()


def _stop_timer() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
