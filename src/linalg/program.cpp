#include "linalg/program.h"

namespace avenir::linalg {

// A step's own register is none of its operands': their elements may have another size.
void allocate_registers(Program& program) {
  const size_t steps = program.steps.size();
  std::vector<size_t> last_use(steps, 0);
  for (size_t i = 0; i < steps; ++i)
    for (const Operand& operand : program.steps[i].operands)
      if (operand.kind == Operand::Kind::kRegister) last_use[operand.index] = i;
  if (program.result.kind == Operand::Kind::kRegister) last_use[program.result.index] = steps;
  std::vector<uint16_t> place(steps), free;
  const auto placed = [&place](Operand& operand) {
    if (operand.kind == Operand::Kind::kRegister) operand.index = place[operand.index];
  };
  for (size_t i = 0; i < steps; ++i) {
    if (free.empty()) free.push_back(program.registers++);
    place[i] = free.back();
    free.pop_back();
    for (size_t k = 0; k <= i; ++k)
      if (last_use[k] == i) free.push_back(place[k]);
    for (Operand& operand : program.steps[i].operands) placed(operand);
    program.steps[i].out = place[i];
  }
  placed(program.result);
}

}  // namespace avenir::linalg
