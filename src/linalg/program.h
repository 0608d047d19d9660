#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

// A vectorised expression as straight-line code over tiles: what threaded() compiles an R expression to
// (expression/compiler.h) and evaluate() runs (linalg/evaluate.h). Plain data; knows no R and no threads.
//
// Elements are R's: 8-byte doubles whose NA is one of the NaNs, and 4-byte integers and logicals whose NA is
// kNaInteger; and 4-byte floats, which R has not: inputs and results of gpu_array (device/device.h).
namespace avenir::linalg {

inline constexpr int32_t kNaInteger = INT32_MIN;
inline constexpr uint64_t kNaBits = 0x7FF00000000007A2;  // of R's NA_real_; quiet once it went through the processor

enum class Type : uint8_t { kDouble, kInteger, kLogical, kFloat };

inline bool is_real(Type type) { return type == Type::kDouble || type == Type::kFloat; }
inline size_t size_of(Type type) { return type == Type::kDouble ? sizeof(double) : sizeof(int32_t); }

// clang-format off
// Operations with a kernel for tiles. Names end with what they take: D doubles (where the program is `single`, a GPU
// computes floats instead), I integers or logicals. Inputs that are floats are read as doubles.
#define AVENIR_TILE_OPS(X)                                                                                          \
  X(AddD)                                                                                                           \
  X(SubD) X(MulD) X(DivD) X(NegD) X(AddI) X(SubI) X(MulI) X(NegI) X(ModD) X(IdivD) X(ModI) X(IdivI) X(EqD) X(NeD)   \
      X(LtD) X(LeD) X(EqI) X(NeI) X(LtI) X(LeI) X(And) X(Or) X(Not) X(DoubleOfI) X(LogicalOfD) X(LogicalOfI)        \
          X(IntegerOfD) X(CopyD) X(CopyI) X(IsNaD) X(IsNaI) X(IsNanD) X(IsFiniteD) X(IsFiniteI) X(IsInfiniteD)      \
              X(IfElseD) X(IfElseI) X(MinD) X(MaxD) X(MinI) X(MaxI) X(MinNaRmD) X(MaxNaRmD) X(MinNaRmI) X(MaxNaRmI) \
                  X(AbsD) X(AbsI) X(SqrtD) X(FloorD) X(CeilingD) X(TruncD) X(RoundD) X(SignD)

// Operations of a mathematical library: one vector at a time, by the processor's best (linalg/math_library.h).
#define AVENIR_MATH_OPS(X)                                                                                       \
  X(Exp)                                                                                                         \
  X(Expm1) X(Log) X(Log1p) X(Log2) X(Log10) X(Sin) X(Cos) X(Tan) X(Asin) X(Acos) X(Atan) X(Sinh) X(Cosh) X(Tanh) \
      X(Asinh) X(Acosh) X(Atanh) X(Sinpi) X(Cospi) X(Tanpi) X(Pow) X(Atan2)

// clang-format on
enum class Op : uint8_t {
#define AVENIR_OP(name) k##name,
  AVENIR_TILE_OPS(AVENIR_OP) AVENIR_MATH_OPS(AVENIR_OP)
#undef AVENIR_OP
      kCall,  // a compiled function of the user's
};

// A compiled function of the user's: out[i] from in[0][i], in[1][i], ... for i below n. Several threads call it at a
// time, each with arrays of its own. The same as avenir::block_function of inst/include/avenir/threaded.h.
using BlockFunction = void (*)(const double* const* in, double* out, size_t n, void* data);

inline constexpr size_t kMostOperands = 8;

struct Operand {
  enum class Kind : uint8_t { kRegister, kInput, kConstant };
  Kind kind;
  uint16_t index;
};

struct Step {
  Op op;
  uint16_t out;  // register
  std::vector<Operand> operands;
  BlockFunction function = nullptr;  // of kCall
  void* data = nullptr;
};

// A vector that the program reads. One that is shorter than the result starts again at its end.
struct Input {
  const void* data = nullptr;
  uint64_t length = 0;
  Type type = Type::kDouble;
};

// One element, at the beginning of these bytes.
struct Constant {
  unsigned char bytes[sizeof(double)] = {};
  template <typename T>
  static Constant of(T value) {
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, int32_t>);
    Constant constant;
    std::memcpy(constant.bytes, &value, sizeof value);
    return constant;
  }
};

enum class Reduction : uint8_t { kNone, kSum, kMean, kProd, kMin, kMax, kRange, kAny, kAll };

struct Program {
  std::vector<Input> inputs;
  std::vector<Constant> constants;
  std::vector<Step> steps;
  uint16_t registers = 0;
  Operand result{Operand::Kind::kConstant, 0};
  Type type = Type::kDouble;  // of the result's elements
  uint64_t length = 0;        // of the result, before the reduction
  Reduction reduction = Reduction::kNone;
  bool na_rm = false;
  bool single = false;  // floats suffice for D operations
  bool fast = false;    // and so do a GPU's approximations of the mathematical functions
};

// The registers that are written once each, by steps in their order, become as few as are needed at a time.
void allocate_registers(Program& program);

// What happened to some element of a step.
enum Event : uint8_t {
  kNanProduced = 1,  // from none
  kOverflow = 2,     // of integers: NA
  kSawTrue = 4,      // the test of an ifelse
  kSawFalse = 8,
  kPrecisionLost = 16,  // of %%: the quotient is too large
};

// Of a reduction. Sums have more digits than a double where the platform has such numbers.
struct Totals {
  long double sum = 0;
  int64_t integer_sum = 0;
  long double product = 1;
  double least = 0, greatest = 0;                   // of doubles
  int32_t least_integer = 0, greatest_integer = 0;  // of the others
  uint64_t counted = 0;                             // elements that were not left out
  bool has_na = false, has_nan = false;             // among those that count
  bool has_true = false, has_false = false;
};

struct Outcome {
  std::vector<uint8_t> events;  // of each step
  Totals totals;
};

}  // namespace avenir::linalg
