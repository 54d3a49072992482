# SPDX-License-Identifier: Apache-2.0
"""Whether views of one scene agree: judges of candidates, and the metrics MEt3R, SED and TSED."""
