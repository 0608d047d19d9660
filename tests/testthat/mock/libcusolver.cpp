// Solvers: LAPACK's, for whose work the sizes that are asked for suffice.
#include <cstdint>
#include <vector>

#include "mock.h"

#define MOCK_LAPACK_OF(d, Number)                                                                                     \
  void d##potrf_(const char*, const int*, Number*, const int*, int*);                                                 \
  void d##getrf_(const int*, const int*, Number*, const int*, int*, int*);                                            \
  void d##getrs_(const char*, const int*, const int*, const Number*, const int*, const int*, Number*, const int*,     \
                 int*);                                                                                               \
  void d##geqrf_(const int*, const int*, Number*, const int*, Number*, Number*, const int*, int*);                    \
  void d##ormqr_(const char*, const char*, const int*, const int*, const int*, const Number*, const int*,             \
                 const Number*, Number*, const int*, Number*, const int*, int*);                                      \
  void d##gesvd_(const char*, const char*, const int*, const int*, Number*, const int*, Number*, Number*, const int*, \
                 Number*, const int*, Number*, const int*, int*);                                                     \
  void d##syev_(const char*, const char*, const int*, Number*, const int*, Number*, Number*, const int*, int*);       \
  void d##geev_(const char*, const char*, const int*, Number*, const int*, Number*, Number*, Number*, const int*,     \
                Number*, const int*, Number*, const int*, int*);

extern "C" {
MOCK_LAPACK_OF(d, double)
MOCK_LAPACK_OF(s, float)
}

