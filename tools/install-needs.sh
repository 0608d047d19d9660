#!/bin/sh
# Installs what avenir's own commands need and this machine lacks, through apt.
#
#   sh tools/install-needs.sh demo     what `tools/demo.sh` needs: R, a C++ compiler, a few R packages
#   sh tools/install-needs.sh cluster  what `tools/rig.sh` needs: Slurm, munge, OpenSSH, namespaces
#   sh tools/install-needs.sh test     all that, and what `tools/test.sh` needs
#   sh tools/install-needs.sh soak     the same, and what `tools/soak.sh` needs
#
# Nothing is touched when all is there, and no service starts because its package was installed. Exit status 2:
# something is missing and this script cannot install it (no apt, or neither root nor sudo); it then names what to
# install.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin  # daemons are there, which a user's PATH may lack

# level, kind of probe, what is looked for, Debian package that has it.
needs() {
  cat <<'END'
demo command R                   r-base-dev
demo command make                r-base-dev
demo command g++                 r-base-dev
demo header  openssl/ssl.h       libssl-dev
demo header  hwy/contrib/sort/vqsort.h libhwy-dev
demo package Rcpp                r-cran-rcpp
demo package RcppParallel        r-cran-rcppparallel
demo package parallelly          r-cran-parallelly
demo package MASS                r-cran-mass
demo package randomForest        r-cran-randomforest
demo package future.apply        r-cran-future.apply
test package data.table          r-cran-data.table
test package dplyr               r-cran-dplyr
test package furrr               r-cran-furrr
test package future              r-cran-future
test package globals             r-cran-globals
test package listenv             r-cran-listenv
test package purrr               r-cran-purrr
test package rlang               r-cran-rlang
test package testthat            r-cran-testthat
test package tidyselect          r-cran-tidyselect
test package vctrs               r-cran-vctrs
test package knitr               r-cran-knitr
test package rmarkdown           r-cran-rmarkdown
test package ranger              r-cran-ranger
test package roxygen2            r-cran-roxygen2
test command ccache              ccache
test command pandoc              pandoc
test command qpdf                qpdf
test command tidy                tidy
test command checkbashisms       devscripts
test command clang-format-14     clang-format-14
test header  doctest/doctest.h   doctest-dev
test shared  libsleef.so.3       libsleef3
test blas    openblas-pthread    libopenblas0-pthread
test blas    openblas-openmp     libopenblas0-openmp
test blas    blis-openmp         libblis4-openmp
cluster command slurmctld        slurm-wlm
cluster command slurmd           slurm-wlm
cluster command srun             slurm-wlm
cluster command munged           munge
cluster command sshd             openssh-server
cluster command ssh              openssh-client
cluster command ssh-keygen       openssh-client
cluster command nft              nftables
cluster command ip               iproute2
cluster command nsenter          util-linux
cluster command runuser          util-linux
soak command clang++-14          clang-14
soak command strace              strace
soak command valgrind            valgrind
soak header  valgrind/memcheck.h valgrind
soak command faketime            faketime
soak command prlimit             util-linux
soak command ps                  procps
soak library clang_rt.asan       libclang-rt-14-dev
soak command llvm-cov-14         llvm-14
soak package covr                r-cran-covr
END
}

wanted_levels() {
  case "$1" in
    demo) echo "demo" ;;
    cluster) echo "cluster" ;;
    test) echo "demo cluster test" ;;
    soak) echo "demo cluster test soak" ;;
    *) echo "install-needs.sh: unknown list '$1'; use demo, cluster, test or soak" >&2; exit 2 ;;
  esac
}

# The R packages among "$@" that R does not find (all of them when there is no R).
missing_r_packages() {
  if command -v Rscript >/dev/null 2>&1; then
    Rscript --vanilla -e 'for (p in commandArgs(TRUE)) if (!nzchar(system.file(package = p))) cat(p, "")' "$@"
  else
    echo "$@"
  fi
}

blas_builds="$(dirname "$0")/blas-builds.sh"
blas_folder=$(sh "$blas_builds")

# Succeeds when the thing named is on this machine. R packages are asked for in one go, before.
present() {
  case "$1" in
    command) command -v "$2" >/dev/null 2>&1 ;;
    package) case " $missing_packages " in *" $2 "*) false ;; *) true ;; esac ;;
    header) echo "#include <$2>" | "${CXX:-g++}" -x c++ -E - >/dev/null 2>&1 ;;
    shared) ldconfig -p 2>/dev/null | grep -q "$2" ;;
    blas) [ -e "$blas_folder/$2/libblas.so.3" ] ;;
    library) ls /usr/lib/llvm-14/lib/clang/*/lib/linux/lib"$2"*.a >/dev/null 2>&1 ;;
  esac
}

# Prints "kind thing package" for each need of the levels in $levels that is not met.
unmet() {
  names=$(needs | while read -r level kind name _; do
    case " $levels " in *" $level "*) [ "$kind" != package ] || echo "$name" ;; esac
  done)
  missing_packages=$(missing_r_packages $names)
  needs | while read -r level kind name package; do
    case " $levels " in *" $level "*) ;; *) continue ;; esac
    present "$kind" "$name" || echo "$kind $name $package"
  done
}

give_up() {
  echo "avenir needs these, and they are not on this machine ($1):" >&2
  echo "$lacking" | while read -r _ name package; do echo "  $name   (Debian and Ubuntu: $package)" >&2; done
  echo "Install them and run the command again." >&2
  exit 2
}

levels=$(wanted_levels "${1:-demo}") || exit 2
lacking=$(unmet)
if [ -z "$lacking" ]; then
  echo "Everything that is needed is installed already."
  exit 0
fi

command -v apt-get >/dev/null 2>&1 || give_up "and there is no apt-get here"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || give_up "and installing them takes root or sudo"
  as_root="sudo"
fi

packages=$(echo "$lacking" | awk '$1 != "blas" { print $3 }' | sort -u | tr '\n' ' ')
echo "Installing through apt: $(echo "$lacking" | awk '{ print $3 }' | sort -u | tr '\n' ' ')"
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" </dev/null
}
log=$(mktemp "${TMPDIR:-/tmp}/avenir-apt.XXXXXX") || exit 1

# Debian's packages start their services unless this file says no (101); one that is there already is the machine's own.
policy=/usr/sbin/policy-rc.d
own_policy=""
if [ ! -e "$policy" ] && printf '#!/bin/sh\nexit 101\n' | $as_root install -m 755 /dev/stdin "$policy"; then
  own_policy=$policy
fi
trap 'rm -f "$log"; [ -z "$own_policy" ] || $as_root rm -f "$own_policy"' EXIT
trap 'exit 130' INT TERM HUP

install_packages() {
  [ -z "$packages" ] || apt install -y --no-install-recommends $packages
}

# Not installed: each would become the machine's BLAS.
fetch_blas_builds() {
  echo "$lacking" | while read -r kind name package; do
    [ "$kind" != blas ] || sh "$blas_builds" fetch "$name" "$package" || return 1
  done
}

apt update >"$log" 2>&1 || echo "apt-get update failed; trying with the lists that are here."
if ! { install_packages && fetch_blas_builds; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "apt-get install failed (above: its last lines)." >&2
  exit 1
fi

lacking=$(unmet)
[ -z "$lacking" ] || give_up "and apt's packages did not bring them: is another R first in PATH?"
echo "Installed."
