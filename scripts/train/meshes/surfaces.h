// SPDX-License-Identifier: Apache-2.0
// The surface that a ray has hit: its point, normal, colour and gloss.

#pragma once

#include "rays.h"

struct Surface {
    V3 point, normal, flat;  // flat: the triangle's own normal, towards the viewer
    V3 albedo, glow;
    float mirror, shine;
};

HD V3 unpacked(float packed) {
    int b = bits(packed);
    return v3((float)(int8_t)(b & 255), (float)(int8_t)((b >> 8) & 255), (float)(int8_t)((b >> 16) & 255));
}

HD Surface surface_at(const Library& lib, const Scenes& s, const Hit& hit, V3 o, V3 d, float pixel, float time) {
    const float* row = s.instances + (int64_t)hit.instance * INSTANCE;
    const F4* q = lib.triangles + 3 * (int64_t)hit.triangle;
    const float* a = lib.attributes + (int64_t)hit.triangle * 9;
    float w = 1 - hit.u - hit.v;
    V3 e1 = v3(q[1].x, q[1].y, q[1].z), e2 = v3(q[2].x, q[2].y, q[2].z);
    V3 flat = cross(e1, e2), smooth = unpacked(a[0]) * w + unpacked(a[1]) * hit.u + unpacked(a[2]) * hit.v;
    V3 local = v3(q[0].x, q[0].y, q[0].z) + e1 * hit.u + e2 * hit.v;
    Surface out;
    out.point = o + d * hit.t;
    out.flat = unit(v3(row[0] * flat.x + row[4] * flat.y + row[8] * flat.z,
                       row[1] * flat.x + row[5] * flat.y + row[9] * flat.z,
                       row[2] * flat.x + row[6] * flat.y + row[10] * flat.z));
    out.normal = unit(v3(row[0] * smooth.x + row[4] * smooth.y + row[8] * smooth.z,
                         row[1] * smooth.x + row[5] * smooth.y + row[9] * smooth.z,
                         row[2] * smooth.x + row[6] * smooth.y + row[10] * smooth.z));
    if (dot(out.flat, d) > 0) out.flat = out.flat * -1.0f;
    if (dot(out.normal, out.flat) < 0) out.normal = out.normal * -1.0f;
    int flags = bits(row[13]);
    int material = bits(q[0].w);
    const float* m = lib.materials + material * MATERIAL;
    float length = sqrtf(dot(d, d));
    float cosine = fmaxf(-dot(out.flat, d) / length, 0.15f);
    float footprint = hit.t * length * pixel / sqrtf(cosine);
    V3 tint = get(row + 14);
    out.shine = m[3];
    if (flags & 1) {
        // The texture goes through the mesh along its dominant axis, in metres.
        V3 p = local * get(row + 24) * row[18];
        V3 n = v3(fabsf(flat.x * row[25] * row[26]), fabsf(flat.y * row[24] * row[26]), fabsf(flat.z * row[24] * row[25]));
        float u, v;
        if (n.y > n.x && n.y > n.z)
            u = p.x, v = p.z;
        else if (n.x > n.z)
            u = p.z, v = -p.y;
        else
            u = p.x, v = -p.y;
        if (flags & 32) {
            float t = u;
            u = v;
            v = t;
        }
        V3 c = sample_texture(lib, bits(row[17]), u + row[27], v + row[27] * 1.7f, footprint * row[18]);
        out.albedo = tint * (c * row[28] + v3(1, 1, 1) * (1 - row[28]));
        out.shine = row[20];
    } else {
        V3 colour = get(m);
        int texture = (int)m[4];
        if (texture >= 0) {
            float tu = a[3] * w + a[5] * hit.u + a[7] * hit.v, tv = a[4] * w + a[6] * hit.u + a[8] * hit.v;
            float uv_area = fabsf((a[5] - a[3]) * (a[8] - a[4]) - (a[7] - a[3]) * (a[6] - a[4]));
            float area = sqrtf(dot(flat, flat)) * row[24] * row[25];
            colour = sample_texture(lib, texture, tu, tv, footprint * sqrtf(uv_area / (area + 1e-12f)));
        }
        out.albedo = tint * colour;
        out.shine = fmaxf(out.shine * 0.5f, row[20]);
    }
    out.albedo = v3(clamp01(out.albedo.x), clamp01(out.albedo.y), clamp01(out.albedo.z));
    out.mirror = row[19];
    out.glow = out.albedo * row[29];
    if (out.mirror < 0) {
        // A true mirror has no colour of its own.
        out.albedo = out.albedo * 0.05f;
    }
    return out;
}
