#pragma once

// The kernels that no program generates. kernel_source.h puts the functions of device/kernel_functions.h in front of
// each, with Real double. Blocks have kThreads threads; elements are dealt out by first_index() and index_step().
namespace avenir::device {

// Of kRows and kColumns: the parts' sums become the result.
inline constexpr const char* kMarginKernels = R"CUDA(
template <typename T>
FUNCTION void finish(const Margin* parts, Count part_count, Count length, int mean, T* out) {
  for (Count i = first_index(); i < length; i += index_step()) {
    Margin all = {0.0, 0.0, 0, 0, 0};
    for (Count part = 0; part < part_count; ++part) add(all, parts[part * length + i]);
    out[i] = (T)value_of(all, mean != 0);
  }
}
extern "C" __global__ void finish_double(const Margin* parts, Count part_count, Count length, int mean, double* out) {
  finish(parts, part_count, length, mean, out);
}
extern "C" __global__ void finish_float(const Margin* parts, Count part_count, Count length, int mean, float* out) {
  finish(parts, part_count, length, mean, out);
}

FUNCTION double as_double(double x) { return x; }
FUNCTION double as_double(float x) { return x; }
FUNCTION double as_double(int x) { return x == kNa ? bits_as_double(kNaBits) : (double)x; }

// The first of the greatest elements (of -x: the least), and its value.
struct Extreme {
  double value;
  Count at;
};
FUNCTION void add(Extreme& to, const Extreme& from) {
  if (from.value > to.value || (from.value == to.value && from.at < to.at)) to = from;
}
template <typename T>
FUNCTION void find_extreme(const T* x, Count count, int greatest, Extreme* out) {
  Extreme own = {-kInf, ~(Count)0};
  for (Count i = first_index(); i < count; i += index_step()) {
    const double value = as_double(x[i]);
    const Extreme element = {greatest != 0 ? value : -value, i};
    if (value == value) add(own, element);
  }
  own = add_block(own);
  if (threadIdx.x == 0) out[blockIdx.x] = own;
}
extern "C" __global__ void extreme_double(const double* x, Count count, int greatest, Extreme* out) {
  find_extreme(x, count, greatest, out);
}
extern "C" __global__ void extreme_float(const float* x, Count count, int greatest, Extreme* out) {
  find_extreme(x, count, greatest, out);
}
extern "C" __global__ void extreme_integer(const int* x, Count count, int greatest, Extreme* out) {
  find_extreme(x, count, greatest, out);
}
)CUDA";

// Elements by their size: Word is 4 bytes, Long 8.
inline constexpr const char* kShapeKernels = R"CUDA(
typedef unsigned Word;
typedef unsigned long long Long;

// device.h's Positions. `kind`: 0 for begin and step, 1 for integers, 2 for doubles.
struct Positions {
  long long begin, step;
  Count count;
  const void* at;
  int kind, padding;
};
FUNCTION Count position(const Positions& positions, Count i) {
  if (positions.kind == 0) return (Count)(positions.begin + positions.step * (long long)i);
  if (positions.kind == 1) return (Count)(long long)((const int*)positions.at)[i];
  const double at = ((const double*)positions.at)[i];
  return at >= 0.0 && at < 9e18 ? (Count)at : ~(Count)0;
}
FUNCTION Count place_of(const Positions& row, const Positions& column, Count i, Count rows, Count columns) {
  const Count r = position(row, i % row.count), c = position(column, i / row.count);
  return r < rows && c < columns ? r + c * rows : ~(Count)0;  // what is negative is large
}

template <typename T>
FUNCTION void gather(const T* from, Count rows, Count columns, const Positions& row, const Positions& column, T missing,
                     T* to) {
  for (Count i = first_index(); i < row.count * column.count; i += index_step()) {
    const Count place = place_of(row, column, i, rows, columns);
    to[i] = place == ~(Count)0 ? missing : from[place];
  }
}
extern "C" __global__ void gather4(const Word* from, Count rows, Count columns, Positions row, Positions column,
                                   Word missing, Word* to) {
  gather(from, rows, columns, row, column, missing, to);
}
extern "C" __global__ void gather8(const Long* from, Count rows, Count columns, Positions row, Positions column,
                                   Long missing, Long* to) {
  gather(from, rows, columns, row, column, missing, to);
}

