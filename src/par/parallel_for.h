#pragma once

#include <cstddef>
#include <functional>

namespace avenir::par {

// How many threads the functions below use at most; at least 1. Set by the R thread only.
unsigned threads();
void set_threads(unsigned count);

// Calls body(begin, end) for pieces that together make [0, count), each of `piece` (the last: what is left), on up to
// threads() threads, this one among them. Which thread gets which piece is open: bodies write to places of their own.
// What a body throws comes out here, once all have ended.
//
// In a process that was forked off one which had run something here, everything runs on the calling thread: the other
// threads are not there. A process whose ancestors had not has threads of its own.
void parallel_for(size_t count, size_t piece, const std::function<void(size_t, size_t)>& body);

// TRUE when parallel_for() has more than this thread here.
bool has_threads();

}  // namespace avenir::par
