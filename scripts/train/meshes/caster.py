# SPDX-License-Identifier: Apache-2.0
"""Compile caster.cu with its headers (and hierarchies.cpp) for the CPU or a GPU, and call it.

g++ (with OpenMP) builds hierarchies and renders on the CPU; nvcc builds the same source for the GPU. Both libraries are
plain C interfaces that take pointers, so tensors of torch pass through without a copy.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from scripts.train.meshes.assets import Library

SOURCE = Path(__file__).with_name("caster.cu")
BUILDER = Path(__file__).with_name("hierarchies.cpp")
INSTANCE, VIEW, GROUND = 32, 64, 16
"""Row lengths, as in layout.h."""
_LOCKS = {"cpu": threading.Lock(), "cuda": threading.Lock()}
OF_LIBRARY = ("nodes", "triangles", "attributes", "mesh_first", "materials", "texels", "textures", "skies", "harmonics")


class _Library(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_void_p) for name in OF_LIBRARY), ("width", ctypes.c_int), ("height", ctypes.c_int)]


class _Scenes(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("nodes", "instances", "first", "views")),
        ("frames", ctypes.c_int),
    ]


def compilers() -> dict[str, str | None]:
    """Paths of the compilers: "cpu" and "cuda", None where missing."""
    nvcc = shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    return {"cpu": shutil.which("g++"), "cuda": nvcc}


def prepare(device: torch.device) -> None:
    """Begin to compile for a device in the background."""
    for kind in {"cpu", device.type}:
        threading.Thread(target=_compiled, args=(kind,), daemon=True).start()


def _compiled(kind: str) -> ctypes.CDLL:
    """The library for "cpu" or "cuda", compiled once per source, machine and user."""
    with _LOCKS[kind]:
        return _compile(kind)


@cache
def _compile(kind: str) -> ctypes.CDLL:
    compiler = compilers()[kind]
    if compiler is None:
        name = "g++" if kind == "cpu" else "nvcc"
        raise RuntimeError(f"{name} is missing, which scenes of meshes need. Install it or use other scenes.")
    if kind == "cpu":
        # Without NaN a minimum is one instruction, which makes pictures 4.6 times as fast.
        numbers = ["-fno-math-errno", "-fno-trapping-math", "-ffinite-math-only", "-fno-signed-zeros"]
        options = ["-x", "c++", "-O3", "-march=native", *numbers, "-fopenmp"]
        command = [compiler, *options, "-shared", "-fPIC", "-fvisibility=hidden", str(SOURCE), str(BUILDER), "-o"]
    else:
        major, minor = torch.cuda.get_device_capability()
        command = [compiler, "-O3", "-use_fast_math", f"-arch=sm_{major}{minor}", "-shared", "-Xcompiler", "-fPIC"]
        command += [str(SOURCE), "-o"]
    key = hashlib.sha256(
        b"".join(path.read_bytes() for path in (SOURCE, BUILDER, *sorted(SOURCE.parent.glob("*.h"))))
        + " ".join(command).encode()
        + os.uname().nodename.encode()
    ).hexdigest()
    folder = Path(tempfile.gettempdir()) / f"reangle-caster-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"{kind}-{key[:16]}.so"
    if not target.exists():
        part = target.with_suffix(f".{os.getpid()}.part")
        run = subprocess.run([*command, str(part)], capture_output=True, text=True)
        if run.returncode and "-fopenmp" in command:
            command.remove("-fopenmp")
            run = subprocess.run([*command, str(part)], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"{SOURCE.name} does not compile for {kind}:\n{run.stderr[-3000:]}")
        part.replace(target)
    return ctypes.CDLL(str(target))


def build_hierarchies(corners: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of triangles (T, into `corners`) and the nodes (T x 16) of each mesh's hierarchy.

    corners: T x 3 x 3. first: M + 1, where each mesh's triangles begin.
    """
    corners, first = np.ascontiguousarray(corners, np.float32), np.ascontiguousarray(first, np.int32)
    order, nodes = np.empty(len(corners), np.int32), np.zeros((len(corners), 16), np.float32)
    roots = np.empty(len(first) - 1, np.int32)
    _compiled("cpu").build_meshes(*_pointers(corners, first), len(roots), *_pointers(order, nodes, roots))
    return order + np.repeat(first[:-1], np.diff(first)), nodes


