#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "device/cuda_kernels.h"
#include "doctest/doctest.h"

// The kernels' text by NVRTC itself, for the GPUs of three generations. This needs no GPU; without NVRTC it is not run,
// with a warning.
using namespace avenir;
using namespace avenir::linalg;
using device::Goal;

namespace {

constexpr Operand reg(size_t i) { return {Operand::Kind::kRegister, static_cast<uint16_t>(i)}; }
constexpr Operand input(size_t i) { return {Operand::Kind::kInput, static_cast<uint16_t>(i)}; }
constexpr Operand constant(size_t i) { return {Operand::Kind::kConstant, static_cast<uint16_t>(i)}; }

Program program_of(std::vector<Step> steps, Type type, bool single = false) {
  Program program;
  const Type number = single ? Type::kFloat : Type::kDouble;
  program.inputs = {{nullptr, 1000, number}, {nullptr, 1000, number}, {nullptr, 7, Type::kInteger}};
  program.constants = {Constant::of(3.0), Constant::of(int32_t{5})};
  program.steps = std::move(steps);
  program.registers = 8;
  program.result = reg(program.steps.back().out);
  program.type = type;
  program.length = 1000;
  program.single = single;
  return program;
}

// exp(x) + 3 * sin(x)
std::vector<Step> example() {
  return {{Op::kExp, 0, {input(0)}},
          {Op::kSin, 1, {input(0)}},
          {Op::kMulD, 1, {constant(0), reg(1)}},
          {Op::kAddD, 0, {reg(0), reg(1)}}};
}

// ifelse(x < y, x^y, x %% y) and more of what is long
std::vector<Step> arithmetic() {
  return {{Op::kLtD, 0, {input(0), input(1)}},
          {Op::kPow, 1, {input(0), input(1)}},
          {Op::kModD, 2, {input(0), input(1)}},
          {Op::kIfElseD, 3, {reg(0), reg(1), reg(2)}},
          {Op::kLog1p, 4, {reg(3)}},
          {Op::kDoubleOfI, 5, {input(2)}},
          {Op::kAtan2, 6, {reg(4), reg(5)}},
          {Op::kMaxD, 7, {reg(6), input(0)}}};
}

std::vector<Step> integers() {
  return {{Op::kModI, 0, {input(2), constant(1)}},
          {Op::kMulI, 1, {reg(0), input(2)}},
          {Op::kLeI, 2, {reg(1), input(2)}},
          {Op::kIsNaD, 3, {input(0)}},
          {Op::kOr, 4, {reg(2), reg(3)}}};
}

std::vector<Step> transcendental() {
  return {{Op::kTanh, 0, {input(0)}},  {Op::kLog10, 1, {input(1)}},      {Op::kTan, 2, {reg(0)}},
          {Op::kAsin, 3, {reg(1)}},    {Op::kAddD, 4, {reg(2), reg(3)}}, {Op::kExpm1, 5, {reg(4)}},
          {Op::kCospi, 6, {input(0)}}, {Op::kDivD, 7, {reg(5), reg(6)}}};
}

struct Text {
  std::string name, source;
};

std::vector<Text> corpus() {
  std::vector<Text> all;
  const auto add = [&all](const char* name, const Program& program, Goal goal) {
    all.push_back({name, kernel_code(program, goal).source()});
  };
  add("example", program_of(example(), Type::kDouble), Goal::kElements);
  add("example of floats", program_of(example(), Type::kFloat, true), Goal::kElements);
  add("arithmetic", program_of(arithmetic(), Type::kDouble), Goal::kElements);
  add("arithmetic of floats", program_of(arithmetic(), Type::kFloat, true), Goal::kElements);
  add("integers", program_of(integers(), Type::kLogical), Goal::kElements);
  add("transcendental", program_of(transcendental(), Type::kDouble), Goal::kElements);
  Program reduced = program_of(example(), Type::kDouble);
  for (const Reduction reduction : {Reduction::kSum, Reduction::kProd, Reduction::kRange}) {
    reduced.reduction = reduction;
    add("a reduction", reduced, Goal::kTotals);
  }
  add("rows", reduced, Goal::kRows);
  add("columns", reduced, Goal::kColumns);
  for (const auto& code :
       {device::margin_kernels(), device::shape_kernels(), device::order_kernels(), device::random_kernels()})
    all.push_back({"a fixed kernel", code.source()});
  return all;
}

// The lines of ptxas that tell of spills.
std::string spills(const std::string& log) {
  std::string found;
  size_t lines = 0;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    const std::string line = log.substr(begin, end - begin);
    begin = end + 1;
    if (line.find("bytes spill stores") == std::string::npos) continue;
    ++lines;
    if (line.find(" 0 bytes spill stores, 0 bytes spill loads") == std::string::npos) found += line;
  }
  return lines == 0 ? "ptxas said nothing" : found;
}

std::string fault_of(const Text& text, int architecture) {
  try {
    std::string log;
    device::compile_kernels(text.source, architecture, false, &log);
    return spills(log);
  } catch (const base::Error& error) {
    return error.what();
  }
}

bool has_nvrtc() {
  device::forget_gpus();
  const bool has = device::missing_nvrtc().empty();
  WARN_MESSAGE(has, "not run: ", device::missing_nvrtc());
  return has;
}

}  // namespace

TEST_CASE("all kernels compile for three generations of GPUs, without spills") {
  if (!has_nvrtc()) return;
  const auto all = corpus();
  const std::vector<int> architectures = {80, 90, 100};
  std::atomic<size_t> next{0};
  std::mutex lock;
  std::string faults;
  const auto work = [&] {
    for (size_t i = next++; i < all.size() * architectures.size(); i = next++) {
      const int architecture = architectures[i % architectures.size()];
      const std::string fault = fault_of(all[i / architectures.size()], architecture);
      const std::lock_guard<std::mutex> guard(lock);
      if (!fault.empty())
        faults += all[i / architectures.size()].name + " for " + std::to_string(architecture) + ": " + fault + "\n";
    }
  };
  std::thread other(work);
  work();
  other.join();
  CHECK(faults == "");
}

TEST_CASE("whole vectors are read and written 16 bytes at a time") {
  if (!has_nvrtc()) return;
  const int newer = 91;  // which NVRTC does not know: so it gives PTX, that can be read
  const std::string doubles = device::compile_kernels(
      kernel_code(program_of(example(), Type::kDouble), Goal::kElements).source(), newer, false);
  CHECK(doubles.find("ld.global.v2.f64") != std::string::npos);
  CHECK(doubles.find("st.global.v2.f64") != std::string::npos);
  const std::string floats = device::compile_kernels(
      kernel_code(program_of(example(), Type::kFloat, true), Goal::kElements).source(), newer, false);
  CHECK(floats.find("ld.global.v4.f32") != std::string::npos);
  CHECK(floats.find("st.global.v4.f32") != std::string::npos);
}

TEST_CASE("a GPU that is too old for the toolkit is refused with both their numbers") {
  if (!has_nvrtc()) return;
  CHECK_THROWS_WITH_AS(device::compile_kernels("", 35, false), doctest::Contains("compute capability is 3.5"),
                       base::Error);
}
