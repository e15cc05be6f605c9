/** Radix translation through page tables that the guest writes itself. */
import { type Author, areaFields, MSR, type SelfTest } from "../author.js";
import { memoryMap, PTE } from "../guest.js";

const NO_TRANSLATION = 0x40000000n;
const NO_EXECUTE = 0x10000000n;
const PROTECTION = 0x08000000n;
const STORE = 0x02000000n;
const BAD_CONFIGURATION = 0x00080000n;

const table = (n: number) => memoryMap.tables + 0x1000 * n;
/** In process 1: pages of 4 KiB, of 64 KiB, of 2 MiB (eight in a row) and one of 1 GiB at address 1 GiB. */
const small = 0x10000000;
const medium = 0x10200000;
const large = 0x10400000;
const huge = 0x40000000;
const smallTable = table(4);
const mediumTable = table(5);
const data = memoryMap.data;
const rights = PTE.valid | PTE.leaf | PTE.write | PTE.execute;
const used = PTE.referenced | PTE.changed;

/** Writes an entry at a real address, from a translated test. */
const set = (t: Author, value: bigint, address: number) =>
  `${t.load("r3", value)}\n${t.load("r4", address)}\n  bl setEntry`;
const setSmall = (t: Author, page: number, value: bigint) => set(t, value, smallTable + 8 * page);
const setMedium = (t: Author, page: number, value: bigint) => set(t, value, mediumTable + 8 * page);
const setLarge = (t: Author, page: number, value: bigint) => set(t, value, table(3) + 8 * ((large >> 21) + page));
/** Reads an entry into a register. */
const entry = (t: Author, register: string, address: number) =>
  `${t.load("r4", 0xc000000000000000n + BigInt(address))}\n${t.loadBig(register, "r4")}`;

/** RB of tlbie: address and page size as AP; RS: process. */
const AP = { small: 0, medium: 5, large: 1, huge: 2 } as const;
const invalidate = (t: Author, address: number, size: keyof typeof AP, pid = 1) => `
${t.load("r4", address | (AP[size] << 5))}
${t.load("r5", BigInt(pid) << 32n)}
  ptesync
  tlbie r4, r5, 0, 1, 1
  eieio
  tlbsync
  ptesync`;
const invalidateProcess = (t: Author, pid: number) => `
  li r4, 0x400
${t.load("r5", BigInt(pid) << 32n)}
  ptesync
  tlbie r4, r5, 0, 1, 1
  eieio
  tlbsync
  ptesync`;

/** Directories for the places above. */
const directories = (t: Author) => `
${set(t, PTE.valid | BigInt(smallTable) | 9n, table(3) + 8 * (small >> 21))}
${set(t, PTE.valid | BigInt(mediumTable) | 5n, table(3) + 8 * (medium >> 21))}`;

/** A page is read and written, and its R and C bits follow. `real`: where its first byte lies. */
function size(t: Author, what: string, address: number, real: number, entryAddress: number): string {
  const inside = 0x348;
  const pte = rights | BigInt(real);
  return `
${set(t, pte, entryAddress)}
${t.load("r14", 0xc000000000000000n + BigInt(real + inside))}
${t.load("r15", 0x1122334455667788n + BigInt(address))}
  std r15, 0(r14)
${t.load("r16", address + inside)}
${entry(t, "r17", entryAddress)}
${t.check(`${what}: entry before`, "r17", pte)}
  ld r17, 0(r16)
${t.check(`${what}: load`, "r17", 0x1122334455667788n + BigInt(address))}
${entry(t, "r17", entryAddress)}
${t.check(`${what}: R after a load`, "r17", pte | PTE.referenced)}
  li r17, 77
  std r17, 8(r16)
  ld r17, 8(r14)
${t.check(`${what}: store`, "r17", 77)}
${entry(t, "r17", entryAddress)}
${t.check(`${what}: R and C after a store`, "r17", pte | used)}`;
}

