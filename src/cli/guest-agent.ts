/**
 * The agent in a guest of `unikvm run`, by which other commands reach the guest (`unikvm cp`, `unikvm exec --pid`): the port
 * through which it talks, and a way to it once it has answered. It is the guest's own matter whether it ever does.
 */
import { AgentConnection, type AgentState, unheard } from "../vmm/agent/connection.js";
import { AgentRelay } from "../vmm/agent/relay.js";
import { VirtioConsole, type VirtioConsoleState } from "../vmm/devices/virtio/console.js";
import { VirtioPciDevice, type VirtioPciState } from "../vmm/devices/virtio/virtio-pci.js";
import { VmmError } from "../vmm/errors.js";
import type { RelayAgent } from "./control/server.js";

const SIGKILL = 9;

/** Of a snapshot: the console's state, and the conversation's unless it was over. */
interface SavedAgent {
  readonly device: VirtioPciState;
  readonly conversation: AgentState | undefined;
}

export class GuestAgent {
  /** Modules of Linux's by which a guest finds the port. */
  static readonly drivers: readonly string[] = ["virtio_pci", "virtio_console"];
  /** A console with the agent's port, for one machine. */
  readonly device: VirtioPciDevice;
  readonly #connection: AgentConnection;
  readonly #isOpen: () => boolean;
  #hasAnswered = false;
  #lost: Error | undefined;

  /** KvmError, EINVAL: what was saved is none. */
  constructor(saved?: SavedAgent) {
    this.#connection = new AgentConnection(
      {
        ready: () => {
          this.#hasAnswered = true;
        },
        lost: (error) => {
          this.#lost = error;
        },
      },
      () => ({ now: Date.now() }),
      saved?.conversation,
    );
    const console = new VirtioConsole([this.#connection], saved?.device.device as VirtioConsoleState | undefined);
    const [port] = console.ports;
    if (port) this.#connection.connect(port);
    this.#isOpen = () => port?.open ?? false;
    this.device = new VirtioPciDevice(console, saved?.device);
    if (saved && !saved.conversation) this.#connection.lose(new VmmError("it had ended when the snapshot was made"));
  }

  /** The guest goes on after a restore: an agent that is there is told what time it is now, and whose programs nobody waits for. */
  greet(): void {
    if (this.#isOpen()) this.#connection.greet();
    for (const program of this.#connection.programs) {
      program.kill(SIGKILL);
      program.endOutput(1);
      program.endOutput(2);
      program.takeOver(unheard);
    }
  }

  /** While the guest stands still. */
  save(): AgentState | undefined {
    return this.#lost ? undefined : this.#connection.save();
  }

  /** Lets a command talk to it. Throws VmmError: it cannot be reached now. */
  find(): RelayAgent {
    if (this.#lost) throw new VmmError(`the agent in its guest has ended: ${this.#lost.message}`);
    if (!this.#hasAnswered) {
      throw new VmmError(
        "the agent in its guest has not answered yet; it does when the guest has booted, if that starts it",
      );
    }
    return (end) => new AgentRelay(this.#connection, end);
  }

  /** The machine has ended, and whoever waits for something of its guest is told. */
  close(): void {
    this.#connection.lose(new VmmError("the guest has ended"));
  }
}
