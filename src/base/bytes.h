#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace avenir::base {

using Bytes = std::vector<uint8_t>;

// Bytes that several owners read and nobody writes: one received frame holds many answers.
class SharedBytes {
 public:
  SharedBytes() = default;
  // The array is not zeroed: whoever asked for it fills it.
  static SharedBytes allocate(size_t size) {
    SharedBytes bytes;
    bytes.owner_.reset(new uint8_t[size], std::default_delete<uint8_t[]>());
    bytes.data_ = bytes.owner_.get();
    bytes.size_ = size;
    return bytes;
  }
  // Memory that belongs to something else (a mapping), kept alive by `owner`.
  template <typename Owner>
  static SharedBytes view(std::shared_ptr<Owner> owner, const uint8_t* data, size_t size) {
    SharedBytes bytes;
    bytes.owner_ = std::shared_ptr<uint8_t>(owner, const_cast<uint8_t*>(data));
    bytes.data_ = data;
    bytes.size_ = size;
    return bytes;
  }
  static SharedBytes copy(const void* data, size_t size) {
    SharedBytes bytes = allocate(size);
    if (size > 0) std::memcpy(bytes.writable(), data, size);
    return bytes;
  }

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  // Only for the one who allocated it, before anyone else has it.
  uint8_t* writable() { return owner_.get(); }

  SharedBytes slice(size_t offset, size_t size) const {
    if (offset > size_ || size > size_ - offset)
      throw Error(ErrorKind::kInternal, "a slice of " + std::to_string(size) + " bytes at " + std::to_string(offset) +
                                            " lies outside " + std::to_string(size_) + " bytes");
    SharedBytes part = *this;
    part.data_ += offset;
    part.size_ = size;
    return part;
  }

 private:
  std::shared_ptr<uint8_t> owner_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Appends fixed-size values and byte runs.
class ByteWriter {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    put_bytes(&value, sizeof value);
  }
  void put_bytes(const void* data, size_t size) {
    const auto* begin = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  void put_string(const std::string& text) {
    put<uint64_t>(text.size());
    put_bytes(text.data(), text.size());
  }
  const Bytes& bytes() const { return bytes_; }
  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// Reads what another process wrote: every read is checked against the end; what is missing is an error, never
// a guess.
class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : at_(data), left_(size) {}
  explicit ByteReader(const SharedBytes& bytes) : ByteReader(bytes.data(), bytes.size()) {}

  template <typename T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::string get_string() {
    const auto size = get<uint64_t>();
    const auto* text = reinterpret_cast<const char*>(take(size));
    return std::string(text, size);
  }
  // The next `size` bytes, where they lie.
  const uint8_t* take(uint64_t size) {
    if (size > left_)
      throw Error(ErrorKind::kDisconnected, "a message ends " + std::to_string(size - left_) + " bytes early");
    const uint8_t* begin = at_;
    at_ += size;
    left_ -= size;
    return begin;
  }
  size_t left() const { return left_; }

 private:
  const uint8_t* at_;
  size_t left_;
};

}  // namespace avenir::base
