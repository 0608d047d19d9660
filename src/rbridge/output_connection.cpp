#include "rbridge/output_connection.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "rbridge/output.h"

// R's header has members with names that are words of C++.
#define class class_name
#define private private_data
#include <R_ext/Connections.h>
#undef class
#undef private

#if R_CONNECTIONS_VERSION != 1
#error "R's connections have another layout than this was written for"
#endif

namespace avenir::rbridge {

namespace {

size_t write_out(const void* data, size_t size, size_t count, Rconnection) {
  const auto* at = static_cast<const uint8_t*>(data);
  for (size_t left = size * count; left > 0;) {
    const ssize_t written = ::write(STDOUT_FILENO, at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return (size * count - left) / (size == 0 ? 1 : size);
    at += written;
    left -= static_cast<size_t>(written);
  }
  return count;
}

size_t write_to_memory(const void* data, size_t size, size_t count, Rconnection connection) {
  auto& output = **static_cast<std::shared_ptr<PrintedOutput>*>(connection->private_data);
  return output.add(static_cast<const uint8_t*>(data), size * count) ? count : 0;
}

void let_go(Rconnection connection) {
  delete static_cast<std::shared_ptr<PrintedOutput>*>(connection->private_data);
  connection->private_data = nullptr;
}

struct Connection {
  SEXP object;
  Rconnection itself;
};

// Looked up: R CMD check notes packages that call it, though the header above offers it to them.
Connection make_connection() {
  using Maker = SEXP (*)(const char*, const char*, const char*, Rconnection*);
  static const auto maker = reinterpret_cast<Maker>(::dlsym(RTLD_DEFAULT, "R_new_custom_connection"));
  if (maker == nullptr) Rf_error("this version of R has no connections for packages");
  Connection made{};
  made.object = maker("avenir output", "w", "avenir-output", &made.itself);
  made.itself->isopen = made.itself->canwrite = made.itself->text = made.itself->blocking = TRUE;
  made.itself->canread = FALSE;
  return made;
}

}  // namespace

bool PrintedOutput::add(const uint8_t* data, size_t size) {
  // One more than the limit: output_text() looks where the last character begins.
  const uint64_t room = limit_ + 1 - kept_.size();
  try {
    kept_.insert(kept_.end(), data, data + std::min<uint64_t>(size, room));
  } catch (const std::bad_alloc&) {
    return false;
  }
  size_ += size;
  return true;
}

void PrintedOutput::clear() {
  size_ = 0;
  kept_.clear();
}

std::string PrintedOutput::text() const { return output_text(kept_.data(), size_, limit_); }

SEXP open_output_connection() {
  Connection made = make_connection();
  made.itself->write = write_out;
  return made.object;
}

SEXP open_memory_connection(const std::shared_ptr<PrintedOutput>& output) {
  Connection made = make_connection();
  made.itself->private_data = new std::shared_ptr<PrintedOutput>(output);
  made.itself->write = write_to_memory;
  made.itself->destroy = let_go;
  return made.object;
}

}  // namespace avenir::rbridge
