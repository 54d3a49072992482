// SPDX-License-Identifier: Apache-2.0
// What the ray caster and hierarchies.cpp share.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#define API extern "C" __attribute__((visibility("default")))

// Row lengths, as in caster.py.
#define INSTANCE 32
#define VIEW 64
#define MATERIAL 8
#define GROUND 16  // floats a pixel between the two passes

struct F4 {
    float x, y, z, w;
};
