#pragma once

#include "compute/api.h"

namespace avenir::compute {

// The second shared object, loaded at the first call; it lies in a folder beside this one (src/install.libs.R). Throws
// kUnsupported, with the system's reason, when it cannot be loaded; the next call tries again.
//
// R thread only.
const Api& library();

// Whose mathematics it is to have; before it is loaded.
void follow(linalg::Rules rules);

// TRUE when it has been loaded.
bool is_loaded();

}  // namespace avenir::compute
