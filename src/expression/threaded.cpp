#include "expression/threaded.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "compute/library.h"
#include "expression/analysis.h"
#include "expression/compiler.h"
#include "expression/totals.h"
#include "rbridge/entry_points.h"
#include "rbridge/keeper.h"
#include "rbridge/unwind.h"
#include "sys/huge_pages.h"

namespace avenir::expression {

namespace {

using base::Error;
using base::ErrorKind;
using linalg::Reduction;
using linalg::Type;
using rbridge::Keeper;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorKind::kInvalid, message); }

std::string known_functions() {
  return "It knows arithmetic, comparisons, logic, the mathematical functions of base R, ifelse(), pmin(), pmax(), "
         "is.na() and its relatives, and sum(), mean(), prod(), min(), max(), range(), any(), all(): see ?threaded.";
}

[[noreturn]] void raise_fault(const Analysis& analysis) {
  const std::string what = text_of(analysis.what);
  switch (analysis.fault) {
    case Fault::kUnknown:
      invalid("threaded() cannot compute `" + what + "()`. Compute it before, as a variable. " + known_functions());
    case Fault::kRedefined:
      invalid("threaded() computes base R's `" + what + "`, and here that name means something else.");
    case Fault::kDots:
      invalid("threaded() cannot take arguments from `...`: name them.");
    case Fault::kMissing:
      invalid("an argument in the expression of threaded() is empty.");
    case Fault::kTooLarge:
      invalid("the expression of threaded() is too large, at `" + what + "`: compute a part of it before.");
    default:
      invalid("threaded() cannot compute `" + what + "`: the function must be given by its name.");
  }
}

// Guarded.
SEXP own_namespace() {
  const SEXP name = PROTECT(Rf_mkString("avenir"));
  const SEXP found = R_FindNamespace(name);
  UNPROTECT(1);
  return found;
}

uint64_t minimum = 1000;

// ---- Operands ----

std::string kind_of(SEXP value) {
  return std::string(Rf_type2char(static_cast<SEXPTYPE>(TYPEOF(value)))) == "closure"
             ? "function"
             : Rf_type2char(static_cast<SEXPTYPE>(TYPEOF(value)));
}

// What has methods would be computed by them.
void refuse_methods(SEXP leaf, SEXP value, SEXP code) {
  std::string method;
  if (Rf_isS4(value)) {
    method = "its S4 methods";
  } else {
    SEXP found = R_NilValue;
    SEXP* const target = &found;
    rbridge::guarded([=] {
      const SEXP names = PROTECT(Rf_lang2(Rf_install("all.names"), PROTECT(Rf_lang2(R_QuoteSymbol, code))));
      const SEXP call = PROTECT(Rf_lang3(Rf_install("method_of"), value, names));
      *target = Rf_eval(call, own_namespace());
      R_PreserveObject(*target);
      UNPROTECT(3);
    });
    method = CHAR(STRING_ELT(found, 0));
    R_ReleaseObject(found);
  }
  if (method.empty()) return;
  invalid("`" + text_of(leaf) + "` has class \"" + CHAR(STRING_ELT(Rf_getAttrib(value, R_ClassSymbol), 0)) +
          "\", whose " + method + " threaded() does not call. Use unclass() or as.numeric() of it.");
}

void check_leaves(const Analysis& analysis, SEXP code) {
  if (!analysis.has_others && !analysis.has_objects) return;
  for (int i = 0; i < analysis.leaves; ++i) {
    const SEXP value = analysis.value[i];
    const bool number = TYPEOF(value) == REALSXP || TYPEOF(value) == INTSXP || TYPEOF(value) == LGLSXP;
    if (!number)
      invalid("`" + text_of(analysis.code[i]) + "` in threaded() is of type " + kind_of(value) +
              "; it must be a numeric, integer or logical vector.");
    if (Rf_isObject(value)) refuse_methods(analysis.code[i], value, code);
  }
}

// A function of the package without arguments. Its value is not protected.
SEXP call_own(const char* name) {
  SEXP value = R_NilValue;
  SEXP* const target = &value;
  rbridge::guarded([target, name] {
    const SEXP call = PROTECT(Rf_lang1(Rf_install(name)));
    *target = Rf_eval(call, own_namespace());
    UNPROTECT(1);
  });
  return value;
}

