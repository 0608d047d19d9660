// libFuzzer's target for programs of elementwise operations: the bytes are a program (src/linalg/program.h) and its
// inputs, and choose the width of the registers (src/linalg/tile_kernels.h). Each gives what a reference gives that
// computes one element after the other; so does the graph of a gpu_array's nodes on the CPU (src/lazy). The kernels'
// text (src/device/kernel_source.h) is whole and depends on the structure alone.

#include <cmath>
#include <deque>
#include <limits>
#include <map>

#include "device/cpu_device.h"
#include "device/kernel_source.h"
#include "expect.h"
#include "input.h"
#include "lazy/node.h"
#include "linalg/evaluate.h"
#include "linalg/math_library.h"
#include "par/parallel_for.h"

using namespace avenir;
using namespace avenir::linalg;
using fuzz::expect;

namespace {

using Kind = Operand::Kind;

// ---- One element after the other

// A double, or an integer or logical.
union Value {
  double real;
  int32_t integer;
};

Value real(double x) {
  Value value;
  value.real = x;
  return value;
}
Value integer(int64_t x) {
  Value value;
  value.integer = static_cast<int32_t>(x);
  return value;
}

double na_real() {
  double na;
  std::memcpy(&na, &kNaBits, sizeof na);
  return na;
}

bool fits(int64_t x) { return x <= INT32_MAX && x > kNaInteger; }

// As R computes it; `event` has what happened.
struct Reference {
  uint8_t event = 0;

