#include "engine/node_run.h"

#include <signal.h>
#include <unistd.h>

#include "engine/node_agent.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/signals.h"

namespace avenir::engine {

namespace {

sys::WakeUp* terminated = nullptr;

void on_terminate(int) {
  if (terminated != nullptr) terminated->wake();
}

// SIGTERM wakes the main thread instead of ending the process; also one that came while the node started.
class TerminationNotice {
 public:
  TerminationNotice() {
    terminated = &wake_;
    struct sigaction action {};
    action.sa_handler = on_terminate;
    ::sigaction(SIGTERM, &action, &before_);
    sys::let_in_signal(SIGTERM);
  }
  ~TerminationNotice() {
    ::sigaction(SIGTERM, &before_, nullptr);
    terminated = nullptr;
  }
  int fd() const { return wake_.fd(); }
  void drain() { wake_.drain(); }

 private:
  sys::WakeUp wake_;
  struct sigaction before_;
};

// Waits until the agent has ended; asks it to when there is a reason here.
void await_end(NodeAgent::End& end, TerminationNotice& notice) {
  enum : uint64_t { kEnd = 1, kParent, kSignal };
  sys::Poller poller;
  poller.add(end.fd(), kEnd);
  poller.add(notice.fd(), kSignal);
  const pid_t parent = ::getppid();
  sys::OwnFd parent_fd = parent > 1 ? sys::open_pidfd(parent) : sys::OwnFd();
  if (parent_fd.valid()) poller.add(parent_fd.get(), kParent);
  // It may have ended, and somebody else have got its number, before it was opened.
  if (parent > 1 && ::getppid() != parent) end.ask("the process that started it has ended");
  while (end.reason().empty()) {
    for (const auto& event : poller.wait(base::Deadline::never())) {
      if (event.token == kSignal) notice.drain();
      if (event.token == kSignal) end.ask("it was told to end (SIGTERM)");
      if (event.token == kParent) end.ask("the process that started it has ended");
      if (event.token == kParent) poller.remove(parent_fd.get());
    }
  }
}

}  // namespace

NodeEnding run_node(EngineOptions options, const wire::NodeHello& hello,
                    const std::function<std::unique_ptr<sys::ByteStream>()>& connect) {
  TerminationNotice notice;
  const double patience = options.start_timeout;
  options.workers = 0;
  options.hands_over = true;
  options.host = hello.host;
  Engine engine(std::move(options));
  const auto end = std::make_shared<NodeAgent::End>();
  engine.set_companion(std::make_unique<NodeAgent>(engine, connect(), hello, end, patience));
  end->when_asked([&engine] { engine.turn_companion(); });
  await_end(*end, notice);
  return {end->reason(), end->refused()};
}

}  // namespace avenir::engine
