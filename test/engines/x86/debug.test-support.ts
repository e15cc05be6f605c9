/** What tests of debug registers say of them. Source: Intel SDM, volume 3, "Debug Registers". */

/** DR6 of a processor to which nothing has happened. */
export const fixed6 = 0xffff_0ff0n;

/** DR7's bits for a register: on instructions, writes, ports, all accesses; bytes. */
export const on = (
  register: number,
  kind: "execute" | "write" | "port" | "access",
  bytes: 1 | 2 | 4 | 8 = 1,
): number => {
  const length = { 1: 0, 2: 1, 4: 3, 8: 2 }[bytes];
  const what = { execute: 0, write: 1, port: 2, access: 3 }[kind];
  return ((2 << (2 * register)) | (((length << 2) | what) << (16 + 4 * register))) >>> 0;
};
