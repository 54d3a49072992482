// SPDX-License-Identifier: Apache-2.0
// The library of meshes, materials, textures and skies; colours of textures.

#pragma once

#include "vectors.h"

struct Library {
    const F4* nodes;          // of all meshes
    const F4* triangles;      // 3 a triangle: corner and material, two edges
    const float* attributes;  // 9 a triangle: three packed normals, three uv
    const int* mesh_roots;    // first node of each mesh
    const float* materials;   // linear colour 3, shine, texture, cut-out flag
    const uint8_t* texels;    // RGBA, mip chains
    const int* textures;      // 2 a texture: first texel, log2 of its side
    const float* skies;       // sky pixels RGB, linear
    const float* harmonics;   // 27 a sky
    int sky_width, sky_height;
};

HD V3 texel(const Library& lib, int texture, int level, int x, int y, float* alpha) {
    int log_side = lib.textures[2 * texture + 1];
    int first = lib.textures[2 * texture];
    first += ((4 << (2 * log_side)) - (4 << (2 * (log_side - level)))) / 3;
    int side = 1 << (log_side - level);
    const uint8_t* p = lib.texels + 4 * (int64_t)(first + (y & (side - 1)) * side + (x & (side - 1)));
    *alpha = p[3] * (1.0f / 255);
    V3 c = v3(p[0], p[1], p[2]) * (1.0f / 255);
    // About the sRGB curve, without a power.
    return c * c * (v3(0.8f, 0.8f, 0.8f) + c * 0.2f);
}

// Bilinear, from the mip level at which a pixel covers at most about one and a half texels. width: the pixel's, in uv.
HD V3 sample_texture(const Library& lib, int texture, float u, float v, float width) {
    int log_side = lib.textures[2 * texture + 1];
    float texels = width * (1 << log_side);
    int level = texels > 1.0f ? (int)(log2f(texels) + 0.4f) : 0;
    level = level < log_side ? level : log_side;
    int side = 1 << (log_side - level);
    float x = (u - floorf(u)) * side - 0.5f, y = (1.0f - (v - floorf(v))) * side - 0.5f;
    float fx = floorf(x), fy = floorf(y);
    int ix = (int)fx, iy = (int)fy;
    fx = x - fx, fy = y - fy;
    float a;
    V3 top = texel(lib, texture, level, ix, iy, &a) * (1 - fx) + texel(lib, texture, level, ix + 1, iy, &a) * fx;
    V3 low = texel(lib, texture, level, ix, iy + 1, &a) * (1 - fx) + texel(lib, texture, level, ix + 1, iy + 1, &a) * fx;
    return top * (1 - fy) + low * fy;
}

HD bool cut_out(const Library& lib, int material, int triangle, float u, float v) {
    int texture = (int)lib.materials[material * MATERIAL + 4];
    const float* a = lib.attributes + (int64_t)triangle * 9;
    float w = 1 - u - v;
    float tu = a[3] * w + a[5] * u + a[7] * v, tv = a[4] * w + a[6] * u + a[8] * v;
    int side = 1 << lib.textures[2 * texture + 1];
    float alpha;
    texel(lib, texture, 0, (int)floorf((tu - floorf(tu)) * side), (int)floorf((1 - (tv - floorf(tv))) * side), &alpha);
    return alpha < 0.5f;
}