namespace {

char handle;
constexpr int kFloats = 0;
constexpr size_t kWork = 1 << 20;  // elements: enough for the tests

// LAPACK's names for the types.
#define MOCK_OVERLOADS(d, Number)                                                                                  \
  void potrf(const char* t, const int* n, Number* a, const int* lda, int* info) { d##potrf_(t, n, a, lda, info); } \
  void getrf(const int* m, const int* n, Number* a, const int* lda, int* p, int* info) {                           \
    d##getrf_(m, n, a, lda, p, info);                                                                              \
  }                                                                                                                \
  void getrs(const char* t, const int* n, const int* k, const Number* a, const int* lda, const int* p, Number* b,  \
             const int* ldb, int* info) {                                                                          \
    d##getrs_(t, n, k, a, lda, p, b, ldb, info);                                                                   \
  }                                                                                                                \
  void geqrf(const int* m, const int* n, Number* a, const int* lda, Number* tau, Number* w, const int* size,       \
             int* info) {                                                                                          \
    d##geqrf_(m, n, a, lda, tau, w, size, info);                                                                   \
  }                                                                                                                \
  void gesvd(const char* u, const char* v, const int* m, const int* n, Number* a, const int* lda, Number* s,       \
             Number* left, const int* ldu, Number* right, const int* ldv, Number* w, const int* size, int* info) { \
    d##gesvd_(u, v, m, n, a, lda, s, left, ldu, right, ldv, w, size, info);                                        \
  }                                                                                                                \
  void syev(const char* v, const char* t, const int* n, Number* a, const int* lda, Number* values, Number* w,      \
            const int* size, int* info) {                                                                          \
    d##syev_(v, t, n, a, lda, values, w, size, info);                                                              \
  }                                                                                                                \
  void geev(const char* l, const char* r, const int* n, Number* a, const int* lda, Number* re, Number* im,         \
            Number* left, const int* ldl, Number* right, const int* ldr, Number* w, const int* size, int* info) {  \
    d##geev_(l, r, n, a, lda, re, im, left, ldl, right, ldr, w, size, info);                                       \
  }
MOCK_OVERLOADS(d, double)
MOCK_OVERLOADS(s, float)

template <typename F>
int with_type(int type, const F& f) {
  if (type == kFloats)
    f(float());
  else
    f(double());
  return 0;
}

struct Extents {
  int m, n, lda;
  Extents(int64_t rows, int64_t columns, int64_t leading)
      : m(static_cast<int>(rows)), n(static_cast<int>(columns)), lda(static_cast<int>(leading)) {}
};

int sizes(size_t* device_bytes, size_t* host_bytes) {
  *device_bytes = kWork * sizeof(double);
  *host_bytes = 64;
  return 0;
}
const int kWorkSize = kWork;

}  // namespace

MOCK int cusolverDnCreate(void** made) {
  MOCK_MAY_FAIL("cusolverDnCreate");
  *made = &handle;
  return 0;
}
MOCK int cusolverDnSetStream(void*, void*) { return 0; }
MOCK int cusolverDnCreateParams(void** made) {
  *made = &handle;
  return 0;
}
MOCK int cusolverGetVersion(int* version) {
  *version = 12000;
  return 0;
}

MOCK int cusolverDnXpotrf_bufferSize(void*, void*, int, int64_t, int, const void*, int64_t, int, size_t* d, size_t* h) {
  return sizes(d, h);
}
MOCK int cusolverDnXpotrf(void*, void*, int upper, int64_t n, int type, void* a, int64_t lda, int, void*, size_t, void*,
                          size_t, int* info) {
  const Extents e(n, n, lda);
  return with_type(
      type, [&](auto number) { potrf(upper != 0 ? "U" : "L", &e.n, static_cast<decltype(number)*>(a), &e.lda, info); });
}
MOCK int cusolverDnXgetrf_bufferSize(void*, void*, int64_t, int64_t, int, const void*, int64_t, int, size_t* d,
                                     size_t* h) {
  return sizes(d, h);
}
MOCK int cusolverDnXgetrf(void*, void*, int64_t m, int64_t n, int type, void* a, int64_t lda, int64_t* pivots, int,
                          void*, size_t, void*, size_t, int* info) {
  const Extents e(m, n, lda);
  std::vector<int> narrow(static_cast<size_t>(n));
  with_type(type,
            [&](auto number) { getrf(&e.m, &e.n, static_cast<decltype(number)*>(a), &e.lda, narrow.data(), info); });
  for (size_t i = 0; i < narrow.size(); ++i) pivots[i] = narrow[i];
  return 0;
}
MOCK int cusolverDnXgetrs(void*, void*, int transposed, int64_t n, int64_t columns, int type, const void* a,
                          int64_t lda, const int64_t* pivots, int, void* b, int64_t ldb, int* info) {
  const Extents e(n, columns, lda);
  const int stride = static_cast<int>(ldb);
  std::vector<int> narrow(pivots, pivots + n);
  return with_type(type, [&](auto number) {
    using Number = decltype(number);
    getrs(transposed != 0 ? "T" : "N", &e.m, &e.n, static_cast<const Number*>(a), &e.lda, narrow.data(),
          static_cast<Number*>(b), &stride, info);
  });
}
MOCK int cusolverDnXgeqrf_bufferSize(void*, void*, int64_t, int64_t, int, const void*, int64_t, int, const void*, int,
                                     size_t* d, size_t* h) {
  return sizes(d, h);
}
MOCK int cusolverDnXgeqrf(void*, void*, int64_t m, int64_t n, int type, void* a, int64_t lda, int, void* tau, int,
                          void* work, size_t, void*, size_t, int* info) {
  const Extents e(m, n, lda);
  return with_type(type, [&](auto number) {
    using Number = decltype(number);
    geqrf(&e.m, &e.n, static_cast<Number*>(a), &e.lda, static_cast<Number*>(tau), static_cast<Number*>(work),
          &kWorkSize, info);
  });
}
MOCK int cusolverDnXgesvd_bufferSize(void*, void*, signed char, signed char, int64_t, int64_t, int, const void*,
                                     int64_t, int, const void*, int, const void*, int64_t, int, const void*, int64_t,
                                     int, size_t* d, size_t* h) {
  return sizes(d, h);
}
MOCK int cusolverDnXgesvd(void*, void*, signed char job_u, signed char job_vt, int64_t m, int64_t n, int type, void* a,
                          int64_t lda, int, void* s, int, void* u, int64_t ldu, int, void* vt, int64_t ldvt, int,
                          void* work, size_t, void*, size_t, int* info) {
  if (m < n) return 3;
  const Extents e(m, n, lda);
  const int strides[2] = {static_cast<int>(ldu), static_cast<int>(ldvt)};
  const char jobs[2] = {static_cast<char>(job_u), static_cast<char>(job_vt)};
  return with_type(type, [&](auto number) {
    using Number = decltype(number);
    gesvd(jobs, jobs + 1, &e.m, &e.n, static_cast<Number*>(a), &e.lda, static_cast<Number*>(s), static_cast<Number*>(u),
          strides, static_cast<Number*>(vt), strides + 1, static_cast<Number*>(work), &kWorkSize, info);
  });
}
MOCK int cusolverDnXsyevd_bufferSize(void*, void*, int, int, int64_t, int, const void*, int64_t, int, const void*, int,
                                     size_t* d, size_t* h) {
  return sizes(d, h);
}
MOCK int cusolverDnXsyevd(void*, void*, int vectors, int upper, int64_t n, int type, void* a, int64_t lda, int, void* w,
                          int, void* work, size_t, void*, size_t, int* info) {
  const Extents e(n, n, lda);
  return with_type(type, [&](auto number) {
    using Number = decltype(number);
    syev(vectors != 0 ? "V" : "N", upper != 0 ? "U" : "L", &e.n, static_cast<Number*>(a), &e.lda,
         static_cast<Number*>(w), static_cast<Number*>(work), &kWorkSize, info);
  });
}
MOCK int cusolverDnXgeev_bufferSize(void*, void*, int, int, int64_t, int, const void*, int64_t, int, const void*, int,
                                    const void*, int64_t, int, const void*, int64_t, int, size_t* d, size_t* h) {
  return sizes(d, h);
}
// Complex eigenvalues, and LAPACK's real vectors.
MOCK int cusolverDnXgeev(void*, void*, int, int right, int64_t n, int type, void* a, int64_t lda, int, void* w, int,
                         void*, int64_t, int, void* vr, int64_t ldvr, int, void* work, size_t, void*, size_t,
                         int* info) {
  const Extents e(n, n, lda);
  const int stride = static_cast<int>(ldvr), one = 1;
  return with_type(type, [&](auto number) {
    using Number = decltype(number);
    std::vector<Number> real(static_cast<size_t>(n)), imaginary(static_cast<size_t>(n));
    geev("N", right != 0 ? "V" : "N", &e.n, static_cast<Number*>(a), &e.lda, real.data(), imaginary.data(), nullptr,
         &one, static_cast<Number*>(vr), &stride, static_cast<Number*>(work), &kWorkSize, info);
    for (size_t i = 0; i < real.size(); ++i) {
      static_cast<Number*>(w)[2 * i] = real[i];
      static_cast<Number*>(w)[2 * i + 1] = imaginary[i];
    }
  });
}

#define MOCK_ORMQR(D, d, Number)                                                                                   \
  MOCK int cusolverDn##D##ormqr_bufferSize(void*, int, int, int, int, int, const Number*, int, const Number*,      \
                                           const Number*, int, int* size) {                                        \
    *size = kWorkSize;                                                                                             \
    return 0;                                                                                                      \
  }                                                                                                                \
  MOCK int cusolverDn##D##ormqr(void*, int right, int transposed, int m, int n, int k, const Number* a, int lda,   \
                                const Number* tau, Number* c, int ldc, Number* work, int size, int* info) {        \
    d##ormqr_(right != 0 ? "R" : "L", transposed != 0 ? "T" : "N", &m, &n, &k, a, &lda, tau, c, &ldc, work, &size, \
              info);                                                                                               \
    return 0;                                                                                                      \
  }
MOCK_ORMQR(D, d, double)
MOCK_ORMQR(S, s, float)
