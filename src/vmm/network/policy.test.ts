/** What a guest may reach. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, parseRange } from "./ipv4.js";
import { Policy } from "./policy.js";

const at = (text: string): number => parseAddress(text) ?? assert.fail(text);
const policy = (allow: "all" | readonly string[], state?: ConstructorParameters<typeof Policy>[2]) =>
  new Policy(allow, () => ["8.8.4.4", "fe80::1"], state);

test("addresses and ranges are read as they are written, or not at all", () => {
  assert.equal(parseAddress("10.0.2.15"), 0x0a00_020f);
  for (const text of ["010.0.0.1", "1.2.3", "1.2.3.256", "0x7f.0.0.1", "1.2.3.4.5", "", "2130706433"]) {
    assert.equal(parseAddress(text), undefined, text);
  }
  assert.deepEqual(parseRange("10.0.0.0/8"), { start: 0x0a00_0000, bits: 8 });
  for (const text of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "name/8"]) assert.equal(parseRange(text), undefined);
});

test("nothing, all of the public internet, or what is listed", () => {
  const places = ["8.8.8.8", "8.8.4.4", "127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "172.31.0.1"];
  const reached = (of: Policy): string[] => places.filter((place) => of.target(at(place), 80));
  assert.deepEqual(reached(policy([])), []);
  assert.deepEqual(reached(policy("all")), ["8.8.8.8"]);
  assert.deepEqual(reached(policy(["10.1.0.0/16:80", "127.0.0.1:443"])), ["10.1.2.3"]);
  assert.deepEqual(reached(policy(["all", "127.0.0.1:*"])), ["8.8.8.8", "127.0.0.1"]);
  for (const place of ["0.0.0.0", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"]) {
    assert.equal(policy("all").target(at(place), 80), undefined, place);
  }
});

test("names have addresses of their own, which say which name is meant, at which ports", () => {
  const it = policy(["example.org:443", "*.debian.org:80,443"]);
  assert.equal(it.lookUp("example.com"), "refuse");
  assert.equal(it.lookUp("debian.org"), "refuse");
  assert.equal(it.lookUp("evil.example.org"), "refuse");
  assert.equal(it.lookUp("notdebian.org"), "refuse");
  const standIn = (name: string): number => {
    const found = it.lookUp(name);
    assert.ok(typeof found === "object");
    return found.standIn;
  };
  const [one, two] = [standIn("example.org"), standIn("deb.debian.org")];
  assert.notEqual(one, two);
  assert.equal(standIn("example.org"), one);
  assert.deepEqual(it.target(one, 443), { name: "example.org" });
  assert.equal(it.target(one, 80), undefined);
  assert.deepEqual(it.target(two, 80), { name: "deb.debian.org" });
  assert.equal(it.target(two + 1, 80), undefined);
  // The address itself is not allowed by that.
  assert.equal(it.target(at("93.184.216.34"), 443), undefined);
});

test("a name that means a private address, or the host, reaches nothing", () => {
  const it = policy(["example.org:443"]);
  for (const address of ["127.0.0.1", "10.0.0.1", "192.168.0.1", "169.254.169.254", "8.8.4.4", "0.0.0.0"]) {
    assert.equal(it.choose([at(address)], 443), undefined, address);
  }
  assert.equal(it.choose([at("10.0.0.1"), at("9.9.9.9")], 443), at("9.9.9.9"));
  assert.equal(policy(["example.org:443", "10.0.0.0/8:443"]).choose([at("10.0.0.1")], 443), at("10.0.0.1"));
});

test("names are forgotten, the ones that were asked for longest ago; restored, they are the same", () => {
  const it = policy(["*.example.org:*"]);
  const first = it.lookUp("first.example.org");
  const addresses = new Set<number>();
  for (let i = 0; i < 10_000; i++) {
    const found = it.lookUp(`n${i}.example.org`);
    assert.ok(typeof found === "object");
    addresses.add(found.standIn);
  }
  assert.equal(addresses.size, 10_000);
  assert.ok(typeof first === "object" && it.target(first.standIn, 80) === undefined);
  const state = structuredClone(it.save());
  assert.equal(state.length, 4096);
  const again = policy(["*.example.org:*"], state);
  assert.deepEqual(again.save(), state);
  assert.deepEqual(again.lookUp("n9999.example.org"), it.lookUp("n9999.example.org"));
  assert.throws(() => policy([], [{ address: -1, name: "x" }]), /EINVAL.*address/);
});

test("rules that are none are refused with a sentence", () => {
  for (const rule of ["example.org", "example.org:", ":80", "example.org:0", "example.org:65536", "example.org:80,x"]) {
    assert.throws(() => policy([rule]), /what a guest may reach is written as/, rule);
  }
  for (const rule of ["10.0.0.0/40:*", "1.2.3:80", "*:80", "a.*.org:80", "ex ample:80", "::1:80"]) {
    assert.throws(() => policy([rule]), /what a guest may reach is written as/, rule);
  }
});
