#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "device/buffer.h"
#include "linalg/program.h"
#include "rng/mrg32k3a.h"

// Where the elements of gpu_array live and are computed: one interface, on a GPU (CudaDevice) and on the CPU
// (CpuDevice).
//
// Elements are R's (linalg/program.h): doubles, integers, logicals, each with its NA; and floats, whose NA is a NaN
// like all others. Matrices are dense and by columns; in linear algebra they are doubles or floats, all of one call
// alike. Every Buffer of a call must be of this device. Extents of 0 are allowed everywhere.
//
// R thread only. What is asked of a GPU happens later, in the order of the calls: only get(), reduce(), the functions
// that return numbers, take_events() and sync() wait for it.
//
// Errors are base::Error: kInvalid for arguments that do not fit, kOverloaded when memory has run out (after the
// collector was asked, see set_collector()), kUnsupported for what this device cannot, kDisconnected when the device is
// lost or this process is a fork of the one that used it, kInternal for everything else that CUDA reports.
namespace avenir::device {

enum class Precision : uint8_t {
  kIeee,  // floats are multiplied as floats
  kTf32,  // matrix products of floats with 10 bits of each factor's fraction
};

enum class Triangle : uint8_t { kUpper, kLower };
enum class Side : uint8_t { kLeft, kRight };

struct Memory {
  uint64_t total = 0, free = 0;  // of the device, as its driver (or the system) has it
  uint64_t held = 0;             // by Buffers of this process
  uint64_t pooled = 0;           // kept for later Buffers, besides
  uint64_t limit = 0;            // on held
  uint64_t buffers = 0;          // how many
};

struct Description {
  int index = -1;  // of GPUs, from 0 on, as CUDA_VISIBLE_DEVICES lets them be seen; -1: the CPU
  std::string name;
  std::string uuid;          // GPUs
  int architecture = 0;      // 90: compute capability 9.0
  int processors = 0;        // multiprocessors, or threads
  bool slow_double = false;  // doubles take 32 times as long as floats, or more
};

// Indices along an extent, from 0 on: `begin`, `begin + step`, ..., `count` of them; or those in `at`, integers or
// doubles, of which what is NA or not in the extent is no element.
struct Positions {
  int64_t begin = 0, step = 1;
  uint64_t count = 0;
  Buffer at;
};

class Device {
 public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual const Description& description() const = 0;
  bool is_cpu() const { return description().index < 0; }
  // "cpu" or "gpu:0".
  std::string name() const;

  // ---- Memory ----

  // Elements that are not initialized.
  Buffer allocate(Type type, uint64_t length);
  virtual Memory memory() const = 0;
  // Of held. More is an error; a limit below what is held stops further allocation only.
  virtual void set_limit(uint64_t bytes) = 0;
  // Gives what is pooled back to the device.
  virtual void trim() = 0;

  // `count` elements between R's memory and elements [at, at + count) of a buffer. `host` is of the buffer's type; of
  // floats it is doubles, converted on the way. put() has read `host` when it returns.
  virtual void put(const void* host, const Buffer& to, uint64_t at, uint64_t count) = 0;
  virtual void get(const Buffer& from, uint64_t at, uint64_t count, void* host) = 0;
  // Elements [from_at, from_at + count) to [to_at, ...) of another buffer of that type.
  virtual void copy(const Buffer& from, uint64_t from_at, const Buffer& to, uint64_t to_at, uint64_t count) = 0;

  // ---- Elementwise ----

