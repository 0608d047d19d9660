#include <doctest/doctest.h>

#include <cstring>
#include <optional>
#include <thread>

#include "support.h"
#include "sys/memory_file.h"
#include "wire/frame.h"
#include "wire/frame_stream.h"

using avenir::base::ErrorKind;
using avenir::base::SharedBytes;
using namespace avenir::sys;
using namespace avenir::testing;
using namespace avenir::wire;

namespace {

FrameHeader header_of(FrameType type, uint32_t fd_count, uint64_t length) { return {type, fd_count, 1, length}; }

std::string as_text(const FrameHeader& header) {
  return std::string(reinterpret_cast<const char*>(&header), sizeof header);
}

// What a reader makes of these bytes when the other side sends them and ends.
struct Reading {
  std::vector<Frame> frames;
  IoStatus status = IoStatus::kDone;
  std::optional<ErrorKind> error;
};
Reading read_all_of(const std::string& bytes, FrameReader reader = FrameReader()) {
  FdPair ends = make_socket_pair();
  write_all(ends.first.get(), bytes.data(), bytes.size());
  ends.first.reset();
  Reading reading;
  try {
    while (reading.status == IoStatus::kDone || reading.status == IoStatus::kWouldBlock)
      reading.status = reader.receive(ends.second.get(), false, reading.frames);
  } catch (const avenir::base::Error& error) {
    reading.error = error.kind();
  }
  return reading;
}

SharedBytes pattern(size_t size) {
  SharedBytes bytes = SharedBytes::allocate(size);
  for (size_t i = 0; i < size; ++i) bytes.writable()[i] = static_cast<uint8_t>(i * 31 + i / 251);
  return bytes;
}

// Frames without bodies, more than anybody waits for; the next is always there before it is asked for.
class EndlessStream final : public ByteStream {
 public:
  int fd() const override { return -1; }
  IoStatus read(uint8_t* target, size_t room, size_t& moved) override {
    const std::string one = as_text(header_of(FrameType::kNodeStatus, 0, 0));
    if (taken_ > (100 << 20)) return IoStatus::kClosed;
    for (moved = 0; moved < room; ++moved) target[moved] = static_cast<uint8_t>(one[taken_++ % one.size()]);
    return IoStatus::kDone;
  }
  IoStatus write(const uint8_t*, size_t, size_t&) override { return IoStatus::kClosed; }
  bool has_buffered() const override { return true; }
  void abandon() override {}

