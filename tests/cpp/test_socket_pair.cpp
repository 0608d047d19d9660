#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include "support.h"
#include "sys/memory_file.h"
#include "sys/socket_pair.h"

using namespace avenir::sys;
using namespace avenir::testing;

namespace {

std::string receive_text(int fd, std::vector<OwnFd>& fds) {
  char buffer[64];
  const IoResult got = receive_some(fd, buffer, sizeof buffer, fds, true);
  return std::string(buffer, got.bytes);
}

}  // namespace

TEST_CASE("bytes travel both ways between the ends") {
  const FdPair ends = make_socket_pair();
  std::vector<OwnFd> fds;
  CHECK(send_some(ends.first.get(), "there", 5, {}, false).bytes == 5);
  CHECK(receive_text(ends.second.get(), fds) == "there");
  CHECK(send_some(ends.second.get(), "back", 4, {}, false).bytes == 4);
  CHECK(receive_text(ends.first.get(), fds) == "back");
}

TEST_CASE("both ends are close-on-exec, and so is every descriptor received") {
  const FdPair ends = make_socket_pair();
  const OwnFd file = make_memory_file("test");
  send_some(ends.first.get(), "x", 1, {file.get()}, true);
  std::vector<OwnFd> fds;
  receive_text(ends.second.get(), fds);
  REQUIRE(fds.size() == 1);
  for (const int fd : {ends.first.get(), ends.second.get(), fds[0].get()})
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("descriptors arrive in the order in which they were sent, as many as a message takes") {
  const FdPair ends = make_socket_pair();
  std::vector<OwnFd> files, got;
  std::vector<int> numbers;
  for (size_t i = 0; i < kMaxFdsPerMessage; ++i) {
    files.push_back(make_memory_file("test"));
    resize_file(files.back().get(), i + 1);
    numbers.push_back(files.back().get());
  }
  send_some(ends.first.get(), "x", 1, numbers, true);
  receive_text(ends.second.get(), got);
  REQUIRE(got.size() == kMaxFdsPerMessage);
  for (size_t i = 0; i < got.size(); ++i) CHECK(file_size(got[i].get()) == i + 1);
}

TEST_CASE("one descriptor too many is our own error") {
  const FdPair ends = make_socket_pair();
  const std::vector<int> many(kMaxFdsPerMessage + 1, ends.first.get());
  CHECK(error_kind_of([&] { send_some(ends.first.get(), "x", 1, many, false); }) == avenir::base::ErrorKind::kInternal);
}

TEST_CASE("a full or an empty socket says so instead of waiting") {
  const FdPair ends = make_socket_pair();
  std::vector<OwnFd> fds;
  char byte;
  CHECK(receive_some(ends.second.get(), &byte, 1, fds, false).status == IoStatus::kWouldBlock);
  const std::string block(64 * 1024, 'x');
  IoStatus status = IoStatus::kDone;
  for (int i = 0; i < 10000 && status == IoStatus::kDone; ++i)
    status = send_some(ends.first.get(), block.data(), block.size(), {}, false).status;
  CHECK(status == IoStatus::kWouldBlock);
}

TEST_CASE("the end of the other side is kClosed on both paths, without a signal") {
  FdPair ends = make_socket_pair();
  ends.second.reset();
  std::vector<OwnFd> fds;
  char byte;
  CHECK(send_some(ends.first.get(), "x", 1, {}, true).status == IoStatus::kClosed);
  CHECK(receive_some(ends.first.get(), &byte, 1, fds, true).status == IoStatus::kClosed);
}