  Value whole(int64_t x) {
    if (!fits(x)) event |= kOverflow;
    return integer(fits(x) ? x : kNaInteger);
  }
  Value made(double result, bool from_nan) {
    if (std::isnan(result) && !from_nan) event |= kNanProduced;
    return real(result);
  }
  Value modulus(double x, double by) {
    constexpr double kExact = 9223372036854775808.0;
    if (by == 0) return real(std::nan(""));
    if (std::fabs(by) > kExact && std::isfinite(x) && std::fabs(x) <= std::fabs(by)) {
      if (std::fabs(x) == std::fabs(by)) return real(0);
      return real((x < 0 && by > 0) || (by < 0 && x > 0) ? x + by : x);
    }
    const double quotient = x / by;
    if (std::isfinite(quotient) && std::fabs(quotient) > kExact) event |= kPrecisionLost;
    const long double rest = static_cast<long double>(x) - std::floor(quotient) * static_cast<long double>(by);
    return real(static_cast<double>(rest - std::floor(rest / by) * by));
  }
  Value whole_quotient(double x, double by) {
    constexpr double kExact = 9223372036854775808.0;
    const double quotient = x / by;
    if (by == 0 || std::fabs(quotient) > kExact || !std::isfinite(quotient)) return real(quotient);
    if (std::fabs(quotient) < 1) return real(quotient < 0 || (x < 0 && by > 0) || (x > 0 && by < 0) ? -1 : 0);
    const long double rest = static_cast<long double>(x) - std::floor(quotient) * static_cast<long double>(by);
    return real(static_cast<double>(std::floor(quotient) + std::floor(rest / by)));
  }
  // Of a test that is 0, 1 or NA.
  Value chosen(int32_t test, Value yes, Value no, Value na) {
    if (test == 1) event |= kSawTrue;
    if (test == 0) event |= kSawFalse;
    return test == kNaInteger ? na : test == 1 ? yes : no;
  }
  Value operator()(Op op, const Value* in);
};

Value truth_of(bool missing, bool truth) { return integer(missing ? kNaInteger : truth); }

Value Reference::operator()(Op op, const Value* in) {
  const double x = in[0].real, y = in[1].real;
  const int32_t i = in[0].integer, j = in[1].integer;
  const bool no_reals = std::isnan(x) || std::isnan(y), no_integers = i == kNaInteger || j == kNaInteger;
  const int64_t a = i, b = j;
  switch (op) {
    case Op::kAddD:
      return real(x + y);
    case Op::kSubD:
      return real(x - y);
    case Op::kMulD:
      return real(x * y);
    case Op::kDivD:
      return real(x / y);
    case Op::kNegD:
      return real(-x);
    case Op::kAddI:
      return no_integers ? integer(kNaInteger) : whole(a + b);
    case Op::kSubI:
      return no_integers ? integer(kNaInteger) : whole(a - b);
    case Op::kMulI:
      return no_integers ? integer(kNaInteger) : whole(a * b);
    case Op::kNegI:
      return integer(i == kNaInteger ? kNaInteger : -a);
    case Op::kModD:
      return modulus(x, y);
    case Op::kIdivD:
      return whole_quotient(x, y);
    case Op::kModI:
      return integer(no_integers || j == 0 ? kNaInteger : a - b * static_cast<int64_t>(std::floor(1.0 * i / j)));
    case Op::kIdivI:
      return integer(no_integers || j == 0 ? kNaInteger : static_cast<int64_t>(std::floor(1.0 * i / j)));
    case Op::kEqD:
      return truth_of(no_reals, x == y);
    case Op::kNeD:
      return truth_of(no_reals, x != y);
    case Op::kLtD:
      return truth_of(no_reals, x < y);
    case Op::kLeD:
      return truth_of(no_reals, x <= y);
    case Op::kEqI:
      return truth_of(no_integers, i == j);
    case Op::kNeI:
      return truth_of(no_integers, i != j);
    case Op::kLtI:
      return truth_of(no_integers, i < j);
    case Op::kLeI:
      return truth_of(no_integers, i <= j);
    case Op::kAnd:
      return truth_of(i != 0 && j != 0 && no_integers, i != 0 && j != 0);
    case Op::kOr:
      return truth_of(i != 1 && j != 1 && no_integers, i == 1 || j == 1);
    case Op::kNot:
      return truth_of(i == kNaInteger, i == 0);
    case Op::kDoubleOfI:
      return real(i == kNaInteger ? na_real() : i);
    case Op::kLogicalOfD:
      return truth_of(std::isnan(x), x != 0);
    case Op::kLogicalOfI:
      return truth_of(i == kNaInteger, i != 0);
    case Op::kIntegerOfD:
      return std::isnan(x) ? integer(kNaInteger) : whole(std::fabs(x) < 3e9 ? static_cast<int64_t>(x) : INT64_MAX);
    case Op::kCopyD:
      return real(x);
    case Op::kCopyI:
      return integer(i);
    case Op::kIsNaD:
      return integer(std::isnan(x));
    case Op::kIsNaI:
      return integer(i == kNaInteger);
    case Op::kIsFiniteD:
      return integer(std::isfinite(x));
    case Op::kIsFiniteI:
      return integer(i != kNaInteger);
    case Op::kIsInfiniteD:
      return integer(std::isinf(x));
    case Op::kIfElseD:
      return chosen(i, in[1], in[2], real(na_real()));
    case Op::kIfElseI:
      return chosen(i, in[1], in[2], integer(kNaInteger));
    case Op::kMinD:
      return real(no_reals ? std::nan("") : y < x ? y : x);
    case Op::kMaxD:
      return real(no_reals ? std::nan("") : y > x ? y : x);
    case Op::kMinNaRmD:
      return real(std::isnan(x) || y < x ? y : x);
    case Op::kMaxNaRmD:
      return real(std::isnan(x) || y > x ? y : x);
    case Op::kMinI:
      return integer(no_integers ? kNaInteger : std::min(i, j));
    case Op::kMaxI:
      return integer(no_integers ? kNaInteger : std::max(i, j));
    case Op::kMinNaRmI:
      return integer(i == kNaInteger ? j : j == kNaInteger ? i : std::min(i, j));
    case Op::kMaxNaRmI:
      return integer(i == kNaInteger ? j : j == kNaInteger ? i : std::max(i, j));
    case Op::kAbsD:
      return real(std::fabs(x));
    case Op::kAbsI:
      return integer(i == kNaInteger ? kNaInteger : std::abs(a));
    case Op::kSqrtD:
      return made(std::sqrt(x), std::isnan(x));
    case Op::kFloorD:
      return real(std::floor(x));
    case Op::kCeilingD:
      return real(std::ceil(x));
    case Op::kTruncD:
      return real(std::trunc(x));
    case Op::kRoundD:
      return real(std::nearbyint(x));
    case Op::kSignD:
      return real(std::isnan(x) ? x : (x > 0) - (x < 0));
    case Op::kPow:
    case Op::kAtan2:
      return made(math_function(op).scalar2(x, y), no_reals);
    default:
      return std::isnan(x) ? real(x) : made(math_function(op).scalar(x), false);
  }
}

// ---- What each operation takes and gives: D doubles, I integers or logicals, L logicals

struct Signature {
  Op op;
  const char* takes;
  char gives;
};

// Of two NaNs that meet, which one wins is the processor's: is.nan() is asked of inputs only, and not here.
constexpr Signature kOperations[] = {
    {Op::kAddD, "DD", 'D'},     {Op::kSubD, "DD", 'D'},      {Op::kMulD, "DD", 'D'},       {Op::kDivD, "DD", 'D'},
    {Op::kNegD, "D", 'D'},      {Op::kAddI, "II", 'I'},      {Op::kSubI, "II", 'I'},       {Op::kMulI, "II", 'I'},
    {Op::kNegI, "I", 'I'},      {Op::kModD, "DD", 'D'},      {Op::kIdivD, "DD", 'D'},      {Op::kModI, "II", 'I'},
    {Op::kIdivI, "II", 'I'},    {Op::kEqD, "DD", 'L'},       {Op::kNeD, "DD", 'L'},        {Op::kLtD, "DD", 'L'},
    {Op::kLeD, "DD", 'L'},      {Op::kEqI, "II", 'L'},       {Op::kNeI, "II", 'L'},        {Op::kLtI, "II", 'L'},
    {Op::kLeI, "II", 'L'},      {Op::kAnd, "LL", 'L'},       {Op::kOr, "LL", 'L'},         {Op::kNot, "L", 'L'},
    {Op::kDoubleOfI, "I", 'D'}, {Op::kLogicalOfD, "D", 'L'}, {Op::kLogicalOfI, "I", 'L'},  {Op::kIntegerOfD, "D", 'I'},
    {Op::kCopyD, "D", 'D'},     {Op::kCopyI, "I", 'I'},      {Op::kIsNaD, "D", 'L'},       {Op::kIsNaI, "I", 'L'},
    {Op::kIsFiniteD, "D", 'L'}, {Op::kIsFiniteI, "I", 'L'},  {Op::kIsInfiniteD, "D", 'L'}, {Op::kIfElseD, "LDD", 'D'},
    {Op::kIfElseI, "LII", 'I'}, {Op::kMinD, "DD", 'D'},      {Op::kMaxD, "DD", 'D'},       {Op::kMinI, "II", 'I'},
    {Op::kMaxI, "II", 'I'},     {Op::kMinNaRmD, "DD", 'D'},  {Op::kMaxNaRmD, "DD", 'D'},   {Op::kMinNaRmI, "II", 'I'},
    {Op::kMaxNaRmI, "II", 'I'}, {Op::kAbsD, "D", 'D'},       {Op::kAbsI, "I", 'I'},        {Op::kSqrtD, "D", 'D'},
    {Op::kFloorD, "D", 'D'},    {Op::kCeilingD, "D", 'D'},   {Op::kTruncD, "D", 'D'},      {Op::kRoundD, "D", 'D'},
    {Op::kSignD, "D", 'D'},     {Op::kExp, "D", 'D'},        {Op::kLog, "D", 'D'},         {Op::kSin, "D", 'D'},
    {Op::kAsin, "D", 'D'},      {Op::kTanpi, "D", 'D'},      {Op::kPow, "DD", 'D'},        {Op::kAtan2, "DD", 'D'}};

bool suits(char takes, char has) { return takes == has || (takes == 'I' && has == 'L'); }

// ---- A program of the input's bytes

constexpr double kReals[] = {0,
                             -0.0,
                             1,
                             -1,
                             2,
                             0.5,
                             5e-324,
                             -2.2e-308,
                             1.7e308,
                             -1.7e308,
                             2147483648.0,
                             4611686018427387904.0,
                             0.1,
                             1e300,
                             std::numeric_limits<double>::infinity()};
constexpr int32_t kIntegers[] = {0, 1, -1, 2, 3, kNaInteger, INT32_MAX, -INT32_MAX, 46341, 65536};
constexpr uint16_t kLengths[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 1024, 1041};

double real_from(fuzz::Input& in) {
  const uint8_t choice = in.get<uint8_t>();
  if (choice == 255) return in.get<double>();
  if (choice == 254) return na_real();
  if (choice == 253) return std::numeric_limits<double>::quiet_NaN();
  return choice < 64 ? kReals[choice % std::size(kReals)] : (choice - 128) / 8.0;
}

int32_t integer_from(fuzz::Input& in, bool logical) {
  const uint8_t choice = in.get<uint8_t>();
  if (logical) return choice % 3 == 2 ? kNaInteger : choice % 3;
  return choice == 255 ? in.get<int32_t>() : kIntegers[choice % std::size(kIntegers)];
}

struct Place {
  Operand operand;
  char has;
};

struct Case {
  Program program;                        // each step has a register of its own
  std::deque<std::vector<double>> reals;  // what the inputs point to
  std::deque<std::vector<float>> floats;
  std::deque<std::vector<int32_t>> integers;
  std::vector<Place> inputs, registers;
  char gives = 'D';
  Width width = Width::kNarrow;
  device::Goal goal = device::Goal::kElements;

