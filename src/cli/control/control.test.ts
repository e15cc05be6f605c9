import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KvmError } from "../../base/errors.js";
import { defineModule } from "../../modules/define-module.js";
import { ModuleLoader } from "../../modules/loader.js";
import { ask, listInstances } from "./client.js";
import { openControlFolder, socketPath } from "./folder.js";
import { lineLimit, parseAnswer, parseRequest } from "./protocol.js";
import { type ControlServer, serveControl } from "./server.js";

let folder = "";
const runtime = process.env["XDG_RUNTIME_DIR"];
before(() => {
  folder = mkdtempSync(join(tmpdir(), "unikvm-control-"));
  process.env["XDG_RUNTIME_DIR"] = folder;
});
after(() => {
  if (runtime === undefined) delete process.env["XDG_RUNTIME_DIR"];
  else process.env["XDG_RUNTIME_DIR"] = runtime;
  rmSync(folder, { recursive: true });
});

const declared = (name: string, more: object = {}) =>
  defineModule({ name, description: name, license: "MIT", inTree: true, init: () => {}, ...more });

async function serving(loader: ModuleLoader, work: (server: ControlServer) => Promise<void>): Promise<void> {
  const server = await serveControl(loader);
  try {
    await work(server);
  } finally {
    server.close();
  }
}

test("nobody runs: nobody is asked", async () => {
  assert.equal(await ask({ command: "lsmod" }, undefined), undefined);
  await assert.rejects(ask({ command: "lsmod" }, 1), /no unikvm runs as process 1/);
});

test("what is asked is done, and what failed is told by errno", async () => {
  const failing = () => {
    throw new KvmError("ENODEV", "there is no such hardware");
  };
  const loader = new ModuleLoader([declared("a"), declared("b", { init: failing })]);
  await serving(loader, async (server) => {
    assert.deepEqual(await listInstances(), [process.pid]);
    assert.equal(statSync(join(folder, "unikvm")).mode & 0o777, 0o700);
    const loaded = await ask({ command: "modprobe", name: "a", parameters: {}, force: false }, undefined);
    assert.deepEqual(loaded?.actions, [{ kind: "insmod", name: "a" }]);
    assert.deepEqual(loaded?.modules, [{ name: "a", size: 0, references: 0, users: [] }]);
    const failed = await ask({ command: "modprobe", name: "b", parameters: {}, force: false }, process.pid);
    assert.equal(failed?.failure?.code, "ENODEV");
    const removed = await ask({ command: "rmmod", name: "a", force: false }, undefined);
    assert.deepEqual(removed?.modules, []);
    const again = await ask({ command: "rmmod", name: "a", force: false }, undefined);
    assert.equal(again?.failure?.code, "ENOENT");
    assert.equal(server.log("nobody listens"), false);
  });
  assert.deepEqual(await listInstances(), []);
  assert.equal(existsSync(socketPath(openControlFolder(), process.pid)), false);
});

test("insmod takes a file that holds a module, and no other", async () => {
  const insmod = (file: string) => ask({ command: "insmod", file, parameters: {}, force: false }, undefined);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const sound = file(
    "sound.mjs",
    `export default { name: "sound", license: "MIT", vermagic: "unikvm 0.1", init() {} };\n`,
  );
  const loader = new ModuleLoader([]);
  await serving(loader, async () => {
    const answer = await insmod(sound);
    assert.deepEqual(answer?.modules, [{ name: "sound", size: statSync(sound).size, references: 0, users: [] }]);
    const refused: readonly [file: string, code: string][] = [
      [file("empty.mjs", ""), "ENOEXEC"],
      [file("broken.mjs", "export default {"), "ENOEXEC"],
      [file("throws.mjs", "throw 5"), "ENOEXEC"],
      [file("null.mjs", "export default null"), "ENOEXEC"],
      [file("other.mjs", "export default { name: 5, init: 5 }"), "ENOEXEC"],
      [join(folder, "none.mjs"), "ENOENT"],
      ["relative.mjs", "EINVAL"],
    ];
    for (const [path, code] of refused) assert.equal((await insmod(path))?.failure?.code, code, path);
    assert.equal(loader.lsmod().length, 1);
  });
});

