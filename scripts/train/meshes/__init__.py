# SPDX-License-Identifier: Apache-2.0
"""Training scenes of real meshes and textures, rendered where the network trains."""
