#pragma once

// What all targets of libFuzzer have in common. tools/soak.sh fuzz builds and runs them.

#include <cstdlib>

#include "base/error.h"

namespace avenir::fuzz {

inline void expect(bool holds) {
  if (!holds) std::abort();
}

// Bytes are read inside their bounds, or refused with an error of ours.
template <typename Action>
void refused_at_worst(base::ErrorKind kind, const Action& action) {
  try {
    action();
  } catch (const base::Error& error) {
    expect(error.kind() == kind);
  }
}

}  // namespace avenir::fuzz
