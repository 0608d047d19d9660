#pragma once

// What the generated kernels call, as the text that NVRTC compiles: a function for each Op of linalg/program.h under
// its name, so that AVENIR_TILE_OPS and AVENIR_MATH_OPS are the table of both; and the accumulation of the reductions.
//
// `Real` is double, or float where the program is single; kNanProduced and so on are linalg's Events, kNa and kNaBits
// its missing values (kernel_source.cpp writes these). The same text is compiled for the host by the tests: no header,
// no intrinsic of a warp, and nothing else that only a GPU has but __shared__, __syncthreads() and atomics.
//
// Multiplications and additions are not fused (--fmad=false): arithmetic gives R's bits.
namespace avenir::device {

inline constexpr const char* kElementFunctions = R"CUDA(
#define FUNCTION __device__ __forceinline__
typedef unsigned long long Count;

FUNCTION double bits_as_double(unsigned long long bits) { return __longlong_as_double((long long)bits); }
FUNCTION unsigned low_bits(double x) { return (unsigned)__double_as_longlong(x); }
FUNCTION bool is_na(double x) { return x != x && low_bits(x) == (unsigned)kNaBits; }
FUNCTION bool is_na(float x) { return false; }
FUNCTION bool is_finite(Real x) { return x - x == Real(0); }

// Which NaN comes out of an operation is R's to say, not the processor's: the first operand that is one.
FUNCTION double keep(double z, double x) { return x != x ? x : z; }
FUNCTION float keep(float z, float x) { return z; }
FUNCTION double keep(double z, double x, double y) { return z == z ? z : x != x ? x : y != y ? y : z; }
FUNCTION float keep(float z, float x, float y) { return z; }

// ---- Arithmetic ----

FUNCTION Real AddD(Real x, Real y, unsigned&) { return keep(x + y, x, y); }
FUNCTION Real SubD(Real x, Real y, unsigned&) { return keep(x - y, x, y); }
FUNCTION Real MulD(Real x, Real y, unsigned&) { return keep(x * y, x, y); }
FUNCTION Real DivD(Real x, Real y, unsigned&) { return keep(x / y, x, y); }
FUNCTION Real NegD(Real x, unsigned&) { return -x; }
FUNCTION Real AbsD(Real x, unsigned&) { return fabs(x); }

FUNCTION Real ModD(Real x, Real by, unsigned& events) {
  if (by == Real(0)) return Real(kNaN);
  if (x != x) return x;
  if (by != by) return by;
  const Real quotient = x / by;
  if (!is_finite(quotient)) return Real(kNaN);
  if (fabs(quotient) > Real(kExact)) events |= kPrecisionLost;
  const Real rest = fmod(x, by);
  if (rest == Real(0) || (rest < Real(0)) == (by < Real(0))) return rest;
  const bool lost = fabs(by) <= Real(kExact) && fabs(rest) < fabs(by) * Real(5.4e-20);  // in R's long doubles
  return lost ? Real(0) : rest + by;
}
FUNCTION Real IdivD(Real x, Real by, unsigned&) {
  const Real quotient = keep(x / by, x, by);
  if (by == Real(0) || !is_finite(quotient) || fabs(quotient) > Real(kExact)) return quotient;
  if (fabs(quotient) < Real(1))
    return quotient < Real(0) || (x < Real(0) && by > Real(0)) || (x > Real(0) && by < Real(0)) ? Real(-1) : Real(0);
  const Real whole = floor(quotient);
  return whole + floor(fma(-whole, by, x) / by);
}
FUNCTION Real SqrtD(Real x, unsigned& events) {
  if (x < Real(0)) events |= kNanProduced;
  return keep(sqrt(x), x);
}
FUNCTION Real FloorD(Real x, unsigned&) { return keep(floor(x), x); }
FUNCTION Real CeilingD(Real x, unsigned&) { return keep(ceil(x), x); }
FUNCTION Real TruncD(Real x, unsigned&) { return keep(trunc(x), x); }
FUNCTION Real RoundD(Real x, unsigned&) { return keep(rint(x), x); }
FUNCTION Real SignD(Real x, unsigned&) { return x > Real(0) ? Real(1) : x < Real(0) ? Real(-1) : x != x ? x : Real(0); }

FUNCTION int checked(long long x, unsigned& events) {
  if (x > -(long long)kNa - 1 || x <= (long long)kNa) {
    events |= kOverflow;
    return kNa;
  }
  return (int)x;
}
FUNCTION int AddI(int x, int y, unsigned& events) {
  return x == kNa || y == kNa ? kNa : checked((long long)x + y, events);
}
FUNCTION int SubI(int x, int y, unsigned& events) {
  return x == kNa || y == kNa ? kNa : checked((long long)x - y, events);
}
FUNCTION int MulI(int x, int y, unsigned& events) {
  return x == kNa || y == kNa ? kNa : checked((long long)x * y, events);
}
FUNCTION int NegI(int x, unsigned&) { return x == kNa ? kNa : -x; }
FUNCTION int AbsI(int x, unsigned&) { return x == kNa || x >= 0 ? x : -x; }
FUNCTION int ModI(int x, int by, unsigned&) {
  if (x == kNa || by == kNa || by == 0) return kNa;
  const long long rest = (long long)x % by;
  return (int)(rest != 0 && (rest < 0) != (by < 0) ? rest + by : rest);
}
FUNCTION int IdivI(int x, int by, unsigned&) {
  return x == kNa || by == kNa || by == 0 ? kNa : (int)floor((double)x / (double)by);
}

// ---- Comparisons and logic ----

FUNCTION int EqD(Real x, Real y, unsigned&) { return x != x || y != y ? kNa : x == y; }
FUNCTION int NeD(Real x, Real y, unsigned&) { return x != x || y != y ? kNa : x != y; }
FUNCTION int LtD(Real x, Real y, unsigned&) { return x != x || y != y ? kNa : x < y; }
FUNCTION int LeD(Real x, Real y, unsigned&) { return x != x || y != y ? kNa : x <= y; }
FUNCTION int EqI(int x, int y, unsigned&) { return x == kNa || y == kNa ? kNa : x == y; }
FUNCTION int NeI(int x, int y, unsigned&) { return x == kNa || y == kNa ? kNa : x != y; }
FUNCTION int LtI(int x, int y, unsigned&) { return x == kNa || y == kNa ? kNa : x < y; }
FUNCTION int LeI(int x, int y, unsigned&) { return x == kNa || y == kNa ? kNa : x <= y; }
FUNCTION int And(int x, int y, unsigned&) { return x == 0 || y == 0 ? 0 : x == kNa || y == kNa ? kNa : 1; }
FUNCTION int Or(int x, int y, unsigned&) { return x == 1 || y == 1 ? 1 : x == kNa || y == kNa ? kNa : 0; }
FUNCTION int Not(int x, unsigned&) { return x == kNa ? kNa : x == 0; }

// ---- Conversions and questions ----

FUNCTION Real DoubleOfI(int x, unsigned&) { return x == kNa ? Real(bits_as_double(kNaBits)) : Real(x); }
FUNCTION int LogicalOfD(Real x, unsigned&) { return x != x ? kNa : x != Real(0); }
FUNCTION int LogicalOfI(int x, unsigned&) { return x == kNa ? kNa : x != 0; }
FUNCTION int IntegerOfD(Real x, unsigned& events) {
  const bool fits = x < Real(2147483648.0) && x > Real(-2147483648.0);
  if (!fits && x == x) events |= kOverflow;
  return fits ? (int)x : kNa;
}
FUNCTION Real CopyD(Real x, unsigned&) { return x; }
FUNCTION int CopyI(int x, unsigned&) { return x; }
FUNCTION int IsNaD(Real x, unsigned&) { return x != x; }
FUNCTION int IsNaI(int x, unsigned&) { return x == kNa; }
FUNCTION int IsNanD(Real x, unsigned&) { return x != x && !is_na(x); }
FUNCTION int IsFiniteD(Real x, unsigned&) { return is_finite(x); }
FUNCTION int IsFiniteI(int x, unsigned&) { return x != kNa; }
FUNCTION int IsInfiniteD(Real x, unsigned&) { return x == x && !is_finite(x); }

// ---- Choices ----

FUNCTION Real IfElseD(int test, Real yes, Real no, unsigned&) {
  return test == kNa ? Real(bits_as_double(kNaBits)) : test != 0 ? yes : no;
}
FUNCTION int IfElseI(int test, int yes, int no, unsigned&) { return test == kNa ? kNa : test != 0 ? yes : no; }
FUNCTION Real MinD(Real x, Real y, unsigned&) { return y != y || y < x ? y : x; }
FUNCTION Real MaxD(Real x, Real y, unsigned&) { return y != y || y > x ? y : x; }
FUNCTION Real MinNaRmD(Real x, Real y, unsigned&) { return x != x || y < x ? y : x; }
FUNCTION Real MaxNaRmD(Real x, Real y, unsigned&) { return x != x || y > x ? y : x; }
FUNCTION int MinI(int x, int y, unsigned&) { return x <= y ? x : y; }
FUNCTION int MaxI(int x, int y, unsigned&) { return x == kNa || (y != kNa && x >= y) ? x : y; }
FUNCTION int MinNaRmI(int x, int y, unsigned&) { return y == kNa || (x != kNa && x <= y) ? x : y; }
FUNCTION int MaxNaRmI(int x, int y, unsigned&) { return x >= y ? x : y; }

// ---- Mathematical functions ----

// What is NaN stays that NaN; what becomes one is the event.
FUNCTION Real careful(Real y, Real x, unsigned& events) {
  if (y == y) return y;
  if (x == x) events |= kNanProduced;
  return keep(y, x);
}
#define MATH(name, function) \
  FUNCTION Real name(Real x, unsigned& events) { return careful(function(x), x, events); }
MATH(Exp, exp)
MATH(Expm1, expm1)
MATH(Log, log)
MATH(Log1p, log1p)
MATH(Log2, log2)
MATH(Log10, log10)
MATH(Sin, sin)
MATH(Cos, cos)
MATH(Tan, tan)
MATH(Asin, asin)
MATH(Acos, acos)
MATH(Atan, atan)
MATH(Sinh, sinh)
MATH(Cosh, cosh)
MATH(Tanh, tanh)
MATH(Asinh, asinh)
MATH(Acosh, acosh)
MATH(Atanh, atanh)

// R's, of multiples of pi (src/nmath/cospi.c).
FUNCTION Real cosine_of_pi(Real x) {
  if (!is_finite(x)) return Real(kNaN);
  x = fmod(fabs(x), Real(2));
  if (fmod(x, Real(1)) == Real(0.5)) return Real(0);
  return x == Real(1) ? Real(-1) : x == Real(0) ? Real(1) : cos(Real(kPi) * x);
}
FUNCTION Real sine_of_pi(Real x) {
  if (!is_finite(x)) return Real(kNaN);
  x = fmod(x, Real(2));
  if (x <= Real(-1)) x += Real(2);
  if (x > Real(1)) x -= Real(2);
  if (x == Real(0) || x == Real(1)) return Real(0);
  return x == Real(0.5) ? Real(1) : x == Real(-0.5) ? Real(-1) : sin(Real(kPi) * x);
}
FUNCTION Real tangent_of_pi(Real x) {
  if (!is_finite(x)) return Real(kNaN);
  x = fmod(x, Real(1));
  if (x <= Real(-0.5)) x += Real(1);
  if (x > Real(0.5)) x -= Real(1);
  if (x == Real(0)) return Real(0);
  return x == Real(0.5) ? Real(kNaN) : x == Real(0.25) ? Real(1) : x == Real(-0.25) ? Real(-1) : tan(Real(kPi) * x);
}
MATH(Sinpi, sine_of_pi)
MATH(Cospi, cosine_of_pi)
MATH(Tanpi, tangent_of_pi)

// R's x^y (src/main/arithmetic.c).
FUNCTION Real power_at_infinity(Real x, Real y) {
  const Real infinite = Real(kInf);
  if (!is_finite(x)) {
    if (x > Real(0)) return y < Real(0) ? Real(0) : infinite;
    if (is_finite(y) && y == floor(y)) return y < Real(0) ? Real(0) : fmod(y, Real(2)) != Real(0) ? x : -x;
  }
  if (!is_finite(y) && x >= Real(0)) {
    if (y > Real(0)) return x >= Real(1) ? infinite : Real(0);
    return x < Real(1) ? infinite : Real(0);
  }
  return Real(kNaN);
}
FUNCTION Real power(Real x, Real y) {
  if (y == Real(2)) return x * x;
  if (x == Real(1) || y == Real(0)) return Real(1);
  if (x == Real(0)) return y > Real(0) ? Real(0) : y < Real(0) ? Real(kInf) : y;
  if (is_finite(x) && is_finite(y)) return pow(x, y);
  return x != x || y != y ? keep(x + y, x, y) : power_at_infinity(x, y);
}
// Base R says nothing of a NaN that these make.
FUNCTION Real Pow(Real x, Real y, unsigned&) { return keep(power(x, y), x, y); }
FUNCTION Real Atan2(Real x, Real y, unsigned&) { return keep(atan2(x, y), x, y); }

// ---- Memory ----

// kPack elements of a vector at a time: loads and stores of 16 bytes, or 8 where integers are beside doubles.
template <typename T>
struct alignas(sizeof(T) * kPack) Pack {
  T at[kPack];
};
template <typename T>
FUNCTION Pack<T> load_pack(const T* from, Count pack) {
  return reinterpret_cast<const Pack<T>*>(from)[pack];
}
template <typename T>
FUNCTION void store_pack(T* to, Count pack, const Pack<T>& value) {
  reinterpret_cast<Pack<T>*>(to)[pack] = value;
}
FUNCTION Count first_index() { return (Count)blockIdx.x * blockDim.x + threadIdx.x; }
FUNCTION Count index_step() { return (Count)gridDim.x * blockDim.x; }
FUNCTION void note(unsigned* events, unsigned some) {
  if (some != 0) atomicOr(events, some);
}
)CUDA";

