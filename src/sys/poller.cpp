#include "sys/poller.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#ifndef AVENIR_PORTABLE
#include <sys/epoll.h>
#endif

namespace avenir::sys {

#ifdef AVENIR_PORTABLE

Poller::Poller() = default;

void Poller::add(int fd, uint64_t token) {
  std::lock_guard<std::mutex> lock(mutex_);
  watches_[fd] = Watch{token, false};
  changed_.wake();
}

void Poller::want_write(int fd, uint64_t token, bool wanted) {
  std::lock_guard<std::mutex> lock(mutex_);
  watches_[fd] = Watch{token, wanted};
  changed_.wake();
}

void Poller::remove(int fd) {
  std::lock_guard<std::mutex> lock(mutex_);
  watches_.erase(fd);
  changed_.wake();
}

void Poller::leave_reading(int, uint64_t, bool) {}

std::vector<Poller::Event> Poller::wait(base::Deadline deadline) {
  std::vector<pollfd> polled;
  std::vector<uint64_t> tokens;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    polled.push_back({changed_.fd(), POLLIN, 0});
    tokens.push_back(0);
    for (const auto& [fd, watch] : watches_) {
      polled.push_back({fd, static_cast<short>(POLLIN | (watch.write ? POLLOUT : 0)), 0});
      tokens.push_back(watch.token);
    }
  }
  std::vector<Event> events;
  const int count = ::poll(polled.data(), polled.size(), deadline.poll_timeout_ms());
  if (count < 0 && errno != EINTR) base::raise_system_error("waiting for descriptors");
  if (count <= 0) return events;
  if (polled[0].revents != 0) changed_.drain();
  for (size_t i = 1; i < polled.size(); ++i) {
    const short seen = polled[i].revents;
    if (seen != 0) events.push_back({tokens[i], (seen & ~POLLOUT) != 0, (seen & POLLOUT) != 0});
  }
  return events;
}

void Poller::close() { changed_.close(); }

#else

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.valid()) base::raise_system_error("making an epoll descriptor");
}

namespace {

constexpr uint32_t kWriting = EPOLLOUT;

void control(int epoll, int operation, int fd, uint64_t token, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (::epoll_ctl(epoll, operation, fd, &event) < 0) base::raise_system_error("watching a descriptor");
}

}  // namespace

void Poller::add(int fd, uint64_t token) { control(epoll_.get(), EPOLL_CTL_ADD, fd, token, EPOLLIN); }

void Poller::want_write(int fd, uint64_t token, bool wanted) {
  control(epoll_.get(), EPOLL_CTL_MOD, fd, token, EPOLLIN | (wanted ? kWriting : 0u));
}

void Poller::leave_reading(int fd, uint64_t token, bool to_others) {
  control(epoll_.get(), EPOLL_CTL_MOD, fd, token, to_others ? 0u : uint32_t{EPOLLIN});
}

void Poller::remove(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::vector<Poller::Event> Poller::wait(base::Deadline deadline) {
  std::array<epoll_event, 64> ready;
  const int count =
      ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), deadline.poll_timeout_ms());
  if (count < 0 && errno != EINTR) base::raise_system_error("waiting for descriptors");
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    const uint32_t seen = ready[i].events;
    events.push_back({ready[i].data.u64, (seen & ~static_cast<uint32_t>(EPOLLOUT)) != 0, (seen & EPOLLOUT) != 0});
  }
  return events;
}

void Poller::close() { epoll_.reset(); }

#endif

bool wait_readable(int fd, base::Deadline deadline) {
  pollfd polled{fd, POLLIN, 0};
  const int count = ::poll(&polled, 1, deadline.poll_timeout_ms());
  if (count < 0 && errno != EINTR) base::raise_system_error("waiting for a descriptor");
  return count > 0;
}

}  // namespace avenir::sys
