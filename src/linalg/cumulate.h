#pragma once

#include <cstdint>

// Cumulative sums on par::threads() threads, in blocks of a fixed length: the number of threads changes nothing.
namespace avenir::linalg {

// In long double, as R has them; each block begins with the sum of those before it.
void cumulate(const double* x, uint64_t count, double* out);

// From the first NA on, or from where a sum is no integer any more, all are NA. TRUE when it was for the latter.
bool cumulate(const int32_t* x, uint64_t count, int32_t* out);

}  // namespace avenir::linalg
