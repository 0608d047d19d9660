#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "rng/fill.h"
#include "rng/inversion.h"
#include "rng/lanes.h"
#include "rng/mrg32k3a.h"
#include "rng/stream_states.h"

// Known answers: R 4.2.2, qnorm() and, under RNGkind("L'Ecuyer-CMRG"); set.seed(123), rnorm().

namespace {

using namespace avenir::rng;

constexpr State kStart{{1806547166U, 3311292359U, 643431772U, 1162448557U, 3335719306U, 4161054083U}};
constexpr State kLargest{{kModulus1 - 1, kModulus1 - 1, kModulus1 - 1, kModulus2 - 1, kModulus2 - 1, kModulus2 - 1}};

constexpr double kZero = 0, kOne = 1;
constexpr Numbers kNoOffset{&kZero, 1}, kNoFactor{&kOne, 1};

using Fill = void (*)(const State&, std::uint64_t, std::size_t, const Numbers&, const Numbers&, double*);

// Runs `test` with every way of computing that this processor has.
template <typename Test>
void for_each_width(Test test) {
  for (const LaneWidth width : {LaneWidth::kScalar, LaneWidth::kNarrow, LaneWidth::kAvx2, LaneWidth::kAvx512}) {
    if (!choose_lane_width(width)) continue;
    CAPTURE(static_cast<int>(width));
    test();
  }
  choose_lane_width(best_lane_width());
}

std::vector<double> filled(Fill fill, const State& state, std::uint64_t begin, std::size_t count) {
  std::vector<double> numbers(count);
  fill(state, begin, count, kNoOffset, kNoFactor, numbers.data());
  return numbers;
}

std::vector<double> uniform_in_order(State state, std::size_t count) {
  std::vector<double> numbers(count);
  for (double& number : numbers) number = next(state);
  return numbers;
}

std::vector<double> normal_in_order(State state, std::size_t count) {
  std::vector<double> numbers(count);
  for (double& number : numbers) {
    const double u = next(state);
    number = normal_number(u, next(state));
  }
  return numbers;
}

bool same(const double* a, const double* b, std::size_t count) {
  return count == 0 || std::memcmp(a, b, count * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("normal quantiles are R's doubles, to the bit") {
  const std::pair<double, double> known[] = {
      {1.7347234759768071e-18, -8.6949623876436029},
      {1e-14, -7.6506280929352677},
      {1.3887943864964021e-11, -6.6579046435011024},
      {1.3887899999999999e-11, -6.6579051078505005},
      {0.01, -2.3263478740408408},
      {0.074999999999999997, -1.4395314709384557},
      {0.074999999900000003, -1.4395314716448926},
      {0.29999999999999999, -0.52440051270804067},
      {0.5, 0},
      {0.92500000000000004, 1.4395314709384559},
      {0.92500000010000005, 1.4395314716448928},
      {0.99999999999999989, 8.2095361516013856},
  };
  for (const auto& [p, quantile] : known) CHECK(normal_quantile(p) == quantile);
  CHECK(normal_quantile(1) == std::numeric_limits<double>::infinity());
}

TEST_CASE("normal numbers are R's doubles, to the bit") {
  const auto numbers = normal_in_order(kStart, 1000);
  CHECK(numbers[0] == -0.96859272655294348);
  CHECK(numbers[1] == 0.70610907778522281);
  CHECK(numbers[999] == -1.1285982041107827);
}

TEST_CASE("every width draws the numbers of the recurrence, whatever the length") {
  for (const State& state : {kStart, kLargest}) {
    const auto uniform = uniform_in_order(state, 100000);
    const auto normal = normal_in_order(state, 100000);
    for_each_width([&] {
      for (const std::size_t count : {0, 1, 15, 16, 511, 512, 513, 1040, 9999, 65664, 100000}) {
        CAPTURE(count);
        REQUIRE(same(filled(fill_uniform, state, 0, count).data(), uniform.data(), count));
        REQUIRE(same(filled(fill_normal, state, 0, count).data(), normal.data(), count));
      }
    });
  }
}

TEST_CASE("a block has the numbers of its place, also very far out") {
  const auto uniform = uniform_in_order(kStart, 5000);
  const auto normal = normal_in_order(kStart, 5000);
  const std::uint64_t far = std::uint64_t{1} << 52;
  for_each_width([&] {
    for (const std::size_t begin : {1, 777, 4000}) {
      const auto block = filled(fill_uniform, kStart, begin, 1000);
      CHECK(same(block.data(), uniform.data() + begin, 1000));
      CHECK(same(filled(fill_normal, kStart, begin, 1000).data(), normal.data() + begin, 1000));
    }
    CHECK(filled(fill_uniform, kStart, far, 600) == uniform_in_order(advance(kStart, far), 600));
    CHECK(filled(fill_normal, kStart, far, 600) == normal_in_order(advance(kStart, 2 * far), 600));
  });
}

TEST_CASE("offsets and factors are recycled from the block's place on") {
  const double offset[] = {-1, 0.3, 7}, factor[] = {2, 0.1};
  const auto plain = normal_in_order(kStart, 3000);
  for_each_width([&] {
    std::vector<double> numbers(2000);
    fill_normal(kStart, 1000, 2000, {offset, 3}, {factor, 2}, numbers.data());
    for (std::size_t i = 0; i < 2000; ++i) {
      const std::size_t place = i + 1000;
      REQUIRE(numbers[i] == offset[place % 3] + factor[place % 2] * plain[place]);
    }
  });
}

// Two million of the numbers themselves: the tails, too, are met by chance.
TEST_CASE("two million normal numbers are the same for every width") {
  choose_lane_width(LaneWidth::kScalar);
  const auto expected = filled(fill_normal, kStart, 0, 2000000);
  for_each_width([&] { REQUIRE(same(filled(fill_normal, kStart, 0, 2000000).data(), expected.data(), 2000000)); });
}

TEST_CASE("the inversion's edges are the same for every width") {
  const double least = 2.328306549295727688e-10, most = 1 - least, third = 1. / 3;
  const double values[] = {
      least,     2 * least, 7.45e-9,     7.46e-9,     1e-6,          0.0749999, 0.075,
      0.0750001, third,     0.5 - least, 0.5,         0.5 + least,   1 - third, 0.9249999,
      0.925,     0.9250001, 1 - 1e-6,    1 - 7.46e-9, 1 - 2 * least, most,      1 - std::ldexp(1, -53)};
  std::vector<double> pairs, expected;
  for (const double u : values)
    for (const double v : values) {
      pairs.push_back(u);
      pairs.push_back(v);
      expected.push_back(normal_number(u, v));
    }
  CHECK(expected.back() == std::numeric_limits<double>::infinity());
  const auto check = [&](const LaneKernels& kernels) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      double tile[2 * kLanes];
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const std::size_t from = (i + lane) % expected.size();
        tile[lane] = pairs[2 * from];
        tile[kLanes + lane] = pairs[2 * from + 1];
      }
      kernels.invert(tile, 1);
      REQUIRE(same(tile, &expected[i], 1));
    }
  };
  check(narrow_kernels());
  if (choose_lane_width(LaneWidth::kAvx2)) check(avx2_kernels());
  choose_lane_width(best_lane_width());
}

TEST_CASE("threads of any number fill what one does") {
  const std::size_t count = 300001;
  const auto expected = uniform_in_order(kStart, count);
  for (const std::size_t number : {1, 2, 7}) {
    std::vector<double> numbers(count);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < number; ++i) {
      const std::size_t begin = count * i / number, end = count * (i + 1) / number;
      threads.emplace_back([&numbers, begin, end] {
        fill_uniform(kStart, begin, end - begin, kNoOffset, kNoFactor, numbers.data() + begin);
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(numbers == expected);
  }
}

TEST_CASE("streams one after the other are those of their numbers, for every width") {
  for_each_width([&] {
    for (const State& first : {kStart, kLargest}) {
      StreamStates streams(first, false), substreams(first, true);
      for (std::uint64_t i = 0; i < 1000; ++i) {
        REQUIRE(streams.next() == jump_streams(first, i));
        REQUIRE(substreams.next() == jump_substreams(first, i));
      }
    }
  });
}
