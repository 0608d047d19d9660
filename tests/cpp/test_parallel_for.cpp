#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "doctest/doctest.h"
#include "par/parallel_for.h"

namespace par = avenir::par;

namespace {

// How often each index was met.
std::vector<int> met(size_t count, size_t piece) {
  std::vector<int> times(count, 0);
  par::parallel_for(count, piece, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) ++times[i];
  });
  return times;
}

struct Threads {
  explicit Threads(unsigned count) : before(par::threads()) { par::set_threads(count); }
  ~Threads() { par::set_threads(before); }
  unsigned before;
};

}  // namespace

TEST_CASE("every index is met once, in pieces of the size asked for") {
  for (const unsigned threads : {1U, 2U, 7U}) {
    const Threads set(threads);
    for (const size_t count : {0U, 1U, 9U, 10U, 11U, 1000U})
      for (const size_t piece : {0U, 1U, 10U, 5000U}) CHECK(met(count, piece) == std::vector<int>(count, 1));
    std::atomic<bool> right{true};
    par::parallel_for(25, 10, [&](size_t begin, size_t end) {
      if (begin % 10 != 0 || end != (begin == 20 ? 25 : begin + 10)) right = false;
    });
    CHECK(right);
  }
}

TEST_CASE("several threads take part, this one among them, and one alone when it is said so") {
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::atomic<int> waiting{0};
  const auto meet = [&](size_t, size_t) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      ids.insert(std::this_thread::get_id());
    }
    ++waiting;
    if (par::threads() > 1)
      while (waiting < 2) std::this_thread::yield();
  };
  {
    const Threads set(3);
    par::parallel_for(2, 1, meet);
    CHECK(ids.size() == 2);
  }
  ids.clear();
  const Threads set(1);
  par::parallel_for(8, 1, meet);
  CHECK(ids == std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST_CASE("what a body throws comes out") {
  const Threads set(2);
  CHECK_THROWS_AS(par::parallel_for(100, 1,
                                    [](size_t begin, size_t) {
                                      if (begin == 50) throw std::runtime_error("x");
                                    }),
                  std::runtime_error);
  CHECK(met(100, 1) == std::vector<int>(100, 1));
}

TEST_CASE("a fork of a process that has used threads runs on its own thread only") {
  const Threads set(2);
  met(100, 1);
  CHECK(par::has_threads());
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    ::_exit(!par::has_threads() && met(100, 1) == std::vector<int>(100, 1) ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
