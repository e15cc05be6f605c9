/**
 * Every option and every argument of every command, from commander's own objects: what it does not take is one sentence that
 * names it and the value, and the command's status for a usage error, and nothing is begun. One that is new has no row here
 * and fails.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { commands } from "../../src/cli/commands.js";
import { everyCommand, parse } from "./parsing.test-support.js";

/** What is refused (missing values always are), and what is taken. */
interface Row {
  readonly bad: readonly string[];
  readonly good: readonly string[];
}
const path: Row = { bad: [""], good: ["no/such file", "-1"] };
/** Every string is one; kmod's programs say what is wrong with it when they look for it, with kmod's words and statuses. */
const text: Row = { bad: [], good: ["", "nonsense,,=\u0001", "-1"] };
const count: Row = { bad: ["", "0", "-1", "two", "1.5", "1e3", "0x10", "9007199254740992"], good: ["1", "4096"] };
const seconds: Row = { bad: ["", "0", "-1", "soon", "1e3", "Infinity"], good: ["0.5", "20", "99999999999"] };
const choice = (...good: string[]): Row => ({ bad: ["", "xen", "hv,pr", "0", good.join(" ")], good });

const memory: Row = {
  bad: ["", "lots", "512B", "-1G", "1K", "0", "4G", "1P", "99999999999T", "1e3"],
  good: ["64M", "1.5G"],
};
const cpus: Row = { bad: [...count.bad, "33", "1000"], good: ["1", "32"] };
const cpu: Row = { bad: ["", "POWER3", "power"], good: ["POWER9"] };
const disk: Row = {
  bad: [
    "",
    ",readonly",
    "a,format=vmdk",
    "a,format=",
    "a,size=3",
    "a,",
    "a,backing=",
    "a,backing",
    "a,readonly=yes",
    "a,readonly,overlay",
  ],
  good: ["a", "a,format=raw", "a,overlay", "a.qcow2,readonly,backing=b,backing=c", "a,,b"],
};
const network: Row = {
  bad: [
    "",
    "tap",
    "user,",
    "user,forward=80",
    "user,forward=0:80",
    "user,forward=80:80,forward=80:81",
    "user,allow",
    "user,mac=1",
  ],
  good: ["user", "user,forward=8080:80,allow=example.org:443"],
};

/** Of the commands that run a guest. */
const limitValues = (command: string): Readonly<Record<string, Row>> => ({
  [`${command} --limit-cpu`]: { bad: ["", "0", "-1", "half", "1e3", "0.001", "1001"], good: ["0.5", "2", "0.01"] },
  [`${command} --limit-disk`]: { bad: ["", "lots", "512B", "-1G", "1e3"], good: ["0", "64M", "10G"] },
});

const guestOption: Row = { bad: ["", "plan9", "amd64 "], good: ["ppc64el", "amd64", "i386", "x86_64"] };

/** Of the commands that run another in a VM. */
const vmValues = (command: string): Readonly<Record<string, Row>> => ({
  ...limitValues(command),
  [`${command} --limit-processes`]: { bad: ["", "0", "-1", "many", "1e3", "4194305"], good: ["1", "100", "4194304"] },
  [`${command} --image`]: { bad: [""], good: ["debian-busybox", "a/file", "https://example.org/guest"] },
  [`${command} --snapshot`]: path,
  [`${command} --kernel`]: path,
  [`${command} --initrd`]: path,
  [`${command} --append`]: text,
  [`${command} --memory`]: memory,
  [`${command} --cpus`]: cpus,
  [`${command} --type`]: choice("hv", "pr"),
  [`${command} --guest`]: guestOption,
  [`${command} --cpu`]: cpu,
  [`${command} --disk`]: disk,
  [`${command} --network`]: network,
  [`${command} --user`]: path,
  [`${command} --cwd`]: path,
  [`${command} --env`]: { bad: ["", "A", "=b"], good: ["A=", "A=b=c"] },
  [`${command} --timeout`]: seconds,
});