template <typename T>
FUNCTION void scatter(const T* from, Count length, T* to, Count rows, Count columns, const Positions& row,
                      const Positions& column) {
  for (Count i = first_index(); i < row.count * column.count; i += index_step()) {
    const Count place = place_of(row, column, i, rows, columns);
    if (place != ~(Count)0) to[place] = from[length == row.count * column.count ? i : i % length];
  }
}
extern "C" __global__ void scatter4(const Word* from, Count length, Word* to, Count rows, Count columns, Positions row,
                                    Positions column) {
  scatter(from, length, to, rows, columns, row, column);
}
extern "C" __global__ void scatter8(const Long* from, Count length, Long* to, Count rows, Count columns, Positions row,
                                    Positions column) {
  scatter(from, length, to, rows, columns, row, column);
}

// By tiles of 32 x 32, so that both reading and writing go along columns.
template <typename T>
FUNCTION void transpose(const T* from, Count rows, Count columns, T* to) {
  __shared__ T tile[32][33];
  const Count tiles_down = (rows + 31) / 32, tiles = tiles_down * ((columns + 31) / 32);
  const unsigned x = threadIdx.x % 32, y = threadIdx.x / 32;
  for (Count t = blockIdx.x; t < tiles; t += gridDim.x) {
    const Count row = t % tiles_down * 32, column = t / tiles_down * 32;
    for (unsigned k = y; k < 32; k += 8)
      if (row + x < rows && column + k < columns) tile[k][x] = from[row + x + (column + k) * rows];
    __syncthreads();
    for (unsigned k = y; k < 32; k += 8)
      if (row + k < rows && column + x < columns) to[column + x + (row + k) * columns] = tile[x][k];
    __syncthreads();
  }
}
extern "C" __global__ void transpose4(const Word* from, Count rows, Count columns, Word* to) {
  transpose(from, rows, columns, to);
}
extern "C" __global__ void transpose8(const Long* from, Count rows, Count columns, Long* to) {
  transpose(from, rows, columns, to);
}

// Of an n x n matrix: what lies below the diagonal becomes what lies above it.
template <typename T>
FUNCTION void mirror(T* a, Count n) {
  for (Count i = first_index(); i < n * n; i += index_step())
    if (i % n > i / n) a[i] = a[i / n + i % n * n];
}
extern "C" __global__ void mirror4(Word* a, Count n) { mirror(a, n); }
extern "C" __global__ void mirror8(Long* a, Count n) { mirror(a, n); }

template <typename T>
FUNCTION void clear_lower(T* a, Count n) {
  for (Count i = first_index(); i < n * n; i += index_step())
    if (i % n > i / n) a[i] = 0;
}
extern "C" __global__ void clear_lower4(Word* a, Count n) { clear_lower(a, n); }
extern "C" __global__ void clear_lower8(Long* a, Count n) { clear_lower(a, n); }

template <typename T>
FUNCTION void make_identity(T* a, Count n) {
  for (Count i = first_index(); i < n * n; i += index_step()) a[i] = i % n == i / n ? T(1) : T(0);
}
extern "C" __global__ void identity4(float* a, Count n) { make_identity(a, n); }
extern "C" __global__ void identity8(double* a, Count n) { make_identity(a, n); }

extern "C" __global__ void narrow(const long long* from, Count count, int* to) {
  for (Count i = first_index(); i < count; i += index_step()) to[i] = (int)from[i];
}
extern "C" __global__ void widen(const int* from, Count count, long long* to) {
  for (Count i = first_index(); i < count; i += index_step()) to[i] = from[i];
}
)CUDA";

// Cumulative sums, in parts of kScanPart elements: the parts' sums, what comes before each, and then the elements.
inline constexpr const char* kScanKernels = R"CUDA(
const int kEach = 16;  // elements of a thread, one after the other

