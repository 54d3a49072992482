# SPDX-License-Identifier: GPL-3.0-or-later
"""The shader that draws a depth map as coloured points. It needs a window: `gpu` is not there in background mode."""

from __future__ import annotations

from typing import Any

from ..core.cloud import PixelGrid

_VERTEX = """
void main()
{
  float number = float(gl_VertexID);
  float row = floor((number + 0.5) / grid.x);
  vec2 cell = vec2(number - row * grid.x, row);
  vec2 pixel = floor((cell + 0.5) * grid.zw / grid.xy) + 0.5;
  /* Pixels without a point lie outside of what is drawn. */
  gl_Position = depth > 0.0 ? ModelViewProjectionMatrix * vec4(pixel * depth, depth, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  gl_PointSize = size;
  vec3 linear = mix(color.rgb / 12.92, pow((color.rgb + 0.055) / 1.055, vec3(2.4)), step(vec3(0.04045), color.rgb));
  point_color = vec4(srgbTarget ? linear : color.rgb, opacity);
}
"""
"""Blender sets ModelViewProjectionMatrix and srgbTarget, which its own shaders have under these names, too."""

_FRAGMENT = "void main() { fragment_color = point_color; }"

_shader: Any = None


def make_batch(grid: PixelGrid) -> Any:
    """The pixels on the GPU."""
    types = _gpu().types
    layout = types.GPUVertFormat()
    layout.attr_add(id="depth", comp_type="F32", len=1, fetch_mode="FLOAT")
    layout.attr_add(id="color", comp_type="U8", len=4, fetch_mode="INT_TO_FLOAT_UNIT")
    buffer = types.GPUVertBuf(layout, len(grid.depth))
    buffer.attr_fill("depth", grid.depth)
    buffer.attr_fill("color", grid.rgba)
    return types.GPUBatch(type="POINTS", buf=buffer)


def draw(batch: Any, grid: tuple[int, int], picture: tuple[int, int], size: float, opacity: float = 1.0) -> None:
    """Draw a batch with the current matrix, which takes (x z, y z, z, 1) of a pixel at x, y and depth z to the world.

    grid: columns and rows of the batch. picture: width and height of the depth map. size: of a point, in pixels.
    opacity: less than 1 needs blending.
    """
    global _shader
    if _shader is None:
        _shader = _make_shader()
    _shader.bind()
    _shader.uniform_float("grid", (*grid, *picture))
    _shader.uniform_float("size", size)
    _shader.uniform_float("opacity", opacity)
    state = _gpu().state
    state.program_point_size_set(True)
    try:
        batch.draw(_shader)
    finally:
        state.program_point_size_set(False)


def forget() -> None:
    global _shader
    _shader = None


def _gpu() -> Any:
    """The module, which type stubs know in part."""
    import gpu

    return gpu


def _make_shader() -> Any:
    gpu = _gpu()
    passed = gpu.types.GPUStageInterfaceInfo("reangle_points")
    passed.flat("VEC4", "point_color")
    info = gpu.types.GPUShaderCreateInfo()
    for slot, (kind, name) in enumerate((("FLOAT", "depth"), ("VEC4", "color"))):
        info.vertex_in(slot, kind, name)
    info.vertex_out(passed)
    constants = (
        ("MAT4", "ModelViewProjectionMatrix"),
        ("VEC4", "grid"),
        ("FLOAT", "size"),
        ("FLOAT", "opacity"),
        ("BOOL", "srgbTarget"),
    )
    for kind, name in constants:
        info.push_constant(kind, name)
    info.fragment_out(0, "VEC4", "fragment_color")
    info.vertex_source(_VERTEX)
    info.fragment_source(_FRAGMENT)
    return gpu.shader.create_from_info(info)
