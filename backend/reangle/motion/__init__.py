# SPDX-License-Identifier: Apache-2.0
"""A clip's motion, learned as a LoRA of a video model."""

import logging

# Beside progress and notes, artists would read of kernels that are optional, and again and again of a caption's end,
# which a note names once.
for _name in (
    "bitsandbytes",
    "diffusers.pipelines.cogvideo.pipeline_cogvideox_image2video",
    "transformers.tokenization_utils_base",
):
    logging.getLogger(_name).setLevel(logging.ERROR)
