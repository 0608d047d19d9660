// Jumps of several lanes. Included after lane_draws.h, for its width.

namespace avenir::rng::AVENIR_WIDTH {
namespace {

using Words = std::uint64_t __attribute__((vector_size(AVENIR_VECTOR_BYTES)));

Words load_words(const std::uint64_t* from) {
  Words v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

Words all_words(std::uint64_t x) { return Words{} + x; }

// Of numbers below 2^32.
Words product(Words a, Words b) {
#if !defined(__x86_64__)
  return a * b;
#elif AVENIR_VECTOR_BYTES == 32
  return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#else
  return reinterpret_cast<Words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#endif
}

// Congruent to x.
Words folded(Words x, Words rest) { return product(x >> 32, rest) + (x & 0xffffffffU); }

// As in mrg32k3a.cpp: products fold to below 2^47 each, their sum to below 2^33 and then 2^32.
Words dot(const Row& row, const Words* x, std::uint64_t modulus) {
  const Words rest = all_words((std::uint64_t{1} << 32) - modulus);
  Words sum{};
  for (std::size_t i = 0; i < 3; ++i) sum += folded(product(all_words(row[i]), x[i]), rest);
  const auto less = reinterpret_cast<Mask>(folded(folded(sum, rest), rest) - modulus);
  return reinterpret_cast<Words>(less + ((less < 0) & static_cast<std::int64_t>(modulus)));
}

void multiply(const Matrix& matrix, std::uint64_t modulus, std::uint64_t (*words)[kLanes]) {
  for (std::size_t lane = 0; lane < kLanes; lane += kWidth) {
    const Words x[3] = {load_words(words[0] + lane), load_words(words[1] + lane), load_words(words[2] + lane)};
    for (std::size_t i = 0; i < 3; ++i) {
      const Words y = dot(matrix[i], x, modulus);
      std::memcpy(words[i] + lane, &y, sizeof(y));
    }
  }
}

void jump(const Step& step, WordLanes& lanes) {
  multiply(step.first, kModulus1, lanes.words);
  multiply(step.second, kModulus2, lanes.words + 3);
}

}  // namespace
}  // namespace avenir::rng::AVENIR_WIDTH
