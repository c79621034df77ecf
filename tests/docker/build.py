"""Executes a Dockerfile's instructions in folders, stage by stage, as an engine would."""
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import dockerfile
import rootfs
from context import Context


@dataclass
class Image:
    root: Path
    environment: dict = field(default_factory=dict)
    user: str = "root"
    workdir: str = "/"
    entrypoint: list = field(default_factory=list)
    command: list = field(default_factory=list)
    health: list = field(default_factory=list)
    stop_signal: str = "SIGTERM"
    volumes: list = field(default_factory=list)


def copy_into(source, target, to_folder):
    """COPY of one source: of a folder what is in it, a file into a folder or to a name."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        rootfs.command(["cp", "-a", f"{source}/.", f"{target}/"])
        return
    place = target / source.name if to_folder or target.is_dir() else target
    place.parent.mkdir(parents=True, exist_ok=True)
    rootfs.command(["cp", "-a", source, place])


class Build:
    def __init__(self, folder, work, provide_base):
        """`folder` is the build context; `provide_base(image, root)` fills a root with an image of a registry."""
        self.context, self.work, self.provide_base = Context(folder), Path(work), provide_base
        self.stages = {}

    def execute(self, path):
        """The image of the Dockerfile's last stage."""
        for number, stage in enumerate(dockerfile.read(path)):
            image = self.begin(stage, self.work / f"stage-{number}")
            for instruction in stage.instructions:
                getattr(self, "do_" + instruction.name.lower())(image, instruction)
            rootfs.release(image.root)
            self.stages[stage.name] = image
        return image

    def begin(self, stage, root):
        earlier = self.stages.get(stage.base)
        if earlier:
            rootfs.duplicate(earlier.root, root)
            return Image(root, dict(earlier.environment), earlier.user, earlier.workdir)
        self.provide_base(stage.base, root)
        return Image(root)

    def do_run(self, image, instruction):
        words = instruction.array() if instruction.is_array() else ["/bin/sh", "-c", instruction.text]
        if image.user != "root":
            raise NotImplementedError(f"line {instruction.line}: RUN after USER {image.user}")
        rootfs.run(image.root, words, image.environment, image.workdir)

    def do_copy(self, image, instruction):
        *sources, name = instruction.words()
        target = rootfs.inside(image.root, name, image.workdir)
        origin = instruction.flags.get("from")
        for source in sources:
            if origin:
                copy_into(rootfs.inside(self.stages[origin].root, source), target, name.endswith("/"))
            else:
                self.copy_from_context(source, target, name.endswith("/"))

    def copy_from_context(self, source, target, to_folder):
        """Only what .dockerignore leaves, and it belongs to root."""
        start = self.context.folder / source
        seen = self.work / "context"
        shutil.rmtree(seen, ignore_errors=True)
        for name in self.context.files(source):
            (seen / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.context.folder / name, seen / name)
        rootfs.command(["chown", "-R", "root:root", seen])
        copy_into(seen / start.relative_to(self.context.folder), target, to_folder)

    def do_env(self, image, instruction):
        image.environment.update(dockerfile.environment(instruction))

    def do_workdir(self, image, instruction):
        image.workdir = str(Path(image.workdir) / instruction.text)
        rootfs.inside(image.root, image.workdir).mkdir(parents=True, exist_ok=True)

    def do_user(self, image, instruction):
        image.user = instruction.text

    def do_volume(self, image, instruction):
        image.volumes += instruction.words()

    def do_healthcheck(self, image, instruction):
        image.health = dockerfile.health_command(instruction)

    def do_stopsignal(self, image, instruction):
        image.stop_signal = instruction.text

    def do_entrypoint(self, image, instruction):
        image.entrypoint, image.command = instruction.array(), []

    def do_cmd(self, image, instruction):
        image.command = instruction.array()
