#include "expression/compiler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "expression/compiled.h"
#include "rbridge/unwind.h"

namespace avenir::expression {

namespace {

using base::Error;
using base::ErrorKind;
using linalg::Op;
using linalg::Operand;
using linalg::Type;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorKind::kInvalid, message); }

[[noreturn]] void unsupported(SEXP code, const std::string& why) {
  invalid("threaded() cannot compute `" + text_of(code) + "`: " + why);
}

Type type_of(SEXP object) {
  return TYPEOF(object) == REALSXP ? Type::kDouble : TYPEOF(object) == INTSXP ? Type::kInteger : Type::kLogical;
}

Type larger(Type a, Type b) {
  if (a == Type::kDouble || b == Type::kDouble) return Type::kDouble;
  return a == Type::kInteger || b == Type::kInteger ? Type::kInteger : Type::kLogical;
}

bool is_number(const Value& value, double number) { return value.is_constant() && Rf_asReal(value.constant) == number; }

bool same_operands(const std::vector<Operand>& a, const std::vector<Operand>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](Operand x, Operand y) { return x.kind == y.kind && x.index == y.index; });
}

const char* tag_of(SEXP argument) { return TAG(argument) == R_NilValue ? "" : CHAR(PRINTNAME(TAG(argument))); }

// What the walk of analyse() makes of `code`: its leaves and calls.
struct Count {
  int leaves = 0, calls = 0;
};

void count(SEXP code, Count& total) {
  if (TYPEOF(code) != LANGSXP) {
    ++total.leaves;
    return;
  }
  const Function* const function = find_function(CAR(code));
  if (function != nullptr && function->kind == Kind::kLeaf) {
    ++total.leaves;
    return;
  }
  ++total.calls;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) count(CAR(at), total);
}

}  // namespace

std::string text_of(SEXP code) {
  SEXP lines = R_NilValue;
  SEXP* const target = &lines;
  rbridge::guarded([code, target] {
    const SEXP call = PROTECT(Rf_lang2(Rf_install("deparse"), PROTECT(Rf_lang2(R_QuoteSymbol, code))));
    *target = Rf_eval(call, R_BaseEnv);
    R_PreserveObject(*target);
    UNPROTECT(2);
  });
  std::string text = CHAR(STRING_ELT(lines, 0));
  if (Rf_xlength(lines) > 1 || text.size() > 60) text = text.substr(0, 57) + "...";
  R_ReleaseObject(lines);
  return text;
}

Compiler::Compiler(const Analysis& analysis, SEXP env, Runner& runner)
    : analysis_(analysis), env_(env), runner_(runner) {}

std::unique_ptr<Draft> Compiler::compile(SEXP code) {
  auto draft = std::make_unique<Draft>();
  draft_ = draft.get();
  const bool is_call = analysis_.calls > 0;
  draft->program.length = is_call ? analysis_.length[0] : analysis_.longest;
  finish(*draft, value(code));
  return draft;
}

void Compiler::finish(Draft& draft, const Value& result) const {
  draft.result = result;
  if (result.is_constant()) return;
  draft.program.result = result.operand;
  draft.program.type = result.type;
  linalg::allocate_registers(draft.program);
}

// ---- Values ----

Value Compiler::value(SEXP code) {
  if (TYPEOF(code) != LANGSXP) return leaf();
  const Function* const function = find_function(CAR(code));
  if (function != nullptr && function->kind == Kind::kLeaf) return leaf();
  return call(code);
}

Value Compiler::leaf() { return of_object(analysis_.value[next_leaf_++]); }

Value Compiler::of_object(SEXP object) {
  Value value;
  value.type = type_of(object);
  value.length = static_cast<uint64_t>(Rf_xlength(object));
  value.attributes = attributes_of(object);
  if (value.length == 1) {
    value.constant = object;
    return value;
  }
  auto& sources = draft_->sources;
  const auto known = std::find(sources.begin(), sources.end(), object);
  value.operand = {Operand::Kind::kInput, static_cast<uint16_t>(known - sources.begin())};
  if (known != sources.end()) return value;
  linalg::Input input;
  const void** const data = &input.data;
  rbridge::guarded([object, data] { *data = DATAPTR_RO(object); });
  input.length = value.length;
  input.type = value.type;
  draft_->program.inputs.push_back(input);
  sources.push_back(object);
  return value;
}