  explicit Case(fuzz::Input in) {
    program.length = in.one_of(kLengths);
    for (size_t left = 1 + in.below(4); left > 0; --left) add_input(in);
    const size_t most = 1 + in.below(24);
    while (program.steps.size() < most && in.left() > 0) add_step(in);
    const bool some_step = !registers.empty() && in.below(4) > 0;
    const Place result = some_step ? registers.back() : pick(in, in.below(2) == 0 ? 'D' : 'I', false);
    gives = result.has;
    program.result = result.operand;
    program.type = gives == 'L' ? Type::kLogical : gives == 'I' ? Type::kInteger : Type::kDouble;
    if (gives == 'D' && in.below(8) == 0) program.type = Type::kFloat;
    program.registers = static_cast<uint16_t>(program.steps.size());
    program.na_rm = in.below(2) == 1;
    program.reduction = in.one_of({Reduction::kSum, Reduction::kProd, Reduction::kRange});
    goal = in.one_of({device::Goal::kElements, device::Goal::kTotals, device::Goal::kRows, device::Goal::kColumns});
    width = in.one_of({Width::kNarrow, Width::kAvx2, Width::kAvx512});
  }

  void add_input(fuzz::Input& in) {
    const Type type = in.one_of({Type::kDouble, Type::kInteger, Type::kLogical, Type::kFloat});
    const uint64_t lengths[] = {program.length, program.length, 1, 1 + in.get<uint8_t>() % program.length};
    Input input;
    input.type = type;
    input.length = in.one_of(lengths);
    input.data = fill(in, input);
    const char has = type == Type::kLogical ? 'L' : type == Type::kInteger ? 'I' : 'D';
    inputs.push_back({{Kind::kInput, static_cast<uint16_t>(program.inputs.size())}, has});
    program.inputs.push_back(input);
  }

