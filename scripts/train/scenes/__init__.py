# SPDX-License-Identifier: Apache-2.0
"""Generated scenes with exact depth, cameras and motion, to train and test networks."""
