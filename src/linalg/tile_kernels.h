// The kernels' code, compiled once for each width: AVENIR_WIDTH is the namespace, AVENIR_VECTOR_BYTES the size of a
// register. Included by linalg/kernels_*.cpp only, after all other headers: what is compiled from here on may use
// instructions that other processors lack, so nothing of the standard library may be instantiated here. Its inline
// functions could take the place of everybody's.

// The libraries take and give vectors in registers. So does a function of the kernels' target that gcc compiles; clang
// passes those of more than 16 bytes in memory, unless the whole file is compiled with flags for such a processor.
#if defined(__clang__) && AVENIR_VECTOR_BYTES > 16
#define AVENIR_CALLS_IN_MEMORY
#if AVENIR_VECTOR_BYTES == 64
#define AVENIR_CALL "avenir_call_avx512"
#define AVENIR_REGISTER "%zmm"
#else
#define AVENIR_CALL "avenir_call_avx2"
#define AVENIR_REGISTER "%ymm"
#endif

#ifdef __ELF__
#define AVENIR_SCOPE ".globl " AVENIR_CALL "\n.hidden " AVENIR_CALL "\n"
#else
#define AVENIR_SCOPE
#endif

__asm__(".text\n" AVENIR_SCOPE AVENIR_CALL
        ":\n"
        ".cfi_startproc\n"
        "push %rbx\n"
        ".cfi_adjust_cfa_offset 8\n"
        ".cfi_rel_offset %rbx, 0\n"
        "mov %rcx, %rbx\n"
        "vmovupd (%rsi), " AVENIR_REGISTER
        "0\n"
        "vmovupd (%rdx), " AVENIR_REGISTER
        "1\n"
        "call *%rdi\n"
        "vmovupd " AVENIR_REGISTER
        "0, (%rbx)\n"
        "pop %rbx\n"
        ".cfi_adjust_cfa_offset -8\n"
        ".cfi_restore %rbx\n"
        "ret\n"
        ".cfi_endproc\n");
#endif

