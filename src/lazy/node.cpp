#include "lazy/node.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/error.h"

namespace avenir::lazy {

namespace {

using linalg::Constant;
using linalg::Operand;

// A program is cut before it has more: a GPU's registers, and a cache's tiles, are few.
constexpr uint32_t kMostOperations = 64, kMostSources = 16;
// What several nodes need is computed once if it is more than this.
constexpr uint32_t kShared = 8;

double number_of(const Term& term) {
  double number;
  std::memcpy(&number, term.constant.bytes, sizeof number);
  return number;
}

int32_t integer_of(const Term& term) {
  int32_t integer;
  std::memcpy(&integer, term.constant.bytes, sizeof integer);
  return integer;
}

double na_real() {
  double na;
  std::memcpy(&na, &linalg::kNaBits, sizeof na);
  return na;
}

Term constant_as(const Term& term, Type type) {
  if (type == Type::kDouble) {
    const int32_t x = integer_of(term);
    return term_of(x == linalg::kNaInteger ? na_real() : static_cast<double>(x));
  }
  if (type == Type::kInteger) {
    const double x = number_of(term);
    const bool fits = std::fabs(x) < 2147483648.0;
    return term_of(fits ? static_cast<int32_t>(x) : linalg::kNaInteger, type);
  }
  const bool real = linalg::is_real(term.type);
  const bool na = real ? std::isnan(number_of(term)) : integer_of(term) == linalg::kNaInteger;
  const int32_t is_true = real ? number_of(term) != 0 : integer_of(term) != 0;
  return term_of(na ? linalg::kNaInteger : is_true, type);
}

Op conversion(Type from, Type to) {
  if (to == Type::kDouble) return Op::kDoubleOfI;
  if (to == Type::kInteger) return Op::kIntegerOfD;
  return linalg::is_real(from) ? Op::kLogicalOfD : Op::kLogicalOfI;
}

bool fits_register(Type type, Type as) {
  if (as == Type::kDouble) return linalg::is_real(type);
  return as == Type::kInteger ? !linalg::is_real(type) : type == Type::kLogical;
}

uint64_t common_length(const std::vector<Term>& terms) {
  uint64_t longest = 0;
  for (const Term& term : terms) {
    if (term.length == 0) return 0;
    longest = std::max(longest, term.length);
  }
  return longest;
}

device::Device& common_device(const std::vector<Term>& terms) {
  device::Device* device = nullptr;
  for (const Term& term : terms) {
    if (term.is_constant()) continue;
    if (device == nullptr) device = &term.node->device();
    if (device != &term.node->device())
      throw base::Error(base::ErrorKind::kInvalid, "the operands are on two devices, " + device->name() + " and " +
                                                       term.node->device().name() +
                                                       ".\ni gpu_copy(x, device) makes a copy of one on the other's.");
  }
  return *device;
}

}  // namespace

// Programs from nodes: each node once, each buffer once.
class Drafting {
 public:
  Draft draft(Node& root) {
    Draft made;
    program_ = &made.program;
    inputs_ = &made.inputs;
    program_->length = root.length_;
    program_->type = root.type_;
    program_->result = place(root);
    program_->single = reals_ > 0 && doubles_ == 0;
    linalg::allocate_registers(*program_);
    return made;
  }

 private:
  Operand place(Node& node) {
    const auto known = known_.find(&node);
    if (known != known_.end()) return known->second;
    const bool leaf = node.is_computed() || node.from_ != nullptr;
    const Operand placed = leaf ? input(node.buffer()) : step(node);
    known_.emplace(&node, placed);
    return placed;
  }

  Operand input(const Buffer& buffer) {
    for (size_t i = 0; i < inputs_->size(); ++i)
      if ((*inputs_)[i].is_same(buffer)) return {Operand::Kind::kInput, static_cast<uint16_t>(i)};
    linalg::Input made;
    made.length = buffer.length();
    made.type = buffer.type();
    program_->inputs.push_back(made);
    inputs_->push_back(buffer);
    reals_ += linalg::is_real(made.type);
    doubles_ += made.type == Type::kDouble;
    return {Operand::Kind::kInput, static_cast<uint16_t>(inputs_->size() - 1)};
  }

  Operand step(const Node& node) {
    linalg::Step made;
    made.op = node.op_;
    for (const Term& term : node.operands_)
      made.operands.push_back(term.is_constant() ? constant(term.constant) : place(*term.node));
    made.out = static_cast<uint16_t>(program_->steps.size());
    program_->steps.push_back(std::move(made));
    return {Operand::Kind::kRegister, program_->steps.back().out};
  }

