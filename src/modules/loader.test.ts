import assert from "node:assert/strict";
import { test } from "node:test";
import { KvmError } from "../base/errors.js";
import { defineModule, type ModuleContext } from "./define-module.js";
import { ModuleLoader } from "./loader.js";

const simple = (name: string, more: object = {}) =>
  defineModule({ name, description: name, license: "MIT", init: () => name, ...more });
const errno = (code: string) => (error: unknown) => error instanceof KvmError && error.code === code;

test("dependencies come first and hold what they need", async () => {
  const order: string[] = [];
  const loader = new ModuleLoader([
    simple("a", { depends: ["b"], init: () => order.push("a") }),
    simple("b", { init: () => order.push("b") }),
  ]);
  await loader.modprobe("a");
  assert.deepEqual(order, ["b", "a"]);
  assert.throws(() => loader.rmmod("b"), /EBUSY.*in use by: a/);
  loader.rmmod("a");
  loader.rmmod("b");
  assert.deepEqual(loader.lsmod(), []);
});

test("aliases, with dashes or underscores, name the module", async () => {
  const loader = new ModuleLoader([simple("kvm", { aliases: ["kvm-hv"] })]);
  await loader.modprobe("kvm_hv");
  assert.equal(loader.offer("kvm-hv"), "kvm");
  await assert.rejects(loader.modprobe("kvm-pr"), errno("ENOENT"));
});

test("a failing init gives back what it acquired, in reverse, and what it depended on", async () => {
  const steps = ["one", "two", "three"];
  for (const failing of steps) {
    const undone: string[] = [];
    const init = async (context: ModuleContext) => {
      for (const step of steps)
        await context.step(
          step,
          () => step,
          (value) => undone.push(value),
        );
    };
    const loader = new ModuleLoader([simple("a", { depends: ["b"], init }), simple("b")], {
      onStep: (_, step) => {
        if (step === failing) throw new KvmError("ENOMEM", "injected");
      },
    });
    await assert.rejects(loader.modprobe("a"), errno("ENOMEM"));
    assert.deepEqual(undone, steps.slice(0, steps.indexOf(failing)).reverse());
    assert.deepEqual(
      loader.lsmod().map(({ name, users }) => [name, users]),
      [["b", []]],
    );
  }
});

test("nothing is offered before init has ended, and references keep a module", async () => {
  let context: ModuleContext | undefined;
  let proceed = (): void => {};
  const gate = new Promise<void>((resolve) => {
    proceed = resolve;
  });
  const init = async (given: ModuleContext) => {
    context = given;
    await gate;
    return "ready";
  };
  const loader = new ModuleLoader([simple("a", { init })]);
  const loading = loader.modprobe("a");
  const second = loader.modprobe("a");
  await Promise.resolve();
  assert.throws(() => loader.offer("a"), errno("ENOENT"));
  assert.equal(context?.tryGet(), false);
  assert.throws(() => loader.rmmod("a"), errno("EBUSY"));
  proceed();
  await Promise.all([loading, second]);
  assert.equal(loader.offer("a"), "ready");
  assert.equal(context?.tryGet(), true);
  assert.throws(() => loader.rmmod("a"), errno("EBUSY"));
  context?.put();
  loader.rmmod("a");
  assert.throws(() => loader.rmmod("a"), errno("ENOENT"));
});

test("parameters are typed", async () => {
  const seen: unknown[] = [];
  const parameters = {
    halt: { type: "uint", default: 5, description: "" },
    nested: { type: "bool", default: false, description: "" },
  };
  const init = (context: ModuleContext) => seen.push(context.parameter("halt"), context.parameter("nested"));
  const make = () => new ModuleLoader([simple("a", { parameters, init })]);
  await make().modprobe("a", { nested: "Y" });
  assert.deepEqual(seen, [5, true]);
  await assert.rejects(make().modprobe("a", { halt: "-1" }), errno("EINVAL"));
  await assert.rejects(make().modprobe("a", { nested: "maybe" }), errno("EINVAL"));
  await assert.rejects(make().modprobe("a", { other: 1 }), errno("EINVAL"));
});

test("modules that depend on each other are refused", async () => {
  const loader = new ModuleLoader([simple("a", { depends: ["b"] }), simple("b", { depends: ["a"] })]);
  await assert.rejects(loader.modprobe("a"), errno("EINVAL"));
  assert.deepEqual(loader.lsmod(), []);
});