namespace avenir::linalg::AVENIR_WIDTH {

#ifdef AVENIR_CALLS_IN_MEMORY
// Defined above: *out = function(*x, *y), by registers.
void call_by_registers(const void* function, const void* x, const void* y, void* out) __asm__(AVENIR_CALL);
#endif

namespace {

#define AVENIR_INLINE inline __attribute__((always_inline))

constexpr size_t kBytes = AVENIR_VECTOR_BYTES;
constexpr size_t kLanes = kBytes / sizeof(double);
constexpr size_t kIntegerLanes = kBytes / sizeof(int32_t);

typedef double Doubles __attribute__((vector_size(AVENIR_VECTOR_BYTES)));
typedef int64_t Longs __attribute__((vector_size(AVENIR_VECTOR_BYTES)));
typedef int32_t Integers __attribute__((vector_size(AVENIR_VECTOR_BYTES)));
typedef uint32_t Words __attribute__((vector_size(AVENIR_VECTOR_BYTES)));
typedef int32_t Halves __attribute__((vector_size(AVENIR_VECTOR_BYTES / 2)));  // an integer for each of Doubles

template <typename V, typename T>
AVENIR_INLINE V load(const T* from) {
  V value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename T, typename V>
AVENIR_INLINE void store(T* to, const V& value) {
  __builtin_memcpy(to, &value, sizeof value);
}

// Of an operand that is read where it is the next tile begins where this one ends; of others nothing is lost. The
// processor's own foresight ends at each page: sums and ranges take two thirds of the time, sin() nine tenths, and
// additions more than without.
template <typename T>
AVENIR_INLINE void ask_ahead(const T* at) {
  __builtin_prefetch(at + kTile);
}

AVENIR_INLINE Doubles doubles(double x) { return x - Doubles{}; }  // x + 0 would make 0 of -0
AVENIR_INLINE Longs longs(int64_t x) { return Longs{} + x; }
AVENIR_INLINE Integers integers(int32_t x) { return Integers{} + x; }

AVENIR_INLINE bool any(const Longs& mask) {
#if AVENIR_VECTOR_BYTES == 64
  return _mm512_movepi64_mask(reinterpret_cast<__m512i>(mask)) != 0;
#elif AVENIR_VECTOR_BYTES == 32
  return _mm256_movemask_pd(reinterpret_cast<__m256d>(mask)) != 0;
#else
  return (mask[0] | mask[1]) < 0;
#endif
}

AVENIR_INLINE bool any_integer(const Integers& mask) { return any(Longs(reinterpret_cast<Longs>(mask) != Longs{})); }

AVENIR_INLINE void note(const TileArguments& tile, uint8_t event, bool happened) {
  if (happened) *tile.events = static_cast<uint8_t>(*tile.events | event);
}

AVENIR_INLINE Halves narrowed(const Longs& wide) { return __builtin_convertvector(wide, Halves); }
AVENIR_INLINE Longs widened(const Halves& narrow) { return __builtin_convertvector(narrow, Longs); }

// ---- Element by element, without vectors ----

template <typename T>
struct Elements {
  const T* at;
  bool scalar;
  T operator[](size_t i) const { return scalar ? *at : at[i]; }
};

template <typename T>
AVENIR_INLINE Elements<T> elements(const TileArguments& tile, int operand) {
  return {static_cast<const T*>(tile.in[operand]), tile.scalar[operand]};
}

// ---- Operands: a tile or one element for all ----

struct DoublesIn {
  const double* at;
  bool scalar;
  AVENIR_INLINE Doubles operator[](size_t i) const { return scalar ? doubles(*at) : load<Doubles>(at + i); }
};
struct IntegersIn {
  const int32_t* at;
  bool scalar;
  AVENIR_INLINE Integers operator[](size_t i) const { return scalar ? integers(*at) : load<Integers>(at + i); }
};
struct HalvesIn {
  const int32_t* at;
  bool scalar;
  AVENIR_INLINE Halves operator[](size_t i) const { return scalar ? Halves{} + *at : load<Halves>(at + i); }
};

template <typename In>
AVENIR_INLINE In operand(const TileArguments& tile, int i) {
  return {static_cast<decltype(In::at)>(tile.in[i]), tile.scalar[i]};
}

// f(a) and f(a, b) for each vector; Out is double or int32_t. A test of `scalar` in each turn of the loop would cost as
// much as an addition: the cases are loops of their own.
template <typename A, typename Out, size_t kStep, typename F>
AVENIR_INLINE void map1(const TileArguments& tile, F f) {
  const A a = operand<A>(tile, 0);
  Out* const out = static_cast<Out*>(tile.out);
  for (size_t i = 0; i < tile.count; i += kStep) store(out + i, f(a[i]));
}

template <typename A, typename B, typename Out, size_t kStep, typename F>
AVENIR_INLINE void map2(const TileArguments& tile, F f) {
  Out* const out = static_cast<Out*>(tile.out);
  A a = operand<A>(tile, 0);
  B b = operand<B>(tile, 1);
  if (!a.scalar && !b.scalar) {
    a.scalar = b.scalar = false;  // said once, for the compiler
    for (size_t i = 0; i < tile.count; i += kStep) store(out + i, f(a[i], b[i]));
  } else if (!a.scalar) {
    const auto right = b[0];
    a.scalar = false;
    for (size_t i = 0; i < tile.count; i += kStep) store(out + i, f(a[i], right));
  } else if (b.scalar) {
    const auto all = f(a[0], b[0]);
    for (size_t i = 0; i < tile.count; i += kStep) store(out + i, all);
  } else {
    const auto left = a[0];
    b.scalar = false;
    for (size_t i = 0; i < tile.count; i += kStep) store(out + i, f(left, b[i]));
  }
}

template <typename F>
AVENIR_INLINE void doubles1(const TileArguments& tile, F f) {
  map1<DoublesIn, double, kLanes>(tile, f);
}
template <typename F>
AVENIR_INLINE void doubles2(const TileArguments& tile, F f) {
  map2<DoublesIn, DoublesIn, double, kLanes>(tile, f);
}
template <typename F>
AVENIR_INLINE void integers1(const TileArguments& tile, F f) {
  map1<IntegersIn, int32_t, kIntegerLanes>(tile, f);
}
template <typename F>
AVENIR_INLINE void integers2(const TileArguments& tile, F f) {
  map2<IntegersIn, IntegersIn, int32_t, kIntegerLanes>(tile, f);
}

// ---- Arithmetic of doubles ----

AVENIR_INLINE Longs is_nan(const Doubles& x) { return x != x; }
AVENIR_INLINE Doubles magnitude(const Doubles& x) {
  return reinterpret_cast<Doubles>(reinterpret_cast<Longs>(x) & longs(INT64_MAX));
}
AVENIR_INLINE Longs is_finite(const Doubles& x) { return magnitude(x) <= doubles(__DBL_MAX__); }

void AddD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return a + b; });
}
void SubD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return a - b; });
}
void MulD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return a * b; });
}
void DivD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return a / b; });
}
void NegD(const TileArguments& tile) {
  doubles1(tile, [&](const Doubles& a) { return -a; });
}
void AbsD(const TileArguments& tile) {
  doubles1(tile, [&](const Doubles& a) { return magnitude(a); });
}

