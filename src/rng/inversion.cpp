#include "rng/inversion.h"

#include <cmath>
#include <limits>

#include "rng/exact_rounding.h"
#include "rng/polynomial.h"

namespace avenir::rng {

namespace {

double quotient(const Rational& rational, double r) {
  return polynomial(rational.above, r) / polynomial(rational.below, r);
}

}  // namespace

// 0.5 - p + 0.5 is R's 1 - p.
double tail_root(double p) { return std::sqrt(-std::log(p < 0.5 ? p : 0.5 - p + 0.5)); }

double far_tail_distance(double root) {
  if (std::isinf(root)) return root;  // of p = 1, which two numbers very near to 1 round to
  return quotient(kFarTail, root - kFar);
}

double normal_quantile(double p) {
  const double q = p - 0.5;
  if (std::fabs(q) <= kCentre) {
    const double r = kCentreSquared - q * q;
    return q * polynomial(kCentral.above, r) / polynomial(kCentral.below, r);
  }
  const double root = tail_root(p);
  const double distance = root <= kFar ? quotient(kTail, root - kTailShift) : far_tail_distance(root);
  return q < 0 ? -distance : distance;
}

double normal_number(double u, double v) { return normal_quantile((static_cast<int>(kBig * u) + v) / kBig); }

}  // namespace avenir::rng