const values: Readonly<Record<string, Row>> = {
  ...vmValues("exec"),
  "exec --pid": count,
  ...vmValues("shell"),
  "cp --pid": count,
  ...limitValues("run"),
  "run --kernel": path,
  "run --kernel-format": choice("auto", "flat"),
  "run --guest": guestOption,
  "run --initrd": path,
  "run --append": text,
  "run --guest-module": { bad: ["", "vritio_blk", "a b", "tun,loop"], good: ["tun"] },
  "run --memory": memory,
  "run --cpus": cpus,
  "run --type": choice("hv", "pr"),
  "run --cpu": cpu,
  "run --machine": {
    bad: [
      "",
      "mac99",
      "mac99,ic-mode=xive",
      "pseries,",
      "ic-mode",
      "ic-mode=",
      "ic-mode=apic",
      "pseries,max-cpus=3",
      "pc,test-devices=yes",
      "pc,ic-mode=xics",
    ],
    good: ["pseries", "pseries,ic-mode=xics", "pc,test-devices=on"],
  },
  "run --device": {
    bad: ["", "xyz", "edu,a=1", ",", "vfio-pci", "vfio-pci,host=", "vfio-pci,addr=3"],
    good: ["edu", "vfio-pci,host=edu"],
  },
  "run --disk": disk,
  "run --network": network,
  "run --timeout": seconds,
  "run --threads": choice("auto", "worker", "single"),
  "run --trace": { bad: ["", "everything", "exit,", "exit;mmu"], good: ["exit", "exit,mmu"] },
  "run --trace-file": path,
  "run --module": { bad: ["", ",a=1"], good: ["kvm,halt_poll_ns=1"] },
  "disk create --format": choice("raw", "qcow2"),
  "disk create --backing": path,
  "disk info --format": choice("raw", "qcow2"),
  "snapshot save --pid": count,
  ...limitValues("snapshot restore"),
  "snapshot restore --module": { bad: ["", ",a=1"], good: ["kvm,halt_poll_ns=1"] },
  "snapshot restore --type": choice("hv", "pr"),
  "snapshot restore --threads": choice("auto", "worker", "single"),
  "snapshot restore --disk": disk,
  "snapshot restore --network": network,
  "snapshot restore --timeout": seconds,
  "selftest --type": choice("hv", "pr"),
  "selftest --threads": choice("auto", "worker", "single"),
  "selftest --test": { bad: ["", "no such test", "("], good: ["RTAS"] },
  "selftest --timeout": seconds,
  "build --config": path,
  "build --defconfig": choice("everything", "page", "powerpc", "pr", "x86"),
  "build --output": path,
  "build --platform": choice("node", "browser", "both"),
  "depmod --basedir": text,
  "depmod --config": text,
  "depmod --symvers": text,
  "depmod --filesyms": text,
  "depmod --symbol-prefix": text,
  "lsmod --pid": count,
  "modinfo --field": text,
  "modinfo --basedir": text,
  "modinfo --set-version": text,
  "modprobe --pid": count,
  "modprobe --dirname": text,
  "modprobe --set-version": text,
  "modprobe --config": text,
  "insmod --pid": count,
  "rmmod --pid": count,
};

const guest: Row = { bad: ["", "plan9", "debian "], good: ["ppc64el", "amd64", "i386", "x86_64", "debian"] };
const positionals: Readonly<Record<string, Row>> = {
  "exec [command]": text,
  "shell [command]": text,
  "completion [shell]": choice("bash", "zsh", "fish", "powershell"),
  "completion [words]": text,
  "cp [source]": { bad: ["", ":"], good: [":/a"] },
  "cp [target]": { bad: ["", ":"], good: ["a"] },
  "guest fetch [name]": guest,
  "guest export [file]": path,
  "guest export [name]": guest,
  "guest import [file]": path,
  "guest rm [name]": guest,
  "disk create [file]": path,
  "disk create [size]": { bad: ["", "lots", "512B", "1e3"], good: ["64M", "10G"] },
  "disk info [file]": path,
  "snapshot save [name]": path,
  "snapshot restore [name]": path,
  "snapshot info [name]": path,
  "snapshot rm [name]": path,
  "depmod [version]": text,
  "depmod [file]": text,
  "modinfo [module]": text,
  "modprobe [module]": text,
  "modprobe [parameters]": text,
  "insmod [file]": text,
  "insmod [parameters]": text,
  "rmmod [module]": text,
};