// R's own, in which both keep step (src/main/arithmetic.c).
constexpr double kExact = static_cast<double>(1 / __LDBL_EPSILON__);

double modulus(double x, double by, bool& lost) {
  if (by == 0) return __builtin_nan("");
  if (__builtin_fabs(by) > kExact && __builtin_isfinite(x) && __builtin_fabs(x) <= __builtin_fabs(by)) {
    if (__builtin_fabs(x) == __builtin_fabs(by)) return 0;
    return (x < 0 && by > 0) || (by < 0 && x > 0) ? x + by : x;
  }
  const double quotient = x / by;
  if (__builtin_isfinite(quotient) && __builtin_fabs(quotient) > kExact) lost = true;
  const long double rest = static_cast<long double>(x) - __builtin_floor(quotient) * static_cast<long double>(by);
  return static_cast<double>(rest - __builtin_floorl(rest / by) * by);
}

double whole_quotient(double x, double by) {
  const double quotient = x / by;
  if (by == 0 || __builtin_fabs(quotient) > kExact || !__builtin_isfinite(quotient)) return quotient;
  if (__builtin_fabs(quotient) < 1) return quotient < 0 || (x < 0 && by > 0) || (x > 0 && by < 0) ? -1 : 0;
  const double whole = __builtin_floor(quotient);
  const long double rest = static_cast<long double>(x) - whole * static_cast<long double>(by);
  return static_cast<double>(whole + __builtin_floorl(rest / by));
}

void ModD(const TileArguments& tile) {
  const auto a = elements<double>(tile, 0), b = elements<double>(tile, 1);
  bool lost = false;
  for (size_t i = 0; i < tile.count; ++i) static_cast<double*>(tile.out)[i] = modulus(a[i], b[i], lost);
  note(tile, kPrecisionLost, lost);
}
void IdivD(const TileArguments& tile) {
  const auto a = elements<double>(tile, 0), b = elements<double>(tile, 1);
  for (size_t i = 0; i < tile.count; ++i) static_cast<double*>(tile.out)[i] = whole_quotient(a[i], b[i]);
}

// What is NaN without having been one: the event. The NaN that was there stays as it was.
template <typename F>
AVENIR_INLINE void rounding(const TileArguments& tile, F f) {
  const double* const a = static_cast<const double*>(tile.in[0]);
  double* const out = static_cast<double*>(tile.out);
  for (size_t i = 0; i < tile.count; ++i) out[i] = f(a[i]);
}

void SqrtD(const TileArguments& tile) {
  const double* const a = static_cast<const double*>(tile.in[0]);
  double* const out = static_cast<double*>(tile.out);
  Longs negative{};
  for (size_t i = 0; i < tile.count; i += kLanes) {
    const Doubles x = load<Doubles>(a + i);
#if AVENIR_VECTOR_BYTES == 64
    const Doubles root = reinterpret_cast<Doubles>(_mm512_maskz_sqrt_pd(0xFF, reinterpret_cast<__m512d>(x)));
#elif AVENIR_VECTOR_BYTES == 32
    const Doubles root = reinterpret_cast<Doubles>(_mm256_sqrt_pd(reinterpret_cast<__m256d>(x)));
#else
    const Doubles root = {__builtin_sqrt(x[0]), __builtin_sqrt(x[1])};
#endif
    negative |= x < doubles(0.0);
    store(out + i, is_nan(x) ? x : root);
  }
  note(tile, kNanProduced, any(negative));
}