// By R itself: of single elements only.
Value Compiler::evaluated(SEXP code) {
  Count skipped;
  count(code, skipped);
  next_leaf_ += skipped.leaves;
  next_call_ += skipped.calls;
  return of_object(runner_.evaluate(code));
}

// By R itself, of single elements that were computed of vectors.
Value Compiler::folded(SEXP code) {
  ++next_call_;
  std::vector<SEXP> objects;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) {
    const Value argument = value(CAR(at));
    if (!argument.is_constant()) unsupported(code, "the test has one element, and what it chooses from has more");
    objects.push_back(argument.constant);
  }
  return of_object(runner_.evaluate(code, objects));
}

Value Compiler::call(SEXP code) {
  const Function* const function = find_function(CAR(code));
  const uint64_t wanted = analysis_.length[next_call_];
  if (function != nullptr && function->kind == Kind::kReduction) return reduction(code, *function);
  if (wanted == 1 && function != nullptr) {
    const Value single = analysis_.inside[next_call_] <= 1 ? evaluated(code) : folded(code);
    if (single.length != 1) unsupported(code, "its value is not as long as its arguments");
    return single;
  }
  if (wanted != length()) return separately(code, wanted);
  ++next_call_;
  return call_in_draft(code, function);
}

// A value that is shorter than what it is used for: no tile of it belongs to one of the result.
Value Compiler::separately(SEXP code, uint64_t wanted) {
  Draft draft;
  draft.program.length = wanted;
  Draft* const outer = std::exchange(draft_, &draft);
  ++next_call_;
  finish(draft, call_in_draft(code, find_function(CAR(code))));
  draft_ = outer;
  return of_object(runner_.run(draft, code));
}

Value Compiler::reduction(SEXP code, const Function& function) {
  const int leaf_before = next_leaf_, call_before = next_call_++;
  Draft draft;
  Draft* const outer = std::exchange(draft_, &draft);
  draft.program.reduction = function.reduction;
  Value of;
  int values = 0;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) {
    if (std::strcmp(tag_of(at), "na.rm") == 0) {
      draft.program.na_rm = is_true(value(CAR(at)), code);
      continue;
    }
    if (++values > 1 || (*tag_of(at) != '\0' && std::strcmp(tag_of(at), "x") != 0))
      unsupported(code, "a reduction takes one vector, and na.rm");
    Count part;
    count(CAR(at), part);
    draft.program.length =
        part.calls > 0 ? analysis_.length[next_call_] : static_cast<uint64_t>(Rf_xlength(analysis_.value[next_leaf_]));
    if (draft.program.length == 1) {
      draft_ = outer;
      next_leaf_ = leaf_before;
      next_call_ = call_before;
      return evaluated(code);
    }
    of = value(CAR(at));
  }
  if (values == 0) unsupported(code, "there is no vector");
  const bool logical = function.reduction == linalg::Reduction::kAny || function.reduction == linalg::Reduction::kAll;
  if (logical && of.type == Type::kDouble) unsupported(code, "it takes logicals; use for instance any(x != 0)");
  finish(draft, of);
  draft_ = outer;
  return of_object(runner_.run(draft, code));
}

Value Compiler::call_in_draft(SEXP code, const Function* function) {
  if (function == nullptr) return compiled_call(code);
  switch (function->kind) {
    case Kind::kArithmetic:
      return arithmetic(code, *function);
    case Kind::kComparison:
      return comparison(code, *function);
    case Kind::kLogic:
      return logic(code, *function);
    case Kind::kNot:
      return negation(code);
    case Kind::kXor:
      return exclusive_or(code);
    case Kind::kParenthesis:
      return arguments(code, {"e1"}, 1)[0];
    case Kind::kMath:
      return math(code, *function);
    case Kind::kLog:
      return logarithm(code);
    case Kind::kAtan2:
      return angle(code, *function);
    case Kind::kAbs:
      return absolute(code, *function);
    case Kind::kRound:
      return rounded(code, *function);
    case Kind::kIfElse:
      return if_else(code);
    case Kind::kExtremes:
      return extremes(code, *function);
    case Kind::kQuestion:
      return question(code, *function);
    case Kind::kConversion:
      return conversion(code, *function);
    case Kind::kReduction:
    case Kind::kLeaf:
      break;
  }
  throw Error(ErrorKind::kInternal, "internal: a call of unknown kind");
}

