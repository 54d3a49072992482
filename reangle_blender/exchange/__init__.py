# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs from sending to results: the main thread's queue, the backend's connection, and the jobs of this session."""
