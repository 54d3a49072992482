# SPDX-License-Identifier: Apache-2.0
"""Weights: which there are, under which licence, where they are on this machine, and whether they are intact."""