async function refuses(args: readonly string[], ...names: readonly string[]): Promise<void> {
  const { status, stdout, stderr } = await parse(...args);
  const what = `${JSON.stringify(args)}: ${stderr}`;
  assert.equal(status, commands.find(({ name }) => name === args[0])?.usageStatus ?? 2, what);
  assert.equal(stdout, "", what);
  assert.match(stderr, /^error: [^\n]+\n(\([^\n]+\)\n)*$/, what);
  for (const name of names) assert.ok(stderr.includes(name), `${what} does not name ${name}`);
}
async function takes(args: readonly string[]): Promise<void> {
  assert.deepEqual(await parse(...args), { status: undefined, stdout: "", stderr: "" }, JSON.stringify(args));
}

const seen = new Set<string>();
for await (const { words, command } of everyCommand()) {
  const name = words.join(" ");
  const goodFor = (argument: { name(): string }): string => positionals[`${name} [${argument.name()}]`]?.good[0] ?? "";
  /** What the command does not begin without. */
  const needed = command.registeredArguments.filter(({ required }) => required).map(goodFor);
  for (const { long, short, required, optional } of command.options) {
    const flag = long ?? short ?? "";
    if (!required && !optional) {
      test(`${name} ${flag} takes no value`, () => refuses([...words, `${flag}=nonsense`], flag));
      continue;
    }
    seen.add(`${name} ${flag}`);
    test(`${name} ${flag} refuses what it does not take`, async () => {
      const row = values[`${name} ${flag}`];
      assert.ok(row, "a new option: say above what it takes and what not");
      if (required) await refuses([...words, flag], flag, "missing");
      for (const bad of row.bad) await refuses([...words, `${flag}=${bad}`, ...needed], flag, `'${bad}'`);
      for (const good of row.good) await takes([...words, `${flag}=${good}`, ...needed]);
    });
  }
  for (const [index, argument] of command.registeredArguments.entries()) {
    const key = `${name} [${argument.name()}]`;
    seen.add(key);
    test(`${key} refuses what it does not take`, async () => {
      const row = positionals[key];
      assert.ok(row, "a new argument: say above what it takes and what not");
      const before = command.registeredArguments.slice(0, index).map(goodFor);
      const behind = command.registeredArguments.slice(index + 1).filter(({ required }) => required);
      const rest = behind.map(goodFor);
      for (const bad of row.bad) await refuses([...words, ...before, bad, ...rest], argument.name(), `'${bad}'`);
      for (const good of row.good) await takes([...words, "--", ...before, good, ...rest]);
      if (argument.required) await refuses([...words, ...before], argument.name());
    });
  }
  test(`${name} knows what was meant by a slip of the fingers`, async () => {
    for (const { long, hidden } of command.options) {
      if (!long || hidden || long.length < 7) continue;
      // The last two letters in the wrong order, or the last one twice where they are the same.
      const slip = `${long.slice(0, -2)}${long.at(-1)}${long.at(-2)}`;
      await refuses([...words, slip === long ? `${long}${long.at(-1)}` : slip], `(Did you mean ${long}?)`);
    }
  });
  test(`${name} refuses an option that it has not, and an argument too many`, async () => {
    await refuses([...words, "--frobnicate"], "--frobnicate");
    if (command.registeredArguments.at(-1)?.variadic) return;
    // Good ones first, so that it is the number that is wrong.
    await refuses([...words, ...command.registeredArguments.map(goodFor), "more"], "too many arguments");
  });
}

test("no row is left of an option or argument that is gone", () => {
  assert.deepEqual([...Object.keys(values), ...Object.keys(positionals)].sort(), [...seen].sort());
});

test("cp copies in or out", async () => {
  await takes(["cp", "a", ":/b"]);
  for (const both of [
    ["a", "b"],
    [":/a", ":/b"],
  ]) {
    await refuses(["cp", ...both], "begin with a colon");
  }
});

