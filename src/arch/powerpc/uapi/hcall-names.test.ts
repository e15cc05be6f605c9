import assert from "node:assert/strict";
import { test } from "node:test";
import { hcalls as userSide } from "../../../vmm/machines/pseries/hcalls/index.js";
import { hcalls as kernelSide } from "../papr/list.js";
import { hcallName } from "./hcall-names.js";

test("every hypercall that is answered is listed under the name it is declared with", () => {
  for (const { number, name } of [...kernelSide, ...userSide]) assert.equal(hcallName(number), name);
});

test("an unknown one is its number", () => assert.equal(hcallName(0x7fc), "0x7fc"));
