#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "doctest/doctest.h"
#include "linalg/evaluate.h"
#include "linalg/math_library.h"
#include "linalg/tile.h"
#include "par/parallel_for.h"

using namespace avenir::linalg;
namespace par = avenir::par;

namespace {

constexpr Operand reg(uint16_t i) { return {Operand::Kind::kRegister, i}; }
constexpr Operand input(uint16_t i) { return {Operand::Kind::kInput, i}; }
constexpr Operand constant(uint16_t i) { return {Operand::Kind::kConstant, i}; }

std::vector<double> numbers(size_t count) {
  std::vector<double> x(count);
  for (size_t i = 0; i < count; ++i) x[i] = static_cast<double>(i % 1000) / 100 - 3;
  return x;
}

// exp(x) + 3 * x
Program example(const std::vector<double>& x) {
  Program program;
  program.inputs = {{x.data(), x.size(), Type::kDouble}};
  program.constants = {Constant::of(3.0)};
  program.steps = {
      {Op::kExp, 0, {input(0)}}, {Op::kMulD, 1, {constant(0), input(0)}}, {Op::kAddD, 2, {reg(0), reg(1)}}};
  program.registers = 3;
  program.result = reg(2);
  program.length = x.size();
  return program;
}

std::vector<double> run(const Program& program) {
  std::vector<double> out(program.length);
  evaluate(program, out.data(), 0, program.length);
  return out;
}

// Every library and width of this machine.
template <typename F>
void with_each_library(F check) {
  for (const MathSource source : {MathSource::kScalar, MathSource::kLibmvec, MathSource::kSleef})
    for (const Width width : {Width::kNarrow, Width::kAvx2, Width::kAvx512})
      if (choose_math(source, width)) {
        CAPTURE(name_of(source));
        CAPTURE(name_of(width));
        check();
      }
  choose_math();
}

struct Threads {
  explicit Threads(unsigned count) : before(par::threads()) { par::set_threads(count); }
  ~Threads() { par::set_threads(before); }
  unsigned before;
};

double nan_with(uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

TEST_CASE("R's mathematics near special values are those of its version") {
  const auto of = [](Op op, double x) {
    choose_math(MathSource::kScalar, Width::kNarrow);
    return math_function(op).scalar(x);
  };
  const double small = 1.4856140822219856e-08;
  CHECK(of(Op::kExp, small) == std::exp(small));
  CHECK(std::signbit(of(Op::kLog1p, -0.0)));
  follow(Rules::kSince46);
  CHECK(of(Op::kExp, small) == 1 + small);
  CHECK(of(Op::kExp, 1) == std::exp(1));
  for (const Op op : {Op::kExpm1, Op::kLog1p, Op::kSin, Op::kTan, Op::kAsin, Op::kAtan}) {
    CAPTURE(op);
    CHECK_FALSE(std::signbit(of(op, -0.0)));
    CHECK(of(op, -1e-16) == -1e-16);
    CHECK(std::isnan(of(op, std::nan(""))));
  }
  for (const Op op : {Op::kSinh, Op::kTanh, Op::kAsinh, Op::kAtanh}) CHECK_FALSE(std::signbit(of(op, -0.0)));
  for (const Op op : {Op::kExp, Op::kCos, Op::kCosh}) CHECK(of(op, -0.0) == 1);
  for (const Op op : {Op::kAcos, Op::kAcosh}) CHECK(of(op, 1) == 0);
  CHECK(of(Op::kCos, 1e-4) == 1 - 1e-4 * 1e-4 * 0.5);
  CHECK(math_function(Op::kPow).scalar2(0.7, 3) == 0.7 * 0.7 * 0.7);
  CHECK(math_function(Op::kPow).scalar2(-0.0, 3) == 0);
  CHECK(math_function(Op::kPow).scalar2(0.7, 5) == std::pow(0.7, 5));
  follow(Rules::kFirst);
  CHECK(of(Op::kExp, small) == std::exp(small));
  choose_math();
}

TEST_CASE("a program gives each element's value, whatever the length") {
  with_each_library([] {
    for (const size_t count : {1U, 15U, 16U, 17U, 1023U, 1024U, 1025U, 40000U}) {
      const auto x = numbers(count);
      const auto y = run(example(x));
      for (size_t i = 0; i < count; ++i) REQUIRE(y[i] == doctest::Approx(std::exp(x[i]) + 3 * x[i]).epsilon(1e-14));
    }
  });
}

TEST_CASE("the bits are the same for any number of threads, sums among them") {
  const auto x = numbers(100001);
  Program sum = example(x);
  sum.reduction = Reduction::kSum;
  std::vector<std::vector<double>> results;
  std::vector<long double> sums;
  for (const unsigned threads : {1U, 2U, 7U}) {
    const Threads set(threads);
    results.push_back(run(example(x)));
    sums.push_back(evaluate(sum, nullptr, 0, sum.length).totals.sum);
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
  CHECK(sums[0] == sums[1]);
  CHECK(sums[0] == sums[2]);
}

TEST_CASE("a result may be written over the program's input") {
  auto x = numbers(5000);
  const auto expected = run(example(x));
  const Program program = example(x);
  evaluate(program, x.data(), 0, program.length);
  CHECK(x == expected);
}

TEST_CASE("an operation may be of two constants") {
  const auto x = numbers(1041);
  Program program = example(x);
  program.constants = {Constant::of(3.0), Constant::of(0.5)};
  program.steps = {{Op::kMinD, 0, {constant(0), constant(1)}}, {Op::kMinD, 1, {reg(0), input(0)}}};
  program.registers = 2;
  program.result = reg(1);
  with_each_library([&] {
    const auto y = run(program);
    for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == std::min(x[i], 0.5));
  });
}

TEST_CASE("the result may be an earlier step's, or an input") {
  const auto x = numbers(5000);
  Program program = example(x);
  program.result = reg(1);
  const auto products = run(program);
  for (size_t i = 0; i < x.size(); ++i) REQUIRE(products[i] == 3 * x[i]);
  program.result = input(0);
  CHECK(run(program) == x);
}

TEST_CASE("a shorter vector starts again at its end") {
  const auto x = numbers(6000);
  const std::vector<double> few = {1, 2, 3};
  Program program;
  program.inputs = {{x.data(), x.size(), Type::kDouble}, {few.data(), few.size(), Type::kDouble}};
  program.steps = {{Op::kSubD, 0, {input(0), input(1)}}};
  program.registers = 1;
  program.result = reg(0);
  program.length = x.size();
  const auto y = run(program);
  for (size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == x[i] - few[i % 3]);
}

TEST_CASE("a sum loses nothing on the way") {
  std::vector<double> x;
  for (int i = 0; i < 5000; ++i) x.insert(x.end(), {1e16, 1.0, -1e16});
  Program program;
  program.inputs = {{x.data(), x.size(), Type::kDouble}};
  program.result = input(0);
  program.length = x.size();
  program.reduction = Reduction::kSum;
  with_each_library([&] { CHECK(evaluate(program, nullptr, 0, program.length).totals.sum == 5000); });
}

TEST_CASE("NaN of either kind stays itself, and one that is made is told") {
  std::vector<double> x(2000, 1.0);
  x[3] = nan_with(kNaBits);
  x[1500] = std::numeric_limits<double>::quiet_NaN();
  with_each_library([&] {
    const auto y = run(example(x));
    CHECK((std::isnan(y[3]) && std::memcmp(&y[3], &x[3], 4) == 0));  // the half that tells
    CHECK((std::isnan(y[1500]) && std::memcmp(&y[1500], &x[1500], 4) == 0));
    Program logarithm = example(x);
    logarithm.steps = {{Op::kLog, 0, {input(0)}}};
    logarithm.result = reg(0);
    std::vector<double> out(x.size());
    CHECK(evaluate(logarithm, out.data(), 0, x.size()).events[0] == 0);
    x[1999] = -1;
    CHECK(evaluate(logarithm, out.data(), 0, x.size()).events[0] == kNanProduced);
    x[1999] = 1;
  });
}

TEST_CASE("the libraries get each function's arguments, both of them") {
  const std::vector<double> y = numbers(3000);
  std::vector<double> x(y.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1 + static_cast<double>(i % 700) / 300;
  const auto of_both = [&](Op op) {
    Program program;
    program.inputs = {{x.data(), x.size(), Type::kDouble}, {y.data(), y.size(), Type::kDouble}};
    program.steps = {{op, 0, {input(0), input(1)}}};
    program.registers = 1;
    program.result = reg(0);
    program.length = x.size();
    return run(program);
  };
  with_each_library([&] {
    const std::vector<double> powers = of_both(Op::kPow), angles = of_both(Op::kAtan2), values = run(example(y));
    for (size_t i = 0; i < x.size(); ++i) {
      REQUIRE(powers[i] == doctest::Approx(std::pow(x[i], y[i])));
      REQUIRE(angles[i] == doctest::Approx(std::atan2(x[i], y[i])));
      REQUIRE(values[i] == doctest::Approx(std::exp(y[i]) + 3 * y[i]));
    }
  });
}

TEST_CASE("slices add up to the whole") {
  const auto x = numbers(3 * kBlock + 17);
  for (const Reduction reduction : {Reduction::kSum, Reduction::kMin, Reduction::kMax, Reduction::kProd}) {
    Program program = example(x);
    program.reduction = reduction;
    const Outcome whole = evaluate(program, nullptr, 0, program.length);
    Outcome total;
    add_outcome(total, evaluate(program, nullptr, 0, kBlock), program);
    add_outcome(total, evaluate(program, nullptr, kBlock, program.length), program);
    CHECK(total.totals.counted == whole.totals.counted);
    CHECK(total.totals.least == whole.totals.least);
    CHECK(total.totals.greatest == whole.totals.greatest);
    CHECK(static_cast<double>(total.totals.sum) == static_cast<double>(whole.totals.sum));
  }
}

TEST_CASE("a function of the user's sees arrays, never past the end, and its data") {
  const auto x = numbers(5000);
  double factor = 2;
  Program program = example(x);
  program.steps = {{Op::kCall, 0, {input(0), constant(0)}}};
  program.steps[0].function = [](const double* const* in, double* out, size_t n, void* data) {
    for (size_t i = 0; i < n; ++i) out[i] = *static_cast<double*>(data) * in[0][i] + in[1][i];
  };
  program.steps[0].data = &factor;
  program.result = reg(0);
  const Threads set(2);
  const auto y = run(program);
  for (size_t i = 0; i < y.size(); ++i) REQUIRE(y[i] == 2 * x[i] + 3);
}

TEST_CASE("integers that overflow are NA, and NA stays NA") {
  const std::vector<int32_t> x = {INT32_MAX, -INT32_MAX, 5, kNaInteger, 0};
  std::vector<int32_t> many;
  for (int i = 0; i < 400; ++i) many.insert(many.end(), x.begin(), x.end());
  Program program;
  program.inputs = {{many.data(), many.size(), Type::kInteger}};
  program.constants = {Constant::of(int32_t{1})};
  program.registers = 1;
  program.result = reg(0);
  program.type = Type::kInteger;
  program.length = many.size();
  const auto after = [&](Op op) {
    program.steps = {{op, 0, {input(0), constant(0)}}};
    std::vector<int32_t> out(many.size());
    CHECK(evaluate(program, out.data(), 0, out.size()).events[0] == (op == Op::kMulI ? 0 : kOverflow));
    return std::vector<int32_t>(out.end() - 5, out.end());
  };
  with_each_library([&] {
    CHECK(after(Op::kAddI) == std::vector<int32_t>{kNaInteger, -INT32_MAX + 1, 6, kNaInteger, 1});
    CHECK(after(Op::kSubI) == std::vector<int32_t>{INT32_MAX - 1, kNaInteger, 4, kNaInteger, -1});
    CHECK(after(Op::kMulI) == x);
  });
}

TEST_CASE("floats are read as doubles, computed as such, and rounded once") {
  with_each_library([] {
    for (const size_t count : {1U, 1023U, 1024U, 3000U}) {
      const auto x = numbers(count);
      const std::vector<float> single(x.begin(), x.end());
      std::vector<double> same(single.begin(), single.end());
      const auto expected = run(example(same));
      Program program = example(x);
      program.inputs = {{single.data(), single.size(), Type::kFloat}};
      program.type = Type::kFloat;
      std::vector<float> out(count);
      evaluate(program, out.data(), 0, count);
      for (size_t i = 0; i < count; ++i) REQUIRE(out[i] == static_cast<float>(expected[i]));
    }
  });
}
