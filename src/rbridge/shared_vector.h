#pragma once

#include <R_ext/Rdynload.h>

#include "rbridge/r.h"
#include "shm/publication.h"

namespace avenir::rbridge {

// Vectors whose data lie in a segment of shared memory (shm/), as R sees them: ALTREP classes for logical, integer,
// numeric, complex, raw and character vectors.
//
// A view is its owner's to write to, in place when R would do so in an ordinary vector: what is written is copied page
// by page and seen nowhere else. saveRDS(), serialize() and duplicates make ordinary vectors of it.

// Once, when the library is loaded. A stream names the package's symbol and class.
void register_shared_vectors(DllInfo* dll);
// The one symbol that streams name classes and package by.
SEXP shared_vector_symbol();

// The view that a record stands for; may jump (classed errors). Not protected.
SEXP make_view(const shm::VectorRecord& record);

// What R's writer writes as this record: stands for a vector while what holds it is written, and is good for nothing
// else. Not protected.
SEXP make_reference(const shm::VectorRecord& record);

// Is it one of ours?
bool is_view(SEXP object);
// ... whose data are still what was published?
bool is_clean_view(SEXP object);

// While one of these lives, R's serializer writes clean views as the names of their segments, which are noted in the
// publication.
class ForwardingViews {
 public:
  explicit ForwardingViews(shm::Publication& publication);
  ~ForwardingViews();
  ForwardingViews(const ForwardingViews&) = delete;
  ForwardingViews& operator=(const ForwardingViews&) = delete;
};

// The table of a character vector, and its size as some of the strings let it be guessed.
base::SharedBytes table_of_strings(SEXP strings);
uint64_t likely_table_size(SEXP strings);

}  // namespace avenir::rbridge