export const pageSizes: SelfTest = {
  name: "pages of 4K, 64K, 2M, 1G",
  environment: "virtual",
  source: (t) => `
${directories(t)}
${size(t, "4K", small, data + 0x3000, smallTable)}
${size(t, "64K", medium + 0x30000, data + 0x40000, mediumTable + 8 * 3)}
${size(t, "2M", large, 0x600000, table(3) + 8 * (large >> 21))}
${t.load("r14", huge + data + 0x3000)}
${set(t, rights, table(2) + 8)}
  ld r15, 0x348(r14)
${t.check("1G: load", "r15", 0x1122334455667788n + BigInt(small))}
  li r15, 5
  std r15, 0x348(r14)
${entry(t, "r17", table(2) + 8)}
${t.check("1G: R and C after a store", "r17", rights | used)}
# The middle and the end of larger pages.
${t.load("r14", 0xc000000000000000n + BigInt(data + 0x4fff8))}
  li r15, 123
  std r15, 0(r14)
${t.load("r14", medium + 0x3fff8)}
  ld r16, 0(r14)
${t.check("end of 64K", "r16", 123)}
${t.load("r14", 0xc0000000007ffff8n)}
  std r15, 0(r14)
${t.load("r14", large + 0x1ffff8)}
  ld r16, 0(r14)
${t.check("end of 2M", "r16", 123)}
# Kernel addresses of every process are those of process 0.
  li r14, 2
  mtspr 48, r14
  isync
${t.load("r14", 0xc000000000000000n + BigInt(data + 0x3348))}
  ld r15, 0(r14)
  li r14, 1
  mtspr 48, r14
  isync
${t.check("kernel under another process", "r15", 5)}
`,
};

