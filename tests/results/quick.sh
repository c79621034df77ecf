#!/bin/sh
# Trains the method and its plainest baseline on a small task and fails unless the method is better.
# usage: quick.sh build/genseg. Killed, it goes on where it was.
set -eu
genseg=$1 data=build/results-data out=build/results-quick
[ -e build/mnist/t10k-labels-idx1-ubyte ] || docker/mnist.sh build/mnist
[ -e $data/dataset.json ] ||
  "$genseg" data synthetic --mnist build/mnist --out $data --train 10000 --validation 500 --test 1000 \
    --annotated 0.01 --seed 1
# What another program trained says nothing of this one.
mkdir -p $out
sha256sum "$genseg" | cmp -s - $out/program.sha256 || { rm -rf $out; mkdir -p $out; sha256sum "$genseg" >$out/program.sha256; }
"$genseg" experiment tests/results/quick.json --out $out
tests/results/better.py $out/results.json genseg segmentation_only
