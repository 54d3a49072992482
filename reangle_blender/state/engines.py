# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render panel: the settings of the engines and of starting images."""

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
    """Settings of the engine `preview`; the other engines warp with them, too."""


def _begin_with_recipe(group: ReangleLearning, _context: Context) -> None:
    """The values that the artist has never set begin with those that were used before."""
    if group.use_own:
        for name, value in choices.recipe(group.suite, group.id_data.reangle.engine_name).items():
            if not group.is_property_set(name):
                setattr(group, name, value)


@with_settings(ReangleSettings, leave_out=("suite",))
class ReangleLearning(PropertyGroup):
    """Settings of the engines that run a video model, `reangle` and `inpaint`."""

    suite_name: StringProperty(default=choices.DEFAULTS["suite"])
    suite: choices.enum(
        "suite",
        "suite_name",
        "Weights",
        "The models that make the video; each engine has its own",
        engine_of=lambda group: group.id_data.reangle.engine_name,
    )
    use_learning: BoolProperty(
        name="Learn the Clip First",
        description="Also train the video model on this clip before it generates. It can fill the holes of any clip "
        "without, so few clips need this",
    )
    use_own: BoolProperty(
        name="Advanced",
        description="Use these values instead of those that suit the weights",
        update=_begin_with_recipe,
    )


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

LEARNING = ("shared_steps", "path_steps", "rank", "alpha", "rate")
GENERATING = tuple(
    name for name, setting in settings_of(ReangleSettings).items() if setting.optional and name not in LEARNING
)
"""Those that are sent only with `use_own`: of learning the clip, and of generating."""

STARTING_MAIN = tuple(name for name, setting in STARTING.items() if not (setting.optional or name in NAMED))
STARTING_ADVANCED = tuple(name for name, setting in STARTING.items() if setting.optional)


def always_learns(engine: str) -> bool:
    """Whether an engine learns the clip unless it is told not to; else it learns only what the artist asks for."""
    return engine in ENGINES and "video" in ENGINES[engine].needs


def preview_settings(group: ReanglePreview) -> PreviewSettings:
    return PreviewSettings(**values_of(group, PreviewSettings, PREVIEW))


def reangle_settings(group: ReangleLearning, engine: str) -> ReangleSettings:
    """Advanced settings only where the artist uses their own; those of learning only where the engine learns."""
    names = MAIN
    if group.use_own:
        names += GENERATING + (LEARNING if always_learns(engine) or group.use_learning else ())
    return ReangleSettings(**values_of(group, ReangleSettings, names))


def start_settings(group: ReangleStarting) -> StartSettings:
    """Advanced settings only where the artist uses their own."""
    names = STARTING_MAIN + STARTING_ADVANCED if group.use_own else STARTING_MAIN
    values = values_of(group, StartSettings, names)
    return StartSettings(painter=group.painter, judge=group.judge, **values)
