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

// The same where our own writer can do it, which never jumps: needs no guard. False, and nothing appended, where it
// cannot.
bool serialize_plain(SEXP object, base::Bytes& out);

// May jump: call it guarded. The result is not protected. What our own writer writes is read by code of our own.
SEXP unserialize(const uint8_t* data, size_t size);

// The same by R's own reader. `named`: gives what the stream has by name only.
SEXP unserialize_by_r(const uint8_t* data, size_t size, SEXP (*named)(SEXP name) = nullptr);

}  // namespace avenir::rbridge
