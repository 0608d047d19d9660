#include "linalg/cumulate.h"

#include <algorithm>

#include "linalg/program.h"
#include "par/pieces.h"

namespace avenir::linalg {

namespace {

using par::kPiece;

// The sum before each block, of what sum(begin, end) gives for it.
template <typename Sum>
auto sums_before(uint64_t count, const Sum& sum) {
  auto before = par::map_pieces(count, sum);
  par::make_sums_before(before);
  return before;
}

// Where the integers end: at an NA, or where their sum does not fit.
struct End {
  uint64_t at;
  bool overflow;
};

// Of one block, with the sums up to there.
End cumulate_block(const int32_t* x, uint64_t begin, uint64_t end, int64_t sum, int32_t* out) {
  for (uint64_t i = begin; i < end; ++i) {
    if (x[i] == kNaInteger) return {i, false};
    sum += x[i];
    if (sum > INT32_MAX || sum <= kNaInteger) return {i, true};
    out[i] = static_cast<int32_t>(sum);
  }
  return {UINT64_MAX, false};
}

}  // namespace

void cumulate(const double* x, uint64_t count, double* out) {
  const auto before = sums_before(count, [x](size_t begin, size_t end) {
    long double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += x[i];
    return sum;
  });
  par::parallel_for(count, kPiece, [&](size_t begin, size_t end) {
    long double sum = before[begin / kPiece];
    for (size_t i = begin; i < end; ++i) out[i] = static_cast<double>(sum += x[i]);
  });
}

bool cumulate(const int32_t* x, uint64_t count, int32_t* out) {
  const auto before = sums_before(count, [x](size_t begin, size_t end) {
    int64_t sum = 0;
    for (size_t i = begin; i < end; ++i) sum += x[i] == kNaInteger ? 0 : x[i];
    return sum;
  });
  const auto ends = par::map_pieces(
      count, [&](size_t begin, size_t end) { return cumulate_block(x, begin, end, before[begin / kPiece], out); });
  const auto first = std::min_element(ends.begin(), ends.end(), [](End a, End b) { return a.at < b.at; });
  if (first == ends.end() || first->at == UINT64_MAX) return false;
  std::fill(out + first->at, out + count, kNaInteger);
  return first->overflow;
}

}  // namespace avenir::linalg
