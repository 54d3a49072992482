# SPDX-License-Identifier: Apache-2.0
"""The command line's commands, one module each."""
