"""Fills the database with sample tasks: ``python -m app.sample``."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.database import db
from app.models import Label, Project, Role, Status, Task, TaskAssignment, Worker, WorkerType
from colonnade import func, select
from colonnade.migrations import upgrade

PROJECTS = {
    "web": ("Website relaunch", ["landing page", "sign-up form", "search", "cookie notice"]),
    "billing": ("Billing", ["invoices", "dunning mails", "VAT report", "card updates"]),
    "mobile": ("Mobile app", ["offline mode", "push messages", "photo upload", "dark theme"]),
    "platform": ("Platform", ["staging cluster", "backups", "log retention", "on-call guide"]),
    "data": ("Data warehouse", ["nightly import", "revenue model", "churn report", "lineage"]),
}
STEPS = ["Research", "Design", "Build", "Test", "Document", "Review", "Ship", "Measure"]
PARTS = ["happy path", "edge cases", "error messages", "translations", "accessibility"]
WORKERS: list[tuple[str, str, WorkerType]] = [
    ("@ana", "Ana Lima", "human"),
    ("@ben", "Ben Okafor", "human"),
    ("@chiara", "Chiara Rossi", "human"),
    ("@devi", "Devi Nair", "human"),
    ("@claude-code", "Claude Code", "agent"),
    ("@review-bot", "Review bot", "agent"),
]
LABELS = ["bug", "feature", "debt", "urgent", "customer"]
ROLES: list[Role] = ["assignee", "reviewer", "observer"]


def make_tasks(topic: str, workers: list[Worker], chance: random.Random) -> Iterator[Task]:
    """The tasks of a topic. Some have subtasks, and some of these have a question."""
    for step in STEPS:
        task = make_task(f"{step} the {topic}", workers, chance)
        if chance.random() < 0.4:
            for part in chance.sample(PARTS, k=chance.randint(1, 3)):
                subtask = make_task(f"{step} the {topic}: {part}", workers, chance)
                task.subtasks.append(subtask)
                if chance.random() < 0.3:
                    question = make_task(f"Ask about the {topic}: {part}", workers, chance)
                    subtask.subtasks.append(question)
        yield task


def make_task(title: str, workers: list[Worker], chance: random.Random) -> Task:
    statuses: list[Status] = ["pending", "in_progress", "completed", "cancelled"]
    (status,) = chance.choices(statuses, weights=[5, 3, 4, 1])
    progress = {"pending": 0, "completed": 100}.get(status, 5 * chance.randint(1, 19))
    task = Task(
        title=title,
        status=status,
        priority=chance.choice(["low", "medium", "medium", "high"]),
        progress_percent=progress,
        description=f"{title}, and tell the team." if chance.random() < 0.3 else None,
    )
    for worker in chance.sample(workers, k=chance.randint(0, 2)):
        since = datetime.now(UTC) - timedelta(hours=chance.randint(1, 2000))
        role = chance.choice(ROLES)
        task.assignments.append(TaskAssignment(worker=worker, role=role, assigned_at=since))
    return task


def assign_project(
    task: Task, project: Project, labels: list[Label], chance: random.Random
) -> None:
    """Put a task and its subtasks in a project, with random labels."""
    task.project = project
    task.labels = chance.sample(labels, k=chance.randint(0, 2))
    for subtask in task.subtasks:
        assign_project(subtask, project, labels, chance)


def fill() -> int:
    """Store the sample data if there are no projects yet; the number of tasks."""
    upgrade(db, Path(__file__).parent)
    chance = random.Random(7)
    with db.session() as session:
        if session.exec(select(Project)).first() is None:
            labels = [Label(name=name) for name in LABELS]
            workers = [Worker(id=key, name=name, type=kind) for key, name, kind in WORKERS]
            session.add_all([*labels, *workers])
            for slug, (name, topics) in PROJECTS.items():
                project = Project(name=name, slug=slug)
                tasks = [task for topic in topics for task in make_tasks(topic, workers, chance)]
                session.add_all(tasks)
                with session.no_autoflush:
                    for task in tasks:
                        assign_project(task, project, labels, chance)
            session.commit()
        return session.exec(select(func.count()).select_from(Task)).one()


if __name__ == "__main__":
    print(f"{fill()} tasks in {db.url}")
