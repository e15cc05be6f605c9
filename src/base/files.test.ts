import assert from "node:assert/strict";
import { test } from "node:test";
import { errno } from "./errno.test-support.js";
import { FileTable, fileTable, OpenFile } from "./files.js";

test("descriptors are the lowest free ones, and a file lives until the last who holds it", () => {
  const table = new FileTable();
  let released = 0;
  const file = new OpenFile("subject", () => released++);
  assert.deepEqual([table.install(file), table.install(new OpenFile(1, () => {}))], [3, 4]);
  assert.equal(table.lookup(3).subject, "subject");
  file.get();
  table.close(3);
  assert.deepEqual([released, file.references], [0, 1]);
  assert.throws(() => table.lookup(3), errno("EBADF"));
  assert.throws(() => table.close(3), errno("EBADF"));
  assert.equal(table.install(new OpenFile(2, () => {})), 3);
  file.put();
  assert.equal(released, 1);
  assert.throws(() => file.put(), errno("EBADF"));
  assert.throws(() => file.get(), errno("EBADF"));
  assert.equal(released, 1);
});

test("the table is the process's", () => {
  assert.equal(fileTable(), fileTable());
});
