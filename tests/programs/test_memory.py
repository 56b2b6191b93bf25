"""What one update frees is there for the next: the system is not asked for it anew."""

import platform
import subprocess
import sys

import pytest

UPDATES = """
import resource, sys, torch, probrl as pr
torch.set_num_threads(1)
model = pr.Diffusion("x", pr.networks.TimeMLP(2, hidden=(256, 256)))
step = pr.Minimize(pr.mean(model.matching(pr.symbols("x"))), wrt=model, optimizer=pr.Adam()).compile(backend="eager")
batch = {"x": torch.randn(512, 2)}
pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):  # the heap grows to what it needs
    step(batch)
before = pages()
for _ in range(100):
    step(batch)
print((pages() - before) / 100)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have rules of their own")
def test_an_update_asks_the_system_for_hardly_a_page():
    done = subprocess.run([sys.executable, "-c", UPDATES], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10  # 25 to 60 otherwise
