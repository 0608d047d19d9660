#pragma once

#include <memory>

#include "base/bytes.h"
#include "rbridge/r.h"
#include "rbridge/shared_vector.h"
#include "shm/publication.h"

namespace avenir::rbridge {

// Options `avenir.share` and `avenir.share.threshold` (bytes), as they are now.
struct SharingOptions {
  bool on = true;
  size_t threshold = 256 * 1024;
};
SharingOptions sharing_options();

// A stream whose large vectors lie in shared memory:
//
//   "AVS1", then the list(<symbol avenir>, <the object>) as R's serialize(version = 3) writes it in native binary
//   format, where the record of a vector (shm/vector_record.h) stands for its data. To R's reader it is an ALTREP
//   object of class "avenir" of package "avenir": the symbol comes first so that the record can name it by reference.
//   R's own writer does not count it as one, so that its references stay right (both sides number it 1).
//
// R's writer hands us the data of a vector where they lie: no object is walked over or changed. Vectors that R would
// write element by element (strings) are recognized in what it has written.
//
// Belongs outside of guarded code, which a jump may leave. One at a time.
class SharedWriting {
 public:
  explicit SharedWriting(shm::Reuse reuse);
  ~SharedWriting();
  SharedWriting(const SharedWriting&) = delete;
  SharedWriting& operator=(const SharedWriting&) = delete;

  // Appends the object to `out`: as serialize_into() does where nothing in it is large. May jump: call it guarded.
  void write(SEXP object, base::Bytes& out);

  // What the streams refer to; finished.
  const shm::Segments& finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Appends an object in which nothing can be large, where our own writer takes it: never jumps. False, and nothing
// appended, for all others.
bool serialize_small(SEXP object, base::Bytes& out);

bool is_shared_stream(const uint8_t* data, size_t size);
// May jump. The result is not protected, and nothing else refers to it.
SEXP unserialize_shared(const uint8_t* data, size_t size);

// x with views in place of its vectors of `threshold` bytes and more: a vector, or a list of them. Belongs outside of
// guarded code.
class VectorSharing {
 public:
  explicit VectorSharing(size_t threshold) : threshold_(threshold) {}
  // May jump; not protected.
  SEXP share(SEXP x);
  void finish() { publication_.finish(); }

 private:
  SEXP share_list(SEXP x);
  SEXP share_vector(SEXP x);

  shm::Publication publication_{shm::Reuse::kByContent};
  const size_t threshold_;
  base::SharedBytes table_;
};

}  // namespace avenir::rbridge
