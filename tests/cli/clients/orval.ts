// What a front end does with the demo, through functions that orval generates.
// Run with the demo's URL.

import assert from "node:assert/strict";
import {
  createProject,
  createTask,
  deleteProject,
  deleteTask,
  linkTaskWorker,
  listTasks,
  readTask,
  updateProject,
} from "./orval.js";
import type {
  ProjectCreateWithRelations,
  ProjectWritten,
  TaskCreateWithRelations,
  TaskRead,
  TaskWithRelations,
} from "./orval.js";

const server = process.argv[2] ?? "";
const send = globalThis.fetch;
globalThis.fetch = (path, options) => send(`${server}${path}`, options);

const body: TaskCreateWithRelations = { title: "From orval", priority: "high" };
const made = await createTask(body);
assert.equal(made.status, 201);
const task = made.data as TaskRead;

const link = await linkTaskWorker(task.id, "@claude-code", { role: "reviewer" });
assert.equal(link.status, 200);

const listed = await listTasks({
  status__in: ["pending", "in_progress"],
  order_by: ["-progress_percent"],
  include: ["project", "assignments.worker"],
  where: JSON.stringify({ project: { slug: "web" } }),
  limit: 5,
});
assert.equal(listed.status, 200);
const rows = listed.data as TaskWithRelations[];
assert.equal(rows.length, 5);
assert.ok(rows.every((row) => row.project!.slug === "web"));

// @ts-expect-error: no such status
assert.equal((await createTask({ title: "x", status: "nonsense" })).status, 422);

const report: ProjectCreateWithRelations = {
  name: "From orval",
  slug: "from-orval",
  tasks: [{ title: "Plan", subtasks: [{ title: "Read" }] }],
};
const project = (await createProject(report)).data as ProjectWritten;
const plan = project.tasks![0]!;
assert.equal(plan.subtasks![0]!.title, "Read");
const patched = await updateProject(project.id, {
  tasks: { update: [{ id: plan.id, status: "completed" }], create: [{ title: "Write" }] },
});
const written = (patched.data as ProjectWritten).tasks!;
assert.deepEqual(written.map((row) => row.title), ["Plan", "Write"]);
// @ts-expect-error: a nested task needs a title
const nameless = await createProject({ name: "x", slug: "x", tasks: [{ priority: "low" }] });
assert.equal(nameless.status, 422);
await deleteProject(project.id);

const deleted = await deleteTask(task.id);
assert.deepEqual(deleted.data, { ok: true });
assert.equal((await readTask(task.id)).status, 404);