// The arguments in the order of the formal `names`; those that are not given have length 0.
Compiler::Values Compiler::arguments(SEXP code, const std::vector<const char*>& names, size_t needed) {
  struct Given {
    const char* tag;
    Value value;
    Draft::Uses uses;
  };
  const bool operators = std::strcmp(names[0], "e1") == 0;  // R does not look at the names of theirs
  std::vector<Given> given;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) {
    const size_t begin = draft_->uses.size();
    const Value argument = value(CAR(at));
    given.push_back({operators ? "" : tag_of(at), argument, {begin, draft_->uses.size()}});
  }
  Values values(names.size());
  for (Value& value : values) value.length = 0;
  std::vector<Draft::Uses> uses(names.size());
  std::vector<bool> taken(names.size(), false);
  const auto take = [&](size_t k, const Given& argument) {
    if (k == names.size())
      unsupported(code, *argument.tag == '\0' ? "it has too many arguments"
                                              : std::string("it takes no argument `") + argument.tag + "` here");
    if (taken[k]) unsupported(code, std::string("it is given the argument `") + names[k] + "` twice");
    values[k] = argument.value;
    uses[k] = argument.uses;
    taken[k] = true;
  };
  const auto named = [&names](const char* tag) {
    size_t k = 0;
    while (k < names.size() && std::strcmp(tag, names[k]) != 0) ++k;
    return k;
  };
  for (const Given& argument : given)
    if (*argument.tag != '\0') take(named(argument.tag), argument);
  for (const Given& argument : given)
    if (*argument.tag == '\0')
      take(static_cast<size_t>(std::find(taken.begin(), taken.end(), false) - taken.begin()), argument);
  for (size_t k = 0; k < needed; ++k)
    if (!taken[k]) unsupported(code, std::string("it needs an argument `") + names[k] + "`");
  argument_uses_ = std::move(uses);
  return values;
}

bool Compiler::is_true(const Value& na_rm, SEXP code) const {
  int given = 0;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) given += std::strcmp(tag_of(at), "na.rm") == 0;
  if (given > 1) unsupported(code, "it is given the argument `na.rm` twice");
  const int flag = na_rm.is_constant() ? Rf_asLogical(na_rm.constant) : NA_LOGICAL;
  if (flag == NA_LOGICAL) unsupported(code, "na.rm must be TRUE or FALSE");
  return flag == TRUE;
}

// The arguments of pmin() and pmax().
Compiler::Values Compiler::dots(SEXP code, bool& na_rm) {
  Values values;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) {
    const Value argument = value(CAR(at));
    if (std::strcmp(tag_of(at), "na.rm") == 0)
      na_rm = is_true(argument, code);
    else
      values.push_back(argument);
  }
  if (values.empty()) unsupported(code, "there are no arguments");
  return values;
}

// ---- Steps ----

Value Compiler::emit(Op op, Type type, std::vector<Operand> operands, SEXP warns) {
  linalg::Program& program = draft_->program;
  Value value;
  value.type = type;
  value.length = length();
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const linalg::Step& step = program.steps[i];
    if (step.op != op || op == Op::kCall || !same_operands(step.operands, operands)) continue;
    value.operand = {Operand::Kind::kRegister, static_cast<uint16_t>(i)};
    draft_->uses.push_back(value.operand.index);
    return value;
  }
  const auto index = static_cast<uint16_t>(program.steps.size());
  program.steps.push_back({op, index, std::move(operands)});
  draft_->calls.push_back(warns);
  draft_->uses.push_back(index);
  value.operand = {Operand::Kind::kRegister, index};
  return value;
}

Operand Compiler::constant(const linalg::Constant& constant) {
  auto& constants = draft_->program.constants;
  const auto same = [&constant](const linalg::Constant& known) {
    return std::memcmp(known.bytes, constant.bytes, sizeof known.bytes) == 0;
  };
  const auto known = std::find_if(constants.begin(), constants.end(), same);
  const auto index = static_cast<uint16_t>(known - constants.begin());
  if (known == constants.end()) constants.push_back(constant);
  return {Operand::Kind::kConstant, index};
}

