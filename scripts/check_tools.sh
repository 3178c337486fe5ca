#!/usr/bin/env bash
# Find what the set-up needs and name what is missing. Writes the chosen Python's path to the file given.
set -u
missing=0
say() { echo "setup: $1" >&2; missing=1; }

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
  if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || say "Python 3.11, 3.12 or 3.13 with venv is missing. Debian: apt install python3 python3-venv. macOS: brew install python@3.13"
command -v node >/dev/null || say "Node.js 18 or newer is missing. Debian: apt install nodejs npm. macOS: brew install node"
command -v npm >/dev/null || say "npm is missing; it usually comes with Node.js. Debian: apt install npm"
command -v git >/dev/null || say "git is missing. Debian: apt install git"
command -v gcc >/dev/null || command -v cc >/dev/null || say "a C compiler is missing. Debian: apt install gcc. macOS: xcode-select --install"
[ "$missing" -eq 0 ] || exit 4
echo "$python" > "$1"
