#include "device/kernel_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "device/kernel_functions.h"
#include "device/kernel_texts.h"
#include "rng/inversion.h"
#include "rng/mrg32k3a.h"
#include "rng/recurrence.h"

namespace avenir::device {

namespace {

using linalg::Op;
using linalg::Operand;
using linalg::Program;
using linalg::Reduction;
using linalg::Step;
using linalg::Type;

const char* const kOpNames[] = {
#define AVENIR_OP(name) #name,
    AVENIR_TILE_OPS(AVENIR_OP) AVENIR_MATH_OPS(AVENIR_OP)
#undef AVENIR_OP
};

std::string name_of(Op op) {
  if (op == Op::kCall)
    throw base::Error(base::ErrorKind::kUnsupported, "a compiled function cannot be called in an expression of a GPU");
  return kOpNames[static_cast<size_t>(op)];
}

// By the end of the operation's name (linalg/program.h), and for those without one.
Type operand_type(Op op, size_t i) {
  if (op == Op::kAnd || op == Op::kOr || op == Op::kNot) return Type::kInteger;
  if ((op == Op::kIfElseD || op == Op::kIfElseI) && i == 0) return Type::kInteger;
  return name_of(op).back() == 'I' ? Type::kInteger : Type::kDouble;
}

const char* memory_type(Type type) { return type == Type::kDouble ? "double" : type == Type::kFloat ? "float" : "int"; }
const char* value_type(Type type) { return linalg::is_real(type) ? "Real" : "int"; }

std::string numbered(const char* name, size_t i) { return name + std::to_string(i); }

std::string hex(uint64_t bits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[bits >> shift & 15];
  return "0x" + text + "ull";
}

std::string definition(const std::string& type, const std::string& name, const std::string& value) {
  return "const " + type + " " + name + " = " + value + ";\n";
}

std::string number(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return "__longlong_as_double((long long)" + hex(bits) + ")";
}

// What the functions' text takes from linalg.
std::string shared_definitions() {
  std::string text;
  text += definition("unsigned long long", "kNaBits", hex(linalg::kNaBits));
  text += definition("int", "kNa", "-2147483647 - 1");
  text += definition("unsigned", "kNanProduced", std::to_string(linalg::kNanProduced));
  text += definition("unsigned", "kOverflow", std::to_string(linalg::kOverflow));
  text += definition("unsigned", "kPrecisionLost", std::to_string(linalg::kPrecisionLost));
  text += "#define kExact 9223372036854775808.0\n#define kPi 3.141592653589793238462643383280\n";
  text += "#define kInf " + number(std::numeric_limits<double>::infinity()) + "\n";
  text += "#define kNaN " + number(std::numeric_limits<double>::quiet_NaN()) + "\n";
  return text;
}

// A program as a function of its inputs' elements and constants.
class Body {
 public:
  explicit Body(const Program& program) : program_(program), registers_(program.registers) {}

  std::string text() {
    std::string text = "FUNCTION " + result_type() + " element(" + parameters() + ") {\n";
    for (size_t i = 0; i < program_.steps.size(); ++i) text += statement(program_.steps[i], numbered("s", i));
    return text + "  return " + place(program_.result) + ";\n}\n";
  }

  std::string result_type() const { return memory_type(program_.type); }

 private:
  std::string parameters() const {
    std::string text;
    for (size_t i = 0; i < program_.inputs.size(); ++i)
      text += std::string(value_type(program_.inputs[i].type)) + " " + numbered("x", i) + ", ";
    const auto types = constant_types(program_);
    for (size_t i = 0; i < types.size(); ++i) text += std::string(value_type(types[i])) + " " + numbered("c", i) + ", ";
    return text + "unsigned& events";
  }

  // Each step has a variable of its own: the compiler knows best which registers that takes.
  std::string statement(const Step& step, const std::string& variable) {
    std::string arguments;
    for (const Operand& operand : step.operands) arguments += place(operand) + ", ";
    registers_[step.out] = variable;
    return "  const auto " + variable + " = " + name_of(step.op) + "(" + arguments + "events);\n";
  }

