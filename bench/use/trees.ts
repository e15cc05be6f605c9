/** How fast bytes go in and out: what a program writes, and trees of files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LinuxVm } from "../../src/index-node.js";
import { type Bench, type Row, timed } from "./row.js";

const megabyte = 1_000_000;
/** Bytes that a stream has, of a program or of a tree. */
const size = 64 * megabyte;

/** Takes all of a stream; how many bytes it had. */
async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  let count = 0;
  for await (const bytes of stream) count += bytes.length;
  return count;
}

const megabytesPerSecond = (bytes: number, milliseconds: number): number => bytes / megabyte / (milliseconds / 1000);

export const stdout: Row = {
  name: "stdout of a command",
  target: "100 MB/s",
  unit: "MB/s",
  more: true,
  runs: 5,
  measure: async ({ shared, runs, result }) => {
    const vm = await shared.get();
    for (let i = -1; i < runs; i++) {
      let count = 0;
      const took = await timed(async () => {
        const program = await vm.spawn(["dd", "if=/dev/zero", `bs=${megabyte}`, `count=${size / megabyte}`]);
        count = await drain(program.stdout);
      });
      if (count !== size) throw new Error(`${count} bytes came, not ${size}`);
      // The first is translated.
      if (i >= 0) result(megabytesPerSecond(count, took));
    }
  },
};

/** A folder of the host with so many files of so many bytes, 100 in each folder of its own. */
function makeTree(files: number, bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), "unikvm-bench-"));
  for (let i = 0; i < files; i++) {
    const below = join(folder, `folder-${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(below);
    writeFileSync(join(below, `file-${i}`), Buffer.alloc(bytes, `${i}\n`));
  }
  return folder;
}

interface Tree {
  readonly files: number;
  /** Of each. */
  readonly bytes: number;
}

const place = "/tmp/bench-tree";

/** `each` has a VM and a tree of the host, which is not in the guest yet; it gives what it measured. */
async function withTree(
  { shared, runs, result }: Bench,
  { files, bytes }: Tree,
  each: (vm: LinuxVm, tree: string) => Promise<number>,
): Promise<void> {
  const vm = await shared.get();
  const tree = makeTree(files, bytes);
  try {
    for (let i = -1; i < runs; i++) {
      const value = await each(vm, tree);
      const { stdout: found } = await vm.exec(`find ${place} -type f | wc -l`, { check: true });
      if (Number(found) !== files) throw new Error(`${found.trim()} files are in the guest, not ${files}`);
      await vm.fs.rm(place, { recursive: true });
      if (i >= 0) result(value);
    }
  } finally {
    rmSync(tree, { recursive: true });
  }
}

const large: Tree = { files: 64, bytes: size / 64 };
const small: Tree = { files: 2000, bytes: 1000 };

const into = (vm: LinuxVm, tree: string): Promise<number> => timed(() => vm.fs.upload(tree, place));

/** Milliseconds until all of what is there has come. */
async function outOf(vm: LinuxVm, { files, bytes }: Tree): Promise<number> {
  let count = 0;
  const took = await timed(async () => {
    count = await drain(vm.fs.download(place));
  });
  if (count < files * bytes) throw new Error(`${count} bytes came of ${files} files of ${bytes} each`);
  return took;
}

export const treeIn: Row = {
  name: `vm.fs.upload of a folder with ${large.files} files of ${large.bytes / megabyte} MB`,
  target: "100 MB/s",
  unit: "MB/s",
  more: true,
  runs: 5,
  measure: (bench) => withTree(bench, large, async (vm, tree) => megabytesPerSecond(size, await into(vm, tree))),
};

export const treeOut: Row = {
  name: "vm.fs.download of it",
  target: "100 MB/s",
  unit: "MB/s",
  more: true,
  runs: 5,
  measure: (bench) =>
    withTree(bench, large, async (vm, tree) => {
      await vm.fs.upload(tree, place);
      return megabytesPerSecond(size, await outOf(vm, large));
    }),
};

export const filesIn: Row = {
  name: `vm.fs.upload of a folder with ${small.files} files of ${small.bytes} bytes`,
  target: "1 s",
  unit: "s",
  runs: 5,
  measure: (bench) => withTree(bench, small, async (vm, tree) => (await into(vm, tree)) / 1000),
};

export const filesOut: Row = {
  name: "vm.fs.download of these",
  target: "1 s",
  unit: "s",
  runs: 5,
  measure: (bench) =>
    withTree(bench, small, async (vm, tree) => {
      await vm.fs.upload(tree, place);
      return (await outOf(vm, small)) / 1000;
    }),
};
