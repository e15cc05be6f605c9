/** The guest of `npm run bench:tlbie` proves more than speed: no vCPU may use a page where it no longer is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSelfTest } from "../guests/selftest/index.js";
import { silent } from "../src/base/log.js";
import { loadKvm } from "../src/cli/kvm.js";
import { KVM_VM_PPC_HV, KVM_VM_PPC_PR } from "../src/kvm/uapi.js";
import { spawnVcpuThread } from "../src/node/vcpu-thread.js";
import { parts, tlbieGuest } from "./tlbie-guest.js";

/** Changes of the page in each part; on a busy machine each waits for the other's thread to be scheduled. */
const rounds = 200;

for (const [implementation, type] of [
  ["hv", KVM_VM_PPC_HV],
  ["pr", KVM_VM_PPC_PR],
] as const) {
  for (const threads of ["worker", "single"] as const) {
    test(`tlbie: a page that moves is used by another vCPU where it is, ${implementation}, threads: ${threads}`, async () => {
      const memory = threads === "single" ? { memory: "unshared" as const } : {};
      const { kvm, close } = await loadKvm({ implementations: [implementation], ...memory }, silent);
      try {
        const { tests, broken } = await runSelfTest(tlbieGuest(rounds), {
          kvm,
          type,
          shared: threads === "worker",
          spawn: threads === "single" ? undefined : spawnVcpuThread,
          timeout: 60_000,
        });
        assert.equal(broken, undefined);
        assert.deepEqual(
          tests.flatMap(({ name, failures }) => failures.map((text) => `${name}: ${text}`)),
          [],
        );
        for (const part of parts)
          assert.ok(
            tests.some(({ name, passed }) => name === part && passed >= 2),
            part,
          );
      } finally {
        close();
      }
    });
  }
}
