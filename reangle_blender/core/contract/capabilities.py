# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""What a backend can do: the answer of `GET /v1/capabilities`.

Settings, moves and limits follow from the contract; the backend adds providers and suites with their state.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, get_origin

from .camera_path import MAX_FRAMES, MAX_SIDE
from .engines import ENGINES
from .fields import Range, Setting, check_fields, hints_of, split_hint
from .job import MAX_CAMERAS, MAX_REQUEST_BYTES
from .moves import DEFAULT_EASING, EASINGS, KINDS, Unit
from .settings import Clip, GeometrySettings, PreviewSettings, ReangleSettings
from .starts import StartSettings

SettingType = Literal["bool", "int", "float", "text", "choice"]
Value = bool | int | float | str

_TYPES: dict[Any, SettingType] = {bool: "bool", int: "int", float: "float", str: "text"}


@dataclass(frozen=True)
class SettingInfo:
    """One setting. name: the field's name in the request. default: None where the backend chooses; only there
    `optional` is true, and `suggested` is a value to start from. minimum and maximum are allowed, above and below not.
    choices: for type "choice".
    """

    name: str
    label: str
    help: str
    type: SettingType
    optional: bool
    default: Value | None = None
    suggested: Value | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class SettingsGroup:
    """The settings of one field of the request: "clip", "geometry", "preview", "reangle" or "starting"."""

    name: str
    settings: tuple[SettingInfo, ...]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class EngineInfo:
    """An engine. needs: roles of a suite's parts that it runs. settings: groups it reads.

    licence and commercial_ok are of its code; the weights of a suite have their own.
    """

    name: str
    number: int
    label: str
    help: str
    needs: tuple[str, ...]
    settings: tuple[str, ...]
    licence: str
    commercial_ok: bool

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class PartInfo:
    """Weights: one checkpoint of a suite, or one that a provider can run with.

    role: geometry, video, inpainting or image. size: bytes, 0 if unknown. page: where they are published, with the
    licence's text; "" if they come with Reangle. problem: why they are not installed, or "".
    """

    role: str
    name: str
    label: str
    help: str
    licence: str
    commercial_ok: bool
    installed: bool
    size: int
    problem: str = ""
    page: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def can_be_downloaded(self) -> bool:
        return bool(self.page) and not self.installed


