// SPDX-License-Identifier: Apache-2.0
// Light of skies and lamps on a surface, and what a mirror shows.
//
// Rows of `views`: 0 fx fy cx cy, 4 world_from_camera 3 x 4, 16 camera's shift and 19 turn during the exposure,
// 22 lamp position or direction, 25 light, 28 lamp's radius (in radians for a sun), 29 whether a lamp,
// 30 constant ambient light, 33 sky's ambient gain, 34 sky, 35 sky's yaw, 36 sky's gain, 39 reach of occlusion,
// 40 fog's density a metre, 41 fog's colour, 44 samples a pixel (0: more at edges only), 45 a random number.

#pragma once

#include "surfaces.h"

HD V3 turned(V3 d, float yaw) {
    float c = cosf(yaw), s = sinf(yaw);
    return v3(c * d.x + s * d.z, d.y, c * d.z - s * d.x);
}

HD V3 sky_light(const Library& lib, const float* view, V3 direction) {
    V3 d = unit(turned(direction, view[35]));
    float u = atan2f(d.x, d.z) * (0.5f / 3.14159265f) + 0.5f;
    float v = acosf(fminf(fmaxf(-d.y, -1.0f), 1.0f)) * (1.0f / 3.14159265f);
    float x = u * lib.sky_width - 0.5f, y = fminf(fmaxf(v * lib.sky_height - 0.5f, 0.0f), lib.sky_height - 1.001f);
    int ix = (int)floorf(x), iy = (int)y;
    float fx = x - ix, fy = y - iy;
    int left = (ix + lib.sky_width) % lib.sky_width, right = (ix + 1) % lib.sky_width;
    const float* sky = lib.skies + (int64_t)(int)view[34] * lib.sky_width * lib.sky_height * 3;
    const float* row = sky + (int64_t)iy * lib.sky_width * 3;
    const float* below = row + lib.sky_width * 3;
    V3 c = (get(row + 3 * left) * (1 - fx) + get(row + 3 * right) * fx) * (1 - fy) +
           (get(below + 3 * left) * (1 - fx) + get(below + 3 * right) * fx) * fy;
    return c * get(view + 36);
}

// Light from a sky on a surface, by nine harmonics (Ramamoorthi and Hanrahan 2001), as albedo's factor.
HD V3 ambient_light(const Library& lib, const float* view, V3 normal) {
    V3 n = turned(normal, view[35]);
    const float* h = lib.harmonics + (int)view[34] * 27;
    float basis[9] = {1, n.x, n.y, n.z, n.x * n.y, n.y * n.z, 3 * n.z * n.z - 1, n.x * n.z, n.x * n.x - n.y * n.y};
    V3 total = v3(0, 0, 0);
    for (int k = 0; k < 9; ++k) total = total + get(h + 3 * k) * basis[k];
    total = v3(fmaxf(total.x, 0.02f), fmaxf(total.y, 0.02f), fmaxf(total.z, 0.02f));
    return total * get(view + 36) * view[33] + get(view + 30);
}

// Direct light without its shadow, as colour and highlight.
HD V3 direct_light(const float* view, const Surface& f, V3 d, V3* towards, float* reach) {
    V3 l = get(view + 22);
    float falloff = 1;
    *reach = 1e4f;
    if (view[29] > 0) {
        l = l - f.point;
        float square = dot(l, l);
        *reach = sqrtf(square);
        falloff = 4.0f / (1.0f + square);
    }
    l = unit(l);
    *towards = l;
    float facing = dot(f.normal, l);
    if (facing <= 0 || dot(f.flat, l) <= 0) return v3(0, 0, 0);
    V3 h = unit(l - unit(d));
    float half = fmaxf(dot(f.normal, h), 0.0f);
    float highlight = powf(half, 10 + 80 * f.shine) * f.shine * 1.5f;
    return (f.albedo * facing + v3(1, 1, 1) * highlight) * get(view + 25) * falloff;
}

HD V3 fogged(const float* view, V3 colour, float t) {
    if (view[40] <= 0) return colour;
    float clear = expf(-view[40] * t);
    return colour * clear + get(view + 41) * (1 - clear);
}

