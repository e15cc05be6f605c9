/** The commands' end: finds the running instance that is meant, and asks it. */
import { rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { VmmError } from "../../vmm/errors.js";
import { listSockets } from "./folder.js";
import { readLine } from "./line.js";
import { type Answer, parseAnswer, type Request } from "./protocol.js";

/** Loading may take long: code is compiled. */
const answerPatience = 60_000;

/** One that answers its socket; what a process left that has died is removed. */
function open(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED") rmSync(path, { force: true });
      resolve(undefined);
    });
  });
}

/** The running instances. */
export async function listInstances(): Promise<number[]> {
  const alive = await Promise.all(
    listSockets().map(async ({ pid, path }) => {
      const socket = await open(path);
      socket?.destroy();
      return socket ? [pid] : [];
    }),
  );
  return alive.flat();
}

/** The instance `pid`, or the only one that runs; undefined if none does. Throws VmmError: several run, or none of that number. */
async function find(pid: number | undefined): Promise<{ readonly pid: number; readonly socket: Socket } | undefined> {
  const instances = await listInstances();
  if (pid !== undefined && !instances.includes(pid)) throw new VmmError(`no unikvm runs as process ${pid}`);
  if (pid === undefined && instances.length > 1) {
    throw new VmmError(`several instances of unikvm run: ${instances.join(", ")}; choose one with --pid`);
  }
  const wanted = pid ?? instances[0];
  const path = listSockets().find((candidate) => candidate.pid === wanted)?.path;
  const socket = path === undefined ? undefined : await open(path);
  return socket && wanted !== undefined ? { pid: wanted, socket } : undefined;
}

async function put(socket: Socket, pid: number, request: Request): Promise<Answer> {
  // What arrives later than the answer is of no interest.
  socket.on("error", () => {});
  socket.write(`${JSON.stringify(request)}\n`);
  const line = await readLine(socket, answerPatience);
  const answer = line === undefined ? undefined : parseAnswer(line);
  if (answer) return answer;
  socket.destroy();
  throw new VmmError(`unikvm, process ${pid}, does not answer; has it just ended, or is it another version?`);
}

/**
 * Asks the instance `pid`, or the only one that runs; undefined if none does. Throws VmmError: several run and none was
 * named, there is none of that number, or it does not answer.
 */
export async function ask(request: Request, pid: number | undefined): Promise<Answer | undefined> {
  const found = await find(pid);
  if (!found) return undefined;
  const answer = await put(found.socket, found.pid, request);
  found.socket.destroy();
  return answer;
}

/** A way to the guest's agent of a running instance. Throws VmmError: as `ask`, or none runs, or its guest has no agent. */
export async function askForAgent(pid: number | undefined): Promise<{ readonly pid: number; readonly socket: Socket }> {
  const found = await find(pid);
  if (!found)
    throw new VmmError("no unikvm runs whose guest could be reached; start one with unikvm run, or unikvm shell");
  const { failure } = await put(found.socket, found.pid, { command: "agent" });
  if (!failure) return found;
  found.socket.destroy();
  throw new VmmError(failure.message);
}
