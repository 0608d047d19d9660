// The tests of the rooms that know no R, as one program: see Makefile. The same program is the fake R that
// test_engine.cpp has the engine start: see fake_worker.h.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string>

#include "fake_worker.h"

int main(int argc, char** argv) {
  if (argc == 5 && argv[1] == std::string(avenir::testing::kFakeMark))
    avenir::testing::run_fake(argv[2], argv[3], argv[4]);
  return doctest::Context(argc, argv).run();
}
