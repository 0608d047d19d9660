# Times of PyTorch and CuPy by device events, where they are installed: PEER,WORKLOAD,MILLISECONDS for tools/gpu-table.R.
#   python3 tools/gpu-peers.py [--quick]
import statistics
import sys

quick = "--quick" in sys.argv
runs = 3 if quick else 9


def size(full, small):
    return small if quick else full


def report(peer, workload, mark, work):
    try:
        work()
        times = []
        for _ in range(runs):
            begin, end, elapsed = mark()
            begin()
            work()
            end()
            times.append(elapsed())
        print(f"{peer},{workload},{statistics.median(times):.4f}", flush=True)
    except Exception as error:  # one that does not fit must not end the others
        print(f"{peer}: {workload}: {error}", file=sys.stderr)


def torch_rows():
    import torch

    device = torch.device("cuda:0")

    def mark():
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)

        def elapsed():
            b.synchronize()
            return a.elapsed_time(b)

        return a.record, b.record, elapsed

    n, long, m = size(10000, 64), size(500000000, 100000), size(6000, 40)
    a, b = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
    torch.backends.cuda.matmul.allow_tf32 = False
    report("torch", '"product, fp32"', mark, lambda: a @ b)
    torch.backends.cuda.matmul.allow_tf32 = True
    report("torch", '"product, TF32"', mark, lambda: a @ b)
    torch.backends.cuda.matmul.allow_tf32 = False
    del a, b
    for name, kind in (("fp32", torch.float32), ("fp64", torch.float64)):
        x = torch.rand(long, device=device, dtype=kind)
        report("torch", f'"exp(x) + 3*sin(x), {name}"', mark, lambda: torch.exp(x) + 3 * torch.sin(x))
    report("torch", '"sum, fp64"', mark, lambda: x.sum().item())
    del x
    y = torch.randn(m, m, device=device, dtype=torch.float64)
    report("torch", '"crossprod and chol, fp64"', mark, lambda: torch.linalg.cholesky(y.T @ y))
    host = torch.rand(size(100000000, 100000), dtype=torch.float64)
    report("torch", '"upload of 0.8 GB"', mark, lambda: host.to(device))


def cupy_rows():
    import cupy

    def mark():
        a, b = cupy.cuda.Event(), cupy.cuda.Event()

        def elapsed():
            b.synchronize()
            return cupy.cuda.get_elapsed_time(a, b)

        return a.record, b.record, elapsed

    n, long, m = size(10000, 64), size(500000000, 100000), size(6000, 40)
    a, b = cupy.random.rand(n, n, dtype=cupy.float32), cupy.random.rand(n, n, dtype=cupy.float32)
    report("cupy", '"product, fp32"', mark, lambda: a @ b)
    del a, b
    fused = cupy.fuse(lambda x: cupy.exp(x) + 3 * cupy.sin(x))
    for name, kind in (("fp32", cupy.float32), ("fp64", cupy.float64)):
        x = cupy.random.rand(long, dtype=kind)
        report("cupy", f'"exp(x) + 3*sin(x), {name}"', mark, lambda: fused(x))
    report("cupy", '"sum, fp64"', mark, lambda: float(x.sum()))
    del x
    y = cupy.random.randn(m, m)
    report("cupy", '"crossprod and chol, fp64"', mark, lambda: cupy.linalg.cholesky(y.T @ y))


for rows in (torch_rows, cupy_rows):
    try:
        rows()
    except ImportError as error:
        print(error, file=sys.stderr)
