#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>

#include "rng/mrg32k3a.h"

// Known answers: R 4.2.2, RNGkind("L'Ecuyer-CMRG"); set.seed(123), then parallel::nextRNGStream(),
// parallel::nextRNGSubStream() and runif().

namespace {

using avenir::rng::advance;
using avenir::rng::describe_fault;
using avenir::rng::element_state;
using avenir::rng::ElementStates;
using avenir::rng::jump_streams;
using avenir::rng::jump_substreams;
using avenir::rng::kModulus1;
using avenir::rng::kModulus2;
using avenir::rng::next;
using avenir::rng::State;

constexpr State kStart{{1806547166U, 3311292359U, 643431772U, 1162448557U, 3335719306U, 4161054083U}};
constexpr State kLargest{{kModulus1 - 1, kModulus1 - 1, kModulus1 - 1, kModulus2 - 1, kModulus2 - 1, kModulus2 - 1}};
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

template <typename Jump>
State repeated(Jump jump, State state, int times) {
  for (int i = 0; i < times; ++i) state = jump(state, 1, 0);
  return state;
}

}  // namespace

TEST_CASE("the next stream is R's") {
  CHECK(jump_streams(kStart, 1) ==
        State{{1801422725U, 2236991573U, 1156894209U, 1595475487U, 210384600U, 2639237639U}});
}

TEST_CASE("the thousandth stream is R's") {
  CHECK(jump_streams(kStart, 1000) ==
        State{{799846372U, 1973967920U, 748036426U, 570826284U, 699546808U, 1299087627U}});
}

TEST_CASE("the next substream is R's") {
  CHECK(jump_substreams(kStart, 1) ==
        State{{701401935U, 3939279309U, 1513178397U, 1735140456U, 2710639322U, 3842549384U}});
}

TEST_CASE("the thousandth substream is R's") {
  CHECK(jump_substreams(kStart, 1000) ==
        State{{2189822325U, 2334471647U, 903578168U, 2641878526U, 1023801521U, 1921826303U}});
}

TEST_CASE("draws are R's doubles, to the bit") {
  State state = kStart;
  CHECK(next(state) == 0.1663742155315906);
  CHECK(next(state) == 0.38984565788132536);
  CHECK(next(state) == 0.75993984869389997);
  for (int i = 4; i < 1000; ++i) next(state);
  CHECK(next(state) == 0.88338162627615469);
}

TEST_CASE("advancing k draws is the state after k draws") {
  State drawn = kStart;
  for (std::uint64_t k = 0; k <= 1000; ++k) {
    REQUIRE(advance(kStart, k) == drawn);
    next(drawn);
  }
}

TEST_CASE("no step at all changes nothing") {
  CHECK(advance(kStart, 0) == kStart);
  CHECK(jump_substreams(kStart, 0) == kStart);
  CHECK(jump_streams(kStart, 0) == kStart);
}

TEST_CASE("a jump of n is n jumps of one") {
  CHECK(jump_streams(kStart, 777) == repeated(jump_streams, kStart, 777));
  CHECK(jump_substreams(kStart, 777) == repeated(jump_substreams, kStart, 777));
}

TEST_CASE("jumps over the widest counts add up") {
  CHECK(jump_streams(jump_streams(kStart, kMost - 5), 5) == jump_streams(kStart, kMost));
  CHECK(jump_substreams(jump_substreams(kStart, kMost - 5), 5) == jump_substreams(kStart, kMost));
  CHECK(advance(advance(kStart, kMost - 5), 5) == advance(kStart, kMost));
}

TEST_CASE("shifted counts go as far as the period and meet the other units") {
  CHECK(advance(kStart, 1, 127) == jump_streams(kStart, 1));
  CHECK(advance(kStart, 3, 76) == jump_substreams(kStart, 3));
  CHECK(advance(kStart, 5, 188) == jump_streams(kStart, 5, 61));
  CHECK(jump_substreams(kStart, 1, 114) == jump_streams(kStart, 1, 63));
  CHECK(advance(kStart, 3, 40) == advance(kStart, std::uint64_t{3} << 40));
}

TEST_CASE("2^51 substreams are one stream") {
  CHECK(jump_substreams(kStart, std::uint64_t{1} << 51) == jump_streams(kStart, 1));
}

TEST_CASE("steps of different kinds commute") {
  CHECK(advance(jump_streams(jump_substreams(kStart, 3), 7), 11) ==
        jump_substreams(jump_streams(advance(kStart, 11), 7), 3));
}

TEST_CASE("the largest words stay below the moduli in every step") {
  State drawn = kLargest;
  for (int i = 0; i < 1000; ++i) {
    const double u = next(drawn);
    REQUIRE(u > 0);
    REQUIRE(u < 1);
    REQUIRE(describe_fault(drawn).empty());
  }
  CHECK(describe_fault(jump_streams(kLargest, kMost)).empty());
}

TEST_CASE("element 5 of a map starts in the first substream of stream 5") {
  CHECK(element_state(kStart, 5) == State{{812776613U, 807214589U, 884884435U, 2615031903U, 479486860U, 3190619060U}});
}

TEST_CASE("element states one after the other are those of their indices") {
  ElementStates states(kStart);
  for (std::uint64_t i = 0; i < 100; ++i) REQUIRE(states.next() == element_state(kStart, i));
}

TEST_CASE("seeking takes element states up anywhere, forwards and back") {
  ElementStates states(kStart);
  for (const std::uint64_t i : {std::uint64_t{123456}, std::uint64_t{7}, std::uint64_t{0}, kMost - 1}) {
    states.seek(i);
    REQUIRE(states.next() == element_state(kStart, i));
    REQUIRE(states.next() == element_state(kStart, i + 1));
  }
}

TEST_CASE("R's states have no fault") {
  CHECK(describe_fault(kStart).empty());
  CHECK(describe_fault(kLargest).empty());
}

TEST_CASE("one word other than zero in each half is enough") {
  CHECK(describe_fault(State{{0, 0, 1, 1, 0, 0}}).empty());
}

TEST_CASE("a half of zeros is a fault that names its words") {
  CHECK(describe_fault(State{{0, 0, 0, 1, 2, 3}}) == "has only zeros in words 1 to 3");
  CHECK(describe_fault(State{{1, 2, 3, 0, 0, 0}}) == "has only zeros in words 4 to 6");
}

TEST_CASE("a word at its modulus is a fault that names it") {
  CHECK(describe_fault(State{{1, kModulus1, 3, 4, 5, 6}}) == "has word 2 = 4294967087, which must be below 4294967087");
  CHECK(describe_fault(State{{1, 2, 3, 4, 5, kModulus2}}) == "has word 6 = 4294944443, which must be below 4294944443");
}
