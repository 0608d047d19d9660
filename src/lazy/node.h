#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "device/buffer.h"
#include "device/device.h"
#include "linalg/program.h"

// The elements of a gpu_array, in a device's memory or still to be computed from those of others: elementwise
// operations make a graph of nodes, which becomes one program when somebody asks for elements. Elements never change,
// so that nobody sees when they are computed.
//
// R thread only.
namespace avenir::lazy {

using device::Buffer;
using linalg::Op;
using linalg::Type;

class Node;
using NodePtr = std::shared_ptr<Node>;

// An operand: an array's elements, or one element that R gave.
struct Term {
  NodePtr node;  // none: the constant
  linalg::Constant constant;
  Type type = Type::kDouble;
  uint64_t length = 1;

  bool is_constant() const { return node == nullptr; }
};

Term term_of(NodePtr node);
Term term_of(double x);
Term term_of(int32_t x, Type type);  // kInteger or kLogical

class Node {
 public:
  explicit Node(Buffer buffer);
  // Of `length` elements, each operand with as many, or computed, or a constant: see apply().
  Node(device::Device& device, Op op, Type type, uint64_t length, std::vector<Term> operands);
  // The transposed matrix of `from`, which has `rows` rows.
  Node(NodePtr from, uint64_t rows);

  device::Device& device() const { return device_; }
  Type type() const { return type_; }
  uint64_t length() const { return length_; }
  bool is_computed() const { return !buffer_.is_none(); }

  // The elements, computed if need be; what they came from is let go.
  const Buffer& buffer();
  linalg::Totals reduce(linalg::Reduction reduction, bool na_rm);

  // A transposed matrix is not written down for those who can read it as it lies: `from` and TRUE.
  bool is_transposed() const { return from_ != nullptr && !is_computed(); }
  const NodePtr& from() const { return from_; }

  // Not yet computed operations that lead here, and the vectors that they read, both at most.
  uint32_t operations() const { return operations_; }
  uint32_t sources() const { return sources_; }

 private:
  friend class Drafting;
  friend NodePtr apply(Op op, Type type, std::vector<Term> operands);

  device::Device& device_;
  Type type_;
  uint64_t length_;
  Buffer buffer_;
  Op op_ = Op::kCopyD;
  std::vector<Term> operands_;
  NodePtr from_;
  uint64_t rows_ = 0;
  uint32_t operations_ = 0, sources_ = 1, users_ = 0;
};

// A program and what it reads.
struct Draft {
  linalg::Program program;
  std::vector<Buffer> inputs;
};
Draft draft_of(Node& node);

// The node of an operation, of the longest operand's length (0 where one has none). Operands are of the kinds that the
// operation takes: see as_register(). All are of one device: kInvalid otherwise.
NodePtr apply(Op op, Type type, std::vector<Term> operands);

// The term as doubles (or floats), integers or logicals; kDouble stands for both of the former.
Term as_register(const Term& term, Type type);

// What doubles of these operands are stored as: floats when some array has floats and none doubles. R's single numbers
// go along with either.
Type real_type(const std::vector<Term>& terms);

// Stored as `type`.
NodePtr as_type(const NodePtr& node, Type type);

}  // namespace avenir::lazy
