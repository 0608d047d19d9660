#include "linalg/math_library.h"

#include <dlfcn.h>

#include <cmath>
#include <initializer_list>
#include <limits>

#include "linalg/tile.h"

namespace avenir::linalg {

namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.141592653589793238462643383280;

// ---- One at a time: what R makes of the C library's functions (src/main/arithmetic.c, src/nmath) ----

double log_of(double x) { return x > 0 ? std::log(x) : x < 0 ? kNan : -kInfinite; }
double log2_of(double x) { return x > 0 ? std::log2(x) : x < 0 ? kNan : -kInfinite; }
double log10_of(double x) { return x > 0 ? std::log10(x) : x < 0 ? kNan : -kInfinite; }

double cospi_of(double x) {
  if (!std::isfinite(x)) return kNan;
  x = std::fmod(std::fabs(x), 2.0);
  if (std::fmod(x, 1.0) == 0.5) return 0;
  return x == 1 ? -1 : x == 0 ? 1 : std::cos(kPi * x);
}

double sinpi_of(double x) {
  if (!std::isfinite(x)) return kNan;
  x = std::fmod(x, 2.0);
  if (x <= -1) x += 2;
  if (x > 1) x -= 2;
  if (x == 0 || x == 1) return 0;
  return x == 0.5 ? 1 : x == -0.5 ? -1 : std::sin(kPi * x);
}

double tanpi_of(double x) {
  if (!std::isfinite(x)) return kNan;
  x = std::fmod(x, 1.0);
  if (x <= -0.5) ++x;
  if (x > 0.5) --x;
  if (x == 0) return 0;
  return x == 0.5 ? kNan : x == 0.25 ? 1 : x == -0.25 ? -1 : std::tan(kPi * x);
}

double power_at_infinity(double x, double y) {
  if (!std::isfinite(x)) {
    if (x > 0) return y < 0 ? 0 : kInfinite;
    if (std::isfinite(y) && y == std::floor(y)) return y < 0 ? 0 : std::fmod(y, 2.0) != 0 ? x : -x;
  }
  if (!std::isfinite(y) && x >= 0) {
    if (y > 0) return x >= 1 ? kInfinite : 0;
    return x < 1 ? kInfinite : 0;
  }
  return kNan;
}

double power_of(double x, double y) {
  if (y == 2) return x * x;
  if (x == 1 || y == 0) return 1;
  if (x == 0) return y > 0 ? 0 : y < 0 ? kInfinite : y;
  if (std::isfinite(x) && std::isfinite(y)) return std::pow(x, y);
  if (std::isnan(x) || std::isnan(y)) return x + y;
  return power_at_infinity(x, y);
}

// ---- The same from R 4.6 on: what is near a special value does not hang on the C library ----

using Unary = double (*)(double);

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

template <Unary kFunction>
double zero_at_zero(double x) {
  return x == 0 ? 0 : kFunction(x);
}

template <Unary kFunction>
double one_at_zero(double x) {
  return x == 0 ? 1 : kFunction(x);
}

template <Unary kFunction>
double zero_at_one(double x) {
  return x == 1 ? 0 : kFunction(x);
}

// x itself up to `most`, the root of kNumber / 2 times epsilon.
template <Unary kFunction, int kNumber>
double same_if_small(double x) {
  static const double most = std::sqrt(kNumber * 0.5 * kEpsilon);
  return x == 0 ? 0 : std::fabs(x) <= most ? x : kFunction(x);
}

template <Unary kFunction>
double same_if_tiny(double x) {
  return x == 0 ? 0 : std::fabs(x) <= kEpsilon ? x : kFunction(x);
}

double exp_since_46(double x) {
  static const double most = std::sqrt(kEpsilon);
  return std::fabs(x) <= most ? 1 + x : std::exp(x);
}

double cos_since_46(double x) {
  static const double most = std::sqrt(std::sqrt(12 * kEpsilon));
  return std::fabs(x) < most ? 1 - x * x * 0.5 : std::cos(x);
}

double power_since_46(double x, double y) {
  if (x != 0 && x >= -11 && x <= 11) {
    if (y == 4) return x * x * x * x;
    if (y == 3) return x * x * x;
  }
  return power_of(x, y);
}

double atan2_of(double y, double x) { return std::isnan(x) || std::isnan(y) ? x + y : std::atan2(y, x); }

// ---- The libraries ----

// `name` is the libraries' own; "" where none has what R computes. Libraries are asked only for arguments from `least`
// to `most` (of two: the second between -most and most); what they make of others, and of zeros and infinities, varies.
struct Entry {
  Op op;
  const char* name;
  double (*scalar)(double);
  double (*scalar2)(double, double);
  double least, most;
};

const Entry kEntries[] = {
    {Op::kExp, "exp", static_cast<Unary>(std::exp), nullptr, -700, 700},
    {Op::kExpm1, "expm1", static_cast<Unary>(std::expm1), nullptr, -700, 700},
    {Op::kLog, "log", log_of, nullptr, 1e-300, 1e300},
    {Op::kLog1p, "log1p", static_cast<Unary>(std::log1p), nullptr, -0.999999, 1e300},
    {Op::kLog2, "log2", log2_of, nullptr, 1e-300, 1e300},
    {Op::kLog10, "log10", log10_of, nullptr, 1e-300, 1e300},
    {Op::kSin, "sin", static_cast<Unary>(std::sin), nullptr, -1e8, 1e8},
    {Op::kCos, "cos", static_cast<Unary>(std::cos), nullptr, -1e8, 1e8},
    {Op::kTan, "tan", static_cast<Unary>(std::tan), nullptr, -1e8, 1e8},
    {Op::kAsin, "asin", static_cast<Unary>(std::asin), nullptr, -1, 1},
    {Op::kAcos, "acos", static_cast<Unary>(std::acos), nullptr, -1, 1},
    {Op::kAtan, "atan", static_cast<Unary>(std::atan), nullptr, -1e300, 1e300},
    {Op::kSinh, "sinh", static_cast<Unary>(std::sinh), nullptr, -700, 700},
    {Op::kCosh, "cosh", static_cast<Unary>(std::cosh), nullptr, -700, 700},
    {Op::kTanh, "tanh", static_cast<Unary>(std::tanh), nullptr, -1e300, 1e300},
    {Op::kAsinh, "asinh", static_cast<Unary>(std::asinh), nullptr, -1e150, 1e150},
    {Op::kAcosh, "acosh", static_cast<Unary>(std::acosh), nullptr, 1, 1e150},
    {Op::kAtanh, "atanh", static_cast<Unary>(std::atanh), nullptr, -0.999999, 0.999999},
    {Op::kSinpi, "", sinpi_of, nullptr, 0, 0},
    {Op::kCospi, "", cospi_of, nullptr, 0, 0},
    {Op::kTanpi, "", tanpi_of, nullptr, 0, 0},
    {Op::kPow, "pow", nullptr, power_of, 1e-300, 1e300},
    {Op::kAtan2, "atan2", nullptr, atan2_of, -1e300, 1e300},
};

struct Since46 {
  Op op;
  double (*scalar)(double);
  double (*scalar2)(double, double);
};

const Since46 kSince46[] = {
    {Op::kExp, exp_since_46, nullptr},
    {Op::kExpm1, same_if_tiny<std::expm1>, nullptr},
    {Op::kLog1p, same_if_tiny<std::log1p>, nullptr},
    {Op::kSin, same_if_small<std::sin, 6>, nullptr},
    {Op::kCos, cos_since_46, nullptr},
    {Op::kTan, same_if_small<std::tan, 3>, nullptr},
    {Op::kAsin, same_if_small<std::asin, 6>, nullptr},
    {Op::kAcos, zero_at_one<std::acos>, nullptr},
    {Op::kAtan, same_if_small<std::atan, 3>, nullptr},
    {Op::kSinh, zero_at_zero<std::sinh>, nullptr},
    {Op::kCosh, one_at_zero<std::cosh>, nullptr},
    {Op::kTanh, zero_at_zero<std::tanh>, nullptr},
    {Op::kAsinh, zero_at_zero<std::asinh>, nullptr},
    {Op::kAcosh, zero_at_one<std::acosh>, nullptr},
    {Op::kAtanh, zero_at_zero<std::atanh>, nullptr},
    {Op::kPow, nullptr, power_since_46},
};

#ifdef __APPLE__
constexpr const char* kSleefFiles[] = {"libsleef.3.dylib", "libsleef.dylib"};
constexpr const char* kLibmvecFiles[] = {"libmvec.dylib"};
#else
constexpr const char* kSleefFiles[] = {"libsleef.so.3", "libsleef.so"};
constexpr const char* kLibmvecFiles[] = {"libmvec.so.1"};
#endif

// Never closed.
template <size_t kCount>
void* open_first(const char* const (&files)[kCount]) {
  for (const char* file : files)
    if (void* const library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL)) return library;
  return nullptr;
}

