// SPDX-License-Identifier: Apache-2.0
// Vectors, and what makes a function run on a GPU or on a CPU.

#pragma once

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
