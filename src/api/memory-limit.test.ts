/** What a VM's memory is shared into, and values that are none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VmError } from "./error.js";
import { memoryShares } from "./memory-limit.js";
import type { Network, VmOptions } from "./types.js";

const mebibyte = 1 << 20;
const shares = (memory: unknown, ram: number, more: Partial<VmOptions> = {}) =>
  memoryShares({ ...more, limits: { memory: memory as number } }, { ram: ram * mebibyte, kvm: 16 * mebibyte });

test("without a limit nothing is shared", () => {
  for (const limits of [{}, { cpu: 1 }]) assert.equal(memoryShares({ limits }, { ram: 1, kvm: 1 }), undefined);
});

test("all parts together are no more than the limit", () => {
  const networks: readonly (Network | undefined)[] = [undefined, {}, { via: new URL("wss://relay.example/") }];
  for (const type of ["hv", "pr", undefined] as const) {
    for (const [index, network] of networks.entries()) {
      for (const beside of [64, 65.5, 100, 3000]) {
        const buffers = 32 * index;
        const limit = (128 + beside + buffers) * mebibyte;
        const parts = shares(limit, 128, { ...(type ? { type } : {}), ...(network ? { network } : {}) });
        assert.ok(parts);
        const { code, disks } = parts;
        assert.ok(code >= 65536 && disks >= 16 * mebibyte, JSON.stringify(parts));
        const ofCode = type === "pr" ? 0 : 10 * code;
        assert.ok((128 + 16 + buffers) * mebibyte + ofCode + disks <= limit, JSON.stringify(parts));
      }
    }
  }
  assert.deepEqual(shares("1G", 512), shares(1 << 30, 512));
  assert.ok((shares(2 ** 52, 512)?.code ?? 0) < 2 ** 31);
});

test("a limit that RAM does not fit into is refused, with both values", () => {
  for (const [limit, ram, expected] of [
    ["128M", 512, /limits.memory is 128M, but the guest's RAM is 512M .* beside it 64M is the least: give it 576M$/],
    [575 * mebibyte, 512, /limits.memory is 575M, .*576M$/],
    [0, 512, /limits.memory is 0M/],
  ] as const) {
    assert.throws(() => shares(limit, ram), { name: "VmError", code: "EINVAL", message: expected });
  }
  assert.throws(() => shares("600M", 512, { network: {} }), /beside it 96M is the least: give it 608M$/);
});

test("what is no size is refused", () => {
  for (const wrong of [
    "half",
    "",
    "-1G",
    "1T",
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    2 ** 60,
    null,
    {},
    [],
    1n,
  ]) {
    assert.throws(
      () => shares(wrong, 128),
      (error) => error instanceof VmError && error.code === "EINVAL" && /limits\.memory is /.test(error.message),
      String(wrong),
    );
  }
});
