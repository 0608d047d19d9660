#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "device/kernel_source.h"
#include "doctest/doctest.h"
#include "linalg/evaluate.h"
#include "linalg/math_library.h"
#include "mock_gpu.h"
#include "rng/fill.h"

// CudaDevice on the GPUs of tests/testthat/mock: the kernels that would run there, compiled for the host.
using namespace avenir;
using namespace avenir::linalg;
using device::Buffer;
using device::Device;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double na() {
  double value;
  std::memcpy(&value, &kNaBits, sizeof value);
  return value;
}
uint64_t bits_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
bool is_na(double x) { return std::isnan(x) && (bits_of(x) & 0xffffffff) == (kNaBits & 0xffffffff); }
// Equal, and if NaN of the same kind: NA or not.
bool same(double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::isnan(a) && std::isnan(b) && is_na(a) == is_na(b) : a == b;
}

constexpr Operand reg(size_t i) { return {Operand::Kind::kRegister, static_cast<uint16_t>(i)}; }
constexpr Operand input(size_t i) { return {Operand::Kind::kInput, static_cast<uint16_t>(i)}; }
constexpr Operand constant(size_t i) { return {Operand::Kind::kConstant, static_cast<uint16_t>(i)}; }

Buffer on(Device& gpu, const std::vector<double>& x, Type type = Type::kDouble) {
  const Buffer buffer = gpu.allocate(type, x.size());
  gpu.put(x.data(), buffer, 0, x.size());
  return buffer;
}
Buffer integers_on(Device& gpu, const std::vector<int32_t>& x) {
  const Buffer buffer = gpu.allocate(Type::kInteger, x.size());
  gpu.put(x.data(), buffer, 0, x.size());
  return buffer;
}
std::vector<double> doubles_of(const Buffer& buffer) {
  std::vector<double> x(buffer.length());
  buffer.device().get(buffer, 0, x.size(), x.data());
  return x;
}
std::vector<int32_t> integers_of(const Buffer& buffer) {
  std::vector<int32_t> x(buffer.length());
  buffer.device().get(buffer, 0, x.size(), x.data());
  return x;
}

const std::vector<double>& odd_doubles() {
  static const std::vector<double> all = {0.0,  -0.0,  1.0,    -1.0,  0.5,  -0.5,  2.0,  -2.0, 3.0,
                                          2.5,  -3.5,  1e-310, 1e300, kInf, -kInf, kNan, na(), 0.25,
                                          10.0, -7.25, 100.,   1e9,   3e9,  -4e9,  0.75, -1.5};
  return all;
}
const std::vector<int32_t>& odd_integers() {
  static const std::vector<int32_t> all = {0, 1, -1, 2, -3, 7, kNaInteger, INT32_MAX, -INT32_MAX, 46341, -46341, 100};
  return all;
}

bool ends_with(const std::string& text, char c) { return text.back() == c; }

struct Named {
  Op op;
  std::string name;
};
const std::vector<Named>& tile_ops() {
  static const std::vector<Named> all = {
#define AVENIR_OP(name) {Op::k##name, #name},
      AVENIR_TILE_OPS(AVENIR_OP)
#undef AVENIR_OP
  };
  return all;
}
const std::vector<Named>& math_ops() {
  static const std::vector<Named> all = {
#define AVENIR_OP(name) {Op::k##name, #name},
      AVENIR_MATH_OPS(AVENIR_OP)
#undef AVENIR_OP
  };
  return all;
}

bool has_two(const std::string& name) {
  static const std::vector<std::string> two = {"Add", "Sub", "Mul", "Div", "Mod", "Idiv",
                                               "Eq",  "Ne",  "Lt",  "Le",  "Min", "Max"};
  if (name == "And" || name == "Or" || name == "Pow" || name == "Atan2") return true;
  if (name.compare(0, 5, "MinNa") == 0 || name.compare(0, 5, "MaxNa") == 0) return true;
  return std::find(two.begin(), two.end(), name.substr(0, name.size() - 1)) != two.end();
}
bool gives_doubles(const Named& op) {
  static const std::vector<std::string> integers = {"EqD",        "NeD",   "LtD",    "LeD",       "LogicalOfD",
                                                    "IntegerOfD", "IsNaD", "IsNanD", "IsFiniteD", "IsInfiniteD",
                                                    "And",        "Or",    "Not"};
  if (op.name == "DoubleOfI") return true;
  return !ends_with(op.name, 'I') && std::find(integers.begin(), integers.end(), op.name) == integers.end();
}
bool takes_doubles(const Named& op) {
  return !ends_with(op.name, 'I') && op.name != "And" && op.name != "Or" && op.name != "Not";
}