// ---- Settings ----

unsigned wanted_threads() {
  SEXP value = Rf_GetOption1(Rf_install("avenir.threads"));
  if (value == R_NilValue) value = call_own("default_threads");
  const int threads = Rf_asInteger(value);
  if (threads == NA_INTEGER || threads < 1) invalid("option `avenir.threads` must be one whole number from 1.");
  return static_cast<unsigned>(threads);
}

// "SLEEF", "libmvec" or "scalar", of which the last gives base R's very bits; for tests with ":AVX-512", ":AVX2" or
// ":narrow" behind it.
bool choose(const std::string& name, const compute::Api& library) {
  using linalg::MathSource;
  using linalg::Width;
  const std::string source = name.substr(0, name.find(':'));
  const std::string width = source.size() == name.size() ? "" : name.substr(source.size() + 1);
  for (const MathSource candidate : {MathSource::kScalar, MathSource::kLibmvec, MathSource::kSleef}) {
    if (source != library.name_of_source(candidate)) continue;
    for (const Width wide : {Width::kAvx512, Width::kAvx2, Width::kNarrow})
      if ((width.empty() || width == library.name_of_width(wide)) && library.choose_math(candidate, wide)) return true;
  }
  return false;
}

// Strings are unique in R: the same one needs no second look.
void settle_math(const compute::Api& library) {
  static SEXP last = R_NilValue;
  const SEXP value = Rf_GetOption1(Rf_install("avenir.threads.math"));
  const bool given = TYPEOF(value) == STRSXP && Rf_xlength(value) == 1;
  const SEXP text = given ? STRING_ELT(value, 0) : R_NilValue;
  if (text == last) return;
  if (!given)
    library.choose_best_math();
  else if (!choose(CHAR(text), library))
    invalid(
        std::string("option `avenir.threads.math` is \"") + CHAR(text) +
        "\"; this machine has no such library. It may be \"SLEEF\", \"libmvec\" or \"scalar\"; NULL takes the best.");
  if (given) R_PreserveObject(text);
  last = text;
}

// ---- Running ----

SEXPTYPE r_type(Type type) { return type == Type::kDouble ? REALSXP : type == Type::kInteger ? INTSXP : LGLSXP; }

const char* warning_of(uint8_t event, linalg::Op op) {
  if ((event & linalg::kNanProduced) != 0 && op != linalg::Op::kPow && op != linalg::Op::kAtan2) return "NaNs produced";
  if ((event & linalg::kPrecisionLost) != 0) return "probable complete loss of accuracy in modulus";
  if ((event & linalg::kOverflow) == 0) return nullptr;
  return op == linalg::Op::kIntegerOfD ? "NAs introduced by coercion to integer range"
                                       : "NAs produced by integer overflow";
}

// Runs drafts, and has what they give.
class Evaluation final : public Runner {
 public:
  Evaluation(SEXP env, const compute::Api& library) : env_(env), library_(library) {}

  SEXP run(Draft& draft, SEXP call) override {
    if (draft.result.is_constant()) return draft.result.constant;
    if (draft.program.reduction != Reduction::kNone) return reduce(draft, call);
    const SEXP out = fresh(draft);
    if (!compute(draft, out, true)) return evaluate(call);
    const Attributes* const attributes = &draft.result.attributes;
    if (!attributes->none()) rbridge::guarded([out, attributes] { set_attributes(out, *attributes); });
    return out;
  }

  // Into `out`, which is one of the inputs: no interrupt may leave it half done.
  void run_in_place(Draft& draft, SEXP out) { compute(draft, out, false); }

  // Raises the warnings that base R gives. May jump.
  void raise_warnings() const {
    for (const auto& [call, text] : warnings_) {
      const SEXP at = call;
      const char* const message = text;
      rbridge::guarded([at, message] { Rf_warningcall(at, "%s", message); });
    }
  }

  // Also where the type depends on the data, and for R's warnings.
  SEXP evaluate(SEXP call) override {
    const SEXP env = env_;
    return keeper_.make([call, env] { return Rf_eval(call, env); });
  }