  Operand constant(const Constant& value) {
    program_->constants.push_back(value);
    return {Operand::Kind::kConstant, static_cast<uint16_t>(program_->constants.size() - 1)};
  }

  linalg::Program* program_ = nullptr;
  std::vector<Buffer>* inputs_ = nullptr;
  std::unordered_map<const Node*, Operand> known_;
  int reals_ = 0, doubles_ = 0;
};

Draft draft_of(Node& node) { return Drafting().draft(node); }

Term term_of(NodePtr node) {
  Term term;
  term.type = node->type();
  term.length = node->length();
  term.node = std::move(node);
  return term;
}

Term term_of(double x) {
  Term term;
  term.constant = Constant::of(x);
  return term;
}

Term term_of(int32_t x, Type type) {
  Term term;
  term.constant = Constant::of(x);
  term.type = type;
  return term;
}

Node::Node(Buffer buffer)
    : device_(buffer.device()), type_(buffer.type()), length_(buffer.length()), buffer_(std::move(buffer)) {}

Node::Node(device::Device& device, Op op, Type type, uint64_t length, std::vector<Term> operands)
    : device_(device), type_(type), length_(length), op_(op), operands_(std::move(operands)) {
  operations_ = 1;
  sources_ = 0;
  for (const Term& term : operands_) {
    if (term.is_constant()) continue;
    operations_ += term.node->operations_;
    sources_ += term.node->sources_;
    ++term.node->users_;
  }
}

Node::Node(NodePtr from, uint64_t rows)
    : device_(from->device()), type_(from->type()), length_(from->length()), from_(std::move(from)), rows_(rows) {}

const Buffer& Node::buffer() {
  if (is_computed()) return buffer_;
  Buffer made = device_.allocate(type_, length_);
  if (from_ != nullptr) {
    device_.transpose(from_->buffer(), rows_, rows_ == 0 ? 0 : length_ / rows_, made);
  } else {
    const Draft draft = draft_of(*this);
    device_.evaluate(draft.program, draft.inputs, made);
  }
  buffer_ = std::move(made);
  operands_.clear();
  from_ = nullptr;
  operations_ = 0;
  sources_ = 1;
  return buffer_;
}

linalg::Totals Node::reduce(linalg::Reduction reduction, bool na_rm) {
  Draft draft = draft_of(*this);
  draft.program.reduction = reduction;
  draft.program.na_rm = na_rm;
  return device_.reduce(draft.program, draft.inputs);
}

NodePtr apply(Op op, Type type, std::vector<Term> operands) {
  const uint64_t length = common_length(operands);
  device::Device& device = common_device(operands);
  if (length == 0) return std::make_shared<Node>(device.allocate(type, 0));
  uint32_t operations = 1, sources = 0;
  for (Term& term : operands) {
    if (term.is_constant()) continue;
    Node& node = *term.node;
    if (node.length() != length || (node.users_ > 0 && node.operations() > kShared)) node.buffer();
    operations += node.operations();
    sources += node.sources();
  }
  if (operations > kMostOperations || sources > kMostSources)
    for (Term& term : operands)
      if (!term.is_constant() && term.node->operations() > 1) term.node->buffer();
  return std::make_shared<Node>(device, op, type, length, std::move(operands));
}

Term as_register(const Term& term, Type type) {
  if (fits_register(term.type, type)) return term;
  if (term.is_constant()) return constant_as(term, type);
  return term_of(apply(conversion(term.type, type), type, {term}));
}

Type real_type(const std::vector<Term>& terms) {
  bool floats = false;
  for (const Term& term : terms) {
    if (term.is_constant()) continue;
    if (term.type == Type::kDouble) return Type::kDouble;
    floats |= term.type == Type::kFloat;
  }
  return floats ? Type::kFloat : Type::kDouble;
}

NodePtr as_type(const NodePtr& node, Type type) {
  if (node->type() == type) return node;
  const Term term = term_of(node);
  if (!linalg::is_real(type)) {
    const Term as = as_register(term, type);
    return as.type == type ? as.node : apply(Op::kCopyI, type, {as});
  }
  return apply(Op::kCopyD, type, {as_register(term, Type::kDouble)});
}

}  // namespace avenir::lazy