// All operations in one program, so that there is one kernel: element i is that of operation which[i], of x[i] and
// y[i].
struct Everything {
  Program program;
  std::vector<double> x, y;
  std::vector<int32_t> j, k, which;

  Everything(const std::vector<Named>& ops, bool doubles) {
    program.inputs = {{nullptr, 0, Type::kDouble},
                      {nullptr, 0, Type::kDouble},
                      {nullptr, 0, Type::kInteger},
                      {nullptr, 0, Type::kInteger},
                      {nullptr, 0, Type::kInteger}};
    program.type = doubles ? Type::kDouble : Type::kInteger;
    program.constants = {doubles ? Constant::of(-99.0) : Constant::of(int32_t{-99})};
    Operand so_far = constant(0);
    for (const Named& op : ops)
      if (gives_doubles(op) == doubles && op.name.compare(0, 6, "IfElse") != 0) so_far = add(op, so_far);
    program.result = so_far;
    program.length = x.size();
    for (Input& one : program.inputs) one.length = x.size();
    program.inputs[0].data = x.data(), program.inputs[1].data = y.data();
    program.inputs[2].data = j.data(), program.inputs[3].data = k.data(), program.inputs[4].data = which.data();
  }

  Operand add(const Named& op, Operand so_far) {
    const auto number = static_cast<int32_t>(program.constants.size());
    program.constants.push_back(Constant::of(number));
    const bool reals = takes_doubles(op);
    std::vector<Operand> operands = {input(reals ? 0 : 2)};
    if (has_two(op.name)) operands.push_back(input(reals ? 1 : 3));
    const Operand value = step(op.op, operands);
    const Operand chosen = step(Op::kEqI, {input(4), constant(static_cast<size_t>(number))});
    const bool doubles = program.type == Type::kDouble;
    add_elements(number, op.name == "And" || op.name == "Or" || op.name == "Not");
    return step(doubles ? Op::kIfElseD : Op::kIfElseI, {chosen, value, so_far});
  }

  Operand step(Op op, const std::vector<Operand>& operands) {
    const size_t out = program.registers++;
    program.steps.push_back({op, static_cast<uint16_t>(out), operands});
    return reg(out);
  }

  // Every pair of the odd numbers.
  void add_elements(int32_t number, bool logical) {
    const auto& d = odd_doubles();
    const auto& n = odd_integers();
    for (size_t a = 0; a < d.size(); ++a)
      for (size_t b = 0; b < d.size(); ++b) {
        x.push_back(d[a]), y.push_back(d[b]);
        const int32_t first = n[a % n.size()], second = n[b % n.size()];
        j.push_back(logical && first != kNaInteger ? first & 1 : first);
        k.push_back(logical && second != kNaInteger ? second & 1 : second);
        which.push_back(number);
      }
  }

  std::vector<Buffer> inputs(Device& gpu) const {
    return {on(gpu, x), on(gpu, y), integers_on(gpu, j), integers_on(gpu, k), integers_on(gpu, which)};
  }
};

constexpr int32_t kModulus = 6;  // Everything's number for ModD

struct ScalarMath {
  ScalarMath() { choose_math(MathSource::kScalar, Width::kNarrow); }
  ~ScalarMath() { choose_math(); }
};

// Events that devices report.
uint8_t events_of(const Outcome& outcome) {
  uint8_t all = 0;
  for (const uint8_t some : outcome.events) all = static_cast<uint8_t>(all | some);
  return all & (kNanProduced | kOverflow | kPrecisionLost);
}

