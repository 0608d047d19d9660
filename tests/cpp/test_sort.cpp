#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "doctest/doctest.h"
#include "par/parallel_for.h"
#include "sort/merge.h"
#include "sort/sort.h"
#include "sort/tables.h"

using namespace avenir::sort;
namespace par = avenir::par;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinite = std::numeric_limits<double>::infinity();

struct Threads {
  explicit Threads(unsigned count) : before(par::threads()) { par::set_threads(count); }
  ~Threads() { par::set_threads(before); }
  unsigned before;
};

std::vector<double> numbers(size_t count, double (*make)(std::mt19937_64&)) {
  std::mt19937_64 random(count);
  std::vector<double> x(count);
  for (double& one : x) one = make(random);
  return x;
}

double even(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53 - 0.5; }
double skewed(std::mt19937_64& random) { return std::exp(1400 * even(random)) * (random() % 2 == 0 ? 1 : -1); }
double few(std::mt19937_64& random) { return random() % 10 < 9 ? 7 : static_cast<double>(random() % 5); }
double outlying(std::mt19937_64& random) { return random() % 100000 == 0 ? 1e300 : even(random) * 1e-300; }
double with_nan(std::mt19937_64& random) { return random() % 3 == 0 ? kNan : even(random); }

std::vector<double> sorted(const std::vector<double>& x) {
  const Column column{x.data(), Type::kDouble, false};
  std::vector<double> out(count_complete({column}, x.size()));
  sort_values(column, x.size(), out.size(), Missing::kLeftOut, out.data());
  return out;
}

std::vector<int32_t> ordered(const std::vector<Column>& columns, size_t count, Missing missing = Missing::kLast) {
  std::vector<int32_t> out(missing == Missing::kLeftOut ? count_complete(columns, count) : count);
  order_rows(columns, count, missing, out.data(), nullptr);
  return out;
}

}  // namespace

TEST_CASE("numbers of any distribution are sorted, on any number of threads") {
  for (const auto make : {even, skewed, few, outlying, with_nan})
    for (const size_t count : {0u, 1u, 24u, 25u, 5000u, 16384u, 16385u, 400000u}) {
      const std::vector<double> x = numbers(count, make);
      std::vector<double> expected;
      std::copy_if(x.begin(), x.end(), std::back_inserter(expected), [](double one) { return !std::isnan(one); });
      std::sort(expected.begin(), expected.end());
      for (const unsigned threads : {1u, 2u, 5u}) {
        const Threads these(threads);
        CHECK(sorted(x) == expected);
      }
    }
}

TEST_CASE("keys of integers are in their order, the least one next to NA too") {
  const std::vector<int32_t> x = {5, kNaInteger, INT32_MAX, -INT32_MAX, 0, -1};
  CHECK(ordered({{x.data(), Type::kInteger, false}}, 6) == std::vector<int32_t>{4, 6, 5, 1, 3, 2});
  CHECK(ordered({{x.data(), Type::kInteger, true}}, 6) == std::vector<int32_t>{3, 1, 5, 6, 4, 2});
  CHECK(ordered({{x.data(), Type::kInteger, true}}, 6, Missing::kFirst) == std::vector<int32_t>{2, 3, 1, 5, 6, 4});
}

TEST_CASE("the greatest and least numbers of a type are sorted like others, in either direction") {
  std::mt19937_64 random(11);
  const std::vector<double> doubles = {
      kInfinite, -kInfinite, std::numeric_limits<double>::max(), std::numeric_limits<double>::lowest(), 5e-324, 1};
  const std::vector<int32_t> integers = {INT32_MAX, -INT32_MAX, 0, 1};
  for (size_t count = 1; count < 700; count += 31) {
    std::vector<double> x(count), x_out(count);
    std::vector<int32_t> i(count), i_out(count);
    for (double& one : x) one = doubles[random() % doubles.size()];
    for (int32_t& one : i) one = integers[random() % integers.size()];
    for (const bool decreasing : {false, true}) {
      sort_values({x.data(), Type::kDouble, decreasing}, count, count, Missing::kLast, x_out.data());
      sort_values({i.data(), Type::kInteger, decreasing}, count, count, Missing::kLast, i_out.data());
      std::sort(x.begin(), x.end());
      std::sort(i.begin(), i.end());
      if (decreasing) std::reverse(x.begin(), x.end());
      if (decreasing) std::reverse(i.begin(), i.end());
      CHECK(x_out == x);
      CHECK(i_out == i);
    }
  }
}

TEST_CASE("infinities lie at the ends, and zeros of both signs are equal") {
  const std::vector<double> x = {0.0, kInfinite, -0.0, -kInfinite, kNan, 0.0};
  CHECK(ordered({{x.data(), Type::kDouble, false}}, 6) == std::vector<int32_t>{4, 1, 3, 6, 2, 5});
  const std::vector<double> out = sorted(x);
  CHECK(!std::signbit(out[1]));
  CHECK(std::signbit(out[2]));
  CHECK(!std::signbit(out[3]));
}

TEST_CASE("equal rows keep their order, by every key") {
  const size_t count = 100000;
  const std::vector<double> x = numbers(count, few);
  std::vector<int32_t> group(count), expected(count);
  for (size_t i = 0; i < count; ++i) group[i] = static_cast<int32_t>(i * 7919 % 3);
  std::iota(expected.begin(), expected.end(), 1);
  std::stable_sort(expected.begin(), expected.end(), [&](int32_t a, int32_t b) {
    const size_t i = static_cast<size_t>(a - 1), j = static_cast<size_t>(b - 1);
    return group[i] != group[j] ? group[i] < group[j] : x[i] > x[j];
  });
  const Threads these(3);
  CHECK(ordered({{group.data(), Type::kInteger, false}, {x.data(), Type::kDouble, true}}, count) == expected);
}