  // A few values of the bytes, again and again.
  const void* fill(fuzz::Input& in, const Input& input) {
    const size_t length = static_cast<size_t>(input.length), period = std::min<size_t>(length, 1 + in.below(40));
    const auto repeat = [&](auto& values, const auto& next) {
      for (size_t i = 0; i < length; ++i) values.push_back(i < period ? next() : values[i - period]);
      return static_cast<const void*>(values.data());
    };
    if (input.type == Type::kDouble) return repeat(reals.emplace_back(), [&] { return real_from(in); });
    if (input.type == Type::kFloat)
      return repeat(floats.emplace_back(), [&] { return static_cast<float>(real_from(in)); });
    return repeat(integers.emplace_back(), [&] { return integer_from(in, input.type == Type::kLogical); });
  }

  void add_step(fuzz::Input& in) {
    const Signature& signature = kOperations[in.below(std::size(kOperations))];
    const size_t count = std::strlen(signature.takes);
    Step step;
    step.op = signature.op;
    for (size_t k = 0; k < count; ++k) {
      step.operands.push_back(pick(in, signature.takes[k], count > 1).operand);
    }
    step.out = static_cast<uint16_t>(program.steps.size());
    program.steps.push_back(step);
    registers.push_back({{Kind::kRegister, step.out}, signature.gives});
  }

