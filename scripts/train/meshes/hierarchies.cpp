// SPDX-License-Identifier: Apache-2.0
// Builds bounding volume hierarchies on the CPU, in the layout that rays.h reads.
#include "layout.h"

#include <algorithm>
#include <vector>

struct Box {
    float lo[3], hi[3];
};

static Box hull(const Box* boxes, const int* order, int first, int last) {
    Box out = {{3e38f, 3e38f, 3e38f}, {-3e38f, -3e38f, -3e38f}};
    for (int k = first; k < last; ++k)
        for (int axis = 0; axis < 3; ++axis) {
            out.lo[axis] = fminf(out.lo[axis], boxes[order[k]].lo[axis]);
            out.hi[axis] = fmaxf(out.hi[axis], boxes[order[k]].hi[axis]);
        }
    return out;
}

static float half_area(const Box& b) {
    float x = b.hi[0] - b.lo[0], y = b.hi[1] - b.lo[1], z = b.hi[2] - b.lo[2];
    return x < 0 ? 0 : x * y + y * z + z * x;
}

// Where to cut [first, last) by the surface area heuristic over 12 bins (Wald 2007); sorts `order` around the cut.
static int cut(const Box* boxes, int* order, int first, int last, int level) {
    const int BINS = 12;
    float low[3] = {3e38f, 3e38f, 3e38f}, high[3] = {-3e38f, -3e38f, -3e38f};
    for (int k = first; k < last; ++k)
        for (int axis = 0; axis < 3; ++axis) {
            float c = boxes[order[k]].lo[axis] + boxes[order[k]].hi[axis];
            low[axis] = fminf(low[axis], c);
            high[axis] = fmaxf(high[axis], c);
        }
    int best_axis = -1, best_bin = 0;
    float best = 3e38f;
    for (int axis = 0; axis < 3 && level < 20; ++axis) {
        float extent = high[axis] - low[axis];
        if (extent <= 1e-12f) continue;
        Box bins[BINS];
        int counts[BINS] = {0};
        for (int b = 0; b < BINS; ++b) bins[b] = {{3e38f, 3e38f, 3e38f}, {-3e38f, -3e38f, -3e38f}};
        for (int k = first; k < last; ++k) {
            const Box& box = boxes[order[k]];
            int b = (int)((box.lo[axis] + box.hi[axis] - low[axis]) / extent * BINS);
            b = b < BINS - 1 ? b : BINS - 1;
            counts[b]++;
            for (int j = 0; j < 3; ++j) {
                bins[b].lo[j] = fminf(bins[b].lo[j], box.lo[j]);
                bins[b].hi[j] = fmaxf(bins[b].hi[j], box.hi[j]);
            }
        }
        float right[BINS];
        Box sum = {{3e38f, 3e38f, 3e38f}, {-3e38f, -3e38f, -3e38f}};
        int number = 0;
        for (int b = BINS - 1; b > 0; --b) {
            for (int j = 0; j < 3; ++j) {
                sum.lo[j] = fminf(sum.lo[j], bins[b].lo[j]);
                sum.hi[j] = fmaxf(sum.hi[j], bins[b].hi[j]);
            }
            number += counts[b];
            right[b] = half_area(sum) * number;
        }
        sum = {{3e38f, 3e38f, 3e38f}, {-3e38f, -3e38f, -3e38f}};
        number = 0;
        for (int b = 0; b < BINS - 1; ++b) {
            for (int j = 0; j < 3; ++j) {
                sum.lo[j] = fminf(sum.lo[j], bins[b].lo[j]);
                sum.hi[j] = fmaxf(sum.hi[j], bins[b].hi[j]);
            }
            number += counts[b];
            float cost = half_area(sum) * number + right[b + 1];
            if (number > 0 && number < last - first && cost < best) best = cost, best_axis = axis, best_bin = b;
        }
    }
    if (best_axis >= 0) {
        float extent = high[best_axis] - low[best_axis];
        int* middle = std::partition(order + first, order + last, [&](int k) {
            int b = (int)((boxes[k].lo[best_axis] + boxes[k].hi[best_axis] - low[best_axis]) / extent * BINS);
            return (b < BINS - 1 ? b : BINS - 1) <= best_bin;
        });
        int at = (int)(middle - order);
        if (at > first && at < last) return at;
    }
    int axis = 0;
    for (int j = 1; j < 3; ++j)
        if (high[j] - low[j] > high[axis] - low[axis]) axis = j;
    int at = (first + last) / 2;
    std::nth_element(order + first, order + at, order + last, [&](int p, int q) {
        return boxes[p].lo[axis] + boxes[p].hi[axis] < boxes[q].lo[axis] + boxes[q].hi[axis];
    });
    return at;
}

static float as_float(int i) {
    float f;
    memcpy(&f, &i, 4);
    return f;
}

static void put(F4* node, int side, const Box& b, int code) {
    F4 wide = {b.lo[0], b.hi[0], b.lo[1], b.hi[1]};
    node[side] = wide;
    if (side == 0)
        node[2].x = b.lo[2], node[2].y = b.hi[2], node[3].x = as_float(code);
    else
        node[2].z = b.lo[2], node[2].w = b.hi[2], node[3].y = as_float(code);
}

