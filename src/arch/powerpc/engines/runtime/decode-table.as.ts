/** Looking words up in the decode table, whose form is told in isa/decoder.ts. */
import { HANDLER_illegal, VM_decodeTables } from "./layout.generated";

/** What the table says of a word: a handler's number, or where a suffix is looked up. `root` is an offset in words. */
export function handlerFrom(root: i32, word: u32): i32 {
  let node = VM_decodeTables + 4 * root;
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