void FloorD(const TileArguments& tile) {
  rounding(tile, [](double x) { return __builtin_floor(x); });
}
void CeilingD(const TileArguments& tile) {
  rounding(tile, [](double x) { return __builtin_ceil(x); });
}
void TruncD(const TileArguments& tile) {
  rounding(tile, [](double x) { return __builtin_trunc(x); });
}
void RoundD(const TileArguments& tile) {
  rounding(tile, [](double x) { return __builtin_nearbyint(x); });
}
void SignD(const TileArguments& tile) {
  doubles1(tile, [&](const Doubles& x) {
    const Doubles sign = x > doubles(0.0) ? doubles(1.0) : (x < doubles(0.0) ? doubles(-1.0) : doubles(0.0));
    return is_nan(x) ? x : sign;
  });
}

// ---- Arithmetic of integers ----

AVENIR_INLINE Integers is_na(const Integers& x) { return x == integers(kNaInteger); }

// `wrapped`: the sum or difference without its carry; `carried` has the sign bit where that was wrong.
AVENIR_INLINE Integers checked(const Integers& wrapped, const Integers& carried, const Integers& na, Integers& over) {
  const Integers wrong = ((carried < Integers{}) | is_na(wrapped)) & ~na;
  over |= wrong;
  return (wrong | na) ? integers(kNaInteger) : wrapped;
}

void AddI(const TileArguments& tile) {
  Integers over{};
  integers2(tile, [&over](const Integers& a, const Integers& b) {
    const Integers sum = reinterpret_cast<Integers>(reinterpret_cast<Words>(a) + reinterpret_cast<Words>(b));
    return checked(sum, (a ^ sum) & (b ^ sum), is_na(a) | is_na(b), over);
  });
  note(tile, kOverflow, any_integer(over));
}
void SubI(const TileArguments& tile) {
  Integers over{};
  integers2(tile, [&over](const Integers& a, const Integers& b) {
    const Integers rest = reinterpret_cast<Integers>(reinterpret_cast<Words>(a) - reinterpret_cast<Words>(b));
    return checked(rest, (a ^ b) & (a ^ rest), is_na(a) | is_na(b), over);
  });
  note(tile, kOverflow, any_integer(over));
}
void NegI(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) { return reinterpret_cast<Integers>(Words{} - reinterpret_cast<Words>(a)); });
}
void AbsI(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) {
    const Integers negated = reinterpret_cast<Integers>(Words{} - reinterpret_cast<Words>(a));
    return a < Integers{} ? negated : a;  // NA is its own negative
  });
}

template <typename F>
AVENIR_INLINE void each_integer(const TileArguments& tile, F f) {
  const auto a = elements<int32_t>(tile, 0), b = elements<int32_t>(tile, 1);
  int32_t* const out = static_cast<int32_t*>(tile.out);
  for (size_t i = 0; i < tile.count; ++i) {
    const int32_t x = a[i], y = b[i];
    out[i] = x == kNaInteger || y == kNaInteger ? kNaInteger : f(x, y);
  }
}

void MulI(const TileArguments& tile) {
  bool over = false;
  each_integer(tile, [&over](int32_t x, int32_t y) {
    const int64_t product = static_cast<int64_t>(x) * y;
    const bool fits = product <= INT32_MAX && product > kNaInteger;
    over |= !fits;
    return fits ? static_cast<int32_t>(product) : kNaInteger;
  });
  note(tile, kOverflow, over);
}
void ModI(const TileArguments& tile) {
  each_integer(tile, [](int32_t x, int32_t by) {
    if (by == 0) return kNaInteger;
    const int64_t rest = static_cast<int64_t>(x) % by;
    return static_cast<int32_t>(rest != 0 && (rest < 0) != (by < 0) ? rest + by : rest);
  });
}
void IdivI(const TileArguments& tile) {
  each_integer(tile, [](int32_t x, int32_t by) {
    if (by == 0) return kNaInteger;
    return static_cast<int32_t>(__builtin_floor(static_cast<double>(x) / static_cast<double>(by)));
  });
}

// ---- Comparisons and logic ----

template <typename F>
AVENIR_INLINE void compare_doubles(const TileArguments& tile, F f) {
  map2<DoublesIn, DoublesIn, int32_t, kLanes>(tile, [f](const Doubles& a, const Doubles& b) {
    const Longs truth = f(a, b) & longs(1);
    return narrowed((is_nan(a) | is_nan(b)) ? longs(kNaInteger) : truth);
  });
}
template <typename F>
AVENIR_INLINE void compare_integers(const TileArguments& tile, F f) {
  integers2(tile, [f](const Integers& a, const Integers& b) {
    const Integers truth = f(a, b) & integers(1);
    return (is_na(a) | is_na(b)) ? integers(kNaInteger) : truth;
  });
}

