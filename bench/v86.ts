/**
 * Boots a Linux of 32 bits in v86, the serial port on the standard streams, until it has powered off:
 *
 *   node dist/bench/v86.js --package FOLDER --kernel VMLINUX --initrd FILE --append TEXT --memory 512M
 *
 * FOLDER is that of the package v86. Nothing of v86's is used that its type declarations do not have.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runCommand, UsageError } from "./suite/command.js";
import { BenchUnavailable } from "./suite/compile.js";
import { v86Boot } from "./suite/v86-boot.js";

/** What we use of an instance. */
interface Emulator {
  add_listener(event: "serial0-output-byte", listener: (byte: number) => void): void;
  add_listener(event: "emulator-loaded", listener: () => void): void;
  write_memory(bytes: Uint8Array, address: number): void;
  serial_send_bytes(serial: number, bytes: Uint8Array): void;
  run(): Promise<void>;
}
interface Package {
  readonly V86: new (options: Readonly<Record<string, unknown>>) => Emulator;
}

/** The last that a kernel says which has no ACPI to power off with. */
const halted = /^\[ *\d+\.\d+\] reboot: (?:System halted|Power down)\r?$/;

const usage = "usage: v86.js --package FOLDER --kernel VMLINUX --initrd FILE --append TEXT --memory SIZE\n";

function parseOptions() {
  const name = { type: "string" } as const;
  const { values } = parseArgs({ options: { package: name, kernel: name, initrd: name, append: name, memory: name } });
  const given = (option: keyof typeof values): string => {
    const value = values[option];
    if (value === undefined) throw new UsageError(`--${option} is missing`);
    return value;
  };
  const [, megabytes] = /^([1-9]\d{0,3})M$/.exec(given("memory")) ?? [];
  if (megabytes === undefined) throw new UsageError(`--memory is a size such as 512M, not "${values.memory}"`);
  return {
    folder: resolve(given("package"), "build"),
    kernel: given("kernel"),
    initrd: given("initrd"),
    append: given("append"),
    memory: Number(megabytes) * 1048576,
  };
}

/** Writes whole lines at once, and what is left of one when nothing more comes. */
class Console {
  #bytes: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  take(byte: number): void {
    this.#bytes.push(byte);
    if (byte === 0x0a) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), 20);
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const line = Buffer.from(this.#bytes);
    this.#bytes = [];
    if (!halted.test(line.toString("latin1").trimEnd())) process.stdout.write(line);
    else process.stdout.write(line, () => process.exit(0));
  }
}

async function main(): Promise<number> {
  const { folder, kernel, initrd, append, memory } = parseOptions();
  const load = async () => ({
    ...v86Boot(readFileSync(kernel), readFileSync(initrd), append, memory),
    ...((await import(pathToFileURL(join(folder, "libv86.mjs")).href)) as Package),
  });
  const { entry, placed, V86 } = await load().catch((error: Error) => {
    throw new BenchUnavailable(error.message);
  });
  const emulator = new V86({
    ...{ wasm_path: join(folder, "v86.wasm"), memory_size: memory, vga_memory_size: 2 * 1048576, autostart: false },
    ...{ multiboot: { buffer: entry.buffer }, net_device: { type: "none" }, log_level: 0 },
    ...{ disable_keyboard: true, disable_mouse: true, disable_speaker: true },
  });
  const console = new Console();
  emulator.add_listener("serial0-output-byte", (byte) => console.take(byte));
  emulator.add_listener("emulator-loaded", () => {
    for (const { address, bytes } of placed) emulator.write_memory(bytes, address);
    process.stdin.on("data", (bytes: Buffer) => emulator.serial_send_bytes(0, bytes));
    void emulator.run();
  });
  return 0;
}

await runCommand(usage, main);
