"""Which files of a folder a build sees: those that .dockerignore leaves."""
import os
import re
from pathlib import Path


def pattern_expression(pattern):
    """Docker's patterns: * within a name, ** across folders, ?, and whatever lies below a match."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    translated = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(translated.get(part, re.escape(part)) for part in parts) + r"(?:/.*)?")


class Context:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.rules = []  # (excludes, expression); the last that matches decides
        ignore = self.folder / ".dockerignore"
        for line in ignore.read_text().splitlines() if ignore.exists() else []:
            line = line.strip()
            if line and not line.startswith("#"):
                self.rules.append((not line.startswith("!"), pattern_expression(line.lstrip("!"))))

    def has(self, name):
        """Whether a path relative to the folder, "/" between its parts, is seen."""
        excluded = False
        for excludes, expression in self.rules:
            if expression.fullmatch(name):
                excluded = excludes
        return not excluded

    def files(self, under="."):
        """Relative paths of all files seen below (or at) a path."""
        start = self.folder / under
        if start.is_file():
            name = os.path.normpath(under)
            return [name] if self.has(name) else []
        found = []
        for folder, _, names in os.walk(start):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.folder)
                if self.has(path):
                    found.append(path)
        return sorted(found)