void EqD(const TileArguments& tile) {
  compare_doubles(tile, [&](const Doubles& a, const Doubles& b) { return Longs(a == b); });
}
void NeD(const TileArguments& tile) {
  compare_doubles(tile, [&](const Doubles& a, const Doubles& b) { return Longs(a != b); });
}
void LtD(const TileArguments& tile) {
  compare_doubles(tile, [&](const Doubles& a, const Doubles& b) { return Longs(a < b); });
}
void LeD(const TileArguments& tile) {
  compare_doubles(tile, [&](const Doubles& a, const Doubles& b) { return Longs(a <= b); });
}
void EqI(const TileArguments& tile) {
  compare_integers(tile, [&](const Integers& a, const Integers& b) { return Integers(a == b); });
}
void NeI(const TileArguments& tile) {
  compare_integers(tile, [&](const Integers& a, const Integers& b) { return Integers(a != b); });
}
void LtI(const TileArguments& tile) {
  compare_integers(tile, [&](const Integers& a, const Integers& b) { return Integers(a < b); });
}
void LeI(const TileArguments& tile) {
  compare_integers(tile, [&](const Integers& a, const Integers& b) { return Integers(a <= b); });
}

// Logicals are 0, 1 or NA here: LogicalOfI and LogicalOfD see to that.
void And(const TileArguments& tile) {
  integers2(tile, [&](const Integers& a, const Integers& b) {
    const Integers no = (a == Integers{}) | (b == Integers{});
    const Integers unless_no = (is_na(a) | is_na(b)) ? integers(kNaInteger) : integers(1);
    return no ? Integers{} : unless_no;
  });
}
void Or(const TileArguments& tile) {
  integers2(tile, [&](const Integers& a, const Integers& b) {
    const Integers yes = (a == integers(1)) | (b == integers(1));
    const Integers unless_yes = (is_na(a) | is_na(b)) ? integers(kNaInteger) : Integers{};
    return yes ? integers(1) : unless_yes;
  });
}
void Not(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) { return is_na(a) ? a : (a == Integers{}) & integers(1); });
}

// ---- Conversions ----

void DoubleOfI(const TileArguments& tile) {
  map1<HalvesIn, double, kLanes>(tile, [&](const Halves& a) {
    const Doubles na = reinterpret_cast<Doubles>(longs(kNaBits));
    return widened(a == (Halves{} + kNaInteger)) ? na : __builtin_convertvector(a, Doubles);
  });
}
void LogicalOfD(const TileArguments& tile) {
  map1<DoublesIn, int32_t, kLanes>(tile, [&](const Doubles& a) {
    const Longs truth = (a != doubles(0.0)) & longs(1);
    return narrowed(is_nan(a) ? longs(kNaInteger) : truth);
  });
}
void LogicalOfI(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) { return is_na(a) ? a : (a != Integers{}) & integers(1); });
}
// What has no integer is NA, with the event unless it was NaN.
void IntegerOfD(const TileArguments& tile) {
  const auto a = elements<double>(tile, 0);
  bool lost = false;
  for (size_t i = 0; i < tile.count; ++i) {
    const double x = a[i];
    const bool fits = x < 2147483648.0 && x > -2147483648.0;
    lost |= !fits && x == x;
    static_cast<int32_t*>(tile.out)[i] = fits ? static_cast<int32_t>(x) : kNaInteger;
  }
  note(tile, kOverflow, lost);
}
void CopyD(const TileArguments& tile) {
  doubles1(tile, [&](const Doubles& a) { return a; });
}
void CopyI(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) { return a; });
}

// ---- Questions ----

template <typename F>
AVENIR_INLINE void ask_doubles(const TileArguments& tile, F f) {
  map1<DoublesIn, int32_t, kLanes>(tile, [f](const Doubles& a) { return narrowed(Longs(f(a)) & longs(1)); });
}