struct Prefix {
  double sum, lost;
};
FUNCTION void add(Prefix& to, const Prefix& from) {
  if (to.sum != to.sum) return;  // the first NaN stays
  if (from.sum != from.sum) {
    to = from;
    return;
  }
  add_exactly(to.sum, to.lost, from.sum);
  to.lost += from.lost;
}
FUNCTION void add(Prefix& to, double value) {
  const Prefix one = {value, 0.0};
  add(to, one);
}
FUNCTION void clear(Prefix& prefix) { prefix.sum = prefix.lost = 0.0; }
FUNCTION void clear(long long& sum) { sum = 0; }
FUNCTION void add(long long& to, long long value) { to += value; }

// The sum of the threads before this one.
template <typename Sum>
FUNCTION Sum sum_before(const Sum& own) {
  __shared__ Sum sums[kThreads];
  __syncthreads();
  sums[threadIdx.x] = own;
  for (int distance = 1; distance < kThreads; distance *= 2) {
    __syncthreads();
    Sum before;
    clear(before);
    if (threadIdx.x >= distance) before = sums[threadIdx.x - distance];
    add(before, sums[threadIdx.x]);
    __syncthreads();
    sums[threadIdx.x] = before;
  }
  __syncthreads();
  Sum before;
  clear(before);
  if (threadIdx.x > 0) before = sums[threadIdx.x - 1];
  return before;
}

FUNCTION double term(double x) { return x; }
FUNCTION double term(float x) { return x; }
FUNCTION long long term(int x) { return x == kNa ? 0 : x; }

FUNCTION Count begin_of_thread(Count part) { return (part * kThreads + threadIdx.x) * kEach; }

template <typename T, typename Sum>
FUNCTION Sum sum_of_thread(const T* x, Count count, Count part) {
  Sum own;
  clear(own);
  const Count begin = begin_of_thread(part);
  for (Count i = begin; i < begin + kEach && i < count; ++i) add(own, term(x[i]));
  return own;
}
template <typename T, typename Sum>
FUNCTION void sum_parts(const T* x, Count count, Sum* parts) {
  const Sum own = sum_of_thread<T, Sum>(x, count, blockIdx.x);
  Sum all = sum_before(own);
  add(all, own);
  if (threadIdx.x == kThreads - 1) parts[blockIdx.x] = all;
}

// One block: each part's sum becomes that of the parts before it.
template <typename Sum>
FUNCTION void start_parts(Sum* parts, Count count) {
  const Count each = (count + kThreads - 1) / kThreads, begin = each * threadIdx.x;
  Sum own;
  clear(own);
  for (Count i = begin; i < begin + each && i < count; ++i) add(own, parts[i]);
  Sum before = sum_before(own);
  for (Count i = begin; i < begin + each && i < count; ++i) {
    const Sum part = parts[i];
    parts[i] = before;
    add(before, part);
  }
}

template <typename T, typename Sum>
FUNCTION Sum start_of_thread(const T* x, Count count, const Sum* parts) {
  Sum sum = parts[blockIdx.x];
  add(sum, sum_before(sum_of_thread<T, Sum>(x, count, blockIdx.x)));
  return sum;
}
template <typename T>
FUNCTION void cumulate(const T* x, Count count, const Prefix* parts, T* out) {
  Prefix sum = start_of_thread(x, count, parts);
  const Count begin = begin_of_thread(blockIdx.x);
  for (Count i = begin; i < begin + kEach && i < count; ++i) {
    add(sum, (double)x[i]);
    out[i] = (T)(sum.sum == sum.sum ? total(sum.sum, sum.lost) : sum.sum);
  }
}

