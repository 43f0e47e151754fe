// Fastify with Drizzle on node-postgres. Every query but that of a batch is prepared.
import { asc, desc, eq, relations, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { integer, pgTable, primaryKey, serial, timestamp, varchar } from "drizzle-orm/pg-core";
import pg from "pg";
import { WRITABLE, connection, serve } from "./tasks.mjs";

const dateTime = () => timestamp({ withTimezone: true, precision: 6, mode: "date" }).notNull();
const now = () => sql`now()`;

const project = pgTable("project", {
  id: serial().primaryKey(),
  name: varchar().notNull(),
  slug: varchar().notNull().unique(),
});
const worker = pgTable("worker", {
  id: varchar().primaryKey(),
  name: varchar().notNull(),
  type: varchar().notNull(),
});
const task = pgTable("task", {
  id: serial().primaryKey(),
  title: varchar().notNull(),
  description: varchar(),
  status: varchar().notNull(),
  priority: varchar().notNull(),
  progress_percent: integer().notNull(),
  project_id: integer().references(() => project.id),
  created_at: dateTime().$default(now),
  updated_at: dateTime().$default(now).$onUpdate(now),
});
const assignment = pgTable(
  "task_assignment",
  {
    task_id: integer().notNull().references(() => task.id, { onDelete: "cascade" }),
    worker_id: varchar().notNull().references(() => worker.id, { onDelete: "cascade" }),
    role: varchar().notNull().default("assignee"),
    assigned_at: dateTime(),
  },
  ({ task_id, worker_id }) => [primaryKey({ columns: [task_id, worker_id] })],
);
const ofTask = relations(task, ({ one, many }) => ({
  project: one(project, { fields: [task.project_id], references: [project.id] }),
  assignments: many(assignment),
}));
const ofAssignment = relations(assignment, ({ one }) => ({
  task: one(task, { fields: [assignment.task_id], references: [task.id] }),
  worker: one(worker, { fields: [assignment.worker_id], references: [worker.id] }),
}));

const pool = new pg.Pool(connection);
const db = drizzle(pool, { schema: { project, worker, task, assignment, ofTask, ofAssignment } });

const { placeholder } = sql;
const placeholders = (names) =>
  Object.fromEntries(names.map((name) => [name, placeholder(name)]));
const isTask = eq(task.id, placeholder("id"));

const list = db
  .select()
  .from(task)
  .orderBy(asc(task.id))
  .limit(placeholder("limit"))
  .offset(placeholder("offset"))
  .prepare("list");
const nested = db.query.task
  .findMany({
    with: {
      project: true,
      assignments: { with: { worker: true }, orderBy: asc(assignment.worker_id) },
    },
    orderBy: asc(task.id),
    limit: placeholder("limit"),
  })
  .prepare("nested");
const filtered = db
  .select()
  .from(task)
  .where(eq(task.status, placeholder("status")))
  .orderBy(desc(task.created_at), desc(task.id))
  .limit(placeholder("limit"))
  .prepare("filtered");
const get = db.select().from(task).where(isTask).prepare("get");
const create = db.insert(task).values(placeholders(WRITABLE)).returning().prepare("create");
const remove = db.delete(task).where(isTask).returning({ id: task.id }).prepare("remove");

// A statement for each set of columns: a body has at most six, so there are at most 63.
const updates = new Map();
function updateOf(names) {
  const key = names.join();
  if (!updates.has(key)) {
    const statement = db.update(task).set(placeholders(names)).where(isTask).returning();
    updates.set(key, statement.prepare(`update_${key}`));
  }
  return updates.get(key);
}

const first = async (rows) => (await rows)[0];

await serve({
  list: (limit, offset) => list.execute({ limit, offset }),
  nested: (limit) => nested.execute({ limit }),
  filtered: (status, limit) => filtered.execute({ status, limit }),
  get: (id) => first(get.execute({ id })),
  create: (body) => first(create.execute(body)),
  update: (id, body) =>
    first(updateOf(WRITABLE.filter((name) => name in body)).execute({ ...body, id })),
  remove: (id) => first(remove.execute({ id })),
  createMany: (bodies) => db.insert(task).values(bodies).returning(),
  close: () => pool.end(),
});
