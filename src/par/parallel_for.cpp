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
#include <memory>

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
Crew& crew_of(unsigned count) {
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
  crew_of(threads()).arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<size_t>(0, pieces, 1),
        [&](const tbb::blocked_range<size_t>& range) {
          for (size_t i = range.begin(); i != range.end(); ++i)
            body(i * piece, i + 1 == pieces ? count : (i + 1) * piece);
        },
        tbb::simple_partitioner());
  });
}

}  // namespace avenir::par
