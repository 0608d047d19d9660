#include "array/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "expression/threaded.h"

namespace avenir::array {

namespace {

using base::Error;
using base::ErrorKind;
using expression::Function;
using expression::Kind;
using expression::Side;
using lazy::apply;
using lazy::as_register;
using lazy::real_type;
using lazy::Term;
using linalg::Op;

[[noreturn]] void invalid(const std::string& message) { throw Error(ErrorKind::kInvalid, message); }

Type larger(Type a, Type b) {
  if (linalg::is_real(a) || linalg::is_real(b)) return Type::kDouble;
  return a == Type::kInteger || b == Type::kInteger ? Type::kInteger : Type::kLogical;
}

Term element_of(SEXP object) {
  if (TYPEOF(object) == REALSXP) return lazy::term_of(REAL_ELT(object, 0));
  if (TYPEOF(object) == INTSXP) return lazy::term_of(INTEGER_ELT(object, 0), Type::kInteger);
  return lazy::term_of(LOGICAL_ELT(object, 0), Type::kLogical);
}

// What the ordinary vectors are combined with.
struct Context {
  Device* device = nullptr;
  bool floats = true;  // all arrays of real numbers are floats, and there is one
};

Context context_of(const std::vector<SEXP>& objects) {
  Context context;
  bool some = false;
  for (const SEXP object : objects) {
    if (!is_gpu_array(object)) continue;
    const NodePtr& node = node_of(object);
    if (context.device == nullptr) context.device = &node->device();
    context.floats = context.floats && node->type() != Type::kDouble;
    some |= node->type() == Type::kFloat;
  }
  context.floats = context.floats && some;
  return context;
}

Operand operand_of(SEXP object, const Context& context) {
  Operand operand;
  if (is_gpu_array(object)) {
    operand.term = lazy::term_of(node_of(object));
    operand.attributes = attributes_of_array(object);
    return operand;
  }
  const Type type = type_of_vector(object);
  operand.attributes = expression::shape_of(expression::attributes_of(object));
  const bool array = operand.attributes.dim != R_NilValue;
  if (Rf_xlength(object) == 1 && !array) {
    operand.term = element_of(object);
    return operand;
  }
  expression::prepared_library();
  operand.term =
      lazy::term_of(upload(object, type == Type::kDouble && context.floats ? Type::kFloat : type, *context.device));
  return operand;
}

std::string count(uint64_t number) { return std::to_string(number); }

// R's rule, without its leave to recycle a part.
void check_lengths(const Operand& x, const Operand& y) {
  const uint64_t longer = std::max(x.term.length, y.term.length), shorter = std::min(x.term.length, y.term.length);
  if (shorter == 0) return;
  const Operand& array = x.attributes.dim != R_NilValue ? x : y;
  if (array.attributes.dim != R_NilValue && array.term.length < longer)
    invalid("dims [product " + count(array.term.length) + "] do not match the length of object [" + count(longer) +
            "]");
  if (longer % shorter != 0)
    invalid(
        "the operands have " + count(x.term.length) + " and " + count(y.term.length) +
        " elements; the longer object length is not a multiple of the shorter object length.\ni A gpu_array recycles "
        "single elements, columns, and what divides the length.");
}

Attributes combined(const Operand& x, const Operand& y) {
  check_lengths(x, y);
  const uint64_t shorter = std::min(x.term.length, y.term.length);
  const uint64_t length = shorter == 0 ? 0 : std::max(x.term.length, y.term.length);
  const Side left{&x.attributes, static_cast<R_xlen_t>(x.term.length)},
      right{&y.attributes, static_cast<R_xlen_t>(y.term.length)};
  Attributes result;
  if (!expression::combine_attributes(left, right, static_cast<R_xlen_t>(length), false, result))
    invalid("non-conformable arrays");
  const Operand& array = x.attributes.dim != R_NilValue ? x : y;
  const bool emptied = length == 0 && array.term.length > 0;
  return emptied ? Attributes() : result;
}

NodePtr arithmetic(const Function& function, const Term& x, const Term& y) {
  const bool integer = larger(x.type, y.type) != Type::kDouble && function.integer_op != Op::kCopyI;
  const Type as = integer ? Type::kInteger : Type::kDouble;
  const Type type = integer ? Type::kInteger : real_type({x, y});
  const bool square = function.op == Op::kPow && y.is_constant() && y.type == Type::kDouble &&
                      std::memcmp(linalg::Constant::of(2.0).bytes, y.constant.bytes, sizeof(double)) == 0;
  const Term left = as_register(x, as);
  if (square) return apply(Op::kMulD, type, {left, left});
  return apply(integer ? function.integer_op : function.op, type, {left, as_register(y, as)});
}

NodePtr comparison(const Function& function, Term x, Term y) {
  if (function.name[0] == '>') std::swap(x, y);
  const bool integer = larger(x.type, y.type) != Type::kDouble;
  const Type as = integer ? Type::kInteger : Type::kDouble;
  return apply(integer ? function.integer_op : function.op, Type::kLogical, {as_register(x, as), as_register(y, as)});
}

NodePtr binary(const Function& function, const Term& x, const Term& y) {
  if (function.kind == Kind::kArithmetic) return arithmetic(function, x, y);
  if (function.kind == Kind::kComparison) return comparison(function, x, y);
  return apply(function.op, Type::kLogical, {as_register(x, Type::kLogical), as_register(y, Type::kLogical)});
}

NodePtr unary(const Function& function, const Term& x) {
  const bool integer = !linalg::is_real(x.type);
  if (function.op == Op::kSubD)
    return integer ? apply(Op::kNegI, Type::kInteger, {as_register(x, Type::kInteger)}) : apply(Op::kNegD, x.type, {x});
  if (function.op != Op::kAddD) invalid(std::string("`") + function.name + "` takes two arguments");
  return x.type == Type::kLogical ? lazy::as_type(x.node, Type::kInteger) : x.node;
}

NodePtr of_reals(Op op, const Term& x) { return apply(op, real_type({x}), {as_register(x, Type::kDouble)}); }

NodePtr mapped_node(const Function& function, const Term& x) {
  const bool integer = !linalg::is_real(x.type);
  switch (function.kind) {
    case Kind::kNot:
      return apply(Op::kNot, Type::kLogical, {as_register(x, Type::kLogical)});
    case Kind::kAbs:
      return integer ? apply(function.integer_op, Type::kInteger, {x}) : apply(function.op, x.type, {x});
    case Kind::kQuestion:
      if (integer && function.integer_op != Op::kCopyI) return apply(function.integer_op, Type::kLogical, {x});
      return apply(function.op, Type::kLogical, {as_register(x, Type::kDouble)});
    default:
      return of_reals(function.op, x);
  }
}

}  // namespace

std::vector<Operand> operands_of(const std::vector<SEXP>& objects) {
  const Context context = context_of(objects);
  std::vector<Operand> operands;
  for (const SEXP object : objects) operands.push_back(operand_of(object, context));
  return operands;
}

SEXP operation(rbridge::Keeper& keeper, const Function& function, const std::vector<SEXP>& objects) {
  const std::vector<Operand> operands = operands_of(objects);
  if (operands.size() == 1) return new_array(keeper, unary(function, operands[0].term), operands[0].attributes);
  const Attributes attributes = combined(operands[0], operands[1]);
  return new_array(keeper, binary(function, operands[0].term, operands[1].term), attributes);
}

SEXP mapped(rbridge::Keeper& keeper, const Function& function, SEXP array) {
  const Operand x = operands_of({array})[0];
  return new_array(keeper, mapped_node(function, x.term), x.attributes);
}

SEXP logarithm(rbridge::Keeper& keeper, SEXP array, double base) {
  const Operand x = operands_of({array})[0];
  if (base == 10 || base == 2)
    return new_array(keeper, of_reals(base == 10 ? Op::kLog10 : Op::kLog2, x.term), x.attributes);
  const Term by = lazy::term_of(std::log(base));
  const NodePtr log = of_reals(Op::kLog, x.term);
  return new_array(keeper, apply(Op::kDivD, log->type(), {lazy::term_of(log), by}), x.attributes);
}

SEXP angle(rbridge::Keeper& keeper, SEXP y, SEXP x) {
  const std::vector<Operand> operands = operands_of({y, x});
  const Attributes attributes = combined(operands[0], operands[1]);
  const Term &first = operands[0].term, &second = operands[1].term;
  const NodePtr node = apply(Op::kAtan2, real_type({first, second}),
                             {as_register(first, Type::kDouble), as_register(second, Type::kDouble)});
  return new_array(keeper, node, attributes);
}

SEXP choice(rbridge::Keeper& keeper, SEXP test, SEXP yes, SEXP no) {
  const std::vector<Operand> operands = operands_of({test, yes, no});
  const Term &of = operands[0].term, &a = operands[1].term, &b = operands[2].term;
  for (const Term* const branch : {&a, &b})
    if (of.length > 0 && branch->length != 1 && branch->length != of.length)
      invalid("`yes` and `no` of ifelse() must have one element or as many as the test, " + count(of.length) +
              "; one has " + count(branch->length) + ".");
  const Type kind = larger(a.type, b.type);
  const bool real = kind == Type::kDouble;
  const Type as = real ? kind : Type::kInteger;
  const NodePtr node = apply(real ? Op::kIfElseD : Op::kIfElseI, real ? real_type({a, b}) : kind,
                             {as_register(of, Type::kLogical), as_register(a, as), as_register(b, as)});
  return new_array(keeper, node, operands[0].attributes);
}

SEXP extremes(rbridge::Keeper& keeper, bool least, bool na_rm, const std::vector<SEXP>& objects) {
  std::vector<Operand> operands = operands_of(objects);
  const Attributes attributes = operands[0].attributes;
  const uint64_t length = operands[0].term.length;
  const auto array =
      std::find_if(operands.begin(), operands.end(), [](const Operand& x) { return !x.term.is_constant(); });
  std::iter_swap(operands.begin(), array);
  for (const Operand& operand : operands) check_lengths(operands[0], operand);
  const Op doubles = na_rm ? (least ? Op::kMinNaRmD : Op::kMaxNaRmD) : (least ? Op::kMinD : Op::kMaxD);
  const Op integers = na_rm ? (least ? Op::kMinNaRmI : Op::kMaxNaRmI) : (least ? Op::kMinI : Op::kMaxI);
  Term so_far = operands[0].term;
  for (size_t i = 1; i < operands.size(); ++i) {
    const Term& next = operands[i].term;
    const bool real = larger(so_far.type, next.type) == Type::kDouble;
    const Type as = real ? Type::kDouble : Type::kInteger;
    const Type type = real ? real_type({so_far, next}) : Type::kInteger;
    so_far = lazy::term_of(apply(real ? doubles : integers, type, {as_register(so_far, as), as_register(next, as)}));
  }
  return new_array(keeper, so_far.node, length == so_far.length ? attributes : Attributes());
}

}  // namespace avenir::array
