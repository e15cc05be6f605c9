/** The guest of another unikvm that runs: programs and files, through that one's control socket. */
import type { Socket } from "node:net";
import { VmError } from "../api/error.js";
import { GuestFiles } from "../api/fs.js";
import { begin } from "../api/process.js";
import { misuse, type Runner } from "../api/program.js";
import type { Process, VmFs } from "../api/types.js";
import { packTree } from "../node/pack-tree.js";
import { AgentConnection } from "../vmm/agent/connection.js";
import type { AgentRequest } from "../vmm/agent/frames.js";
import { askForAgent } from "./control/client.js";

export interface RemoteGuest {
  readonly fs: VmFs;
  /** Errors as `vm.spawn`. */
  spawn(
    request: AgentRequest,
    options: { readonly input: ReadableStream<Uint8Array>; readonly timeout?: number | undefined },
  ): Promise<Process>;
  close(): void;
}

/** That of process `pid`, or of the only one. Throws VmmError: there is none, there are several, or it has no agent. */
export async function openRemoteGuest(pid: number | undefined): Promise<RemoteGuest> {
  const { socket, pid: found } = await askForAgent(pid);
  const agent = await greeted(socket, found);
  const runner: Runner = {
    run: (request, events) => {
      try {
        return agent.spawn(request, events);
      } catch (error) {
        throw misuse(error);
      }
    },
  };
  return {
    fs: new GuestFiles(runner, packTree),
    spawn: (request, { input, timeout }) =>
      begin(runner, { request, input, ...(timeout === undefined ? {} : { timeout }) }),
    close: () => void socket.destroy(),
  };
}

/** The conversation, once the other end has answered. */
function greeted(socket: Socket, pid: number): Promise<AgentConnection> {
  return new Promise((resolve, reject) => {
    const agent: AgentConnection = new AgentConnection({ ready: () => resolve(agent), lost: reject }, () => ({
      now: Date.now(),
    }));
    agent.connect({
      open: true,
      send: (bytes) => {
        socket.write(bytes);
        return bytes.length;
      },
      resume: () => undefined,
    });
    socket.on("data", (bytes) => void agent.output(bytes));
    socket.on("close", () => agent.lose(new VmError("VM_CLOSED", `the VM of process ${pid} has ended`)));
    agent.opened(true);
  });
}