test("a snapshot whose asker leaves is given up, and one that is waited for is made", async () => {
  await serving(new ModuleLoader([]), async (server) => {
    const signals: AbortSignal[] = [];
    const line = { digest: "a", size: 1, stopped: 2 };
    server.onSnapshot(async (file, _, signal) => {
      signals.push(signal);
      if (file.endsWith("quick")) return line;
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    });
    const request = (file: string) => ({ command: "snapshot", file, packing: "stored" }) as const;
    const socket = createConnection(socketPath(openControlFolder(), process.pid));
    socket.write(`${JSON.stringify(request("/slow"))}\n`);
    while (signals.length === 0) await new Promise(setImmediate);
    const [first] = signals as [AbortSignal];
    assert.equal(first.aborted, false);
    socket.destroy();
    // The server keeps no process alive.
    const alive = setInterval(() => undefined, 1000);
    await new Promise((resolve) => first.addEventListener("abort", resolve));
    clearInterval(alive);
    assert.match(String(first.reason), /has left/);
    assert.deepEqual((await ask(request("/quick"), undefined))?.snapshot, line);
  });
});

test("garbage is no request, and who sends it is hung up on", async () => {
  const lines = [
    "",
    "{",
    "null",
    "[]",
    "5",
    `{"command":"reboot"}`,
    `{"command":"rmmod"}`,
    `{"command":"rmmod","name":5}`,
  ];
  for (const line of lines) assert.equal(parseRequest(line), undefined, line);
  assert.equal(parseRequest(`{"command":"insmod","file":"/x","parameters":{"a":1},"force":false}`), undefined);
  const none = { modules: [], actions: [], log: [] };
  assert.deepEqual(parseAnswer(JSON.stringify({ ...none, more: 1 })), none);
  const wrong: readonly object[] = [
    {},
    { ...none, modules: [{}] },
    { ...none, modules: [{ name: "a", size: 1, references: 0, users: [5] }] },
    { ...none, actions: [{ name: "a", kind: "reboot" }] },
    { ...none, log: [5] },
    { ...none, failure: { code: "toString", message: "a" } },
    { ...none, failure: { code: "EINVAL" } },
    { ...none, snapshot: { digest: "a", size: "1", stopped: 1 } },
  ];
  for (const line of ["", ...wrong.map((one) => JSON.stringify(one))]) {
    assert.equal(parseAnswer(line), undefined, line);
  }
  await serving(new ModuleLoader([]), async () => {
    const path = socketPath(openControlFolder(), process.pid);
    const send = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = createConnection(path);
        let got = "";
        socket.on("data", (chunk) => {
          got += chunk;
        });
        socket.on("error", () => {});
        socket.on("close", () => resolve(got));
        socket.write(text);
      });
    assert.equal(await send("rmmod kvm\n"), "");
    assert.equal(await send("x".repeat(lineLimit + 1)), "");
    assert.ok(await ask({ command: "lsmod" }, undefined), "it still serves");
  });
});

test("what a dead process left is removed, and who does not answer is told of", async () => {
  const path = socketPath(openControlFolder(), 4194303);
  writeFileSync(path, "");
  assert.deepEqual(await listInstances(), []);
  assert.equal(existsSync(path), false);
  const silent = createServer((socket) => socket.on("error", () => {}).end("no JSON\n"));
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  try {
    await assert.rejects(ask({ command: "lsmod" }, undefined), /process 4194303, does not answer/);
    await serving(new ModuleLoader([]), async () => {
      await assert.rejects(ask({ command: "lsmod" }, undefined), /several instances.*choose one with --pid/);
      assert.ok(await ask({ command: "lsmod" }, process.pid));
    });
  } finally {
    silent.close();
  }
});

test("a folder that others can enter, or that is none, is not used", async () => {
  const mine = join(folder, "unikvm");
  chmodSync(mine, 0o755);
  await assert.rejects(serveControl(new ModuleLoader([])), /closed to others/);
  assert.deepEqual(await listInstances(), []);
  rmSync(mine, { recursive: true });
  mkdirSync(join(folder, "elsewhere"), { mode: 0o700 });
  symlinkSync(join(folder, "elsewhere"), mine);
  await assert.rejects(serveControl(new ModuleLoader([])), /closed to others/);
  rmSync(mine);
  assert.throws(() => socketPath(`/${"x".repeat(100)}`, 5), /too long for a socket/);
});
