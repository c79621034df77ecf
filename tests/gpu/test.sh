#!/bin/bash
# What only a GPU can show: operations and training steps against the reference, parity, CUDA's own checkers
# of memory and races, and a training that is interrupted. Run by `make test-gpu` after a build.
# usage: test.sh build [genseg_torch.py]
# PYTHON is one that has torch, for the parity of every preset; without it the first in PATH.
#
# Exit status: 0 all passed, 1 something failed, 2 there is no GPU or something else is missing.
set -u
build=$(cd "$1" && pwd) reference=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
export PYTHON=${PYTHON:-python3}
genseg=$build/genseg tiny=$here/../train/tiny
export GENSEG_CUDA_PLUGIN=$build/libgenseg_cuda.so OMP_WAIT_POLICY=passive
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {
  echo "test-gpu: $1" >&2
  exit 2
}

[ -r "$GENSEG_CUDA_PLUGIN" ] || missing "$GENSEG_CUDA_PLUGIN was not built: CUDA 13 with nvcc and cuDNN 9 are needed"
"$genseg" bench --op segment --preset tiny --backend cuda --iterations 1 >"$work/first" 2>&1 ||
  missing "no GPU can be used: $(tail -1 "$work/first")"
sanitizer=$(command -v compute-sanitizer || echo "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")
[ -x "$sanitizer" ] || missing "compute-sanitizer is not in PATH or in CUDA_HOME/bin"

failed=""
check() { # name command…
  local name=$1
  shift
  echo "== $name"
  SECONDS=0
  if "$@" >"$work/log" 2>&1; then
    tail -2 "$work/log" | sed 's/^/   /'
    echo "   $SECONDS s"
  else
    tail -25 "$work/log" | sed 's/^/   /'
    failed="$failed, $name"
  fi
}

parity() { # precision
  "$genseg" parity --weights "$tiny/weights.safetensors" --case "$tiny/case.safetensors" --preset tiny \
    --backend cuda --precision "$1"
}

sanitized() { # tool command…
  local tool=$1
  shift
  "$sanitizer" --tool "$tool" --error-exitcode 9 "$@"
}

make_brains() { # dataset
  "$genseg" data phantom --kind brain --out "$work/patients" --scale 4 --cases 12 --seed 1 &&
    "$genseg" data brats --in "$work/patients" --out "$1" --scale 4 --annotated 0.5 --seed 1
}

# Twelve steps in one piece and in two: the checkpoints' tensors are the same, byte for byte.
resume() { # precision
  local data=$work/data whole=$work/whole-$1 cut=$work/cut-$1
  [ -e "$data" ] || make_brains "$data" || return 1
  local common=(train --dataset "$data" --width 0.25 --batch-size 2 --backend cuda --precision "$1"
    --validate-every 6 --checkpoint-every 6)
  "$genseg" "${common[@]}" --out "$whole" --max-steps 12 &&
    "$genseg" "${common[@]}" --out "$cut" --max-steps 6 &&
    "$genseg" "${common[@]}" --out "$cut" --max-steps 12 --resume &&
    "$PYTHON" "$here/same_tensors.py" "$whole/checkpoint.safetensors" "$cut/checkpoint.safetensors"
}

check "operations against the reference" "$build/tests/test_cuda_operations"
check "training steps of every method against the reference" "$build/tests/test_cuda_steps"
for precision in fp32 tf32 bf16; do
  check "parity with PyTorch's dump of tiny, $precision" parity "$precision"
done
for precision in fp32 bf16; do
  check "a training goes on bit for bit, $precision" resume "$precision"
done
for tool in memcheck racecheck; do
  check "$tool of all operations" sanitized "$tool" "$build/tests/test_cuda_operations"
  check "$tool of training steps" sanitized "$tool" "$build/tests/test_cuda_steps"
done
if [ -n "$reference" ] && [ -r "$reference" ] && "$PYTHON" -c 'import torch' 2>/dev/null; then
  check "parity of every preset with PyTorch" "$here/../train/parity.sh" "$reference" "$genseg" \
    "" cuda fp32 tf32 bf16
else
  echo "== parity of every preset: not run, as REFERENCE=genseg_torch.py or torch for $PYTHON is missing"
fi

[ -z "$failed" ] || { echo "failed:${failed#,}"; exit 1; }
echo "all passed on: $(tail -1 "$work/first")"
