#pragma once

#include <new>

#include "base/error.h"

namespace avenir::rbridge {

// For code that R calls (methods of ALTREP classes, callbacks of the serializer), where no door translates: an error of
// ours becomes R's condition of the same class, raised when nothing of C++ is left to destroy.
namespace detail {
void note_error(const base::Error& error);
void note_lack_of_memory();
[[noreturn]] void raise_noted();
}  // namespace detail

// What `action` gives; it must not call R in a way that may jump.
template <typename Action>
auto raising(Action&& action) -> decltype(action()) {
  try {
    return action();
  } catch (const base::Error& error) {
    detail::note_error(error);
  } catch (const std::bad_alloc&) {
    detail::note_lack_of_memory();
  }
  detail::raise_noted();
}

}  // namespace avenir::rbridge
