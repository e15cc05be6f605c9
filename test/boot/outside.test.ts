/**
 * What a VM has of the outside: disks of every kind, and connections both ways, on Debian's kernel, under both engines. Of x86-64,
 * with two processors, only with UNIKVM_X86_EXEC=1: it takes long.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createVm, type LinuxVm, VmError } from "../../src/index-node.js";
import { implementations, noGuest, noLongRunOf } from "./booting.test-support.js";

const folder = mkdtempSync(join(tmpdir(), "unikvm-outside-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const mebibyte = 1 << 20;

const isVmError = (code: string, message?: RegExp) => (error: unknown) =>
  error instanceof VmError && error.code === code && (message?.test(error.message) ?? true);

const elsewhere = new Uint8Array(3 * mebibyte).map((_, i) => (i * 7 + (i >> 9)) & 0xff);

function sendRange(range: string, bytes: Uint8Array, response: ServerResponse): void {
  const [, from = 0, to = 0] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
  response.writeHead(206, { "content-range": `bytes ${from}-${to}/${bytes.length}`, etag: '"one"' });
  response.end(bytes.subarray(from, to + 1));
}

/** A guest's server is asked, past any socket of the host; the guest's own connections are asked about. */
async function useNetwork(vm: LinuxVm, port: number): Promise<void> {
  const serve = "mkdir -p /www && head -c 3000000 /dev/zero | tr '\\0' y >/www/file && httpd -p 80 -h /www";
  await vm.exec(serve, { check: true });
  const response = await vm.net.fetch(80, "/file");
  assert.deepEqual([response.status, response.headers.get("content-length")], [200, "3000000"]);
  const body = Buffer.from(await response.arrayBuffer());
  assert.ok(body.length === 3_000_000 && body.every((byte) => byte === 0x79), `${body.length}`);
  assert.equal((await vm.net.fetch(80, "/none")).status, 404);
  await assert.rejects(vm.net.connect(81), isVmError("ECONNREFUSED", /port 81 of the guest/));
  const cat = await vm.spawn("nc -l -p 82 -e cat");
  // Until it listens, it is refused.
  const connect = (): ReturnType<typeof vm.net.connect> => vm.net.connect(82).catch(connect);
  const { readable, writable } = await connect();
  const writer = writable.getWriter();
  const sent = new Uint8Array(mebibyte).map((_, i) => (i * 7) >> 3);
  const writing = writer.write(sent).then(() => writer.close());
  const parts: Uint8Array[] = [];
  for await (const part of readable as unknown as AsyncIterable<Uint8Array>) parts.push(part);
  await writing;
  assert.ok(Buffer.concat(parts).equals(sent), `${parts.length} parts`);
  await cat.exited;
  const ask = (path: string) => vm.exec(`wget -q -O - http://10.0.2.2:${port}/${path}`);
  assert.equal((await ask("allowed")).stdout, "from outside");
  assert.notEqual((await ask("refused")).exitCode, 0);
}

const rows = [
  ...implementations.map((type) => ({ guest: "ppc64le", type, cpus: 1, skip: noGuest }) as const),
  { guest: "x86_64", type: "hv", cpus: 2, skip: noLongRunOf("amd64") },
] as const;

for (const { guest, type, cpus, skip } of rows) {
  test(`disks and connections of a VM of ${guest} under ${type}`, { skip, timeout: 280_000 }, async () => {
    const file = join(folder, `${guest}-${type}.raw`);
    writeFileSync(file, new Uint8Array(mebibyte));
    const kept = join(folder, `${guest}-${type}-kept.raw`);
    writeFileSync(kept, new Uint8Array(mebibyte));
    const http = createHttpServer((request, response) => {
      if (request.headers.range === undefined) return void response.end("from outside");
      sendRange(request.headers.range, elsewhere, response);
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as AddressInfo;
    const disks = [
      { source: file },
      { source: kept, mode: "write" },
      { source: new Blob([elsewhere]) },
      { source: new URL(`http://127.0.0.1:${port}/elsewhere`) },
    ] as const;
    const asked: string[] = [];
    const onConnect = async ({ host, port: to, protocol }: { host: string; port: number; protocol: string }) => {
      asked.push(`${protocol} ${host} ${to === port}`);
      return asked.length === 1;
    };
    const vm = await createVm({ guest, type, cpus, disks, network: { allow: [`127.0.0.1:${port}`], onConnect } });
    try {
      assert.equal((await vm.exec("nproc")).stdout, `${cpus}\n`);
      const write =
        "for d in a b; do printf written | dd of=/dev/vd$d conv=notrunc 2>/dev/null; done; sync; head -c 7 /dev/vda";
      assert.equal((await vm.exec(write)).stdout, "written");
      // The half of a page that is written is all that the guest knows of it: the rest comes from elsewhere.
      const sums = "for d in c d; do printf here | dd of=/dev/vd$d bs=1 seek=1000 conv=notrunc 2>/dev/null; done; sync";
      const again = "echo 3 >/proc/sys/vm/drop_caches; md5sum </dev/vdc; md5sum </dev/vdd";
      const changed = elsewhere.slice();
      changed.set(new TextEncoder().encode("here"), 1000);
      const sum = `${createHash("md5").update(changed).digest("hex")}  -\n`;
      assert.equal((await vm.exec(`${sums}; ${again}`)).stdout, sum.repeat(2));
      await useNetwork(vm, port);
      assert.deepEqual(asked, ["tcp 127.0.0.1 true", "tcp 127.0.0.1 true"]);
    } finally {
      assert.equal((await vm.close()).kind, "closed");
      http.closeAllConnections();
      http.close();
    }
    const starts = [file, kept].map((source) => readFileSync(source).subarray(0, 7).toString());
    assert.deepEqual(starts, ["\0".repeat(7), "written"]);
    await assert.rejects(vm.net.connect(80), isVmError("VM_CLOSED"));
  });
}
