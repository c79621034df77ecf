"""What every Dockerfile of ours must hold. Each rule gives its complaints as (line, text)."""
import re
import shlex
import subprocess

import dockerfile

OPERATORS = {"|", "|&", ";", "&", "&&", "||", "(", ")"}


def pinned(image):
    """Whether an image has a tag, and one that says a version."""
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return bool(re.search(r"\d", tag)) and "latest" not in tag


def images_are_pinned(stages, _context):
    known = set()
    for stage in stages:
        if stage.base not in known and not pinned(stage.base):
            yield stage.line, f"{stage.base} has no tag that pins a version"
        known.add(stage.name)


def final_stage_is_complete(stages, _context):
    stage = stages[-1]
    for name in ("USER", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT"):
        if not stage.last(name):
            yield stage.line, f"the last stage has no {name}"
    for name in ("ENTRYPOINT", "CMD"):
        instruction = stage.last(name)
        if instruction and not instruction.is_array():
            yield instruction.line, f"{name} of a shell, which would take signals: give an array"


def final_user_is_not_root(stages, _context):
    user = stages[-1].last("USER")
    if user and user.text.split(":")[0] in ("root", "0"):
        yield user.line, "the last stage runs as root"


def health_check_is_bounded(stages, _context):
    check = stages[-1].last("HEALTHCHECK")
    if check:
        dockerfile.health_command(check)
        for flag in ("interval", "timeout"):
            if not re.fullmatch(r"\d+[sm]", check.flags.get(flag, "")):
                yield check.line, f"HEALTHCHECK without --{flag}"


def nothing_is_added(stages, _context):
    for stage in stages:
        for instruction in stage.instructions:
            if instruction.name == "ADD":
                yield instruction.line, "ADD fetches and unpacks: use COPY"


def copied_files_exist(stages, context):
    earlier = set()
    for stage in stages:
        for copy in (i for i in stage.instructions if i.name == "COPY"):
            *sources, target = copy.words()
            origin = copy.flags.get("from")
            if origin and origin not in earlier:
                yield copy.line, f"COPY from {origin}, which is no earlier stage"
            if not sources or (len(sources) > 1 and not target.endswith("/")):
                yield copy.line, "COPY of several needs a folder, with a slash at its end"
            for source in sources if not origin else []:
                if not context.files(source):
                    yield copy.line, f"nothing to copy at {source}, or .dockerignore hides it"
        earlier.add(stage.name)


def shell_tokens(text):
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    return list(lexer)


def commands_stop_at_errors(stages, _context):
    """A RUN must fail when any command of it does: && between commands, or set -e before them."""
    for stage in stages:
        for run in (i for i in stage.instructions if i.name == "RUN" and not i.is_array()):
            checked = subprocess.run(["sh", "-n", "-c", run.text], capture_output=True, text=True)
            if checked.returncode != 0:
                yield run.line, f"no shell would run this: {checked.stderr.strip()}"
                continue
            operators = set(shell_tokens(run.text)) & OPERATORS
            if operators & {"|", "|&"}:
                yield run.line, "a pipe hides a failure on its left"
            if "&" in operators:
                yield run.line, "a command in the background may fail unseen"
            if ";" in operators and not re.match(r"set -[a-z]*e", run.text):
                yield run.line, "commands after ; run whatever failed before: start with set -e, or use &&"


def package_lists_are_removed(stages, _context):
    for stage in stages:
        for run in (i for i in stage.instructions if i.name == "RUN"):
            if not re.search(r"apt-get|packages\.sh", run.text):
                continue
            if not re.search(r"rm -rf [^;&|]*/var/lib/apt/lists/\*", run.text):
                yield run.line, "apt's lists stay in the layer: rm -rf /var/lib/apt/lists/*"
            if "apt-get install" in run.text and not {"-y", "--no-install-recommends"} <= set(run.text.split()):
                yield run.line, "apt-get install without -y and --no-install-recommends"


RULES = [images_are_pinned, final_stage_is_complete, final_user_is_not_root, health_check_is_bounded, nothing_is_added,
         copied_files_exist, commands_stop_at_errors, package_lists_are_removed]


def complaints(text, context):
    """All complaints about a Dockerfile's text as "line N: …"; nothing unreadable passes."""
    try:
        stages = dockerfile.parse(text)
        found = [complaint for rule in RULES for complaint in rule(stages, context)]
    except (dockerfile.SyntaxProblem, ValueError) as problem:
        return [str(problem)]
    return [f"line {line}: {what}" for line, what in sorted(found)]
