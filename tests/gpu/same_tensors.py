#!/usr/bin/python3
"""Whether two safetensors files hold the same tensors, byte for byte; their metadata may differ.
usage: same_tensors.py A B"""
import json
import struct
import sys
from pathlib import Path


def tensors(path):
    data = Path(path).read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size:]
    return {name: body[slice(*entry["data_offsets"])] for name, entry in header.items()}


def main(a, b):
    first, second = tensors(a), tensors(b)
    if first.keys() != second.keys():
        sys.exit(f"the files have other tensors: {sorted(first.keys() ^ second.keys())[:5]}")
    differing = [name for name in first if first[name] != second[name]]
    if differing:
        sys.exit(f"{len(differing)} of {len(first)} tensors differ, the first is {differing[0]}")
    print(f"{len(first)} tensors are the same")


if __name__ == "__main__":
    main(*sys.argv[1:])
