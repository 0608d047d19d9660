#include "device/cuda_transfer.h"

#include <algorithm>
#include <cstring>

#include "par/parallel_for.h"

namespace avenir::device {

namespace {

constexpr uint64_t kPieceBytes = uint64_t{32} << 20;
constexpr size_t kCopied = size_t{1} << 18;  // elements that a thread copies at a time

size_t host_size(Type type) { return type == Type::kFloat ? sizeof(double) : linalg::size_of(type); }

void narrow(const double* from, size_t count, float* to) {
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

void fill(const void* host, Type type, uint64_t count, void* pinned) {
  const size_t size = linalg::size_of(type);
  par::parallel_for(count, kCopied, [&](size_t begin, size_t end) {
    if (type == Type::kFloat)
      narrow(static_cast<const double*>(host) + begin, end - begin, static_cast<float*>(pinned) + begin);
    else
      std::memcpy(static_cast<char*>(pinned) + begin * size, static_cast<const char*>(host) + begin * size,
                  (end - begin) * size);
  });
}

void empty(const void* pinned, Type type, uint64_t count, void* host) {
  const size_t size = linalg::size_of(type);
  par::parallel_for(count, kCopied, [&](size_t begin, size_t end) {
    if (type == Type::kFloat) {
      const float* const from = static_cast<const float*>(pinned);
      std::copy(from + begin, from + end, static_cast<double*>(host) + begin);
    } else {
      std::memcpy(static_cast<char*>(host) + begin * size, static_cast<const char*>(pinned) + begin * size,
                  (end - begin) * size);
    }
  });
}

const char* at(const void* memory, uint64_t bytes) { return static_cast<const char*>(memory) + bytes; }
char* at(void* memory, uint64_t bytes) { return static_cast<char*>(memory) + bytes; }

}  // namespace

CudaTransfer::Piece& CudaTransfer::piece(uint64_t i) {
  Piece& piece = pieces_[i % 2];
  const Driver& driver = context_.driver();
  if (piece.memory == nullptr)
    context_.check(driver.cuMemHostAlloc(&piece.memory, kPieceBytes, 0), "pin 32 MB of the machine's memory");
  if (piece.done == nullptr) context_.check(driver.cuEventCreate(&piece.done, 0), "make an event");
  return piece;
}

void CudaTransfer::wait_for(const Piece& piece) const {
  context_.check(context_.driver().cuEventSynchronize(piece.done), "finish a copy");
}

void CudaTransfer::put(const void* host, Type type, void* to, uint64_t count) {
  const size_t size = linalg::size_of(type);
  const uint64_t most = kPieceBytes / size;
  for (uint64_t done = 0, i = 0; done < count; done += most, ++i) {
    const uint64_t some = std::min(most, count - done);
    Piece& with = piece(i);
    wait_for(with);
    fill(at(host, done * host_size(type)), type, some, with.memory);
    context_.check(context_.driver().cuMemcpyHtoDAsync_v2(device_address(at(to, done * size)), with.memory, some * size,
                                                          context_.stream()),
                   "take in " + in_units(some * size));
    context_.check(context_.driver().cuEventRecord(with.done, context_.stream()), "record an event");
  }
}

void CudaTransfer::get(const void* from, Type type, uint64_t count, void* host) {
  const size_t size = linalg::size_of(type);
  const uint64_t most = kPieceBytes / size, pieces = (count + most - 1) / most;
  for (uint64_t i = 0; i < pieces + 1; ++i) {
    if (i < pieces) {
      Piece& with = piece(i);
      const uint64_t some = std::min(most, count - i * most);
      context_.check(context_.driver().cuMemcpyDtoHAsync_v2(with.memory, device_address(at(from, i * most * size)),
                                                            some * size, context_.stream()),
                     "give " + in_units(some * size));
      context_.check(context_.driver().cuEventRecord(with.done, context_.stream()), "record an event");
    }
    if (i == 0) continue;
    const Piece& before = piece(i - 1);
    const uint64_t begin = (i - 1) * most;
    wait_for(before);
    empty(before.memory, type, std::min(most, count - begin), at(host, begin * host_size(type)));
  }
}

}  // namespace avenir::device