  SEXP evaluate(SEXP call, const std::vector<SEXP>& arguments) override {
    const SEXP env = env_;
    const SEXP* const first = arguments.data();
    return keeper_.make([call, env, first] {
      const SEXP copy = PROTECT(Rf_shallow_duplicate(call));
      const SEXP* next = first;
      for (SEXP at = CDR(copy); at != R_NilValue; at = CDR(at)) SETCAR(at, *next++);
      const SEXP value = Rf_eval(copy, env);
      UNPROTECT(1);
      return value;
    });
  }

 private:
  SEXP fresh(const Draft& draft) {
    const SEXPTYPE type = r_type(draft.program.type);
    const auto length = static_cast<R_xlen_t>(draft.program.length);
    const SEXP out = keeper_.make([type, length] { return Rf_allocVector(type, length); });
    sys::prefer_huge_pages(rbridge::own_elements(out), draft.program.length * linalg::size_of(draft.program.type));
    return out;
  }

  linalg::Outcome run_slices(Draft& draft, void* out, bool interruptible) {
    linalg::Outcome total;
    for (uint64_t begin = 0; begin < draft.program.length; begin += linalg::kSlice) {
      const uint64_t end = std::min(begin + linalg::kSlice, draft.program.length);
      library_.add_outcome(total, library_.evaluate(draft.program, out, begin, end), draft.program);
      if (interruptible && end < draft.program.length) rbridge::guarded([] { R_CheckUserInterrupt(); });
    }
    return total;
  }

  // False when base R's result would be of another type.
  bool compute(Draft& draft, SEXP out, bool interruptible) {
    const linalg::Outcome outcome = run_slices(draft, rbridge::own_elements(out), interruptible);
    if (!types_hold(draft, outcome)) return false;
    note_warnings(draft, outcome);
    return true;
  }

  static bool types_hold(const Draft& draft, const linalg::Outcome& outcome) {
    return std::all_of(draft.choices.begin(), draft.choices.end(), [&outcome](const Draft::Choice& choice) {
      const uint8_t saw = outcome.events[choice.step];
      const bool yes = choice.yes <= choice.no, no = choice.no <= choice.yes;  // kDouble is the first
      return (yes && no && choice.yes == Type::kLogical) || (yes && (saw & linalg::kSawTrue) != 0) ||
             (no && (saw & linalg::kSawFalse) != 0);
    });
  }

  // Whether base R would have come to the step: it leaves alone what no element chooses.
  static bool was_chosen(size_t step, const Draft& draft, const linalg::Outcome& outcome) {
    for (size_t use = 0; use < draft.uses.size(); ++use)
      if (draft.uses[use] == step && was_use_chosen(use, draft, outcome)) return true;
    return false;
  }

  static bool was_use_chosen(size_t use, const Draft& draft, const linalg::Outcome& outcome) {
    const auto within = [use](const Draft::Uses& uses) { return use >= uses.begin && use < uses.end; };
    return std::none_of(draft.choices.begin(), draft.choices.end(), [&](const Draft::Choice& choice) {
      const uint8_t saw = outcome.events[choice.step];
      return ((saw & linalg::kSawTrue) == 0 && within(choice.in_yes)) ||
             ((saw & linalg::kSawFalse) == 0 && within(choice.in_no));
    });
  }

  void note_warnings(const Draft& draft, const linalg::Outcome& outcome) {
    for (size_t i = 0; i < outcome.events.size(); ++i) {
      if (draft.calls[i] == R_NilValue || outcome.events[i] == 0 || !was_chosen(i, draft, outcome)) continue;
      const char* const text = warning_of(outcome.events[i], draft.program.steps[i].op);
      if (text != nullptr) warnings_.emplace_back(draft.calls[i], text);
    }
  }

  // ---- Reductions ----

  SEXP reduce(Draft& draft, SEXP call) {
    const linalg::Outcome outcome = run_slices(draft, nullptr, true);
    const linalg::Totals& totals = outcome.totals;
    if (totals.counted == 0 || !types_hold(draft, outcome)) return evaluate(call);
    note_warnings(draft, outcome);
    const SEXP value = value_of(keeper_, draft.program, totals);
    return value == R_NilValue ? evaluate(call) : value;
  }

