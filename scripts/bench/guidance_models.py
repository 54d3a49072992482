# SPDX-License-Identifier: Apache-2.0
"""The shipped models that `guidance.py` measures with, opened once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reangle.evaluation.agreement.features import Features, open_mini
from reangle.evaluation.agreement.geometry_judge import GeometryJudge
from reangle.evaluation.agreement.judges import open_judge, open_network
from reangle.evaluation.agreement.views import Judge, SceneView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.image_models.base import ImageModel
from reangle.image_models.flux_fill import FluxFill
from reangle.starting.scene import Begun
from reangle.starting.spec import PaintSettings
from reangle.weights.shipped import check_shipped
from reangle.weights.suites import MINI

STEPS = 20


@dataclass(frozen=True, eq=False)
class Models:
    """painter: the mini image model. network: the mini two-view network, of DUSt3R's class. settings: the painter's."""

    painter: ImageModel
    network: Dust3rNetwork
    features: Features
    settings: PaintSettings

    @classmethod
    def open(cls) -> Models:
        painter = FluxFill.open(check_shipped(MINI.image), "cpu")
        network = open_network(check_shipped(MINI.geometry.beside[0]))
        return cls(painter, network, open_mini(check_shipped(MINI.geometry)), PaintSettings(steps=STEPS))

    @property
    def about(self) -> str:
        return f"the two-view network {MINI.geometry.beside[0].name} with features of {self.features.name}"

    def judge(self, name: str, begun: Begun, fixed: Sequence[SceneView]) -> Judge | None:
        if name == "features":
            return GeometryJudge(self.features, begun.view, ~begun.known, fixed)
        return open_judge(name, begun.view, ~begun.known, fixed, self.features, self.network)
