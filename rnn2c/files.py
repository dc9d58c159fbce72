"""Files written all or none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rnn2c.errors import Rnn2cError


def write_files(folder: Path, files: dict[str, str]) -> tuple[Path, ...]:
    """Write all files or none, each first under a temporary name; raises Rnn2cError."""
    if folder.is_symlink():
        raise Rnn2cError(
            f"{folder} is a symbolic link to {os.readlink(folder)}; give that folder itself"
        )
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    done: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            done.append((Path(temporary), folder / name))
            with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
                file.write(text)
            os.chmod(temporary, 0o644)
        _put_in_place(done)
    except OSError as error:
        raise Rnn2cError(f"cannot write to {folder}: {error.strerror or error}") from None
    finally:
        _clean([temporary for temporary, _ in done], made)
    return tuple(path for _, path in done)


def _put_in_place(done: list[tuple[Path, Path]]) -> None:
    """Rename every temporary file; if one cannot be renamed, put back what was there before."""
    backups: list[tuple[Path, Path]] = []
    fresh: list[Path] = []
    try:
        for temporary, path in done:
            if path.exists():
                backup = temporary.with_name(f"{temporary.name}.old")
                os.replace(path, backup)
                backups.append((backup, path))
            os.replace(temporary, path)
            fresh.append(path)
    except BaseException:
        for path in fresh:
            path.unlink()
        for backup, path in backups:
            os.replace(backup, path)
        raise
    for backup, _ in backups:
        backup.unlink()


def _clean(temporary: list[Path], made: list[Path]) -> None:
    """Remove what is left of temporary files, and folders that were made and are still empty."""
    for path in temporary:
        path.unlink(missing_ok=True)
    for folder in made:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
