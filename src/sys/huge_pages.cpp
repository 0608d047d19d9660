#include "sys/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace avenir::sys {

namespace {

constexpr uintptr_t kHugePage = uintptr_t{1} << 21;
constexpr size_t kLeast = size_t{1} << 23;

}  // namespace

void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t size) {
#ifdef MADV_HUGEPAGE
  if (size < kLeast) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kHugePage - 1) & ~(kHugePage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + size) & ~(kHugePage - 1);
  if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

}  // namespace avenir::sys
