#!/usr/bin/env python3
"""Holds what ptxas reports of every kernel and architecture against a budget.

budget.py BUDGET REPORT...    reports: FAMILY.ptxas, what nvcc -Xptxas -v wrote of FAMILY.cu

Prints a table of the largest numbers. Fails where a kernel takes more registers or spills more bytes
than its line permits, has no line, or a line has no kernel.
"""
import pathlib
import re
import sys

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(sm_\d+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def kernel_name(mangled):
    """_Z14combine_kernel11combine_job -> combine_kernel; with what a template is for in brackets."""
    length = re.match(r"_Z(\d+)", mangled)
    if not length:
        raise SystemExit(f"cannot read the kernel's name {mangled}")
    end = length.end() + int(length[1])
    name, rest = mangled[length.end():end], mangled[end:]
    parameter = re.match(r"I(\d+)", rest)
    if parameter:
        start = parameter.end()
        name += f"<{rest[start:start + int(parameter[1])]}>"
    return name


def read_report(path):
    """Yields (family, kernel), architecture, registers, spilled bytes."""
    kernel = spilled = None
    for line in path.read_text().splitlines():
        if entry := ENTRY.search(line):
            kernel, spilled = entry, None
        elif (stack := STACK.search(line)) and kernel and spilled is None:
            spilled = int(stack[2]) + int(stack[3])
        elif (registers := REGISTERS.search(line)) and kernel:
            yield (path.stem, kernel_name(kernel[1])), kernel[2], int(registers[1]), spilled
            kernel = None


def read_budget(path):
    budget = {}
    for line in path.read_text().splitlines():
        fields = line.split("#")[0].split()
        if fields:
            family, kernel, registers, spilled = fields
            budget[family, kernel] = int(registers), int(spilled)
    return budget


def main():
    budget, used, architectures = read_budget(pathlib.Path(sys.argv[1])), {}, {}
    for report in sys.argv[2:]:
        for key, architecture, registers, spilled in read_report(pathlib.Path(report)):
            most = used.get(key, (0, 0))
            used[key] = max(most[0], registers), max(most[1], spilled)
            architectures.setdefault(architecture, set()).add(key)
    failures = [f"{' '.join(key)} is in no report" for key in budget if key not in used]
    failures += [f"{architecture} lacks {' '.join(key)}" for architecture, have in architectures.items()
                 for key in used if key not in have]
    for key, (registers, spilled) in sorted(used.items()):
        print(f"{key[0]:18}{key[1]:40}{registers:4} registers{spilled:4} bytes spilled")
        if key not in budget:
            failures.append(f"{' '.join(key)} has no budget")
        elif registers > budget[key][0] or spilled > budget[key][1]:
            failures.append(f"{' '.join(key)}: {registers} registers and {spilled} bytes spilled, not "
                            f"{budget[key][0]} and {budget[key][1]}")
    print(f"{len(used)} kernels for {', '.join(sorted(architectures))}")
    if not used:
        failures.append("no kernel was reported")
    sys.exit("\n".join(failures) or None)


main()
