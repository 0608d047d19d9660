// The part of the engine that knows whether nodes may still come: the groups that are awaited, and the local programs
// that bring them. The engine's mutex is held throughout, but for the public functions.

#include <signal.h>

#include <algorithm>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/launch.h"
#include "engine/token.h"
#include "shm/region.h"
#include "sys/memory_file.h"

namespace avenir::engine {

namespace {

constexpr double kEndSeconds = 1;     // that a launched program has to end, once it was asked to
constexpr double kLookSeconds = 0.1;  // without pidfds

// A program of its own session: what it has started gets the signal too.
void send_to_group(pid_t leader, int signal) {
  if (::kill(-leader, signal) < 0) ::kill(leader, signal);
}

std::string in_words(const sys::ExitStatus& exit) {
  return exit.signal != 0 ? "ended by signal " + std::to_string(exit.signal)
                          : "ended with exit code " + std::to_string(exit.code);
}

}  // namespace

void Engine::open_group(const std::string& group) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  open_groups_.insert(group);
}

void Engine::close_group(const std::string& group) {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  open_groups_.erase(group);
  wake_.wake();
}

uint32_t Engine::launch(sys::SpawnSpec program, const std::string& input, const std::string& group) {
  check_alive();
  auto started = std::make_unique<Launch>();
  const sys::OwnFd in = shm::publish(input.data(), input.size(), "avenir-input");
  started->group = group;
  started->output = make_log();
  program.fds = {{in.get(), 0}, {started->output.get(), 1}, {started->output.get(), 2}};
  std::lock_guard<std::mutex> lock(mutex_);
  started->pid = sys::spawn(program);
  started->pidfd = sys::open_pidfd(started->pid);
  const uint32_t id = next_launch_++;
  if (started->pidfd.valid()) poller_.add(started->pidfd.get(), token(kLaunch, id));
  launches_[id] = std::move(started);
  wake_.wake();
  return id;
}

std::vector<LaunchInfo> Engine::launch_infos() {
  check_alive();
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<LaunchInfo> infos;
  for (const auto& [id, launch] : launches_)
    infos.push_back({id, launch->group, launch->pid, !launch->exit.known, launch->exit,
                     sys::read_tail(launch->output.get(), kLogTail)});
  return infos;
}

void Engine::launch_ended(uint32_t id) {
  const auto found = launches_.find(id);
  if (found == launches_.end() || found->second->exit.known) return;
  Launch& launch = *found->second;
  const auto exit = sys::reap(launch.pid);
  if (!exit) return;
  launch.exit = *exit;
  if (launch.pidfd.valid()) poller_.remove(launch.pidfd.get());
  launch.pidfd.reset();
  if (!launch.group.empty()) open_groups_.erase(launch.group);
}

base::Deadline Engine::look_at_launches() {
  bool looked = false;
  for (auto& [id, launch] : launches_) {
    if (launch->exit.known || launch->pidfd.valid()) continue;
    launch_ended(id);
    looked = true;
  }
  return looked ? base::Deadline::in_seconds(kLookSeconds) : base::Deadline::never();
}

namespace {

template <typename Launches>
bool one_runs(const Launches& launches) {
  return std::any_of(launches.begin(), launches.end(), [](const auto& entry) { return !entry.second->exit.known; });
}

}  // namespace

bool Engine::expects_nodes() const { return !nodes_.empty() || !open_groups_.empty() || one_runs(launches_); }

// What was asked of it has been asked, and nothing that runs here will tell what comes of it.
bool Engine::depends_on_scheduler() const {
  return options_.nodes && wanted_ == 0 && nodes_.empty() && !open_groups_.empty() && !launches_.empty() &&
         !one_runs(launches_);
}

void Engine::fail_when_nobody_can_come() {
  if (!options_.nodes || wanted_ > 0 || queue_.empty() || expects_nodes()) return;
  fail_queue(why_nobody_came());
}

std::string Engine::why_nobody_came() const {
  std::string reason = "no node is connected, and none is expected any more";
  for (const NodeEnd& end : ended_nodes_)
    reason +=
        "\nnode " + std::to_string(end.id) + (end.host.empty() ? "" : " (host " + end.host + ")") + ": " + end.reason;
  for (const auto& [id, launch] : launches_) {
    const std::string output = sys::read_tail(launch->output.get(), kLogTail);
    reason += "\nlaunch " + std::to_string(id) + " " + in_words(launch->exit) +
              (output.empty() ? "; it wrote nothing" : "; its last output was:\n" + output);
  }
  return reason;
}

void Engine::end_launches() {
  for (auto& [id, launch] : launches_)
    if (!launch->exit.known && !launch->leaves) send_to_group(launch->pid, SIGTERM);
  const auto grace = base::Deadline::in_seconds(kEndSeconds);
  for (auto& [id, launch] : launches_)
    if (!launch->exit.known && launch->leaves &&
        !(launch->pidfd.valid() && sys::wait_readable(launch->pidfd.get(), grace)))
      send_to_group(launch->pid, SIGTERM);
  const auto deadline = base::Deadline::in_seconds(kEndSeconds);
  for (auto& [id, launch] : launches_) {
    if (launch->exit.known) continue;
    if (!launch->pidfd.valid() || !sys::wait_readable(launch->pidfd.get(), deadline))
      send_to_group(launch->pid, SIGKILL);
    sys::reap_or_kill(launch->pid, deadline);
  }
  launches_.clear();
}

}  // namespace avenir::engine