Operand Compiler::constant_of(SEXP object, Type type) {
  if (TYPEOF(object) == REALSXP) return constant(linalg::Constant::of(REAL_ELT(object, 0)));
  const int32_t integer = TYPEOF(object) == LGLSXP ? LOGICAL_ELT(object, 0) : INTEGER_ELT(object, 0);
  if (type != Type::kDouble) return constant(linalg::Constant::of(integer));
  return constant(linalg::Constant::of(integer == NA_INTEGER ? NA_REAL : static_cast<double>(integer)));
}

Operand Compiler::operand_of(const Value& value, Type type) {
  if (value.is_constant()) return constant_of(value.constant, type);
  if (type == Type::kDouble && value.type != Type::kDouble)
    return emit(Op::kDoubleOfI, Type::kDouble, {value.operand}).operand;
  return value.operand;
}

// As 0, 1 or NA.
Operand Compiler::logical_of(const Value& value) {
  if (value.is_constant()) return constant(linalg::Constant::of(static_cast<int32_t>(Rf_asLogical(value.constant))));
  if (value.type == Type::kDouble) return emit(Op::kLogicalOfD, Type::kLogical, {value.operand}).operand;
  if (value.type == Type::kInteger) return emit(Op::kLogicalOfI, Type::kLogical, {value.operand}).operand;
  return value.operand;
}

uint64_t Compiler::common_length(const Value& x, const Value& y, SEXP code) const {
  const uint64_t longer = std::max(x.length, y.length), shorter = std::min(x.length, y.length);
  if (shorter > 0 && longer % shorter == 0) return longer;
  invalid("the operands of `" + text_of(code) + "` have " + std::to_string(x.length) + " and " +
          std::to_string(y.length) + " elements; one must be a multiple of the other.");
}

void Compiler::must_fit(const Value& argument, SEXP code) const {
  if (argument.length > 0 && length() % argument.length == 0) return;
  invalid("an argument of `" + text_of(code) + "` has " + std::to_string(argument.length) + " of the " +
          std::to_string(length()) + " elements; it must have as many, or divide them evenly.");
}

Attributes Compiler::combined(const Value& x, const Value& y, bool all, SEXP code) const {
  Attributes result;
  const Side left{&x.attributes, static_cast<R_xlen_t>(x.length)},
      right{&y.attributes, static_cast<R_xlen_t>(y.length)};
  if (!combine_attributes(left, right, static_cast<R_xlen_t>(common_length(x, y, code)), all, result))
    invalid("the operands of `" + text_of(code) +
            "` are non-conformable: arrays of different extents, or one and a longer vector");
  return result;
}

Value Compiler::both(Op op, Type as, Type type, const Value& x, const Value& y, SEXP code) {
  common_length(x, y, code);
  return emit(op, type, {operand_of(x, as), operand_of(y, as)});
}

// ---- Functions ----

Value Compiler::arithmetic(SEXP code, const Function& function) {
  const Values values = arguments(code, {"e1", "e2"}, 1);
  const Value &x = values[0], &y = values[1];
  if (y.length == 0) return unary(code, function, x);
  const Type larger_type = larger(x.type, y.type);
  const bool integer = larger_type != Type::kDouble && function.integer_op != Op::kCopyI;
  Value result;
  if (function.op == Op::kPow && is_number(y, 2)) {  // as R does
    const Operand base = operand_of(x, Type::kDouble);
    result = emit(Op::kMulD, Type::kDouble, {base, base});
  } else {
    const Type as = integer ? Type::kInteger : Type::kDouble;
    result = both(integer ? function.integer_op : function.op, as, as, x, y, code);
  }
  if (integer || function.op == Op::kModD) draft_->calls[result.operand.index] = code;
  result.attributes = combined(x, y, true, code);
  return result;
}

Value Compiler::unary(SEXP code, const Function& function, const Value& x) {
  const bool minus = function.op == Op::kSubD;
  if (!minus && function.op != Op::kAddD) unsupported(code, "it takes two arguments");
  const Type type = larger(x.type, Type::kInteger);
  Value result = x;
  if (minus) result = emit(type == Type::kDouble ? Op::kNegD : Op::kNegI, type, {x.operand});
  result.type = type;
  result.attributes = x.type == Type::kLogical ? shape_of(x.attributes) : x.attributes;
  return result;
}

