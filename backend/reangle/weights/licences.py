# SPDX-License-Identifier: Apache-2.0
"""The licences of all weights that Reangle knows, and their restrictions on commercial work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """restriction: what forbids commercial work, "" if nothing does."""

    name: str
    restriction: str = ""

    @property
    def commercial_ok(self) -> bool:
        return not self.restriction

    @property
    def terms(self) -> str:
        """Name and restriction in one phrase."""
        return f"{self.name}, {self.restriction}" if self.restriction else self.name


NOT_COMMERCIAL = "not for commercial work"

APACHE_2 = Licence("Apache-2.0")
CC_BY_NC = Licence("CC BY-NC 4.0", NOT_COMMERCIAL)
CC_BY_NC_SA = Licence("CC BY-NC-SA 4.0", NOT_COMMERCIAL)
COGVIDEOX = Licence("CogVideoX License", "commercial work only after registering with its makers")
FLUX_DEV = Licence("FLUX.1 [dev] Non-Commercial License", NOT_COMMERCIAL)
OWN_FILES = Licence("your own")
