/** What the calls of the interface take (uapi.ts); base/takes.ts says how that is held. */
import {
  anything,
  bigint,
  boolean,
  bytes,
  callback,
  either,
  eventFd,
  having,
  listOf,
  oneOf,
  optional,
  options,
  type Signatures,
  size,
  text,
  thing,
  time,
  u32,
  u64,
  wholeNumber,
} from "../base/takes.js";
import type {
  Device,
  EnableCap,
  EventFd,
  GuestDebug,
  Ioeventfd,
  Irqfd,
  Kvm,
  MemoryRegion,
  MoveOptions,
  PauseOptions,
  RunOptions,
  StatsFd,
  TraceOptions,
  Vcpu,
  Vm,
  VmOptions,
} from "./uapi.js";

const enableCap = options<EnableCap>({
  cap: wholeNumber,
  flags: optional(u32),
  args: optional(listOf(either(bigint, wholeNumber))),
});
const memory = thing("a WebAssembly.Memory", ["grow"]);
// One that takes no VMs is answered EOPNOTSUPP.
const kvm = thing("a kvm, as openKvm gives one", []);

export const kvmSignatures = {
  getApiVersion: {},
  // Whatever is asked: what there is not is answered 0.
  checkExtension: { cap: anything },
  createVm: {
    type: optional(wholeNumber),
    options: optional(
      options<VmOptions>({ memoryLimit: optional(size), codeLimit: optional(size), shared: optional(boolean) }),
    ),
  },
  takeOver: {
    vm: having({
      format: wholeNumber,
      arch: text,
      type: wholeNumber,
      implementation: text,
      memory,
      generation: wholeNumber,
      extensions: optional(listOf(text)),
    }),
  },
} as const satisfies Signatures<Kvm>;

export const vmSignatures = {
  allocate: { bytes: wholeNumber },
  bytes: { address: wholeNumber, length: wholeNumber },
  createVcpu: { id: wholeNumber },
  vcpu: { id: wholeNumber },
  setUserMemoryRegion: {
    region: options<MemoryRegion>({
      slot: wholeNumber,
      flags: optional(u32),
      guestPhysAddr: bigint,
      memorySize: bigint,
      userspaceAddr: wholeNumber,
    }),
  },
  guestWritten: { guestPhysAddr: bigint, length: wholeNumber },
  hostWritten: { address: size, length: size },
  getDirtyLog: { slot: wholeNumber },
  clearDirtyLog: { range: options({ slot: wholeNumber, firstPage: bigint, numPages: wholeNumber, bitmap: bytes }) },
  resetDirtyRings: {},
  checkExtension: { cap: anything },
  enableCap: { cap: enableCap },
  createEventFd: {},
  eventFd: { id: wholeNumber },
  irqLine: { irq: wholeNumber, level: either(boolean, wholeNumber) },
  setGsiRouting: {
    routes: listOf((value, call, name) => {
      // What else there is depends on the type, which is looked at first.
      having({ gsi: wholeNumber, type: oneOf("irqchip", "msi") })(value, call, name);
      const common = { gsi: wholeNumber, type: anything };
      const message = (value as { type: string }).type === "msi";
      const whole = message
        ? options({ ...common, address: u64, data: u32 })
        : options({ ...common, irqchip: u32, pin: u32 });
      whole(value, call, name);
    }),
  },
  signalMsi: { msi: options({ address: u64, data: u32 }) },
  irqfd: {
    irqfd: options<Irqfd>({ fd: eventFd, gsi: wholeNumber, flags: optional(u32), resamplefd: optional(eventFd) }),
  },
  ioeventfd: {
    ioeventfd: options<Ioeventfd>({
      fd: eventFd,
      addr: bigint,
      len: wholeNumber,
      flags: optional(u32),
      datamatch: optional(bigint),
    }),
  },
  device: { type: wholeNumber },
  createDevice: { type: wholeNumber, flags: optional(u32) },
  setTrace: {
    options: options<TraceOptions>({
      categories: listOf(oneOf("exit", "hcall", "rtas", "interrupt", "mmu", "insn")),
      sink: callback,
    }),
  },
  stats: {},
  moveTo: {
    kvm,
    options: optional(
      options<MoveOptions>({ type: optional(wholeNumber), prepare: optional(callback), timeout: optional(time) }),
    ),
  },
  pause: { options: optional(options<PauseOptions>({ timeout: optional(time) })) },
  resume: {},
  saveState: {},
  loadState: { state: having({ format: wholeNumber, arch: text }) },
  getStatsFd: {},
  share: {},
  withholdPages: { address: wholeNumber, length: wholeNumber, pages: bytes },
  fillPages: { fill: callback },
  close: {},
} as const satisfies Signatures<Vm>;

export const vcpuSignatures = {
  run: { options: optional(options<RunOptions>({ deadline: optional(time), wait: optional(boolean) })) },
  requestExit: {},
  getOneReg: { id: bigint },
  setOneReg: { id: bigint, value: bigint },
  getRegList: {},
  getRegs: {},
  // The architecture has the registers' names.
  setRegs: { regs: having({}) },
  getSregs: {},
  setSregs: { sregs: having({}) },
  interrupt: { irq: wholeNumber },
  setGuestDebug: {
    debug: options<GuestDebug>({
      control: u32,
      breakpoints: optional(listOf(either(u64, options({ addr: u64, type: u32 })))),
      debugreg: optional(listOf(u64)),
    }),
  },
  enableCap: { cap: enableCap },
  // It answers all there is: EINVAL.
  getMpState: {},
  setMpState: { state: anything },
  stats: {},
  getStatsFd: {},
  close: {},
} as const satisfies Signatures<Vcpu>;

export const deviceSignatures = {
  setAttr: { group: wholeNumber, attr: u64, value: optional(bigint) },
  getAttr: { group: wholeNumber, attr: bigint },
  // What there is not is answered false.
  hasAttr: { group: anything, attr: anything },
  close: {},
} as const satisfies Signatures<Device>;

export const eventFdSignatures = {
  signal: { value: optional(u64) },
  read: {},
  onSignal: { listener: callback },
  close: {},
} as const satisfies Signatures<EventFd>;

export const statsFdSignatures = {
  read: { buffer: bytes },
  pread: { buffer: bytes, offset: wholeNumber },
  close: {},
} as const satisfies Signatures<StatsFd>;
