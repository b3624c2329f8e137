"""Set-up for a fresh Debian or Ubuntu: the packages it needs, ``.venv`` from ``requirements.lock``, Heddle itself.

Run as ``make setup`` or ``python3 scripts/setup.py``; standard library only. Nothing is done, and nothing said, when
nothing changed. Two at once take turns. Exit status 0 done, 2 with one line where something has to be mended by hand.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK_FILE = ROOT / "requirements.lock"
CUDA_LOCK_FILE = ROOT / "requirements-cuda.lock"
STAMP = VENV / "heddle-setup.stamp"
LOG = VENV / "setup.log"
#: minor versions of Python 3, the one to be preferred first: Debian 13, Ubuntu 24.04, Debian 12
PYTHONS = (13, 12, 11)
#: where PyTorch's project keeps its builds without CUDA; PyPI has none of them for Linux on x86
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PICOLIBC = Path("/usr/lib/picolibc/riscv64-unknown-elf/picolibc.specs")


class SetupError(Exception):
    """One line for the user; the status is 2."""


def say(text):
    print(f"setup: {text}", file=sys.stderr, flush=True)


def has_venv_module():
    return VENV.exists() or subprocess.run([sys.executable, "-c", "import ensurepip, venv"],
                                           capture_output=True, check=False).returncode == 0


def has_shared_python():
    """Whether the library that cocotb loads into the simulator is there."""
    name = f"libpython3.{sys.version_info.minor}.so.1.0"
    folders = [sysconfig.get_config_var("LIBDIR") or "/usr/lib"]
    folders += [f"{folders[0]}/{sysconfig.get_config_var('MULTIARCH')}", "/usr/lib/x86_64-linux-gnu"]
    return any((Path(folder) / name).exists() for folder in folders)


#: Debian package -> (what it is for, whether it is there)
PACKAGES = {
    f"python3.{sys.version_info.minor}-venv": ("makes .venv", has_venv_module),
    f"libpython3.{sys.version_info.minor}": ("runs cocotb inside the simulator", has_shared_python),
    "make": ("builds the simulators", lambda: shutil.which("make")),
    "g++": ("compiles the simulators", lambda: shutil.which("g++")),
    "perl": ("starts Verilator for cocotb", lambda: shutil.which("perl")),
    "gcc-riscv64-unknown-elf": ("compiles the firmware", lambda: shutil.which("riscv64-unknown-elf-gcc")),
    "picolibc-riscv64-unknown-elf": ("the firmware's C library", PICOLIBC.exists),
}


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR", "E:"))]
    return (errors or lines or ["it said nothing"])[-1]


def say_to_log(text):
    if LOG.parent.is_dir():
        with LOG.open("a", encoding="utf-8", errors="replace") as log:
            log.write(f"{text}\n")


def run(argv, what):
    """Run quietly with the output in the log; raise SetupError with its last line."""
    done = subprocess.run([str(part) for part in argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, encoding="utf-8", errors="replace", check=False)
    say_to_log(f"$ {' '.join(map(str, argv))}\n{done.stdout}")
    if done.returncode:
        raise SetupError(f"{what} failed (status {done.returncode}): {last_line(done.stdout)}")


def apt_prefix():
    """How this user may run apt-get; None without the rights."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return ["env", "DEBIAN_FRONTEND=noninteractive"]
    sudo = ["sudo", "-n", "true"]
    if shutil.which("sudo") and subprocess.run(sudo, capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    return None


def install_packages():
    missing = [name for name, (_, present) in PACKAGES.items() if not present()]
    if not missing:
        return
    prefix = apt_prefix()
    if prefix is None:
        raise SetupError(f"Debian packages are missing and this user may not install them; run\n"
                         f"    sudo apt-get install -y --no-install-recommends {' '.join(missing)}\n"
                         f"and then the same command again")
    for name in missing:
        say(f"installing the Debian package {name} ({PACKAGES[name][0]})")
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *missing]
    try:
        run(install, "apt-get install")
    except SetupError:
        # A new machine has no package lists, an old one has stale ones.
        run([*prefix, "apt-get", "update"], "apt-get update")
        run(install, "apt-get install")
    still = [name for name in missing if not PACKAGES[name][1]()]
    if still:
        raise SetupError(f"apt-get installed {', '.join(still)}, but it is still not found; "
                         f"is this Debian 12 or 13, or Ubuntu 24.04?")


