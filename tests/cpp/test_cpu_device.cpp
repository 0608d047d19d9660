#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "device/device.h"
#include "doctest/doctest.h"
#include "lazy/node.h"
#include "par/parallel_for.h"
#include "rng/mrg32k3a.h"

// CpuDevice, and graphs of nodes on it: on several threads what one thread gives. What the numbers are is compared with
// base R's, and a GPU's with these, elsewhere.
using namespace avenir;
using device::Buffer;
using device::Positions;
using linalg::Op;
using linalg::Type;

namespace {

constexpr uint64_t kRows = 1201, kColumns = 331, kLength = kRows * kColumns;  // several pieces of every kind

struct Threads {
  explicit Threads(unsigned count) : before(par::threads()) { par::set_threads(count); }
  ~Threads() { par::set_threads(before); }
  unsigned before;
};

device::Device& cpu() { return device::cpu_device(); }

// A matrix with NaN and infinities in it.
Buffer matrix(Type type) {
  const Buffer buffer = cpu().allocate(type, kLength);
  if (type == Type::kInteger) {
    std::vector<int32_t> x(kLength);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = i % 997 == 0 ? linalg::kNaInteger : static_cast<int32_t>(i * 31 % 2003);
    cpu().put(x.data(), buffer, 0, x.size());
    return buffer;
  }
  std::vector<double> x(kLength);
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i)) * 100;
  x[5] = std::numeric_limits<double>::quiet_NaN(), x[kLength - 7] = std::numeric_limits<double>::infinity();
  cpu().put(x.data(), buffer, 0, x.size());
  return buffer;
}

std::vector<uint8_t> bytes_of(const Buffer& buffer) {
  const uint8_t* const first = buffer.as<uint8_t>();
  return {first, first + buffer.bytes()};
}

// What an operation makes of the matrix.
using Operation = std::function<Buffer(const Buffer&)>;

void check_threads(const std::string& name, Type type, const Operation& operation) {
  CAPTURE(name);
  CAPTURE(static_cast<int>(type));
  const auto on_threads = [&](unsigned count) {
    const Threads these(count);
    return bytes_of(operation(matrix(type)));
  };
  const std::vector<uint8_t> expected = on_threads(1);
  CHECK(on_threads(3) == expected);
}

void check_types(const std::string& name, const Operation& operation) {
  for (const Type type : {Type::kDouble, Type::kFloat, Type::kInteger}) check_threads(name, type, operation);
}

Buffer like(const Buffer& x, uint64_t length) { return cpu().allocate(x.type(), length); }

linalg::Program itself(const Buffer& x) {
  linalg::Program program;
  program.inputs = {{nullptr, x.length(), x.type()}};
  program.result = {linalg::Operand::Kind::kInput, 0};
  program.type = x.type();
  program.length = x.length();
  return program;
}

Type type_of_sums(const Buffer& x) { return x.type() == Type::kFloat ? Type::kFloat : Type::kDouble; }

}  // namespace

TEST_CASE("matrices are taken apart, put together and turned by several threads as by one") {
  check_types("copy", [](const Buffer& x) {
    const Buffer to = like(x, kLength);
    cpu().copy(x, 0, to, 0, kLength);
    return to;
  });
  check_types("transpose", [](const Buffer& x) {
    const Buffer to = like(x, kLength);
    cpu().transpose(x, kRows, kColumns, to);
    return to;
  });
  check_types("gather", [](const Buffer& x) {
    const Positions rows{1, 2, kRows / 2, {}}, columns{static_cast<int64_t>(kColumns) - 1, -1, kColumns, {}};
    const Buffer to = like(x, rows.count * columns.count);
    cpu().gather(x, kRows, rows, columns, to);
    return to;
  });
  check_types("scatter", [](const Buffer& x) {
    const Positions rows{0, 3, kRows / 3, {}}, columns{0, 1, kColumns, {}};
    const Buffer to = like(x, kLength);
    cpu().copy(x, 0, to, 0, kLength);
    cpu().scatter(x, to, kRows, rows, columns);
    return to;
  });
}

TEST_CASE("margins and running sums are the same numbers on several threads") {
  check_types("row sums", [](const Buffer& x) {
    const Buffer out = cpu().allocate(type_of_sums(x), kRows);
    cpu().row_sums(itself(x), {x}, kRows, false, out);
    return out;
  });
  check_types("column means", [](const Buffer& x) {
    const Buffer out = cpu().allocate(type_of_sums(x), kColumns);
    cpu().column_sums(itself(x), {x}, kRows, true, out);
    return out;
  });
  check_types("running sums", [](const Buffer& x) {
    const Buffer out = like(x, kLength);
    cpu().cumulate(x, out);
    cpu().take_events();
    return out;
  });
}

TEST_CASE("arrays are sorted and ordered on several threads as on one") {
  check_types("sort", [](const Buffer& x) {
    const Buffer out = like(x, kLength);
    cpu().sort(x, true, out);
    return out;
  });
  check_types("order", [](const Buffer& x) {
    const Buffer out = cpu().allocate(Type::kInteger, kLength);
    cpu().order({x}, {false}, out);
    return out;
  });
}

TEST_CASE("an array of random numbers is the same from several threads") {
  const rng::State state = {1, 2, 3, 4, 5, 6};
  for (const bool normal : {false, true})
    for (const Type type : {Type::kDouble, Type::kFloat})
      check_threads(normal ? "normal" : "uniform", type, [&](const Buffer& x) {
        const Buffer out = like(x, kLength);
        normal ? cpu().fill_normal(state, 1, 2, out) : cpu().fill_uniform(state, 1, 2, out);
        return out;
      });
}

TEST_CASE("a product with NaN in it is the same from several threads") {
  for (const Type type : {Type::kDouble, Type::kFloat})
    check_threads("gemm", type, [](const Buffer& x) {
      constexpr uint64_t kSide = 60;
      const Buffer out = like(x, kSide * kSide);
      cpu().gemm(true, false, kSide, kSide, kSide, x, x, out);
      return out;
    });
}

TEST_CASE("a graph of nodes becomes one program that several threads compute as one does") {
  for (const Type type : {Type::kDouble, Type::kFloat})
    check_threads("graph", type, [](const Buffer& x) {
      const auto node = std::make_shared<lazy::Node>(x);
      const Type real = lazy::real_type({lazy::term_of(node)});
      const auto twice = lazy::apply(Op::kAddD, real, {lazy::term_of(node), lazy::term_of(node)});
      const auto shifted = lazy::apply(Op::kMulD, real, {lazy::term_of(twice), lazy::term_of(0.5)});
      return lazy::apply(Op::kExp, real, {lazy::term_of(shifted)})->buffer();
    });
}

TEST_CASE("a sum over a graph of nodes is the same on several threads") {
  const auto sum = [](unsigned count) {
    const Threads these(count);
    const auto node = std::make_shared<lazy::Node>(matrix(Type::kInteger));
    const auto doubles = lazy::as_type(node, Type::kDouble);
    return lazy::apply(Op::kMulD, Type::kDouble, {lazy::term_of(doubles), lazy::term_of(0.25)})
        ->reduce(linalg::Reduction::kSum, true)
        .sum;
  };
  const auto one = sum(1), three = sum(3);
  CHECK(one == three);
  CHECK(one > 0);
}
