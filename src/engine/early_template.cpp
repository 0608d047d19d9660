#include "engine/early_template.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/template_server.h"
#include "engine/worker_link.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "sys/socket_pair.h"

namespace avenir::engine {

namespace {

std::optional<EarlyTemplate>& kept() {
  static std::optional<EarlyTemplate>* const early = new std::optional<EarlyTemplate>;
  return *early;
}

constexpr int kOutOfTheWay = 100;

// First above every target, then into place.
void place(const std::vector<int>& fds) {
  std::vector<sys::OwnFd> copies;
  for (const int fd : fds) copies.emplace_back(::fcntl(fd, F_DUPFD, kOutOfTheWay));
  for (size_t i = 0; i < copies.size(); ++i) ::dup2(copies[i].get(), static_cast<int>(i));
  for (sys::OwnFd& copy : copies) copy.reset();
  sys::close_fds_from(static_cast<int>(fds.size()));
}

}  // namespace

Forked fork_early_template() {
  sys::FdPair ends = sys::make_socket_pair();
  sys::OwnFd log = make_log(), session = sys::open_pidfd(::getpid());
  const sys::OwnFd null = open_null();
  const pid_t pid = ::fork();
  if (pid < 0) base::raise_system_error("forking the template process");
  if (pid > 0) {
    kept() = EarlyTemplate{pid, std::move(ends.first), std::move(log)};
    return Forked::kParent;
  }
  std::vector<int> fds{null.get(), null.get(), log.get(), ends.second.get()};
  if (session.valid()) fds.push_back(session.get());
  place(fds);
  sys::let_in_signal(SIGTERM);
  // Their numbers are others' now.
  for (sys::OwnFd* fd : {&ends.first, &ends.second, &log, &session}) (void)fd->release();
  (void)const_cast<sys::OwnFd&>(null).release();
  return fds.size() > kTemplateSessionFd ? Forked::kWatchingTemplate : Forked::kTemplate;
}

std::optional<EarlyTemplate> take_early_template() { return std::exchange(kept(), std::nullopt); }

}  // namespace avenir::engine
