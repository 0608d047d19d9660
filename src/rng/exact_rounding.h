#pragma once

// For files whose results must be those of R to the bit: no multiplication is fused with an addition, whatever the
// processor that the user's flags are for. Holds for all that follows it in the file.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif
