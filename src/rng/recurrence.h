#pragma once

#include <cstdint>

namespace avenir::rng {

// The recurrences: x[n] = a12 * x[n-2] - a13 * x[n-3] and y[n] = a21 * y[n-1] - a23 * y[n-3].
inline constexpr std::uint32_t kA12 = 1403580U;
inline constexpr std::uint32_t kA13 = 810728U;
inline constexpr std::uint32_t kA21 = 527612U;
inline constexpr std::uint32_t kA23 = 1370589U;

// 1 / (kModulus1 + 1), to the digits that R writes.
inline constexpr double kScale = 2.328306549295727688e-10;

}  // namespace avenir::rng
