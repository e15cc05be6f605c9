/** What a decoded entry holds of an instruction of POWER: its handler's number, and its word. */
import { HANDLER_illegal, S_decodeRoot, VM_decodeTables } from "./layout.generated";

/** The handler's number for an instruction word; the tables' form is told in isa/decoder.ts. */
function handlerOf(s: i32, word: u32): i32 {
  let node = VM_decodeTables + 4 * load<i32>(s, S_decodeRoot);
  let child: i32;
  do {
    const index = <i32>((word >>> load<u32>(node)) & load<u32>(node, 4));
    child = load<i32>(node + 4 * index, 8);
    node = VM_decodeTables - 4 * child;
  } while (child < 0);
  if (child == 0) return HANDLER_illegal;
  let leaf = VM_decodeTables + 4 * child;
  let mask = load<u32>(leaf);
  while (mask != 0) {
    if ((word & mask) == load<u32>(leaf, 4)) return load<i32>(leaf, 8);
    leaf += 12;
    mask = load<u32>(leaf);
  }
  const otherwise = load<i32>(leaf, 4);
  return otherwise ? otherwise : HANDLER_illegal;
}

/**
 * The instruction whose bytes are at `host`, as an entry holds it: the handler's number, above it the word. `address` is where
 * the guest has it; `room` bytes may be read, `filled` is the entry that will be filled with it, 0 if none will.
 */
export function decodeAt(s: i32, host: i32, room: i32, address: u64, secondOrder: bool, filled: i32): u64 {
  let word = load<u32>(host);
  if (secondOrder) word = bswap(word);
  return ((<u64>word) << 32) | <u64>handlerOf(s, word);
}
