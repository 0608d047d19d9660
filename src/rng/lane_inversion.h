// Normal numbers from the uniform ones of several lanes. Included after lane_draws.h, for its width; instructions that
// fuse a multiplication with an addition must not be among those that the compiler may use.

#include "rng/polynomial.h"

namespace avenir::rng::AVENIR_WIDTH {
namespace {

constexpr std::size_t kMost = kInversionRows * kLanes;

// R's probability from two uniform numbers. A number below 2^52 with 2^52 added and taken away is rounded to a whole
// one, from which truncation differs by 1 where it lies above.
Vector probability(Vector u, Vector v) {
  constexpr double kRound = 4503599627370496.0;
  const Vector scaled = u * kBig;
  const Vector rounded = (scaled + kRound) - kRound;
  const Vector whole = rounded - where(rounded > scaled, all(1));
  return (whole + v) / kBig;
}

// What holds for the centre; in the tails something else.
Vector central(Vector p) {
  const Vector q = p - 0.5;
  const Vector r = kCentreSquared - q * q;
  return q * polynomial(kCentral.above, r) / polynomial(kCentral.below, r);
}

// The places of those in the tails.
std::size_t find_tails(const double* p, std::size_t count, std::int32_t* places) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    places[found] = static_cast<std::int32_t>(i);
    found += __builtin_fabs(p[i] - 0.5) > kCentre;
  }
  return found;
}

void near_tails(const double* roots, std::size_t count, double* distances) {
  for (std::size_t i = 0; i < count; i += kWidth) {
    const Vector r = load(roots + i) - kTailShift;
    store(distances + i, polynomial(kTail.above, r) / polynomial(kTail.below, r));
  }
}

// `roots` and `distances` have room up to a whole number of vectors.
void invert_tails(const double* p, const std::int32_t* places, std::size_t count, double* out) {
  double roots[kMost + kWidth] = {}, distances[kMost + kWidth];
  for (std::size_t i = 0; i < count; ++i) roots[i] = tail_root(p[places[i]]);
  near_tails(roots, count, distances);
  for (std::size_t i = 0; i < count; ++i) {
    const double distance = roots[i] <= kFar ? distances[i] : far_tail_distance(roots[i]);
    out[places[i]] = p[places[i]] < 0.5 ? -distance : distance;
  }
}

void invert(double* tile, std::size_t rows) {
  double p[kMost];
  std::int32_t places[kMost + 1];
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t lane = 0; lane < kLanes; lane += kWidth) {
      const double* const pair = tile + 2 * row * kLanes + lane;
      store(p + row * kLanes + lane, probability(load(pair), load(pair + kLanes)));
    }
  }
  for (std::size_t i = 0; i < rows * kLanes; i += kWidth) store(tile + i, central(load(p + i)));
  invert_tails(p, places, find_tails(p, rows * kLanes, places), tile);
}

}  // namespace
}  // namespace avenir::rng::AVENIR_WIDTH
