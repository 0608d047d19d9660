#include <cstdint>

#include "linalg/tile.h"

#ifdef __x86_64__

#include <immintrin.h>

// Not a compiler's flag: the package is built for any processor, and asks at run time.
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define AVENIR_WIDTH avx2
#define AVENIR_VECTOR_BYTES 32
#include "linalg/tile_kernels.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

#endif

namespace avenir::linalg {

#ifdef __x86_64__
const TileKernels& avx2_kernels() { return avx2::kernels(); }
#else
const TileKernels& avx2_kernels() { return narrow_kernels(); }
#endif

}  // namespace avenir::linalg
