"""The real protocols' bytecode, read at build time from npm packages and `contracts/out`. Nothing of it is committed,
except Multicall3's runtime (MIT), which no package carries."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from chains.tools import NODE_MODULES, ROOT, MissingTool, npm_package
from chains.twin.errors import WrongBytecode

WETH9_CODE_HASH = "d0a06b12ac47863b5c7be4185c2deaad1c61557033f56c7d4ea74429cbb25e23"
MULTICALL3_CODE_HASH = "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"

_DATA = Path(__file__).parent / "data"
_CONTRACTS_OUT = ROOT / "contracts" / "out"
_WETH9_METADATA = bytes.fromhex("deb4c2ccab3c2fdca32ab3f46728389c2fe2c165d5fafa07661e4e004f6c344a")
_METADATA_TAIL = slice(-34, -2)


def creation_code(artefact: str) -> bytes:
    """The creation code in an artefact, named `@scope/package/path`. Raises `MissingTool`."""
    return _npm_code(artefact, "bytecode")


def runtime_code(artefact: str) -> bytes:
    """The runtime of a contract without immutables, from an artefact named as `creation_code`'s. Raises as that."""
    return _npm_code(artefact, "deployedBytecode")


def _npm_code(artefact: str, kind: str) -> bytes:
    scope, package, path = artefact.split("/", 2)
    code = _read_json(npm_package(f"{scope}/{package}") / path)[kind]
    # Hardhat's artefacts hold the code itself, Foundry's an object around it.
    text = code["object"] if isinstance(code, dict) else code
    return bytes.fromhex(str(text).removeprefix("0x"))


def own_contract(name: str, kind: str = "bytecode") -> bytes:
    """The creation code (or with `kind="deployedBytecode"` the runtime) of a contract of ours. Raises `MissingTool`."""
    code = _read_json(_CONTRACTS_OUT / f"{name}.sol" / f"{name}.json")[kind]["object"]
    return bytes.fromhex(str(code).removeprefix("0x"))


def weth9_runtime() -> bytes:
    """Mainnet's WETH9, byte for byte: compiled from npm's source by the compiler of its day.

    The last bytes before the length are a hash of the source file's name and layout, which differ between npm's copy
    and the one deployed in 2017; mainnet's is written over it, and the code hash proves the rest.
    Raises `MissingTool`, `WrongBytecode`.
    """
    node = shutil.which("node")
    if node is None:
        raise MissingTool("node is not installed; it is needed to compile WETH9")
    for package in ("solc-0.4.19", "canonical-weth"):
        npm_package(package)
    script = Path(__file__).with_name("compile_weth9.js")
    done = subprocess.run(
        [node, "--no-warnings", str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"NODE_PATH": str(NODE_MODULES)},
    )
    if done.returncode:
        raise MissingTool(f"WETH9 did not compile: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    code = bytearray.fromhex(done.stdout)
    code[_METADATA_TAIL] = _WETH9_METADATA
    return _checked("WETH9", bytes(code), WETH9_CODE_HASH)


def multicall3_runtime() -> bytes:
    """Multicall3's runtime. Raises `WrongBytecode`."""
    code = bytes.fromhex(_read_json(_DATA / "multicall3.json")["code"][2:])
    return _checked("Multicall3", code, MULTICALL3_CODE_HASH)


def _checked(name: str, code: bytes, expected_hash: str) -> bytes:
    found = keccak(code).hex()
    if found != expected_hash:
        raise WrongBytecode(f"{name}'s runtime hashes to {found}, mainnet's to {expected_hash}; run `make setup` again")
    return code


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        raise MissingTool(f"{file.relative_to(ROOT)} is missing; run `make setup`") from None