Program copy_of(const Buffer& x) {
  Program program;
  program.inputs = {{nullptr, x.length(), x.type()}};
  program.result = input(0);
  program.type = x.type();
  program.length = x.length();
  return program;
}

std::vector<double> numbers(size_t count) {
  std::vector<double> x(count);
  for (size_t i = 0; i < count; ++i) x[i] = std::sin(static_cast<double>(i) * 1.7) * 10;
  return x;
}

}  // namespace

TEST_CASE("every operation of doubles gives on a GPU what it gives on the CPU, bit for bit") {
  const ScalarMath scalar;
  std::vector<Named> ops = tile_ops();
  ops.insert(ops.end(), math_ops().begin(), math_ops().end());
  const Everything all(ops, true);
  std::vector<double> expected(all.x.size());
  const Outcome outcome = evaluate(all.program, expected.data(), 0, expected.size());
  MockGpu mock;
  const Buffer out = mock.device().allocate(Type::kDouble, expected.size());
  mock.device().evaluate(all.program, all.inputs(mock.device()), out);
  const auto got = doubles_of(out);
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(all.which[i]);
    CAPTURE(all.x[i]);
    CAPTURE(all.y[i]);
    CAPTURE(all.j[i]);
    CAPTURE(all.k[i]);
    CAPTURE(got[i]);
    CAPTURE(expected[i]);
    // Of a NaN and an NA either may come out: the processor does as it likes.
    // Nor is there a rest when the quotient has no digit behind the point.
    if (all.which[i] == kModulus && std::fabs(all.x[i] / all.y[i]) > 9e18) continue;
    const bool either = std::isnan(all.x[i]) && std::isnan(all.y[i]) && std::isnan(expected[i]);
    REQUIRE((either ? std::isnan(got[i]) : same(got[i], expected[i])));
  }
  CHECK(mock.device().take_events() == events_of(outcome));
  CHECK(mock.device().take_events() == 0);
}

TEST_CASE("every operation that gives integers does so on a GPU") {
  const Everything all(tile_ops(), false);
  std::vector<int32_t> expected(all.x.size());
  evaluate(all.program, expected.data(), 0, expected.size());
  MockGpu mock;
  const Buffer out = mock.device().allocate(Type::kInteger, expected.size());
  mock.device().evaluate(all.program, all.inputs(mock.device()), out);
  const auto got = integers_of(out);
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(all.which[i]);
    CAPTURE(all.x[i]);
    CAPTURE(all.y[i]);
    CAPTURE(all.j[i]);
    CAPTURE(all.k[i]);
    REQUIRE(got[i] == expected[i]);
  }
}