  std::string place(Operand operand) const {
    if (operand.kind == Operand::Kind::kRegister) return registers_[operand.index];
    return numbered(operand.kind == Operand::Kind::kInput ? "x" : "c", operand.index);
  }

  const Program& program_;
  std::vector<std::string> registers_;
};

// How the kernels read the inputs and call element().
class Reading {
 public:
  explicit Reading(const Program& program) : program_(program), constants_(constant_types(program)) {}

  std::string parameters() const {
    std::string text;
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      text += std::string("const ") + memory_type(program_.inputs[i].type) + "* " + numbered("in", i) + ", ";
      if (access(i) == Access::kRecycled) text += "Count " + numbered("length", i) + ", ";
    }
    for (size_t i = 0; i < constants_.size(); ++i)
      text += std::string(memory_type(constants_[i])) + " " + numbered("c", i) + ", ";
    return text;
  }

  // Elements that are the same for all.
  std::string scalars() const {
    std::string text;
    for (size_t i = 0; i < program_.inputs.size(); ++i)
      if (access(i) == Access::kScalar) text += "  const " + element(i, "0", numbered("scalar", i));
    return text;
  }

  // Of the elements of pack q.
  std::string packs() const {
    std::string text;
    for (size_t i = 0; i < program_.inputs.size(); ++i)
      if (access(i) == Access::kWhole)
        text += "    const auto " + numbered("pack", i) + " = load_pack(" + numbered("in", i) + ", q);\n";
    return text;
  }

  // element() of index `i`, of element k of the packs when these have been read.
  std::string call(const std::string& i, bool of_packs) const {
    std::string text = "element(";
    for (size_t k = 0; k < program_.inputs.size(); ++k) text += argument(k, i, of_packs) + ", ";
    for (size_t k = 0; k < constants_.size(); ++k)
      text += std::string(value_type(constants_[k])) + "(" + numbered("c", k) + "), ";
    return text + "events)";
  }

 private:
  Access access(size_t i) const { return access_of(program_.inputs[i], program_); }

  std::string element(size_t input, const std::string& at, const std::string& name) const {
    return std::string(value_type(program_.inputs[input].type)) + " " + name + " = " + numbered("in", input) + "[" +
           at + "];\n";
  }

  std::string argument(size_t k, const std::string& i, bool of_packs) const {
    if (access(k) == Access::kScalar) return numbered("scalar", k);
    const std::string type = value_type(program_.inputs[k].type);
    if (access(k) == Access::kRecycled)
      return type + "(" + numbered("in", k) + "[" + i + " % " + numbered("length", k) + "])";
    return type + "(" + (of_packs ? numbered("pack", k) + ".at[k]" : numbered("in", k) + "[" + i + "]") + ")";
  }

  const Program& program_;
  std::vector<Type> constants_;
};

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

// The kernels around element(): what stands between $ is Reading's, or about the result.
constexpr const char* kElementsKernel = R"CUDA(
extern "C" __global__ void __launch_bounds__(256, 1) kernel($PARAMETERS$Count count, $RESULT$* out, unsigned* noted) {
  unsigned events = 0;
$SCALARS$  for (Count q = first_index(); q < count / kPack; q += index_step()) {
$PACKS$    Pack<$RESULT$> result;
    #pragma unroll
    for (int k = 0; k < kPack; ++k) result.at[k] = $ELEMENT_OF_PACKS$;
    store_pack(out, q, result);
  }
  for (Count i = count / kPack * kPack + first_index(); i < count; i += index_step()) out[i] = $ELEMENT$;
  note(noted, events);
}
)CUDA";

constexpr const char* kTotalsKernel = R"CUDA(
extern "C" __global__ void __launch_bounds__(256, 1) kernel($PARAMETERS$Count count, Partial* out, unsigned* noted) {
  unsigned events = 0;
  Partial own = nothing();
$SCALARS$  for (Count q = first_index(); q < count / kPack; q += index_step()) {
$PACKS$    #pragma unroll
    for (int k = 0; k < kPack; ++k) add(own, $ELEMENT_OF_PACKS$);
  }
  for (Count i = count / kPack * kPack + first_index(); i < count; i += index_step()) add(own, $ELEMENT$);
  own = add_block(own);
  if (threadIdx.x == 0) out[blockIdx.x] = own;
  note(noted, events);
}
)CUDA";

