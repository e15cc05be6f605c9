import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "../../base/errno.test-support.js";
import { createLoader, type KvmOffer } from "../../kernel.js";
import { KVM_CAP_HALT_POLL } from "../../kvm/constants.js";
import { kvmParameters, perVmCapability } from "../../kvm/parameters.js";
import { vmState } from "../../kvm/state.js";
import type { Vm } from "../../kvm/uapi.js";
import { capabilities } from "./calls/capabilities.js";

/** The VM's own value, where its vCPUs look for it. */
const haltPollOf = (vm: Vm): number => new Uint32Array(vm.memory.buffer)[vmState.haltPollNs / 4] ?? Number.NaN;

test("M14: a parameter is only the default of a VM's own", async () => {
  const loader = createLoader();
  await loader.modprobe("kvm", { halt_poll_ns: "50000" });
  const kvm = loader.offer<KvmOffer>("kvm").open();
  const first = kvm.createVm(1);
  const own = kvm.createVm(2);
  own.enableCap({ cap: KVM_CAP_HALT_POLL, args: [7000] });
  assert.deepEqual([first, own].map(haltPollOf), [50000, 7000]);

  // Changing the default changes no VM that exists.
  loader.setParameter("kvm", "halt_poll_ns", "4294967295");
  const later = kvm.createVm(1);
  assert.deepEqual([first, own, later].map(haltPollOf), [50000, 7000, 4294967295]);
  assert.throws(() => loader.setParameter("kvm", "halt_poll_ns", "-1"), errno("EINVAL"));
  assert.deepEqual(loader.parameters("kvm"), { halt_poll_ns: 4294967295, node: "kvm" });

  for (const args of [[-1], [1.5], [2 ** 32]]) {
    assert.throws(() => own.enableCap({ cap: KVM_CAP_HALT_POLL, args }), errno("EINVAL"));
  }
  assert.throws(() => own.enableCap({ cap: KVM_CAP_HALT_POLL, args: [1], flags: 1 }), errno("EINVAL"));
  assert.equal(haltPollOf(own), 7000);
  assert.equal(own.checkExtension(KVM_CAP_HALT_POLL), 1);
});

test("M14: there is no parameter that a VM cannot have its own of", () => {
  assert.deepEqual(Object.keys(perVmCapability), Object.keys(kvmParameters));
  for (const cap of Object.values(perVmCapability)) {
    assert.ok(capabilities.find((row) => row.cap === cap)?.enableVm, `capability ${cap}`);
  }
});

test("a parameter that is no number keeps kvm from loading", async () => {
  const loader = createLoader();
  await assert.rejects(loader.modprobe("kvm", { halt_poll_ns: "soon" }), errno("EINVAL"));
  assert.deepEqual(
    loader.lsmod().map(({ name }) => name),
    ["vac"],
  );
});
