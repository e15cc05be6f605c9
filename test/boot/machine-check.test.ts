/** A machine check in a guest of machine pseries, from the guest's mistake to its handler and back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { openKvm } from "../../src/kernel.js";
import { spawnVcpuThread } from "../../src/node/vcpu-thread.js";
import { runMachine } from "../../src/vmm/core/run.js";
import { createPseries } from "../../src/vmm/machines/pseries/machine.js";
import { createPseriesVcpuSide } from "../../src/vmm/machines/pseries/vcpu-side.js";

const entry = 0x10000;
const mebi = 1048576;

/**
 * Registers its handler, jumps to where there is no memory, and is brought back by the handler; then says what it saw:
 * the log's first words and where it was interrupted. RTAS is entered as the machine's stub does it, by H_RTAS.
 */
const source = `
  b begin
rtas: # token in r5, inputs in r6, r7; their number in r8
  lis 4, 0x2
  stw 5, 0(4)
  stw 8, 4(4)
  li 9, 1
  stw 9, 8(4)
  stw 6, 12(4)
  stw 7, 16(4)
  li 3, 0
  ori 3, 3, 0xf000
  sc 1
  blr
begin:
  li 5, 0x202a       # ibm,nmi-register
  li 6, 0x4000
  lis 7, 0x1
  ori 7, 7, 0x1000
  li 8, 2
  bl rtas
  lis 10, 0x7000
  mtctr 10
  li 3, 0x77
  bctrl
  # back: what r3 was, what the log says
  mr 20, 3
  li 5, 0x202b       # ibm,nmi-interlock
  li 8, 0
  bl rtas
  cmpdi 20, 0x77
  bne wrong
  cmpdi 21, 0x77
  bne wrong
  lis 4, 0x674
  ori 4, 4, 0x4000
  cmpw 22, 4
  bne wrong
  cmpd 23, 10
  bne wrong
  cmpd 24, 10
  bne wrong
  lis 5, 0x4f4b      # "OK"
  b say
wrong:
  lis 5, 0x4e4f      # "NO"
say:
  sldi 6, 5, 32
  li 3, 0x58
  li 4, 0
  li 5, 2
  sc 1
  li 5, 0x2003       # power-off
  li 6, -1
  li 7, -1
  li 8, 2
  bl rtas
  b .
`;

/** At 0x11000: reads the log, restores r3, goes back to the caller of what was not there. */
const handler = `
  ld 21, 0(3)
  lwz 22, 8(3)
  ld 24, 56(3)
  mfspr 23, 26
  mr 3, 21
  mflr 11
  mtspr 26, 11
  mfspr 12, 27
  rfid
`;

const bytesAt = (text: string, origin: number): Uint8Array =>
  assemble(text, { origin: BigInt(origin), littleEndian: false }).bytes;

for (const [type, shared] of [
  ["hv", false],
  ["pr", false],
  ["hv", true],
] as const) {
  const threads = shared ? "a thread of its own" : "slices";
  test(`${type}, in ${threads}: a machine check reaches the handler registered with ibm,nmi-register`, async () => {
    const kvm = await openKvm({ memory: "both" });
    let said = "";
    const data = new Uint8Array(0x2000);
    data.set(bytesAt(source, entry));
    data.set(bytesAt(handler, entry + 0x1000), 0x1000);
    const run = await runMachine({
      createMachine: (control, trace) =>
        createPseries(
          {
            kvm,
            type: type === "hv" ? 1 : 2,
            shared,
            kernel: { byteOrder: "big", entry, segments: [{ address: entry, size: data.length, data }] },
            commandLine: "",
            memorySize: 32 * mebi,
            cpus: 1,
          },
          control,
          trace,
        ),
      createSide: createPseriesVcpuSide,
      spawn: shared ? spawnVcpuThread : undefined,
      output: (bytes) => {
        said += new TextDecoder().decode(bytes);
        return undefined;
      },
      timeout: 20_000,
    });
    const { outcome } = await run.ended;
    assert.deepEqual([said, outcome], ["OK", { kind: "powerOff" }]);
  });
}
