# SPDX-License-Identifier: Apache-2.0
"""Training samples that other processes make while the network trains.

A `Store` keeps the newest samples on the training device, so that a step never waits for them; a sample may be used
again. `Makers` fill it from processes: each has a ring of samples in shared memory and waits while the ring is full.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

Field = tuple[tuple[int, ...], str]
"""Shape and NumPy type of one array of a sample."""
Make = Callable[[int], Iterator[Mapping[str, np.ndarray]]]
"""From a seed, an endless stream of samples: arrays by name, with a leading axis that counts samples."""

RING = 32
WAIT_S = 0.002


class Store:
    """The newest samples, on the training device, in place of the oldest once there are `capacity`."""

    def __init__(self, fields: Mapping[str, Field], capacity: int, device: torch.device | str) -> None:
        self.fields, self.capacity, self.made = dict(fields), capacity, 0
        self.arrays = {
            name: torch.zeros((capacity, *shape), dtype=getattr(torch, kind), device=device)
            for name, (shape, kind) in fields.items()
        }

    @property
    def filled(self) -> int:
        return min(self.made, self.capacity)

    def add(self, samples: Mapping[str, torch.Tensor]) -> None:
        """Arrays by name, with a leading axis that counts samples."""
        count = len(next(iter(samples.values())))
        places = (torch.arange(count) + self.made) % self.capacity
        for name, values in samples.items():
            stored = self.arrays[name]
            stored[places.to(stored.device)] = values.to(stored.device, stored.dtype)
        self.made += count


class Feed(Protocol):
    """Whatever fills a store while the network trains."""

    @property
    def store(self) -> Store: ...

    def refresh(self) -> None:
        """Called once a step. Raises RuntimeError if there will be no more samples."""
        ...

    def stop(self) -> None: ...


def wait_for(feed: Feed, count: int) -> None:
    """Wait until the feed's store holds `count` samples. Raises RuntimeError if there will be no more."""
    while feed.store.filled < min(count, feed.store.capacity):
        feed.refresh()
        time.sleep(WAIT_S)


class Makers:
    """A feed from processes, each of which runs `make` with its own seed on one CPU thread.

    make: a function of a module, a partial of one or an object of a module's class, because new processes import it.
    at_once: how many samples a step moves into the store, about.
    """

    def __init__(self, make: Make, store: Store, processes: int, seed: int, at_once: int = 32) -> None:
        self.store, self._at_once = store, at_once
        size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in store.fields.values())
        folder = _shared_memory(size * RING * processes)
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._rings = [_Ring(folder / str(index), store.fields) for index in range(processes)]
        context = multiprocessing.get_context("spawn")
        with one_thread_each():
            self._processes = [
                context.Process(target=_fill, args=(make, ring.path, store.fields, seed + 7919 * index), daemon=True)
                for index, ring in enumerate(self._rings)
            ]
            for process in self._processes:
                process.start()

    def refresh(self) -> None:
        left = self._at_once
        for ring in sorted(self._rings, key=lambda ring: -ring.waiting):
            count = min(ring.waiting, left)
            while count > 0:
                start = ring.taken % RING
                some = min(count, RING - start)
                part = {name: torch.from_numpy(values[start : start + some]) for name, values in ring.arrays.items()}
                self.store.add(part)
                ring.counters[1] += some
                count, left = count - some, left - some
        if left == self._at_once and not any(process.is_alive() for process in self._processes):
            raise RuntimeError("All processes that make training samples have stopped; their errors are above.")

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()


class _Ring:
    """Samples of one process in a file that is mapped into memory. counters: samples made, samples taken."""

    def __init__(self, path: Path, fields: Mapping[str, Field]) -> None:
        self.path = path
        mode = "r+" if (path / "counters").exists() else "w+"
        path.mkdir(exist_ok=True)
        self.arrays = {
            name: np.memmap(path / name, np.dtype(kind), mode, shape=(RING, *shape))
            for name, (shape, kind) in fields.items()
        }
        self.counters = np.memmap(path / "counters", np.int64, mode, shape=(2,))

    @property
    def taken(self) -> int:
        return int(self.counters[1])

    @property
    def waiting(self) -> int:
        return int(self.counters[0] - self.counters[1])


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile compute on one thread each."""
    before = dict(os.environ)
    os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "NUMBA", "MKL", "OPENBLAS")})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _fill(make: Make, path: Path, fields: Mapping[str, Field], seed: int) -> None:
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        # On a busy machine the training goes first.
        os.nice(10)
    ring, parent = _Ring(path, fields), os.getppid()
    for samples in make(seed):
        count = len(next(iter(samples.values())))
        for index in range(count):
            while ring.waiting >= RING:
                time.sleep(WAIT_S)
                if os.getppid() != parent:
                    return
            place = int(ring.counters[0]) % RING
            for name, stored in ring.arrays.items():
                stored[place] = samples[name][index]
            ring.counters[0] += 1


def _shared_memory(size: int) -> Path:
    """A new folder in memory where the system has room there, else on disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * size
    return Path(tempfile.mkdtemp(prefix="reangle-samples-", dir=memory if roomy else None))
