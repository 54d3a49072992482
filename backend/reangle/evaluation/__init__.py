# SPDX-License-Identifier: Apache-2.0
"""Results compared with scenes whose truth is known."""
