#pragma once

// The data of one map, written once by the session, sealed, read by every worker that joins. A map that comes to a node
// in pieces has one file for what they share (context, stream, and the elements when they are one vector) and one for
// each piece.
//
//   DataHeader, then the parts it names, each at a multiple of 8 bytes:
//   context   the serialized context (function, arguments, globals, packages, ...; see R/engine.R)
//   elements  kWhole: one serialized vector (nothing for forks, which have it); kEach: positions + 1 offsets (u64,
//             relative to the end of the offsets), then one serialized value an element, in element order
//   order     empty, or one u64 element number a position
//   bounds    empty, or units + 1 u64: unit u covers positions [bounds[u], bounds[u + 1])
//   stream    empty, or seven i32: the state from which each element's stream is jumped to
//   numbers   of a piece: one u64 an element, its number in the map: the place in the one vector and the stream follow
//   it

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "sys/fd.h"

namespace avenir::shm {

enum class ElementMode : uint32_t { kWhole = 0, kEach = 1 };

struct DataPart {
  uint64_t offset, length;
};

struct DataHeader {
  uint64_t magic;
  uint64_t elements_count;
  ElementMode mode;
  uint32_t reserved;
  uint64_t map;  // of a piece: the map that it is one of; a worker keeps what the last one's share. 0: none
  DataPart context, elements, order, bounds, stream, numbers;
};
static_assert(sizeof(DataHeader) == 32 + 6 * 16);

struct ByteRun {
  ByteRun() = default;
  ByteRun(const base::Bytes& bytes) : data(bytes.data()), size(bytes.size()) {}
  ByteRun(const base::SharedBytes& bytes) : data(bytes.data()), size(bytes.size()) {}
  const uint8_t* data = nullptr;
  size_t size = 0;
};

struct JobDataParts {
  uint64_t count = 0;
  ElementMode mode = ElementMode::kWhole;
  uint64_t map = 0;
  ByteRun context, elements;  // somebody else's
  std::vector<uint64_t> order, bounds, numbers;
  std::vector<int32_t> stream;
};

sys::OwnFd write_job_data(const JobDataParts& parts);
// The same bytes.
base::Bytes encode_job_data(const JobDataParts& parts);

class JobData {
 public:
  // Data that came from another process: every part is checked to lie inside.
  static JobData attach(const sys::OwnFd& fd);

  // The same of bytes that stay as they are.
  static JobData read(base::SharedBytes bytes) { return JobData(std::move(bytes)); }

  uint64_t map() const { return header_.map; }
  uint64_t count() const { return header_.elements_count; }
  ElementMode mode() const { return header_.mode; }
  base::SharedBytes context() const { return part(header_.context); }
  base::SharedBytes whole() const { return part(header_.elements); }
  base::SharedBytes element(uint64_t index) const;
  uint64_t element_at(uint64_t position) const;
  // An element's number in the whole map.
  uint64_t number_of(uint64_t element) const { return is_piece() ? number(header_.numbers, element) : element; }
  bool is_piece() const { return header_.numbers.length > 0; }
  bool explicit_units() const { return header_.bounds.length > 0; }
  uint64_t units() const { return explicit_units() ? header_.bounds.length / sizeof(uint64_t) - 1 : count(); }
  // The positions of a unit.
  std::pair<uint64_t, uint64_t> unit(uint64_t index) const;
  std::optional<std::array<int32_t, 7>> stream() const;

 private:
  explicit JobData(base::SharedBytes bytes);
  base::SharedBytes part(const DataPart& part) const { return bytes_.slice(part.offset, part.length); }
  uint64_t number(const DataPart& part, uint64_t index) const;

  base::SharedBytes bytes_;
  DataHeader header_;
};

}  // namespace avenir::shm