// A point of a lamp's disc or a sun's, as a jitter of the direction to it.
HD V3 jittered(V3 l, float radius, float a, float b) {
    V3 side = fabsf(l.y) < 0.9f ? unit(cross(l, v3(0, 1, 0))) : v3(1, 0, 0);
    V3 up = cross(l, side);
    float r = radius * sqrtf(a), angle = 6.2831853f * b;
    return l + side * (r * cosf(angle)) + up * (r * sinf(angle));
}

HD float lamp_seen(const Library& lib, const Scenes& s, int scene, const float* view, const Surface& f, V3 l, float reach,
                   float lift, float a, float b, float time) {
    float radius = view[29] > 0 ? view[28] / fmaxf(reach, 0.1f) : view[28];
    Hit hit = trace(lib, s, scene, f.point + f.flat * lift, jittered(l, radius, a, b), 1e-4f, reach * 0.98f, true, time);
    return hit.triangle < 0 ? 1.0f : 0.0f;
}

// What a mirror or a gloss shows: one bounce, without shadows.
HD V3 reflection(const Library& lib, const Scenes& s, int scene, const float* view, const Surface& f, V3 d, float lift,
                 float pixel, float time) {
    V3 r = d - f.normal * (2 * dot(d, f.normal));
    if (dot(r, f.flat) < 0) r = r - f.flat * (2 * dot(r, f.flat));
    r = unit(r);
    V3 o = f.point + f.flat * lift;
    Hit hit = trace(lib, s, scene, o, r, 1e-4f, 1e4f, false, time);
    if (hit.triangle < 0) return sky_light(lib, view, r);
    Surface g = surface_at(lib, s, hit, o, r, pixel, time);
    V3 l;
    float reach;
    V3 direct = direct_light(view, g, r, &l, &reach);
    return direct * 0.7f + g.albedo * ambient_light(lib, view, g.normal) * 0.8f + g.glow;
}

struct Shade {
    V3 direct, ambient, extra;
    float shadow, open;
};

HD Shade shade(const Library& lib, const Scenes& s, int scene, const float* view, const Hit& hit, V3 o, V3 d, float pixel,
               float a, float b, float time, bool occlusion, Surface* surface) {
    Surface f = surface_at(lib, s, hit, o, d, pixel, time);
    Shade out;
    float lift = 1e-3f + 5e-4f * hit.t;
    V3 l;
    float reach;
    out.direct = direct_light(view, f, d, &l, &reach);
    out.ambient = f.albedo * ambient_light(lib, view, f.normal);
    out.extra = f.glow;
    out.shadow = out.open = 1;
    if (out.direct.x + out.direct.y + out.direct.z > 0.004f)
        out.shadow = lamp_seen(lib, s, scene, view, f, l, reach, lift, a, b, time);
    if (occlusion) {
        float r = sqrtf(b), angle = 6.2831853f * a;
        V3 side = fabsf(f.normal.y) < 0.9f ? unit(cross(f.normal, v3(0, 1, 0))) : v3(1, 0, 0);
        V3 up = cross(f.normal, side);
        V3 w = side * (r * cosf(angle)) + up * (r * sinf(angle)) + f.normal * sqrtf(1 - b);
        Hit block = trace(lib, s, scene, f.point + f.flat * lift, w, 1e-4f, view[39], true, time);
        out.open = block.triangle < 0 ? 1.0f : 0.0f;
    }
    if (f.mirror != 0) {
        float base = fabsf(f.mirror);
        float cosine = clamp01(-dot(f.normal, d) / sqrtf(dot(d, d)));
        float away = 1 - cosine;
        float weight = base + (1 - base) * away * away * away * away * away * (f.mirror < 0 ? 1.0f : 0.6f);
        if (weight > 0.03f) {
            V3 mirrored = reflection(lib, s, scene, view, f, d, lift, pixel * 2, time) * weight;
            out.direct = out.direct * (1 - weight);
            out.ambient = out.ambient * (1 - weight);
            out.extra = out.extra + mirrored;
        }
    }
    if (surface) *surface = f;
    return out;
}
