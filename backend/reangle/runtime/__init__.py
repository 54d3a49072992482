# SPDX-License-Identifier: Apache-2.0
"""Running jobs: what a stage is, the stage cache, the durable queue, and one process per stage."""