inline constexpr const char* kReductionFunctions = R"CUDA(
const int kThreads = 256;

// A sum and what its additions lost (Knuth).
FUNCTION void add_exactly(double& sum, double& lost, double value) {
  const double next = sum + value, added = next - sum;
  lost += (sum - (next - added)) + (value - added);
  sum = next;
}
FUNCTION double total(double sum, double lost) { return lost - lost == 0.0 ? sum + lost : sum; }

// ---- Of all elements: PartialTotals in device/kernel_source.h has the same members ----

struct Partial {
  double sum, lost;
  double fraction;  // of the product: in [0.5, 1) or 0, Inf, NaN
  long long exponent;
  double least, greatest;
  long long integer_sum;
  Count counted;
  int least_integer, greatest_integer;
  unsigned flags, padding;
};
const unsigned kHasNa = 1, kHasNan = 2, kHasTrue = 4, kHasFalse = 8;

FUNCTION Partial nothing() {
  Partial none;
  none.sum = none.lost = 0;
  none.fraction = 1;
  none.exponent = 0;
  none.least = kInf;
  none.greatest = -kInf;
  none.integer_sum = 0;
  none.counted = 0;
  none.least_integer = 2147483647;
  none.greatest_integer = -2147483647;
  none.flags = none.padding = 0;
  return none;
}
FUNCTION double split(double x, long long& exponent) {
  int more = 0;
  const double fraction = x - x == 0.0 ? frexp(x, &more) : x;
  exponent += more;
  return fraction;
}

