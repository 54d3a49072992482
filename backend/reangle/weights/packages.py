# SPDX-License-Identifier: Apache-2.0
"""How to install a missing package. Standard library only, because `reangle doctor` runs where packages are missing."""

_EXTRAS = {
    # Not for commercial work.
    "mini_dust3r": 'Run `pip install "reangle[dust3r]"`, then `pip install --no-deps mini-dust3r==0.1.2`.',
    "depth_anything_3": (
        'Run `pip install "reangle[depth-anything-3]"`, then '
        "`pip install --no-deps --ignore-requires-python depth-anything-3==0.1.1`."
    ),
    "bitsandbytes": 'Run `pip install "reangle[quantised]"`.',
}


def how_to_install(module: str) -> str:
    """The command that installs what `module` is part of, as one sentence."""
    return _EXTRAS.get(module, "Install the backend again.")
