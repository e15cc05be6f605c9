/**
 * The XIVE's pages as a vCPU's loads and stores find them. Numbers are big-endian. Source: PAPR, "XIVE Exploitation Mode";
 * Linux, arch/powerpc/include/asm/xive-regs.h.
 */
import { sourceMax } from "../source-blocks.js";
import type { Xive } from "./xive.js";

const pageShift = 16n;
const pageSize = 1n << pageShift;
const timaPages = 4n;
/** Of the four pages the one that the OS has; the others answer nothing. */
const osPage = 2n;
export const timaSize = timaPages * pageSize;
export const esbSize = 2n * BigInt(sourceMax) * pageSize;

/** In the OS's page. */
const ring = 0x10;
const ringBytes = 16;
const cppr = 0x11;
const acknowledge = 0x810;
const setPending = 0x812;
/** Not shown to the OS. */
const age = 6;

const ones = (length: number): bigint => (1n << BigInt(8 * length)) - 1n;

/** What a load finds; undefined: the XIVE has nothing there. */
export function loadPage(xive: Xive, server: number | undefined, address: bigint, length: number): bigint | undefined {
  const tima = timaOffset(xive, address);
  if (tima !== undefined) return server === undefined ? ones(length) : loadThread(xive, server, tima, length);
  const esb = esbOffset(xive, address);
  if (!esb || !xive.has(esb.irq)) return undefined;
  const found = esb.manages ? xive.load(esb.irq, esb.offset) : undefined;
  // The page that triggers is for stores.
  return found === undefined ? ones(length) : BigInt(found);
}

/** False: the XIVE has nothing there. */
export function storePage(
  xive: Xive,
  server: number | undefined,
  address: bigint,
  length: number,
  value: bigint,
): boolean {
  const tima = timaOffset(xive, address);
  if (tima !== undefined) {
    if (server !== undefined) storeThread(xive, server, tima, length, Number(value & 0xffn));
    return true;
  }
  const esb = esbOffset(xive, address);
  return esb !== undefined && xive.store(esb.irq, esb.manages ? esb.offset : 0);
}

function loadThread(xive: Xive, server: number, offset: number, length: number): bigint {
  if (offset === acknowledge && length === 2) return BigInt(xive.acknowledge(server) ?? 0xffff);
  if (offset < ring || offset + length > ring + ringBytes) return ones(length);
  const registers = xive.registers(server) ?? [];
  let value = 0n;
  for (let byte = offset - ring; byte < offset - ring + length; byte++) {
    value = (value << 8n) | BigInt(byte === age ? 0 : (registers[byte] ?? 0));
  }
  return value;
}

function storeThread(xive: Xive, server: number, offset: number, length: number, value: number): void {
  if (length !== 1) return;
  if (offset === cppr) xive.setPriority(server, value);
  else if (offset === setPending && value <= 7) xive.setPending(server, value);
}

function timaOffset(xive: Xive, address: bigint): number | undefined {
  const offset = address - (xive.pagesAt("tima") + osPage * pageSize);
  return xive.pagesAt("tima") >= 0n && offset >= 0n && offset < pageSize ? Number(offset) : undefined;
}

function esbOffset(xive: Xive, address: bigint) {
  const base = xive.pagesAt("esb");
  const offset = address - base;
  if (base < 0n || offset < 0n || offset >= esbSize) return undefined;
  return {
    irq: Number(offset >> (pageShift + 1n)),
    manages: ((offset >> pageShift) & 1n) === 1n,
    offset: Number(offset & 0xfffn),
  };
}
