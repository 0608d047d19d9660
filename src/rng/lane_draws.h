// Draws of several lanes. Included once for each width (lanes_*.cpp), between the pragmas that choose the instructions:
// everything has internal linkage, or the linker would keep one width's code for all.

#ifndef AVENIR_WIDTH
#error "lane_draws.h is for lanes_*.cpp"
#endif

namespace avenir::rng::AVENIR_WIDTH {
namespace {

using Vector = double __attribute__((vector_size(AVENIR_VECTOR_BYTES)));
using Mask = std::int64_t __attribute__((vector_size(AVENIR_VECTOR_BYTES)));

constexpr std::size_t kWidth = sizeof(Vector) / sizeof(double);

Vector load(const double* from) {
  Vector v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

void store(double* to, Vector v) { std::memcpy(to, &v, sizeof(v)); }

Vector all(double x) { return Vector{} + x; }

// x where the mask has ones, else 0.
Vector where(Mask mask, Vector x) { return reinterpret_cast<Vector>(mask & reinterpret_cast<Mask>(x)); }

// Congruent to p, at most a little more than half of the modulus in size. Exact, whether fused or not: all are whole
// numbers below 2^53. 1.5 * 2^52 added and taken away leaves the nearest whole number.
Vector reduced(Vector p, double modulus) {
  constexpr double kRound = 6755399441055744.0;
  const Vector quotient = (p * (1 / modulus) + kRound) - kRound;
  return p - quotient * modulus;
}

Vector canonical(Vector residue, double modulus) { return residue + where(residue < 0, all(modulus)); }

// kWidth lanes.
struct Group {
  Vector x0, x1, x2, y0, y1, y2;

  Group(const Lanes& lanes, std::size_t lane)
      : x0(load(lanes.first[0] + lane)),
        x1(load(lanes.first[1] + lane)),
        x2(load(lanes.first[2] + lane)),
        y0(load(lanes.second[0] + lane)),
        y1(load(lanes.second[1] + lane)),
        y2(load(lanes.second[2] + lane)) {}

  void save(Lanes& lanes, std::size_t lane) const {
    store(lanes.first[0] + lane, x0);
    store(lanes.first[1] + lane, x1);
    store(lanes.first[2] + lane, x2);
    store(lanes.second[0] + lane, y0);
    store(lanes.second[1] + lane, y1);
    store(lanes.second[2] + lane, y2);
  }

  Vector next() {
    const Vector x = reduced(x1 * double{kA12} - x0 * double{kA13}, kModulus1);
    const Vector y = reduced(y2 * double{kA21} - y0 * double{kA23}, kModulus2);
    x0 = x1, x1 = x2, x2 = x;
    y0 = y1, y1 = y2, y2 = y;
    const Vector difference = canonical(x, kModulus1) - canonical(y, kModulus2);
    return (difference + where(difference <= 0, all(kModulus1))) * kScale;
  }
};

// Two groups at a time: each waits for its own results most of the time.
void draw(Lanes& lanes, double* tile, std::size_t rows) {
  for (std::size_t lane = 0; lane < kLanes; lane += 2 * kWidth) {
    Group a(lanes, lane), b(lanes, lane + kWidth);
    for (double* row = tile + lane; row < tile + rows * kLanes; row += kLanes) {
      store(row, a.next());
      store(row + kWidth, b.next());
    }
    a.save(lanes, lane);
    b.save(lanes, lane + kWidth);
  }
}

}  // namespace
}  // namespace avenir::rng::AVENIR_WIDTH
