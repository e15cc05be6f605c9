/** What alignment is given as, in bytes, of accesses to what other threads access too: `sharedHint` of wasm/opcodes.ts. */

// @ts-ignore: decorator
@inline
export const SHARED_HINT: usize = 2;
