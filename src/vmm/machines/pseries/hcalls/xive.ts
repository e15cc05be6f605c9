/**
 * The hypercalls of XIVE exploitation mode: a guest asks where its interrupt controller's pages are, and says where events
 * are to go. There are no reporting lines: H_INT_SET_OS_REPORTING_LINE and _GET_ are H_FUNCTION.
 * Source: PAPR, "XIVE Exploitation Mode".
 */
import { KVM_XIVE_EQ_ALWAYS_NOTIFY } from "../../../../arch/powerpc/uapi.js";
import { KvmError } from "../../../../kvm/uapi.js";
import { maskedPriority, pageShift, pageSize, priorityEnd, queueShift, type XiveController } from "../xive.js";
import { HcallStatus, type MachineContext, type MachineHandlers } from "./hcall.js";

type Handler = (xive: XiveController, args: bigint[], context: MachineContext) => bigint;

const ones = (1n << 64n) - 1n;
/** Flags of a source. */
const sourceFlag = { storeEoi: 1n, level: 4n } as const;
/** Flags of H_INT_SET_SOURCE_CONFIG. */
const configFlag = { mask: 1n, setEisn: 2n } as const;
const alwaysNotify = 1n;
const queueDebug = 1n;
const esbStore = 1n;

/** One that a machine without XIVE does not have. The first argument is flags, of which `flags` are known. */
const xiveHcall =
  (flags: bigint, handler: Handler) =>
  (context: MachineContext, args: bigint[]): bigint => {
    const { xive } = context;
    if (!xive) return HcallStatus.function;
    for (const [i, value] of args.entries()) args[i] = BigInt.asUintN(64, value);
    if (((args[0] ?? 0n) & ~flags) !== 0n) return HcallStatus.parameter;
    return handler(xive, args, context);
  };

const isPriority = (priority: bigint): boolean => priority < BigInt(priorityEnd);

const getSourceInfo = xiveHcall(0n, (xive, args) => {
  const irq = args[1] ?? 0n;
  const source = xive.source(irq);
  if (!source) return HcallStatus.parameter2;
  const { manage, trigger } = xive.pages(irq);
  args[0] = sourceFlag.storeEoi | (source.level ? sourceFlag.level : 0n);
  args[1] = manage;
  args[2] = trigger;
  args[3] = BigInt(pageShift);
  return HcallStatus.success;
});

const setSourceConfig = xiveHcall(
  configFlag.mask | configFlag.setEisn,
  (xive, [flags = 0n, irq = 0n, server = 0n, priority = 0n, eisn = 0n]) => {
    const source = xive.source(irq);
    if (!source) return HcallStatus.parameter2;
    const off = priority === BigInt(maskedPriority);
    if (!off && !isPriority(priority)) return HcallStatus.parameter4;
    if (!off && !xive.isServer(server)) return HcallStatus.parameter3;
    const masked = off || (flags & configFlag.mask) !== 0n;
    return orHardware(() =>
      xive.setTarget(irq, {
        server: off ? 0 : Number(server),
        priority: masked ? maskedPriority : Number(priority),
        eisn: flags & configFlag.setEisn ? Number(eisn & 0x7fff_ffffn) : source.target.eisn,
      }),
    );
  },
);

const getSourceConfig = xiveHcall(0n, (xive, args) => {
  const source = xive.source(args[1] ?? 0n);
  if (!source) return HcallStatus.parameter2;
  const { server, priority, eisn } = source.target;
  args[0] = BigInt(server);
  args[1] = BigInt(priority);
  args[2] = BigInt(eisn);
  return HcallStatus.success;
});

/** Queues have no page of their own state: events are always notified. */
const getQueueInfo = xiveHcall(0n, (xive, args) => {
  const [, server = 0n, priority = 0n] = args;
  if (!xive.isServer(server)) return HcallStatus.parameter2;
  if (!isPriority(priority)) return HcallStatus.parameter3;
  args[0] = ones;
  args[1] = BigInt(xive.queue(server, priority).qshift);
  return HcallStatus.success;
});

const setQueueConfig = xiveHcall(
  alwaysNotify,
  (xive, [flags = 0n, server = 0n, priority = 0n, address = 0n, size = 0n], { host }) => {
    if (!xive.isServer(server)) return HcallStatus.parameter2;
    if (!isPriority(priority)) return HcallStatus.parameter3;
    if (size !== 0n) {
      if (size !== BigInt(queueShift)) return HcallStatus.parameter5;
      const bytes = 1n << size;
      if (address & (bytes - 1n) || address + bytes > BigInt(host.memorySize)) return HcallStatus.parameter4;
      if (flags !== alwaysNotify) return HcallStatus.parameter;
    }
    return orHardware(() =>
      xive.setQueue(server, priority, {
        flags: KVM_XIVE_EQ_ALWAYS_NOTIFY,
        qshift: Number(size),
        qaddr: address,
        qtoggle: 1,
        qindex: 0,
      }),
    );
  },
);

const getQueueConfig = xiveHcall(queueDebug, (xive, args) => {
  const [flags = 0n, server = 0n, priority = 0n] = args;
  if (!xive.isServer(server)) return HcallStatus.parameter2;
  if (!isPriority(priority)) return HcallStatus.parameter3;
  const { qshift, qaddr, qtoggle, qindex } = xive.queue(server, priority);
  args[0] = qshift === 0 ? 0n : alwaysNotify;
  args[1] = qaddr;
  args[2] = BigInt(qshift);
  if (flags & queueDebug) {
    args[0] |= BigInt(qtoggle) << 1n;
    args[3] = BigInt(qindex);
  }
  return HcallStatus.success;
});

const esb = xiveHcall(esbStore, (xive, args) => {
  const [flags = 0n, irq = 0n, offset = 0n, value = 0n] = args;
  if (!xive.source(irq)) return HcallStatus.parameter2;
  if (offset >= pageSize) return HcallStatus.parameter3;
  if (flags & esbStore) {
    xive.store(irq, offset, value);
    args[0] = ones;
  } else {
    args[0] = xive.load(irq, offset);
  }
  return HcallStatus.success;
});

const sync = xiveHcall(0n, (xive, [, irq = 0n]) => {
  if (!xive.source(irq)) return HcallStatus.parameter2;
  xive.sync(irq);
  return HcallStatus.success;
});

const reset = xiveHcall(0n, (xive) => {
  xive.reset();
  return HcallStatus.success;
});

function orHardware(body: () => void): bigint {
  try {
    body();
    return HcallStatus.success;
  } catch (error) {
    if (error instanceof KvmError) return HcallStatus.hardware;
    throw error;
  }
}

export const xiveHcalls = {
  H_INT_GET_SOURCE_INFO: getSourceInfo,
  H_INT_SET_SOURCE_CONFIG: setSourceConfig,
  H_INT_GET_SOURCE_CONFIG: getSourceConfig,
  H_INT_GET_QUEUE_INFO: getQueueInfo,
  H_INT_SET_QUEUE_CONFIG: setQueueConfig,
  H_INT_GET_QUEUE_CONFIG: getQueueConfig,
  H_INT_ESB: esb,
  H_INT_SYNC: sync,
  H_INT_RESET: reset,
} satisfies MachineHandlers;
