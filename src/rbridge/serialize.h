#pragma once

#include "base/bytes.h"
#include "rbridge/r.h"

namespace avenir::rbridge {

// Appends the object as R's serialize(version = 3) writes it in native binary format. May jump: call it
// guarded.
//
// Vectors without attributes, and lists of them, are written by code of our own that gives the same bytes: R
// allocates a hash table for every call, which costs more than a small object itself.
void serialize_into(SEXP object, base::Bytes& out);

// From where on a vector of numbers (bytes) or strings (how many) is no longer small.
struct SizeLimits {
  uint64_t bytes = ~uint64_t{0};
  R_xlen_t strings = R_XLEN_T_MAX;
};

// Can our own writer take it, and is all in it below the limits?
bool is_plain(SEXP object, SizeLimits limits = {});

// The same as serialize_into() where our own writer can do it, which never jumps: needs no guard. False, and nothing
// appended, where it cannot, or something is not small.
bool serialize_plain(SEXP object, base::Bytes& out, SizeLimits limits = {});

// May jump: call it guarded. The result is not protected. What our own writer writes is read by code of our own.
SEXP unserialize(const uint8_t* data, size_t size);

// The same by R's own reader. `named`: gives what the stream has by name only.
SEXP unserialize_by_r(const uint8_t* data, size_t size, SEXP (*named)(SEXP name) = nullptr);

}  // namespace avenir::rbridge