  Place pick(fuzz::Input& in, char takes, bool constants) {
    if (constants && in.below(4) == 0) return {constant(in, takes), takes};
    std::vector<Place> fitting;
    for (const auto* places : {&inputs, &registers})
      for (const Place& place : *places)
        if (suits(takes, place.has)) fitting.push_back(place);
    if (fitting.empty()) return converted(takes);
    return fitting[fitting.size() - 1 - in.below(fitting.size())];
  }

  Operand constant(fuzz::Input& in, char takes) {
    program.constants.push_back(takes == 'D' ? Constant::of(real_from(in))
                                             : Constant::of(integer_from(in, takes == 'L')));
    return {Kind::kConstant, static_cast<uint16_t>(program.constants.size() - 1)};
  }

  // The first input as what nothing else is.
  Place converted(char takes) {
    const char has = inputs[0].has;
    const Op op = takes == 'D'   ? Op::kDoubleOfI
                  : takes == 'I' ? Op::kIntegerOfD
                  : has == 'D'   ? Op::kLogicalOfD
                                 : Op::kLogicalOfI;
    const auto out = static_cast<uint16_t>(program.steps.size());
    program.steps.push_back({op, out, {inputs[0].operand}});
    registers.push_back({{Kind::kRegister, out}, takes});
    return registers.back();
  }
};

// ---- The reference's results

struct Result {
  std::vector<Value> values;
  std::vector<uint8_t> events;
};

Value element(const Input& input, uint64_t i) {
  const uint64_t at = i % input.length;
  if (input.type == Type::kDouble) return real(static_cast<const double*>(input.data)[at]);
  if (input.type == Type::kFloat) return real(static_cast<double>(static_cast<const float*>(input.data)[at]));
  return integer(static_cast<const int32_t*>(input.data)[at]);
}

Result reference(const Program& program) {
  Result result;
  result.events.resize(program.steps.size());
  std::vector<Value> registers(program.steps.size());
  for (uint64_t i = 0; i < program.length; ++i) {
    const auto at = [&](Operand operand) {
      if (operand.kind == Kind::kRegister) return registers[operand.index];
      if (operand.kind == Kind::kInput) return element(program.inputs[operand.index], i);
      Value constant;
      std::memcpy(&constant, program.constants[operand.index].bytes, sizeof constant);
      return constant;
    };
    for (size_t s = 0; s < program.steps.size(); ++s) {
      Value in[3] = {};
      for (size_t k = 0; k < program.steps[s].operands.size(); ++k) in[k] = at(program.steps[s].operands[k]);
      Reference compute;
      registers[s] = compute(program.steps[s].op, in);
      result.events[s] = static_cast<uint8_t>(result.events[s] | compute.event);
    }
    result.values.push_back(at(program.result));
  }
  return result;
}

bool same(double a, double b) { return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0; }

Value element_of(const std::vector<uint8_t>& bytes, Type type, uint64_t i) {
  Input input;
  input.data = bytes.data();
  input.length = bytes.size() / size_of(type);
  input.type = type;
  return element(input, i);
}

void expect_elements(const std::vector<uint8_t>& bytes, Type type, const Result& expected) {
  for (size_t i = 0; i < expected.values.size(); ++i) {
    const Value got = element_of(bytes, type, i), wanted = expected.values[i];
    if (type == Type::kFloat)
      expect(same(got.real, static_cast<double>(static_cast<float>(wanted.real))));
    else if (type == Type::kDouble)
      expect(same(got.real, wanted.real));
    else
      expect(got.integer == wanted.integer);
  }
}

// ---- Reductions

bool same_product(long double a, long double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void expect_real_totals(const Program& program, const Totals& got, const Result& expected) {
  long double sum = 0, size = 0, product = 1;
  double least = std::numeric_limits<double>::infinity(), greatest = -least;
  uint64_t counted = 0, nans = 0;
  for (const Value value : expected.values) {
    const double x = value.real;
    nans += std::isnan(x);
    if (std::isnan(x) && program.na_rm) continue;
    ++counted;
    sum += x;
    size += std::fabs(static_cast<long double>(x));
    product *= x;
    if (x < least) least = x;
    if (x > greatest) greatest = x;
  }
  expect(got.counted == counted);
  if (program.reduction == Reduction::kSum) {
    expect(std::isfinite(sum) ? std::fabs(got.sum - sum) <= 1e-15L * size
                              : got.sum == sum || (std::isnan(got.sum) && std::isnan(sum)));
    expect(!std::isnan(sum) || (got.has_na || got.has_nan) == (nans > 0 && !program.na_rm));
  } else if (program.reduction == Reduction::kProd) {
    expect(same_product(got.product, product));
  } else if (counted > 0) {
    expect(got.least == least && got.greatest == greatest);
    expect((got.has_na || got.has_nan) == (nans > 0 && !program.na_rm));
  }
}

void expect_integer_totals(const Program& program, const Totals& got, const Result& expected) {
  int64_t sum = 0;
  int32_t least = INT32_MAX, greatest = -INT32_MAX;
  long double product = 1;
  uint64_t missing = 0, zeros = 0;
  for (const Value value : expected.values) {
    missing += value.integer == kNaInteger;
    zeros += value.integer == 0;
    if (value.integer == kNaInteger) continue;
    sum += value.integer;
    product *= value.integer;
    least = std::min(least, value.integer);
    greatest = std::max(greatest, value.integer);
  }
  const uint64_t all = expected.values.size();
  expect(got.counted == (program.na_rm ? all - missing : all));
  expect(got.integer_sum == sum && got.has_na == (missing > 0));
  expect(got.has_false == (zeros > 0) && got.has_true == (missing + zeros < all));
  expect(got.counted == 0 || (got.least_integer == least && got.greatest_integer == greatest));
  expect(program.reduction != Reduction::kProd || same_product(got.product, product));
}

void check_reduction(const Program& program, const Result& expected) {
  const Outcome outcome = evaluate(program, nullptr, 0, program.length);
  expect(outcome.events == expected.events);
  if (is_real(program.type))
    expect_real_totals(program, outcome.totals, expected);
  else
    expect_integer_totals(program, outcome.totals, expected);
}

// ---- The ways to compute it

void check_evaluation(const Program& program, const Result& expected) {
  std::vector<uint8_t> out(program.length * size_of(program.type));
  const Outcome outcome = evaluate(program, out.data(), 0, program.length);
  expect(outcome.events == expected.events);
  expect_elements(out, program.type, expected);
}

// Over an input that has the result's length and type, as a temporary of the program would be.
void check_in_place(Program program, const Result& expected) {
  for (Input& input : program.inputs) {
    if (input.length != program.length || input.type != program.type) continue;
    const auto* const begin = static_cast<const uint8_t*>(input.data);
    std::vector<uint8_t> own(begin, begin + input.length * size_of(input.type));
    input.data = own.data();
    evaluate(program, own.data(), 0, program.length);
    expect_elements(own, program.type, expected);
    input.data = begin;
  }
}

void check_text(const Program& program, device::Goal goal) {
  const std::string text = device::kernel_code(program, goal).key();
  expect(text.find('$') == std::string::npos);
  expect(std::count(text.begin(), text.end(), '{') == std::count(text.begin(), text.end(), '}'));
  expect(std::count(text.begin(), text.end(), '(') == std::count(text.begin(), text.end(), ')'));
  Program other = program;
  for (Constant& constant : other.constants) constant.bytes[0] = static_cast<unsigned char>(~constant.bytes[0]);
  expect(device::kernel_code(other, goal).key() == text);
}

bool all_constant(const Step& step) {
  return std::all_of(step.operands.begin(), step.operands.end(),
                     [](Operand operand) { return operand.kind == Kind::kConstant; });
}

Type type_of(char has) { return has == 'L' ? Type::kLogical : has == 'I' ? Type::kInteger : Type::kDouble; }

// Nodes over buffers of the CPU. Not with inputs of other lengths, which a gpu_array does not recycle, nor floats, of
// which what is computed on the way may be kept.
void check_nodes(const Case& made, const Result& expected) {
  static auto* const device = new device::CpuDevice;
  for (const Input& input : made.program.inputs)
    if (input.length != made.program.length || input.type == Type::kFloat) return;
  if (made.program.result.kind != Kind::kRegister || made.program.type == Type::kFloat) return;
  std::vector<lazy::Term> inputs, steps;
  for (const Input& input : made.program.inputs) {
    device::Buffer buffer = device->allocate(input.type, input.length);
    device->put(input.data, buffer, 0, input.length);
    inputs.push_back(lazy::term_of(std::make_shared<lazy::Node>(buffer)));
  }
  for (size_t s = 0; s < made.program.steps.size(); ++s) {
    const Step& step = made.program.steps[s];
    if (all_constant(step)) return;  // a node is of some array
    std::vector<lazy::Term> terms;
    for (const Operand operand : step.operands) {
      if (operand.kind == Kind::kConstant) {
        lazy::Term term;
        term.constant = made.program.constants[operand.index];
        terms.push_back(term);
      } else {
        terms.push_back(operand.kind == Kind::kInput ? inputs[operand.index] : steps[operand.index]);
      }
    }
    steps.push_back(lazy::term_of(lazy::apply(step.op, type_of(made.registers[s].has), terms)));
  }
  const device::Buffer result = steps[made.program.result.index].node->buffer();
  std::vector<uint8_t> out(result.bytes());
  device->get(result, 0, result.length(), out.data());
  expect_elements(out, made.program.type, expected);
  device->take_events();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  par::set_threads(1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Case made{fuzz::Input(data, size)};
  choose_math(MathSource::kScalar, Width::kNarrow);
  const Result expected = reference(made.program);
  check_text(made.program, made.goal);
  Program program = made.program;
  program.registers = 0;
  allocate_registers(program);
  choose_math(MathSource::kScalar, made.width);  // nothing changes where this processor has no such registers
  check_evaluation(program, expected);
  check_in_place(program, expected);
  check_reduction(program, expected);
  check_nodes(made, expected);
  return 0;
}
