// Linear algebra: R's own.
#include <cstdint>

#include "mock.h"

extern "C" {
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*, const double*, const int*,
            const double*, const int*, const double*, double*, const int*);
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
            const float*, const int*, const float*, float*, const int*);
void dsyrk_(const char*, const char*, const int*, const int*, const double*, const double*, const int*, const double*,
            double*, const int*);
void ssyrk_(const char*, const char*, const int*, const int*, const float*, const float*, const int*, const float*,
            float*, const int*);
void dtrsm_(const char*, const char*, const char*, const char*, const int*, const int*, const double*, const double*,
            const int*, double*, const int*);
void strsm_(const char*, const char*, const char*, const char*, const int*, const int*, const float*, const float*,
            const int*, float*, const int*);
}

namespace {

char handle;
const char* operation(int transposed) { return transposed != 0 ? "T" : "N"; }
const char* triangle(int upper) { return upper != 0 ? "U" : "L"; }
int narrow(int64_t x) { return static_cast<int>(x); }

}  // namespace

MOCK int cublasCreate_v2(void** made) {
  MOCK_MAY_FAIL("cublasCreate_v2");
  *made = &handle;
  return 0;
}
MOCK int cublasGetVersion_v2(void*, int* version) {
  *version = 130000;
  return 0;
}
MOCK int cublasSetStream_v2(void*, void*) { return 0; }
MOCK int cublasSetMathMode(void*, int) { return 0; }

#define MOCK_BLAS(D, d, Number)                                                                                      \
  MOCK int cublas##D##gemm_v2_64(void*, int ta, int tb, int64_t m, int64_t n, int64_t k, const Number* alpha,        \
                                 const Number* a, int64_t lda, const Number* b, int64_t ldb, const Number* beta,     \
                                 Number* c, int64_t ldc) {                                                           \
    MOCK_MAY_FAIL("cublasGemm");                                                                                     \
    const int extents[6] = {narrow(m), narrow(n), narrow(k), narrow(lda), narrow(ldb), narrow(ldc)};                 \
    d##gemm_(operation(ta), operation(tb), extents, extents + 1, extents + 2, alpha, a, extents + 3, b, extents + 4, \
             beta, c, extents + 5);                                                                                  \
    return 0;                                                                                                        \
  }                                                                                                                  \
  MOCK int cublas##D##syrk_v2_64(void*, int upper, int transposed, int64_t n, int64_t k, const Number* alpha,        \
                                 const Number* a, int64_t lda, const Number* beta, Number* c, int64_t ldc) {         \
    const int extents[4] = {narrow(n), narrow(k), narrow(lda), narrow(ldc)};                                         \
    d##syrk_(triangle(upper), operation(transposed), extents, extents + 1, alpha, a, extents + 2, beta, c,           \
             extents + 3);                                                                                           \
    return 0;                                                                                                        \
  }                                                                                                                  \
  MOCK int cublas##D##trsm_v2_64(void*, int right, int upper, int transposed, int unit, int64_t m, int64_t n,        \
                                 const Number* alpha, const Number* a, int64_t lda, Number* b, int64_t ldb) {        \
    const int extents[4] = {narrow(m), narrow(n), narrow(lda), narrow(ldb)};                                         \
    d##trsm_(right != 0 ? "R" : "L", triangle(upper), operation(transposed), unit != 0 ? "U" : "N", extents,         \
             extents + 1, alpha, a, extents + 2, b, extents + 3);                                                    \
    return 0;                                                                                                        \
  }
MOCK_BLAS(D, d, double)
MOCK_BLAS(S, s, float)
