// SPDX-License-Identifier: Apache-2.0
// What a ray hits. Two levels of bounding volume hierarchies: one per scene over instances, one per mesh over triangles.
// A node is four float4, both children's boxes and codes (Aila and Laine 2009): a code >= 0 is a node, ~code is
// first * 8 + count.

#pragma once

#include "textures.h"

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

HD float box_entry(float lx, float hx, float ly, float hy, float lz, float hz, V3 o, V3 inv, float t0, float t1) {
    float ax = (lx - o.x) * inv.x, bx = (hx - o.x) * inv.x;
    float ay = (ly - o.y) * inv.y, by = (hy - o.y) * inv.y;
    float az = (lz - o.z) * inv.z, bz = (hz - o.z) * inv.z;
    float near = fmaxf(fmaxf(fminf(ax, bx), fminf(ay, by)), fmaxf(fminf(az, bz), t0));
    float far = fminf(fminf(fmaxf(ax, bx), fmaxf(ay, by)), fminf(fmaxf(az, bz), t1));
    return near <= far ? near : 3e38f;
}

// Walks a hierarchy, the nearer child first, and visits what is in its leaves until a visit ends the walk.
template <int DEEPEST, class Leaf>
HD void walk(const F4* nodes, int node, V3 o, V3 d, float t0, const Hit& hit, Leaf& leaf) {
    int stack[DEEPEST];
    int top = 0;
    V3 inv = v3(safe_inverse(d.x), safe_inverse(d.y), safe_inverse(d.z));
    while (true) {
        const F4* n = nodes + 4 * (int64_t)node;
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
            for (int k = first; k < last; ++k)
                if (visit(leaf, k)) return;
        }
        if (next >= 0)
            node = next;
        else if (top > 0)
            node = stack[--top];
        else
            return;
    }
}

// The triangles of a mesh, met by a ray in the mesh's axes.
struct Triangles {
    const Library& lib;
    V3 o, d;
    float t0;
    bool any, found;
    Hit& hit;
};

HD bool visit(Triangles& mesh, int k) {
    const F4* q = mesh.lib.triangles + 3 * (int64_t)k;
    F4 p = q[0], e = q[1], f = q[2];
    V3 e1 = v3(e.x, e.y, e.z), e2 = v3(f.x, f.y, f.z);
    V3 across = cross(mesh.d, e2);
    float det = dot(e1, across);
    if (fabsf(det) < 1e-14f) return false;
    float id = 1.0f / det;
    V3 s = mesh.o - v3(p.x, p.y, p.z);
    float u = dot(s, across) * id;
    if (u < -1e-6f || u > 1.000001f) return false;
    V3 r = cross(s, e1);
    float v = dot(mesh.d, r) * id;
    if (v < -1e-6f || u + v > 1.000001f) return false;
    float t = dot(e2, r) * id;
    if (t <= mesh.t0 || t >= mesh.hit.t) return false;
    int material = bits(p.w);
    if (mesh.lib.materials[material * MATERIAL + 5] > 0 && cut_out(mesh.lib, material, k, u, v)) return false;
    mesh.hit.t = t;
    mesh.hit.u = u;
    mesh.hit.v = v;
    mesh.hit.triangle = k;
    mesh.found = true;
    return mesh.any;
}

// The instances of a scene. time: of the exposure, -0.5 to 0.5.
struct Instances {
    const Library& lib;
    const Scenes& s;
    int base;
    V3 o, d;
    float t0;
    bool any;
    float time;
    Hit& hit;
};

HD bool visit(Instances& scene, int k) {
    const float* row = scene.s.instances + (int64_t)(scene.base + k) * INSTANCE;
    if (scene.any && (bits(row[13]) & 2)) return false;
    V3 from = scene.o - get(row + 21) * scene.time;
    V3 o = point_into(row, from), d = vector_into(row, scene.d);
    Triangles mesh = {scene.lib, o, d, scene.t0, scene.any, false, scene.hit};
    walk<40>(scene.lib.nodes, scene.lib.mesh_roots[bits(row[12])], o, d, scene.t0, scene.hit, mesh);
    if (!mesh.found) return false;
    scene.hit.instance = scene.base + k;
    return scene.any;
}

// First hit of a ray with t in (t0, t1), or any. time: of the exposure, -0.5 to 0.5.
HD Hit trace(const Library& lib, const Scenes& s, int scene, V3 o, V3 d, float t0, float t1, bool any, float time) {
    Hit hit = {t1, 0, 0, -1, -1};
    int base = s.first[scene];
    if (s.first[scene + 1] == base) return hit;
    Instances instances = {lib, s, base, o, d, t0, any, time, hit};
    walk<32>(s.nodes + 4 * (int64_t)base, 0, o, d, t0, hit, instances);
    return hit;
}
