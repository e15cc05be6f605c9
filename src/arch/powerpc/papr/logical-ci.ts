/** What H_LOGICAL_CI_LOAD and _STORE share: 1, 2, 4 or 8 bytes of cache-inhibited storage by real address. */

export const isAccessSize = (size: bigint): boolean => size === 1n || size === 2n || size === 4n || size === 8n;

export function readBig(view: DataView, size: bigint): bigint {
  let value = 0n;
  for (let i = 0; i < Number(size); i++) value = (value << 8n) | BigInt(view.getUint8(i));
  return value;
}

export function writeBig(view: DataView, size: bigint, value: bigint): void {
  for (let i = 0; i < Number(size); i++)
    view.setUint8(i, Number((value >> BigInt(8 * (Number(size) - 1 - i))) & 0xffn));
}