void* library_of(MathSource source) {
  static void* const sleef = open_first(kSleefFiles);
  static void* const libmvec = open_first(kLibmvecFiles);
  return source == MathSource::kSleef ? sleef : source == MathSource::kLibmvec ? libmvec : nullptr;
}

// As the libraries name a function for so many elements: Sleef_expd4_u10avx2, _ZGVdN4v_exp.
std::string symbol(MathSource source, Width width, const Entry& entry) {
  const bool two = entry.scalar2 != nullptr;
#ifdef __x86_64__
  constexpr const char* kSleefEnds[] = {"sse2", "avx2", "avx512f"};
  constexpr const char* kLetters[] = {"b", "d", "e"};
#else
  constexpr const char* kSleefEnds[] = {"advsimd", "", ""};
  constexpr const char* kLetters[] = {"n", "", ""};
#endif
  constexpr const char* kCounts[] = {"2", "4", "8"};
  const size_t at = static_cast<size_t>(width);
  if (source == MathSource::kSleef)
    return std::string("Sleef_") + entry.name + "d" + kCounts[at] + "_u10" + kSleefEnds[at];
  return std::string("_ZGV") + kLetters[at] + "N" + kCounts[at] + (two ? "vv_" : "v_") + entry.name;
}

// nullptr when the library is not here or has no such function.
const void* find(MathSource source, Width width, const Entry& entry) {
  void* const library = library_of(source);
  if (library == nullptr || *entry.name == '\0') return nullptr;
  return ::dlsym(library, symbol(source, width, entry).c_str());
}

