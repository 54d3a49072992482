# SPDX-License-Identifier: Apache-2.0
"""Frames as autoencoders take and give them."""

from __future__ import annotations

import numpy as np
import torch


def frames_to_video(frames: np.ndarray) -> torch.Tensor:
    """1 x 3 x T x H x W in -1 to 1, of T x H x W x 3 uint8 frames."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def video_to_frames(video: torch.Tensor) -> np.ndarray:
    """The reverse of `frames_to_video`; values are rounded, and cut to what uint8 holds."""
    return (video[0].permute(1, 2, 3, 0).float() * 127.5 + 127.5).round().clamp(0, 255).byte().cpu().numpy()