Value Compiler::comparison(SEXP code, const Function& function) {
  const Values values = arguments(code, {"e1", "e2"}, 1);
  Value x = values[0], y = values[1];
  if (y.length == 0) unsupported(code, "it takes two arguments");
  const Attributes attributes = combined(x, y, false, code);
  if (std::strcmp(function.name, ">") == 0 || std::strcmp(function.name, ">=") == 0) std::swap(x, y);
  const bool integer = larger(x.type, y.type) != Type::kDouble;
  Value result = both(integer ? function.integer_op : function.op, integer ? Type::kInteger : Type::kDouble,
                      Type::kLogical, x, y, code);
  result.attributes = attributes;
  return result;
}

Value Compiler::logic(SEXP code, const Function& function) {
  const Values values = arguments(code, {"e1", "e2"}, 1);
  if (values[1].length == 0) unsupported(code, "it takes two arguments");
  Value result = emit(function.op, Type::kLogical, {logical_of(values[0]), logical_of(values[1])});
  result.attributes = combined(values[0], values[1], false, code);
  return result;
}

Value Compiler::exclusive_or(SEXP code) {
  const Values values = arguments(code, {"x", "y"}, 2);
  const Operand x = logical_of(values[0]), y = logical_of(values[1]);
  const Operand both = emit(Op::kAnd, Type::kLogical, {x, y}).operand;
  const Operand one = emit(Op::kOr, Type::kLogical, {x, y}).operand;
  const Operand not_both = emit(Op::kNot, Type::kLogical, {both}).operand;
  Value result = emit(Op::kAnd, Type::kLogical, {one, not_both});
  result.attributes = combined(values[0], values[1], false, code);
  return result;
}

Value Compiler::negation(SEXP code) {
  const Value x = arguments(code, {"x"}, 1)[0];
  Value result = emit(Op::kNot, Type::kLogical, {logical_of(x)});
  result.attributes = x.type == Type::kLogical ? x.attributes : shape_of(x.attributes);
  return result;
}

Value Compiler::math_of(const Value& x, Op op, SEXP code) {
  Value result = emit(op, Type::kDouble, {operand_of(x, Type::kDouble)}, code);
  result.attributes = x.attributes;
  return result;
}

Value Compiler::math(SEXP code, const Function& function) {
  return math_of(arguments(code, {"x"}, 1)[0], function.op, code);
}

Value Compiler::logarithm(SEXP code) {
  const Values values = arguments(code, {"x", "base"}, 1);
  const Value &x = values[0], &base = values[1];
  if (base.length == 0) return math_of(x, Op::kLog, code);
  if (!base.is_constant()) unsupported(code, "the base must be one number");
  if (is_number(base, 10)) return math_of(x, Op::kLog10, code);
  if (is_number(base, 2)) return math_of(x, Op::kLog2, code);
  const double number = Rf_asReal(base.constant);
  if (!(number > 0) || number == 1) unsupported(code, "the base must be above 0 and not 1");
  const Operand by = constant(linalg::Constant::of(std::log(number)));
  Value result = emit(Op::kDivD, Type::kDouble, {math_of(x, Op::kLog, code).operand, by});
  result.attributes = x.attributes;
  return result;
}

Value Compiler::angle(SEXP code, const Function& function) {
  const Values values = arguments(code, {"y", "x"}, 2);
  Value result = both(function.op, Type::kDouble, Type::kDouble, values[0], values[1], code);
  result.attributes = values[0].length == result.length ? values[0].attributes : values[1].attributes;
  return result;
}

Value Compiler::absolute(SEXP code, const Function& function) {
  const Value x = arguments(code, {"x"}, 1)[0];
  const bool integer = x.type != Type::kDouble;
  Value result =
      emit(integer ? function.integer_op : function.op, integer ? Type::kInteger : Type::kDouble, {x.operand});
  result.attributes = x.attributes;
  return result;
}

Value Compiler::rounded(SEXP code, const Function& function) {
  const Values values = arguments(code, {"x", "digits"}, 1);
  if (values[1].length != 0 && !is_number(values[1], 0)) unsupported(code, "it rounds to whole numbers only");
  return math_of(values[0], function.op, code);
}

