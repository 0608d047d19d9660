#include "net/listener.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/deadline.h"
#include "base/error.h"
#include "net/tcp.h"
#include "net/tls_missing.h"
#include "net/tls_peer.h"
#include "sys/fork_guard.h"
#include "sys/poller.h"
#include "sys/thread.h"

namespace avenir::net {

using base::Deadline;

namespace {

constexpr uint64_t kWakeToken = 0, kListenToken = 1, kFirstToken = 2;
constexpr int kAcceptedAtOnce = 16;
constexpr double kExhaustedPause = 0.05;  // seconds until descriptors are looked for again

struct HalfOpen {
  std::unique_ptr<TlsPeer> peer;
  Deadline may_go, must_go;
};

}  // namespace

// Only the listener's thread changes half_open_, under the mutex; it lets go of the mutex to wait and to call out.
// Whoever forks holds the mutex: no call into OpenSSL is under way then.
class Listener::Core final : private sys::ForkAware {
 public:
  Core(const std::string& address, uint16_t port, Callbacks callbacks, Limits limits);
  ~Core();

  uint16_t port() const { return port_; }
  Counts counts() const;
  unsigned half_open() const;
  bool dead() const { return dead_; }

 private:
  using Lock = std::unique_lock<std::mutex>;

  void before_fork() override { mutex_.lock(); }
  void after_fork_in_parent() override { mutex_.unlock(); }
  void after_fork_in_child() override;

  void run();
  void serve(Lock& lock);
  void handle(const sys::Poller::Event& event, Lock& lock);
  void accept_some(Lock& lock);
  bool has_room();
  void pause_until(Deadline deadline);
  void resume();
  void begin(sys::OwnFd connection, Lock& lock);
  void advance(uint64_t token, Lock& lock);
  void ask(TlsPeer& peer, Lock& lock);
  void hand_over(uint64_t token, Lock& lock);
  void refuse(uint64_t token, uint64_t& count);
  void close_overdue();
  Deadline next_deadline() const;

  const Callbacks callbacks_;
  const Limits limits_;
  uint16_t port_;
  sys::OwnFd listening_;
  sys::Poller poller_;
  sys::WakeUp wake_;
  mutable std::mutex mutex_;
  std::map<uint64_t, HalfOpen> half_open_;
  uint64_t next_token_ = kFirstToken;
  Counts counts_;
  bool paused_ = false, paused_for_room_ = false;
  Deadline resume_at_ = Deadline::never();
  SharedDescriptor leaving_;  // of the connection that is being handed over
  bool dead_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

Listener::Core::Core(const std::string& address, uint16_t port, Callbacks callbacks, Limits limits)
    : callbacks_(std::move(callbacks)), limits_(limits), port_(port), listening_(listen_on(address, port_)) {
  poller_.add(wake_.fd(), kWakeToken);
  poller_.add(listening_.get(), kListenToken);
  thread_ = sys::start_thread("connections", [this] { run(); });
}

Listener::Core::~Core() {
  stopping_ = true;
  wake_.wake();
  thread_.join();
}

// The memory stays as it is: the thread that used it is not here.
void Listener::Core::after_fork_in_child() {
  dead_ = true;
  listening_.reset();
  for (auto& [token, connection] : half_open_) connection.peer->abandon();
  if (leaving_) {
    sys::OwnFd(leaving_->exchange(-1)).reset();
    leaving_.reset();
  }
  poller_.close();
  wake_.close();
  mutex_.unlock();
}

Listener::Counts Listener::Core::counts() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return counts_;
}

unsigned Listener::Core::half_open() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<unsigned>(half_open_.size());
}

// ---- the thread

// An error of the poller is the end of listening, not of the session: nobody joins any more.
void Listener::Core::run() try {
  Lock lock(mutex_);
  while (!stopping_) serve(lock);
} catch (const std::exception&) {
}

void Listener::Core::serve(Lock& lock) {
  const Deadline deadline = next_deadline();
  lock.unlock();
  const std::vector<sys::Poller::Event> events = poller_.wait(deadline);
  lock.lock();
  for (const sys::Poller::Event& event : events) {
    if (stopping_) return;
    handle(event, lock);
  }
  close_overdue();
  if (paused_ && resume_at_.passed()) resume();
}

void Listener::Core::handle(const sys::Poller::Event& event, Lock& lock) {
  if (event.token == kWakeToken)
    wake_.drain();
  else if (event.token == kListenToken)
    accept_some(lock);
  else
    advance(event.token, lock);
}

// Not all at once: those that are accepted already have their turn in between.
void Listener::Core::accept_some(Lock& lock) {
  for (int i = 0; i < kAcceptedAtOnce && !paused_ && !stopping_; ++i) {
    if (!has_room()) return;
    sys::OwnFd connection;
    switch (accept_next(listening_.get(), connection)) {
      case AcceptResult::kAccepted:
        begin(std::move(connection), lock);
        break;
      case AcceptResult::kTryAgain:
        break;
      case AcceptResult::kNone:
        return;
      case AcceptResult::kExhausted:
        ++counts_.exhausted;
        return pause_until(Deadline::in_seconds(kExhaustedPause));
    }
  }
}

