#pragma once

#include <string>

#include "linalg/program.h"

namespace avenir::linalg {

// Where the vectorised functions come from. The results of all differ from base R's by at most 4 units in the last
// place; kScalar's, the C library's own, by none.
enum class MathSource : uint8_t { kScalar, kLibmvec, kSleef };

// The widest registers that this processor has; kNarrow is what the compiler takes for granted.
enum class Width : uint8_t { kNarrow, kAvx2, kAvx512 };

// A function of one library and width; `vector` is nullptr where each element is computed by `scalar`. Elements whose
// value lies outside [least, most] go to `scalar`, too: libraries differ in what they make of them.
struct MathFunction {
  const void* vector = nullptr;
  double (*scalar)(double) = nullptr;
  double (*scalar2)(double, double) = nullptr;  // of two arguments
  double least = 0, most = 0;
  double zero = -0.0;  // is added to what `vector` gives, which changes nothing; 0.0 where that is 0.0 for -0.0 too
};

// The functions in use, by Op.
const MathFunction& math_function(Op op);

Width math_width();
// The best there is, or that one: false when this machine lacks it (nothing changes then). Not while something is
// evaluated.
void choose_math();
bool choose_math(MathSource source, Width width);

// Whose special cases kScalar has: those of R before 4.6, or since. The best library is chosen again.
enum class Rules : uint8_t { kFirst, kSince46 };
void follow(Rules rules);

const char* name_of(MathSource source);
const char* name_of(Width width);

}  // namespace avenir::linalg