extern "C" __global__ void sums_double(const double* x, Count count, Prefix* parts) { sum_parts(x, count, parts); }
extern "C" __global__ void sums_float(const float* x, Count count, Prefix* parts) { sum_parts(x, count, parts); }
extern "C" __global__ void sums_integer(const int* x, Count count, long long* parts) { sum_parts(x, count, parts); }
extern "C" __global__ void starts_double(Prefix* parts, Count count) { start_parts(parts, count); }
extern "C" __global__ void starts_integer(long long* parts, Count count) { start_parts(parts, count); }
extern "C" __global__ void cumulate_double(const double* x, Count count, const Prefix* parts, double* out) {
  cumulate(x, count, parts, out);
}
extern "C" __global__ void cumulate_float(const float* x, Count count, const Prefix* parts, float* out) {
  cumulate(x, count, parts, out);
}

// Integers end at an NA, or where their sum does not fit: `end` is the first such index.
extern "C" __global__ void cumulate_integer(const int* x, Count count, const long long* parts, int* out, Count* end) {
  long long sum = start_of_thread(x, count, parts);
  const Count begin = begin_of_thread(blockIdx.x);
  for (Count i = begin; i < begin + kEach && i < count; ++i) {
    sum += term(x[i]);
    if (x[i] == kNa || sum > 2147483647LL || sum <= (long long)kNa) {
      atomicMin(end, i);
      break;
    }
    out[i] = (int)sum;
  }
}
extern "C" __global__ void end_integer(const int* x, Count count, const Count* end, int* out, unsigned* noted) {
  const Count from = *end;
  for (Count i = first_index(); i < count; i += index_step())
    if (i >= from) out[i] = kNa;
  if (first_index() == 0 && from < count && x[from] != kNa) atomicOr(noted, kOverflow);
}
)CUDA";

// Stable orders, by four bits of the keys at a time, the lowest first. Needs kScanKernels' sum_before().
inline constexpr const char* kOrderKernels = R"CUDA(
typedef unsigned long long Key;
const int kDigits = 16;
const Key kMissing64 = ~(Key)0, kMissing32 = 0xffffffffu;

// Keys that are ordered as the elements are; what is missing comes last. 0 and -0 are the same.
FUNCTION Key key_of(double x, bool decreasing) {
  if (x != x) return kMissing64;
  const Key bits = (Key)__double_as_longlong(x == 0.0 ? 0.0 : x);
  const Key key = bits >> 63 ? ~bits : bits | (Key)1 << 63;
  return decreasing ? ~key : key;
}
FUNCTION Key key_of(float x, bool decreasing) {
  if (x != x) return kMissing32;
  const unsigned bits = (unsigned)__float_as_int(x == 0.0f ? 0.0f : x);
  const unsigned key = bits >> 31 ? ~bits : bits | 0x80000000u;
  return decreasing ? ~key : key;
}
FUNCTION Key key_of(int x, bool decreasing) {
  if (x == kNa) return kMissing32;
  const unsigned key = (unsigned)x - (unsigned)kNa - 1;
  return decreasing ? 0xfffffffeu - key : key;
}
template <typename T>
FUNCTION void make_keys(const T* x, const unsigned* order, Count count, int decreasing, Key* keys) {
  for (Count i = first_index(); i < count; i += index_step()) keys[i] = key_of(x[order[i]], decreasing != 0);
}
extern "C" __global__ void keys_double(const double* x, const unsigned* order, Count count, int decreasing, Key* keys) {
  make_keys(x, order, count, decreasing, keys);
}
extern "C" __global__ void keys_float(const float* x, const unsigned* order, Count count, int decreasing, Key* keys) {
  make_keys(x, order, count, decreasing, keys);
}
extern "C" __global__ void keys_integer(const int* x, const unsigned* order, Count count, int decreasing, Key* keys) {
  make_keys(x, order, count, decreasing, keys);
}
extern "C" __global__ void number(unsigned* order, Count count) {
  for (Count i = first_index(); i < count; i += index_step()) order[i] = (unsigned)i;
}
template <typename T>
FUNCTION void take(const T* from, const unsigned* order, Count count, T* to) {
  for (Count i = first_index(); i < count; i += index_step()) to[i] = from[order[i]];
}
extern "C" __global__ void take4(const unsigned* from, const unsigned* order, Count count, unsigned* to) {
  take(from, order, count, to);
}
extern "C" __global__ void take8(const Key* from, const unsigned* order, Count count, Key* to) {
  take(from, order, count, to);
}
extern "C" __global__ void count_from_one(const unsigned* order, Count count, int* out) {
  for (Count i = first_index(); i < count; i += index_step()) out[i] = (int)(order[i] + 1);
}