def venv_is_usable():
    """Whether ``.venv`` runs this Python from this folder; one that was moved or half made does not."""
    probe = "import sys, pip; print(sys.prefix, sys.version, sep='|')"
    try:
        done = subprocess.run([VENV / "bin/python", "-c", probe], capture_output=True, encoding="utf-8",
                              errors="surrogateescape", check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == f"{VENV}|{sys.version}"


def wanted_stamp():
    """Digest of everything that decides what ``.venv`` holds."""
    digest = hashlib.sha256(f"{ROOT}\0{sys.version}".encode(errors="surrogateescape"))
    for path in (LOCK_FILE, CUDA_LOCK_FILE, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def locked():
    """The lines of the lock file that name a package."""
    return [line for line in LOCK_FILE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def install_torch(pip):
    """torch's CPU build, from the user's own index or else PyTorch's; failing both, what there is and what that needs.

    The later ``pip install -r`` finds it there and lets it be. The CUDA build does not load without CUDA's libraries,
    so these come with it.
    """
    torch = next(line for line in locked() if line.startswith("torch=="))
    for index in ((), ("--index-url", TORCH_CPU_INDEX, "--retries", "1", "--timeout", "15")):
        try:
            return run([*pip, *index, f"{torch}+cpu"], "pip install torch")
        except SetupError as error:
            say_to_log(f"no CPU build of {torch} here: {error}")
    run([*pip, torch], "pip install torch")
    if list(VENV.glob("lib/*/site-packages/torch/lib/libtorch_cuda*")):
        say(f"no index within reach has torch's CPU build ({TORCH_CPU_INDEX} has, or name one in "
            f"PIP_EXTRA_INDEX_URL); installing CUDA's libraries for the build that there is (2.5 GB, unused)")
        run([*pip, "-r", CUDA_LOCK_FILE], "pip install of CUDA's libraries")
    return None


def install_python():
    wanted = wanted_stamp()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted and venv_is_usable():
        return
    STAMP.unlink(missing_ok=True)
    if not venv_is_usable():
        say("making .venv")
        run([sys.executable, "-m", "venv", "--clear", VENV], "python3 -m venv")
    pip = [VENV / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--no-deps",
           "--no-compile"]
    say(f"installing {len(locked())} Python packages from {LOCK_FILE.name} into .venv (a minute or two)")
    install_torch(pip)
    run([*pip, "-r", LOCK_FILE], "pip install")
    say("installing Heddle into .venv")
    run([*pip, "--no-build-isolation", "--config-settings", "editable_mode=compat", "-e", ROOT], "pip install -e")
    say("preparing the tools (once)")
    run([VENV / "bin/python", "-m", "hw.tools", "--prepare"], "preparing the tools")
    partial = STAMP.with_suffix(".partial")
    partial.write_text(wanted, encoding="utf-8")
    partial.rename(STAMP)


def another_python():
    """A Python on the PATH that Heddle runs on; a name alone may be a launcher of what is not installed."""
    for minor in PYTHONS:
        for folder in os.get_exec_path():
            path = shutil.which(f"python3.{minor}", path=folder)
            if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
                return path
    return None


def main():
    """Exit status; the messages go to standard error."""
    if sys.version_info[1] not in PYTHONS:
        if other := another_python():
            os.execv(other, [other, str(Path(__file__).resolve())])
        say(f"Python 3.11, 3.12 or 3.13 is needed and this is {sys.version.split()[0]}; "
            f"run: sudo apt-get install -y python3 (on Debian 12 or 13 or Ubuntu 24.04), or name one: make setup "
            f"PYTHON=PATH")
        return 2
    root = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        install_packages()
        install_python()
    except SetupError as error:
        say(str(error))
        return 2
    except OSError as error:
        say(f"{error.strerror}: {error.filename or VENV}; mend it and run the same command again")
        return 2
    except KeyboardInterrupt:
        say("interrupted; the same command goes on from here")
        return 130
    finally:
        os.close(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
