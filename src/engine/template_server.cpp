#include "engine/template_server.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "base/deadline.h"
#include "base/error.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/signals.h"
#include "wire/frame.h"
#include "wire/message.h"

namespace avenir::engine {

namespace {

// Without pidfds the children are looked at in this interval.
constexpr double kReapSeconds = 0.05;
constexpr uint64_t kSocketToken = 0, kSessionToken = ~uint64_t{0};

bool has_ended(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

class Server {
 public:
  Server(sys::OwnFd socket, sys::OwnFd session, const std::string& temp_folder)
      : socket_(std::move(socket)), session_(std::move(session)), temp_folder_(temp_folder) {
    poller_.add(socket_.get(), kSocketToken);
    if (session_.valid()) poller_.add(session_.get(), kSessionToken);
  }

  WorkerFds serve() {
    sys::go_on_after_parent();  // to end the workers
    send(wire::FrameType::kHello, 0, {});
    for (;;) {
      const auto events = poller_.wait(next_look());
      bool gone = false;
      for (const auto& event : events) gone = gone || event.token == kSessionToken;
      std::vector<wire::Frame> frames;
      if (!gone && !events.empty()) gone = reader_.receive(socket_.get(), false, frames) == sys::IoStatus::kClosed;
      if (gone) leave();
      for (wire::Frame& frame : frames)
        if (auto fds = handle(frame)) return std::move(*fds);
      reap_children();
    }
  }

 private:
  struct Child {
    pid_t pid;
    sys::OwnFd pidfd;
  };

  base::Deadline next_look() const {
    for (const auto& [id, child] : children_)
      if (!child.pidfd.valid()) return base::Deadline::in_seconds(kReapSeconds);
    return base::Deadline::never();
  }

  void send(wire::FrameType type, uint64_t id, const base::Bytes& body, sys::OwnFd fd = sys::OwnFd()) {
    std::vector<wire::SharedFd> fds;
    if (fd.valid()) fds.push_back(std::make_shared<sys::OwnFd>(std::move(fd)));
    writer_.push(type, id, wire::to_shared(body), std::move(fds));
    if (writer_.flush(socket_.get(), true) == sys::IoStatus::kClosed) leave();
  }

  void refuse(uint64_t id, int error_number, const std::string& reason) {
    base::ByteWriter body;
    body.put<int32_t>(error_number);
    body.put_string(reason);
    send(wire::FrameType::kForkFailed, id, body.bytes());
  }

  // In the new worker: its descriptors.
  std::optional<WorkerFds> handle(wire::Frame& frame) {
    if (frame.header.type != wire::FrameType::kFork || frame.fds.size() != 4) return std::nullopt;
    if (sys::count_threads() > 1) {
      refuse(frame.header.id, 0, "the template process has more than one thread");
      return std::nullopt;
    }
    const pid_t pid = ::fork();
    if (pid == 0) return become_worker(frame);
    if (pid < 0) {
      refuse(frame.header.id, errno, std::string("fork: ") + std::strerror(errno));
      return std::nullopt;
    }
    ::setpgid(pid, pid);  // also done by the child: whoever comes first
    announce(frame.header.id, pid);
    return std::nullopt;
  }

  void announce(uint64_t id, pid_t pid) {
    Child child{pid, sys::open_pidfd(pid)};
    sys::OwnFd copy;
    if (child.pidfd.valid()) {
      poller_.add(child.pidfd.get(), id);
      copy = sys::duplicate(child.pidfd);
    }
    children_[id] = std::move(child);
    base::ByteWriter body;
    body.put<int32_t>(pid);
    send(wire::FrameType::kForked, id, body.bytes(), std::move(copy));
  }

  WorkerFds become_worker(wire::Frame& frame) {
    ::setpgid(0, 0);
    socket_.reset();
    poller_.close();
    children_.clear();
    ::dup2(frame.fds[3].get(), STDERR_FILENO);
    ::setenv("AVENIR_WORKER_NUMBER", std::to_string(frame.header.id).c_str(), 1);
    sys::reset_signal(SIGCHLD);
    return {std::move(frame.fds[0]), std::move(frame.fds[1]), std::move(frame.fds[2]), std::move(session_)};
  }

  void reap_children() {
    for (auto child = children_.begin(); child != children_.end();) {
      if (!has_ended(child->second.pid)) {
        ++child;
        continue;
      }
      int status = 0;
      ::kill(-child->second.pid, SIGKILL);  // what it had started; its number is still its own
      ::waitpid(child->second.pid, &status, 0);
      base::ByteWriter body;
      body.put<int32_t>(status);
      const uint64_t id = child->first;
      // Closing it would not do: the session has a copy, for which the poller would go on to report.
      if (child->second.pidfd.valid()) poller_.remove(child->second.pidfd.get());
      child = children_.erase(child);
      send(wire::FrameType::kExited, id, body.bytes());
    }
  }

  // Whole groups: what a worker's code has started ends with it.
  [[noreturn]] void leave() {
    for (const auto& [id, child] : children_) {
      ::kill(-child.pid, SIGKILL);
      ::kill(child.pid, SIGKILL);
    }
    for (const auto& [id, child] : children_) ::waitpid(child.pid, nullptr, 0);
    std::error_code ignored;
    if (!temp_folder_.empty()) std::filesystem::remove_all(temp_folder_, ignored);
    sys::exit_at_once(0);
  }

  sys::OwnFd socket_, session_;
  const std::string temp_folder_;
  sys::Poller poller_;
  wire::FrameReader reader_;
  wire::FrameWriter writer_;
  std::map<uint64_t, Child> children_;
};

}  // namespace

WorkerFds serve_forks(sys::OwnFd socket, sys::OwnFd session, const std::string& temp_folder) {
  return Server(std::move(socket), std::move(session), temp_folder).serve();
}

}  // namespace avenir::engine
