// SPDX-License-Identifier: Apache-2.0
// Ray caster for scenes of mesh instances. One source: nvcc makes it the GPU's (one thread a pixel), g++ the CPU's
// (OpenMP over rows). Every ray direction has z = 1 in the camera, so a hit's ray parameter is its planar depth.
//
// Two levels of bounding volume hierarchies: one per scene over instances, one per mesh over triangles. A node is four
// float4, both children's boxes and codes (Aila and Laine 2009): a code >= 0 is a node, ~code is first * 8 + count.

#include "layout.h"

#ifdef __CUDACC__
#define HD __device__ __forceinline__
#define GPU 1
#else
#define HD static inline
#define GPU 0
#endif

struct V3 {
    float x, y, z;
};

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

struct Scenes {
    const F4* nodes;
    const float* instances;
    const int* first;    // first instance and node of each scene
    const float* views;  // of scenes x frames
    int frames;
};

struct Hit {
    float t, u, v;
    int instance, triangle;
};

HD V3 v3(float x, float y, float z) {
    V3 r = {x, y, z};
    return r;
}
HD V3 operator+(V3 a, V3 b) { return v3(a.x + b.x, a.y + b.y, a.z + b.z); }
HD V3 operator-(V3 a, V3 b) { return v3(a.x - b.x, a.y - b.y, a.z - b.z); }
HD V3 operator*(V3 a, V3 b) { return v3(a.x * b.x, a.y * b.y, a.z * b.z); }
HD V3 operator*(V3 a, float s) { return v3(a.x * s, a.y * s, a.z * s); }
HD float dot(V3 a, V3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
HD V3 cross(V3 a, V3 b) { return v3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x); }
HD V3 unit(V3 a) { return a * (1.0f / sqrtf(dot(a, a) + 1e-20f)); }
HD V3 get(const float* p) { return v3(p[0], p[1], p[2]); }
HD int bits(float f) {
#if GPU
    return __float_as_int(f);
#else
    int i;
    memcpy(&i, &f, 4);
    return i;
#endif
}
HD V3 point_into(const float* m, V3 p) {
    return v3(m[0] * p.x + m[1] * p.y + m[2] * p.z + m[3], m[4] * p.x + m[5] * p.y + m[6] * p.z + m[7],
              m[8] * p.x + m[9] * p.y + m[10] * p.z + m[11]);
}
HD V3 vector_into(const float* m, V3 p) {
    return v3(m[0] * p.x + m[1] * p.y + m[2] * p.z, m[4] * p.x + m[5] * p.y + m[6] * p.z,
              m[8] * p.x + m[9] * p.y + m[10] * p.z);
}
HD float clamp01(float x) { return fminf(fmaxf(x, 0.0f), 1.0f); }
HD float safe_inverse(float d) { return 1.0f / (fabsf(d) > 1e-9f ? d : copysignf(1e-9f, d)); }

// A hash of integers to [0, 1) (Jarzynski and Olano 2020, pcg).
HD float noise(uint32_t a, uint32_t b) {
    uint32_t s = (a * 747796405u + 2891336453u) ^ (b * 277803737u);
    s = s * 747796405u + 2891336453u;
    s = ((s >> ((s >> 28) + 4)) ^ s) * 277803737u;
    s = (s >> 22) ^ s;
    return (s >> 8) * (1.0f / 16777216.0f);
}

HD float box_entry(float lx, float hx, float ly, float hy, float lz, float hz, V3 o, V3 inv, float t0, float t1) {
    float ax = (lx - o.x) * inv.x, bx = (hx - o.x) * inv.x;
    float ay = (ly - o.y) * inv.y, by = (hy - o.y) * inv.y;
    float az = (lz - o.z) * inv.z, bz = (hz - o.z) * inv.z;
    float near = fmaxf(fmaxf(fminf(ax, bx), fminf(ay, by)), fmaxf(fminf(az, bz), t0));
    float far = fminf(fminf(fmaxf(ax, bx), fmaxf(ay, by)), fminf(fmaxf(az, bz), t1));
    return near <= far ? near : 3e38f;
}

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

