// C++ for avenir: functions of your own in the loops of threaded(), and random numbers for them.
//
//   // [[Rcpp::depends(avenir)]]
//   #include <Rcpp.h>
//   #include <avenir/threaded.h>
//
//   void cube(const double* const* in, double* out, size_t n, void*) {
//     for (size_t i = 0; i < n; ++i) out[i] = in[0][i] * in[0][i] * in[0][i];
//   }
//   // [[Rcpp::export]]
//   SEXP cube_pointer() { return avenir::block_pointer(cube); }
//
// In R: cube <- compiled_function(cube_pointer(), arguments = 1); threaded(sum(cube(x)))
#ifndef AVENIR_THREADED_H
#define AVENIR_THREADED_H

#include <Rcpp.h>

#include <cstddef>
#include <cstdint>

namespace avenir {

// out[i] from in[0][i], in[1][i], ... for each i below n, with as many arrays as the function has arguments. It is
// called for one piece of the vectors after the other, on several threads at a time: it may use what it is given and
// what never changes, and nothing of R. It must not throw. `data` is what block_pointer() was given.
using block_function = void (*)(const double* const* in, double* out, std::size_t n, void* data);

struct block {
  block_function function;
  void* data;
  void (*destroy)(void* data);
  block(block_function f, void* d, void (*end)(void*)) : function(f), data(d), destroy(end) {}
  block(const block&) = delete;
  block& operator=(const block&) = delete;
  ~block() {
    if (destroy != nullptr) destroy(data);
  }
};

// What compiled_function() takes.
inline Rcpp::XPtr<block> block_pointer(block_function function) {
  return Rcpp::XPtr<block>(new block(function, nullptr, nullptr), true, Rf_install("avenir::block"));
}

// The same with data of the function's own, made by `new`; they go with the pointer.
template <typename Data>
Rcpp::XPtr<block> block_pointer(block_function function, Data* data) {
  void (*const end)(void*) = [](void* made) { delete static_cast<Data*>(made); };
  return Rcpp::XPtr<block>(new block(function, data, end), true, Rf_install("avenir::block"));
}

// A function of one or two numbers as a block_function: avenir::block_pointer(avenir::each<f>).
template <double (*F)(double)>
void each(const double* const* in, double* out, std::size_t n, void*) {
  for (std::size_t i = 0; i < n; ++i) out[i] = F(in[0][i]);
}
template <double (*F)(double, double)>
void each(const double* const* in, double* out, std::size_t n, void*) {
  for (std::size_t i = 0; i < n; ++i) out[i] = F(in[0][i], in[1][i]);
}

// The numbers of R's generator "L'Ecuyer-CMRG" (MRG32k3a), from a state as rng_streams() gives it. A block function
// makes streams of its own, each from one that it was given and ahead of the others'.
class stream {
 public:
  // `state` is .Random.seed of that kind: seven integers, of which the first names the kind. Not in a block function,
  // since it asks R for what jumped() needs.
  explicit stream(const int* state) : jump_(find<jump_function>("avenir_rng_jump")) {
    for (int i = 0; i < 6; ++i) words_[i] = static_cast<std::uint32_t>(state[i + 1]);
  }

  // n streams ahead: what parallel::nextRNGStream() gives, n times.
  stream jumped(std::uint64_t n) const {
    stream ahead = *this;
    jump_(ahead.words_, n);
    return ahead;
  }

  // The next number between 0 and 1, the double that R's runif() gives.
  double next() {
    constexpr std::int64_t m1 = 4294967087, m2 = 4294944443;
    std::int64_t p = (INT64_C(1403580) * words_[1] - INT64_C(810728) * words_[0]) % m1;
    if (p < 0) p += m1;
    words_[0] = words_[1];
    words_[1] = words_[2];
    words_[2] = static_cast<std::uint32_t>(p);
    std::int64_t q = (INT64_C(527612) * words_[5] - INT64_C(1370589) * words_[3]) % m2;
    if (q < 0) q += m2;
    words_[3] = words_[4];
    words_[4] = words_[5];
    words_[5] = static_cast<std::uint32_t>(q);
    return static_cast<double>(p > q ? p - q : p - q + m1) * 2.328306549295727688e-10;
  }

 private:
  using jump_function = void (*)(std::uint32_t* words, std::uint64_t n);

  template <typename Function>
  static Function find(const char* name) {
    return reinterpret_cast<Function>(R_GetCCallable("avenir", name));
  }

  jump_function jump_;
  std::uint32_t words_[6];
};

}  // namespace avenir

#endif
