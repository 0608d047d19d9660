#pragma once

namespace avenir::sys {

// Tells the BLAS and OpenMP libraries that are loaded to use `threads` threads each. Libraries loaded later
// read the environment variables that the caller sets. Call it before their first use in a process: an OpenMP
// team that has run does not survive a fork.
void limit_library_threads(int threads);

}  // namespace avenir::sys