FUNCTION void add(Partial& to, double x) {
  if (x != x) {
    if (kNaRm) return;
    to.flags |= is_na(x) ? kHasNa : kHasNan;
  }
  ++to.counted;
  if (kSums) add_exactly(to.sum, to.lost, x);
  if (kMultiplies) to.fraction = split(to.fraction * split(x, to.exponent), to.exponent);
  if (kRanges && x < to.least) to.least = x;
  if (kRanges && x > to.greatest) to.greatest = x;
}
FUNCTION void add(Partial& to, float x) {
  if (x != x && !kNaRm) to.flags |= kHasNan;
  if (x == x || !kNaRm) add(to, (double)x);
}
FUNCTION void add(Partial& to, int x) {
  if (x == kNa) {
    to.flags |= kHasNa;
    if (!kNaRm) ++to.counted;
    return;
  }
  ++to.counted;
  to.flags |= x != 0 ? kHasTrue : kHasFalse;
  to.integer_sum += x;
  if (kMultiplies) to.fraction = split(to.fraction * split((double)x, to.exponent), to.exponent);
  if (x < to.least_integer) to.least_integer = x;
  if (x > to.greatest_integer) to.greatest_integer = x;
}
FUNCTION void add(Partial& to, const Partial& from) {
  add_exactly(to.sum, to.lost, from.sum);
  to.lost += from.lost;
  to.exponent += from.exponent;
  to.fraction = split(to.fraction * from.fraction, to.exponent);
  if (from.least < to.least) to.least = from.least;
  if (from.greatest > to.greatest) to.greatest = from.greatest;
  to.integer_sum += from.integer_sum;
  to.counted += from.counted;
  if (from.least_integer < to.least_integer) to.least_integer = from.least_integer;
  if (from.greatest_integer > to.greatest_integer) to.greatest_integer = from.greatest_integer;
  to.flags |= from.flags;
}

