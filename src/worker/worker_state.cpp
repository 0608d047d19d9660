#include "worker/worker_state.h"

#include <unistd.h>

#include <cstdlib>
#include <set>

#include "rbridge/entry_points.h"
#include "sys/blas.h"

extern char** environ;

namespace avenir::worker {

namespace {

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

std::string variable_name(const std::string& variable) { return variable.substr(0, variable.find('=')); }

// An option that is set again to what it was has another address.
bool is_same(SEXP a, SEXP b) {
  constexpr int kAsIdentical = 16;  // identical()'s defaults
  return a == b || R_compute_identical(a, b, kAsIdentical) != 0;
}

}  // namespace

void WorkerState::take() {
  variables_ = Rf_xlength(R_GlobalEnv);
  environment_.clear();
  for (char** variable = environ; *variable != nullptr; ++variable) environment_.emplace_back(*variable);
  directory_ = working_directory();
  blas_threads_ = sys::Blas::of_process().threads();
  take_options();
}

void WorkerState::restore_blas() const {
  const sys::Blas& blas = sys::Blas::of_process();
  if (blas.threads() != blas_threads_) blas.set_threads(blas_threads_);
}

void WorkerState::take_options() {
  if (options_ != nullptr) R_ReleaseObject(options_);
  options_ = R_NilValue;
  const SEXP head = PROTECT(Rf_cons(R_NilValue, R_NilValue));
  SEXP last = head;
  for (SEXP option = rbridge::options_list(); option != R_NilValue; option = CDR(option)) {
    SETCDR(last, Rf_cons(CAR(option), R_NilValue));
    last = CDR(last);
    SET_TAG(last, TAG(option));
  }
  options_ = CDR(head);
  R_PreserveObject(options_);
  UNPROTECT(1);
}

bool WorkerState::options_changed() const {
  SEXP now = rbridge::options_list();
  for (SEXP before = options_; before != R_NilValue; before = CDR(before), now = CDR(now))
    if (now == R_NilValue || TAG(now) != TAG(before) || !is_same(CAR(now), CAR(before))) return true;
  return now != R_NilValue;
}

// One list as the argument: a value may be code.
SEXP WorkerState::options_call() const {
  std::vector<SEXP> changed;
  for (SEXP before = options_; before != R_NilValue; before = CDR(before))
    if (!is_same(Rf_GetOption1(TAG(before)), CAR(before))) changed.push_back(before);
  const auto size = static_cast<R_xlen_t>(changed.size());
  const SEXP list = PROTECT(Rf_allocVector(VECSXP, size)), names = PROTECT(Rf_allocVector(STRSXP, size));
  for (R_xlen_t i = 0; i < size; ++i) {
    SET_VECTOR_ELT(list, i, CAR(changed[static_cast<size_t>(i)]));
    SET_STRING_ELT(names, i, PRINTNAME(TAG(changed[static_cast<size_t>(i)])));
  }
  Rf_setAttrib(list, R_NamesSymbol, names);
  const SEXP call = Rf_lang2(Rf_install("options"), list);
  UNPROTECT(2);
  return call;
}

bool WorkerState::environment_changed() const {
  size_t i = 0;
  for (char** variable = environ; *variable != nullptr; ++variable, ++i)
    if (i >= environment_.size() || environment_[i] != *variable) return true;
  return i != environment_.size();
}

// setenv() and unsetenv() move what `environ` points to: the new names are collected first.
void WorkerState::restore_environment() const {
  std::set<std::string> before;
  for (const std::string& variable : environment_) before.insert(variable_name(variable));
  std::vector<std::string> added;
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (before.count(variable_name(*variable)) == 0) added.push_back(variable_name(*variable));
  for (const std::string& name : added) ::unsetenv(name.c_str());
  for (const std::string& variable : environment_) {
    const std::string name = variable_name(variable);
    if (name.size() < variable.size()) ::setenv(name.c_str(), variable.c_str() + name.size() + 1, 1);
  }
}

WorkerState::Changes WorkerState::changes() const {
  return {Rf_xlength(R_GlobalEnv) != variables_, options_changed(), environment_changed(),
          working_directory() != directory_ || sinks_are_open()};
}

}  // namespace avenir::worker
