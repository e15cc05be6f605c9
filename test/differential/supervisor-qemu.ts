/** Runs a kernel under qemu-system-ppc64: the judge of supervisor cases. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { staticElf } from "./elf.js";

const program = "qemu-system-ppc64";

/** The version line of the emulator, or undefined if it is not installed. */
export function qemuSystemVersion(): string | undefined {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? stdout.split("\n")[0] : undefined;
}

/** A batch takes a few seconds. */
const patience = 120_000;

/**
 * The guest's memory, from an address on, when the kernel has written to its terminal. Throws an Error if it does not in
 * time; `where` is given the memory then, and says how far the kernel came.
 */
export async function memoryUnderQemu(
  image: Uint8Array,
  from: number,
  length: number,
  where: (read: (at: number, size: number) => Uint8Array) => string,
): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-supervisor-"));
  try {
    const [kernel, output, memory] = ["kernel", "output", "memory"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    // QEMU adds the address at which it loads kernels.
    writeFileSync(kernel, staticElf(0, [{ address: 0, bytes: image, executable: true }], false));
    writeFileSync(output, "");
    const machine = ["-M", "pseries,x-vof=on,memory-backend=ram", "-cpu", "power9", "-m", "256M"];
    const ram = ["-object", `memory-backend-file,id=ram,size=256M,share=on,mem-path=${memory}`];
    const quiet = ["-nodefaults", "-display", "none", "-serial", `file:${output}`];
    const qemu = spawn(program, [...machine, ...ram, ...quiet, "-kernel", kernel], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let complaint = "";
    qemu.stderr.on("data", (text: Buffer) => {
      complaint += text;
    });
    const ended = new Promise<void>((done) => qemu.once("exit", () => done()));
    try {
      for (
        let waited = 0;
        statSync(output).size === 0 && qemu.exitCode === null && qemu.signalCode === null && waited < patience;
        waited += 20
      ) {
        await sleep(20);
      }
      const file = openSync(memory, "r");
      const read = (at: number, size: number) => {
        const bytes = new Uint8Array(size);
        readSync(file, bytes, 0, size, at);
        return bytes;
      };
      try {
        if (statSync(output).size > 0) return read(from, length);
        throw new Error(`${program} did not come to the end of its cases: ${where(read)}\n${complaint}`);
      } finally {
        closeSync(file);
      }
    } finally {
      qemu.kill("SIGKILL");
      await ended;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
