// What a front end does with the demo, through functions that orval generates.
// Run with the demo's URL.

import assert from "node:assert/strict";
import { createTask, deleteTask, linkTaskWorker, listTasks, readTask } from "./orval.js";
import type { TaskCreate, TaskRead, TaskWithRelations } from "./orval.js";

const server = process.argv[2] ?? "";
const send = globalThis.fetch;
globalThis.fetch = (path, options) => send(`${server}${path}`, options);

const body: TaskCreate = { title: "From orval", priority: "high" };
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

const deleted = await deleteTask(task.id);
assert.deepEqual(deleted.data, { ok: true });
assert.equal((await readTask(task.id)).status, 404);
