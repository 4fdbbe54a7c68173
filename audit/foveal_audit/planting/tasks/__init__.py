"""The tasks, by name."""

from __future__ import annotations

from foveal_audit.planting.scene import Task
from foveal_audit.planting.tasks.aerial import AERIAL
from foveal_audit.planting.tasks.digits import DIGITS
from foveal_audit.planting.tasks.lesions import LESIONS
from foveal_audit.planting.tasks.nodules import NODULES
from foveal_audit.planting.tasks.parts import PARTS
from foveal_audit.planting.tasks.textile import TEXTILE

TASKS: dict[str, Task] = {task.name: task for task in (LESIONS, NODULES, PARTS, TEXTILE, DIGITS, AERIAL)}
