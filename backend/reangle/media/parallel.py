# SPDX-License-Identifier: Apache-2.0
"""Work on frames on all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numba

T = TypeVar("T")
R = TypeVar("R")


def thread_count() -> int:
    """Threads for work on whole frames: numba's setting (NUMBA_NUM_THREADS), by default the cores of this process."""
    return numba.get_num_threads()


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`map` on all cores, with only a few items in memory."""
    threads = thread_count()
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