export const storageFaults: SelfTest = {
  name: "storage interrupts",
  environment: "virtual",
  source: (t) => {
    const load = (what: string, address: bigint, code: string, vector: number, dsisr?: bigint) =>
      t.fault({
        what,
        before: t.load("r14", address),
        code,
        vector,
        dar: address,
        ...(dsisr === undefined ? {} : { dsisr }),
      });
    const fetch = (what: string, address: bigint, vector: number, cause: bigint) =>
      t.fault({
        what,
        before: `${t.load("r14", address)}\n  mtctr r14`,
        code: "  bctr",
        vector,
        srr0: address,
        cause,
        resumeMsr: t.msr,
      });
    const readOnly = PTE.valid | PTE.leaf | PTE.read | used;
    const at = (page: number, offset = 0) => BigInt(small + 0x1000 * page + offset);
    const user = (what: string, code: string, vector: number, dar: bigint | undefined, dsisr: bigint) => `
${t.user(code)}
${t.checkArea(`${what}: vector`, "VECTOR", vector)}
${dar === undefined ? t.checkArea(`${what}: SRR1`, "SRR1", t.userMsr | dsisr) : `${t.checkArea(`${what}: DAR`, "DAR", dar)}\n${t.checkArea(`${what}: DSISR`, "DSISR", dsisr)}`}`;
    return `
${directories(t)}
${setSmall(t, 0, readOnly | BigInt(data))}
${setSmall(t, 1, 0n)}
${setSmall(t, 2, rights | used | PTE.privileged | BigInt(data + 0x2000))}
${setSmall(t, 3, rights | used | BigInt(data + 0x3000))}
${setSmall(t, 4, rights | used | BigInt(data + 0x4000))}
${invalidateProcess(t, 1)}
  li r20, 0
${load("load, no page", at(1, 0x123), "  lbz r20, 0(r14)", 0x300, NO_TRANSLATION)}
${load("store, no page", at(1, 0x120), "  stw r20, 0(r14)", 0x300, NO_TRANSLATION | STORE)}
${load("load, no directory", 0x30000000n, "  ld r20, 0(r14)", 0x300, NO_TRANSLATION)}
${load("load, no upper directory", 0x8000000000n, "  ld r20, 0(r14)", 0x300, NO_TRANSLATION)}
${load("store, read-only", at(0, 8), "  std r20, 0(r14)", 0x300, PROTECTION | STORE)}
${load("dcbz, read-only", at(0, 0x80), "  dcbz 0, r14", 0x300, PROTECTION | STORE)}
${load("vector load, no page", at(1, 0x40), "  lxvd2x vs5, 0, r14", 0x300, NO_TRANSLATION)}
${load("double store, no page", at(1, 0x40), "  stfd f5, 0(r14)", 0x300, NO_TRANSLATION | STORE)}
${load("lwarx, no page", at(1, 0x40), "  lwarx r20, 0, r14", 0x300, NO_TRANSLATION)}
${load("quadrant 1", 0x4000000000001000n, "  lbz r20, 0(r14)", 0x380)}
${load("quadrant 2", 0x8000000000001000n, "  stb r20, 0(r14)", 0x380)}
${load("beyond the tree", 0x0010000000000000n, "  lbz r20, 0(r14)", 0x380)}
${t.check("no load changed its target", "r20", 0)}
# An update form that faults leaves its base register alone.
${t.fault({ what: "lwzu", before: t.load("r14", at(1)), code: "  lwzu r20, 16(r14)", vector: 0x300, dar: at(1, 16) })}
${t.check("base register of lwzu", "r14", at(1))}
${fetch("fetch, no page", at(1), 0x400, NO_TRANSLATION)}
${fetch("fetch, no execute", at(0), 0x400, NO_EXECUTE)}
${fetch("fetch, quadrant 2", 0x8000000000001000n, 0x480, 0n)}
${t.load("r21", at(2))}
${t.load("r22", at(3))}
${t.load("r23", at(0))}
${t.load("r24", at(1))}
${user("problem state, privileged page", "  lbz r20, 0(r21)", 0x300, at(2), PROTECTION)}
${user("problem state, store to a privileged page", "  stb r20, 0(r21)", 0x300, at(2), PROTECTION | STORE)}
${user("problem state, store to a read-only page", "  stb r20, 0(r23)", 0x300, at(0), PROTECTION | STORE)}
${user("problem state, kernel's address", "  lbz r20, 0(r13)", 0x300, 0xc000000000007000n, PROTECTION)}
${user("problem state, fetch from a privileged page", "  mtctr r21\n  bctr", 0x400, undefined, NO_EXECUTE)}
${user("problem state, fetch without a page", "  mtctr r24\n  bctr", 0x400, undefined, NO_TRANSLATION)}
${user("problem state, its own page", "  li r20, 9\n  stb r20, 5(r22)\n  lbz r21, 5(r22)", 0xc00, undefined, 0n)}
${t.check("byte through problem state", "r21", 9)}
# Accesses over a page's end: nothing is stored before the second page is known to be there.
${setSmall(t, 5, 0n)}
${t.load("r14", at(4, 0xffc))}
  li r15, 0
  std r15, -4(r14)
  li r15, -1
${t.fault({ what: "store over a page's end", code: "  std r15, 0(r14)", vector: 0x300, dar: at(5), dsisr: NO_TRANSLATION | STORE })}
  lwz r16, 0(r14)
${t.check("first part of that store", "r16", 0)}
${t.fault({ what: "load over a page's end", code: "  ld r15, 0(r14)", vector: 0x300, dar: at(5), dsisr: NO_TRANSLATION })}
${setSmall(t, 5, rights | used | BigInt(data + 0x9000))}
${t.load("r15", 0x0123456789abcdefn)}
  std r15, 0(r14)
  ld r16, 0(r14)
${t.check("doubleword over the end of a page", "r16", 0x0123456789abcdefn)}
${t.load("r17", 0xc000000000000000n + BigInt(data + 0x9000))}
  lwz r16, 0(r17)
${t.check("its second part", "r16", t.littleEndian ? 0x01234567 : 0x89abcdefn)}
# A malformed directory.
${set(t, PTE.valid | BigInt(smallTable) | 1n, table(3) + 8 * (0x30000000 >> 21))}
${load("malformed tree", 0x30000000n, "  ld r20, 0(r14)", 0x300, BAD_CONFIGURATION)}
${set(t, 0n, table(3) + 8 * (0x30000000 >> 21))}
`;
  },
};