Width widest() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return Width::kAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Width::kAvx2;
#endif
  return Width::kNarrow;
}

Rules rules = Rules::kFirst;

// What is in use. Written by choose_math() only.
struct Choice {
  Width width = Width::kNarrow;
  MathFunction functions[static_cast<size_t>(Op::kCall)];
};

// Each function from the first of the sources that has it.
Choice make_choice(std::initializer_list<MathSource> sources, Width width) {
  Choice choice;
  choice.width = width;
  for (const Entry& entry : kEntries) {
    MathFunction& function = choice.functions[static_cast<size_t>(entry.op)];
    function = {nullptr, entry.scalar, entry.scalar2, entry.least, entry.most};
    for (const MathSource source : sources) {
      if (function.vector != nullptr) break;
      function.vector = find(source, width, entry);
    }
  }
  if (rules == Rules::kFirst) return choice;
  for (const Since46& newer : kSince46) {
    MathFunction& function = choice.functions[static_cast<size_t>(newer.op)];
    function.scalar = newer.scalar;
    function.scalar2 = newer.scalar2;
    if (newer.scalar != nullptr && !std::signbit(newer.scalar(-0.0))) function.zero = 0.0;
  }
  return choice;
}

bool has_vectors(const Choice& choice) { return choice.functions[static_cast<size_t>(Op::kExp)].vector != nullptr; }

// libmvec takes half of SLEEF's time or less for nearly every function at every width, and older ones lack most.
Choice best_choice() { return make_choice({MathSource::kLibmvec, MathSource::kSleef}, widest()); }

Choice& current() {
  static Choice choice = best_choice();
  return choice;
}

}  // namespace

const MathFunction& math_function(Op op) { return current().functions[static_cast<size_t>(op)]; }

Width math_width() { return current().width; }

void choose_math() { current() = best_choice(); }

void follow(Rules those) {
  rules = those;
  choose_math();
}

bool choose_math(MathSource source, Width width) {
  if (width > widest()) return false;
  Choice choice = make_choice({source}, width);
  if (source != MathSource::kScalar && !has_vectors(choice)) return false;
  current() = choice;
  return true;
}

const char* name_of(MathSource source) {
  return source == MathSource::kSleef ? "SLEEF" : source == MathSource::kLibmvec ? "libmvec" : "scalar";
}

const char* name_of(Width width) {
  return width == Width::kAvx512 ? "AVX-512" : width == Width::kAvx2 ? "AVX2" : "narrow";
}

const TileKernels& tile_kernels() {
  const Width width = math_width();
  return width == Width::kAvx512 ? avx512_kernels() : width == Width::kAvx2 ? avx2_kernels() : narrow_kernels();
}

}  // namespace avenir::linalg
