#pragma once

#include "rbridge/r.h"
#include "shm/publication.h"

namespace avenir::rbridge {

// Functions and code that keep their source (options(keep.source = TRUE), the default of interactive sessions) name an
// environment of class "srcfile" with all lines of their file, and with what the parser knows of it: megabytes for a
// file of 2,000 lines, in every closure. Such an environment goes to another process once, without the parser's data,
// as a segment of shared memory; a stream has its name only.

// What stands for it in a stream: a string; NULL where `environment` is none of these, or small. The segment is noted
// in the publication. May jump. Not protected.
SEXP name_of_source_file(SEXP environment, shm::Publication& publication);

// The environment of that name, the same one each time. May jump (classed errors). Not protected.
SEXP source_file_of(SEXP name);

}  // namespace avenir::rbridge