// Nearest hit of one mesh with t in (t0, hit.t), in the mesh's axes.
HD bool hit_mesh(const Library& lib, int root, V3 o, V3 d, float t0, bool any, Hit& hit) {
    int stack[40];
    int top = 0, node = root;
    V3 inv = v3(safe_inverse(d.x), safe_inverse(d.y), safe_inverse(d.z));
    bool found = false;
    while (true) {
        const F4* n = lib.nodes + 4 * (int64_t)node;
        F4 a = n[0], b = n[1], c = n[2], codes = n[3];
        float near0 = box_entry(a.x, a.y, a.z, a.w, c.x, c.y, o, inv, t0, hit.t);
        float near1 = box_entry(b.x, b.y, b.z, b.w, c.z, c.w, o, inv, t0, hit.t);
        int code0 = bits(codes.x), code1 = bits(codes.y);
        if (near1 < near0) {
            float t = near0;
            near0 = near1;
            near1 = t;
            int s = code0;
            code0 = code1;
            code1 = s;
        }
        int next = -1;
        for (int side = 0; side < 2; ++side) {
            float near = side == 0 ? near0 : near1;
            int code = side == 0 ? code0 : code1;
            if (near >= hit.t) continue;
            if (code >= 0) {
                if (next < 0)
                    next = code;
                else
                    stack[top++] = code;
                continue;
            }
            int first = ~code >> 3, last = first + (~code & 7);
            for (int k = first; k < last; ++k) {
                const F4* q = lib.triangles + 3 * (int64_t)k;
                F4 p = q[0], e = q[1], f = q[2];
                V3 e1 = v3(e.x, e.y, e.z), e2 = v3(f.x, f.y, f.z);
                V3 across = cross(d, e2);
                float det = dot(e1, across);
                if (fabsf(det) < 1e-14f) continue;
                float id = 1.0f / det;
                V3 s = o - v3(p.x, p.y, p.z);
                float u = dot(s, across) * id;
                if (u < -1e-6f || u > 1.000001f) continue;
                V3 r = cross(s, e1);
                float v = dot(d, r) * id;
                if (v < -1e-6f || u + v > 1.000001f) continue;
                float t = dot(e2, r) * id;
                if (t <= t0 || t >= hit.t) continue;
                int material = bits(p.w);
                if (lib.materials[material * MATERIAL + 5] > 0 && cut_out(lib, material, k, u, v)) continue;
                hit.t = t;
                hit.u = u;
                hit.v = v;
                hit.triangle = k;
                found = true;
                if (any) return true;
            }
        }
        if (next >= 0)
            node = next;
        else if (top > 0)
            node = stack[--top];
        else
            return found;
    }
}

// First hit of a ray with t in (t0, t1). time: of the exposure, -0.5 to 0.5.
HD Hit trace(const Library& lib, const Scenes& s, int scene, V3 o, V3 d, float t0, float t1, bool any, float time) {
    Hit hit = {t1, 0, 0, -1, -1};
    int base = s.first[scene];
    if (s.first[scene + 1] == base) return hit;
    int stack[32];
    int top = 0, node = 0;
    V3 inv = v3(safe_inverse(d.x), safe_inverse(d.y), safe_inverse(d.z));
    while (true) {
        const F4* n = s.nodes + 4 * (int64_t)(base + node);
        F4 a = n[0], b = n[1], c = n[2], codes = n[3];
        float near0 = box_entry(a.x, a.y, a.z, a.w, c.x, c.y, o, inv, t0, hit.t);
        float near1 = box_entry(b.x, b.y, b.z, b.w, c.z, c.w, o, inv, t0, hit.t);
        int code0 = bits(codes.x), code1 = bits(codes.y);
        if (near1 < near0) {
            float t = near0;
            near0 = near1;
            near1 = t;
            int swap = code0;
            code0 = code1;
            code1 = swap;
        }
        int next = -1;
        for (int side = 0; side < 2; ++side) {
            float near = side == 0 ? near0 : near1;
            int code = side == 0 ? code0 : code1;
            if (near >= hit.t) continue;
            if (code >= 0) {
                if (next < 0)
                    next = code;
                else
                    stack[top++] = code;
                continue;
            }
            int first = ~code >> 3, last = first + (~code & 7);
            for (int k = first; k < last; ++k) {
                const float* row = s.instances + (int64_t)(base + k) * INSTANCE;
                if (any && (bits(row[13]) & 2)) continue;
                V3 from = o - get(row + 21) * time;
                if (hit_mesh(lib, lib.mesh_roots[bits(row[12])], point_into(row, from), vector_into(row, d), t0, any,
                             hit)) {
                    hit.instance = base + k;
                    if (any) return hit;
                }
            }
        }
        if (next >= 0)
            node = next;
        else if (top > 0)
            node = stack[--top];
        else
            return hit;
    }
}

