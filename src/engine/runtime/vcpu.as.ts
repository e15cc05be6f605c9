/** A vCPU's state as a whole: its beginning, and what follows when registers are written from outside. */
import {
  S_codeMaps,
  S_codePagesTaken,
  S_nextCodePage,
  S_recheck,
  S_vcpuIndex,
  VM_vcpuCount,
  VM_vcpus,
} from "./layout.target";
import { derive, resetArch } from "./arch.target";
import { dropAllCode } from "./code-pages.as";
import { resetContexts } from "./contexts.as";

/**
 * Readies the state at `s`, whose registers the caller has set, for its first run. The vCPU stands in the VM's list and the
 * architecture's part of the VM is filled in.
 */
export function reset(s: i32): void {
  const count = load<i32>(VM_vcpuCount);
  for (let i = 0; i < count; i++) {
    if (load<i32>(VM_vcpus + 4 * i) == s) store<i32>(s, i, S_vcpuIndex);
  }
  // Nothing was translated where no code page has been taken, since the memory was made.
  resetContexts(s, load<i32>(s, S_codePagesTaken) != 0);
  if (load<i32>(s, S_codeMaps)) dropAllCode(s);
  store<i32>(s, 0, S_nextCodePage);
  resetArch(s);
  contextRefresh(s);
}

/** Registers were written from outside: renews what derives from them. */
export function contextRefresh(s: i32): void {
  derive(s);
  store<i32>(s, 1, S_recheck);
}
