/** Debian's kernel talks through the ports of a virtio console with a program on the host, under both engines. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GuestUnavailable } from "../../guests/unavailable.js";
import { openKvm } from "../../src/kernel.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../../src/kvm/uapi.js";
import { type ConsolePortEnd, VirtioConsole } from "../../src/vmm/devices/virtio/console.js";
import { VirtioPciDevice } from "../../src/vmm/devices/virtio/virtio-pci.js";
import { implementations, noGuest, root, textBetween } from "./booting.test-support.js";
import { type MovingOptions, whileRunning } from "./moving.test-support.js";

const bulkIn = 64 * 65536;
const bulkOut = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7) & 0xff);

/** Answers each line in capitals; after "bulk" counts bytes, stopping now and then, and sends some. */
class Talker implements ConsolePortEnd {
  readonly name: string;
  #line = "";
  #counted: number | undefined;
  #toSend: Uint8Array = new Uint8Array(0);
  send: (bytes: Uint8Array) => number = () => 0;
  resume: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  output(bytes: Uint8Array): boolean {
    if (this.#counted !== undefined) return this.#count(bytes);
    this.#line += new TextDecoder().decode(bytes);
    const [line, ...rest] = this.#line.split("\n");
    if (rest.length === 0 || line === undefined) return true;
    this.#line = "";
    if (line === "bulk") this.#counted = 0;
    else this.#answer(new TextEncoder().encode(`${line.toUpperCase()}\n`));
    return true;
  }

  #count(bytes: Uint8Array): boolean {
    this.#counted = (this.#counted ?? 0) + bytes.length;
    if (this.#counted < bulkIn) {
      setTimeout(() => this.resume(), 1);
      return false;
    }
    const sum = new TextEncoder().encode(`${this.#counted}\n`);
    this.#answer(Uint8Array.of(...sum));
    this.#answer(bulkOut);
    return true;
  }

  #answer(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#toSend.length + bytes.length);
    all.set(this.#toSend);
    all.set(bytes, this.#toSend.length);
    this.#toSend = all;
    this.drained();
  }

  drained(): void {
    this.#toSend = this.#toSend.subarray(this.send(this.#toSend));
  }
}

const expected = `\
vport0p0 org.unikvm.first
vport0p1 org.unikvm.second
vport0p0: HELLO
vport0p1: A SECOND PORT
vport0p0: AGAIN
sum: ${bulkIn}
${createHash("md5").update(bulkOut).digest("hex")}  -
unikvm.run: exit status 0`;

for (const type of implementations) {
  test(`ports of a virtio console under ${type}`, { skip: noGuest }, async (t) => {
    const talkers = [new Talker("org.unikvm.first"), new Talker("org.unikvm.second")];
    const device = new VirtioConsole(talkers);
    for (const [id, talker] of talkers.entries()) {
      const port = device.ports[id];
      assert.ok(port);
      talker.send = (bytes) => port.send(bytes);
      talker.resume = () => port.resume();
    }
    const plugged = new VirtioPciDevice(device);
    const kvm = await openKvm();
    const options: MovingOptions = {
      ...{ kvm, type: type === "hv" ? KVM_VM_PPC_HV : KVM_VM_PPC_PR, devices: [plugged] },
      threads: "worker",
      append: "quiet unikvm.run=/ports.sh",
      files: [
        { path: "ports.sh", type: "file", mode: 0o755, data: readFileSync(join(root, "test/boot/console-ports.sh")) },
      ],
    };
    await whileRunning(options, async ({ run, text }) => {
      const { outcome } = await run.ended;
      assert.equal(textBetween(text(), "vport0p0 ", "unikvm.run:"), expected, text());
      assert.equal(outcome.kind, "powerOff");
    }).catch((error: unknown) => {
      if (!(error instanceof GuestUnavailable)) throw error;
      t.skip(error.message);
    });
  });
}
