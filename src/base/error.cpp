#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace avenir::base {

namespace {

ErrorKind kind_of(int error_number) {
  switch (error_number) {
    case EAGAIN:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      return ErrorKind::kOverloaded;
    case EPIPE:
    case ECONNRESET:
    case ESRCH:
      return ErrorKind::kDisconnected;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorKind::kUnsupported;
    case ETIMEDOUT:
      return ErrorKind::kTimeout;
    default:
      return ErrorKind::kInternal;
  }
}

}  // namespace

void raise_system_error(const std::string& tried, int error_number) {
  throw Error(kind_of(error_number), tried + ": " + std::generic_category().message(error_number));
}

void raise_system_error(const std::string& tried) { raise_system_error(tried, errno); }

}  // namespace avenir::base