AVENIR_INLINE Longs is_na_not_nan(const Doubles& x) {
  const Longs low = reinterpret_cast<Longs>(x) & longs(0xFFFFFFFF);
  return is_nan(x) & (low == longs(kNaBits & 0xFFFFFFFF));
}

void IsNaD(const TileArguments& tile) {
  ask_doubles(tile, [&](const Doubles& a) { return is_nan(a); });
}
void IsNanD(const TileArguments& tile) {
  ask_doubles(tile, [&](const Doubles& a) { return is_nan(a) & ~is_na_not_nan(a); });
}
void IsFiniteD(const TileArguments& tile) {
  ask_doubles(tile, [&](const Doubles& a) { return is_finite(a); });
}
void IsInfiniteD(const TileArguments& tile) {
  ask_doubles(tile, [&](const Doubles& a) { return magnitude(a) > doubles(__DBL_MAX__); });
}
void IsNaI(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) { return is_na(a) & integers(1); });
}
void IsFiniteI(const TileArguments& tile) {
  integers1(tile, [&](const Integers& a) { return ~is_na(a) & integers(1); });
}

// ---- Choices ----

// `test` is 0, 1 or NA; where it is NA, so is the result.
void IfElseD(const TileArguments& tile) {
  const HalvesIn test = operand<HalvesIn>(tile, 0);
  const DoublesIn yes = operand<DoublesIn>(tile, 1), no = operand<DoublesIn>(tile, 2);
  double* const out = static_cast<double*>(tile.out);
  const Doubles na = reinterpret_cast<Doubles>(longs(kNaBits));
  Longs is_true{}, is_false{};
  for (size_t i = 0; i < tile.count; i += kLanes) {
    const Longs t = widened(test[i]);
    is_true |= t == longs(1);
    is_false |= t == Longs{};
    const Doubles chosen = t == Longs{} ? no[i] : yes[i];
    store(out + i, t < Longs{} ? na : chosen);
  }
  note(tile, kSawTrue, any(is_true));
  note(tile, kSawFalse, any(is_false));
}
void IfElseI(const TileArguments& tile) {
  const IntegersIn test = operand<IntegersIn>(tile, 0), yes = operand<IntegersIn>(tile, 1),
                   no = operand<IntegersIn>(tile, 2);
  int32_t* const out = static_cast<int32_t*>(tile.out);
  Integers is_true{}, is_false{};
  for (size_t i = 0; i < tile.count; i += kIntegerLanes) {
    const Integers t = test[i];
    is_true |= t == integers(1);
    is_false |= t == Integers{};
    const Integers chosen = t == Integers{} ? no[i] : yes[i];
    store(out + i, is_na(t) ? integers(kNaInteger) : chosen);
  }
  note(tile, kSawTrue, any_integer(is_true));
  note(tile, kSawFalse, any_integer(is_false));
}

// pmin() and pmax(): the last NaN wins, or any number where they are left out.
void MinD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return (is_nan(b) | (b < a)) ? b : a; });
}
void MaxD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return (is_nan(b) | (b > a)) ? b : a; });
}
void MinNaRmD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return (is_nan(a) | (b < a)) ? b : a; });
}
void MaxNaRmD(const TileArguments& tile) {
  doubles2(tile, [&](const Doubles& a, const Doubles& b) { return (is_nan(a) | (b > a)) ? b : a; });
}
void MinI(const TileArguments& tile) {  // NA is the least
  integers2(tile, [&](const Integers& a, const Integers& b) { return a <= b ? a : b; });
}
void MaxI(const TileArguments& tile) {
  integers2(tile, [&](const Integers& a, const Integers& b) { return (is_na(a) | (~is_na(b) & (a >= b))) ? a : b; });
}
void MinNaRmI(const TileArguments& tile) {
  integers2(tile, [&](const Integers& a, const Integers& b) { return (is_na(b) | (~is_na(a) & (a <= b))) ? a : b; });
}
void MaxNaRmI(const TileArguments& tile) {
  integers2(tile, [&](const Integers& a, const Integers& b) { return a >= b ? a : b; });
}

// ---- The mathematical library's functions ----

// What is NaN stays that NaN; what becomes one is the event.
AVENIR_INLINE double careful(const TileArguments& tile, double x) {
  if (x != x) return x;
  const double y = tile.function->scalar(x);
  note(tile, kNanProduced, y != y);
  return y;
}

