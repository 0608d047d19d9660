// Doors to the rng room. A state here is R's: seven integers, the kind word of `.Random.seed` first. R/rng.R
// has checked the arguments; the checks here only keep a wrong call from reading past a vector.

#include <R_ext/Rdynload.h>
#include <Rcpp.h>

#include <algorithm>

#include "compute/library.h"
#include "rbridge/door.h"
#include "rbridge/keeper.h"
#include "rng/fill.h"
#include "rng/mrg32k3a.h"
#include "rng/stream_states.h"
#include "sys/huge_pages.h"

namespace rbridge = avenir::rbridge;
namespace rng = avenir::rng;

namespace {

constexpr double kLargestCount = 9007199254740992.0;  // 2^53: every whole number up to here is a double

rng::State state_of(SEXP seed) {
  if (TYPEOF(seed) != INTSXP || Rf_xlength(seed) != 7) Rcpp::stop("internal: a state is seven integers");
  return rng::state_of_seed(INTEGER(seed));
}

std::uint64_t count_of(double n) {
  if (!(n >= 0 && n <= kLargestCount)) Rcpp::stop("internal: a count lies between 0 and 2^53");
  return static_cast<std::uint64_t>(n);
}

// Unprotected, with the kind word that `seed` has.
SEXP seed_of(const rng::State& state, int kind) {
  SEXP seed = Rf_allocVector(INTSXP, 7);
  rng::write_seed(state, kind, INTEGER(seed));
  return seed;
}

// A state n steps ahead. A double above 2^53 is a whole number, too, of 53 bits with zeros behind them.
SEXP moved(SEXP seed, double n, rng::State (*jump)(const rng::State&, std::uint64_t, unsigned)) {
  unsigned shift = 0;
  for (; n > kLargestCount; n /= 2) ++shift;
  return seed_of(jump(state_of(seed), count_of(n), shift), INTEGER(seed)[0]);
}

// ---- Numbers ----

rng::Numbers recycled(SEXP x) { return {REAL(x), static_cast<std::uint64_t>(Rf_xlength(x))}; }

struct Draws {
  rng::State state;
  bool normal;
  rng::Numbers offset, factor;

  void fill(std::uint64_t begin, std::size_t count, double* out) const {
    (normal ? rng::fill_normal : rng::fill_uniform)(state, begin, count, offset, factor, out);
  }
};

// Small results are cut into a few blocks for each thread, too.
std::size_t block_length(std::uint64_t count, unsigned threads) {
  return std::clamp<std::uint64_t>(count / (4 * threads), rng::kFillBlock / 8, rng::kFillBlock);
}

// Looks for an interrupt now and then.
void draw(const Draws& draws, std::uint64_t count, double* out) {
  constexpr std::uint64_t kSlice = 256 * rng::kFillBlock;
  const auto& library = avenir::compute::library();
  const std::size_t block = block_length(count, library.threads());
  for (std::uint64_t first = 0; first < count; first += kSlice) {
    const auto fill = [&](std::size_t begin, std::size_t end) {
      draws.fill(first + begin, end - begin, out + first + begin);
    };
    library.parallel_for(std::min(kSlice, count - first), block, fill);
    rbridge::guarded([] { R_CheckUserInterrupt(); });
  }
}

bool is_lecuyer(SEXP seed) { return TYPEOF(seed) == INTSXP && Rf_xlength(seed) == 7 && INTEGER(seed)[0] % 100 == 7; }

}  // namespace

// Why the state cannot be used, "" when it can.
// [[Rcpp::export(rng = false)]]
std::string cpp_rng_fault(SEXP seed) { return rng::describe_fault(state_of(seed)); }

// The position of the first L'Ecuyer-CMRG state in the list that cannot be used, 0 when there is none.
// Elements of other kinds are passed over.
// [[Rcpp::export(rng = false)]]
double cpp_rng_first_fault(SEXP seeds) {
  for (R_xlen_t i = 0; i < Rf_xlength(seeds); ++i) {
    SEXP seed = VECTOR_ELT(seeds, i);
    if (is_lecuyer(seed) && !rng::describe_fault(state_of(seed)).empty()) return static_cast<double>(i + 1);
  }
  return 0;
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_streams(SEXP seed, double n, bool substreams) {
  rng::StreamStates next(state_of(seed), substreams);
  const int kind = INTEGER(seed)[0];
  Rcpp::Shield<SEXP> states(Rf_allocVector(VECSXP, static_cast<R_xlen_t>(count_of(n))));
  for (R_xlen_t i = 0; i < Rf_xlength(states); ++i) SET_VECTOR_ELT(states, i, seed_of(next.next(), kind));
  return states;
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_jump(SEXP seed, double n) { return moved(seed, n, rng::jump_streams); }

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_jump_sub(SEXP seed, double n) { return moved(seed, n, rng::jump_substreams); }

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_advance(SEXP seed, double k) { return moved(seed, k, rng::advance); }

// `i` counts from 1, as in R.
// [[Rcpp::export(rng = false)]]
SEXP cpp_element_seed(SEXP seed, double i) {
  return seed_of(rng::element_state(state_of(seed), count_of(i - 1)), INTEGER(seed)[0]);
}

// What runif(n, offset, offset + factor) or rnorm(n, offset, factor) draws from the state, on several threads. The
// parameters are recycled, and each pair is one for which R draws.
// [[Rcpp::export(rng = false)]]
SEXP cpp_thread_draws(SEXP seed, double n, bool normal, SEXP offset, SEXP factor, int threads) {
  return rbridge::door([&]() -> SEXP {
    const Draws draws = {state_of(seed), normal, recycled(offset), recycled(factor)};
    const std::uint64_t count = count_of(n);
    rbridge::Keeper keeper;
    const SEXP numbers = keeper.make([count] { return Rf_allocVector(REALSXP, static_cast<R_xlen_t>(count)); });
    double* const out = REAL(numbers);
    avenir::sys::prefer_huge_pages(out, count * sizeof(double));
    avenir::compute::library().set_threads(static_cast<unsigned>(threads));
    draw(draws, count, out);
    return numbers;
  });
}

namespace {

// For inst/include/avenir/threaded.h: any thread may call it.
void jump_words(std::uint32_t* words, std::uint64_t n) {
  rng::State state;
  std::copy(words, words + 6, state.words.begin());
  state = rng::jump_streams(state, n);
  std::copy(state.words.begin(), state.words.end(), words);
}

}  // namespace

// [[Rcpp::init]]
void register_rng_routines(DllInfo* dll) {
  (void)dll;
  R_RegisterCCallable("avenir", "avenir_rng_jump", reinterpret_cast<DL_FUNC>(jump_words));
}
