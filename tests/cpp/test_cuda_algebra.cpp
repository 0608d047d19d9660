#include <cmath>
#include <vector>

#include "doctest/doctest.h"
#include "mock_gpu.h"

// CudaDevice's linear algebra: cuBLAS and cuSOLVER are called with the right arguments (the mock's are LAPACK), so that
// products of what comes out give what went in.
using namespace avenir;
using device::Buffer;
using device::Device;
using device::Side;
using device::Triangle;
using linalg::Type;

namespace {

struct Matrix {
  size_t rows, columns;
  std::vector<double> x;
  double operator()(size_t i, size_t j) const { return x[i + j * rows]; }
};

Matrix some(size_t rows, size_t columns) {
  Matrix matrix{rows, columns, std::vector<double>(rows * columns)};
  for (size_t i = 0; i < matrix.x.size(); ++i) matrix.x[i] = std::cos(static_cast<double>(i * i) * 0.7);
  return matrix;
}

Matrix transposed(const Matrix& a) {
  Matrix out{a.columns, a.rows, std::vector<double>(a.x.size())};
  for (size_t i = 0; i < a.rows; ++i)
    for (size_t j = 0; j < a.columns; ++j) out.x[j + i * a.columns] = a(i, j);
  return out;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out{a.rows, b.columns, std::vector<double>(a.rows * b.columns)};
  for (size_t i = 0; i < a.rows; ++i)
    for (size_t j = 0; j < b.columns; ++j)
      for (size_t k = 0; k < a.columns; ++k) out.x[i + j * a.rows] += a(i, k) * b(k, j);
  return out;
}

Matrix positive(size_t n) {
  Matrix a = product(transposed(some(n + 3, n)), some(n + 3, n));
  for (size_t i = 0; i < n; ++i) a.x[i + i * n] += 1;
  return a;
}

bool near(const Matrix& a, const Matrix& b, double tolerance) {
  for (size_t i = 0; i < a.x.size(); ++i)
    if (!(std::fabs(a.x[i] - b.x[i]) <= tolerance * (1 + std::fabs(b.x[i])))) return false;
  return a.rows == b.rows && a.columns == b.columns;
}

Buffer on(Device& gpu, const Matrix& a, Type type) {
  const Buffer buffer = gpu.allocate(type, a.x.size());
  gpu.put(a.x.data(), buffer, 0, a.x.size());
  return buffer;
}

Matrix back(const Buffer& buffer, size_t rows, size_t columns) {
  Matrix out{rows, columns, std::vector<double>(rows * columns)};
  buffer.device().get(buffer, 0, out.x.size(), out.x.data());
  return out;
}

Matrix scaled(const Matrix& a, const Matrix& d) {
  Matrix out = a;
  for (size_t i = 0; i < out.x.size(); ++i) out.x[i] *= d.x[i / a.rows];
  return out;
}

template <typename F>
void with_each_type(F f) {
  for (const Type type : {Type::kDouble, Type::kFloat}) {
    CAPTURE(static_cast<int>(type));
    MockGpu mock;
    f(mock.device(), type, type == Type::kDouble ? 1e-11 : 2e-4);
  }
}

}  // namespace

TEST_CASE("products of matrices, as they are and transposed") {
  with_each_type([](Device& gpu, Type type, double tolerance) {
    const Matrix a = some(5, 3), b = some(3, 4);
    const Buffer c = gpu.allocate(type, 20), d = gpu.allocate(type, 9);
    gpu.gemm(false, false, 5, 4, 3, on(gpu, a, type), on(gpu, b, type), c);
    CHECK(near(back(c, 5, 4), product(a, b), tolerance));
    gpu.gemm(true, true, 5, 4, 3, on(gpu, transposed(a), type), on(gpu, transposed(b), type), c);
    CHECK(near(back(c, 5, 4), product(a, b), tolerance));
    gpu.syrk(true, 3, 5, on(gpu, a, type), d);
    CHECK(near(back(d, 3, 3), product(transposed(a), a), tolerance));
    gpu.syrk(false, 3, 5, on(gpu, transposed(a), type), d);
    CHECK(near(back(d, 3, 3), product(transposed(a), a), tolerance));
    gpu.gemm(false, false, 5, 4, 0, on(gpu, some(5, 0), type), on(gpu, some(0, 4), type), c);
    CHECK(back(c, 5, 4).x == std::vector<double>(20));
  });
}

