#include "par/parallel_for.h"

#include <signal.h>
#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace avenir::par {

namespace {

std::atomic<unsigned> wanted{1};
std::atomic<pid_t> user{0};  // the process that has used the library's threads, or is its descendant

// Signals are the R thread's.
class SignalsBlocked final : public tbb::task_scheduler_observer {
 public:
  explicit SignalsBlocked(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) { observe(true); }
  void on_scheduler_entry(bool is_worker) override {
    if (!is_worker) return;
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
  }
};

// The threads of one count. Without the limit the library would have no more of them than there are processors.
struct Crew {
  explicit Crew(unsigned count)
      : limit(tbb::global_control::max_allowed_parallelism, count), arena(static_cast<int>(count)), signals(arena) {}
  tbb::global_control limit;
  tbb::task_arena arena;
  SignalsBlocked signals;
};

// Never destroyed at exit: the library's own end may come first.
[[maybe_unused]] Crew& crew_of(unsigned count) {
  static unsigned size = 0;
  static std::unique_ptr<Crew>* const crew = new std::unique_ptr<Crew>;
  if (size != count) {
    crew->reset();  // of two limits the lower one would hold
    *crew = std::make_unique<Crew>(count);
    size = count;
  }
  return **crew;
}

void run_here(size_t count, size_t piece, const std::function<void(size_t, size_t)>& body) {
  for (size_t begin = 0; begin < count; begin += std::min(piece, count - begin))
    body(begin, begin + std::min(piece, count - begin));
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AVENIR_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define AVENIR_THREAD_SANITIZER
#endif

#ifdef AVENIR_THREAD_SANITIZER
// The sanitizer cannot see how TBB's threads wait for each other, since that library was built without it, and would
// call every body a race. What it is to look at are the bodies.
void run_pieces(size_t pieces, const std::function<void(size_t)>& run) {
  std::atomic<size_t> next{0};
  std::exception_ptr thrown;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < pieces; i = next++) run(i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      thrown = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads(); ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  if (thrown) std::rethrow_exception(thrown);
}
#else
void run_pieces(size_t pieces, const std::function<void(size_t)>& run) {
  crew_of(threads()).arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<size_t>(0, pieces, 1),
        [&](const tbb::blocked_range<size_t>& range) {
          for (size_t i = range.begin(); i != range.end(); ++i) run(i);
        },
        tbb::simple_partitioner());
  });
}
#endif

}  // namespace

unsigned threads() { return wanted.load(std::memory_order_relaxed); }

void set_threads(unsigned count) { wanted.store(std::max(count, 1U), std::memory_order_relaxed); }

bool has_threads() {
  const pid_t first = user.load(std::memory_order_relaxed);
  return threads() > 1 && (first == 0 || first == ::getpid());
}

void parallel_for(size_t count, size_t piece, const std::function<void(size_t, size_t)>& body) {
  piece = std::max<size_t>(piece, 1);
  if (count <= piece || !has_threads()) return run_here(count, piece, body);
  user.store(::getpid(), std::memory_order_relaxed);
  const size_t pieces = (count - 1) / piece + 1;
  run_pieces(pieces, [&](size_t i) { body(i * piece, i + 1 == pieces ? count : (i + 1) * piece); });
}

}  // namespace avenir::par
