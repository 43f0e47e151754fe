"""What a program does with the demo, through a client that openapi-python-client generates.

Run by the Python that has the client installed, with the demo's URL.
"""

import sys

from tracker_client import Client
from tracker_client.api.labels import list_labels
from tracker_client.api.projects import create_project, delete_project, update_project
from tracker_client.api.tasks import (
    create_task,
    delete_task,
    link_task_worker,
    list_tasks,
    read_task,
    update_task,
)
from tracker_client.models import (
    Deleted,
    ListTasksRelationFilters,
    ProblemDetails,
    ProjectCreateWithRelations,
    ProjectTasksChanges,
    ProjectTasksCreate,
    ProjectTasksUpdate,
    ProjectUpdateWithRelations,
    ProjectWritten,
    TaskAssignmentLink,
    TaskAssignmentRole,
    TaskCreateWithRelations,
    TaskField,
    TaskInclude,
    TaskOrderBy,
    TaskPriority,
    TaskStatus,
    TaskSubtasksCreate,
    TaskUpdateWithRelations,
    TaskWritten,
)

client = Client(base_url=sys.argv[1])

body = TaskCreateWithRelations(title="From Python", priority=TaskPriority.HIGH)
task = create_task.sync(client=client, body=body)
assert isinstance(task, TaskWritten), task
assert task.status is TaskStatus.PENDING

link = TaskAssignmentLink(role=TaskAssignmentRole.REVIEWER)
link_task_worker.sync(task.id, "@claude-code", client=client, body=link)
changed = update_task.sync(
    task.id, client=client, body=TaskUpdateWithRelations(progress_percent=50)
)
assert isinstance(changed, TaskWritten)
assert changed.progress_percent == 50

web = ListTasksRelationFilters.from_dict({"project__slug": "web"})
listed = list_tasks.sync(
    client=client,
    status_in=[TaskStatus.PENDING, TaskStatus.IN_PROGRESS],
    order_by=[TaskOrderBy("-progress_percent")],
    include=[TaskInclude.PROJECT, TaskInclude.ASSIGNMENTS_WORKER],
    relation_filters=web,
    limit=5,
)
assert isinstance(listed, list)
assert len(listed) == 5
assert all(row.project.slug == "web" for row in listed)

titles = list_tasks.sync(client=client, fields=[TaskField.ID, TaskField.TITLE], limit=1)
assert [set(row.to_dict()) for row in titles] == [{"id", "title"}]

plan = ProjectTasksCreate(title="Plan", subtasks=[TaskSubtasksCreate(title="Read")])
report = ProjectCreateWithRelations(name="From Python", slug="from-python", tasks=[plan])
project = create_project.sync(client=client, body=report)
assert isinstance(project, ProjectWritten), project
assert project.tasks[0].subtasks[0].title == "Read"
changes = ProjectTasksChanges(
    update=[ProjectTasksUpdate(id=project.tasks[0].id, status=TaskStatus.COMPLETED)],
    create=[ProjectTasksCreate(title="Write")],
)
project_changes = ProjectUpdateWithRelations(tasks=changes)
project = update_project.sync(project.id, client=client, body=project_changes)
assert isinstance(project, ProjectWritten), project
assert [task.title for task in project.tasks] == ["Plan", "Write"]
delete_project.sync(project.id, client=client)

labels = list_labels.sync(client=client)
assert labels

assert isinstance(delete_task.sync(task.id, client=client), Deleted)
missing = read_task.sync(task.id, client=client)
assert isinstance(missing, ProblemDetails), missing
assert missing.status == 404