TEST_CASE("Cholesky factors, their inverse, and triangular systems") {
  with_each_type([](Device& gpu, Type type, double tolerance) {
    const Matrix a = positive(6), b = some(6, 2);
    const Buffer r = on(gpu, a, type);
    CHECK(gpu.potrf(6, r) == 0);
    const Matrix factor = back(r, 6, 6);
    CHECK(factor(3, 1) == 0);
    CHECK(near(product(transposed(factor), factor), a, tolerance));
    const Buffer x = on(gpu, b, type);
    gpu.trsm(Side::kLeft, Triangle::kUpper, true, false, 6, 2, r, x);
    gpu.trsm(Side::kLeft, Triangle::kUpper, false, false, 6, 2, r, x);
    CHECK(near(product(a, back(x, 6, 2)), b, tolerance * 10));
    gpu.potri(6, r);
    const Matrix unit = product(a, back(r, 6, 6));
    for (size_t i = 0; i < 6; ++i) CHECK(unit(i, i) == doctest::Approx(1).epsilon(0.001));
    Matrix bad = a;
    bad.x[2 + 2 * 6] = -5;
    CHECK(gpu.potrf(6, on(gpu, bad, type)) == 3);
  });
}

TEST_CASE("systems of equations, and how well they are conditioned") {
  with_each_type([](Device& gpu, Type type, double tolerance) {
    const Matrix a = some(5, 5), b = some(5, 2);
    const Buffer lu = on(gpu, a, type), pivots = gpu.allocate(Type::kInteger, 5), x = on(gpu, b, type);
    CHECK(gpu.getrf(5, lu, pivots) == 0);
    gpu.getrs(false, 5, 2, lu, pivots, x);
    CHECK(near(product(a, back(x, 5, 2)), b, tolerance * 100));
    const Buffer y = on(gpu, b, type);
    gpu.getrs(true, 5, 2, lu, pivots, y);
    CHECK(near(product(transposed(a), back(y, 5, 2)), b, tolerance * 100));
    Matrix unit{3, 3, {2, 0, 0, 0, 2, 0, 0, 0, 0.5}};
    const Buffer diagonal = on(gpu, unit, type);
    CHECK(gpu.getrf(3, diagonal, pivots) == 0);
    CHECK(gpu.rcond(3, diagonal, pivots, 2) == doctest::Approx(0.25));
    unit.x[8] = 0;
    CHECK(gpu.getrf(3, on(gpu, unit, type), pivots) == 3);
  });
}

TEST_CASE("QR factors give the matrix back") {
  with_each_type([](Device& gpu, Type type, double tolerance) {
    const Matrix a = some(6, 4);
    const Buffer qr = on(gpu, a, type), tau = gpu.allocate(type, 4);
    gpu.geqrf(6, 4, qr, tau);
    Matrix r = back(qr, 6, 4);
    for (size_t i = 0; i < 6; ++i)
      for (size_t j = 0; j < 4; ++j)
        if (i > j) r.x[i + j * 6] = 0;
    const Buffer c = on(gpu, r, type);
    gpu.ormqr(false, 6, 4, 4, qr, tau, c);
    CHECK(near(back(c, 6, 4), a, tolerance));
    gpu.ormqr(true, 6, 4, 4, qr, tau, c);
    CHECK(near(back(c, 6, 4), r, tolerance));
  });
}

TEST_CASE("singular values of long and of wide matrices") {
  with_each_type([](Device& gpu, Type type, double tolerance) {
    for (const size_t rows : {7U, 3U}) {
      const size_t columns = 10 - rows, least = 3;
      const Matrix a = some(rows, columns);
      const Buffer d = gpu.allocate(type, least), u = gpu.allocate(type, rows * least),
                   vt = gpu.allocate(type, least * columns);
      CHECK(gpu.gesvd(rows, columns, on(gpu, a, type), d, u, vt) == 0);
      const Matrix values = back(d, least, 1);
      CHECK(near(product(scaled(back(u, rows, least), values), back(vt, least, columns)), a, tolerance * 10));
      CHECK(gpu.gesvd(rows, columns, on(gpu, a, type), d, Buffer(), Buffer()) == 0);
      CHECK(near(back(d, least, 1), values, tolerance * 10));
    }
  });
}

TEST_CASE("eigenvalues and vectors, of symmetric matrices and of others") {
  with_each_type([](Device& gpu, Type type, double tolerance) {
    const Matrix a = positive(4);
    const Buffer vectors = on(gpu, a, type), values = gpu.allocate(type, 4);
    CHECK(gpu.syevd(true, 4, vectors, values) == 0);
    const Matrix v = back(vectors, 4, 4);
    CHECK(near(product(scaled(v, back(values, 4, 1)), transposed(v)), a, tolerance * 10));
    const Matrix turn{2, 2, {0, 1, -1, 0}};
    const Buffer real = gpu.allocate(type, 2), imaginary = gpu.allocate(type, 2), right = gpu.allocate(type, 4);
    CHECK(gpu.geev(2, on(gpu, turn, type), real, imaginary, right) == 0);
    CHECK(std::fabs(back(real, 2, 1).x[0]) < tolerance);
    CHECK(back(imaginary, 2, 1).x[0] == doctest::Approx(1));
    CHECK(back(imaginary, 2, 1).x[1] == doctest::Approx(-1));
  });
}