def build_scenes(rows: np.ndarray, first: np.ndarray, mesh_boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted rows of instances with object_from_world in them, and the nodes (N x 16) of each scene's hierarchy.

    rows: N x INSTANCE with world_from_object in columns 0 to 11. first: scenes + 1.
    """
    rows, first = np.ascontiguousarray(rows, np.float32), np.ascontiguousarray(first, np.int32)
    boxes = np.ascontiguousarray(mesh_boxes, np.float32)
    out, nodes = np.empty_like(rows), np.zeros((len(rows), 16), np.float32)
    _compiled("cpu").build_scenes(*_pointers(rows, first), len(first) - 1, *_pointers(boxes, out, nodes))
    return out, nodes


@dataclass(frozen=True)
class Built:
    """Scenes ready to cast: sorted rows of instances, nodes, and the first of each scene."""

    rows: np.ndarray
    nodes: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Cast:
    """n views: linear rgb n x h x w x 3, planar depth n x h x w (0: sky), ids of instances n x h x w (-1: sky)."""

    rgb: torch.Tensor
    depth: torch.Tensor
    ids: torch.Tensor


class Caster:
    """Renders scenes of a library on one device."""

    def __init__(self, library: Library, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self._kind = "cuda" if self.device.type == "cuda" else "cpu"
        self._functions = _compiled(self._kind)
        arrays = library.arrays()
        self._kept = {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in OF_LIBRARY}
        if self._kind == "cuda":
            self._kept = {name: tensor.to(self.device) for name, tensor in self._kept.items()}
        height, width = library.skies.shape[1:3]
        self._library = _Library(*(self._kept[name].data_ptr() for name in OF_LIBRARY), width, height)

    def cast(self, built: Built, views: np.ndarray, frames: int, height: int, width: int) -> Cast:
        """Render scenes x frames views (rows of VIEW numbers, see light.h)."""
        tensors = [self._there(array) for array in (built.nodes, built.rows, built.first, views.astype(np.float32))]
        scenes = _Scenes(*(tensor.data_ptr() for tensor in tensors), frames)
        shape = (len(views), height, width)
        new = {"device": self.device, "dtype": torch.float32}
        depth, rgb = torch.empty(shape, **new), torch.empty((*shape, 3), **new)
        ground, ids = torch.empty((*shape, GROUND), **new), torch.empty(shape, device=self.device, dtype=torch.int32)
        stream = torch.cuda.current_stream(self.device).cuda_stream if self._kind == "cuda" else 0
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (depth, ground, ids, rgb)]
        code = self._functions.render(
            ctypes.byref(self._library), ctypes.byref(scenes), *shape, *pointers, ctypes.c_void_p(stream)
        )
        if code:
            self._functions.error_text.restype = ctypes.c_char_p
            raise RuntimeError(f"The GPU refused to render: {self._functions.error_text(code).decode()}.")
        return Cast(rgb, depth, ids)

    def _there(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        return tensor.pin_memory().to(self.device, non_blocking=True) if self._kind == "cuda" else tensor


class Prober:
    """Casts single rays at scenes on the CPU: for choosing cameras."""

    def __init__(self, library: Library) -> None:
        arrays = library.arrays()
        self._kept = {name: np.ascontiguousarray(arrays[name]) for name in OF_LIBRARY}
        height, width = library.skies.shape[1:3]
        self._library = _Library(*(self._kept[name].ctypes.data for name in OF_LIBRARY), width, height)

    def __call__(self, built: Built, origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ray parameters of the first hits in the first scene, N, and their instances; 0 and -1 where nothing is."""
        rays = np.zeros((len(directions), 7), np.float32)
        rays[:, 1:4], rays[:, 4:] = origins, directions
        t, ids = np.empty(len(rays), np.float32), np.empty(len(rays), np.int32)
        scenes = _Scenes(*(array.ctypes.data for array in (built.nodes, built.rows, built.first)), 0, 1)
        _compiled("cpu").probe(
            ctypes.byref(self._library), ctypes.byref(scenes), *_pointers(rays), len(rays), *_pointers(t, ids)
        )
        return t, ids


def _pointers(*arrays: np.ndarray) -> Sequence[ctypes.c_void_p]:
    return [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