void math1_each(const TileArguments& tile) {
  const double* const a = static_cast<const double*>(tile.in[0]);
  for (size_t i = 0; i < tile.count; ++i) static_cast<double*>(tile.out)[i] = careful(tile, a[i]);
}

AVENIR_INLINE bool all_within(const Doubles& x, const Doubles& least, const Doubles& most) {
  return !any(~((x >= least) & (x <= most)));
}

// Of a vector with an element that is NaN or outside the library's range: `y` is what the library made of `a`. A
// function of its own, so that the loop that calls it seldom keeps nothing in memory for it.
__attribute__((noinline)) void mend1(const TileArguments& tile, const double* a, const Doubles& y, double* out) {
  const Doubles x = load<Doubles>(a);
  const Longs odd = (x < doubles(tile.function->least)) | (x > doubles(tile.function->most));
  Doubles mended = is_nan(x) ? x : y;
  for (size_t lane = 0; any(odd) && lane < kLanes; ++lane)
    if (odd[lane]) mended[lane] = careful(tile, x[lane]);
  store(out, mended);
}

#ifdef AVENIR_CALLS_IN_MEMORY
AVENIR_INLINE Doubles called(const void* function, const Doubles& x, const Doubles& y) {
  Doubles result;
  call_by_registers(function, &x, &y, &result);
  return result;
}

AVENIR_INLINE Doubles called(const void* function, const Doubles& x) { return called(function, x, x); }
#else
AVENIR_INLINE Doubles called(const void* function, const Doubles& x, const Doubles& y) {
  typedef Doubles (*Function)(Doubles, Doubles);
  return reinterpret_cast<Function>(reinterpret_cast<uintptr_t>(function))(x, y);
}

AVENIR_INLINE Doubles called(const void* function, const Doubles& x) {
  typedef Doubles (*Function)(Doubles);
  return reinterpret_cast<Function>(reinterpret_cast<uintptr_t>(function))(x);
}
#endif

void math1(const TileArguments& tile) {
  if (tile.function->vector == nullptr) return math1_each(tile);
  const void* const function = tile.function->vector;
  const Doubles least = doubles(tile.function->least), most = doubles(tile.function->most);
  const Doubles zero = doubles(tile.function->zero);
  const double* const a = static_cast<const double*>(tile.in[0]);
  double* const out = static_cast<double*>(tile.out);
  for (size_t i = 0; i < tile.count; i += kLanes) {
    const Doubles x = load<Doubles>(a + i);
    ask_ahead(a + i);
    const bool plain = all_within(x, least, most);  // before the call: no register outlasts that
    const Doubles y = called(function, x) + zero;
    if (__builtin_expect(plain, 1))
      store(out + i, y);
    else
      mend1(tile, a + i, y, out + i);
  }
}

AVENIR_INLINE double careful2(const TileArguments& tile, double x, double y) {
  const double z = tile.function->scalar2(x, y);
  note(tile, kNanProduced, z != z && x == x && y == y);
  return z;
}

void math2_each(const TileArguments& tile) {
  const auto a = elements<double>(tile, 0), b = elements<double>(tile, 1);
  for (size_t i = 0; i < tile.count; ++i) static_cast<double*>(tile.out)[i] = careful2(tile, a[i], b[i]);
}

void math2(const TileArguments& tile) {
  if (tile.function->vector == nullptr) return math2_each(tile);
  const void* const function = tile.function->vector;
  const Doubles least = doubles(tile.function->least), most = doubles(tile.function->most);
  const DoublesIn a = operand<DoublesIn>(tile, 0), b = operand<DoublesIn>(tile, 1);
  double* const out = static_cast<double*>(tile.out);
  for (size_t i = 0; i < tile.count; i += kLanes) {
    const Doubles x = a[i], y = b[i];
    Doubles z = called(function, x, y);
    const Longs odd = ~((x >= least) & (x <= most) & (y >= -most) & (y <= most));
    if (__builtin_expect(any(odd), 0)) {
      for (size_t lane = 0; lane < kLanes; ++lane)
        if (odd[lane]) z[lane] = careful2(tile, x[lane], y[lane]);
    }
    store(out + i, z);
  }
}

// ---- Reductions ----

