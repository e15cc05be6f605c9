/** The XIVE as a device of the VM. Source: Documentation/virt/kvm/devices/xive.rst. */
import { KvmError } from "../../../../base/errors.js";
import type { DeviceOps } from "../../../../kvm/device.js";
import * as uapi from "../../uapi/xive.js";
import { sourceMax } from "../source-blocks.js";
import { esbSize, timaSize } from "./pages.js";
import type { Pages, Xive } from "./xive.js";

/** Whether the VM has memory anywhere in a range of guest physical addresses. */
export type HasMemory = (address: bigint, bytes: bigint) => boolean;

/** Guest physical addresses end below. */
const addressEnd = 1n << 60n;
const pageMask = 0xffffn;

const pagesOf = (attr: bigint): Pages | undefined => {
  if (attr === uapi.KVM_XIVE_TIMA_PAGE_OFFSET) return "tima";
  return attr === uapi.KVM_XIVE_ESB_PAGE_OFFSET ? "esb" : undefined;
};
const sizes = { tima: timaSize, esb: esbSize } as const;

export function xiveDevice(xive: Xive, hasMemory: HasMemory): DeviceOps {
  const control = (attr: bigint, value: bigint): void => {
    if (attr === uapi.KVM_DEV_XIVE_RESET) xive.reset();
    else if (attr === uapi.KVM_DEV_XIVE_EQ_SYNC) xive.syncQueues();
    else if (attr === uapi.KVM_DEV_XIVE_NR_SERVERS) xive.setServerCount(Number(value));
    else throw unknown(uapi.KVM_DEV_XIVE_GRP_CTRL, attr);
  };
  const place = (attr: bigint, value: bigint): void => {
    const pages = pagesOf(attr);
    if (!pages) throw unknown(uapi.KVM_DEV_XIVE_GRP_PAGES, attr);
    if (value === uapi.KVM_DEV_XIVE_NO_PAGES) {
      xive.placePages(pages, -1n);
      return;
    }
    if (value & pageMask || value < 0n || value + sizes[pages] > addressEnd) {
      throw new KvmError(
        "EINVAL",
        `0x${value.toString(16)} is no multiple of 64 KiB with room for the pages behind it`,
      );
    }
    const other = pages === "tima" ? "esb" : "tima";
    const at = xive.pagesAt(other);
    const overlaps = at >= 0n && value < at + sizes[other] && at < value + sizes[pages];
    if (overlaps || hasMemory(value, sizes[pages])) {
      throw new KvmError("EEXIST", `there is something already where the pages at 0x${value.toString(16)} would be`);
    }
    xive.placePages(pages, value);
  };

  return {
    setAttr(group, attr, value) {
      switch (group) {
        case uapi.KVM_DEV_XIVE_GRP_CTRL:
          control(attr, value);
          return;
        case uapi.KVM_DEV_XIVE_GRP_SOURCE:
          xive.createSource(Number(attr), {
            level: (value & uapi.KVM_XIVE_LEVEL_SENSITIVE) !== 0n,
            asserted: (value & uapi.KVM_XIVE_LEVEL_ASSERTED) !== 0n,
          });
          return;
        case uapi.KVM_DEV_XIVE_GRP_SOURCE_CONFIG:
          xive.configureSource(Number(attr), {
            server: Number((value & uapi.KVM_XIVE_SOURCE_SERVER_MASK) >> uapi.KVM_XIVE_SOURCE_SERVER_SHIFT),
            priority: Number(value & uapi.KVM_XIVE_SOURCE_PRIORITY_MASK),
            masked: (value & uapi.KVM_XIVE_SOURCE_MASKED_MASK) !== 0n,
            eisn: Number((value & uapi.KVM_XIVE_SOURCE_EISN_MASK) >> uapi.KVM_XIVE_SOURCE_EISN_SHIFT),
          });
          return;
        case uapi.KVM_DEV_XIVE_GRP_EQ_CONFIG:
          setQueue(xive, attr, uapi.ppcXiveEq(value));
          return;
        case uapi.KVM_DEV_XIVE_GRP_SOURCE_SYNC:
          xive.syncSource(Number(attr));
          return;
        case uapi.KVM_DEV_XIVE_GRP_PAGES:
          place(attr, value);
          return;
        case uapi.KVM_DEV_XIVE_GRP_ESB:
          if (!xive.store(Number(attr >> 12n), Number(attr & 0xfffn))) throw noSource(attr >> 12n);
          return;
        default:
          throw unknown(group, attr);
      }
    },
    getAttr(group, attr) {
      const pages = pagesOf(attr);
      if (group === uapi.KVM_DEV_XIVE_GRP_EQ_CONFIG) return getQueue(xive, attr);
      if (group === uapi.KVM_DEV_XIVE_GRP_PAGES && pages) return BigInt.asUintN(64, xive.pagesAt(pages));
      if (group !== uapi.KVM_DEV_XIVE_GRP_ESB) throw unknown(group, attr);
      const found = xive.load(Number(attr >> 12n), Number(attr & 0xfffn));
      if (found === undefined) throw noSource(attr >> 12n);
      return BigInt(found);
    },
    hasAttr(group, attr) {
      switch (group) {
        case uapi.KVM_DEV_XIVE_GRP_CTRL:
          return attr >= uapi.KVM_DEV_XIVE_RESET && attr <= uapi.KVM_DEV_XIVE_NR_SERVERS;
        case uapi.KVM_DEV_XIVE_GRP_SOURCE:
        case uapi.KVM_DEV_XIVE_GRP_SOURCE_CONFIG:
        case uapi.KVM_DEV_XIVE_GRP_SOURCE_SYNC:
          return attr >= 0n && attr < BigInt(sourceMax);
        case uapi.KVM_DEV_XIVE_GRP_EQ_CONFIG:
          return true;
        case uapi.KVM_DEV_XIVE_GRP_PAGES:
          return pagesOf(attr) !== undefined;
        case uapi.KVM_DEV_XIVE_GRP_ESB:
          return attr >= 0n && attr >> 12n < BigInt(sourceMax);
        default:
          return false;
      }
    },
  };
}

