#pragma once

#include <memory>
#include <string>
#include <vector>

#include "expression/analysis.h"
#include "expression/attributes.h"
#include "linalg/program.h"
#include "rbridge/r.h"

namespace avenir::expression {

// A sub-expression's value while it is compiled: an R object of one element, or elements that the program computes.
struct Value {
  SEXP constant = R_NilValue;  // the object; else:
  linalg::Operand operand{};
  linalg::Type type = linalg::Type::kDouble;
  uint64_t length = 1;
  Attributes attributes;

  bool is_constant() const { return constant != R_NilValue; }
};

// A program under construction, and what its steps are of R.
struct Draft {
  struct Uses {
    size_t begin = 0, end = 0;
  };
  linalg::Program program;
  std::vector<SEXP> calls;     // of each step: for warnings; R_NilValue where base R does not warn
  std::vector<uint16_t> uses;  // the steps in the order of the code, one again for each time that the code has it
  std::vector<SEXP> sources;   // of each input: the vector, or R_NilValue
  // An ifelse(). Base R finds its type out from the data, and does not evaluate what is never chosen.
  struct Choice {
    size_t step;
    linalg::Type yes, no;
    Uses in_yes, in_no;
  };
  std::vector<Choice> choices;
  Value result;
};

// Computes what is needed before the rest can be compiled, and keeps what it returns from the garbage collector.
class Runner {
 public:
  virtual ~Runner() = default;
  // A reduction inside the expression, or a vector that is shorter than the result; `call` is the sub-expression.
  virtual SEXP run(Draft& draft, SEXP call) = 0;
  // By R: a call, or one whose arguments are replaced by these objects.
  virtual SEXP evaluate(SEXP call) = 0;
  virtual SEXP evaluate(SEXP call, const std::vector<SEXP>& arguments) = 0;
};

class Compiler {
 public:
  Compiler(const Analysis& analysis, SEXP env, Runner& runner);
  // The whole expression. Throws kInvalid and kUnsupported with the sub-expression that it is about.
  std::unique_ptr<Draft> compile(SEXP code);

 private:
  using Values = std::vector<Value>;

  Value value(SEXP code);
  Value leaf();
  Value call(SEXP code);
  Value call_in_draft(SEXP code, const Function* function);
  Value compiled_call(SEXP code);
  Value separately(SEXP code, uint64_t length);
  Value reduction(SEXP code, const Function& function);
  Value evaluated(SEXP code);
  Value folded(SEXP code);
  Value of_object(SEXP object);
  Values arguments(SEXP code, const std::vector<const char*>& names, size_t needed);
  bool is_true(const Value& na_rm, SEXP code) const;
  Values dots(SEXP code, bool& na_rm);

  Value arithmetic(SEXP code, const Function& function);
  Value unary(SEXP code, const Function& function, const Value& x);
  Value comparison(SEXP code, const Function& function);
  Value logic(SEXP code, const Function& function);
  Value exclusive_or(SEXP code);
  Value negation(SEXP code);
  Value math(SEXP code, const Function& function);
  Value logarithm(SEXP code);
  Value if_else(SEXP code);
  Value extremes(SEXP code, const Function& function);
  Value question(SEXP code, const Function& function);
  Value conversion(SEXP code, const Function& function);
  Value absolute(SEXP code, const Function& function);
  Value rounded(SEXP code, const Function& function);
  Value angle(SEXP code, const Function& function);

  Value math_of(const Value& x, linalg::Op op, SEXP code);
  Value both(linalg::Op op, linalg::Type as, linalg::Type type, const Value& x, const Value& y, SEXP code);
  Value emit(linalg::Op op, linalg::Type type, std::vector<linalg::Operand> operands, SEXP warns = R_NilValue);
  linalg::Operand operand_of(const Value& value, linalg::Type type);
  linalg::Operand constant(const linalg::Constant& constant);
  linalg::Operand constant_of(SEXP object, linalg::Type type);
  linalg::Operand logical_of(const Value& value);
  uint64_t common_length(const Value& x, const Value& y, SEXP code) const;
  void must_fit(const Value& argument, SEXP code) const;  // recycled evenly in the draft's length
  Attributes combined(const Value& x, const Value& y, bool all, SEXP code) const;
  uint64_t length() const { return draft_->program.length; }
  void finish(Draft& draft, const Value& result) const;

  const Analysis& analysis_;
  SEXP env_;
  Runner& runner_;
  Draft* draft_ = nullptr;
  int next_leaf_ = 0, next_call_ = 0;
  std::vector<Draft::Uses> argument_uses_;  // of the last call of arguments(), as its values are
};

// A call as text for a message, on one line.
std::string text_of(SEXP code);

}  // namespace avenir::expression
