/** Debian's kernel says which memory it does not use, and leaves some when it is asked, under both engines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { GuestUnavailable } from "../../guests/unavailable.js";
import { openKvm } from "../../src/kernel.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../../src/kvm/uapi.js";
import { VirtioBalloon } from "../../src/vmm/devices/virtio/balloon.js";
import { VirtioPciDevice } from "../../src/vmm/devices/virtio/virtio-pci.js";
import { implementations, noGuest } from "./booting.test-support.js";
import { type MovingOptions, whileRunning } from "./moving.test-support.js";

const mebibyte = 1048576;
const memorySize = 512 * mebibyte;
/** Three eighths of the memory: Linux reports blocks of 16 MiB that are free as a whole, and of little there may be none. */
const work =
  "dd if=/dev/urandom of=/part bs=1M count=8 2>/dev/null; for i in 1 2 3 4 5 6 7 8; do cat /part /part /part; done >/file; " +
  "echo written; rm /file; echo freed; sleep 1000";

for (const type of implementations) {
  test(`a balloon and reports of free pages under ${type}`, { skip: noGuest }, async (t) => {
    const balloon = new VirtioBalloon();
    const plugged = new VirtioPciDevice(balloon);
    const kvm = await openKvm();
    const options: MovingOptions = {
      ...{ kvm, type: type === "hv" ? KVM_VM_PPC_HV : KVM_VM_PPC_PR, devices: [plugged] },
      threads: "worker",
      append: `quiet "unikvm.run=${work}"`,
    };
    await whileRunning(options, async ({ run, text }) => {
      let over = false;
      void run.ended.then(() => {
        over = true;
      });
      const until = async (what: string, done: () => boolean): Promise<void> => {
        while (!done()) {
          assert.ok(!over, `it ended before ${what}: ${text()} ${JSON.stringify(balloon.stats())} ${balloon.actual}`);
          await sleep(50);
        }
      };
      /** Bytes of RAM in pages that are not zeros. */
      const used = (): Promise<number> =>
        run.whilePaused((machine) => {
          const bytes = machine.ram(0, machine.ramSize);
          const ram = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
          const zeros = Buffer.alloc(65536);
          let count = 0;
          for (let at = 0; at < ram.length; at += zeros.length) {
            if (ram.compare(zeros, 0, zeros.length, at, at + zeros.length) !== 0) count += zeros.length;
          }
          return count;
        });
      await until("it wrote", () => text().includes("written"));
      const before = await used();
      await until("it reported", () => text().includes("freed") && balloon.stats().zeroed >= 48 * mebibyte);
      const after = await used();
      assert.ok(before - after > 32 * mebibyte, `${before} ${after}`);
      balloon.setTarget(64 * mebibyte);
      await until("it left memory", () => balloon.actual === 64 * mebibyte);
      await until("it counted", () => balloon.guestStats.total !== undefined);
      await until("it was asked again", () => balloon.refresh());
      const { total = 0n, available = 0n } = balloon.guestStats;
      assert.ok(
        total > 300n * BigInt(mebibyte) && total < BigInt(memorySize) && available < total,
        `${total} ${available}`,
      );
      balloon.setTarget(0);
      await until("it took memory back", () => balloon.actual === 0);
    }).catch((error: unknown) => {
      if (!(error instanceof GuestUnavailable)) throw error;
      t.skip(error.message);
    });
  });
}