// A thread a row; blockIdx.y is the part.
constexpr const char* kRowsKernel = R"CUDA(
extern "C" __global__ void __launch_bounds__(256, 1) kernel($PARAMETERS$Count count, Margin* out, unsigned* noted, Count rows,
                                                         Count part) {
  unsigned events = 0;
  const Count columns = count / rows, begin = blockIdx.y * part;
  const Count end = begin + part < columns ? begin + part : columns;
$SCALARS$  for (Count row = first_index(); row < rows; row += index_step()) {
    Margin own = {0.0, 0.0, 0, 0, 0};
    for (Count i = begin * rows + row; i < end * rows; i += rows) add(own, $ELEMENT$);
    out[blockIdx.y * rows + row] = own;
  }
  note(noted, events);
}
)CUDA";

// A block a column; blockIdx.y is the part.
constexpr const char* kColumnsKernel = R"CUDA(
extern "C" __global__ void __launch_bounds__(256, 1) kernel($PARAMETERS$Count count, Margin* out, unsigned* noted, Count rows,
                                                         Count part) {
  unsigned events = 0;
  const Count columns = count / rows, begin = blockIdx.y * part;
  const Count end = begin + part < rows ? begin + part : rows;
$SCALARS$  for (Count column = blockIdx.x; column < columns; column += gridDim.x) {
    Margin own = {0.0, 0.0, 0, 0, 0};
    for (Count i = column * rows + begin + threadIdx.x; i < column * rows + end; i += blockDim.x) add(own, $ELEMENT$);
    own = add_block(own);
    if (threadIdx.x == 0) out[blockIdx.y * columns + column] = own;
  }
  note(noted, events);
}
)CUDA";

const char* kernel_around(Goal goal) {
  switch (goal) {
    case Goal::kElements:
      return kElementsKernel;
    case Goal::kTotals:
      return kTotalsKernel;
    case Goal::kRows:
      return kRowsKernel;
    default:
      return kColumnsKernel;
  }
}

const char* truth(bool value) { return value ? "true" : "false"; }

std::string reduction_definitions(const Program& program) {
  const Reduction reduction = program.reduction;
  const bool ranges = reduction == Reduction::kMin || reduction == Reduction::kMax || reduction == Reduction::kRange;
  return definition("bool", "kNaRm", truth(program.na_rm)) +
         definition("bool", "kSums", truth(reduction == Reduction::kSum || reduction == Reduction::kMean)) +
         definition("bool", "kMultiplies", truth(reduction == Reduction::kProd)) +
         definition("bool", "kRanges", truth(ranges));
}

void note_types(std::vector<Type>& types, Operand operand, Type type) {
  if (operand.kind == Operand::Kind::kConstant)
    types[operand.index] = linalg::is_real(type) ? Type::kDouble : Type::kInteger;
}

// Elements that a thread computes at a time: more of 8 bytes would not fit into the registers.
int pack_of(const Program& program) {
  const auto is_double = [](const linalg::Input& input) { return input.type == Type::kDouble; };
  const bool any = std::any_of(program.inputs.begin(), program.inputs.end(), is_double);
  return any || program.type == Type::kDouble ? 2 : 4;
}

// What a head has in common with all.
std::string head_of(const Program& program) {
  return std::string("typedef ") + (program.single ? "float" : "double") + " Real;\n" +
         definition("int", "kPack", std::to_string(pack_of(program)));
}

KernelCode fixed(const std::string& text) { return {head_of({}) + reduction_definitions({}), text}; }

// A polynomial by Horner's rule, as rng/polynomial.h has it.
std::string polynomial(const char* name, const double (&coefficients)[8]) {
  std::string sum = number(coefficients[0]);
  for (size_t i = 1; i < 8; ++i) sum = "(" + sum + ") * r + " + number(coefficients[i]);
  return std::string("FUNCTION double ") + name + "(double r) { return " + sum + "; }\n";
}