Value Compiler::if_else(SEXP code) {
  const Values values = arguments(code, {"test", "yes", "no"}, 3);
  const std::vector<Draft::Uses> uses = argument_uses_;
  const Value &test = values[0], &yes = values[1], &no = values[2];
  for (const Value* const branch : {&yes, &no}) {
    if (branch->length != 1 && branch->length != test.length)
      unsupported(code, "`yes` and `no` must have one element or as many as the test");
  }
  const Type type = larger(yes.type, no.type);
  const Type as = type == Type::kDouble ? type : Type::kInteger;
  Value result = emit(as == Type::kDouble ? Op::kIfElseD : Op::kIfElseI, type,
                      {logical_of(test), operand_of(yes, as), operand_of(no, as)});
  draft_->choices.push_back({result.operand.index, yes.type, no.type, uses[1], uses[2]});
  result.attributes = test.attributes;
  return result;
}

Value Compiler::extremes(SEXP code, const Function& function) {
  bool na_rm = false;
  const Values values = dots(code, na_rm);
  const bool single = values.size() == 1;  // stays what it is
  Type type = single ? values[0].type : Type::kInteger;
  for (const Value& value : values) {
    must_fit(value, code);
    type = larger(type, value.type);
  }
  const bool integer = type != Type::kDouble, least = function.op == Op::kMinD;
  const Op op = integer ? (na_rm ? (least ? Op::kMinNaRmI : Op::kMaxNaRmI) : function.integer_op)
                        : (na_rm ? (least ? Op::kMinNaRmD : Op::kMaxNaRmD) : function.op);
  const Type as = integer ? Type::kInteger : Type::kDouble;
  Value result = values[0];
  for (size_t i = 1; i < values.size(); ++i) {
    const Operand left = i == 1 ? operand_of(values[0], as) : result.operand;
    result = emit(op, as, {left, operand_of(values[i], as)});
  }
  if (single) result.operand = operand_of(result, type);
  result.constant = R_NilValue;
  result.length = length();
  result.type = type;
  result.attributes = values[0].attributes;
  if (values[0].length != result.length) {
    result.attributes.names = result.attributes.dim = result.attributes.dimnames = R_NilValue;
  }
  return result;
}

Value Compiler::question(SEXP code, const Function& function) {
  const Value x = arguments(code, {"x"}, 1)[0];
  const bool integer = x.type != Type::kDouble && function.integer_op != Op::kCopyI;
  Value result = emit(integer ? function.integer_op : function.op, Type::kLogical,
                      {integer ? x.operand : operand_of(x, Type::kDouble)});
  result.attributes = shape_of(x.attributes);
  return result;
}

Value Compiler::conversion(SEXP code, const Function& function) {
  Value x = arguments(code, {"x"}, 1)[0];
  Value result = x;
  if (function.op == Op::kCopyD) {
    result.operand = operand_of(x, Type::kDouble);
    result.type = Type::kDouble;
  } else if (function.op == Op::kLogicalOfD) {
    result.operand = logical_of(x);
    result.type = Type::kLogical;
  } else {
    if (x.type == Type::kDouble) result = emit(Op::kIntegerOfD, Type::kInteger, {x.operand}, code);
    result.type = Type::kInteger;
  }
  result.attributes = Attributes();
  return result;
}

Value Compiler::compiled_call(SEXP code) {
  SEXP function = R_NilValue;
  SEXP* const target = &function;
  const SEXP symbol = CAR(code), env = env_;
  rbridge::guarded([symbol, env, target] { *target = find_compiled(symbol, env); });
  std::vector<Operand> operands;
  for (SEXP at = CDR(code); at != R_NilValue; at = CDR(at)) {
    const Value argument = value(CAR(at));
    must_fit(argument, code);
    operands.push_back(operand_of(argument, Type::kDouble));
  }
  if (static_cast<int>(operands.size()) != arguments_of(function))
    invalid("`" + text_of(code) + "` has " + std::to_string(operands.size()) +
            " arguments; the compiled function takes " + std::to_string(arguments_of(function)) + ".");
  const Block& block = block_at(pointer_of(function));
  Value result = emit(Op::kCall, Type::kDouble, std::move(operands));
  draft_->program.steps.back().function = block.function;
  draft_->program.steps.back().data = block.data;
  return result;
}

}  // namespace avenir::expression