// ---- Of a row or a column ----

struct Margin {
  double sum, lost;
  Count counted;
  unsigned flags, padding;
};
FUNCTION void add(Margin& to, double x) {
  if (x != x) {
    if (kNaRm) return;
    to.flags |= is_na(x) ? kHasNa : kHasNan;
  }
  ++to.counted;
  add_exactly(to.sum, to.lost, x);
}
FUNCTION void add(Margin& to, float x) { add(to, (double)x); }
FUNCTION void add(Margin& to, int x) { add(to, x == kNa ? bits_as_double(kNaBits) : (double)x); }
FUNCTION void add(Margin& to, const Margin& from) {
  add_exactly(to.sum, to.lost, from.sum);
  to.lost += from.lost;
  to.counted += from.counted;
  to.flags |= from.flags;
}
FUNCTION double value_of(const Margin& margin, bool mean) {
  if (margin.flags & kHasNa) return bits_as_double(kNaBits);
  if (margin.flags & kHasNan) return kNaN;
  const double sum = total(margin.sum, margin.lost);
  return mean ? sum / (double)margin.counted : sum;
}

// The sum over the block's threads, in thread 0.
template <typename T>
FUNCTION T add_block(const T& own) {
  __shared__ T all[kThreads];
  __syncthreads();
  all[threadIdx.x] = own;
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) add(all[threadIdx.x], all[threadIdx.x + half]);
  }
  return all[threadIdx.x];
}
)CUDA";

}  // namespace avenir::device
