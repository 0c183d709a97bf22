#!/usr/bin/env bash
# Makes .build/parity-venv: Python with ONNX Runtime and RapidOCR, which tests compare with. Does nothing when it is
# there and complete; starts again when requirements.txt has changed or a run was cut off.
#
#   --openvino   also OpenVINO, which only measurements compare with (ligature bench --against)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=$root/.build/parity-venv
requirements=$root/Tests/Parity/requirements.txt
# Without its own dependencies: it asks for the OpenCV that needs a window system.
rapidocr=rapidocr-onnxruntime==1.4.4

case "${1:-}" in
  "" | --openvino) ;;
  *) echo "usage: Tests/Parity/venv.sh [--openvino]" >&2; exit 64 ;;
esac

fail() { echo "parity: $*" >&2; exit 1; }

add_openvino() {
  "$venv/bin/python" -c 'import openvino' 2>/dev/null && return
  echo "parity: adding OpenVINO (some 60 MB)"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: -c "$requirements" \
    -r "$root/Tests/Parity/requirements-openvino.txt" \
    || fail "cannot install OpenVINO; check the network (or PIP_INDEX_URL) and run this again"
}

wanted="$(sha256sum "$requirements" | cut -d' ' -f1) $rapidocr $venv"
if [ "$(cat "$venv/complete" 2>/dev/null)" = "$wanted" ]; then
  if [ "${1:-}" = --openvino ]; then add_openvino; fi
  echo "parity: $venv is complete"
  exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "python3 is missing; install it with: apt-get install python3 python3-venv"
echo "parity: making $venv (some 100 MB of Python packages)"
"$python" -m venv --clear "$venv" || fail "cannot make it; install what is missing with: apt-get install python3-venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary=:all: -r "$requirements" \
  || fail "cannot install the packages; check the network (or PIP_INDEX_URL) and run this again"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$rapidocr" \
  || fail "cannot install $rapidocr; check the network (or PIP_INDEX_URL) and run this again"
"$venv/bin/python" -c 'import onnx, onnxruntime, rapidocr_onnxruntime' \
  || fail "the packages are installed but do not load; see the error above"
echo "$wanted" >"$venv/complete"
if [ "${1:-}" = --openvino ]; then add_openvino; fi
echo "parity: done"
