#include "worker/worker_state.h"

#include <unistd.h>

#include <cstdlib>

extern char** environ;

namespace avenir::worker {

namespace {

SEXP options_list() { return Rf_findVar(Rf_install(".Options"), R_BaseEnv); }

std::string working_directory() {
  char* const path = ::getcwd(nullptr, 0);
  const std::string text = path == nullptr ? "" : path;
  std::free(path);
  return text;
}

bool sinks_are_open() {
  const SEXP call = PROTECT(Rf_lang1(Rf_install("sink.number")));
  const int number = Rf_asInteger(Rf_eval(call, R_BaseEnv));
  UNPROTECT(1);
  return number > 0;
}

}  // namespace

void WorkerState::take() {
  variables_ = Rf_xlength(R_GlobalEnv);
  environment_.clear();
  for (char** variable = environ; *variable != nullptr; ++variable) environment_.emplace_back(*variable);
  directory_ = working_directory();
  if (options_ != nullptr) R_ReleaseObject(options_);
  const SEXP list = options_list();
  options_ = PROTECT(Rf_allocVector(VECSXP, Rf_length(list)));
  R_xlen_t i = 0;
  for (SEXP option = list; option != R_NilValue; option = CDR(option)) SET_VECTOR_ELT(options_, i++, CAR(option));
  R_PreserveObject(options_);
  UNPROTECT(1);
}

bool WorkerState::options_changed() const {
  R_xlen_t i = 0;
  for (SEXP option = options_list(); option != R_NilValue; option = CDR(option), ++i)
    if (i >= Rf_xlength(options_) || CAR(option) != VECTOR_ELT(options_, i)) return true;
  return i != Rf_xlength(options_);
}

bool WorkerState::environment_changed() const {
  size_t i = 0;
  for (char** variable = environ; *variable != nullptr; ++variable, ++i)
    if (i >= environment_.size() || environment_[i] != *variable) return true;
  return i != environment_.size();
}

bool WorkerState::changed() const {
  return Rf_xlength(R_GlobalEnv) != variables_ || options_changed() || environment_changed() ||
         working_directory() != directory_ || sinks_are_open();
}

}  // namespace avenir::worker