// What each addition loses is added up, too (Knuth's two-sum), in as many sums as there are lanes.
TileSum sum(const double* x, size_t count) {
  Doubles sums[2] = {}, lost[2] = {};
  size_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    for (int k = 0; k < 2; ++k) {
      ask_ahead(x + i + static_cast<size_t>(k) * kLanes);
      const Doubles value = load<Doubles>(x + i + static_cast<size_t>(k) * kLanes);
      const Doubles next = sums[k] + value, added = next - sums[k];
      lost[k] += (sums[k] - (next - added)) + (value - added);
      sums[k] = next;
    }
  }
  TileSum total;
  const auto add = [&total](double value) {
    const double next = total.sum + value, added = next - total.sum;
    total.lost += (total.sum - (next - added)) + (value - added);
    total.sum = next;
  };
  for (; i < count; ++i) add(x[i]);
  for (int k = 0; k < 2; ++k)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      add(sums[k][lane]);
      total.lost += lost[k][lane];
    }
  total.finite = __builtin_isfinite(total.sum) && __builtin_isfinite(total.lost);
  return total;
}

TileRange range(const double* x, size_t count) {
  Doubles least = doubles(__builtin_inf()), greatest = doubles(-__builtin_inf());
  Longs nan{};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    ask_ahead(x + i);
    const Doubles value = load<Doubles>(x + i);
    nan |= is_nan(value);
    least = value < least ? value : least;
    greatest = value > greatest ? value : greatest;
  }
  TileRange range{__builtin_inf(), -__builtin_inf(), any(nan)};
  const auto take = [&range](double low, double high) {
    if (low < range.least) range.least = low;
    if (high > range.greatest) range.greatest = high;
  };
  for (; i < count; ++i) {
    range.has_nan |= x[i] != x[i];
    take(x[i], x[i]);
  }
  for (size_t lane = 0; lane < kLanes; ++lane) take(least[lane], greatest[lane]);
  return range;
}

// What integers() finds, lane by lane.
struct IntegerLanes {
  Longs sum, missing, zeros, least, greatest;

  AVENIR_INLINE void add(const Longs& value) {
    const Longs na = value == longs(kNaInteger);
    sum += value & ~na;
    missing -= na;
    zeros -= value == Longs{};
    const Longs low = na ? longs(__INT32_MAX__) : value;
    least = low < least ? low : least;
    greatest = value > greatest ? value : greatest;
  }
  AVENIR_INLINE void add_to(TileIntegers& total) const {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      total.sum += sum[lane];
      total.missing += static_cast<size_t>(missing[lane]);
      total.zeros += static_cast<size_t>(zeros[lane]);
      if (least[lane] < total.least) total.least = static_cast<int32_t>(least[lane]);
      if (greatest[lane] > total.greatest) total.greatest = static_cast<int32_t>(greatest[lane]);
    }
  }
};

TileIntegers integers(const int32_t* x, size_t count) {
  IntegerLanes lanes{Longs{}, Longs{}, Longs{}, longs(__INT32_MAX__), longs(-__INT32_MAX__)};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    ask_ahead(x + i);
    lanes.add(widened(load<Halves>(x + i)));
  }
  TileIntegers total{0, 0, 0, __INT32_MAX__, -__INT32_MAX__};
  lanes.add_to(total);
  for (; i < count; ++i) {
    const bool na = x[i] == kNaInteger;
    total.sum += na ? 0 : x[i];
    total.missing += na;
    total.zeros += x[i] == 0;
    if (!na && x[i] < total.least) total.least = x[i];
    if (x[i] > total.greatest) total.greatest = x[i];
  }
  return total;
}

TileKernels make_table() {
  TileKernels table;
#define AVENIR_OP(name) table.by_op[static_cast<size_t>(Op::k##name)] = name;
  AVENIR_TILE_OPS(AVENIR_OP)
#undef AVENIR_OP
#define AVENIR_OP(name) table.by_op[static_cast<size_t>(Op::k##name)] = math1;
  AVENIR_MATH_OPS(AVENIR_OP)
#undef AVENIR_OP
  table.by_op[static_cast<size_t>(Op::kPow)] = table.by_op[static_cast<size_t>(Op::kAtan2)] = math2;
  table.sum = sum;
  table.range = range;
  table.integers = integers;
  return table;
}

}  // namespace

const TileKernels& kernels() {
  static const TileKernels table = make_table();
  return table;
}

}  // namespace avenir::linalg::AVENIR_WIDTH