export const invalidation: SelfTest = {
  name: "tlbie and processes",
  environment: "virtual",
  source: (t) => {
    const kernel = (address: number) => 0xc000000000000000n + BigInt(address);
    const put = (value: number, address: number) =>
      `  li r14, ${value}\n${t.load("r15", kernel(address))}\n  std r14, 0(r15)`;
    const read = (what: string, address: number, expected: number) =>
      `${t.load("r14", address)}\n  ld r16, 0(r14)\n${t.check(what, "r16", expected)}`;
    return `
${directories(t)}
${put(1, data + 0x10000)}
${put(2, data + 0x20000)}
${put(3, data + 0x31000)}
${put(4, 0x600000)}
${put(5, 0x800000)}
${setSmall(t, 8, rights | BigInt(data + 0x10000))}
${setMedium(t, 2, rights | BigInt(data + 0x10000))}
${setLarge(t, 1, rights | 0x600000n)}
${invalidateProcess(t, 1)}
${read("4K before", small + 0x8000, 1)}
${read("64K before", medium + 0x20000, 1)}
${read("2M before", large + 0x200000, 4)}
${setSmall(t, 8, rights | BigInt(data + 0x31000))}
${invalidate(t, small + 0x8000, "small")}
${setMedium(t, 2, rights | BigInt(data + 0x20000))}
${invalidate(t, medium + 0x20000, "medium")}
${setLarge(t, 1, rights | 0x800000n)}
${invalidate(t, large + 0x200000, "large")}
${read("4K after tlbie", small + 0x8000, 3)}
${read("64K after tlbie", medium + 0x20000, 2)}
${read("2M after tlbie", large + 0x200000, 5)}
# R and C come back after the entry was written without them.
${t.load("r14", medium + 0x20000)}
  ld r16, 0(r14)
  std r16, 0(r14)
${setMedium(t, 2, rights | BigInt(data + 0x20000))}
${invalidate(t, medium + 0x20000, "medium")}
  ld r16, 0(r14)
${entry(t, "r17", mediumTable + 16)}
${t.check("R alone after a load", "r17", rights | BigInt(data + 0x20000) | PTE.referenced)}
  std r16, 0(r14)
${entry(t, "r17", mediumTable + 16)}
${t.check("C after a store", "r17", rights | BigInt(data + 0x20000) | used)}
# The page goes.
${setMedium(t, 2, 0n)}
${invalidate(t, medium + 0x20000, "medium")}
${t.fault({
  what: "after the page went",
  before: t.load("r14", medium + 0x20000),
  code: "  lwz r16, 0(r14)",
  vector: 0x300,
  dar: medium + 0x20000,
  dsisr: NO_TRANSLATION,
})}
# Becomes read-only.
${setMedium(t, 2, PTE.valid | PTE.leaf | PTE.read | used | BigInt(data + 0x20000))}
${invalidateProcess(t, 1)}
${read("read-only", medium + 0x20000, 2)}
${t.fault({
  what: "once it is read-only",
  before: t.load("r14", medium + 0x20000),
  code: "  stw r16, 0(r14)",
  vector: 0x300,
  dar: medium + 0x20000,
  dsisr: PROTECTION | STORE,
})}
# The local form, and all pages of a process.
${setSmall(t, 8, rights | BigInt(data + 0x10000))}
${t.load("r4", small + 0x8000)}
${t.load("r5", 1n << 32n)}
  ptesync
  tlbiel r4, r5, 0, 1, 1
  ptesync
${read("4K after tlbiel", small + 0x8000, 1)}
# Process 2 has other pages at the same address.
${set(t, rights | 0x600000n, table(7) + 8 * ((large >> 21) + 1))}
  li r20, 2
  mtspr 48, r20
  isync
${read("process 2", large + 0x200000, 4)}
${t.fault({
  what: "process 2 has no 4K page",
  before: t.load("r14", small + 0x8000),
  code: "  lwz r16, 0(r14)",
  vector: 0x300,
  dar: small + 0x8000,
  dsisr: NO_TRANSLATION,
})}
  li r20, 1
  mtspr 48, r20
  isync
${read("process 1 again", large + 0x200000, 5)}
  li r20, 300
  mtspr 48, r20
  isync
${t.fault({
  what: "a process beyond the table",
  before: t.load("r14", small + 0x8000),
  code: "  lwz r16, 0(r14)",
  vector: 0x300,
  dar: small + 0x8000,
})}
  li r20, 1
  mtspr 48, r20
  isync
${read("process 1 once more", small + 0x8000, 1)}
`;
  },
};

