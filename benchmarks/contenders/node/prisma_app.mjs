// Fastify with Prisma, whose client runs on node-postgres and joins relations in the database.
import { PrismaPg } from "@prisma/adapter-pg";
import { Prisma, PrismaClient } from "./generated/client.ts";
import { connection, serve } from "./tasks.mjs";

// Statements are prepared under a name for their text. The texts of batches differ in their
// number of rows and are long, so they are left out.
const LONGEST_PREPARED = 4000;
const names = new Map();
function statementNameGenerator({ sql }) {
  if (!names.has(sql) && sql.length < LONGEST_PREPARED) names.set(sql, `prisma_${names.size}`);
  return names.get(sql);
}

const prisma = new PrismaClient({ adapter: new PrismaPg(connection, { statementNameGenerator }) });

const MISSING = "P2025"; // https://www.prisma.io/docs/orm/reference/error-reference
async function orNull(write) {
  try {
    return await write;
  } catch (error) {
    if (error instanceof Prisma.PrismaClientKnownRequestError && error.code === MISSING) return null;
    throw error;
  }
}

await serve({
  list: (take, skip) => prisma.task.findMany({ orderBy: { id: "asc" }, take, skip }),
  nested: (take) =>
    prisma.task.findMany({
      relationLoadStrategy: "join",
      include: {
        project: true,
        assignments: { include: { worker: true }, orderBy: { worker_id: "asc" } },
      },
      orderBy: { id: "asc" },
      take,
    }),
  filtered: (status, take) =>
    prisma.task.findMany({
      where: { status },
      orderBy: [{ created_at: "desc" }, { id: "desc" }],
      take,
    }),
  get: (id) => prisma.task.findUnique({ where: { id } }),
  create: (data) => prisma.task.create({ data }),
  update: (id, data) => orNull(prisma.task.update({ where: { id }, data })),
  remove: (id) => orNull(prisma.task.delete({ where: { id }, select: { id: true } })),
  createMany: (data) => prisma.task.createManyAndReturn({ data }),
  close: () => prisma.$disconnect(),
});
