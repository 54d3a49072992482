# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue from worker threads to Blender's main thread.

Worker threads never touch bpy. They `post` a callback, which the next `pump` runs on the main thread. One timer pumps
in a window; scripts pump for themselves, because timers do not tick in background mode.
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import TypeVar

import bpy

from ..core.errors import UserError

PUMP_BUDGET_S = 0.004
TICK_S = 0.2
IDLE_TICK_S = 0.5

Callback = Callable[[], "Iterator[None] | None"]
"""Runs on the main thread. Long work returns an iterator, which is advanced step by step over several ticks."""

T = TypeVar("T")

_queue: queue.SimpleQueue[Callback] = queue.SimpleQueue()
_unfinished: list[Iterator[None]] = []
_threads: set[threading.Thread] = set()
_former: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""Threads from before the add-on was disabled, whose callbacks are dropped."""


class Failure:
    """An error as the artist reads it: message and advice of one sentence each, and the traceback."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        if isinstance(error, UserError):
            self.message, self.advice = error.message, error.advice
        else:
            self.message = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            self.advice = "This is a fault in Reangle; see the details."
        self.traceback = "".join(traceback.format_exception(error))


def post(callback: Callback) -> None:
    """Run the callback on the main thread soon. Callable from any thread."""
    if threading.current_thread() not in _former:
        _queue.put(callback)


def in_thread(
    work: Callable[[], T], *, done: Callable[[T], Iterator[None] | None], failed: Callable[[Failure], None]
) -> None:
    """Run `work` in a thread, then on the main thread `done` with its result, or `failed` if either raised."""

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


def in_steps(steps: Callback, *, failed: Callable[[Failure], None]) -> None:
    """Run long work on the main thread step by step, then `failed` if it raised."""
    post(lambda: _guarded(steps, failed))


def _guarded(callback: Callback, failed: Callable[[Failure], None]) -> Iterator[None]:
    try:
        steps = callback()
        if steps is not None:
            yield from steps
    except Exception as error:
        failed(Failure(error))


def is_busy() -> bool:
    """Whether a thread runs or a callback is unfinished."""
    return bool(_threads or _unfinished) or not _queue.empty()


def pump(budget_s: float = PUMP_BUDGET_S) -> int:
    """Run posted callbacks for `budget_s` seconds, and at least one step. Returns the number of steps.

    A callback that raises is reported on the console and dropped.
    """
    deadline = time.perf_counter() + budget_s
    steps = 0
    while True:
        try:
            if _unfinished:
                next(_unfinished[0])
            else:
                more = _queue.get_nowait()()
                if more is not None:
                    _unfinished.append(more)
        except queue.Empty:
            break
        except StopIteration:
            _unfinished.pop(0)
        except Exception:
            traceback.print_exc()
            if _unfinished:
                _unfinished.pop(0)
        steps += 1
        if time.perf_counter() >= deadline:
            break
    if steps:
        redraw()
    return steps


def pump_until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """Pump until the condition holds; for scripts. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {timeout_s:g} s")
        if not pump():
            time.sleep(0.02)


def redraw() -> None:
    """Redraw the areas that show Reangle's panels and results."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "SEQUENCE_EDITOR"}:
                area.tag_redraw()


def _tick() -> float:
    pump()
    return TICK_S if is_busy() else IDLE_TICK_S


def register() -> None:
    bpy.app.timers.register(_tick, first_interval=TICK_S, persistent=True)
    # A timer that is still registered when Blender exits crashes 4.2 and hangs 4.5.
    atexit.register(_stop_timer)


def unregister() -> None:
    _stop_timer()
    atexit.unregister(_stop_timer)
    _former.update(_threads)
    _threads.clear()
    while not _queue.empty():
        _queue.get_nowait()
    _unfinished.clear()


def _stop_timer() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