export const keys: SelfTest = {
  name: "keys: AMR and IAMR",
  environment: "virtual",
  source: (t) => {
    const page = BigInt(small + 0x6000);
    const amr = (value: bigint) => `${t.load("r14", value)}\n  mtspr 29, r14\n  isync`;
    return `
${directories(t)}
${setSmall(t, 6, rights | used | BigInt(data + 0x6000))}
${setSmall(t, 7, rights | used | PTE.privileged | BigInt(data + 0x7000))}
${invalidateProcess(t, 1)}
${t.load("r21", page)}
# blr, for the fetches.
${t.load("r15", 0x4e800020n)}
  stw r15, 0(r21)
  dcbst 0, r21
  sync
  icbi 0, r21
  isync
${amr(3n << 62n)}
  mfspr r15, 29
${t.check("AMR", "r15", 3n << 62n)}
${t.fault({ what: "kernel load, all denied", code: "  lbz r15, 0(r21)", vector: 0x300, dar: page, dsisr: PROTECTION })}
${t.fault({ what: "kernel store, all denied", code: "  stb r15, 8(r21)", vector: 0x300, dar: page + 8n, dsisr: PROTECTION | STORE })}
  lbz r15, 0x1000(r21)
  li r15, 1
${t.check("kernel load of its own page", "r15", 1)}
${amr(2n << 62n)}
  lwz r15, 0(r21)
${t.check("kernel load, stores denied", "r15", 0x4e800020n)}
${t.fault({ what: "kernel store, stores denied", code: "  stb r15, 8(r21)", vector: 0x300, dar: page + 8n, dsisr: PROTECTION | STORE })}
${amr(1n << 62n)}
${t.fault({ what: "kernel load, loads denied", code: "  lbz r15, 0(r21)", vector: 0x300, dar: page, dsisr: PROTECTION })}
  stb r15, 8(r21)
# Keys bind the kernel, not problem state.
${amr(3n << 62n)}
  li r20, 0
${t.user("  lwz r20, 0(r21)")}
${t.check("load in problem state", "r20", 0x4e800020n)}
${amr(0n)}
  lwz r15, 0(r21)
${t.check("kernel load once it is allowed", "r15", 0x4e800020n)}
# IAMR.
  mtctr r21
  bctrl
${t.load("r14", 1n << 62n)}
  mtspr 61, r14
  isync
${t.fault({
  what: "kernel fetch of a user's page",
  before: "  mtctr r21",
  code: "  bctrl",
  vector: 0x400,
  srr0: page,
  cause: NO_EXECUTE,
  resumeMsr: t.msr,
})}
  li r20, 0
${t.user("  mtctr r21\n  bctrl\n  li r20, 3")}
${t.check("fetch in problem state", "r20", 3)}
  li r14, 0
  mtspr 61, r14
  isync
  mtctr r21
  bctrl
${t.checkArea("fetch once it is allowed", "RESUME", 0)}
`;
  },
};

/** Each of translation on and off for data and for fetch. */
export const mixedTranslation: SelfTest = {
  name: "translation of data alone",
  environment: "virtual",
  source: (t) => `
${directories(t)}
${setSmall(t, 9, rights | used | BigInt(data + 0x9000))}
${t.load("r14", 0xc000000000000000n + BigInt(data + 0x9000))}
  li r15, 11
  std r15, 0(r14)
${t.load("r14", small + 0x9000)}
  ld r16, 0(r14)
${t.check("translated", "r16", 11)}
${t.enter("dataAlone", t.realMsr | MSR.DR)}
dataAlone:
  ld r16, 0(r14)
  mfmsr r17
${t.enter("fetchAlone", t.realMsr | MSR.IR)}
fetchAlone:
${t.load("r15", data + 0x9000)}
  ld r18, 0(r15)
  mfmsr r19
  addi r20, r13, ${areaFields.SCRATCH}
  std r18, 0(r20)
${t.enter("bothAgain", t.msr)}
bothAgain:
${t.check("data alone", "r16", 11)}
${t.check("MSR, data alone", "r17", t.realMsr | MSR.DR)}
${t.check("fetch alone", "r18", 11)}
${t.check("MSR, fetch alone", "r19", t.realMsr | MSR.IR)}
`,
};