 private:
  size_t taken_ = 0;
};

bool same(const SharedBytes& a, const SharedBytes& b) {
  return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace

TEST_CASE("frames arrive whole and in order, whatever their size") {
  const FdPair ends = make_socket_pair();
  const std::vector<size_t> sizes{0, 1, 23, 4095, 4096, 4097, 65535, 65536, 65537, 200000, 10000000, 0, 7};
  std::thread sender([&] {
    FrameWriter writer;
    for (size_t i = 0; i < sizes.size(); ++i) writer.push(FrameType::kAnswer, i, pattern(sizes[i]));
    writer.flush(ends.first.get(), true);
  });
  FrameReader reader;
  std::vector<Frame> frames;
  while (frames.size() < sizes.size()) REQUIRE(reader.receive(ends.second.get(), true, frames) == IoStatus::kDone);
  sender.join();
  REQUIRE(frames.size() == sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    CHECK(frames[i].header.id == i);
    CHECK(same(frames[i].body, pattern(sizes[i])));
  }
}

TEST_CASE("frames arrive however the stream is cut") {
  FrameWriter writer;
  const FdPair ends = make_socket_pair();
  for (const size_t size : {0, 5, 30}) writer.push(FrameType::kTask, 9, pattern(size));
  REQUIRE(writer.flush(ends.first.get(), true) == IoStatus::kDone);
  std::string stream(3 * sizeof(FrameHeader) + 35, '\0');
  REQUIRE(read_all(ends.second.get(), stream.data(), stream.size()));
  FrameReader reader;
  std::vector<Frame> frames;
  for (const char byte : stream) {
    write_all(ends.first.get(), &byte, 1);
    reader.receive(ends.second.get(), false, frames);
  }
  REQUIRE(frames.size() == 3);
  CHECK(same(frames[2].body, pattern(30)));
}

TEST_CASE("descriptors stay with their own frame") {
  const FdPair ends = make_socket_pair();
  FrameWriter writer;
  const auto file = [](size_t size) {
    auto fd = std::make_shared<OwnFd>(make_memory_file("test"));
    resize_file(fd->get(), size);
    return fd;
  };
  writer.push(FrameType::kFork, 1, {}, {file(11), file(12)});
  writer.push(FrameType::kTask, 2, shared("none"));
  writer.push(FrameType::kTask, 3, pattern(100000), {file(31)});
  std::thread sender([&] { writer.flush(ends.first.get(), true); });
  FrameReader reader;
  std::vector<Frame> frames;
  while (frames.size() < 3) reader.receive(ends.second.get(), true, frames);
  sender.join();
  REQUIRE(frames[0].fds.size() == 2);
  CHECK(file_size(frames[0].fds[1].get()) == 12);
  CHECK(frames[1].fds.empty());
  REQUIRE(frames[2].fds.size() == 1);
  CHECK(file_size(frames[2].fds[0].get()) == 31);
}

TEST_CASE("all that is there is taken, also behind descriptors, and all that a sender has left when it has ended") {
  for (const bool has_ended : {false, true}) {
    FdPair ends = make_socket_pair();
    FrameWriter writer;
    for (uint64_t i = 0; i < 3; ++i)
      writer.push(FrameType::kSegment, i, shared("one"), {std::make_shared<OwnFd>(make_memory_file("test"))});
    writer.push(FrameType::kAnswer, 3, shared("last"));
    writer.flush(ends.first.get(), true);
    if (has_ended) ends.first.reset();
    FrameReader reader;
    std::vector<Frame> frames;
    const int fd = ends.second.get();
    const IoStatus status = has_ended ? reader.receive_rest(fd, frames) : reader.receive(fd, false, frames);
    CHECK(status == (has_ended ? IoStatus::kClosed : IoStatus::kWouldBlock));
    REQUIRE(frames.size() == 4);
    CHECK(frames[2].fds.size() == 1);
  }
}

TEST_CASE("a writer keeps what the socket does not take, and closes descriptors once they are sent") {
  const auto before = open_fds();
  {
    const FdPair ends = make_socket_pair();
    FrameWriter writer;
    auto file = std::make_shared<OwnFd>(make_memory_file("test"));
    const int number = file->get();
    writer.push(FrameType::kTask, 1, pattern(3000000), {std::move(file)});
    CHECK(writer.flush(ends.first.get(), false) == IoStatus::kWouldBlock);
    CHECK_FALSE(writer.empty());
    CHECK(is_open(number));
    FrameReader reader;
    std::vector<Frame> frames;
    while (frames.empty()) {
      reader.receive(ends.second.get(), false, frames);
      writer.flush(ends.first.get(), false);
    }
    CHECK(writer.empty());
    CHECK(same(frames[0].body, pattern(3000000)));
    CHECK_FALSE(is_open(number));
  }
  CHECK(open_fds() == before);
}

TEST_CASE("the reader of nothing waits or not, as it was told") {
  const FdPair ends = make_socket_pair();
  FrameReader reader;
  std::vector<Frame> frames;
  CHECK(reader.receive(ends.second.get(), false, frames) == IoStatus::kWouldBlock);
  CHECK(frames.empty());
}

TEST_CASE("a stream that ends inside a frame is closed, and the frame is not delivered") {
  const std::string header = as_text(header_of(FrameType::kTask, 0, 10));
  for (const std::string& bytes : {std::string(), header.substr(0, 7), header, header + "123456789"}) {
    const Reading reading = read_all_of(bytes);
    CHECK(reading.status == IoStatus::kClosed);
    CHECK(reading.frames.empty());
  }
}

TEST_CASE("a header that breaks a rule treats its sender as gone; the frames before it have been delivered") {
  const std::string good = as_text(header_of(FrameType::kIdle, 0, 0));
  const std::vector<FrameHeader> broken{
      header_of(static_cast<FrameType>(0), 0, 0),
      header_of(static_cast<FrameType>(static_cast<uint32_t>(FrameType::kLast) + 1), 0, 0),
      header_of(FrameType::kTask, kMaxFdsPerMessage + 1, 0),
      header_of(FrameType::kTask, 0, ~uint64_t{0}),
  };
  for (const FrameHeader& header : broken) {
    const Reading reading = read_all_of(good + as_text(header));
    CHECK(reading.error == ErrorKind::kDisconnected);
    CHECK(reading.frames.size() == 1);
  }
}

TEST_CASE("a frame longer than its reader takes is refused before any memory is asked for") {
  const std::string good = as_text(header_of(FrameType::kAnswer, 0, 4)) + "fits";
  const std::string longer = as_text(header_of(FrameType::kAnswer, 0, 5)) + "large";
  CHECK(read_all_of(good, FrameReader(4)).frames.size() == 1);
  CHECK(read_all_of(longer, FrameReader(4)).error == ErrorKind::kDisconnected);
  CHECK(read_all_of(as_text(header_of(FrameType::kAnswer, 0, uint64_t{1} << 39))).error == ErrorKind::kDisconnected);
}

TEST_CASE("a frame that announces descriptors and has none is refused") {
  CHECK(read_all_of(as_text(header_of(FrameType::kFork, 1, 0))).error == ErrorKind::kDisconnected);
}

TEST_CASE("of frames without end, however small, a stream's reader takes some thousands at a time") {
  EndlessStream stream;
  StreamFrameReader reader(100);
  uint64_t bytes = 0;
  for (int turn = 0; turn < 3; ++turn) {
    std::vector<Frame> frames;
    CHECK(reader.receive(stream, frames, bytes) == IoStatus::kDone);
    CHECK(!frames.empty());
    CHECK(frames.size() < 10000);
  }
}
