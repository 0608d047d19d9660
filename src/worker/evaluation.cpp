#include "worker/evaluation.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "rbridge/entry_points.h"
#include "rbridge/output.h"
#include "rbridge/serialize.h"
#include "rbridge/shared_stream.h"
#include "rbridge/unwind.h"
#include "sys/memory_file.h"

namespace avenir::worker {

namespace {

enum Held { kValue, kError, kCalls, kConditions, kClasses, kExcluded, kImmediate, kGenerator, kHeldCount };

SEXP element(SEXP list, const char* name) {
  const SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  for (R_xlen_t i = 0; i < Rf_xlength(names); ++i)
    if (std::string(CHAR(STRING_ELT(names, i))) == name) return VECTOR_ELT(list, i);
  return R_NilValue;
}

bool inherits_any(SEXP object, SEXP classes) {
  for (R_xlen_t i = 0; i < Rf_xlength(classes); ++i)
    if (Rf_inherits(object, CHAR(STRING_ELT(classes, i)))) return true;
  return false;
}

// What compiled code has printed. Only this stream: in a fork others hold what the session will write itself. Looked
// up, since R CMD check takes a package's use of `stdout` for printing past R.
void flush_standard_output() {
  static FILE** const stream = reinterpret_cast<FILE**>(::dlsym(RTLD_DEFAULT, "stdout"));
  if (stream != nullptr) std::fflush(*stream);
}

bool is_true(SEXP value) { return TYPEOF(value) == LGLSXP && XLENGTH(value) == 1 && LOGICAL(value)[0] == 1; }

// Not protected.
SEXP printed_text(size_t size) {
  const sys::Mapping file(STDOUT_FILENO, size, sys::MapMode::kReadOnly);
  const uint64_t limit = size <= rbridge::kAlwaysKept ? size : rbridge::output_limit();
  return rbridge::output_string(rbridge::output_text(file.data(), size, limit));
}

// With warn >= 2 R itself turns a warning into an error, unless a handler muffles it.
bool warnings_are_errors() { return Rf_asInteger(Rf_GetOption1(Rf_install("warn"))) >= 2; }

// Bytes in the file that output goes to. Asked for after every element: lseek() takes less than half of fstat()'s time,
// and what is written next goes to the end anyhow (O_APPEND).
size_t output_size() {
#ifdef AVENIR_PORTABLE
  struct stat info;
  return ::fstat(STDOUT_FILENO, &info) < 0 ? 0 : static_cast<size_t>(info.st_size);
#else
  return static_cast<size_t>(std::max<off_t>(0, ::lseek(STDOUT_FILENO, 0, SEEK_END)));
#endif
}

void set_names(SEXP list, std::initializer_list<const char*> names) {
  const SEXP text = PROTECT(Rf_allocVector(STRSXP, static_cast<R_xlen_t>(names.size())));
  R_xlen_t i = 0;
  for (const char* name : names) SET_STRING_ELT(text, i++, Rf_mkChar(name));
  Rf_setAttrib(list, R_NamesSymbol, text);
  UNPROTECT(1);
}

// The list that a record holds, in order: pairs were added in front.
SEXP conditions_in_order(SEXP pairs) {
  const R_xlen_t count = Rf_length(pairs);
  const SEXP list = PROTECT(Rf_allocVector(VECSXP, count));
  for (R_xlen_t i = count - 1; i >= 0; --i, pairs = CDR(pairs)) SET_VECTOR_ELT(list, i, CAR(pairs));
  UNPROTECT(1);
  return list;
}

}  // namespace

Evaluator::Evaluator(SEXP functions) : functions_(functions) {
  token_ = R_MakeUnwindCont();
  R_PreserveObject(token_);
  held_ = Rf_allocVector(VECSXP, kHeldCount);
  R_PreserveObject(held_);
}

void Evaluator::redirect_output() {
  if (redirected_) return;
  flush_standard_output();
  const sys::OwnFd output = sys::make_memory_file("avenir-output");
  ::fcntl(output.get(), F_SETFL, O_APPEND);
  ::dup2(output.get(), STDOUT_FILENO);
  redirected_ = true;
}

void Evaluator::set_job(SEXP context) {
  const SEXP conditions = element(context, "conditions");
  SET_VECTOR_ELT(held_, kClasses, conditions);
  SET_VECTOR_ELT(held_, kExcluded, Rf_getAttrib(conditions, Rf_install("exclude")));
  SEXP immediate = Rf_getAttrib(conditions, Rf_install("immediateConditionClasses"));
  if (immediate == R_NilValue) immediate = Rf_mkString("immediateCondition");
  SET_VECTOR_ELT(held_, kImmediate, immediate);
  muffle_unrecorded_ = conditions != R_NilValue;
  const SEXP wanted = element(context, "stdout");
  capture_.output = is_true(wanted);
  // NA leaves output alone: in a fork it goes where the session's goes, elsewhere nobody would see it.
  if (Rf_asLogical(wanted) != NA_LOGICAL) redirect_output();
  capture_.random_numbers = is_true(element(context, "check_rng"));
  capture_.surroundings = element(context, "kernel") == R_NilValue;
}

void Evaluator::set_immediate_sink(ImmediateSink sink, void* data) {
  sink_ = sink;
  sink_data_ = data;
}

SEXP Evaluator::value() const { return VECTOR_ELT(held_, kValue); }

SEXP Evaluator::error() const { return VECTOR_ELT(held_, kError); }

SEXP Evaluator::generator_state() const { return rbridge::variable(R_SeedsSymbol, R_GlobalEnv); }

bool Evaluator::run(SEXP call, SEXP environment, Mode mode) {
  mode_ = mode;
  failed_ = interrupt_signalled_ = false;
  for (const int slot : {kValue, kError, kCalls, kConditions})
    if (VECTOR_ELT(held_, slot) != R_NilValue) SET_VECTOR_ELT(held_, slot, R_NilValue);
  const SEXP held = held_;
  const bool finished = rbridge::stops_jumps(
      [call, environment, held] { SET_VECTOR_ELT(held, kValue, Rf_eval(call, environment)); }, token_);
  mode_ = Mode::kIdle;
  failed_ = !finished;
  return finished;
}

bool Evaluator::prepare(SEXP call, SEXP environment) {
  generator_before_ = nullptr;
  return run(call, environment, Mode::kPrepare);
}

bool Evaluator::evaluate(SEXP call, SEXP environment) {
  generator_before_ = capture_.random_numbers ? generator_state() : nullptr;
  // Or a new state could come to lie where this one was; and R from 4.5 on draws in place where nobody else has it.
  SET_VECTOR_ELT(held_, kGenerator, generator_before_ == nullptr ? R_NilValue : generator_before_);
  return run(call, environment, Mode::kEvaluate);
}

Evaluator::Action Evaluator::handle_condition(SEXP condition) {
  if (mode_ == Mode::kIdle) return Action::kNothing;
  if (Rf_inherits(condition, "error")) {
    SET_VECTOR_ELT(held_, kError, condition);
    if (mode_ == Mode::kEvaluate && capture_.surroundings) SET_VECTOR_ELT(held_, kCalls, call_own("calls_to_error"));
    return Action::kAbort;
  }
  if (mode_ == Mode::kPrepare) return Action::kNothing;
  if (Rf_inherits(condition, "interrupt")) {
    interrupt_signalled_ = true;  // by the system or by the code: that ends the evaluation alike
    return Action::kAbort;
  }
  if (Rf_inherits(condition, "warning") && warnings_are_errors()) return Action::kNothing;
  const bool wanted =
      inherits_any(condition, VECTOR_ELT(held_, kClasses)) && !inherits_any(condition, VECTOR_ELT(held_, kExcluded));
  if (!wanted) return muffle_unrecorded_ ? Action::kMuffle : Action::kNothing;
  const bool immediate = inherits_any(condition, VECTOR_ELT(held_, kImmediate));
  if (immediate) relay_now(condition);
  const SEXP entry = PROTECT(Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(entry, 0, condition);
  SET_VECTOR_ELT(entry, 1, Rf_ScalarInteger(immediate ? 1 : 0));
  set_names(entry, {"condition", "signaled"});
  SET_VECTOR_ELT(held_, kConditions, Rf_cons(entry, VECTOR_ELT(held_, kConditions)));
  UNPROTECT(1);
  return Action::kMuffle;
}

void Evaluator::relay_now(SEXP condition) {
  base::Bytes bytes;
  if (sink_ != nullptr && serialize_guarded(condition, bytes)) sink_(sink_data_, bytes);
}

// What was printed since the last call, as one string; NULL when nothing was, or when it is not wanted.
SEXP Evaluator::take_output() {
  if (!redirected_) return R_NilValue;
  flush_standard_output();
  const size_t size = output_size();
  if (size == 0) return R_NilValue;
  const SEXP text = PROTECT(capture_.output ? printed_text(size) : R_NilValue);
  sys::resize_file(STDOUT_FILENO, 0);
  UNPROTECT(1);
  return text;
}

bool Evaluator::serialize_guarded(SEXP object, base::Bytes& bytes) {
  base::Bytes* const target = &bytes;
  const SEXP token = R_MakeUnwindCont();
  PROTECT(token);
  const bool done = rbridge::stops_jumps([object, target] { rbridge::serialize_into(object, *target); }, token);
  UNPROTECT(1);
  return done;
}

// Large vectors go to the session as shared memory.
bool Evaluator::serialize_result(SEXP object, base::Bytes& bytes) {
  rbridge::SharedWriting writing(shm::Reuse::kNever);
  rbridge::SharedWriting* const target = &writing;
  base::Bytes* const out = &bytes;
  SET_VECTOR_ELT(held_, kError, R_NilValue);  // the object has it
  mode_ = Mode::kPrepare;
  const bool done = rbridge::stops_jumps([object, target, out] { target->write(object, *out); }, token_);
  mode_ = Mode::kIdle;
  if (done)
    segments_ = writing.finish();
  else
    segments_.clear();
  return done;
}

// What one of worker.R's functions without arguments gives, or NULL when it fails. Not protected.
SEXP Evaluator::call_own(const char* function) {
  const SEXP call = PROTECT(Rf_lang1(Rf_install(function)));
  const Mode mode = std::exchange(mode_, Mode::kIdle);
  int failed = 0;
  const SEXP value = R_tryEvalSilent(call, functions_, &failed);
  mode_ = mode;
  UNPROTECT(1);
  return failed != 0 ? R_NilValue : value;
}

SEXP Evaluator::make_record(SEXP output, bool used_generator, bool value_has_visible, SEXP left_behind) {
  const SEXP record = PROTECT(Rf_allocVector(VECSXP, 8));
  const SEXP got = VECTOR_ELT(held_, kValue);
  const bool pair = value_has_visible && !failed_;
  SET_VECTOR_ELT(record, 0, pair ? VECTOR_ELT(got, 0) : got);
  SET_VECTOR_ELT(record, 1, pair ? VECTOR_ELT(got, 1) : Rf_ScalarLogical(1));
  SET_VECTOR_ELT(record, 2, output);
  SET_VECTOR_ELT(record, 3, conditions_in_order(VECTOR_ELT(held_, kConditions)));
  SET_VECTOR_ELT(record, 4, VECTOR_ELT(held_, kError));
  SET_VECTOR_ELT(record, 5, Rf_ScalarLogical(used_generator ? 1 : 0));
  SET_VECTOR_ELT(record, 6, VECTOR_ELT(held_, kCalls));
  SET_VECTOR_ELT(record, 7, left_behind);
  set_names(record, {"value", "visible", "stdout", "conditions", "error", "rng", "calls", "misuse"});
  UNPROTECT(1);
  return record;
}

// R has jumped without calling the handler: at an interrupt, or when the stack overflowed.
void Evaluator::settle_error(engine::Interruption interrupted) {
  if (interrupted == engine::Interruption::kNone && interrupt_signalled_)
    interrupted = engine::Interruption::kInterrupt;
  // A map inside the evaluation may have taken the time limit's interrupt for one of its own.
  const bool taken =
      interrupted == engine::Interruption::kTimeLimit && Rf_inherits(VECTOR_ELT(held_, kError), "FutureInterruptError");
  if (!taken && VECTOR_ELT(held_, kError) != R_NilValue) return;
  const SEXP call = PROTECT(Rf_lang2(Rf_install("unhandled_jump"), Rf_ScalarInteger(static_cast<int>(interrupted))));
  SET_VECTOR_ELT(held_, kError, Rf_eval(call, functions_));
  UNPROTECT(1);
}

void Evaluator::note_surroundings() {
  Surroundings* const noted = &surroundings_;
  if (!capture_.surroundings) rbridge::stops_jumps([noted] { noted->note(); }, token_);
}

bool Evaluator::has_left_something() const {
  const Surroundings* const noted = &surroundings_;
  static const SEXP state = Rf_install("state");
  const SEXP notes = rbridge::variable(state, functions_);
  bool changed = true;
  bool* const target = &changed;
  rbridge::stops_jumps([noted, notes, target] { *target = noted->changed(notes); }, token_);
  return changed;
}

// Not protected.
SEXP Evaluator::left_by_element() {
  if (capture_.surroundings || !has_left_something()) return R_NilValue;
  const SEXP left = PROTECT(call_own("left_by_element"));
  note_surroundings();
  UNPROTECT(1);
  return left;
}

// The record of a result that cannot be sent.
void Evaluator::serialize_refusal(SEXP output, bool used_generator, base::Bytes& bytes) {
  SET_VECTOR_ELT(held_, kValue, R_NilValue);
  SET_VECTOR_ELT(held_, kConditions, R_NilValue);
  failed_ = true;
  const SEXP call = PROTECT(Rf_lang2(Rf_install("not_serializable"), VECTOR_ELT(held_, kError)));
  SET_VECTOR_ELT(held_, kError, Rf_eval(call, functions_));
  const SEXP record = PROTECT(make_record(output, used_generator, false, R_NilValue));
  serialize_guarded(record, bytes);
  UNPROTECT(2);
}

Outcome Evaluator::result(engine::Interruption interrupted, bool value_has_visible, base::Bytes& bytes) {
  const bool used_generator = generator_before_ != nullptr && generator_state() != generator_before_;
  const SEXP output = PROTECT(take_output());
  if (failed_) settle_error(interrupted);
  const SEXP left = PROTECT(value_has_visible ? call_own("left_in_worker") : left_by_element());
  const SEXP got = VECTOR_ELT(held_, kValue);
  const bool visible = !value_has_visible || failed_ || is_true(VECTOR_ELT(got, 1));
  const bool plain = !failed_ && visible && output == R_NilValue && !used_generator && left == R_NilValue &&
                     VECTOR_ELT(held_, kConditions) == R_NilValue;
  const SEXP object = PROTECT(plain ? (value_has_visible ? VECTOR_ELT(got, 0) : got)
                                    : make_record(output, used_generator, value_has_visible, left));
  const size_t before = bytes.size();
  const bool sent = rbridge::serialize_small(object, bytes) || serialize_result(object, bytes);
  if (!sent) bytes.resize(before);
  if (!sent) serialize_refusal(output, used_generator, bytes);
  SET_VECTOR_ELT(held_, kValue, R_NilValue);
  UNPROTECT(3);
  return plain && sent ? Outcome::kPlain : Outcome::kRecord;
}

}  // namespace avenir::worker