  SEXP env_;
  const compute::Api& library_;
  Keeper keeper_;
  std::vector<std::pair<SEXP, const char*>> warnings_;
};

// ---- The whole ----

struct Assignment {
  SEXP name = R_NilValue;  // R_NilValue: there is none
  SEXP code;
};

Assignment split(SEXP code) {
  if (TYPEOF(code) != LANGSXP || CAR(code) != Rf_install("<-")) return {R_NilValue, code};
  if (TYPEOF(CADR(code)) != SYMSXP)
    invalid("threaded() assigns to names only, as in threaded(x <- x + 1); here it is `" + text_of(CADR(code)) + "`.");
  return {CADR(code), CADDR(code)};
}

void assign(SEXP name, SEXP value, SEXP env) {
  rbridge::guarded([name, value, env] { Rf_defineVar(name, value, env); });
}

// The vector of that name, if the result may be written into it: nobody else has it, and it is of the same kind.
SEXP own_vector(SEXP name, SEXP env, const Draft& draft) {
  if (!rbridge::is_plain_variable(name, env) || R_BindingIsLocked(name, env)) return R_NilValue;
  const SEXP value = rbridge::variable(name, env);
  const bool fits = TYPEOF(value) == static_cast<int>(r_type(draft.program.type)) && !ALTREP(value) &&
                    !Rf_isS4(value) && static_cast<uint64_t>(Rf_xlength(value)) == draft.program.length;
  if (!fits || MAYBE_SHARED(value)) return R_NilValue;
  const bool keeps_type = draft.choices.empty();
  return keeps_type && has_these(value, draft.result.attributes) ? value : R_NilValue;
}

bool is_for_r(const Analysis& analysis) {
  return analysis.calls == 0 || analysis.has_empty || (analysis.longest < minimum && !analysis.has_compiled);
}

SEXP compute(const Assignment& assignment, SEXP env, const Analysis& analysis) {
  const compute::Api& library = prepared_library();
  Evaluation evaluation(env, library);
  Compiler compiler(analysis, env, evaluation);
  const std::unique_ptr<Draft> draft = compiler.compile(assignment.code);
  const bool vector = !draft->result.is_constant();
  const SEXP own = vector && assignment.name != R_NilValue ? own_vector(assignment.name, env, *draft) : R_NilValue;
  SEXP result = own;
  if (own != R_NilValue)
    evaluation.run_in_place(*draft, own);
  else
    result = evaluation.run(*draft, assignment.code);
  if (assignment.name != R_NilValue && own == R_NilValue) assign(assignment.name, result, env);
  evaluation.raise_warnings();
  return result;
}

}  // namespace

const compute::Api& prepared_library() {
  if (!compute::is_loaded()) call_own("load_compute");
  const compute::Api& library = compute::library();
  library.set_threads(wanted_threads());
  settle_math(library);
  return library;
}

SEXP threaded(SEXP code, SEXP env) {
  const Assignment assignment = split(code);
  Analysis analysis;
  Keeper leaves;
  SEXP result = R_NilValue;
  bool done = false;
  struct {
    SEXP code, of, env;
    Analysis& analysis;
    SEXP& result;
    bool& done;
  } at{code, assignment.code, env, analysis, result, done};
  // What is small goes through this once: the way into R and back is the most of its time.
  rbridge::guarded([&at] {
    analyse(at.of, at.env, at.analysis);
    const bool clean = at.analysis.fault == Fault::kNone && !at.analysis.has_others && !at.analysis.has_objects;
    at.done = clean && is_for_r(at.analysis);
    if (at.done) at.result = Rf_eval(at.code, at.env);
    UNPROTECT(at.analysis.leaves);
  });
  if (done) return result;
  for (int i = 0; i < analysis.leaves; ++i) leaves.keep(analysis.value[i]);
  if (analysis.fault != Fault::kNone) raise_fault(analysis);
  check_leaves(analysis, assignment.code);
  if (!is_for_r(analysis)) return compute(assignment, env, analysis);
  rbridge::guarded([&at] { at.result = Rf_eval(at.code, at.env); });
  return result;
}

uint64_t exchange_minimum(uint64_t elements) { return std::exchange(minimum, elements); }

}  // namespace avenir::expression
