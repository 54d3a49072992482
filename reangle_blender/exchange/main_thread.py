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
from functools import partial
from typing import TypeVar

import bpy

from ..core.errors import UserError

PUMP_BUDGET_S = 0.004
TICK_S = 0.2
IDLE_TICK_S = 0.5
CATEGORY = "Reangle"
"""The sidebar's tab."""

Callback = Callable[[], "Iterator[None] | bool | None"]
"""Runs on the main thread. Long work returns an iterator, which is advanced step by step over several ticks. False says
that nothing that panels show has changed."""

T = TypeVar("T")

_queue: queue.SimpleQueue[Callback] = queue.SimpleQueue()
_unfinished: list[Iterator[None]] = []
_threads: set[threading.Thread] = set()
_former: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""Threads from before the add-on was disabled, whose callbacks are dropped."""

on_tick: list[Callable[[], None]] = []
"""Called on the main thread in every tick of a window, also of an idle one: for what no handler tells."""

longest: dict[str, tuple[float, float]] = {}
"""The longest time that each kind of step has held the main thread: seconds, and of these on the processor. The kind is
the function that ran, and for a step of an iterator the line that it began at."""


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
    work: Callable[[], T], *, done: Callable[[T], Iterator[None] | bool | None], failed: Callable[[Failure], None]
) -> None:
    """Run `work` in a thread, then on the main thread `done` with its result, or `failed` if either raised."""

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            post(partial(failed, Failure(error)))
        else:
            post(partial(_guarded, partial(done, result), failed))
        finally:
            _threads.discard(threading.current_thread())

    # A daemon: Blender must be able to quit while a transfer waits for the network.
    thread = threading.Thread(target=run, name="reangle", daemon=True)
    _threads.add(thread)
    thread.start()


def in_steps(steps: Callback, *, failed: Callable[[Failure], None]) -> None:
    """Run long work on the main thread step by step, then `failed` if it raised."""
    post(partial(_guarded, steps, failed))


def _guarded(callback: Callback, failed: Callable[[Failure], None]) -> Iterator[None] | bool | None:
    try:
        more = callback()
    except Exception as error:
        failed(Failure(error))
        return None
    return more if more is None or isinstance(more, bool) else _guarded_steps(more, failed)


def _guarded_steps(steps: Iterator[None], failed: Callable[[Failure], None]) -> Iterator[None]:
    try:
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
    steps, changed = 0, False
    while _unfinished or not _queue.empty():
        steps += 1
        changed |= _step()
        if time.perf_counter() >= deadline:
            break
    if changed:
        redraw_panels()
    return steps


def _step() -> bool:
    """Run one step. Returns whether panels may show something else now."""
    callback = None if _unfinished else _queue.get_nowait()
    kind = _kind_of(callback) if callback is not None else _kind_of_step(_unfinished[0])
    began, busy = time.perf_counter(), time.thread_time()
    more: Iterator[None] | bool | None = None
    try:
        if callback is None:
            next(_unfinished[0])
        else:
            more = callback()
            if more is not None and not isinstance(more, bool):
                _unfinished.append(more)
    except StopIteration:
        _unfinished.pop(0)
    except Exception:
        traceback.print_exc()
        if callback is None:
            _unfinished.pop(0)
    seconds = time.perf_counter() - began, time.thread_time() - busy
    if seconds > longest.get(kind, (0.0, 0.0)):
        longest[kind] = seconds
    return more is not False


def _kind_of(callback: Callable[..., object]) -> str:
    """The name of the function that a callback runs."""
    while isinstance(callback, partial):
        callback = callback.args[0] if callback.func is _guarded else callback.func
    code = getattr(callback, "__code__", None)
    line = f":{code.co_firstlineno}" if code is not None and code.co_name == "<lambda>" else ""
    module = callback.__module__ or ""  # a built-in method has none
    return f"{module.rpartition('.')[2]}.{getattr(callback, '__qualname__', callback)}{line}"


def _kind_of_step(steps: Iterator[None]) -> str:
    """The name and the line of the innermost iterator that goes on."""
    while (inner := getattr(steps, "gi_yieldfrom", None)) is not None:
        steps = inner
    frame = getattr(steps, "gi_frame", None)
    return f"{getattr(steps, '__qualname__', steps)}:{frame.f_lineno if frame is not None else 0}"


def pump_until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """Pump until the condition holds; for scripts. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {timeout_s:g} s")
        if not pump():
            time.sleep(0.02)


def redraw_panels() -> None:
    """Draw the sidebars that show Reangle's panels, and nothing else of their areas; and open preferences."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "PREFERENCES":
                area.tag_redraw()
    for area in _viewports():
        for region in area.regions:
            is_open = region.type == "UI" and region.width > 1
            if is_open and getattr(region, "active_panel_category", CATEGORY) == CATEGORY:
                region.tag_redraw()


def redraw_views() -> None:
    """Draw the 3D viewports."""
    for area in _viewports():
        for region in area.regions:
            if region.type == "WINDOW":
                region.tag_redraw()


def _viewports() -> Iterator[bpy.types.Area]:
    for window in bpy.context.window_manager.windows:
        yield from (area for area in window.screen.areas if area.type == "VIEW_3D")


def _tick() -> float:
    pump()
    for function in list(on_tick):
        function()
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
