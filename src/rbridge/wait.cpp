#include "rbridge/wait.h"

#include <dlfcn.h>
#include <poll.h>
#include <sys/select.h>

#include <algorithm>
#include <vector>

#include <R_ext/eventloop.h>
#include "rbridge/r.h"
#include "rbridge/unwind.h"

namespace avenir::rbridge {

namespace {

constexpr double kStepSeconds = 0.1;
constexpr int kOurs = 2;  // the first descriptors of the list; the others are of R's input handlers

// R's event loop (R_ext/eventloop.h). Its symbols are not part of R's interface for packages, so they are
// looked up: an R without them has no input handlers to serve.
struct EventLoop {
  InputHandler** handlers;
  fd_set* (*check_activity)(int, int);
  void (*run_handlers)(InputHandler*, fd_set*);

  bool usable() const { return handlers != nullptr && check_activity != nullptr && run_handlers != nullptr; }
};

const EventLoop& event_loop() {
  static const EventLoop found{
      reinterpret_cast<InputHandler**>(::dlsym(RTLD_DEFAULT, "R_InputHandlers")),
      reinterpret_cast<fd_set* (*)(int, int)>(::dlsym(RTLD_DEFAULT, "R_checkActivity")),
      reinterpret_cast<void (*)(InputHandler*, fd_set*)>(::dlsym(RTLD_DEFAULT, "R_runHandlers"))};
  return found;
}

// Standard input is not served by R_checkActivity(): it would run what the user types while R is busy.
std::vector<pollfd> watched(const Awaited& awaited) {
  std::vector<pollfd> list{{awaited.fd, POLLIN, 0}, {awaited.other, POLLIN, 0}};
  if (!event_loop().usable()) return list;
  for (const InputHandler* handler = *event_loop().handlers; handler != nullptr; handler = handler->next)
    if (handler->fileDescriptor > 0) list.push_back({handler->fileDescriptor, POLLIN, 0});
  return list;
}

void serve_input_handlers() {
  guarded([] {
    const EventLoop& loop = event_loop();
    fd_set* const ready = loop.check_activity(0, 1);
    if (ready != nullptr) loop.run_handlers(*loop.handlers, ready);
  });
}

bool wait_for_any(std::vector<pollfd>& list, const Awaited& awaited) {
  const auto spin_until = base::Deadline::in_seconds(awaited.spin);
  while (awaited.spin > 0 && !spin_until.passed())
    if (::poll(list.data(), list.size(), 0) > 0) return true;
  const auto until = std::min(awaited.deadline, base::Deadline::in_seconds(kStepSeconds));
  return ::poll(list.data(), list.size(), until.poll_timeout_ms()) > 0;
}

}  // namespace

Woken wait_a_step(const Awaited& awaited) {
  guarded([] { R_CheckUserInterrupt(); });
  std::vector<pollfd> list = watched(awaited);
  if (wait_for_any(list, awaited)) {
    const bool handlers =
        std::any_of(list.begin() + kOurs, list.end(), [](const pollfd& one) { return one.revents != 0; });
    if (handlers) serve_input_handlers();
  }
  guarded([] { R_CheckUserInterrupt(); });
  return {list[0].revents != 0, list[1].revents != 0};
}

}  // namespace avenir::rbridge
