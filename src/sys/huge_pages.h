#pragma once

#include <cstddef>

namespace avenir::sys {

// Asks for large pages in fresh memory of many megabytes: each page costs when it is first written to, and there are
// 512 times fewer of them. No more than a hint.
void prefer_huge_pages(void* memory, size_t size);

}  // namespace avenir::sys