std::string random_definitions() {
  const auto word = [](const char* name, uint32_t value) {
    return definition("unsigned", name, std::to_string(value) + "u");
  };
  const auto real = [](const char* name, double value) {
    return std::string("#define ") + name + " " + number(value) + "\n";
  };
  return word("kModulus1", rng::kModulus1) + word("kModulus2", rng::kModulus2) + word("kA12", rng::kA12) +
         word("kA13", rng::kA13) + word("kA21", rng::kA21) + word("kA23", rng::kA23) + real("kScale", rng::kScale) +
         real("kBig", rng::kBig) + real("kCentre", rng::kCentre) + real("kCentreSquared", rng::kCentreSquared) +
         real("kFar", rng::kFar) + real("kTailShift", rng::kTailShift) +
         polynomial("central_above", rng::kCentral.above) + polynomial("central_below", rng::kCentral.below) +
         polynomial("tail_above", rng::kTail.above) + polynomial("tail_below", rng::kTail.below) +
         polynomial("far_above", rng::kFarTail.above) + polynomial("far_below", rng::kFarTail.below);
}

void add_partial(linalg::Totals& to, const PartialTotals& from, bool first) {
  to.sum += std::isfinite(from.lost) ? static_cast<long double>(from.sum) + from.lost : from.sum;
  to.product *= std::isfinite(from.fraction)
                    ? std::scalbln(static_cast<long double>(from.fraction), static_cast<long>(from.exponent))
                    : from.fraction;
  to.integer_sum += from.integer_sum;
  to.counted += from.counted;
  to.least = first ? from.least : std::min(to.least, from.least);
  to.greatest = first ? from.greatest : std::max(to.greatest, from.greatest);
  to.least_integer = first ? from.least_integer : std::min(to.least_integer, from.least_integer);
  to.greatest_integer = first ? from.greatest_integer : std::max(to.greatest_integer, from.greatest_integer);
  to.has_na |= (from.flags & 1) != 0;
  to.has_nan |= (from.flags & 2) != 0;
  to.has_true |= (from.flags & 4) != 0;
  to.has_false |= (from.flags & 8) != 0;
}

}  // namespace

Access access_of(const linalg::Input& input, const Program& program) {
  if (input.length == program.length) return Access::kWhole;
  return input.length == 1 ? Access::kScalar : Access::kRecycled;
}

std::vector<Type> constant_types(const Program& program) {
  std::vector<Type> types(program.constants.size(), Type::kDouble);
  for (const Step& step : program.steps)
    for (size_t i = 0; i < step.operands.size(); ++i) note_types(types, step.operands[i], operand_type(step.op, i));
  note_types(types, program.result, program.type);
  return types;
}

std::string KernelCode::source() const {
  const bool reduces = head.find("kNaRm") != std::string::npos;
  return shared_definitions() + head + kElementFunctions + (reduces ? kReductionFunctions : "") + tail;
}

KernelCode kernel_code(const Program& program, Goal goal) {
  Body body(program);
  const Reading reading(program);
  std::string kernel = kernel_around(goal);
  kernel = replaced(kernel, "$PARAMETERS$", reading.parameters());
  kernel = replaced(kernel, "$SCALARS$", reading.scalars());
  kernel = replaced(kernel, "$PACKS$", reading.packs());
  kernel = replaced(kernel, "$ELEMENT_OF_PACKS$", reading.call("(q * kPack + k)", true));
  kernel = replaced(kernel, "$ELEMENT$", reading.call("i", false));
  kernel = replaced(kernel, "$RESULT$", body.result_type());
  const std::string head = head_of(program) + (program.fast ? "// fast\n" : "") +
                           (goal == Goal::kElements ? "" : reduction_definitions(program));
  return {head, body.text() + kernel};
}

KernelCode margin_kernels() { return fixed(kMarginKernels); }
KernelCode shape_kernels() { return fixed(kShapeKernels); }
KernelCode order_kernels() { return fixed(std::string(kScanKernels) + kOrderKernels); }
KernelCode random_kernels() { return fixed(random_definitions() + kRandomKernels); }

linalg::Totals add_up(const PartialTotals* partials, size_t count) {
  linalg::Totals totals;
  for (size_t i = 0; i < count; ++i) add_partial(totals, partials[i], i == 0);
  return totals;
}

}  // namespace avenir::device
