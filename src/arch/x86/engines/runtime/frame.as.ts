/** ENTER. Source: Intel SDM, volume 2, "ENTER". */
import { S_fault, S_general } from "./layout.generated";
import { loadSlow, storeSlow } from "../../../../engine/runtime/access.as";
import { stackAddress, stackMask, stackMoved } from "../../mmu/segmentation.as";

const RSP_AT = 4 * 8;
const RBP_AT = 5 * 8;
const RSP = S_general + RSP_AT;
const RBP = S_general + RBP_AT;

/** Stores below the stack's top, so far from it. False: a fault has been raised. */
function put(s: i32, below: i32, bytes: i32, value: i64): bool {
  const at = stackAddress(s, RSP_AT, -below, bytes, 1);
  if (load<i32>(s, S_fault)) return false;
  storeSlow(s, at, bytes, value, 0);
  return !load<i32>(s, S_fault);
}

/** So many bytes of space below a frame that has the pointers of as many outer frames as the level says. */
export function enterFrame(s: i32, size: i32, space: i32, nesting: i32): void {
  const bytes = size >> 3;
  const level = nesting & 31;
  if (!put(s, bytes, bytes, load<i64>(s, RBP))) return;
  const frame = stackMoved(s, RSP_AT, -bytes);
  let below = bytes;
  for (let i = 1; i < level; i++) {
    const from = stackAddress(s, RBP_AT, -i * bytes, bytes, 0);
    if (load<i32>(s, S_fault)) return;
    const outer = loadSlow(s, from, bytes, 0);
    if (load<i32>(s, S_fault)) return;
    below += bytes;
    if (!put(s, below, bytes, outer)) return;
  }
  if (level > 0) {
    below += bytes;
    if (!put(s, below, bytes, frame)) return;
  }
  // The new top must be one that can be written.
  const top = stackMoved(s, RSP_AT, -(below + space));
  const last = stackAddress(s, RSP_AT, -(below + space), bytes, 1);
  if (load<i32>(s, S_fault)) return;
  loadSlow(s, last, 1, 0);
  if (load<i32>(s, S_fault)) return;
  if (size == 16) store<u16>(s, <u16>frame, RBP);
  else if (size == 32) store<u64>(s, frame & 0xffffffff, RBP);
  else store<i64>(s, frame, RBP);
  if (stackMask(s) == 0xffff) store<u16>(s, <u16>top, RSP);
  else store<i64>(s, top, RSP);
}