test("a command's name with a slip of the fingers", async () => {
  for (const [slip, meant] of [
    ["exce", "exec"],
    ["snapshto", "snapshot"],
  ] as const)
    await refuses([slip], `(Did you mean ${meant}?)`);
  await refuses(["snapshot", "svae", "x"], "(Did you mean save?)");
});

test("a command that there is not", async () => {
  for (const words of [["frobnicate"], ["guest", "frobnicate"], [""]]) await refuses(words, `'${words.at(-1)}'`);
});

/** What `unikvm run` says of what it does not take. */
const saidOfRun: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["a module without a name", ["--module", ",a=1"], /needs a name or a file/],
  ["an unknown option", ["--frobnicate"], /unknown option '--frobnicate'/],
  ["an unknown implementation", ["--type", "xen"], /xen/],
  ["memory that is no size", ["--memory", "lots"], /lots/],
  ["no CPU", ["--cpus", "0"], /cpus/],
  ["CPUs that are no number", ["--cpus", "two"], /two/],
  ["more CPUs than a machine has", ["--cpus", "1000"], /"1000" is more than 32/],
  ["memory beyond all machines", ["--memory", "1P"], /'1P' is invalid. a guest of pseries can have at most 3072M/],
  ["a time limit that is no number", ["--timeout", "soon"], /soon/],
  [
    "a driver for a kernel that is brought",
    ["--guest-module", "vfio-pci", "--kernel", "vmlinux"],
    /cannot be used with/,
  ],
  ["a driver's name that would be another option", ["--guest-module", "a b"], /no module "a b"/],
  [
    "a misspelt driver",
    ["--guest-module", "tun", "--guest-module", "vritio_blk"],
    /"vritio_blk"; there is virtio_pci, /,
  ],
  ["a device that there is not", ["--device", "xyz"], /no device "xyz"; there is edu/],
  ["a device's property that there is not", ["--device", "edu,a=1"], /has no property "a=1"/],
  ["no device of the host", ["--device", "vfio-pci"], /needs host=NAME/],
  ["two devices of the host at once", ["--device", "vfio-pci,host=edu,host=edu"], /host is given twice/],
  ["a property that vfio-pci has not", ["--device", "vfio-pci,addr=3"], /not "addr=3"/],
  ["a network that there is not", ["--network", "tap"], /no network "tap"; a network is user/],
  ["two networks", ["--network", "user", "--network", "user"], /has one network/],
  ["a network's property that there is not", ["--network", "user,port=1"], /no property "port=1"/],
  ["a port that there is not", ["--network", "user,forward=0:80"], /"0:80" is not HOSTPORT:GUESTPORT/],
  ["a port that is forwarded twice", ["--network", "user,forward=80:1,forward=80:2"], /port 80 is forwarded twice/],
  ["a rule without ports", ["--network", "user,allow=example.org"], /"example.org" is no host and ports; what a guest/],
  ["an argument too many", ["vmlinux"], /too many arguments/],
];
for (const [what, args, sentence] of saidOfRun) {
  test(`run and ${what}`, async () => {
    await refuses(["run", ...args]);
    assert.match((await parse("run", ...args)).stderr, sentence);
  });
}

for (const [command, ...rest] of [["exec", "--", "true"], ["shell"]] as const) {
  test(`${command} holds memory and processor against the machine of --guest, wherever it stands`, async () => {
    await takes([command, "--cpu", "x86-64-v2", "--guest", "amd64", ...rest]);
    await takes([command, "--guest", "x86_64", "--cpu", "X86-64-V1", ...rest]);
    await refuses([command, "--cpu", "POWER9", "--guest", "amd64", ...rest], "--cpu", "'POWER9'", "machine pc");
    await refuses([command, "--cpu", "x86-64-v2", ...rest], "--cpu", "'x86-64-v2'", "machine pseries");
    await refuses([command, "--guest", "amd64", "--memory", "1M", ...rest], "--memory", "'1M'", "a guest of pc");
    await refuses([command, "--guest", "amd64", "--kernel", "vmlinux", ...rest], "--guest", "--kernel");
    await refuses([command, "--guest", "amd64", "--snapshot", "one", ...rest], "--guest", "--snapshot");
  });
}
