#include "rbridge/wait.h"

#include <poll.h>
#include <sys/select.h>

#include <algorithm>
#include <vector>

#include "rbridge/r.h"
#include "rbridge/unwind.h"
#include <R_ext/eventloop.h>

namespace avenir::rbridge {

namespace {

constexpr double kStepSeconds = 0.1;

// R's own standard input is not ours to serve: it would run what the user types while R is busy.
std::vector<pollfd> watched(int fd) {
  std::vector<pollfd> list{{fd, POLLIN, 0}};
  for (const InputHandler* handler = R_InputHandlers; handler != nullptr; handler = handler->next)
    if (handler->fileDescriptor > 0) list.push_back({handler->fileDescriptor, POLLIN, 0});
  return list;
}

void serve_input_handlers() {
  guarded([] {
    fd_set* const ready = R_checkActivity(0, 1);
    if (ready != nullptr) R_runHandlers(R_InputHandlers, ready);
  });
}

}  // namespace

bool wait_a_step(int fd, base::Deadline deadline) {
  guarded([] { R_CheckUserInterrupt(); });
  std::vector<pollfd> list = watched(fd);
  const auto until = std::min(deadline, base::Deadline::in_seconds(kStepSeconds));
  if (::poll(list.data(), list.size(), until.poll_timeout_ms()) > 0) {
    const bool others = std::any_of(list.begin() + 1, list.end(), [](const pollfd& one) { return one.revents != 0; });
    if (others) serve_input_handlers();
  }
  guarded([] { R_CheckUserInterrupt(); });
  return list[0].revents != 0;
}

}  // namespace avenir::rbridge