  // Runs a program, whose inputs are these buffers (Input::data is not looked at; type and length are). `out` has
  // program.length elements of program.type and may be one of the inputs of that length.
  virtual void evaluate(const linalg::Program& program, const std::vector<Buffer>& inputs, const Buffer& out) = 0;
  // With program.reduction.
  virtual linalg::Totals reduce(const linalg::Program& program, const std::vector<Buffer>& inputs) = 0;
  // Sums of the rows (one for each) or columns of the program's result, a matrix of `rows` rows; or means. na_rm as in
  // the program. `out`: doubles, or floats where the program's result is.
  virtual void row_sums(const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                        const Buffer& out) = 0;
  virtual void column_sums(const linalg::Program& program, const std::vector<Buffer>& inputs, uint64_t rows, bool means,
                           const Buffer& out) = 0;
  // The first of the least or greatest elements, from 0 on; the length when all are missing.
  virtual uint64_t which_extreme(const Buffer& x, bool greatest) = 0;
  // As R's: from the first NA on all are; integers that leave their range are NA, with the event kOverflow.
  virtual void cumulate(const Buffer& x, const Buffer& out) = 0;
  // linalg::Event bits of all that ran since the last call.
  virtual uint8_t take_events() = 0;

  // ---- Shape ----

  // to[i, j] = from[row(i), column(j)] of a matrix with `rows` rows; NA where there is no such element. A vector is a
  // matrix of one column.
  virtual void gather(const Buffer& from, uint64_t rows, const Positions& row, const Positions& column,
                      const Buffer& to) = 0;
  // to[row(i), column(j)] = from[i, j], `from` of the same type starting again at its end. What is no element is left
  // out; of elements that are named twice any may win.
  virtual void scatter(const Buffer& from, const Buffer& to, uint64_t rows, const Positions& row,
                       const Positions& column) = 0;
  // `to`: columns x rows.
  virtual void transpose(const Buffer& from, uint64_t rows, uint64_t columns, const Buffer& to) = 0;

  // ---- Order ----

  // The elements that are not missing, ordered, then the missing ones. How many are not.
  virtual uint64_t sort(const Buffer& from, bool decreasing, const Buffer& to) = 0;
  // Indices, from 1 on, integers (doubles from 2^31 elements on): by the first key, among equals by the next, ... and
  // then by position; missing ones last.
  virtual void order(const std::vector<Buffer>& keys, const std::vector<bool>& decreasing, const Buffer& out) = 0;

  // ---- Random numbers ----

  // offset + factor * runif() or rnorm() (by inversion) of R's "L'Ecuyer-CMRG", from the draws after `state` on:
  // rng/fill.h's numbers; but a GPU has its own logarithm, by which normal ones in the tails may differ in the last
  // bit. Normal ones take two draws each.
  virtual void fill_uniform(const rng::State& state, double offset, double factor, const Buffer& out) = 0;
  virtual void fill_normal(const rng::State& state, double offset, double factor, const Buffer& out) = 0;

  // ---- Linear algebra ----

  virtual void set_precision(Precision precision) = 0;
  virtual Precision precision() const = 0;

