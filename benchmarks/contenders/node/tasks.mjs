// The API of the two Fastify contenders: routes with JSON schemas, which Fastify compiles to
// validators and serializers. The stores of Drizzle and Prisma answer it with objects.
import { Ajv } from "ajv";
import Fastify from "fastify";

const database = new URL(process.env.DATABASE_URL.replace(":@/", "@localhost/"));

// As many connections as the other contenders have, and like theirs they stay open.
const CONNECTIONS = 10;
export const connection = {
  host: database.searchParams.get("host") ?? database.hostname,
  port: Number(database.port || 5432),
  user: decodeURIComponent(database.username),
  password: decodeURIComponent(database.password),
  database: database.pathname.slice(1),
  min: CONNECTIONS,
  max: CONNECTIONS,
  idleTimeoutMillis: 0,
};

const text = { type: "string" };
const optionalText = { type: "string", nullable: true };
const int4 = { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 };
const optionalInt4 = { ...int4, nullable: true };
const dateTime = { type: "string", format: "date-time" };
const object = (properties, more = {}) => ({
  type: "object",
  required: Object.keys(properties),
  properties,
  ...more,
});
const array = (items, more = {}) => ({ type: "array", items, ...more });

// What a body may have, and the defaults of a new task.
const fields = {
  title: { ...text, maxLength: 200 },
  description: optionalText,
  status: { ...text, enum: ["pending", "in_progress", "completed"] },
  priority: { ...text, enum: ["low", "medium", "high"] },
  progress_percent: { type: "integer", minimum: 0, maximum: 100 },
  project_id: optionalInt4,
};
export const WRITABLE = Object.keys(fields);
const DEFAULTS = {
  description: null,
  status: "pending",
  priority: "medium",
  progress_percent: 0,
  project_id: null,
};
const change = {
  type: "object",
  properties: fields,
  minProperties: 1,
  additionalProperties: false,
};
const newTask = {
  type: "object",
  required: ["title"],
  properties: Object.fromEntries(
    WRITABLE.map((name) => [
      name,
      name in DEFAULTS ? { ...fields[name], default: DEFAULTS[name] } : fields[name],
    ]),
  ),
  additionalProperties: false,
};

// What is answered.
const columns = {
  id: int4,
  title: text,
  description: optionalText,
  status: text,
  priority: text,
  progress_percent: int4,
  project_id: optionalInt4,
  created_at: dateTime,
  updated_at: dateTime,
};
const task = object(columns);
const worker = object({ id: text, name: text, type: text });
const assignment = object({
  task_id: int4,
  worker_id: text,
  role: text,
  assigned_at: dateTime,
  worker,
});
const nestedTask = object({
  ...columns,
  project: object({ id: int4, name: text, slug: text }, { nullable: true }),
  assignments: array(assignment),
});

const limit = { type: "integer", minimum: 1, maximum: 1000, default: 100 };
const offset = { type: "integer", minimum: 0, default: 0 };
const params = object({ id: int4 });
const problem = { 404: object({ statusCode: { type: "integer" }, error: text, message: text }) };

export class NotFoundError extends Error {
  statusCode = 404;

  constructor() {
    super("Task not found");
  }
}

function required(row) {
  if (row === null || row === undefined) throw new NotFoundError();
  return row;
}

// A query string is text, which is converted; a body has types, so that a title of 1 is refused.
const ofText = new Ajv({ coerceTypes: true, useDefaults: true });
const ofJson = new Ajv({ useDefaults: true });

// `store` has the functions list, nested, filtered, get, create, update, remove, createMany
// and close. Functions of one task return null or undefined if it does not exist.
export async function serve(store) {
  const app = Fastify();
  app.setValidatorCompiler(({ schema, httpPart }) =>
    (httpPart === "body" ? ofJson : ofText).compile(schema),
  );

  app.get(
    "/tasks",
    { schema: { querystring: object({ limit, offset }, { required: [] }), response: { 200: array(task) } } },
    ({ query }) => store.list(query.limit, query.offset),
  );
  app.get(
    "/tasks/nested",
    { schema: { querystring: object({ limit }, { required: [] }), response: { 200: array(nestedTask) } } },
    ({ query }) => store.nested(query.limit),
  );
  app.get(
    "/tasks/filtered",
    {
      schema: {
        querystring: object({ status: fields.status, limit }, { required: ["status"] }),
        response: { 200: array(task) },
      },
    },
    ({ query }) => store.filtered(query.status, query.limit),
  );
  app.get(
    "/tasks/:id",
    { schema: { params, response: { 200: task, ...problem } } },
    async ({ params }) => required(await store.get(params.id)),
  );
  app.post(
    "/tasks",
    { schema: { body: newTask, response: { 201: task } } },
    async ({ body }, reply) => {
      reply.code(201);
      return store.create(body);
    },
  );
  app.patch(
    "/tasks/:id",
    { schema: { params, body: change, response: { 200: task, ...problem } } },
    async ({ params, body }) => required(await store.update(params.id, body)),
  );
  app.delete("/tasks/:id", { schema: { params } }, async ({ params }) => {
    required(await store.remove(params.id));
    return { ok: true };
  });
  // Two colons are a colon in a path of Fastify.
  app.post(
    "/tasks::batch",
    { schema: { body: array(newTask, { minItems: 1, maxItems: 1000 }), response: { 201: array(task) } } },
    async ({ body }, reply) => {
      reply.code(201);
      return store.createMany(body);
    },
  );

  app.addHook("onClose", () => store.close());
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => app.close());
  await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
}
