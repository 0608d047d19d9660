// Doors to the rng room. A state here is R's: seven integers, the kind word of `.Random.seed` first. R/rng.R
// has checked the arguments; the checks here only keep a wrong call from reading past a vector.

#include <R_ext/Rdynload.h>
#include <Rcpp.h>

#include <algorithm>

#include "rng/mrg32k3a.h"

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

template <typename Jump>
SEXP moved(SEXP seed, Jump jump) {
  return seed_of(jump(state_of(seed)), INTEGER(seed)[0]);
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
  const auto jump = substreams ? rng::jump_substreams : rng::jump_streams;
  rng::State state = state_of(seed);
  Rcpp::Shield<SEXP> states(Rf_allocVector(VECSXP, static_cast<R_xlen_t>(count_of(n))));
  for (R_xlen_t i = 0; i < Rf_xlength(states); ++i, state = jump(state, 1)) {
    SET_VECTOR_ELT(states, i, seed_of(state, INTEGER(seed)[0]));
  }
  return states;
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_jump(SEXP seed, double n) {
  return moved(seed, [n](const rng::State& state) { return rng::jump_streams(state, count_of(n)); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_jump_sub(SEXP seed, double n) {
  return moved(seed, [n](const rng::State& state) { return rng::jump_substreams(state, count_of(n)); });
}

// [[Rcpp::export(rng = false)]]
SEXP cpp_rng_advance(SEXP seed, double k) {
  return moved(seed, [k](const rng::State& state) { return rng::advance(state, count_of(k)); });
}

// `i` counts from 1, as in R.
// [[Rcpp::export(rng = false)]]
SEXP cpp_element_seed(SEXP seed, double i) {
  return moved(seed, [i](const rng::State& base) { return rng::element_state(base, count_of(i - 1)); });
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