FUNCTION unsigned digit_of(Key key, int shift) { return (unsigned)(key >> shift) % kDigits; }

// How often each digit is in this block's part: counts[digit, block].
extern "C" __global__ void __launch_bounds__(256) count_digits(const Key* keys, Count count, int shift,
                                                               long long* counts) {
  __shared__ unsigned all[kDigits];
  if (threadIdx.x < kDigits) all[threadIdx.x] = 0;
  __syncthreads();
  const Count part = (Count)kThreads * kEach, begin = blockIdx.x * part;
  for (Count i = begin + threadIdx.x; i < begin + part && i < count; i += kThreads)
    atomicAdd(&all[digit_of(keys[i], shift)], 1u);
  __syncthreads();
  if (threadIdx.x < kDigits) counts[(Count)threadIdx.x * gridDim.x + blockIdx.x] = all[threadIdx.x];
}

// `starts`: where the elements of this block with each digit go.
extern "C" __global__ void __launch_bounds__(256) move_by_digit(const Key* keys, const unsigned* order, Count count,
                                                                int shift, const long long* starts, Key* keys_out,
                                                                unsigned* order_out) {
  __shared__ unsigned seen[kDigits * kThreads];  // of each digit, the threads in order: elements before those
  for (int digit = 0; digit < kDigits; ++digit) seen[digit * kThreads + threadIdx.x] = 0;
  const Count begin = begin_of_thread(blockIdx.x);
  for (Count i = begin; i < begin + kEach && i < count; ++i) ++seen[digit_of(keys[i], shift) * kThreads + threadIdx.x];
  __syncthreads();
  long long own = 0;
  for (int k = 0; k < kDigits; ++k) own += seen[threadIdx.x * kDigits + k];
  long long before = sum_before(own);
  for (int k = 0; k < kDigits; ++k) {
    const unsigned some = seen[threadIdx.x * kDigits + k];
    seen[threadIdx.x * kDigits + k] = (unsigned)before;
    before += some;
  }
  __syncthreads();
  __shared__ unsigned first[kDigits];
  if (threadIdx.x < kDigits) first[threadIdx.x] = seen[threadIdx.x * kThreads];
  __syncthreads();
  for (Count i = begin; i < begin + kEach && i < count; ++i) {
    const unsigned digit = digit_of(keys[i], shift);
    const Count to = (Count)starts[(Count)digit * gridDim.x + blockIdx.x] +
                     (seen[digit * kThreads + threadIdx.x]++ - first[digit]);
    keys_out[to] = keys[i];
    order_out[to] = order[i];
  }
}
)CUDA";

// MRG32k3a (rng/mrg32k3a.h). kernel_source.cpp writes the generator's numbers and the polynomials of rng/inversion.h.
inline constexpr const char* kRandomKernels = R"CUDA(
typedef unsigned long long Wide;
const int kRow = 16;  // numbers of a thread that are written together

struct State {
  unsigned x[3], y[3];
};
struct Step {  // rng/recurrence.h
  unsigned first[3][3], second[3][3];
};