// Makes room when the time of the one that should go has come; else comes back then.
bool Listener::Core::has_room() {
  if (half_open_.size() < limits_.half_open) return true;
  const auto first = std::min_element(half_open_.begin(), half_open_.end(), [](const auto& a, const auto& b) {
    const bool a_shown = a.second.peer->has_shown_key(), b_shown = b.second.peer->has_shown_key();
    return a_shown != b_shown ? b_shown : a.first < b.first;
  });
  if (first->second.may_go.passed()) {
    refuse(first->first, counts_.refused);
    return true;
  }
  pause_until(first->second.may_go);
  paused_for_room_ = true;
  return false;
}

void Listener::Core::pause_until(Deadline deadline) {
  poller_.remove(listening_.get());
  paused_ = true;
  paused_for_room_ = false;
  resume_at_ = deadline;
}

void Listener::Core::resume() {
  poller_.add(listening_.get(), kListenToken);
  paused_ = paused_for_room_ = false;
  resume_at_ = Deadline::never();
}

void Listener::Core::begin(sys::OwnFd connection, Lock& lock) {
  const uint64_t token = next_token_++;
  const int fd = connection.get();
  try {
    HalfOpen half_open{make_tls_server(std::move(connection)), Deadline::in_seconds(limits_.grace),
                       Deadline::in_seconds(limits_.handshake)};
    poller_.add(fd, token);
    half_open_.emplace(token, std::move(half_open));
  } catch (const std::exception&) {
    ++counts_.refused;
    return;
  }
  advance(token, lock);
}

void Listener::Core::advance(uint64_t token, Lock& lock) {
  const auto found = half_open_.find(token);
  if (found == half_open_.end()) return;
  TlsPeer& peer = *found->second.peer;
  TlsPeer::Handshake state = peer.handshake();
  if (state == TlsPeer::Handshake::kAsks) {
    ask(peer, lock);
    state = peer.handshake();
  }
  if (state == TlsPeer::Handshake::kDone) return hand_over(token, lock);
  if (state != TlsPeer::Handshake::kWaits) return refuse(token, counts_.refused);
  poller_.want_write(peer.fd(), token, peer.wants_write());
}

// In a fork's child this thread does not go on: nothing after the call happens there.
void Listener::Core::ask(TlsPeer& peer, Lock& lock) {
  std::optional<Key> key;
  lock.unlock();
  try {
    key = callbacks_.key_of(peer.identity());
  } catch (const std::exception&) {
  }
  lock.lock();
  peer.answer(key);
  if (key) wipe(*key);
}

// Counted before the call, so that whoever learns of the connection finds it counted.
void Listener::Core::hand_over(uint64_t token, Lock& lock) {
  auto node = half_open_.extract(token);
  std::unique_ptr<TlsPeer> peer = std::move(node.mapped().peer);
  const std::string identity = peer->identity();
  poller_.remove(peer->fd());
  leaving_ = peer->descriptor();
  ++counts_.accepted;
  std::vector<uint64_t> same;
  for (const auto& [other, half_open] : half_open_)
    if (half_open.peer->identity() == identity) same.push_back(other);
  for (const uint64_t other : same) refuse(other, counts_.refused);
  if (paused_for_room_) resume();
  lock.unlock();
  try {
    callbacks_.joined(identity, std::move(peer));
  } catch (const std::exception&) {
  }
  peer.reset();
  lock.lock();
  leaving_.reset();
}

void Listener::Core::refuse(uint64_t token, uint64_t& count) {
  const auto found = half_open_.find(token);
  poller_.remove(found->second.peer->fd());
  half_open_.erase(found);
  ++count;
  if (paused_for_room_) resume();
}

void Listener::Core::close_overdue() {
  std::vector<uint64_t> overdue;
  for (const auto& [token, half_open] : half_open_)
    if (half_open.must_go.passed()) overdue.push_back(token);
  for (const uint64_t token : overdue) refuse(token, counts_.timed_out);
}

Deadline Listener::Core::next_deadline() const {
  Deadline next = resume_at_;
  for (const auto& [token, half_open] : half_open_) next = std::min(next, half_open.must_go);
  return next;
}

// ---- the owner's side

Listener::Listener(const std::string& address, uint16_t port, Callbacks callbacks)
    : Listener(address, port, std::move(callbacks), Limits()) {}

Listener::Listener(const std::string& address, uint16_t port, Callbacks callbacks, Limits limits) {
  const std::string missing = tls_missing();
  if (!missing.empty()) throw base::Error(base::ErrorKind::kUnsupported, missing);
  core_ = std::make_unique<Core>(address, port, std::move(callbacks), limits);
}

Listener::~Listener() {
  if (core_ && core_->dead()) (void)core_.release();  // its thread, mutex and OpenSSL objects are the parent's
}

uint16_t Listener::port() const { return core_->port(); }
Listener::Counts Listener::counts() const { return core_->counts(); }
unsigned Listener::half_open() const { return core_->half_open(); }

}  // namespace avenir::net