// Build a hierarchy; returns the number of nodes. Codes of nodes start at `node_base`, of leaves at `leaf_base`.
static int build(const Box* boxes, int count, int leaf, int* order, F4* nodes, int node_base, int leaf_base) {
    for (int k = 0; k < count; ++k) order[k] = k;
    const Box nothing = {{3e38f, 3e38f, 3e38f}, {3e38f, 3e38f, 3e38f}};
    memset(nodes, 0, 4 * sizeof(F4));
    if (count <= leaf) {
        put(nodes, 0, hull(boxes, order, 0, count), ~(leaf_base * 8 + count));
        put(nodes, 1, nothing, ~(leaf_base * 8));
        return 1;
    }
    struct Range {
        int node, first, last, level;
    };
    std::vector<Range> todo(1, Range{0, 0, count, 0});
    int used = 1;
    while (!todo.empty()) {
        Range r = todo.back();
        todo.pop_back();
        int middle = cut(boxes, order, r.first, r.last, r.level);
        for (int side = 0; side < 2; ++side) {
            int first = side == 0 ? r.first : middle, last = side == 0 ? middle : r.last;
            Box b = hull(boxes, order, first, last);
            if (last - first <= leaf) {
                put(nodes + 4 * r.node, side, b, ~((leaf_base + first) * 8 + last - first));
            } else {
                memset(nodes + 4 * used, 0, 4 * sizeof(F4));
                put(nodes + 4 * r.node, side, b, node_base + used);
                todo.push_back(Range{used, first, last, r.level + 1});
                ++used;
            }
        }
    }
    return used;
}

// Hierarchies of all meshes. corners: T x 9 floats; orders: T, local to each mesh; nodes: T x 4 F4; roots: first node of
// each mesh. Nodes and triangles of mesh m begin at first[m].
API void build_meshes(const float* corners, const int* first, int meshes, int* orders, F4* nodes, int* roots) {
#pragma omp parallel for schedule(dynamic, 1)
    for (int m = 0; m < meshes; ++m) {
        int count = first[m + 1] - first[m];
        std::vector<Box> boxes(count);
        for (int k = 0; k < count; ++k) {
            const float* c = corners + (int64_t)(first[m] + k) * 9;
            for (int axis = 0; axis < 3; ++axis) {
                boxes[k].lo[axis] = fminf(c[axis], fminf(c[3 + axis], c[6 + axis])) - 1e-6f;
                boxes[k].hi[axis] = fmaxf(c[axis], fmaxf(c[3 + axis], c[6 + axis])) + 1e-6f;
            }
        }
        roots[m] = first[m];
        build(boxes.data(), count, 3, orders + first[m], nodes + 4 * (int64_t)first[m], first[m], first[m]);
    }
}

// Hierarchies over the instances of each scene, whose rows it sorts. In: rows with world_from_object in columns 0-11.
// Out: rows with object_from_world there, and nodes, as many as rows at most.
API void build_scenes(const float* rows, const int* first, int scenes, const float* mesh_boxes, float* out, F4* nodes) {
#pragma omp parallel for schedule(dynamic, 4)
    for (int scene = 0; scene < scenes; ++scene) {
        int base = first[scene], count = first[scene + 1] - base;
        if (count == 0) continue;
        std::vector<Box> boxes(count);
        std::vector<int> order(count);
        for (int k = 0; k < count; ++k) {
            const float* m = rows + (int64_t)(base + k) * INSTANCE;
            int mesh;
            memcpy(&mesh, m + 12, 4);
            const float* b = mesh_boxes + 6 * mesh;
            for (int axis = 0; axis < 3; ++axis) {
                float middle = m[4 * axis + 3], half = 1e-5f + 0.5f * fabsf(m[21 + axis]);
                for (int j = 0; j < 3; ++j) {
                    middle += m[4 * axis + j] * 0.5f * (b[j] + b[3 + j]);
                    half += fabsf(m[4 * axis + j]) * 0.5f * (b[3 + j] - b[j]);
                }
                boxes[k].lo[axis] = middle - half;
                boxes[k].hi[axis] = middle + half;
            }
        }
        build(boxes.data(), count, 1, order.data(), nodes + 4 * (int64_t)base, 0, 0);
        for (int k = 0; k < count; ++k) {
            const float* m = rows + (int64_t)(base + order[k]) * INSTANCE;
            float* o = out + (int64_t)(base + k) * INSTANCE;
            memcpy(o, m, INSTANCE * sizeof(float));
            double a[3][3], inverse[3][3];
            for (int i = 0; i < 3; ++i)
                for (int j = 0; j < 3; ++j) a[i][j] = m[4 * i + j];
            double det = 0;
            for (int i = 0; i < 3; ++i)
                for (int j = 0; j < 3; ++j) {
                    int p = (i + 1) % 3, q = (i + 2) % 3, r = (j + 1) % 3, t = (j + 2) % 3;
                    inverse[j][i] = a[p][r] * a[q][t] - a[p][t] * a[q][r];
                }
            for (int j = 0; j < 3; ++j) det += a[0][j] * inverse[j][0];
            for (int i = 0; i < 3; ++i) {
                double shift = 0;
                for (int j = 0; j < 3; ++j) {
                    o[4 * i + j] = (float)(inverse[i][j] / det);
                    shift -= inverse[i][j] / det * m[4 * j + 3];
                }
                o[4 * i + 3] = (float)shift;
            }
        }
    }
}