// 2^32 is congruent to 2^32 - modulus.
FUNCTION Wide fold(Wide x, unsigned modulus) { return (x >> 32) * (0u - modulus) + (x & 0xffffffffu); }
FUNCTION unsigned dot(const unsigned* row, const unsigned* x, unsigned modulus) {
  const Wide sum = fold((Wide)row[0] * x[0], modulus) + fold((Wide)row[1] * x[1], modulus) +
                   fold((Wide)row[2] * x[2], modulus);
  const Wide rest = fold(fold(sum, modulus), modulus);
  return (unsigned)(rest >= modulus ? rest - modulus : rest);
}
FUNCTION State apply(const Step& step, const State& state) {
  State out;
  for (int i = 0; i < 3; ++i) {
    out.x[i] = dot(step.first[i], state.x, kModulus1);
    out.y[i] = dot(step.second[i], state.y, kModulus2);
  }
  return out;
}
FUNCTION double next(State& state) {
  const unsigned first[3] = {kModulus1 - kA13, kA12, 0}, second[3] = {kModulus2 - kA23, 0, kA21};
  const unsigned x = dot(first, state.x, kModulus1), y = dot(second, state.y, kModulus2);
  state.x[0] = state.x[1], state.x[1] = state.x[2], state.x[2] = x;
  state.y[0] = state.y[1], state.y[1] = state.y[2], state.y[2] = y;
  const long long difference = (long long)x - (long long)y;
  return (double)(difference > 0 ? difference : difference + kModulus1) * kScale;
}

// Step k: 2^k threads' draws.
FUNCTION State state_of(const State& base, const Step* steps, Count thread) {
  State state = base;
  for (int k = 0; thread != 0; thread >>= 1, ++k)
    if (thread & 1) state = apply(steps[k], state);
  return state;
}

FUNCTION double logarithm(double x) { return log(x); }

struct Uniform {
  static FUNCTION double number(State& state) { return next(state); }
};
struct Normal {
  static FUNCTION double number(State& state) {
    const double u = next(state);
    const double p = ((double)(int)(kBig * u) + next(state)) / kBig;
    return quantile(p);
  }
  static FUNCTION double quantile(double p) {
    const double q = p - 0.5;
    if (fabs(q) <= kCentre) {
      const double r = kCentreSquared - q * q;
      return q * central_above(r) / central_below(r);
    }
    const double root = sqrt(-logarithm(p < 0.5 ? p : 0.5 - p + 0.5));
    const double distance = root <= kFar           ? tail_above(root - kTailShift) / tail_below(root - kTailShift)
                            : root - root == 0.0 ? far_above(root - kFar) / far_below(root - kFar)
                                                 : root;
    return q < 0.0 ? -distance : distance;
  }
};

// A thread has `each` numbers one after the other; a row of each of the block's threads is written at a time.
template <typename Number, typename T>
FUNCTION void fill(const State& base, const Step* steps, Count each, double offset, double factor, Count count, T* out) {
  __shared__ double rows[kThreads * (kRow + 1)];
  State state = state_of(base, steps, first_index());
  const Count begin = (Count)blockIdx.x * kThreads * each;
  for (Count done = 0; done < each; done += kRow) {
    for (int k = 0; k < kRow; ++k) rows[threadIdx.x * (kRow + 1) + k] = Number::number(state);
    __syncthreads();
    for (unsigned k = threadIdx.x; k < kThreads * kRow; k += kThreads) {
      const unsigned thread = k / kRow, at = k % kRow;
      const Count i = begin + thread * each + done + at;
      if (i < count) out[i] = (T)(offset + factor * rows[thread * (kRow + 1) + at]);
    }
    __syncthreads();
  }
}
extern "C" __global__ void uniform_double(State base, const Step* steps, Count each, double offset, double factor,
                                          Count count, double* out) {
  fill<Uniform>(base, steps, each, offset, factor, count, out);
}
extern "C" __global__ void uniform_float(State base, const Step* steps, Count each, double offset, double factor,
                                         Count count, float* out) {
  fill<Uniform>(base, steps, each, offset, factor, count, out);
}
extern "C" __global__ void normal_double(State base, const Step* steps, Count each, double offset, double factor,
                                         Count count, double* out) {
  fill<Normal>(base, steps, each, offset, factor, count, out);
}
extern "C" __global__ void normal_float(State base, const Step* steps, Count each, double offset, double factor,
                                        Count count, float* out) {
  fill<Normal>(base, steps, each, offset, factor, count, out);
}
)CUDA";

}  // namespace avenir::device