// Rows of `views`: 0 fx fy cx cy, 4 world_from_camera 3 x 4, 16 camera's shift and 19 turn during the exposure,
// 22 lamp position or direction, 25 light, 28 lamp's radius (in radians for a sun), 29 whether a lamp,
// 30 constant ambient light, 33 sky's ambient gain, 34 sky, 35 sky's yaw, 36 sky's gain, 39 reach of occlusion,
// 40 fog's density a metre, 41 fog's colour, 44 samples a pixel (0: more at edges only), 45 a random number.

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

#if GPU

__global__ void __launch_bounds__(128) first_kernel(Library lib, Scenes s, int height, int width, float* depth, float* ground, int* ids) {
    int x = blockIdx.x * 8 + (threadIdx.x & 7), y = blockIdx.y * 16 + (threadIdx.x >> 3);
    if (x < width && y < height) first_pixel(lib, s, blockIdx.z, x, y, height, width, depth, ground, ids);
}

__global__ void __launch_bounds__(128) second_kernel(Library lib, Scenes s, int height, int width, const float* depth,
                              const float* ground, const int* ids, float* rgb) {
    int x = blockIdx.x * 8 + (threadIdx.x & 7), y = blockIdx.y * 16 + (threadIdx.x >> 3);
    if (x < width && y < height) second_pixel(lib, s, blockIdx.z, x, y, height, width, depth, ground, ids, rgb);
}

// Returns a CUDA error code. All pointers are the device's.
API int render(const Library* lib, const Scenes* scenes, int views, int height, int width, float* depth, float* ground,
               int* ids, float* rgb, void* stream) {
    dim3 grid((width + 7) / 8, (height + 15) / 16, views);
    cudaStream_t queue = (cudaStream_t)stream;
    first_kernel<<<grid, 128, 0, queue>>>(*lib, *scenes, height, width, depth, ground, ids);
    second_kernel<<<grid, 128, 0, queue>>>(*lib, *scenes, height, width, depth, ground, ids, rgb);
    return (int)cudaGetLastError();
}

API const char* error_text(int code) { return cudaGetErrorString((cudaError_t)code); }

#else

API int render(const Library* lib, const Scenes* scenes, int views, int height, int width, float* depth, float* ground,
               int* ids, float* rgb, void*) {
    int rows = views * height;
#pragma omp parallel for schedule(dynamic, 4)
    for (int row = 0; row < rows; ++row)
        for (int x = 0; x < width; ++x)
            first_pixel(*lib, *scenes, row / height, x, row % height, height, width, depth, ground, ids);
#pragma omp parallel for schedule(dynamic, 4)
    for (int row = 0; row < rows; ++row)
        for (int x = 0; x < width; ++x)
            second_pixel(*lib, *scenes, row / height, x, row % height, height, width, depth, ground, ids, rgb);
    return 0;
}

// Depth of single rays: for choosing cameras. rays: n x 7, scene, origin, direction.
API void probe(const Library* lib, const Scenes* scenes, const float* rays, int count, float* t, int* hit_instances) {
    for (int k = 0; k < count; ++k) {
        const float* r = rays + 7 * k;
        Hit hit = trace(*lib, *scenes, (int)r[0], get(r + 1), get(r + 4), 1e-3f, 1e4f, false, 0);
        t[k] = hit.triangle < 0 ? 0 : hit.t;
        hit_instances[k] = hit.triangle < 0 ? -1 : hit.instance;
    }
}

#endif
