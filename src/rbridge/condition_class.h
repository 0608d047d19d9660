#pragma once

#include "base/error.h"

namespace avenir::rbridge {

inline const char* condition_class(base::ErrorKind kind) {
  switch (kind) {
    case base::ErrorKind::kInvalid:
      return "avenir_invalid_argument";
    case base::ErrorKind::kOverloaded:
      return "avenir_overloaded_error";
    case base::ErrorKind::kDisconnected:
      return "avenir_disconnected_error";
    case base::ErrorKind::kCancelled:
      return "avenir_cancelled_error";
    case base::ErrorKind::kTimeout:
      return "avenir_timeout_error";
    case base::ErrorKind::kUnsupported:
      return "avenir_unsupported_error";
    default:
      return "avenir_internal_error";
  }
}

}  // namespace avenir::rbridge