namespace {

// As order_rows(): NA is after all others, or before them.
std::vector<int32_t> expected_order(const std::vector<std::vector<double>>& keys, bool missing_first) {
  std::vector<int32_t> rows(keys[0].size());
  std::iota(rows.begin(), rows.end(), 1);
  const auto before = [=](double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(missing_first ? b : a) < std::isnan(missing_first ? a : b);
    return a < b;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](int32_t a, int32_t b) {
    for (const auto& key : keys) {
      const double x = key[static_cast<size_t>(a - 1)], y = key[static_cast<size_t>(b - 1)];
      if (before(x, y) || before(y, x)) return before(x, y);
    }
    return false;
  });
  return rows;
}

double close(std::mt19937_64& random) {  // keys that differ in their last bits, next to one that is far away
  return random() % 1000 == 0 ? -1e300 : 1 + static_cast<double>(random() % 64) * 0x1p-52;
}

}  // namespace

TEST_CASE("rows are told apart by the last bit of any key, and by keys after one that has many bits") {
  const size_t count = 300000;
  const std::vector<std::vector<double>> keys = {numbers(count, few), numbers(count, close), numbers(count, with_nan)};
  std::vector<Column> columns;
  for (const auto& key : keys) columns.push_back({key.data(), Type::kDouble, false});
  for (const unsigned threads : {1u, 2u, 3u, 5u}) {
    const Threads these(threads);
    CHECK(ordered(columns, count) == expected_order(keys, false));
    CHECK(ordered(columns, count, Missing::kFirst) == expected_order(keys, true));
    CHECK(ordered({columns[1]}, count) == expected_order({keys[1]}, false));
    std::vector<int32_t> complete = expected_order(keys, false);
    const auto incomplete = [&](int32_t row) { return std::isnan(keys[2][static_cast<size_t>(row - 1)]); };
    complete.erase(std::remove_if(complete.begin(), complete.end(), incomplete), complete.end());
    CHECK(ordered(columns, count, Missing::kLeftOut) == complete);
  }
}

TEST_CASE("rows whose keys are all missing, or all equal, stay where they are") {
  const std::vector<double> missing(1000, kNan), equal(1000, 3.0);
  const Column none{missing.data(), Type::kDouble, false}, one{equal.data(), Type::kDouble, true};
  std::vector<int32_t> in_place(1000);
  std::iota(in_place.begin(), in_place.end(), 1);
  CHECK(ordered({none, one}, 1000) == in_place);
  CHECK(ordered({one, none}, 1000, Missing::kFirst) == in_place);
  CHECK(ordered({one, none}, 1000, Missing::kLeftOut).empty());
}

TEST_CASE(
    "a part of two arrays' merger is what std::merge has there, equal elements of the first before the second's") {
  using Item = std::pair<int, int>;  // the second: which array
  const auto less = [](const Item& a, const Item& b) { return a.first < b.first; };
  std::mt19937_64 random(3);
  for (const size_t others : {0u, 1u, 7u, 300u}) {
    std::vector<Item> first(200), second(others), expected(200 + others);
    for (Item& item : first) item = {static_cast<int>(random() % 50), 1};
    for (Item& item : second) item = {static_cast<int>(random() % 50), 2};
    std::sort(first.begin(), first.end());
    std::sort(second.begin(), second.end());
    std::merge(first.begin(), first.end(), second.begin(), second.end(), expected.begin(), less);
    for (size_t begin = 0; begin <= expected.size(); begin += 23)
      for (size_t end = begin; end <= expected.size(); end += 41) {
        std::vector<Item> out(end - begin);
        merge_part<Item>({{first.data(), first.data() + first.size()}, {second.data(), second.data() + second.size()}},
                         begin, end, out.data(), less);
        CHECK(std::equal(out.begin(), out.end(), expected.begin() + static_cast<ptrdiff_t>(begin)));
      }
  }
}

TEST_CASE("distinct values and their numbers, by counting and by sorting") {
  const std::vector<int32_t> close = {3, 1, kNaInteger, 3, 3}, far = {INT32_MAX, -INT32_MAX, kNaInteger, INT32_MAX};
  CHECK(distinct(close.data(), 5).values == std::vector<int32_t>{1, 3});
  CHECK(distinct(close.data(), 5).counts == std::vector<uint64_t>{1, 3});
  CHECK(distinct(far.data(), 4).values == std::vector<int32_t>{-INT32_MAX, INT32_MAX});
  CHECK(distinct(far.data(), 4).counts == std::vector<uint64_t>{1, 2});
  CHECK(distinct(&kNaInteger, 1).values.empty());
  const std::vector<double> x = {0.5, -0.0, 0.0, kNan};
  CHECK(distinct(x.data(), 4).counts == std::vector<uint64_t>{2, 1});
}

TEST_CASE("codes are places among values; cells leave out rows with a missing one") {
  const std::vector<double> x = {2, 9, kNan, 1}, values = {1, 2};
  std::vector<int32_t> codes(4);
  find_codes(x.data(), 4, values.data(), 2, codes.data());
  CHECK(codes == std::vector<int32_t>{2, kNaInteger, kNaInteger, 1});
  const std::vector<int32_t> other = {1, 1, 1, 3};
  CHECK(count_cells({codes.data(), other.data()}, {2, 3}, 4) == std::vector<uint64_t>{0, 1, 0, 0, 1, 0});
  CHECK(are_codes(codes.data(), 4, 2));
  CHECK(!are_codes(codes.data(), 4, 1));
  CHECK(!are_codes(std::vector<int32_t>{0}.data(), 1, 5));
}