  // c (m x n) = a' or a (m x k) times b' or b (k x n).
  virtual void gemm(bool transpose_a, bool transpose_b, uint64_t m, uint64_t n, uint64_t k, const Buffer& a,
                    const Buffer& b, const Buffer& c) = 0;
  // c (n x n) = a a' with a of n x k; a' a with a of k x n when transposed. Both triangles.
  virtual void syrk(bool transposed, uint64_t n, uint64_t k, const Buffer& a, const Buffer& c) = 0;
  // b (m x n) becomes the solution of op(a) x = b or x op(a) = b; of `a` only the triangle is read.
  virtual void trsm(Side side, Triangle triangle, bool transposed, bool unit_diagonal, uint64_t m, uint64_t n,
                    const Buffer& a, const Buffer& b) = 0;
  // The upper triangle of `a` becomes its Cholesky factor, the lower one 0. 0, or the order of the leading minor that
  // is not positive.
  virtual int64_t potrf(uint64_t n, const Buffer& a) = 0;
  // From that factor: the inverse, both triangles.
  virtual void potri(uint64_t n, const Buffer& a) = 0;
  // LU factors of a (n x n) in its place. Pivots: n integers, from 1 on. 0, or the (first) diagonal element that is
  // exactly 0.
  virtual int64_t getrf(uint64_t n, const Buffer& a, const Buffer& pivots) = 0;
  // b (n x columns) becomes the solution of a x = b or a' x = b.
  virtual void getrs(bool transposed, uint64_t n, uint64_t columns, const Buffer& lu, const Buffer& pivots,
                     const Buffer& b) = 0;
  // 1 / (norm of a * norm of its inverse), estimated from the factors and the 1-norm of a.
  virtual double rcond(uint64_t n, const Buffer& lu, const Buffer& pivots, double norm) = 0;
  // QR factors of a (m x n) in its place, without pivoting; `tau` has min(m, n) elements.
  virtual void geqrf(uint64_t m, uint64_t n, const Buffer& a, const Buffer& tau) = 0;
  // c (m x n) becomes q c or q' c with the q of `reflectors` geqrf() left in qr (m x reflectors or more).
  virtual void ormqr(bool transposed, uint64_t m, uint64_t n, uint64_t reflectors, const Buffer& qr, const Buffer& tau,
                     const Buffer& c) = 0;
  // Singular values of a (m x n), which is overwritten: d has min(m, n); u is m x min(m, n), vt min(m, n) x n, each or
  // both none. 0, or how many did not converge.
  virtual int64_t gesvd(uint64_t m, uint64_t n, const Buffer& a, const Buffer& d, const Buffer& u,
                        const Buffer& vt) = 0;
  // Eigenvalues of a symmetric matrix (its lower triangle is read), ascending; with `vectors` a becomes theirs.
  virtual int64_t syevd(bool vectors, uint64_t n, const Buffer& a, const Buffer& values) = 0;
  // Of any matrix, which is overwritten: real and imaginary parts; vectors as LAPACK's dgeev has them, or none.
  virtual int64_t geev(uint64_t n, const Buffer& a, const Buffer& real, const Buffer& imaginary,
                       const Buffer& vectors) = 0;

  // ---- Time ----

  // Waits for all that was asked. An error of it is raised here at the latest.
  virtual void sync() = 0;
  // Milliseconds of the device's own clock between two calls of mark(), whichever work was asked in between; the second
  // waits for it.
  virtual void mark() = 0;
  virtual double since_mark() = 0;

 protected:
  friend class Buffer;
  // At least one byte. Throws kOverloaded.
  virtual void* acquire(uint64_t bytes) = 0;
  // Never throws. In a forked child, and of a lost device, nothing happens.
  virtual void release(void* address, uint64_t bytes) noexcept = 0;
};

// "1.5 GB", for messages.
std::string in_units(uint64_t bytes);

// Called when memory has run out or much was allocated since the last call, on the R thread: drops Buffers that nobody
// needs any more (R's garbage collector). One for all devices; may throw.
void set_collector(std::function<void()> collector);
void collect();

// ---- Which there are ----

struct Library {
  std::string name;  // "libcublas"
  std::string path;  // where it was found; empty: not loaded
  std::string version;
  std::string missing;  // a sentence, when it cannot be loaded
};

struct GpuStatus {
  std::string missing;  // a sentence: why no GPU can be used; empty when one can
  std::string driver;   // "13.0", empty without
  std::vector<Description> gpus;
  std::vector<Library> libraries;  // those of the toolkit are loaded for this
};

Device& cpu_device();

// Finds GPUs at its first call and remembers what it found. This starts the driver (cuInit): forks of this process are
// without GPUs from then on, but nothing is on a GPU yet.
const std::vector<Description>& gpus();
// Why there are none.
const std::string& gpus_missing();
// Everything, for a report; loads what has not been loaded.
GpuStatus gpu_status();
// Made at its first call, with the GPU's context. Throws kUnsupported with gpus_missing(), kInvalid for one that is not
// there, kDisconnected in a fork of a process that used a GPU.
Device& gpu_device(int index);
// True in a fork of a process that had found GPUs: they are out of reach there.
bool is_forked_from_gpu_user();
// Forgets what was found, and loses all Buffers of GPUs (for tests).
void forget_gpus();

}  // namespace avenir::device
