#!/bin/sh
# The long gates, by name; installs what is missing through apt.
#
#   sh tools/soak.sh             names them
#   sh tools/soak.sh asan tsan   runs these
#   sh tools/soak.sh all         runs all
#
# A new gate is a function soak_NAME below and its line in `gates`.
set -u
cd "$(dirname "$0")/.." || exit 1

gates() {
  cat <<'END'
asan       tests/cpp under the address and undefined-behaviour sanitizers (clang)
tsan       tests/cpp under the thread sanitizer (clang)
asan_r     the testthat suite on a package under gcc's ASan and UBSan: no report in any process
valgrind   each room of C++ code in R under valgrind, workers and forks too: errors, leaks, descriptors
torture    the R border with R's collector at every allocation: the same results
fuzz       the parsers of what others send, and threaded()'s compiler, under libFuzzer, AVENIR_FUZZ_SECONDS (60) each
coverage   the lines of src/ and R/ that the suites run, by room: one table (clang, covr; half an hour)
objects    AVENIR_TEST_OBJECTS (20000) random R objects through shared memory, a new seed each time
large      a vector of more than 2^31 elements to a worker and back (needs 6 GB of memory)
scenarios  every scenario at its real size, checked against serial R: one table
faults     the fault table: avenir's plans and their peers, each fault in a session of its own
attacks    a whole session attacked over the network, and its faults: a table; then the same under gcc's ASan and UBSan
failures   system calls that are interrupted or find no resource (strace): right results or a classed error
short      every read, write, receive and send moves a few bytes or is interrupted, 3 minutes: right results
ends       descriptors, processes, memory, files or stack come to an end: right results or a classed error (as root)
clock      the wall's clock jumps by hours, days and years (libfaketime): right results, limits in time
stops      processes stopped, sessions hung up, ended or killed at any moment: right results, nothing left
users      what another user of the machine can reach of a session (as root): nothing
variants   the package by other compilers and standards, without what it can do without, on odd paths: a line each
growth     what a long session gains, plan by plan: nothing, and less than 1 MB of memory
chaos_cluster  a minute of lost workers, stopped processes and cut cables on two hosts: the same numbers (as root)
chaos      a random worker killed every 100 ms, for a minute a plan: the same numbers, nothing gained
END
}

clang() { for name in clang++-14 clang++; do command -v "$name" && return; done; }

# The thread sanitizer of clang 14 cannot live with much address randomisation: run without.
fixed_addresses() { if setarch -R true 2>/dev/null; then setarch -R "$@"; else "$@"; fi; }

sanitized() {
  set -- make -s -C tests/cpp CXX="$(clang)" SAN="$1"
  "$@" && fixed_addresses "$@" run
}

soak_asan() {
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=print_stacktrace=1 sanitized address
}

soak_tsan() { TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1:exitcode=66 sanitized thread; }

