# SPDX-License-Identifier: Apache-2.0
"""Opens a judge by its name in `StartSettings.judge`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from reangle.errors import UserError
from reangle.evaluation.agreement.dust3r_judge import Dust3rJudge
from reangle.evaluation.agreement.features import Features, open_features_in
from reangle.evaluation.agreement.geometry_judge import GeometryJudge
from reangle.evaluation.agreement.views import Judge, SceneView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork


def open_judge(
    name: str,
    view: SceneView,
    hole: np.ndarray,
    fixed: Sequence[SceneView],
    features: Features | None = None,
    network: Dust3rNetwork | None = None,
) -> Judge | None:
    """None for "none". view, hole, fixed: see `GeometryJudge`. features, and network of `open_network`: for "dust3r".

    Open features and network once for all views. Raises UserError for another name, and for "dust3r" without a network.
    """
    if name == "none":
        return None
    if name == "geometry":
        return GeometryJudge(None, view, hole, fixed)
    if name == "dust3r" and network is not None and features is not None:
        return Dust3rJudge(network, features, hole, [one.picture for one in fixed])
    reason = "DUSt3R's weights are not open" if name == "dust3r" else f"there is no judge {name!r}"
    raise UserError(f"Starting images cannot be judged: {reason}.", advice="Choose the judge geometry.")


def open_network(checkpoint: str | Path) -> Dust3rNetwork:
    """A two-view network on the GPU if there is one.

    checkpoint: the folder, such as `geometry.availability.weights_of` gives for depth "dust3r". Raises UserError if the
    weights cannot be loaded.
    """
    return Dust3rNetwork.load(Path(checkpoint), "cuda" if torch.cuda.is_available() else "cpu")


def open_judge_of(
    name: str, folders: Sequence[str], view: SceneView, hole: np.ndarray, fixed: Sequence[SceneView]
) -> tuple[Judge | None, str]:
    """As `open_judge`, with weights from the folders that `listing.judging_weights` names, and the features' name."""
    if not folders:
        return open_judge(name, view, hole, fixed), ""
    *networks, features_folder = folders
    features = open_features_in(Path(features_folder))
    network = open_network(networks[0]) if networks else None
    return open_judge(name, view, hole, fixed, features, network), features.name
