#include <cstdint>

#include "linalg/tile.h"

#define AVENIR_WIDTH narrow
#define AVENIR_VECTOR_BYTES 16
#include "linalg/tile_kernels.h"

namespace avenir::linalg {

const TileKernels& narrow_kernels() { return narrow::kernels(); }

}  // namespace avenir::linalg
