# SPDX-License-Identifier: Apache-2.0
"""A clip's motion, learned as a LoRA of a video model."""
