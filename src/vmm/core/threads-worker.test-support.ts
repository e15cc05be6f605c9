/** What the run loop's tests run in a thread: the real loop of a vCPU's thread on a scripted VM. */
import { parentPort } from "node:worker_threads";
import { createFakeSide, FakeVm } from "./fake-vm.test-support.js";
import type { VcpuThreadStart } from "./machine.js";
import { runVcpuThread } from "./vcpu-thread.js";

const port = parentPort;
port?.once("message", (start: VcpuThreadStart) => {
  const post = (message: unknown): void => port.postMessage(message);
  void runVcpuThread(start, { prepareAttach: FakeVm.prepareAttach, createSide: createFakeSide, post }).finally(() =>
    port.close(),
  );
});
