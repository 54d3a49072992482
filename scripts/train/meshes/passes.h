// SPDX-License-Identifier: Apache-2.0
// The two passes over a picture's pixels.

#pragma once

#include "light.h"

HD void aim(const float* view, float column, float row, float time, V3* o, V3* d) {
    V3 c = v3((column - view[2]) / view[0], (row - view[3]) / view[1], 1);
    V3 shift = get(view + 16) * time, turn = get(view + 19) * time;
    V3 moved = c + cross(turn, c);
    *d = vector_into(view + 4, moved);
    *o = v3(view[7], view[11], view[15]) + vector_into(view + 4, shift);
}

// First pass: the ray through each pixel's centre. Writes depth (0 for sky) and what the second pass needs.
HD void first_pixel(const Library& lib, const Scenes& s, int at, int x, int y, int height, int width, float* depth,
                    float* ground, int* ids) {
    const float* view = s.views + (int64_t)at * VIEW;
    int scene = at / s.frames;
    int64_t pixel = ((int64_t)at * height + y) * width + x;
    float* g = ground + pixel * GROUND;
    V3 o, d;
    aim(view, x + 0.5f, y + 0.5f, 0, &o, &d);
    Hit hit = trace(lib, s, scene, o, d, 1e-3f, 1e4f, false, 0);
    if (hit.triangle < 0) {
        V3 c = sky_light(lib, view, d);
        depth[pixel] = 0;
        ids[pixel] = -1;
        g[0] = g[1] = g[2] = g[3] = g[4] = g[5] = 0;
        g[6] = c.x, g[7] = c.y, g[8] = c.z;
        g[9] = g[10] = 1;
        g[11] = g[12] = g[13] = 0;
        return;
    }
    // The same sixteen directions in every 4 x 4 pixels, over which the second pass averages.
    int stratum = (x & 3) * 4 + (y & 3);
    float a = (stratum + 0.5f) / 16 + view[45], b = (((stratum * 7) & 15) + 0.5f) / 16;
    a -= floorf(a);
    Surface f;
    Shade c = shade(lib, s, scene, view, hit, o, d, 1.0f / view[0], a, b, 0, true, &f);
    depth[pixel] = hit.t;
    ids[pixel] = hit.instance;
    g[0] = c.direct.x, g[1] = c.direct.y, g[2] = c.direct.z;
    g[3] = c.ambient.x, g[4] = c.ambient.y, g[5] = c.ambient.z;
    g[6] = c.extra.x, g[7] = c.extra.y, g[8] = c.extra.z;
    g[9] = c.shadow, g[10] = c.open;
    g[11] = f.flat.x, g[12] = f.flat.y, g[13] = f.flat.z;
}

HD V3 composed(const float* view, V3 direct, V3 ambient, V3 extra, float shadow, float open, float t) {
    float dim = open + (1 - open) * 0.22f;
    return fogged(view, direct * shadow + ambient * dim + extra, t);
}

// Second pass: averages shadow and occlusion over 4 x 4 pixels of one surface, and takes more rays at edges.
HD void second_pixel(const Library& lib, const Scenes& s, int at, int x, int y, int height, int width, const float* depth,
                     const float* ground, const int* ids, float* rgb) {
    const float* view = s.views + (int64_t)at * VIEW;
    int scene = at / s.frames;
    int64_t base = (int64_t)at * height * width, pixel = base + (int64_t)y * width + x;
    const float* g = ground + pixel * GROUND;
    float z = depth[pixel];
    int id = ids[pixel];
    V3 normal = get(g + 11);
    float shadow = 0, open = 0, count = 0;
    bool edge = false;
    for (int down = -2; down < 2; ++down)
        for (int across = -2; across < 2; ++across) {
            int u = x + across, v = y + down;
            if (u < 0 || v < 0 || u >= width || v >= height) continue;
            int64_t other = base + (int64_t)v * width + u;
            const float* h = ground + other * GROUND;
            bool near = abs(across) + abs(down) <= 1;
            bool same = ids[other] == id && dot(get(h + 11), normal) > 0.9f && fabsf(depth[other] - z) < 0.05f * z;
            if (id < 0) same = ids[other] < 0;
            if (same) shadow += h[9], open += h[10], count += 1;
            if (near && !same) edge = true;
        }
    for (int side = 0; side < 2 && !edge; ++side) {
        int u = x + (side == 0), v = y + (side == 1);
        if (u < width && v < height && ids[base + (int64_t)v * width + u] != id) edge = true;
    }
    shadow /= fmaxf(count, 1.0f);
    open /= fmaxf(count, 1.0f);
    int samples = (int)view[44];
    V3 total = v3(0, 0, 0);
    float weight = 0;
    if (samples == 0) {
        V3 c = composed(view, get(g), get(g + 3), get(g + 6), shadow, open, id < 0 ? 0 : z);
        total = v3(fminf(c.x, 8.0f), fminf(c.y, 8.0f), fminf(c.z, 8.0f));
        weight = 1;
        samples = edge ? 4 : 0;
    }
    float pixel_size = 1.0f / view[0];
    for (int k = 0; k < samples; ++k) {
        float jx = noise(pixel, 10 + 3 * k), jy = noise(pixel, 11 + 3 * k);
        float time = (k + noise(pixel, 12 + 3 * k)) / samples - 0.5f;
        V3 o, d;
        if (weight == 1 || samples == 4) jx = ((k & 1) + jx) / 2, jy = ((k >> 1) + jy) / 2;
        aim(view, x + jx, y + jy, time, &o, &d);
        Hit hit = trace(lib, s, scene, o, d, 1e-3f, 1e4f, false, time);
        V3 c;
        if (hit.triangle < 0) {
            c = sky_light(lib, view, d);
        } else {
            Shade p = shade(lib, s, scene, view, hit, o, d, pixel_size, jy, jx, time, false, 0);
            c = composed(view, p.direct, p.ambient, p.extra, p.shadow, open, hit.t);
        }
        total = total + v3(fminf(c.x, 8.0f), fminf(c.y, 8.0f), fminf(c.z, 8.0f));
        weight += 1;
    }
    float* out = rgb + pixel * 3;
    out[0] = total.x / weight;
    out[1] = total.y / weight;
    out[2] = total.z / weight;
}