# Each target of tests/cpp/fuzz and fuzz_r for AVENIR_FUZZ_SECONDS, from its corpus of tests/cpp/fuzz/corpus.
# AVENIR_FUZZ_TARGETS="NAME ...": these only. AVENIR_FUZZ_KEEP=FOLDER: what was found beyond the corpus is left there.
soak_fuzz() {
  make -s -C tests/cpp CXX="$(clang)" SAN=fuzz fuzz || return 1
  for source in tests/cpp/fuzz/*.cpp; do fuzz_one fuzz "$source" || return 1; done
  installed_for_fuzz fuzz_r_targets
}

fuzz_r_targets() {
  for source in tests/cpp/fuzz_r/*.cpp; do fuzz_one fuzz_r "$source" || return 1; done
}

# Bytes of an input at most: about what its target makes use of.
longest_input() {
  case $1 in
    worker_frames | node_stream | node_messages) echo 4096 ;;
    memory_files | programs) echo 1024 ;;
    expressions) echo 256 ;;
    *) echo 512 ;;
  esac
}

fuzz_one() (
  target=$(basename "$2" .cpp)
  case " ${AVENIR_FUZZ_TARGETS:-$target} " in *" $target "*) ;; *) exit 0 ;; esac
  echo "-- $target"
  program=$(pwd)/tests/cpp/build/fuzz/$1/$target
  corpus=$(pwd)/tests/cpp/fuzz/corpus/$target
  folder=$(mktemp -d "${TMPDIR:-/tmp}/avenir-fuzz.XXXXXX") && mkdir "$folder/found" && cd "$folder" || exit 1
  "$program" -max_total_time="${AVENIR_FUZZ_SECONDS:-60}" -max_len="$(longest_input "$target")" -timeout=20 \
    -print_final_stats=1 -verbosity=0 found "$corpus"
  status=$?
  [ -z "${AVENIR_FUZZ_KEEP:-}" ] || { mkdir -p "$AVENIR_FUZZ_KEEP" && cp -r found "$AVENIR_FUZZ_KEEP/$target"; }
  [ $status = 0 ] && rm -rf "$folder"
  exit $status
)

# As `installed`, for programs of tests/cpp/fuzz_r: these have the fuzzer's functions and the sanitizers'. What R keeps
# at the end is no leak.
installed_for_fuzz() {
  library=$(mktemp -d "${TMPDIR:-/tmp}/avenir-soak.XXXXXX") || return 1
  fuzzing_makevars >"$library/Makevars"
  R_MAKEVARS_USER="$library/Makevars" AVENIR_INSTALL_OPTIONS=--no-test-load sh tools/install-package.sh "$library" &&
    R_HOME=$(R RHOME) R_LIBS="$library${R_LIBS:+:$R_LIBS}" AVENIR_FUZZ_CHECKS=$(pwd)/tests/cpp/fuzz_r/checks.R \
      ASAN_OPTIONS=detect_leaks=0:handle_segv=1 "$@"
  status=$?
  rm -rf "$library"
  return $status
}

fuzzing_makevars() {
  for variable in CXX CXX11 CXX14 CXX17; do
    echo "$variable = $(clang)"
    echo "${variable}FLAGS = -O1 -g1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=vptr" \
      "-fno-sanitize-recover=all -fno-omit-frame-pointer"
  done
}

# A table of rooms; AVENIR_COVERAGE_KEEP=FOLDER keeps all counts: see tools/coverage.sh.
soak_coverage() { sh tools/coverage.sh; }

soak_objects() {
  AVENIR_TEST_OBJECTS=${AVENIR_TEST_OBJECTS:-20000} installed Rscript --vanilla -e \
    'testthat::test_file("tests/testthat/test-shared.R", package = "avenir", load_package = "installed")'
}

# installed COMMAND...: with the package as it is in this tree, in a library of its own, which other users may read.
installed() {
  library=$(mktemp -d "${TMPDIR:-/tmp}/avenir-soak.XXXXXX") && chmod 755 "$library" || return 1
  sh tools/install-package.sh "$library" && R_LIBS="$library${R_LIBS:+:$R_LIBS}" "$@"
  status=$?
  rm -rf "$library"
  return $status
}

soak_large() { installed Rscript --vanilla tests/large/long-vector.R; }

soak_scenarios() { installed sh tools/scenarios.sh; }

soak_faults() { installed Rscript --vanilla inst/bench/faults.R; }

# The session's memory is judged in the plain build: a sanitizer keeps what is freed.
soak_attacks() {
  make -s -C tests/cpp attacker || return 1
  set -- Rscript --vanilla tests/attacks/attacks.R tests/cpp/build/plain/attacks/attacker
  installed "$@" && installed_sanitized "$@" --preload="$(sanitizer_runtime)"
}

sanitizer_runtime() { gcc -print-file-name=libasan.so; }

# As `installed`, but under gcc's address and undefined-behaviour sanitizers. Whoever loads the package, R CMD INSTALL
# too, has to have their runtime before anything else.
installed_sanitized() {
  library=$(mktemp -d "${TMPDIR:-/tmp}/avenir-soak.XXXXXX") || return 1
  sanitizing_makevars >"$library/Makevars"
  LD_PRELOAD=$(sanitizer_runtime) ASAN_OPTIONS=detect_leaks=0 R_MAKEVARS_USER="$library/Makevars" \
    sh tools/install-package.sh "$library" && R_LIBS="$library${R_LIBS:+:$R_LIBS}" "$@"
  status=$?
  rm -rf "$library"
  return $status
}

soak_asan_r() {
  installed_sanitized Rscript --vanilla tests/soak/sanitized-suite.R --preload="$(sanitizer_runtime)"
}

soak_valgrind() { installed Rscript --vanilla tests/soak/valgrind.R; }

soak_torture() { installed Rscript --vanilla tests/soak/torture.R; }

sanitizing_makevars() {
  for variable in CXX CXX11 CXX14 CXX17; do
    echo "$variable = g++ -fsanitize=address,undefined -fno-omit-frame-pointer"
    echo "${variable}FLAGS = -O1 -g1"
  done
}

soak_failures() { installed Rscript --vanilla tests/failures/failures.R; }

soak_short() { installed Rscript --vanilla tests/failures/short.R; }

soak_ends() { installed Rscript --vanilla tests/failures/ends.R; }

soak_clock() { installed Rscript --vanilla tests/failures/clock.R; }

soak_stops() { installed Rscript --vanilla tests/failures/stops.R; }

soak_users() { installed Rscript --vanilla tests/users/users.R; }

soak_variants() { sh tools/variants.sh all; }

soak_growth() { installed Rscript --vanilla tests/growth/growth.R; }

soak_chaos_cluster() { installed sh tests/failures/chaos-cluster.sh; }

soak_chaos() { installed Rscript --vanilla inst/bench/chaos.R; }

case "$*" in
  "") gates; exit 0 ;;
  all) set -- $(gates | cut -d' ' -f1) ;;
esac
for name in "$@"; do
  gates | grep -q "^$name " || { echo "tools/soak.sh: no gate '$name'; there are:" >&2; gates >&2; exit 2; }
done

sh tools/install-needs.sh soak || exit $?
failed=""
for name in "$@"; do
  echo "== $name"
  started=$(date +%s)
  if soak_"$name"; then verdict=ok; else verdict=FAILED; failed="$failed $name"; fi
  echo "== $name: $verdict, $(($(date +%s) - started)) s"
done
[ -z "$failed" ] || { echo "FAILED:$failed"; exit 1; }
