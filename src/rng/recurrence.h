#pragma once

#include <array>
#include <cstdint>

namespace avenir::rng {

// The recurrences: x[n] = a12 * x[n-2] - a13 * x[n-3] and y[n] = a21 * y[n-1] - a23 * y[n-3].
inline constexpr std::uint32_t kA12 = 1403580U;
inline constexpr std::uint32_t kA13 = 810728U;
inline constexpr std::uint32_t kA21 = 527612U;
inline constexpr std::uint32_t kA23 = 1370589U;

// 1 / (kModulus1 + 1), to the digits that R writes.
inline constexpr double kScale = 2.328306549295727688e-10;

// A number of draws as a matrix for each half of the state.
using Row = std::array<std::uint32_t, 3>;
using Matrix = std::array<Row, 3>;
struct Step {
  Matrix first;
  Matrix second;
};

// 2^shift streams, substreams and draws.
const Step& stream_step(unsigned shift);
const Step& substream_step(unsigned shift);
const Step& draw_step(unsigned shift);

}  // namespace avenir::rng