const unknown = (group: number, attr: bigint): KvmError =>
  new KvmError("ENXIO", `the XIVE has no attribute ${attr} in group ${group}`);
const noSource = (irq: bigint): KvmError => new KvmError("ENOENT", `the XIVE has no source ${irq}`);

const queueOf = (attr: bigint) =>
  [
    Number((attr & uapi.KVM_XIVE_EQ_SERVER_MASK) >> uapi.KVM_XIVE_EQ_SERVER_SHIFT),
    Number(attr & uapi.KVM_XIVE_EQ_PRIORITY_MASK),
  ] as const;

function setQueue(xive: Xive, attr: bigint, { flags, qshift, qaddr, qtoggle, qindex }: uapi.PpcXiveEq): void {
  const [server, priority] = queueOf(attr);
  if (qshift === 0) {
    xive.configureQueue(server, priority, undefined);
    return;
  }
  // Of what is wrong, the server and the priority come first.
  xive.queue(server, priority);
  if (flags !== uapi.KVM_XIVE_EQ_ALWAYS_NOTIFY) {
    throw new KvmError("EINVAL", "a queue's flags are KVM_XIVE_EQ_ALWAYS_NOTIFY and nothing else");
  }
  xive.configureQueue(server, priority, { address: qaddr, shift: qshift, index: qindex, toggle: qtoggle });
}

function getQueue(xive: Xive, attr: bigint): bigint {
  const queue = xive.queue(...queueOf(attr));
  if (!queue) return 0n;
  const { shift, address, toggle, index } = queue;
  const flags = uapi.KVM_XIVE_EQ_ALWAYS_NOTIFY;
  return uapi.kvmPpcXiveEq({ flags, qshift: shift, qaddr: address, qtoggle: toggle, qindex: index });
}
