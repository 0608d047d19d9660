#pragma once

// R's own headers, without the macros that clash with the C++ library's names. Everything in rbridge/ that
// talks to R's C interface includes this and nothing of R directly.
#ifndef R_NO_REMAP
#define R_NO_REMAP
#endif
#ifndef STRICT_R_HEADERS
#define STRICT_R_HEADERS
#endif
#include <R.h>
#include <Rinternals.h>
#include <Rversion.h>
