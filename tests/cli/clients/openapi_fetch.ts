// What a front end does with the demo, through a client generated from its OpenAPI document:
// openapi-typescript makes api.d.ts, openapi-fetch sends. Run with the demo's URL.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

type Task = components["schemas"]["TaskRead"];
type Problem = components["schemas"]["ProblemDetails"];

// Filters across relations are query parameters: `relation_filters` in the form style.
const querySerializer = { object: { style: "form", explode: true } } as const;
const api = createClient<paths>({ baseUrl: process.argv[2] ?? "", querySerializer });

async function createsReadsPatchesAndDeletes(): Promise<void> {
  const made = await api.POST("/tasks", { body: { title: "From TypeScript", priority: "high" } });
  const task: Task = made.data!;
  assert.equal(made.response.status, 201);
  assert.equal(made.response.headers.get("Location"), `/tasks/${task.id}`);

  const path = { id: task.id };
  const etag = made.response.headers.get("ETag")!;
  const patched = await api.PATCH("/tasks/{id}", {
    params: { path, header: { "If-Match": etag } },
    body: { progress_percent: 50, description: null },
  });
  assert.equal(patched.data!.progress_percent, 50);

  const late = await api.PATCH("/tasks/{id}", {
    params: { path, header: { "If-Match": etag } },
    body: { progress_percent: 60 },
  });
  assert.equal(late.error!.status, 412);

  assert.deepEqual((await api.DELETE("/tasks/{id}", { params: { path } })).data, { ok: true });
  const gone = await api.GET("/tasks/{id}", { params: { path } });
  const problem: Problem = gone.error!;
  assert.equal(problem.status, 404);
}

async function filtersOrdersAndIncludes(): Promise<void> {
  const { data, response } = await api.GET("/tasks", {
    params: {
      query: {
        status__in: ["pending", "in_progress"],
        progress_percent__lt: 50,
        relation_filters: { project__slug: "web" },
        order_by: ["-progress_percent"],
        include: ["project", "assignments.worker"],
        count: "exact",
        limit: 5,
      },
    },
  });
  assert.equal(data!.length, 5);
  assert.ok(Number(response.headers.get("X-Total-Count")) > 5);
  const first = data![0]!;
  assert.equal(first.project!.slug, "web");
  assert.ok(first.progress_percent! >= data![4]!.progress_percent!);
  for (const assignment of first.assignments!) {
    const worker: components["schemas"]["WorkerRead"] = assignment.worker!;
    assert.equal(assignment.worker_id, worker.id);
  }
  const few = await api.GET("/tasks", { params: { query: { fields: ["id", "title"], limit: 1 } } });
  assert.deepEqual(Object.keys(few.data![0]!), ["id", "title"]);
}

async function linksAndReadsTrees(): Promise<void> {
  const made = await api.POST("/tasks:batch", {
    body: [{ title: "Above" }, { title: "Beside" }],
  });
  const [above, beside] = made.data!;
  const below = await api.PATCH("/tasks/{id}", {
    params: { path: { id: beside!.id } },
    body: { parent_id: above!.id },
  });
  assert.equal(below.data!.parent_id, above!.id);
  const tree = await api.GET("/tasks/{id}/subtasks", {
    params: { path: { id: above!.id }, query: { depth: "all" } },
  });
  assert.deepEqual(tree.data!.map((task) => task.title), ["Beside"]);

  const target = "@claude-code";
  const link = { path: { id: above!.id, target } };
  const put = await api.PUT("/tasks/{id}/workers/{target}", {
    params: link,
    body: { role: "reviewer" },
  });
  assert.equal(put.data!.role, "reviewer");
  const workers = await api.GET("/tasks/{id}/workers", { params: { path: { id: above!.id } } });
  assert.deepEqual(workers.data!.map((worker) => worker.id), [target]);
  assert.deepEqual((await api.DELETE("/tasks/{id}/workers/{target}", { params: link })).data, {
    ok: true,
  });

  const key = made.data!.map((task) => task.id);
  assert.ok((await api.DELETE("/tasks:batch", { params: { query: { key } } })).data);
}

async function writesProjectsWithTheirTasks(): Promise<void> {
  const made = await api.POST("/projects", {
    body: {
      name: "From TypeScript",
      slug: "from-typescript",
      tasks: [
        { title: "Plan", subtasks: [{ title: "Read" }], labels: [{ name: "typescript" }] },
        { title: "Write" },
      ],
    },
  });
  assert.equal(made.response.status, 201);
  const project: components["schemas"]["ProjectWritten"] = made.data!;
  const [plan, write] = project.tasks!;
  assert.equal(plan!.project_id, project.id);
  assert.equal(plan!.subtasks![0]!.title, "Read");

  const label = plan!.labels![0]!;
  const changes: components["schemas"]["ProjectTasksChanges"] = {
    create: [{ title: "Check" }],
    update: [{ id: write!.id, status: "completed", labels: { connect: [label.id] } }],
    delete: [{ id: plan!.id }],
  };
  const path = { id: project.id };
  const changed = await api.PATCH("/projects/{id}", {
    params: { path },
    body: { name: "Changed", tasks: changes },
  });
  assert.equal(changed.data!.name, "Changed");
  assert.deepEqual(changed.data!.tasks!.map((task) => task.title), ["Write", "Check"]);

  const added = await api.POST("/projects/{id}/tasks", { params: { path }, body: { title: "Add" } });
  assert.equal(added.data!.project_id, project.id);

  const wrong = await api.POST("/projects", {
    // @ts-expect-error: a nested task needs a title
    body: { name: "Wrong", slug: "wrong", tasks: [{ priority: "low" }] },
  });
  assert.deepEqual(wrong.error!.errors?.[0]?.loc, ["body", "tasks", 0, "title"]);
  // @ts-expect-error: no such verb
  const remove: components["schemas"]["ProjectTasksChanges"] = { remove: [write!.id] };
  const unknown = await api.PATCH("/projects/{id}", { params: { path }, body: { tasks: remove } });
  assert.equal(unknown.error!.status, 422);
  // @ts-expect-error: the relation sets the project
  const moved: components["schemas"]["ProjectTasksCreate"] = { title: "x", project_id: 1 };
  const body = { name: "Wrong", slug: "wrong", tasks: [moved] };
  assert.equal((await api.POST("/projects", { body })).error!.status, 422);
  await api.DELETE("/projects/{id}", { params: { path } });
}

async function isToldWhatIsWrong(): Promise<void> {
  // @ts-expect-error: no such status, which the server says as well
  const wrong = await api.POST("/tasks", { body: { title: "x", status: "nonsense" } });
  assert.equal(wrong.error!.errors?.[0]?.field, "status");
  // @ts-expect-error: a title is needed
  assert.equal((await api.POST("/tasks", { body: {} })).response.status, 422);
  // @ts-expect-error: no such filter
  const unknown = await api.GET("/tasks", { params: { query: { colour: "red" } } });
  assert.equal(unknown.error!.status, 422);
  // @ts-expect-error: a number is compared with a number
  const text = await api.GET("/tasks", { params: { query: { progress_percent__lt: "half" } } });
  assert.equal(text.error!.errors?.[0]?.field, "progress_percent__lt");
}

await createsReadsPatchesAndDeletes();
await filtersOrdersAndIncludes();
await linksAndReadsTrees();
await writesProjectsWithTheirTasks();
await isToldWhatIsWrong();
console.log("done");