TEST_CASE("a program of floats is computed in floats, with vectors that start again and single elements") {
  MockGpu mock;
  Device& gpu = mock.device();
  for (const size_t count : {3U, 4U, 5U, 4099U * 6}) {
    const auto x = numbers(count);
    const Buffer whole = on(gpu, x, Type::kFloat), some = on(gpu, {1, 2, 3}, Type::kFloat),
                 one = on(gpu, {0.5}, Type::kFloat);
    Program program;  // exp(whole) * some + one
    program.inputs = {{nullptr, count, Type::kFloat}, {nullptr, 3, Type::kFloat}, {nullptr, 1, Type::kFloat}};
    program.steps = {{Op::kExp, 0, {input(0)}}, {Op::kMulD, 0, {reg(0), input(1)}}, {Op::kAddD, 0, {reg(0), input(2)}}};
    program.registers = 1;
    program.result = reg(0);
    program.type = Type::kFloat;
    program.single = true;
    program.length = count;
    const Buffer out = gpu.allocate(Type::kFloat, count);
    gpu.evaluate(program, {whole, some, one}, out);
    const auto got = doubles_of(out);
    for (size_t i = 0; i < count; ++i) {
      const float expected = std::exp(static_cast<float>(x[i])) * static_cast<float>(1 + i % 3) + 0.5F;
      REQUIRE(got[i] == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("programs that differ in their constants and lengths share a kernel") {
  MockGpu mock;
  Program program;
  program.inputs = {{nullptr, 100, Type::kDouble}};
  program.constants = {Constant::of(3.0)};
  program.steps = {{Op::kMulD, 0, {constant(0), input(0)}}};
  program.registers = 1;
  program.result = reg(0);
  program.length = 100;
  const std::string key = device::kernel_code(program, device::Goal::kElements).key();
  program.constants = {Constant::of(4.0)};
  program.inputs[0].length = program.length = 7;
  CHECK(device::kernel_code(program, device::Goal::kElements).key() == key);
  program.inputs[0].length = 1;
  CHECK(device::kernel_code(program, device::Goal::kElements).key() != key);
  program.fast = true;
  program.inputs[0].length = 7;
  CHECK(device::kernel_code(program, device::Goal::kElements).key() != key);
}

TEST_CASE("reductions on a GPU have the CPU's totals") {
  MockGpu mock;
  Device& gpu = mock.device();
  auto x = numbers(5000);
  x[10] = na(), x[4000] = kNan, x[77] = kInf;
  const Buffer with_nans = on(gpu, x);
  std::vector<int32_t> k(5001);
  for (size_t i = 0; i < k.size(); ++i) k[i] = static_cast<int32_t>(i * 900001 % 2000000) - 1000000;
  k[3] = kNaInteger;
  const Buffer integers = integers_on(gpu, k);
  for (const Reduction reduction : {Reduction::kSum, Reduction::kProd, Reduction::kRange})
    for (const bool na_rm : {false, true})
      for (const Buffer& buffer : {with_nans, integers}) {
        CAPTURE(static_cast<int>(reduction));
        CAPTURE(na_rm);
        CAPTURE(static_cast<int>(buffer.type()));
        Program program = copy_of(buffer);
        program.reduction = reduction;
        program.na_rm = na_rm;
        const Totals got = gpu.reduce(program, {buffer});
        program.inputs[0].data = buffer.type() == Type::kDouble ? static_cast<const void*>(x.data()) : k.data();
        const Totals expected = evaluate(program, nullptr, 0, program.length).totals;
        CHECK(got.counted == expected.counted);
        CHECK(got.has_na == expected.has_na);
        if (buffer.type() == Type::kDouble) {
          if (!na_rm) CHECK(got.has_nan == expected.has_nan);
          if (reduction == Reduction::kSum) CHECK(std::isnan(static_cast<double>(got.sum)) == !na_rm);
          if (reduction == Reduction::kRange) CHECK(got.greatest == kInf);
          if (reduction == Reduction::kRange) CHECK(got.least == expected.least);
        } else {
          CHECK(got.integer_sum == expected.integer_sum);
          CHECK(got.least_integer == expected.least_integer);
          CHECK(got.greatest_integer == expected.greatest_integer);
          CHECK(got.has_true == expected.has_true);
        }
      }
}

TEST_CASE("sums of a GPU keep what additions lose, products keep what a double cannot hold") {
  MockGpu mock;
  Device& gpu = mock.device();
  std::vector<double> x(3000, 0.1);
  x[0] = 1e13, x[2999] = -1e13;
  Program program = copy_of(on(gpu, x));
  program.reduction = Reduction::kSum;
  CHECK(static_cast<double>(gpu.reduce(program, {on(gpu, x)}).sum) == doctest::Approx(299.8).epsilon(1e-8));
  const std::vector<double> factors = {1e300, 1e300, 1e-300, 1e-299, 0.3};
  program = copy_of(on(gpu, factors));
  program.reduction = Reduction::kProd;
  CHECK(static_cast<double>(gpu.reduce(program, {on(gpu, factors)}).product) == doctest::Approx(3).epsilon(1e-14));
}

TEST_CASE("rows and columns are summed, with NA and without, in parts of tall and wide matrices") {
  MockGpu mock;
  Device& gpu = mock.device();
  for (const size_t rows : {1U, 30U, 300U})
    for (const bool na_rm : {false, true}) {
      const size_t columns = std::max<size_t>(210 / rows, 3);
      auto x = numbers(rows * columns);
      x[1] = na();
      const Buffer matrix = on(gpu, x);
      Program program = copy_of(matrix);
      program.reduction = Reduction::kSum;
      program.na_rm = na_rm;
      const Buffer by_row = gpu.allocate(Type::kDouble, rows), by_column = gpu.allocate(Type::kDouble, columns);
      gpu.row_sums(program, {matrix}, rows, false, by_row);
      gpu.column_sums(program, {matrix}, rows, true, by_column);
      std::vector<double> row_sums(rows), means(columns), counts(columns);
      for (size_t i = 0; i < x.size(); ++i) {
        if (na_rm && std::isnan(x[i])) continue;
        row_sums[i % rows] += x[i], means[i / rows] += x[i], counts[i / rows] += 1;
      }
      const auto got_rows = doubles_of(by_row), got_columns = doubles_of(by_column);
      for (size_t i = 0; i < rows; ++i)
        CHECK((std::isnan(row_sums[i]) ? is_na(got_rows[i])
                                       : got_rows[i] == doctest::Approx(row_sums[i]).epsilon(1e-12)));
      for (size_t i = 0; i < columns; ++i) {
        const double mean = means[i] / counts[i];
        CHECK((std::isnan(mean) ? std::isnan(got_columns[i]) : got_columns[i] == doctest::Approx(mean).epsilon(1e-12)));
      }
    }
}

TEST_CASE("the first extreme is found, missing ones left out") {
  MockGpu mock;
  Device& gpu = mock.device();
  auto x = numbers(3000);
  x[5] = na(), x[100] = 50, x[2000] = 50, x[20] = -60;
  CHECK(gpu.which_extreme(on(gpu, x), true) == 100);
  CHECK(gpu.which_extreme(on(gpu, x), false) == 20);
  CHECK(gpu.which_extreme(on(gpu, {na(), kNan}), true) == 2);
  CHECK(gpu.which_extreme(integers_on(gpu, {kNaInteger, 3, 9, 9}), true) == 2);
}

TEST_CASE("cumulative sums go over the borders of parts and end as R's do") {
  MockGpu mock;
  Device& gpu = mock.device();
  for (const size_t count : {1U, 15U, 4096U, 4097U, 20000U}) {
    auto x = numbers(count);
    const Buffer out = gpu.allocate(Type::kDouble, count);
    gpu.cumulate(on(gpu, x), out);
    std::vector<double> expected(count);
    std::partial_sum(x.begin(), x.end(), expected.begin());
    const auto got = doubles_of(out);
    for (size_t i = 0; i < count; ++i) REQUIRE(got[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
  std::vector<int32_t> k(9000, 1);
  k[8000] = kNaInteger;
  const Buffer out = gpu.allocate(Type::kInteger, k.size());
  gpu.cumulate(integers_on(gpu, k), out);
  CHECK(integers_of(out)[7999] == 8000);
  CHECK(integers_of(out)[8000] == kNaInteger);
  CHECK(integers_of(out)[8999] == kNaInteger);
  CHECK(gpu.take_events() == 0);
  k[8000] = INT32_MAX;
  gpu.cumulate(integers_on(gpu, k), out);
  CHECK(integers_of(out)[8000] == kNaInteger);
  CHECK(gpu.take_events() == kOverflow);
}

TEST_CASE("elements are gathered and scattered by ranges and by indices") {
  MockGpu mock;
  Device& gpu = mock.device();
  std::vector<double> x(12);
  std::iota(x.begin(), x.end(), 0);  // 4 x 3
  device::Positions rows, columns;
  rows.begin = 3, rows.step = -2, rows.count = 2;
  columns.at = integers_on(gpu, {2, kNaInteger, 0, 7}), columns.count = 4;
  const Buffer out = gpu.allocate(Type::kDouble, 8);
  gpu.gather(on(gpu, x), 4, rows, columns, out);
  const std::vector<double> expected = {11, 9, na(), na(), 3, 1, na(), na()};
  for (size_t i = 0; i < 8; ++i) CHECK(same(doubles_of(out)[i], expected[i]));
  const Buffer target = on(gpu, x);
  gpu.scatter(on(gpu, {-1, -2}), target, 4, rows, columns);
  auto changed = x;
  changed[11] = changed[3] = -1, changed[9] = changed[1] = -2;
  CHECK(doubles_of(target) == changed);
}

TEST_CASE("matrices of any shape are transposed") {
  MockGpu mock;
  Device& gpu = mock.device();
  for (const size_t rows : {1U, 5U, 33U, 64U}) {
    const size_t columns = 40;
    const auto x = numbers(rows * columns);
    const Buffer out = gpu.allocate(Type::kDouble, x.size());
    gpu.transpose(on(gpu, x), rows, columns, out);
    const auto got = doubles_of(out);
    for (size_t i = 0; i < rows; ++i)
      for (size_t j = 0; j < columns; ++j) REQUIRE(got[j + i * columns] == x[i + j * rows]);
  }
}

TEST_CASE("orders are stable, by several keys, with what is missing last") {
  MockGpu mock;
  Device& gpu = mock.device();
  const size_t count = 9001;
  std::vector<double> x(count);
  std::vector<int32_t> k(count);
  for (size_t i = 0; i < count; ++i) {
    x[i] = i % 97 == 0 ? (i % 2 == 0 ? na() : kNan) : static_cast<double>(i * 7919 % 101) - 50.5;
    k[i] = i % 89 == 0 ? kNaInteger : static_cast<int32_t>(i * 104729 % 13) - 6;
  }
  x[4] = kInf, x[9] = -kInf, x[11] = 0.0, x[12] = -0.0;
  for (const bool decreasing : {false, true}) {
    std::vector<int32_t> expected(count);
    std::iota(expected.begin(), expected.end(), 1);
    const auto rank = [&](size_t i) { return k[i] == kNaInteger ? INT64_MAX : int64_t{k[i]} * (decreasing ? -1 : 1); };
    std::stable_sort(expected.begin(), expected.end(), [&](int32_t a, int32_t b) {
      const size_t i = static_cast<size_t>(a - 1), j = static_cast<size_t>(b - 1);
      if (rank(i) != rank(j)) return rank(i) < rank(j);
      if (std::isnan(x[i]) || std::isnan(x[j])) return !std::isnan(x[i]) && std::isnan(x[j]);
      return x[i] < x[j];
    });
    const Buffer out = gpu.allocate(Type::kInteger, count);
    gpu.order({integers_on(gpu, k), on(gpu, x)}, {decreasing, false}, out);
    const auto got = integers_of(out);
    const auto differ = std::mismatch(got.begin(), got.end(), expected.begin());
    CHECK(differ.first - got.begin() == static_cast<ptrdiff_t>(count));
  }
  const Buffer sorted = gpu.allocate(Type::kDouble, count);
  const uint64_t complete = gpu.sort(on(gpu, x), true, sorted);
  CHECK(complete == static_cast<uint64_t>(std::count_if(x.begin(), x.end(), [](double v) { return !std::isnan(v); })));
  const auto got = doubles_of(sorted);
  CHECK(std::is_sorted(got.begin(), got.begin() + static_cast<ptrdiff_t>(complete), std::greater<double>()));
  CHECK(std::isnan(got[complete]));
}

TEST_CASE("random numbers of a GPU are those of the streams, to the bit") {
  MockGpu mock;
  Device& gpu = mock.device();
  const rng::State state{{407, 1806547166, 983674937, 643431772, 1162447557, 959247990}};
  for (const size_t count : {1U, 16U, 5001U}) {
    const double offset = -1, factor = 2.5;
    std::vector<double> expected(count);
    const Buffer out = gpu.allocate(Type::kDouble, count);
    rng::fill_uniform(state, 0, count, {&offset, 1}, {&factor, 1}, expected.data());
    gpu.fill_uniform(state, offset, factor, out);
    CHECK(doubles_of(out) == expected);
    rng::fill_normal(state, 0, count, {&offset, 1}, {&factor, 1}, expected.data());
    gpu.fill_normal(state, offset, factor, out);
    CHECK(doubles_of(out) == expected);
  }
}
