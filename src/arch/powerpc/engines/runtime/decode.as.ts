/** What a decoded entry holds of an instruction of POWER: its handler's number, and its word or where its two words lie. */
import { DECODE_suffixRoots, HANDLER_illegal, S_decodeRoot } from "./layout.generated";
import { handlerFrom } from "./decode-table.as";
import { crossesBoundary, decodePair } from "./prefixed.as";

/**
 * The instruction whose bytes are at `host`, as an entry holds it: the handler's number, above it the word. `address` is where
 * the guest has it; `room` bytes may be read, `filled` is the entry that will be filled with it, 0 if none will.
 */
export function decodeAt(s: i32, host: i32, room: i32, address: u64, kind: i32, filled: i32): u64 {
  let word = load<u32>(host);
  if (kind) word = bswap(word);
  const handler = handlerFrom(load<i32>(s, S_decodeRoot), word);
  if (handler < DECODE_suffixRoots) return ((<u64>word) << 32) | <u64>handler;
  // So there always is room for the suffix. Which interrupt it is is looked at when it is raised: interrupts/program.as.ts.
  if (crossesBoundary(address)) return ((<u64>word) << 32) | HANDLER_illegal;
  let suffix = load<u32>(host + 4);
  if (kind) suffix = bswap(suffix);
  return decodePair(s, filled, word, suffix, handler - DECODE_suffixRoots);
}
