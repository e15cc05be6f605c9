/** `unikvm run` and what is typed faster than the guest reads it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assemble } from "../../src/arch/powerpc/isa/assembler.js";
import { inputLimit } from "../../src/vmm/core/console-pump.js";
import { main } from "../boot/booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-input-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function start(source: string, threads: string) {
  const kernel = join(folder, "kernel");
  writeFileSync(kernel, assemble(`${source}\n.space 4096\n`, { littleEndian: false }).bytes);
  const args = [
    main,
    "run",
    "--memory",
    "64M",
    "--timeout",
    "120",
    "--threads",
    threads,
    "--kernel",
    kernel,
    "--kernel-format",
    "flat",
  ];
  return spawn(process.execPath, args, { stdio: ["pipe", "pipe", "ignore"] });
}

const chunk = 65536;

for (const threads of ["worker", "single"]) {
  test(`${threads}: a guest that reads nothing holds up an endless stdin`, async () => {
    const child = start("stay: b stay", threads);
    child.stdin.on("error", () => undefined);
    let taken = 0;
    const write = (): void => {
      child.stdin.write(new Uint8Array(chunk), (error) => {
        if (error) return;
        taken += chunk;
        write();
      });
    };
    write();
    const end = performance.now() + 60_000;
    let before: number;
    do {
      before = taken;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    } while ((taken < inputLimit && performance.now() < end) || taken !== before);
    // What waits for the guest, and what pipes and streams hold.
    assert.ok(taken >= inputLimit && taken < inputLimit + 16 * chunk, `${taken} bytes were read`);
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [143, null]);
  });

  test(`${threads}: every byte reaches a guest that reads slowly`, async () => {
    // H_GET_TERM_CHAR, then H_PUT_TERM_CHAR of the same until there is room.
    const child = start(
      `get:   li 3, 0x54
              li 4, 0
              sc 1
              mr 20, 4
              mr 21, 5
              mr 22, 6
              cmpdi 20, 0
              beq get
       put:   li 3, 0x58
              li 4, 0
              mr 5, 20
              mr 6, 21
              mr 7, 22
              sc 1
              cmpdi 3, 0
              bne put
              b get`,
      threads,
    );
    const typed = Buffer.alloc(inputLimit + 3 * chunk).map((_, i) => 2 + ((i * 7 + (i >> 8)) % 250));
    child.stdin.write(typed);
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of child.stdout as AsyncIterable<Buffer>) {
      pieces.push(piece);
      length += piece.length;
      if (length === typed.length) child.stdin.write("\x01x");
    }
    const seen = Buffer.concat(pieces);
    assert.equal(seen.length, typed.length);
    assert.ok(seen.equals(typed));
    assert.equal(child.exitCode ?? (await once(child, "exit"))[0], 0);
  });
}
