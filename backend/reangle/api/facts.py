# SPDX-License-Identifier: Apache-2.0
"""What the backend's machine has: its device, and the room that the data folder takes. Measured in threads, and kept
for a while, so that the health route answers at once."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time

import psutil

from reangle.contract import Cleaned, CleanRequest, Device, Storage
from reangle.runtime.cleaning import Cleaner
from reangle.runtime.graphics_card import nvidia_cards, torch_uses_cards

FRESH_S = 20.0
"""How long what was measured is given out."""
_FREE_QUERY = ("nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits")
_DAYS = CleanRequest(("logs",)).days

logger = logging.getLogger(__name__)


class Facts:
    """Used from any thread."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._measuring, self._cleaning = threading.Lock(), threading.Lock()
        self._latest: tuple[Device | None, Storage | None] = (None, None)
        self._measured = float("-inf")

    def latest(self) -> tuple[Device | None, Storage | None]:
        """What was measured last, at once; what is old is measured anew in a thread, for the next call."""
        if time.monotonic() - self._measured > FRESH_S and not self._measuring.locked():
            threading.Thread(target=self._measure_quietly, name="facts", daemon=True).start()
        return self._latest

    def measure(self, *, now: bool = False) -> Storage:
        """The storage, measured within FRESH_S seconds. now: not earlier than this call."""
        with self._measuring:
            storage = self._latest[1]
            if now or storage is None or time.monotonic() - self._measured > FRESH_S:
                storage = self._cleaner.storage(_DAYS)
                self._latest = device(), storage
                self._measured = time.monotonic()
            return storage

    def clean(self, request: CleanRequest) -> Cleaned:
        with self._cleaning:
            removed = self._cleaner.clean(request.what, request.days)
        logger.info("Cleaned up: %s", ", ".join(f"{part.name} {part.size} bytes" for part in removed))
        return Cleaned(removed, self.measure(now=True))

    def _measure_quietly(self) -> None:
        try:
            self.measure()
        except Exception:
            self._measured = time.monotonic()  # not again at once
            logger.exception("The data folder cannot be measured")


def device() -> Device:
    """What models run on here, by the rule of `weights.devices`, without importing torch."""
    cards = nvidia_cards()
    if cards and torch_uses_cards():
        return Device(cards[0].name, True, _free_card_memory(), int(cards[0].memory))
    memory = psutil.virtual_memory()
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return Device(f"Processor with {cores} cores", False, memory.available, memory.total)


def _free_card_memory() -> int:
    try:
        listed = subprocess.run(_FREE_QUERY, capture_output=True, text=True, timeout=20, check=True).stdout
        return int(float(listed.splitlines()[0]) * 2**20)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0