@dataclass(frozen=True)
class ProviderInfo:
    """What gives the source camera or depth, or paints or judges starting images, on this machine; "auto" is one, too.

    number: of its item in menus. licence and commercial_ok are of the weights and the code that it would run. message:
    what it would use, or why it is not available; advice: what to do then. settings: fields of `GeometrySettings` that
    it reads. seconds, seconds_per_frame, seconds_per_megapixel: about what it takes once, for each frame, and for each
    million pixels of a frame, on two cores without a GPU. weights: those that it can run with, the recommended ones
    first; empty while packages are missing, without which no weights would help; of "auto", what would serve better.
    """

    name: str
    number: int
    label: str
    help: str
    licence: str
    commercial_ok: bool
    available: bool
    message: str
    advice: str
    settings: tuple[str, ...]
    seconds: float = 0.0
    seconds_per_frame: float = 0.0
    seconds_per_megapixel: float = 0.0
    weights: tuple[PartInfo, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    def estimate_s(self, frames: int, width: int, height: int) -> float:
        """About how many seconds it takes for a clip of this size, before anything is measured."""
        pixels = width * height / 1e6
        return self.seconds + frames * (self.seconds_per_frame + pixels * self.seconds_per_megapixel)


@dataclass(frozen=True)
class NamedValue:
    """The value that stands for a setting that the request leaves open."""

    name: str
    value: Value

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class SuiteInfo:
    """Weights that belong together. licence: of all parts. commercial_ok: of all parts. size: bytes of all parts.

    parts: an engine runs those of the roles that it `needs`, and a suite without such a part is for other engines. The
    suite "auto" has what it would take now for each engine, or what to install for it. problem: why its video model
    cannot run on the backend's machine, installed or not, or "". recipe: what the suite takes for the settings of
    `ReangleSettings` that are None; empty of "auto", which has that of the suite that it takes.
    """

    name: str
    label: str
    help: str
    licence: str
    commercial_ok: bool
    size: int
    parts: tuple[PartInfo, ...]
    problem: str = ""
    recipe: tuple[NamedValue, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    def part(self, role: str) -> PartInfo | None:
        return next((part for part in self.parts if part.role == role), None)


@dataclass(frozen=True)
class MoveInfo:
    """A camera move; see `moves.MoveKind`."""

    name: str
    number: int
    label: str
    help: str
    unit: Unit
    default: float
    maximum: float

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class EasingInfo:
    """How a move starts and ends. default: the one to offer."""

    name: str
    number: int
    label: str
    default: bool

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Limits:
    """The largest values: frames of a clip or camera, pixels of a side, cameras of a job, bytes of a request."""

    frames: int = MAX_FRAMES
    side: int = MAX_SIDE
    cameras: int = MAX_CAMERAS
    request_bytes: int = MAX_REQUEST_BYTES

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Capabilities:
    """Everything that a client needs to offer choices. contract and version are as in `Health`.

    painters: what can paint starting images (`StartSettings.painter`). judges: what can judge them.
    """

    contract: int
    version: str
    engines: tuple[EngineInfo, ...]
    camera_providers: tuple[ProviderInfo, ...]
    depth_providers: tuple[ProviderInfo, ...]
    suites: tuple[SuiteInfo, ...]
    settings: tuple[SettingsGroup, ...]
    moves: tuple[MoveInfo, ...]
    easings: tuple[EasingInfo, ...]
    limits: Limits
    painters: tuple[ProviderInfo, ...] = ()
    judges: tuple[ProviderInfo, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    def camera_provider(self, name: str) -> ProviderInfo | None:
        return next((info for info in self.camera_providers if info.name == name), None)

    def depth_provider(self, name: str) -> ProviderInfo | None:
        return next((info for info in self.depth_providers if info.name == name), None)

    def suite(self, name: str) -> SuiteInfo | None:
        return next((info for info in self.suites if info.name == name), None)


def describe_settings(cls: type) -> tuple[SettingInfo, ...]:
    """The settings of a contract dataclass, such as `ReangleSettings`."""
    infos: list[SettingInfo] = []
    for field in dataclasses.fields(cls):
        kind, rules, optional = split_hint(hints_of(cls)[field.name])
        setting = next((rule for rule in rules if isinstance(rule, Setting)), None)
        if setting is None:
            continue
        limits = next((rule for rule in rules if isinstance(rule, Range)), Range())
        is_choice = get_origin(kind) is Literal
        infos.append(
            SettingInfo(
                name=field.name,
                label=setting.label,
                help=setting.help,
                type="choice" if is_choice else _TYPES[kind],
                optional=optional,
                default=cast("Value | None", field.default),
                suggested=setting.suggested,
                choices=get_args(kind) if is_choice else (),
                minimum=limits.minimum,
                maximum=limits.maximum,
                above=limits.above,
                below=limits.below,
                unit=setting.unit,
            )
        )
    return tuple(infos)


def settings_groups() -> tuple[SettingsGroup, ...]:
    """All settings, by the request's field that holds them."""
    groups: dict[str, type] = {
        "clip": Clip,
        "geometry": GeometrySettings,
        "preview": PreviewSettings,
        "reangle": ReangleSettings,
        "starting": StartSettings,
    }
    return tuple(SettingsGroup(name, describe_settings(cls)) for name, cls in groups.items())


def engine_infos() -> tuple[EngineInfo, ...]:
    return tuple(
        EngineInfo(name, kind.number, kind.label, kind.help, kind.needs, kind.settings, "Apache-2.0", True)
        for name, kind in ENGINES.items()
    )


def move_infos() -> tuple[MoveInfo, ...]:
    return tuple(
        MoveInfo(name, kind.number, kind.label, kind.help, kind.unit, kind.default, kind.maximum)
        for name, kind in KINDS.items()
    )


def easing_infos() -> tuple[EasingInfo, ...]:
    return tuple(
        EasingInfo(name, easing.number, easing.label, name == DEFAULT_EASING) for name, easing in EASINGS.items()
    )
