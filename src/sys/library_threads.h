#pragma once

namespace avenir::sys {

// Tells the BLAS and OpenMP libraries that are loaded to use `threads` threads each. Libraries loaded later
// read the environment variables that the caller sets. Call it before their first use in a process: an OpenMP
// team that has run does not survive a fork.
void limit_library_threads(int threads);

// Ends the threads of GNU's OpenMP that wait for this thread's next loop; that loop starts others. Without it a loop of
// several threads in a child that is forked now would wait for ever for those that are not there.
void end_idle_openmp_threads();

// `share`, or 1 when a library is loaded whose threads do not work in a fork, though end_idle_openmp_threads() came
// before it.
int threads_in_fork(int share);

}  // namespace avenir::sys
