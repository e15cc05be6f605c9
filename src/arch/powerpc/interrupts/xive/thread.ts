/**
 * Presentation: the registers of one thread, which show its vCPU the most favoured priority that waits. Under the XIVE's
 * lock. Source: PAPR, "XIVE Exploitation Mode"; POWER9 User's Manual, "Thread Interrupt Management Area".
 */
import type { VmMemory } from "../../../../kvm/memory.js";
import { priorities, serverState } from "./state.js";

const server = serverState.offset;

/** NSR: an exception for the OS. */
const exception = 0x80;
/** No priority. */
const none = 0xff;

/** IPB has the most favoured priority, 0, in its highest bit. */
const pendingBit = (priority: number): number => 0x80 >> priority;
const mostFavoured = (ipb: number): number => (ipb === 0 ? none : Math.clz32(ipb) - 24);

export class ThreadContext {
  readonly #memory: VmMemory;
  readonly #at: number;
  readonly #setExternal: (vcpu: number, asserted: boolean) => void;

  /** `at` is the address of its `serverState`. */
  constructor(memory: VmMemory, at: number, setExternal: (vcpu: number, asserted: boolean) => void) {
    this.#memory = memory;
    this.#at = at;
    this.#setExternal = setExternal;
  }

  /** As a thread starts: nothing is favoured enough. */
  reset(): void {
    const values = { cppr: 0, ipb: 0, lsmfb: none, ackCount: none, inc: 0, age: none } as const;
    for (const [name, value] of Object.entries(values)) {
      this.#memory.setI32(this.#at + server[name as keyof typeof values], value);
    }
  }

  get #exception(): boolean {
    return mostFavoured(this.#get("ipb")) < this.#get("cppr");
  }

  /** An event of that priority waits. */
  notify(priority: number): void {
    this.#set("ipb", this.#get("ipb") | pendingBit(priority));
    this.#show();
  }

  /** Takes the exception, whose priority becomes the processor's. NSR << 8 | CPPR. */
  acknowledge(): number {
    if (!this.#exception) return this.#get("cppr");
    const priority = mostFavoured(this.#get("ipb"));
    this.#set("cppr", priority);
    this.#set("ipb", this.#get("ipb") & ~pendingBit(priority));
    this.#show();
    return (exception << 8) | priority;
  }

  setPriority(cppr: number): void {
    this.#set("cppr", cppr < priorities ? cppr : none);
    this.#show();
  }

  /** The ring's 8 bytes: NSR CPPR IPB LSMFB ACK# INC AGE PIPR. */
  get registers(): number[] {
    const ipb = this.#get("ipb");
    return [
      ...[this.#exception ? exception : 0, this.#get("cppr"), ipb, this.#get("lsmfb")],
      ...[this.#get("ackCount"), this.#get("inc"), this.#get("age"), mostFavoured(ipb)],
    ];
  }

  /** NSR and PIPR follow. */
  set registers([, cppr = 0, ipb = 0, lsmfb = 0, ackCount = 0, inc = 0, age = 0]: readonly number[]) {
    for (const [name, value] of Object.entries({ ipb, lsmfb, ackCount, inc, age })) {
      this.#set(name as "ipb", value & 0xff);
    }
    this.setPriority(cppr);
  }

  #show(): void {
    this.#setExternal(this.#memory.i32(this.#at + server.vcpu), this.#exception);
  }
  #get(field: "cppr" | "ipb" | "lsmfb" | "ackCount" | "inc" | "age"): number {
    return this.#memory.i32(this.#at + server[field]);
  }
  #set(field: "cppr" | "ipb" | "lsmfb" | "ackCount" | "inc" | "age", value: number): void {
    this.#memory.setI32(this.#at + server[field], value);
  }
}
