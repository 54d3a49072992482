# SPDX-License-Identifier: Apache-2.0
"""Opening a video model: CogVideoX's image-to-video pipeline from a checkpoint's folder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import CogVideoXImageToVideoPipeline

from backend.errors import UserError


def open_video_pipeline(folder: Path, device: str | None = None) -> CogVideoXImageToVideoPipeline:
    """The pipeline, ready to run: bfloat16 on a GPU, float32 on a CPU.

    device: None takes the GPU if there is one. Raises UserError if the folder does not hold one.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        pipe = CogVideoXImageToVideoPipeline.from_pretrained(
            folder, dtype=torch.bfloat16 if device == "cuda" else torch.float32, local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(
            f"The video checkpoint {folder} cannot be opened: {reason}.", advice="Copy all of its folders again."
        ) from error
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)
