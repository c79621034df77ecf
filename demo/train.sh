#!/bin/sh
# Trains demo/model.safetensors on the demo's data set, as demo/README.md records.
# usage: train.sh build/genseg DATASET
set -eu
genseg=$1 dataset=$2 out=build/demo-model
"$genseg" train --dataset "$dataset" --out $out/first --preset brain --width 0.25 --batch-size 8 \
  --min-annotated 2 --weights seg=0.5 --seed 1 --threads 2 --max-steps 2495
"$genseg" train --dataset "$dataset" --out $out/second --init $out/first/checkpoint.safetensors \
  --batch-size 4 --min-annotated 2 --weights seg=50 --seed 2 --threads 1 --max-steps "${STEPS:-12000}" \
  --validate-every 200 --checkpoint-every 200
cp $out/second/model.safetensors demo/model.safetensors
"$genseg" eval --model demo/model.safetensors --dataset "$dataset" --split test
