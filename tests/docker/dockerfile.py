"""Reads Dockerfiles: instructions with their flags and arguments, in stages."""
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

INSTRUCTIONS = {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "ONBUILD",
                "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}


class SyntaxProblem(Exception):
    """What no engine would accept, or what is not read here (variables, here-documents, parser directives)."""


@dataclass(frozen=True)
class Instruction:
    line: int
    name: str
    flags: dict
    text: str  # without flags; continued lines are joined

    def words(self):
        """The arguments, of either form."""
        return self.array() if self.is_array() else shlex.split(self.text)

    def is_array(self):
        return self.text.startswith("[")

    def array(self):
        words = json.loads(self.text)
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise SyntaxProblem(f"line {self.line}: not an array of strings: {self.text}")
        return words


@dataclass
class Stage:
    base: str
    name: str
    line: int
    instructions: list = field(default_factory=list)

    def last(self, name):
        """The instruction of this name that holds, or None."""
        found = [i for i in self.instructions if i.name == name]
        return found[-1] if found else None


def logical_lines(text):
    """(number, line) with continuations joined; comments and empty lines fall out, also within."""
    start, parts = 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*(#|$)", line):
            continue
        if not parts:
            start = number
        if line.rstrip().endswith("\\"):
            parts.append(line.rstrip()[:-1])
            continue
        yield start, "".join([*parts, line]).strip()
        parts = []
    if parts:
        raise SyntaxProblem(f"line {start}: goes on after the file's end")


def parse_instruction(number, line):
    name, _, rest = line.partition(" ")
    if name not in INSTRUCTIONS:
        raise SyntaxProblem(f"line {number}: no instruction: {name}")
    flags, rest = {}, rest.strip()
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        flags[match[1]] = match[2]
        rest = rest[match.end():]
    if not rest:
        raise SyntaxProblem(f"line {number}: {name} of nothing")
    if "<<" in rest or (name not in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK") and "$" in rest):
        raise SyntaxProblem(f"line {number}: here-documents and variables of builds are not used here")
    instruction = Instruction(number, name, flags, rest)
    try:
        if instruction.is_array():
            instruction.array()
    except ValueError as problem:
        raise SyntaxProblem(f"line {number}: {problem}") from problem
    return instruction


def parse_from(instruction):
    words = instruction.words()
    if len(words) == 1:
        return Stage(words[0], "", instruction.line)
    if len(words) == 3 and words[1] == "AS":
        return Stage(words[0], words[2], instruction.line)
    raise SyntaxProblem(f"line {instruction.line}: not FROM IMAGE [AS NAME]")


def parse(text):
    """The stages of a Dockerfile, in order."""
    stages = []
    for number, line in logical_lines(text):
        instruction = parse_instruction(number, line)
        if instruction.name == "FROM":
            stages.append(parse_from(instruction))
        elif not stages:
            raise SyntaxProblem(f"line {number}: {instruction.name} before FROM")
        else:
            stages[-1].instructions.append(instruction)
    if not stages:
        raise SyntaxProblem("no FROM")
    return stages


def read(path):
    return parse(Path(path).read_text())


def health_command(instruction):
    """The command of a HEALTHCHECK, as words for exec."""
    if not instruction.text.startswith("CMD "):
        raise SyntaxProblem(f"line {instruction.line}: HEALTHCHECK without CMD")
    command = Instruction(instruction.line, "CMD", {}, instruction.text[4:].strip())
    return command.array() if command.is_array() else ["/bin/sh", "-c", command.text]


def environment(instruction):
    """{name: value} of an ENV."""
    words = instruction.words()
    if not all(re.fullmatch(r"[A-Za-z_]\w*=.*", word, re.S) for word in words):
        raise SyntaxProblem(f"line {instruction.line}: not ENV NAME=VALUE …")
    return dict(word.split("=", 1) for word in words)
