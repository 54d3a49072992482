# SPDX-License-Identifier: Apache-2.0
"""What can paint starting images, each declared once. Imports no torch: the server and the command line list them.

A new painter is an `ImageModel` with rows in `image_models/registry.py` and `weights/checkpoints.py`, and one here.
"""

from __future__ import annotations

from pathlib import Path

from reangle.contract.capabilities import ProviderInfo
from reangle.errors import UserError
from reangle.geometry.availability import weights_of
from reangle.geometry.listing import provider_infos
from reangle.geometry.provider import ProviderSpec
from reangle.image_models.registry import IMAGE_MODELS
from reangle.weights import checkpoints
from reangle.weights.checkpoints import CHECKPOINTS, Checkpoint
from reangle.weights.identity import CHECKPOINT_SEPARATOR
from reangle.weights.registry import checkpoint_at, find_checkpoint, find_installed, is_installed, kind_of
from reangle.weights.suites import MINI, suite_named

AUTO, FILL = "auto", "fill"
_PACKAGES = ("torch", "diffusers", "transformers")

PAINTERS = (
    ProviderSpec(
        name=FILL,
        number=1,
        label="Fill",
        help="The preview's own fill, without an image model",
        run="",
    ),
    ProviderSpec(
        name="mini",
        number=2,
        label="Mini",
        help="Small weights that come with the backend: about the right colours",
        run="",
        packages=_PACKAGES,
        checkpoints=(checkpoints.MINI_IMAGE,),
    ),
    ProviderSpec(
        name="flux-fill",
        number=3,
        label="FLUX.1 Fill",
        help="Paints holes sharply, by large weights that you install, not for commercial work",
        run="",
        packages=_PACKAGES,
        checkpoints=(checkpoints.FLUX_FILL_DEV,),
    ),
    ProviderSpec(
        name="flux-controlnet",
        number=4,
        label="FLUX.1 with ControlNet",
        help="FLUX.1 with an inpainting ControlNet; edits by words, too. Large weights, not for commercial work",
        run="",
        packages=_PACKAGES,
        checkpoints=(checkpoints.FLUX_1_DEV,),
    ),
    ProviderSpec(
        name="flux2-klein",
        number=5,
        label="FLUX.2 klein",
        help="Paints in four steps and edits by words, by large weights that are free for commercial work",
        run="",
        packages=_PACKAGES,
        checkpoints=(checkpoints.FLUX2_KLEIN_4B,),
    ),
)
"""In the order in which they are listed. Number 0 is "auto"."""
_BY_NAME = {spec.name: spec for spec in PAINTERS}


def painter_infos(data: Path) -> tuple[ProviderInfo, ...]:
    """`auto` first, for the suite that ships. data: the data folder."""
    help_ = (
        "The suite's published image model where it is installed, else the preview's fill, which agrees better from "
        "view to view than what the small image model paints"
    )
    return provider_infos(PAINTERS, data, 0, help_, _BY_NAME[FILL], "")


def suite_painter(suite: str, data: Path) -> str:
    """The checkpoint of a suite's own image model, of the small one where that is not installed."""
    chosen = suite_named(suite) or MINI
    return _with_beside(chosen.image if _all_installed(chosen.image, data) else MINI.image, data)


def find_painter(name: str, suite: str, data: Path) -> str:
    """The checkpoint of a stage that paints, one folder or several; "" for the preview's fill.

    name: of a painter or a registered checkpoint, or a folder. suite: of the request; `auto` takes its image model if
    that is a published one, and no other weights (docs/lab/starting.md). data: the data folder. Raises UserError, with
    what to do, for weights that are missing, wrong or changed, and for an unknown name.
    """
    if name == AUTO:
        chosen = suite_named(suite)
        if chosen is None or chosen.image.shipped or not _all_installed(chosen.image, data):
            return ""
        return _with_beside(chosen.image, data)
    if name == FILL:
        return ""
    if name in _BY_NAME:
        return weights_of(_BY_NAME[name], None, data)
    try:
        folder = find_checkpoint(name, data)
    except UserError as error:
        names = ", ".join((AUTO, *_BY_NAME))
        raise UserError(error.message, advice=f"{error.advice} Or choose one of the painters: {names}.") from error
    kind = kind_of(folder)
    if kind is None or kind.name not in IMAGE_MODELS:
        why = kind.refusal if kind and kind.refusal else "It holds no image model that Reangle can use."
        raise UserError(f"{folder} cannot paint. {why}", advice=f"Use one of: {', '.join((AUTO, *_BY_NAME))}.")
    known = checkpoint_at(folder) or next((one for one in CHECKPOINTS if one.kind is kind and one.beside), None)
    beside = known.beside if known else ()
    return CHECKPOINT_SEPARATOR.join(map(str, (folder, *(find_installed(one, data) for one in beside))))


def _with_beside(known: Checkpoint, data: Path) -> str:
    return CHECKPOINT_SEPARATOR.join(str(find_installed(one, data)) for one in (known, *known.beside))


def _all_installed(known: Checkpoint, data: Path) -> bool:
    return all(is_installed(one, data) for one in (known, *known.beside))
