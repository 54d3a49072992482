// SPDX-License-Identifier: Apache-2.0
// Ray caster for scenes of mesh instances. One source: nvcc makes it the GPU's (one thread a pixel), g++ the CPU's
// (OpenMP over rows). Every ray direction has z = 1 in the camera, so a hit's ray parameter is its planar depth.

#include "passes.h"

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
