# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: the settings of the engines and of starting images."""

from __future__ import annotations

from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, PropertyGroup

from .. import choices
from ..core.contract import PreviewSettings, ReangleSettings, StartSettings
from ..core.contract.engines import ENGINES
from .from_contract import settings_of, values_of, with_settings

STARTING = settings_of(StartSettings)
NAMED = ("painter", "judge")
"""Settings of StartSettings whose choices the backend reports."""


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


@with_settings(StartSettings, leave_out=NAMED)
class ReangleStarting(PropertyGroup):
    """How starting images are made; for engines that begin with one."""

    approve: BoolProperty(
        name="Approve Starting Images First",
        description="Show the starting image of every camera, and go on with the render when you have accepted all",
    )
    painter_name: StringProperty(default=choices.DEFAULTS["painter"])
    painter: choices.enum("painter", "painter_name", STARTING["painter"].label, STARTING["painter"].help)
    judge_name: StringProperty(default=choices.DEFAULTS["judge"])
    judge: choices.enum("judge", "judge_name", STARTING["judge"].label, STARTING["judge"].help)
    use_own: BoolProperty(name="Advanced", description="Use these values instead of those that suit the weights")


def groups(engine: str) -> tuple[str, ...]:
    """The groups of settings that an engine reads: "preview", "reangle", "starting"."""
    return ENGINES[engine].settings if engine in ENGINES else ()


PREVIEW = tuple(settings_of(PreviewSettings))
MAIN = tuple(name for name, setting in settings_of(ReangleSettings).items() if not setting.optional)
"""The settings of `reangle` that are always sent."""

ADVANCED = tuple(name for name, setting in settings_of(ReangleSettings).items() if setting.optional)
"""Those that are sent only with `use_own`."""


STARTING_MAIN = tuple(name for name, setting in STARTING.items() if not (setting.optional or name in NAMED))
STARTING_ADVANCED = tuple(name for name, setting in STARTING.items() if setting.optional)


def preview_settings(group: ReanglePreview) -> PreviewSettings:
    return PreviewSettings(**values_of(group, PreviewSettings, PREVIEW))


def reangle_settings(group: ReangleLearning) -> ReangleSettings:
    """Advanced settings only where the artist uses their own."""
    names = MAIN + ADVANCED if group.use_own else MAIN
    return ReangleSettings(**values_of(group, ReangleSettings, names))


def start_settings(group: ReangleStarting) -> StartSettings:
    """Advanced settings only where the artist uses their own."""
    names = STARTING_MAIN + STARTING_ADVANCED if group.use_own else STARTING_MAIN
    values = values_of(group, StartSettings, names)
    return StartSettings(painter=group.painter, judge=group.judge, **values)
