# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: the settings of the engines."""

from __future__ import annotations

from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, PropertyGroup

from .. import choices
from ..core.contract import PreviewSettings, ReangleSettings
from ..core.contract.engines import ENGINES
from .from_contract import settings_of, values_of, with_settings


def _filters_changed(group: ReanglePreview, _context: Context) -> None:
    # Imported late: what is in the scene builds on the state.
    from ..scene import point_cloud

    point_cloud.refresh(group.id_data)


@with_settings(PreviewSettings, update=_filters_changed)
class ReanglePreview(PropertyGroup):
    """Settings of the engine `preview`; the engine `reangle` warps with them, too."""


@with_settings(ReangleSettings, leave_out=("suite",))
class ReangleLearning(PropertyGroup):
    """Settings of the engine `reangle`."""

    suite_name: StringProperty(default=choices.DEFAULTS["suite"])
    suite: choices.enum("suite", "suite_name", "Weights", "The models that learn the motion and generate the video")
    use_own: BoolProperty(name="Advanced", description="Use these values instead of those that suit the weights")


def groups(engine: str) -> tuple[str, ...]:
    """The groups of settings that an engine reads: "preview", "reangle"."""
    return ENGINES[engine].settings if engine in ENGINES else ()


PREVIEW = tuple(settings_of(PreviewSettings))
MAIN = tuple(name for name, setting in settings_of(ReangleSettings).items() if not setting.optional)
"""The settings of `reangle` that are always sent."""

ADVANCED = tuple(name for name, setting in settings_of(ReangleSettings).items() if setting.optional)
"""Those that are sent only with `use_own`."""


def preview_settings(group: ReanglePreview) -> PreviewSettings:
    return PreviewSettings(**values_of(group, PreviewSettings, PREVIEW))


def reangle_settings(group: ReangleLearning) -> ReangleSettings:
    """Advanced settings only where the artist uses their own."""
    names = MAIN + ADVANCED if group.use_own else MAIN
    return ReangleSettings(**values_of(group, ReangleSettings, names))
