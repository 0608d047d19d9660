#pragma once

#include <utility>

#include "base/bytes.h"
#include "engine/worker_port.h"
#include "rbridge/r.h"
#include "shm/segment.h"
#include "worker/surroundings.h"

namespace avenir::worker {

// What is recorded of evaluations: the classes that a job wants and what it wants of the output.
struct Capture {
  bool output = true;
  bool random_numbers = false;  // report when the generator was used
  bool surroundings = false;    // a future: look what it leaves behind, and report the calls that led to its error
};

enum class Outcome {
  kPlain,   // a value and nothing else
  kRecord,  // output, conditions, an error, use of the generator, or something left behind
};

// Evaluates R code in a worker at about a microsecond a call: R's global calling handlers, registered once,
// record conditions; standard output goes to a file in memory whose size is looked at after each call; errors
// end in the handler, which leaves by the restart "abort", and the jump is stopped here.
//
// Main thread only; one evaluation at a time. All R objects it holds are preserved by itself.
class Evaluator {
 public:
  // `functions`: the environment of inst/worker/worker.R. Descriptor 1 is taken over by the first set_job()
  // that wants output caught.
  explicit Evaluator(SEXP functions);

  // The settings of the job whose calls follow. `context` is the list described in R/backend-multisession.R.
  void set_job(SEXP context);

  // What is there before the elements of a map: who leaves something behind has it reported.
  void note_surroundings();

  // Called with the bytes of a condition that is to be relayed at once.
  using ImmediateSink = void (*)(void* data, const base::Bytes& bytes);
  void set_immediate_sink(ImmediateSink sink, void* data);

  // Evaluates `call` in `environment`. `visible`: the call gives list(value, visible). False when R jumped.
  bool evaluate(SEXP call, SEXP environment);
  // The same for our own preparations: conditions are left alone but for an error.
  bool prepare(SEXP call, SEXP environment);

  SEXP value() const;
  SEXP error() const;

  // Serializes what the last evaluation gave. `value_has_visible`: the value is list(value, visible).
  // `interrupted`: what has caused the jump, if there was one.
  Outcome result(engine::Interruption interrupted, bool value_has_visible, base::Bytes& bytes);
  // What the bytes of the last result refer to. Not kept.
  shm::Segments take_segments() { return std::exchange(segments_, {}); }
  bool failed() const { return failed_; }

  // For the handler that R calls (see worker.R): what it is to do with the condition.
  enum class Action { kNothing = 0, kMuffle = 1, kAbort = 2 };
  Action handle_condition(SEXP condition);

 private:
  enum class Mode { kIdle, kPrepare, kEvaluate };

  bool run(SEXP call, SEXP environment, Mode mode);
  void redirect_output();
  SEXP take_output();
  SEXP generator_state() const;
  void settle_error(engine::Interruption interrupted);
  SEXP make_record(SEXP output, bool used_generator, bool value_has_visible, SEXP left_behind);
  SEXP call_own(const char* function);
  void serialize_refusal(SEXP output, bool used_generator, base::Bytes& bytes);
  bool serialize_guarded(SEXP object, base::Bytes& bytes);
  bool serialize_result(SEXP object, base::Bytes& bytes);
  void relay_now(SEXP condition);
  bool has_left_something() const;
  SEXP left_by_element();

  SEXP functions_;
  SEXP token_;
  SEXP held_;  // list: value, error, calls of the error, conditions (pairlist, last first), classes, excluded classes,
               // immediate classes, the generator's state at the beginning
  Capture capture_;
  Surroundings surroundings_;
  SEXP generator_before_ = nullptr;
  Mode mode_ = Mode::kIdle;
  bool failed_ = false;
  bool interrupt_signalled_ = false;
  bool muffle_unrecorded_ = true;
  bool redirected_ = false;
  ImmediateSink sink_ = nullptr;
  void* sink_data_ = nullptr;
  shm::Segments segments_;
};

}  // namespace avenir::worker
