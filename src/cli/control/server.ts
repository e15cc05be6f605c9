/** The running instance's end: does to its modules and its machine what a command asks. */
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { KvmError, messageOf } from "../../base/errors.js";
import type { ModuleLoader } from "../../modules/loader.js";
import type { AgentRelay, RelayEnd } from "../../vmm/agent/relay.js";
import { VmmError } from "../../vmm/errors.js";
import type { Packing } from "../../vmm/snapshot/packing.js";
import { importModule, sizeOf } from "../import-module.js";
import { moduleSize, ownModules } from "../own-modules.js";
import { openControlFolder, socketPath } from "./folder.js";
import { readLine } from "./line.js";
import { type Action, type Answer, type Failure, parseRequest, type Request, type SnapshotLine } from "./protocol.js";

/** More than these are turned away. */
const connectionLimit = 64;

export interface ControlServer {
  /** Takes a message of the kernel side, so that a command can show what it caused. False: none is at work. */
  readonly log: (message: string) => boolean;
  /** Has `save` make the snapshots that commands ask for; undefined: there is no machine now. */
  onSnapshot(save: SaveSnapshot | undefined): void;
  /** Has commands talk to the agent that `find` gives; undefined: no machine runs now. */
  onAgent(find: FindAgent | undefined): void;
  close(): void;
}

/** Gives what a command says to the agent in the guest. */
export type RelayAgent = (end: RelayEnd) => AgentRelay;

/** Throws VmmError: the guest has none that could be reached now. */
export type FindAgent = () => RelayAgent;

/** Makes a file of that name, which is there whole or not at all. Rejects with VmmError, KvmError, or the signal's reason. */
export type SaveSnapshot = (file: string, packing: Packing, signal: AbortSignal) => Promise<SnapshotLine>;

/** `sizes` has those of modules that came from files. Serves commands until it is closed. Throws VmmError or what the system says: there can be no socket. */
export async function serveControl(loader: ModuleLoader, sizes = new Map<string, number>()): Promise<ControlServer> {
  const path = socketPath(openControlFolder(), process.pid);
  // A process of the same number may have died here.
  rmSync(path, { force: true });
  const target: Target = { loader, sizes, save: undefined, agent: undefined };
  const listeners = new Set<(message: string) => void>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // Who has left, by Ctrl-C for one, wants nothing any more.
    const left = new AbortController();
    socket.on("close", () => {
      sockets.delete(socket);
      left.abort(new VmmError("whoever asked for it has left"));
    });
    socket.on("error", () => socket.destroy());
    socket.unref();
    void readLine(socket).then(async (asked) => {
      const request = asked === undefined ? undefined : parseRequest(asked);
      if (!request) return void socket.destroy();
      const log: string[] = [];
      const listen = (message: string): void => void log.push(message);
      listeners.add(listen);
      let agent: RelayAgent | undefined;
      const onAgent = (found: RelayAgent): void => {
        agent = found;
      };
      const answer = await perform(target, request, log, left.signal, onAgent);
      listeners.delete(listen);
      const line = `${JSON.stringify(answer)}\n`;
      if (!agent) return void socket.end(line);
      socket.write(line);
      relay(socket, agent);
    });
  });
  server.maxConnections = connectionLimit;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  server.unref();
  const close = (): void => {
    process.off("exit", close);
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(path, { force: true });
  };
  process.on("exit", close);
  return {
    log: (message) => {
      for (const listener of listeners) listener(message);
      return listeners.size > 0;
    },
    onSnapshot: (save) => {
      target.save = save;
    },
    onAgent: (find) => {
      target.agent = find;
    },
    close,
  };
}

/** What commands act on, and how large the modules are that they brought. */
interface Target {
  readonly loader: ModuleLoader;
  readonly sizes: Map<string, number>;
  save: SaveSnapshot | undefined;
  agent: FindAgent | undefined;
}

/** Has the socket carry frames, until either end leaves. */
function relay(socket: Socket, begin: RelayAgent): void {
  const end: RelayEnd = { send: (bytes) => void socket.write(bytes), close: () => void socket.end() };
  const agent = begin(end);
  socket.on("data", (bytes) => agent.push(bytes));
  socket.on("close", () => agent.close());
}

/** Does what is asked; what it fails of is in the answer. `onAgent` gets the agent that is asked for. */
async function perform(
  target: Target,
  request: Request,
  log: readonly string[],
  left: AbortSignal,
  onAgent: (agent: RelayAgent) => void,
): Promise<Answer> {
  const actions: Action[] = [];
  let failure: Failure | undefined;
  let snapshot: SnapshotLine | undefined;
  try {
    if (request.command === "snapshot") snapshot = await save(target, request, left);
    else if (request.command === "agent") onAgent(findAgent(target));
    else await act(target, request, ({ kind, name }) => void actions.push({ kind, name }));
  } catch (error) {
    failure = failureOf(error);
  }
  const { loader, sizes } = target;
  const own = ownModules();
  // As in /proc/modules, what is linked in is no module.
  const modules = loader.lsmod().filter(({ name }) => !own.isBuiltin(name));
  const sized = modules.map(async ({ name, references, users }) => {
    return { name, size: sizes.get(name) ?? (await moduleSize(name)), references, users };
  });
  return {
    modules: await Promise.all(sized),
    actions,
    log,
    ...(failure ? { failure } : {}),
    ...(snapshot ? { snapshot } : {}),
  };
}

const noMachine = (): VmmError => new VmmError(`process ${process.pid} runs no machine now`);

async function save(
  { save: make }: Target,
  { file, packing }: Extract<Request, { readonly command: "snapshot" }>,
  left: AbortSignal,
): Promise<SnapshotLine> {
  if (!make) throw noMachine();
  return make(file, packing, left);
}

function findAgent({ agent: find }: Target): RelayAgent {
  if (!find) throw noMachine();
  try {
    return find();
  } catch (error) {
    throw new VmmError(`process ${process.pid}: ${messageOf(error)}`, { cause: error });
  }
}

async function act(
  { loader, sizes }: Target,
  request: Exclude<Request, { readonly command: "snapshot" | "agent" }>,
  onAction: (action: Action) => void,
): Promise<void> {
  switch (request.command) {
    case "lsmod":
      return;
    case "modprobe":
      return loader.modprobe(request.name, request.parameters, { force: request.force, onAction });
    case "remove":
      refuseBuiltin(loader, request.name);
      return loader.remove(request.name, { force: request.force, onAction });
    case "rmmod":
      refuseBuiltin(loader, request.name);
      loader.rmmod(request.name, { force: request.force });
      return onAction({ kind: "rmmod", name: request.name });
    case "insmod": {
      const definition = await importModule(request.file);
      await loader.insmod(definition, request.parameters, { force: request.force });
      sizes.set(definition.name, await sizeOf(request.file));
      return onAction({ kind: "insmod", name: definition.name });
    }
    default:
      return request satisfies never;
  }
}

/** The kernel knows no module of that name either. */
function refuseBuiltin(loader: ModuleLoader, name: string): void {
  if (!ownModules().isBuiltin(loader.resolve(name) ?? name)) return;
  throw new KvmError("ENOENT", `module ${name} is linked in, and cannot be removed`);
}

const failureOf = (error: unknown): Failure => ({
  // What a module of somebody else's throws may be anything; the kernel would have got a number.
  code: error instanceof KvmError ? error.code : "EINVAL",
  message: messageOf(error),
});
